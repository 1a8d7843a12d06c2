//! Prints data on standard output, as a table for people or as JSON for scripts. All other text goes to
//! standard error.

use std::io::Write as _;

use clap::ValueEnum;
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
            let lines: Vec<[String; N]> =
                std::iter::once(columns.map(str::to_uppercase)).chain(rows.iter().map(cells)).collect();
            let width =
                |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
            let widths: [usize; N] = std::array::from_fn(width);
            for cells in &lines {
                let padded: Vec<String> =
                    cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
                line(padded.join("  ").trim_end());
            }
        }
    }
    Ok(())
}

/// Prints one value as lines of names and values, or as a JSON object.
pub fn one<T: Serialize>(output: Output, value: &T, lines: &[(&str, String)]) -> anyhow::Result<()> {
    match output.format {
        Format::Json => line(&serde_json::to_string_pretty(value)?),
        Format::Table => {
            let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            for (name, value) in lines {
                line(&format!("{name:<width$}  {value}"));
            }
        }
    }
    Ok(())
}

/// Formats a number of bytes for people, such as `1.5 MiB`.
pub fn size(bytes: i64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
