//! Prometheus' text format 0.0.4, for whoever cannot read OpenMetrics.

/// OpenMetrics text 1.0 as Prometheus text 0.0.4: families are named as their samples are, `info`
/// is a gauge, and units and the end mark go.
pub fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    // The help of a family comes before its type, which decides what the family is called.
    let mut help = None;
    for line in openmetrics.lines() {
        if line.starts_with("# HELP ") {
            help = Some(line);
        } else if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.rsplit_once(' ').unwrap_or((family, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, words)) =
                help.take().and_then(|help| help.strip_prefix("# HELP ")?.split_once(' '))
            {
                push_line(&mut text, &["# HELP ", name, suffix, " ", words]);
            }
            push_line(&mut text, &["# TYPE ", name, suffix, " ", kind]);
        } else if !line.starts_with('#') {
            push_line(&mut text, &[line]);
        }
    }
    text
}

fn push_line(text: &mut String, pieces: &[&str]) {
    text.extend(pieces.iter().copied());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_their_samples_are() {
        let openmetrics = "# HELP calls Calls ended.\n# TYPE calls counter\n# UNIT calls seconds\ncalls_total{a=\"# x\"} 1\n\
            # HELP build Version.\n# TYPE build info\nbuild_info{v=\"1\"} 1\n\
            # HELP up Up.\n# TYPE up gauge\nup 1\n# TYPE odd unknown\nodd 2\n# EOF\n";
        let expected = "# HELP calls_total Calls ended.\n# TYPE calls_total counter\ncalls_total{a=\"# x\"} 1\n\
            # HELP build_info Version.\n# TYPE build_info gauge\nbuild_info{v=\"1\"} 1\n\
            # HELP up Up.\n# TYPE up gauge\nup 1\n# TYPE odd untyped\nodd 2\n";
        assert_eq!(plain(openmetrics), expected);
    }
}
