//! A bar on standard error for what takes longer than a second; nothing where that is no terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of one long thing. Gone from the screen when dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Of `total` steps of `what`.
    pub(crate) fn of(what: impl Into<String>, total: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
        // Were the template unreadable, the plain bar would do.
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent} %, {eta} left")
        {
            bar.set_style(style);
        }
        Self(Some(bar.with_message(what.into())))
    }

    /// So many steps are done.
    pub(crate) fn reach(&self, done: usize) {
        let Some(bar) = &self.0 else { return };
        if bar.is_hidden() && bar.elapsed() > PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        }
        bar.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// What is done by then needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);
