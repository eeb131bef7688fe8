//! `prewarm replay`: what each way to scale would have missed and cost on this history.

mod report;
mod summary;
mod table;
