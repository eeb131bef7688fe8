//! Write-behind queue.
