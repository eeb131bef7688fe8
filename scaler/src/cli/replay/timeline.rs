//! `--timeline`: every arm, moment by moment, as CSV.

use std::io::Write;

use prewarm_forecaster::replay::Moment;

/// Writes `arm,time,demand,ready,desired,metric_value,active,reason`; what is unknown is empty.
pub(crate) fn write<'a>(
    to: impl Write,
    arms: impl IntoIterator<Item = (&'a str, &'a [Moment])>,
) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record([
        "arm",
        "time",
        "demand",
        "ready",
        "desired",
        "metric_value",
        "active",
        "reason",
    ])?;
    let known = |value: Option<f64>| {
        value.filter(|value| value.is_finite()).map_or_else(String::new, |v| v.to_string())
    };
    for (arm, moments) in arms {
        for moment in moments {
            writer.write_record([
                arm,
                &moment.time.to_string(),
                &known(moment.demand),
                &moment.ready.to_string(),
                &moment.desired.to_string(),
                &known(moment.metric_value),
                if moment.active { "true" } else { "false" },
                moment.reason,
            ])?;
        }
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_is_unknown_is_empty() {
        let moment = |second, demand| Moment {
            time: Timestamp::from_second(second).unwrap(),
            demand,
            ready: 2,
            desired: 3,
            metric_value: demand,
            forecast: None,
            active: demand.is_some(),
            reason: "live",
        };
        let (known, unknown) = ([moment(0, Some(1.5))], [moment(15, None)]);
        let mut text = Vec::new();
        write(&mut text, [("hpa", known.as_slice()), ("prewarm", &unknown)]).unwrap();
        let expected = "arm,time,demand,ready,desired,metric_value,active,reason\n\
                        hpa,1970-01-01T00:00:00Z,1.5,2,3,1.5,true,live\n\
                        prewarm,1970-01-01T00:00:15Z,,2,3,,false,live\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
