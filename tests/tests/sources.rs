//! Sources against a real Prometheus: the numbers are PromQL's, the failures are those of a real
//! server, and what is evaluated on scraped text agrees with it.

#[cfg(test)]
mod sources {
    mod agreement;
    mod back_ends;
    mod history;
    mod pages;
    mod presets;
    mod series;
    mod sql;
}
