//! Prints data on standard output, as a table for people or as JSON for scripts. All other text goes to
//! standard error.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::HumanBytes;
use serde::Serialize;

/// The format of printed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

/// The output option of the commands that print data.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Output {
    /// The output format.
    #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
    pub format: Format,
}

/// The first failure of standard output. Nothing is printed after it, and the work of the command goes on.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

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

/// Prints a message on standard error. Nobody may read it any more, so a failure is no problem.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
pub(crate) use note;

/// The exit code of a command that ended with `code`. A reader that has closed the pipe, such as `head`, has
/// what it wanted. Any other failure of standard output, such as a full disk, is a failure of the command.
pub fn finish(code: ExitCode) -> ExitCode {
    if let Err(error) = io::stdout().flush() {
        let _ = FAILURE.set(error);
    }
    match FAILURE.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            note!("error: standard output cannot be written: {error}");
            ExitCode::FAILURE
        }
        _ => code,
    }
}

/// Prints `rows` as a table with `columns`, or as a JSON array.
pub fn rows<T: Serialize, const N: usize>(
    output: Output,
    rows: &[T],
    columns: [&str; N],
    cells: impl Fn(&T) -> [String; N],
) -> anyhow::Result<()> {
    match output.format {
        Format::Json => line(&serde_json::to_string_pretty(rows)?),
        Format::Table => {
            line(&table(std::iter::once(columns.map(str::to_uppercase)).chain(rows.iter().map(cells))));
        }
    }
    Ok(())
}

/// Prints one value as lines of names and values, or as a JSON object.
pub fn one<T: Serialize>(output: Output, value: &T, lines: &[(&str, String)]) -> anyhow::Result<()> {
    line(&text_of_one(output, value, lines)?);
    Ok(())
}

/// As [`one`], for a value that holds a secret; see [`secret`].
///
/// # Errors
/// [`io::Error`] when neither standard output nor standard error takes it.
pub fn one_with_secret<T: Serialize>(output: Output, value: &T, lines: &[(&str, String)]) -> io::Result<()> {
    secret(&text_of_one(output, value, lines)?)
}

fn text_of_one<T: Serialize>(
    output: Output,
    value: &T,
    lines: &[(&str, String)],
) -> serde_json::Result<String> {
    Ok(match output.format {
        Format::Json => serde_json::to_string_pretty(value)?,
        Format::Table => table(lines.iter().map(|(name, value)| [(*name).to_owned(), value.clone()])),
    })
}

/// A table without lines, with two spaces between its columns.
fn table<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Formats a number of bytes for people, such as `1.50 MiB`.
pub fn size(bytes: i64) -> String {
    HumanBytes(bytes.unsigned_abs()).to_string()
}
