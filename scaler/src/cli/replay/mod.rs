//! `prewarm replay`: what each way to scale would have missed and cost on this history.

#[cfg(test)]
mod example;
mod report;
mod scene;
mod summary;
mod table;
mod timeline;
mod words;
