//! The results of a run, as a table and as JSON.

use serde_json::{Value, json};

/// The rows of one run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    missed: usize,
}

struct Row {
    what: String,
    value: String,
    detail: String,
    bar: String,
    is_missed: bool,
    json: Value,
}

impl Report {
    /// Adds the ratio `one / other`, which must be at least `bar`.
    pub fn ratio(&mut self, what: &str, one: f64, other: f64, unit: &str, bar: Option<f64>) {
        let ratio = one / other;
        self.push(Row {
            what: what.to_owned(),
            value: format!("{ratio:.2}"),
            detail: format!("{} / {} {unit}", figure(one), figure(other)),
            bar: bar.map_or(String::new(), |bar| format!("at least {bar}")),
            is_missed: bar.is_some_and(|bar| ratio < bar),
            json: json!({
                "what": what, "ratio": ratio, "one": one, "other": other, "unit": unit, "atLeast": bar,
            }),
        });
    }

    /// Adds the ratio `one / other`, which must be at most `bar`.
    pub fn growth(&mut self, what: &str, one: f64, other: f64, unit: &str, bar: Option<f64>) {
        let ratio = one / other;
        self.push(Row {
            what: what.to_owned(),
            value: format!("{ratio:.2}"),
            detail: format!("{} / {} {unit}", figure(one), figure(other)),
            bar: bar.map_or(String::new(), |bar| format!("at most {bar}")),
            is_missed: bar.is_some_and(|bar| ratio > bar),
            json: json!({
                "what": what, "ratio": ratio, "one": one, "other": other, "unit": unit, "atMost": bar,
            }),
        });
    }

    /// Adds a figure, which must be less than `bar`.
    pub fn below(&mut self, what: &str, value: f64, unit: &str, bar: Option<f64>) {
        self.push(Row {
            what: what.to_owned(),
            value: format!("{} {unit}", figure(value)),
            detail: String::new(),
            bar: bar.map_or(String::new(), |bar| format!("below {bar}")),
            is_missed: bar.is_some_and(|bar| value >= bar),
            json: json!({"what": what, "value": value, "unit": unit, "below": bar}),
        });
    }

    fn push(&mut self, row: Row) {
        self.missed += usize::from(row.is_missed);
        let mark = if row.is_missed { "  MISSED" } else { "" };
        println!("{:<72} {:>12}  {:<26} {:<14}{mark}", row.what, row.value, row.detail, row.bar);
        self.rows.push(row);
    }

    /// Prints the table for docs/performance.md and writes the JSON. Returns whether every limit was met.
    pub fn finish(self, path: &std::path::Path) -> bool {
        println!("\n| measured | result | values | limit |\n|---|---|---|---|");
        for row in &self.rows {
            println!("| {} | {} | {} | {} |", row.what, row.value, row.detail, row.bar);
        }
        let rows: Vec<&Value> = self.rows.iter().map(|row| &row.json).collect();
        std::fs::write(path, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
        println!("\nwritten to {}; {} limits missed", path.display(), self.missed);
        self.missed == 0
    }
}

fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
