//! The house rules that no compiler checks. Each complaint names file and line.

#[path = "tidy/source.rs"]
mod source;

use source::{Source, root, sources};

/// Which module of the service may import which; whoever is not listed is not known yet. Arrows
/// point down: `main → cli → app → {grpc, http, collector, training} → {registry, metadata, source,
/// store, cluster, …}`.
const ARROWS: [(&str, &[&str]); 26] = [
    ("main", &["cli"]),
    (
        "cli",
        &[
            "app",
            "clock",
            "collector",
            "config",
            "http",
            "duration",
            "grpc",
            "trigger",
            "registry",
            "scaled_object",
            "signal",
            "source",
            "store",
            "telemetry",
        ],
    ),
    (
        "app",
        &[
            "archive",
            "clock",
            "cluster",
            "collector",
            "config",
            "http",
            "grpc",
            "metrics",
            "training",
            "registry",
            "source",
            "cold_starts",
            "store",
            "trial",
        ],
    ),
    // Tries by the registry's rules what HTTP hands on.
    ("trial", &["clock", "http", "registry", "source", "trigger"]),
    // Answers come from the registry: neither source, store nor collector.
    ("grpc", &["config", "log_once", "trigger", "metrics", "registry"]),
    // What is kept is read through the archive, which writes nothing.
    ("http", &["archive", "status", "metrics", "registry", "signal", "trigger", "workload"]),
    ("archive", &["store"]),
    (
        "collector",
        &[
            "clock",
            "cluster",
            "status",
            "trigger",
            "metrics",
            "training",
            "registry",
            "scaled_object",
            "signal",
            "source",
            "cold_starts",
            "store",
        ],
    ),
    (
        "training",
        &[
            "clock",
            "status",
            "trigger",
            "metrics",
            "registry",
            "scaled_object",
            "source",
            "cold_starts",
            "store",
        ],
    ),
    ("cold_starts", &["clock", "cluster", "status", "metrics", "scaled_object", "store"]),
    ("cluster", &["clock", "config", "status", "metrics", "scaled_object"]),
    ("metrics", &["clock", "status", "registry", "workload"]),
    ("registry", &["clock", "status", "trigger", "workload"]),
    ("trigger", &["duration", "signal"]),
    ("source", &["config", "log_once", "signal"]),
    ("store", &["config", "metrics", "workload"]),
    ("telemetry", &["config"]),
    // Shared windows and calendars are read as metadata is.
    ("config", &["duration", "trigger"]),
    ("duration", &[]),
    ("clock", &[]),
    ("status", &["scaled_object"]),
    ("scaled_object", &[]),
    ("log_once", &[]),
    ("signal", &[]),
    ("workload", &[]),
    ("lib", &[]),
];

/// What the brain may stand on: pure crates, no runtime, no logging.
const BRAIN: [&str; 7] =
    ["fearless_simd", "jiff", "linfa", "linfa-logistic", "nalgebra", "ndarray", "thiserror"];

/// What the brain would need for I/O, a clock, the environment, threads, logging or waiting.
const WORLDLY: [&str; 18] = [
    "std::fs",
    "std::io",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "std::os",
    "std::time",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::get",
    "TimeZone::system",
    "env!(",
    "println!",
    "async ",
    ".await",
];

#[test]
fn crates_point_one_way() {
    let members = ["prewarm", "prewarm-forecaster", "prewarm-tests"];
    for (member, may) in
        [("forecaster", &[][..]), ("scaler", &["prewarm-forecaster"]), ("tests", &members[..2])]
    {
        for (n, name) in
            dependencies(member, &["[dependencies]", "[dev-dependencies]", "[build-dependencies]"])
        {
            let ours = members.contains(&name.as_str());
            assert!(
                !ours || may.contains(&name.as_str()),
                "{member}/Cargo.toml:{n}: {member} must not know {name}"
            );
        }
    }
}

#[test]
fn the_forecaster_touches_nothing() {
    let depends = dependencies("forecaster", &["[dependencies]"]);
    assert!(!depends.is_empty(), "no dependencies found: does the manifest look different?");
    for (n, name) in depends {
        assert!(
            BRAIN.contains(&name.as_str()),
            "forecaster/Cargo.toml:{n}: {name} is not on the list of pure crates"
        );
    }
    forbid(
        "the forecaster does no I/O and reads no clock",
        |source| source.is_under("forecaster/src/"),
        &WORLDLY,
    );
}

#[test]
fn modules_point_one_way() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| source.is_under("scaler/src/") && !source.test) {
        let module = source.module("scaler/src/");
        let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            offences
                .push(format!("{}:1: module {module} is not in the table of arrows", source.path));
            continue;
        };
        for (line, name) in source.crate_paths() {
            let modules = ARROWS.iter().any(|(known, _)| *known == name);
            if modules && name != module && !may.contains(&name.as_str()) {
                offences.push(format!("{}:{line}: {module} must not import {name}", source.path));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// The table itself has an order: modules whose arrows all lead to what is removed already are
/// removed, until none is left.
#[test]
fn arrows_have_no_cycle() {
    let mut left: Vec<(&str, &[&str])> = ARROWS.to_vec();
    while !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|(name, _)| *name).collect();
        left.retain(|(_, may)| may.iter().any(|below| names.contains(below)));
        assert!(
            left.len() < names.len(),
            "these import each other in a circle, or stand above it: {}",
            names.join(", ")
        );
    }
}

#[test]
fn generated_protobuf_types_stay_under_grpc() {
    forbid(
        "generated types are named under scaler/src/grpc only",
        |source| source.is_under("scaler/src/") && !source.is_under("scaler/src/grpc"),
        &["grpc::proto", "include_proto!", "prost", "externalscaler"],
    );
}

#[test]
fn generated_kubernetes_types_stay_under_cluster() {
    forbid(
        "Kubernetes' types are named under scaler/src/cluster only",
        |source| source.is_under("scaler/src/") && !source.is_under("scaler/src/cluster/"),
        &["k8s_openapi", "kube::"],
    );
}

#[test]
fn time_is_read_in_one_place() {
    forbid(
        "time is read through Clock",
        |source| source.is_under("scaler/src/") && source.path != "scaler/src/clock.rs",
        &["Timestamp::now(", "Zoned::now(", "SystemTime::now("],
    );
}

#[test]
fn only_the_command_line_prints_and_only_main_ends_the_process() {
    let silent = |source: &Source| {
        source.is_under("scaler/src/")
            && !source.is_under("scaler/src/cli/")
            && source.path != "scaler/src/main.rs"
    };
    forbid(
        "no output but logs outside cli",
        silent,
        &["print!(", "println!(", "eprint!(", "eprintln!("],
    );
    forbid(
        "main alone ends the process",
        |source| source.is_under("scaler/src/"),
        &["process::exit(", "process::abort("],
    );
}

#[test]
fn files_are_short_and_names_say_what_things_do() {
    let mut offences = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > 400 {
            offences.push(format!(
                "{}:401: {lines} lines, at most 400: split it by meaning",
                source.path
            ));
        }
        let empty = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
        let of_path =
            source.path.split(['/', '.']).find(|part| empty.contains(part)).map(|part| (1, part));
        let of_module =
            source.code_lines().filter_map(|(n, line)| Some((n, word_after(line, "mod ")?)));
        let nameless =
            of_path.into_iter().chain(of_module.filter(|(_, name)| empty.contains(name)));
        offences
            .extend(nameless.map(|(n, name)| format!("{}:{n}: {name} says nothing", source.path)));

        for (n, line) in source.code_lines() {
            let vague = ["get_", "handle_", "process_", "do_"];
            let name = word_after(line, "fn ")
                .filter(|name| vague.iter().any(|prefix| name.starts_with(prefix)));
            // KEDA's protocol names two of its calls so.
            let name = name.filter(|name| !["get_metrics", "get_metric_spec"].contains(name));
            offences
                .extend(name.map(|name| format!("{}:{n}: {name}: say what it does", source.path)));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// Text in quotation marks is free, and two files that hold text of stored documents over several
/// lines: names in JSON and in the store are older than the rule.
#[test]
fn words_are_spelled_as_in_american_english() {
    let british = [
        "utilisation",
        "stabilisation",
        "behaviour",
        "neighbour",
        "colour",
        "favour",
        "honour",
        "learnt",
        "judgement",
        "minimise",
        "maximise",
        "normalise",
        "initialise",
        "serialise",
        "recognise",
        "summarise",
        "optimise",
        "organise",
        "authorise",
        "licence",
        "defence",
    ];
    let free = [
        "tests/tests/tidy.rs",
        "tests/tests/suite/continuity.rs",
        "forecaster/src/tuning/simulator/identity.rs",
    ];
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| !free.contains(&source.path.as_str())) {
        for (n, line) in source.text.lines().enumerate() {
            let unquoted: String =
                line.split(['"', '`']).step_by(2).collect::<String>().to_lowercase();
            let found = british.iter().filter(|word| unquoted.contains(*word));
            offences.extend(found.map(|word| format!("{}:{}: {word}", source.path, n + 1)));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// No code that `covers` picks may hold one of `words`. Tests are free.
fn forbid(rule: &str, covers: impl Fn(&Source) -> bool, words: &[&str]) {
    let mut offences = Vec::new();
    let all = sources();
    let covered = all.iter().filter(|source| covers(source) && !source.test);
    assert!(covered.clone().count() > 1, "{rule}: no source is covered");
    for source in covered {
        for (n, line) in source.code_lines() {
            let found = words.iter().find(|word| line.contains(*word));
            offences.extend(
                found.map(|word| format!("{}:{n}: {word} in {}", source.path, line.trim())),
            );
        }
    }
    assert!(offences.is_empty(), "{rule}\n{}", offences.join("\n"));
}

/// Line and name of what a member depends on, by the tables of its manifest.
fn dependencies(member: &str, tables: &[&str]) -> Vec<(usize, String)> {
    let path = root().join(member).join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut table = "";
    let mut names = Vec::new();
    for (n, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            table = line;
            // `[dependencies.x]`, `[target.….dependencies]`: not our way to write it, and not seen
            // by what follows.
            let hidden = line.contains("dependencies") && !line.ends_with("dependencies]");
            assert!(
                !hidden && !line.starts_with("[target"),
                "{}:{}: write it as name = …",
                path.display(),
                n + 1
            );
        } else if tables.contains(&table) && line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or(line);
            names.push((n + 1, name.to_owned()));
        }
    }
    names
}

/// The identifier that follows `keyword` where that stands at the start of a word.
fn word_after<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let (before, after) = line.split_once(keyword)?;
    let starts = before.is_empty() || before.ends_with(' ');
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
    starts.then(|| &after[..end]).filter(|word| !word.is_empty())
}
