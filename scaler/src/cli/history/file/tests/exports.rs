//! Exports as they come from the field.

use super::*;

/// Columns as flags name them.
fn flags(columns: &[&str], sum_by: &[&str], zone: Option<&str>) -> Columns {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Columns {
        columns: owned(columns),
        sum_by: owned(sum_by),
        zone: zone.map(|name| TimeZone::get(name).unwrap()),
        time_column: None,
    }
}

fn read_with(text: &str, columns: &Columns) -> Result<History, String> {
    parse("demand.csv", text.as_bytes(), columns).map_err(|error| format!("{error:#}"))
}

/// Step in seconds, and the values.
fn told(history: &History) -> (i64, Vec<f64>) {
    (history.series.step().as_secs(), history.series.values().to_vec())
}

/// Two pods that are scraped half a minute apart (shared/cases: histories/two-pods): what they do
/// together, or a word on how.
#[test]
fn several_series_are_summed_when_asked_and_never_mixed() {
    let mut text = "timestamp,pod,value\n".to_owned();
    for minute in 0..60 {
        text += &format!("2026-10-05T00:{minute:02}:00Z,pod-a,10\n");
        text += &format!("2026-10-05T00:{minute:02}:30Z,pod-b,12\n");
    }
    let refused = read(&text).unwrap_err();
    assert!(
        refused.starts_with(
            "demand.csv:1: column \"pod\" tells several series apart (\"pod-a\", \"pod-b\")"
        ) && refused.contains("--sum-by pod"),
        "{refused}"
    );
    let summed = read_with(&text, &flags(&[], &["pod"], None)).unwrap();
    assert_eq!(told(&summed), (60, vec![22.0; 60]));
    assert_eq!(summed.notes, ["demand.csv: 2 series are summed at steps of 1m"]);

    // One scrape of one pod is missing: its value before stands for it.
    let one_less = text.replacen("2026-10-05T00:10:30Z,pod-b,12\n", "", 1);
    assert_eq!(told(&read_with(&one_less, &flags(&[], &["pod"], None)).unwrap()).1, [22.0; 60]);

    // A number tells series apart where times repeat.
    let shards = "timestamp,shard,value\n2026-10-05T00:00:00Z,0,1\n2026-10-05T00:00:00Z,1,2\n\
                  2026-10-05T00:01:00Z,0,3\n2026-10-05T00:01:00Z,1,4\n";
    assert!(read(shards).unwrap_err().contains("--sum-by shard"));
    assert_eq!(told(&read_with(shards, &flags(&[], &["shard"], None)).unwrap()).1, [3.0, 7.0]);
    assert!(
        read_with(shards, &flags(&[], &["pod"], None))
            .unwrap_err()
            .contains("there is no such column")
    );
}

/// Rows only where there was traffic (shared/cases: histories/sparse-grid), and rows that are
/// shifted.
#[test]
fn rows_only_where_there_was_traffic_lie_on_their_grid() {
    let minutes = [0, 10, 20, 30, 35, 45, 55, 65, 75, 80, 85, 95, 105, 115, 125, 130];
    let start: Timestamp = "2026-10-05T00:00:00Z".parse().unwrap();
    let rows = |minutes: &[i64]| {
        let row = |minute: &i64| format!("{},7\n", start + SignedDuration::from_mins(*minute));
        format!("timestamp,value\n{}", minutes.iter().map(row).collect::<String>())
    };
    let history = read(&rows(&minutes)).unwrap();
    let (step, values) = told(&history);
    assert_eq!((step, values.len()), (300, 27));
    assert_eq!(values.iter().filter(|value| value.is_finite()).count(), minutes.len());

    let mut shifted: Vec<i64> = (0..40).map(|n| n * 5).collect();
    shifted[20] += 1;
    assert!(read(&rows(&shifted)).unwrap_err().contains("steps must be even"));
}

/// Old data are kept more coarsely: by Thanos, VictoriaMetrics, CloudWatch.
#[test]
fn steps_that_differ_over_time_are_read_at_the_longer_one() {
    let start: Timestamp = "2026-10-05T00:00:00Z".parse().unwrap();
    let mut text = "timestamp,value\n".to_owned();
    for n in 0..48 {
        text += &format!("{},5\n", start + SignedDuration::from_mins(5 * n));
    }
    for n in 0..100 {
        text += &format!("{},{}\n", start + SignedDuration::from_mins(240 + n), n % 5);
    }
    let history = read(&text).unwrap();
    let (step, values) = told(&history);
    assert_eq!((step, values.len()), (300, 68));
    assert_eq!((values[0], values[47], values[48], values[67]), (5.0, 5.0, 2.0, 2.0));
    assert_eq!(
        history.notes,
        [
            "demand.csv: rows are 5m apart and 1m elsewhere: all are read at the longer step, as means"
        ]
    );
}

#[test]
fn several_columns_of_numbers_need_a_name() {
    let text = "Time,llama,qwen\n2026-10-05 00:00:00,1,10\n2026-10-05 00:01:00,2,\n2026-10-05 00:02:00,3,20\n";
    let utc = Some("UTC");
    let refused = read_with(text, &flags(&[], &[], utc)).unwrap_err();
    assert!(refused.contains("\"llama\", \"qwen\"") && refused.contains("--column"), "{refused}");
    assert_eq!(told(&read_with(text, &flags(&["llama"], &[], utc)).unwrap()).1, [1.0, 2.0, 3.0]);
    assert_eq!(
        told(&read_with(text, &flags(&["llama", "qwen"], &[], utc)).unwrap()).1,
        [11.0, 12.0, 23.0]
    );
    let alone = "ds,y\n2026-10-05,1\n2026-10-06,2\n";
    assert_eq!(told(&read_with(alone, &flags(&[], &[], utc)).unwrap()), (86_400, vec![1.0, 2.0]));
}

#[test]
fn local_times_take_their_zone() {
    let berlin = flags(&[], &[], Some("Europe/Berlin"));
    let mut text = "Time,Value\n".to_owned();
    for time in ["01:00", "01:30", "02:00", "02:30", "02:00", "02:30", "03:00"] {
        text += &format!("2026-10-25 {time}:00,1\n");
    }
    assert_eq!(told(&read_with(&text, &berlin).unwrap()), (1800, vec![1.0; 7]));
    assert!(read(&text).unwrap_err().contains("--timezone"));
}

/// `promtool query range`, its JSON, and Prometheus' API; CloudWatch's command line and console.
#[test]
fn exports_are_read_by_their_own_names() {
    let promtool = "{pod=\"a\"} =>\n1 @[1795507200]\n2 @[1795507260]\n3 @[1795507320]\n";
    assert_eq!(told(&read(promtool).unwrap()), (60, vec![1.0, 2.0, 3.0]));
    let two = format!(
        "{promtool}{{pod=\"b\"}} =>\n10 @[1795507200]\n10 @[1795507260]\n10 @[1795507320]\n"
    );
    assert!(read(&two).unwrap_err().contains("--sum-by series"));
    assert_eq!(
        told(&read_with(&two, &flags(&[], &["series"], None)).unwrap()).1,
        [11.0, 12.0, 13.0]
    );

    let values = "[[1795507200,\"1\"],[1795507260,\"2\"],[1795507320,\"3\"]]";
    let list = format!("[{{\"metric\":{{\"pod\":\"a\"}},\"values\":{values}}}]");
    let api = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":{list}}}}}"
    );
    for text in [list, api] {
        assert_eq!(told(&read(&text).unwrap()), (60, vec![1.0, 2.0, 3.0]), "{text}");
    }
    let instant = "[{\"metric\":{},\"value\":[1795507200,\"1\"]}]";
    assert!(read(instant).unwrap_err().contains("ask for a range"));

    let point = |minute: u32, sum: f64| {
        format!(
            "{{\"Timestamp\":\"2026-11-24T08:{minute:02}:00+00:00\",\"Sum\":{sum},\"Unit\":\"Count\"}}"
        )
    };
    let points = [point(5, 2.0), point(0, 1.0), point(10, 3.0)].join(",");
    let statistics = format!("{{\"Label\":\"RequestCount\",\"Datapoints\":[{points}]}}");
    assert_eq!(told(&read(&statistics).unwrap()), (300, vec![1.0, 2.0, 3.0]));

    let data = "{\"MetricDataResults\":[{\"Id\":\"m1\",\"Label\":\"depth\",\"Timestamps\":\
                [\"2026-11-24T08:10:00+00:00\",\"2026-11-24T08:05:00+00:00\",\"2026-11-24T08:00:00+00:00\"],\
                \"Values\":[3,2,1]}]}";
    assert_eq!(told(&read(data).unwrap()), (300, vec![1.0, 2.0, 3.0]));

    let console = "Full label,queue depth\nNamespace,AWS/SQS\nUnit,Count\nPeriod,300\n\
                   2026/11/24 08:00:00,3\n2026/11/24 08:05:00,4\n";
    assert_eq!(
        told(&read_with(console, &flags(&[], &[], Some("UTC"))).unwrap()),
        (300, vec![3.0, 4.0])
    );
    let newest_first = "bin(5m),count()\n2026-11-24 08:05:00.000,4\n2026-11-24 08:00:00.000,3\n";
    assert_eq!(
        told(&read_with(newest_first, &flags(&[], &[], Some("UTC"))).unwrap()),
        (300, vec![3.0, 4.0])
    );
}

#[test]
fn what_is_wrong_is_named_as_the_cause() {
    let rows = |rows: &str| read(&format!("timestamp,value\n{rows}")).unwrap_err();
    let utf16: Vec<u8> =
        "\u{feff}timestamp,value\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let errors = [
        read("timestamp;value\n2026-11-24T08:00:00Z;1,5\n").unwrap_err(),
        rows("2026-11-24T08:00:00Z,\"1,5\"\n"),
        rows("2026-11-24T08:00:00Z,\"1,234.5\"\n"),
        rows("2026-11-24T08:00:00Z,1.2 K\n"),
        rows("2026-11-24T08:00:00Z,12.5 req/s\n"),
        read("2026-11-24T08:00:00Z,1\n2026-11-24T08:01:00Z,2\n").unwrap_err(),
        rows("24.11.2026 08:00,1\n"),
        read("{\"status\":\"error\"}").unwrap_err(),
        read("{broken").unwrap_err(),
        parse("demand.csv", &utf16, &Columns::default()).unwrap_err().to_string(),
        // shared/cases: histories/crlf-line-number
        read("timestamp,value\r\n2026-10-05T00:00:00Z,1\r\n2026-10-05T00:05:00Z,oops\r\n")
            .unwrap_err(),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

proptest::proptest! {
    #[test]
    fn any_text_of_an_export_gets_an_answer(text in "[\\[{]?(\"(metric|values|Datapoints|Timestamp)\":|[0-9\\[\\]{},\":@=> \n-]|\\PC){0,60}") {
        let _ = read(&text);
    }
}
