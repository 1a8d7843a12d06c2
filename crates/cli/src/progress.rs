//! How far a long command is: a bar with the time that is left on a terminal, nothing elsewhere; lines in both.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The progress of one command over many businesses.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// `verb` says what is done to each, such as `migrating`.
    pub fn new(verb: &'static str) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len}, {eta} left  {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self { bar: bar.with_style(style).with_prefix(verb) }
    }

    /// So many are done; the last was this one. Nothing is drawn before the first.
    pub fn advance(&self, done: usize, total: usize, last: &str) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(last.to_owned());
    }

    /// A line that stays, on standard error.
    pub fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Does something that writes to the terminal, with the bar out of the way.
    pub fn above(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    /// Whether a bar is seen; where none is, each business gets a line.
    pub fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }
}

/// A duration as people say it.
pub fn told(duration: Duration) -> String {
    match duration.as_millis() {
        ms if ms < 1000 => format!("{ms} ms"),
        ms if ms < 60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}
