//! Standard output for data, standard error for all other text. What cannot be written ends no work.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::HumanBytes;

/// The first failure of standard output. Nothing is printed after it, and the work of the command goes on.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Whether only data, errors and questions are printed.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Prints no messages and no progress from now on, only data, errors and questions.
pub fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

pub fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Prints one line of data. A failure ends no work; [`finish`] tells it.
pub fn line(text: &str) {
    if FAILURE.get().is_none()
        && let Err(error) = writeln!(io::stdout(), "{text}")
    {
        let _ = FAILURE.set(error);
    }
}

/// Prints a secret that was generated for this output and cannot be read again. If standard output does not
/// take it, it goes to standard error.
///
/// # Errors
/// [`io::Error`] when neither takes it.
pub fn secret(text: &str) -> io::Result<()> {
    line(text);
    match FAILURE.get() {
        None => Ok(()),
        Some(_) => writeln!(io::stderr(), "{text}"),
    }
}

/// Prints a message on standard error, unless `--quiet` is given. Nobody may read it any more, so a failure
/// is no problem.
macro_rules! note {
    ($($text:tt)*) => {
        if !$crate::output::is_quiet() {
            $crate::output::complain!($($text)*);
        }
    };
}
pub(crate) use note;

/// Prints an error or a question on standard error, also with `--quiet`.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
pub(crate) use complain;

/// The exit code of a command that ended with `code`. A reader that has closed the pipe, such as `head`, has
/// what it wanted. Any other failure of standard output, such as a full disk, is a failure of the command.
pub fn finish(code: ExitCode) -> ExitCode {
    if let Err(error) = io::stdout().flush() {
        let _ = FAILURE.set(error);
    }
    match FAILURE.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain!("error: standard output cannot be written: {error}");
            ExitCode::FAILURE
        }
        _ => code,
    }
}

/// The width of the terminal that shows the data, in characters. `None` if standard output is no terminal.
pub fn terminal_width() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stdout).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Formats a number of bytes for people, such as `1.50 MiB`.
pub fn size(bytes: i64) -> String {
    HumanBytes(bytes.unsigned_abs()).to_string()
}
