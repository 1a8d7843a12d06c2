//! Prints data on standard output, as a table for people or as JSON for scripts. All other text goes to
//! standard error.

use std::io::Write as _;

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

/// Prints one line of data. If the reader, such as `head`, has closed the pipe, the process exits with code
/// 0.
pub fn line(text: &str) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
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
            print_table(std::iter::once(columns.map(str::to_uppercase)).chain(rows.iter().map(cells)));
        }
    }
    Ok(())
}

/// Prints one value as lines of names and values, or as a JSON object.
pub fn one<T: Serialize>(output: Output, value: &T, lines: &[(&str, String)]) -> anyhow::Result<()> {
    match output.format {
        Format::Json => line(&serde_json::to_string_pretty(value)?),
        Format::Table => {
            print_table(lines.iter().map(|(name, value)| [(*name).to_owned(), value.clone()]));
        }
    }
    Ok(())
}

/// Prints a table without lines, with two spaces between its columns.
fn print_table<const N: usize>(rows: impl Iterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    line(&table.trim_fmt());
}

/// Formats a number of bytes for people, such as `1.50 MiB`.
pub fn size(bytes: i64) -> String {
    HumanBytes(bytes.unsigned_abs()).to_string()
}
