mod exports;

use jiff::SignedDuration;

use super::*;

fn read(text: &str) -> Result<History, String> {
    parse("demand.csv", text.as_bytes(), &Columns::default()).map_err(|error| format!("{error:#}"))
}

#[test]
fn missing_rows_and_empty_values_are_gaps() {
    let text = "\u{feff}timestamp,value\n2026-11-24T08:00:00Z,1\n2026-11-24T08:05:00Z,\n\
                2026-11-24T08:10:00Z,NaN\n2026-11-24T08:15:00Z,2.5\n2026-11-24T09:30:00+01:00,-3\n";
    let history = read(text).unwrap();
    let shown: Vec<String> = history.series.values().iter().map(f64::to_string).collect();
    assert_eq!(shown, ["1", "NaN", "NaN", "2.5", "NaN", "NaN", "0"]);
    assert_eq!(history.series.step(), SignedDuration::from_mins(5));
    assert_eq!(history.series.start().to_string(), "2026-11-24T08:00:00Z");
    assert_eq!(history.notes, ["demand.csv: negative values counted as 0: 1"]);
}

#[test]
fn columns_may_stand_in_any_order_and_beside_others() {
    let history = read(
        "remark,value,Timestamp,replicas\r\na,1,2026-11-24T08:00:00Z,3\r\nb,2,2026-11-24T08:01:00Z,4\r\n\
         c,2,2026-11-24T08:02:00Z,4\r\n",
    )
    .unwrap();
    assert_eq!(history.series.values(), [1.0, 2.0, 2.0]);
}

#[test]
fn every_error_names_the_line_and_the_fix() {
    let rows = |rows: &str| read(&format!("timestamp,value\n{rows}")).unwrap_err();
    let errors = [
        read("").unwrap_err(),
        read("time,value\n2026-11-24T08:00:00Z,1\n").unwrap_err(),
        rows(""),
        rows("2026-11-24T08:00:00Z,1\n"),
        rows("2026-11-24T08:00:00Z,\n2026-11-24T08:05:00Z,\n"),
        rows("2026-11-24 08:00,1\n"),
        rows("yesterday,1\n"),
        rows("2026-11-24T08:00:00Z,many\n"),
        rows("2026-11-24T08:00:00Z,inf\n"),
        rows("2026-11-24T08:00:00Z,1,5\n"),
        rows("2026-11-24T08:05:00Z,1\n2026-11-24T08:05:00Z,1\n"),
        rows("2026-11-24T08:05:00Z,1\n2026-11-24T08:00:00Z,1\n2026-11-24T08:10:00Z,1\n"),
        rows(
            "2026-11-24T08:00:00Z,1\n2026-11-24T08:05:00Z,1\n2026-11-24T08:10:01Z,1\n2026-11-24T08:15:01Z,1\n",
        ),
        rows(
            "1926-11-24T08:00:00Z,1\n2026-11-24T08:00:00Z,1\n2026-11-24T08:01:00Z,1\n2026-11-24T08:02:00Z,1\n",
        ),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_flag() {
    let error = format!(
        "{:#}",
        super::read(Path::new("/nowhere/demand.csv"), &Columns::default()).unwrap_err()
    );
    assert!(
        error.starts_with("--input /nowhere/demand.csv: cannot be read: No such file"),
        "{error}"
    );
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(timestamp,value\n)?([0-9TZ:,.\n-]|\\PC)*") {
        let _ = read(&text);
    }

    #[test]
    fn what_is_written_reads_back(values in proptest::collection::vec(proptest::option::of(0.0..1e12), 2..50)) {
        let start = Timestamp::from_second(1_790_000_000).unwrap();
        let at = |i: usize| start + SignedDuration::from_mins(5) * i32::try_from(i).unwrap();
        let row = |(i, value): (usize, &Option<f64>)| match value {
            Some(value) => format!("{},{value}\n", at(i)),
            None => format!("{},\n", at(i)),
        };
        let text: String = values.iter().enumerate().map(row).collect();
        let known = values.iter().any(Option::is_some);
        match read(&format!("timestamp,value\n{text}")) {
            Ok(history) => proptest::prop_assert_eq!(
                history.series.values().iter().map(|v| Some(*v).filter(|v| v.is_finite())).collect::<Vec<_>>(),
                values
            ),
            Err(_) => proptest::prop_assert!(!known),
        }
    }
}
