//! The formats of printed data: a table for people; JSON, YAML, CSV and names for scripts.

use std::cmp::Ordering;
use std::fmt;
use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::output;

/// The format of printed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people. On a terminal, long cells are cut.
    Table,
    /// JSON, with all members.
    Json,
    /// YAML, with the same members.
    Yaml,
    /// CSV, with a column for each member.
    Csv,
    /// Only the names, one on each line.
    Name,
}

/// The output option of the commands that print data.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Output {
    /// The output format.
    #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
    pub format: Format,
}

/// The output options of the commands that print a list.
#[derive(Debug, Clone, clap::Args)]
pub struct Listing {
    #[command(flatten)]
    pub output: Output,
    /// Sort by this member of `-o json`, such as createdAt.
    #[arg(long, value_name = "MEMBER")]
    sort: Option<String>,
    /// Sort from the highest to the lowest.
    #[arg(long, requires = "sort")]
    desc: bool,
    /// Print at most this number of rows.
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
}

impl Listing {
    /// The number of rows to read from a list that is already in the wished order. `most` is the most that
    /// may be read.
    pub fn rows_to_read(&self, by_default: i64, most: i64) -> i64 {
        let limit = self.limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        if self.sort.is_some() { most } else { limit.unwrap_or(by_default).min(most) }
    }

    /// Sorts the rows and leaves out those beyond the limit, as the user wishes.
    ///
    /// # Errors
    /// If the rows have no such member. The error names the members that they have.
    pub fn arrange<T: Serialize>(&self, rows: Vec<T>) -> anyhow::Result<Vec<T>> {
        let mut rows = self.sorted(rows)?;
        rows.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(rows)
    }

    fn sorted<T: Serialize>(&self, rows: Vec<T>) -> anyhow::Result<Vec<T>> {
        let Some(member) = &self.sort else { return Ok(rows) };
        let mut keyed = Vec::with_capacity(rows.len());
        let mut known: Vec<String> = Vec::new();
        for row in rows {
            let Members(members) = members(&row)?;
            for (name, _) in &members {
                if !known.contains(name) {
                    known.push(name.clone());
                }
            }
            let key = members.into_iter().find(|(name, _)| name == member).map(|(_, value)| value);
            keyed.push((key.unwrap_or(Value::Null), row));
        }
        anyhow::ensure!(
            keyed.is_empty() || known.contains(member),
            "there is no member {member} to sort by; the members are {}",
            known.join(", ")
        );
        keyed.sort_by(|(one, _), (other, _)| compare(one, other));
        if self.desc {
            keyed.reverse();
        }
        Ok(keyed.into_iter().map(|(_, row)| row).collect())
    }
}

/// The order of two values of a member: missing values first, then numbers by size, then all others by their
/// text without regard to case.
fn compare(one: &Value, other: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        // Quantities and amounts are decimal numbers in strings.
        Value::String(text) if is_decimal(text) => text.parse().ok(),
        _ => None,
    };
    let rank = |value: &Value, number: Option<f64>| match (value, number) {
        (Value::Null, _) => 0,
        (_, Some(_)) => 1,
        (_, None) => 2,
    };
    let (low, high) = (number(one), number(other));
    rank(one, low).cmp(&rank(other, high)).then_with(|| match (low, high) {
        (Some(low), Some(high)) => low.total_cmp(&high),
        _ => cell(one).to_lowercase().cmp(&cell(other).to_lowercase()),
    })
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits.split_once('.').map_or(is_number(digits), |(whole, rest)| is_number(whole) && is_number(rest))
}

/// Prints `rows`. The table has `columns`, of which the first one is the name of a row.
pub fn rows<T: Serialize, const N: usize>(
    output: Output,
    rows: &[T],
    columns: [&str; N],
    cells: impl Fn(&T) -> [String; N],
) -> anyhow::Result<()> {
    let name = |row: &T| cells(row).into_iter().next().unwrap_or_default();
    named_rows(output, rows, name, columns, &cells)
}

/// As [`rows`], for rows whose name is not the first column.
pub fn named_rows<T: Serialize, const N: usize>(
    output: Output,
    rows: &[T],
    name: impl Fn(&T) -> String,
    columns: [&str; N],
    cells: impl Fn(&T) -> [String; N],
) -> anyhow::Result<()> {
    match output.format {
        Format::Json | Format::Yaml => {
            document(output, &rows)?;
        }
        Format::Csv => csv(rows)?,
        Format::Name => rows.iter().for_each(|row| output::line(&name(row))),
        Format::Table => {
            let header = columns.map(str::to_uppercase);
            let cells = std::iter::once(header).chain(rows.iter().map(cells));
            output::line(&table(cells, output::terminal_width()));
        }
    }
    Ok(())
}

/// Prints one value: as lines of names and values, of which the first one is its name, or with all members.
pub fn one<T: Serialize>(output: Output, value: &T, lines: &[(&str, String)]) -> anyhow::Result<()> {
    output::line(&text_of_one(output, value, lines)?);
    Ok(())
}

/// As [`one`], for a value that holds a secret, which is also in `lines`; see [`output::secret`]. In the
/// format
/// `name`, the secret goes to standard error.
///
/// # Errors
/// [`io::Error`] when neither standard output nor standard error takes it.
pub fn one_with_secret<T: Serialize>(
    output: Output,
    value: &T,
    lines: &[(&str, String)],
    secret: Option<&str>,
) -> io::Result<()> {
    let text = text_of_one(output, value, lines).map_err(io::Error::other)?;
    match (output.format, secret) {
        (Format::Name, Some(secret)) => {
            output::line(&text);
            writeln!(io::stderr(), "password {secret}   (shown once; must be changed at the first sign-in)")
        }
        _ => output::secret(&text),
    }
}

/// Prints a document as JSON or YAML, and returns whether the format is one of them.
pub fn document<T: Serialize>(output: Output, value: &T) -> anyhow::Result<bool> {
    let text = document_text(output.format, value)?;
    if let Some(text) = &text {
        output::line(text);
    }
    Ok(text.is_some())
}

/// The value as JSON or YAML. `None` if the format is neither.
fn document_text<T: Serialize>(format: Format, value: &T) -> anyhow::Result<Option<String>> {
    Ok(match format {
        Format::Json => Some(serde_json::to_string_pretty(value)?),
        Format::Yaml => Some(serde_saphyr::to_string(value)?.trim_end().to_owned()),
        Format::Table | Format::Csv | Format::Name => None,
    })
}

fn text_of_one<T: Serialize>(output: Output, value: &T, lines: &[(&str, String)]) -> anyhow::Result<String> {
    if let Some(text) = document_text(output.format, value)? {
        return Ok(text);
    }
    Ok(match output.format {
        Format::Csv => csv_text(std::slice::from_ref(value))?,
        Format::Name => lines.first().map(|(_, value)| value.clone()).unwrap_or_default(),
        // Values that people copy, such as a DNS record, must be whole.
        _ => table(lines.iter().map(|(name, value)| [(*name).to_owned(), value.clone()]), None),
    })
}

/// A table without lines, with two spaces between its columns. With a width, each row is cut to one line.
fn table<const N: usize>(rows: impl Iterator<Item = [String; N]>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        table.set_truncation_indicator("…");
    }
    for cells in rows {
        let mut row = Row::from(cells);
        if width.is_some() {
            row.max_height(1);
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // The name of a row is no use in part.
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.trim_fmt()
}

fn csv<T: Serialize>(rows: &[T]) -> anyhow::Result<()> {
    if !rows.is_empty() {
        output::line(&csv_text(rows)?);
    }
    Ok(())
}

/// CSV with a header: the members of all rows, in the order in which they first appear. A value that is a
/// list or an object is written as JSON.
fn csv_text<T: Serialize>(rows: &[T]) -> anyhow::Result<String> {
    let rows: Vec<Members> = rows.iter().map(members).collect::<anyhow::Result<_>>()?;
    let mut header: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|Members(members)| members) {
        if !header.contains(&name.as_str()) {
            header.push(name);
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for Members(members) in &rows {
        writer.write_record(header.iter().map(|wanted| {
            members.iter().find(|(name, _)| name == wanted).map_or_else(String::new, |(_, value)| cell(value))
        }))?;
    }
    let bytes = writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(String::from_utf8(bytes)?.trim_end().to_owned())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn members<T: Serialize>(row: &T) -> anyhow::Result<Members> {
    Ok(serde_json::from_str(&serde_json::to_string(row)?)?)
}

/// The members of a JSON object in their order.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn csv_has_every_member_of_every_row_in_order() {
        #[derive(Serialize)]
        struct Item {
            slug: &'static str,
            a_list: Vec<u8>,
            #[serde(skip_serializing_if = "Option::is_none")]
            more: Option<&'static str>,
        }
        let rows = [
            Item { slug: "b", a_list: vec![], more: None },
            Item { slug: "a,\"c\"", a_list: vec![1, 2], more: Some("x\ny") },
        ];
        assert_eq!(csv_text(&rows).unwrap(), "slug,a_list,more\nb,[],\n\"a,\"\"c\"\"\",\"[1,2]\",\"x\ny\"");
    }

    #[test]
    fn rows_are_sorted_by_a_member() {
        let listing = |sort: &str, desc| Listing {
            output: Output { format: Format::Table },
            sort: Some(sort.to_owned()),
            desc,
            limit: None,
        };
        let rows = || vec![json!({"n": 10, "name": "b"}), json!({"n": 9, "name": "A"}), json!({"name": "c"})];
        let names = |rows: Vec<Value>| rows.iter().map(|row| cell(&row["name"])).collect::<String>();
        assert_eq!(names(listing("n", false).arrange(rows()).unwrap()), "cAb");
        assert_eq!(names(listing("n", true).arrange(rows()).unwrap()), "bAc");
        assert_eq!(names(listing("name", false).arrange(rows()).unwrap()), "Abc");
        let mixed = ["3M", "99", "360", "inf", "-1.5"].map(|name| json!({"name": name})).to_vec();
        assert_eq!(names(listing("name", false).arrange(mixed).unwrap()), "-1.5993603Minf");
        let unknown = listing("size", false).arrange(rows()).unwrap_err().to_string();
        assert!(unknown.contains("the members are n, name"), "{unknown}");
    }
}
