//! KEDA's protocol.
