//! The progress of a long command. A terminal shows a bar with the remaining time; other outputs show no bar.
//! Lines of text appear on both.

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::INTERRUPTED;
use crate::output::{complain, is_quiet, note};

/// The progress of one command over many businesses.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// `verb` names the work, such as `migrating`.
    pub fn new(verb: &'static str) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len}, {eta} left  {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        let target = if is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { bar: bar.with_style(style).with_prefix(verb) }
    }

    /// Shows that `done` of `total` businesses are finished, and that `last` was the last one. The bar
    /// appears with the first call.
    pub fn advance(&self, done: usize, total: usize, last: &str) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(last.to_owned());
    }

    /// Prints a line on standard error. The bar does not overwrite the line.
    pub fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            note!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Prints a line about a failure, also with `--quiet`.
    pub fn failure(&self, text: &str) {
        if self.bar.is_hidden() {
            complain!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Hides the bar while `write` prints to the terminal.
    pub fn above(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Removes the bar.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    /// Removes the bar after Ctrl-C or SIGTERM, and says how far the command got. `rest` says what to do.
    pub fn interrupted(self, rest: &str) -> ExitCode {
        let (done, total) = (self.bar.position(), self.bar.length());
        self.bar.finish_and_clear();
        match total {
            Some(total) => complain!("interrupted: {done} of {total} finished; {rest}"),
            None => complain!("interrupted before the first one was finished; {rest}"),
        }
        ExitCode::from(INTERRUPTED)
    }

    /// Whether no bar is visible. In that case the commands print one line for each business.
    pub fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }
}
