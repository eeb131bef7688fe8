//! What the database did not take before the end of the process: kept in a local file, and handed
//! on at the next start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prewarm_forecaster::Minute;
use serde::{Deserialize, Serialize};

use super::checkpoint::{PackedCheckpoint, SeriesCheckpoint};
use super::{Row, SeriesKey, records};

/// The directory of such files. Each has a JSON object a line, and can be read by two processes:
/// rows and checkpoints are written idempotently.
#[derive(Debug)]
pub struct Spill {
    directory: PathBuf,
    /// Files that were read at the start and whose rows are not all written yet.
    read: Mutex<Vec<PathBuf>>,
}

/// What waited.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spilled {
    /// Finished minutes, oldest first.
    pub rows: Vec<Row>,
    /// What answers stood on.
    pub checkpoints: Vec<SeriesCheckpoint>,
}

impl Spilled {
    /// Whether nothing waited.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.checkpoints.is_empty()
    }
}

impl Spill {
    /// A directory that need not exist yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), read: Mutex::default() }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Everything that lies there. Lines that cannot be read are left out, and said.
    pub fn read(&self) -> Spilled {
        let mut spilled = Spilled::default();
        let Ok(entries) = fs::read_dir(&self.directory) else { return spilled };
        let mut files: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|end| end == ENDING));
        files.sort();
        for file in files {
            match read(&file, &mut spilled) {
                Ok(0) => {}
                Ok(unreadable) => {
                    let file = file.display();
                    tracing::error!(unreadable, "lines of {file} cannot be read: left out");
                }
                Err(error) => {
                    tracing::error!(%error, "{} cannot be read: left there", file.display());
                    continue;
                }
            }
            self.read.lock().unwrap_or_else(PoisonError::into_inner).push(file);
        }
        spilled
    }

    /// Writes what waits, in place of what was read: it waits still. The file's name.
    pub fn write(&self, spilled: &Spilled) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.directory)?;
        let names = (1..).map(|n| self.directory.join(format!("history-{n}.{ENDING}")));
        let free = names.into_iter().find(|name| !name.exists());
        let name = free.ok_or_else(|| io::Error::other("no name is free"))?;
        let part = name.with_extension("part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        write(options.open(&part)?, spilled)?;
        fs::rename(&part, &name)?;
        self.settled();
        Ok(name)
    }

    /// What was read is written: the files go.
    pub fn settled(&self) {
        for file in self.read.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Err(error) = fs::remove_file(&file) {
                tracing::warn!(%error, "{} is written and cannot be removed", file.display());
            }
        }
    }

    /// Whether something was read that is not known to be written.
    pub fn is_unsettled(&self) -> bool {
        !self.read.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

fn write(file: File, spilled: &Spilled) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    let rows = spilled.rows.iter().map(Line::of_row);
    let checkpoints = spilled.checkpoints.iter().map(Line::of_checkpoint);
    for line in rows.chain(checkpoints) {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    out.into_inner()?.sync_all()
}

/// How many lines could not be read.
fn read(file: &Path, spilled: &mut Spilled) -> io::Result<usize> {
    let mut unreadable = 0;
    for line in BufReader::new(File::open(file)?).lines() {
        match serde_json::from_str::<Line>(&line?).ok().and_then(Line::parse) {
            Some(Parsed::Row(row)) => spilled.rows.push(row),
            Some(Parsed::Checkpoint(checkpoint)) => spilled.checkpoints.push(checkpoint),
            None => unreadable += 1,
        }
    }
    Ok(unreadable)
}

/// A line as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    namespace: String,
    name: String,
    metric: String,
    /// Seconds since 1970: start of the minute, or the checkpoint's slot.
    at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    minute: Option<MinuteLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<CheckpointLine>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MinuteLine {
    mean: f64,
    max: f64,
    backlog: Option<f64>,
    samples: u16,
}

/// Sealed by a checksum of its own.
#[derive(Debug, Serialize, Deserialize)]
struct CheckpointLine {
    codec: i32,
    data: Vec<u8>,
}

enum Parsed {
    Row(Row),
    Checkpoint(SeriesCheckpoint),
}

impl Line {
    fn of(key: &SeriesKey, at: Timestamp) -> Self {
        let SeriesKey { namespace, name, metric } = key.clone();
        Self { namespace, name, metric, at: at.as_second(), minute: None, checkpoint: None }
    }

    fn of_row(Row { key, minute }: &Row) -> Self {
        let Minute { start, mean, max, backlog, samples } = *minute;
        Self { minute: Some(MinuteLine { mean, max, backlog, samples }), ..Self::of(key, start) }
    }

    fn of_checkpoint((key, PackedCheckpoint { at, codec, data }): &SeriesCheckpoint) -> Self {
        let checkpoint = CheckpointLine { codec: *codec, data: data.clone() };
        Self { checkpoint: Some(checkpoint), ..Self::of(key, *at) }
    }

    /// `None` unless it may be stored.
    fn parse(self) -> Option<Parsed> {
        let Self { namespace, name, metric, at, minute, checkpoint } = self;
        let key = Arc::new(SeriesKey { namespace, name, metric });
        let at = Timestamp::from_second(at).ok()?;
        match (minute, checkpoint) {
            (Some(MinuteLine { mean, max, backlog, samples }), None) => {
                let row = Row { key, minute: Minute { start: at, mean, max, backlog, samples } };
                records::check(&row).ok()?;
                Some(Parsed::Row(row))
            }
            (None, Some(CheckpointLine { codec, data })) => {
                Some(Parsed::Checkpoint((key, PackedCheckpoint { at, codec, data })))
            }
            _ => None,
        }
    }
}

/// JSON Lines.
const ENDING: &str = "jsonl";

#[cfg(test)]
mod tests {
    use super::*;

    fn spilled() -> Spilled {
        let key = Arc::new(SeriesKey {
            namespace: "models".into(),
            name: "llama\n\"7b\"".into(),
            metric: "demand".into(),
        });
        let start: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let minute = Minute { start, mean: 0.1 + 0.2, max: 7.0, backlog: Some(3.0), samples: 4 };
        let checkpoint = PackedCheckpoint { at: start, codec: 1, data: vec![0, 255, 7] };
        Spilled {
            rows: vec![Row { key: key.clone(), minute }],
            checkpoints: vec![(key, checkpoint)],
        }
    }

    #[test]
    fn what_is_spilled_comes_back_to_the_last_bit_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("not/there/yet");
        let file = Spill::new(&place).write(&spilled()).unwrap();

        let spill = Spill::new(&place);
        assert_eq!(spill.read(), spilled());
        assert!(spill.is_unsettled() && file.exists());
        // Another end before they were written: one file again, not two.
        let again = spill.write(&spilled()).unwrap();
        assert!(again.exists() && !file.exists());

        let spill = Spill::new(&place);
        assert_eq!(spill.read(), spilled());
        spill.settled();
        assert!(Spill::new(&place).read().is_empty());
    }

    #[test]
    fn a_line_that_is_broken_costs_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let spill = Spill::new(directory.path());
        let file = spill.write(&spilled()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            format!("{{\"half\": \n{text}{}", text.replace("\"max\":7.0", "\"max\":-7.0")),
        )
        .unwrap();
        let read = spill.read();
        assert_eq!((read.rows.len(), read.checkpoints.len()), (1, 2));
    }
}
