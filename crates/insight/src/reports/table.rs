//! Reports as tables for spreadsheets: CSV (RFC 4180) and XLSX.

use std::fmt;

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use values::{Currency, Money, Quantity, guard_formula};

use crate::reports::adjustment_report::Adjusted;
use crate::reports::dead_stock_report::DeadStock;
use crate::reports::payment_report::Payments;
use crate::reports::report::Report;
use crate::reports::sales_report::Sales;
use crate::reports::stock_report::Stock;
use crate::reports::tax_report::Taxes;

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A text; empty if there is none.
    Text(String),
    /// A number in decimal notation, with the decimals that are shown.
    Number(String),
    /// A number of rows or documents.
    Count(i64),
}

/// A report as a table.
#[derive(Debug, Clone)]
pub struct Table {
    /// The name of the report, which is that of the file.
    pub name: &'static str,
    /// The names of the columns.
    pub columns: &'static [&'static str],
    /// The rows, without the total.
    pub rows: Vec<Vec<Cell>>,
    /// The total of all rows.
    pub total: Vec<Cell>,
    /// Whether the report has more rows than the table.
    pub has_more: bool,
}

/// A table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// As CSV.
    #[error("the table cannot be written as CSV")]
    Csv(#[from] csv::Error),
    /// As XLSX.
    #[error("the table cannot be written as XLSX")]
    Xlsx(#[from] XlsxError),
}

/// A row of a report, as cells of a table.
pub trait TableRow {
    /// The name of the report.
    const NAME: &'static str;
    /// The names of the columns, which are those of the JSON document.
    const COLUMNS: &'static [&'static str];
    /// The cells, one for each column.
    fn cells(&self, currency: &Currency) -> Vec<Cell>;
}

impl Table {
    /// A report, whose amounts are rounded, as a table.
    pub fn of<T: TableRow>(report: &Report<T>, currency: &Currency) -> Self {
        Self {
            name: T::NAME,
            columns: T::COLUMNS,
            rows: report.rows.iter().map(|row| row.cells(currency)).collect(),
            total: report.total.cells(currency),
            has_more: report.has_more,
        }
    }

    /// The names of the columns and the rows, without the total, so that programs can read the file.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn csv(&self) -> Result<Vec<u8>, TableError> {
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .quote_style(csv::QuoteStyle::NonNumeric)
            .from_writer(Vec::new());
        writer.write_record(self.columns)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(Cell::field))?;
        }
        Ok(writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?)
    }

    /// A workbook with one sheet: the names of the columns, the rows, and the total below them.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn xlsx(&self) -> Result<Vec<u8>, TableError> {
        let mut workbook = Workbook::new();
        let bold = Format::new().set_bold();
        let sheet = workbook.add_worksheet();
        sheet.set_name(self.name)?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, name) in (0..).zip(self.columns) {
            sheet.write_with_format(0, column, *name, &bold)?;
        }
        let rows = self.rows.iter().map(|row| (row, Format::new()));
        for (place, (row, format)) in (1..).zip(rows.chain([(&self.total, bold)])) {
            for (column, cell) in (0..).zip(row) {
                match cell {
                    Cell::Text(text) => sheet.write_with_format(place, column, text, &format)?,
                    Cell::Count(count) => sheet.write_with_format(place, column, *count, &format)?,
                    Cell::Number(text) => {
                        let format = format.clone().set_num_format(number_format(text));
                        // A spreadsheet computes with floats of 15 digits. The file is for people; CSV and
                        // JSON are exact.
                        sheet.write_with_format(
                            place,
                            column,
                            text.parse::<f64>().unwrap_or_default(),
                            &format,
                        )?
                    }
                };
            }
        }
        sheet.autofit();
        Ok(workbook.save_to_buffer()?)
    }
}

/// Shows as many decimals as the text has.
fn number_format(text: &str) -> String {
    match text.split_once('.') {
        Some((_, decimals)) => format!("0.{}", "0".repeat(decimals.len())),
        None => "0".to_owned(),
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Number(text) => f.write_str(text),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl Cell {
    /// A text that the program made, such as a day or an id.
    fn text(text: Option<&str>) -> Self {
        Self::Text(text.unwrap_or_default().to_owned())
    }

    /// The field of a CSV file. Spreadsheets must not take a text for a formula.
    fn field(&self) -> String {
        let mut field = self.to_string();
        if matches!(self, Self::Text(_)) {
            guard_formula(&mut field);
        }
        field
    }

    fn quantity(quantity: Quantity) -> Self {
        Self::Number(quantity.to_string())
    }

    fn amount(amount: Money, currency: &Currency) -> Self {
        Self::Number(currency.format(amount).into())
    }
}

impl TableRow for Sales {
    const NAME: &'static str = "sales";
    const COLUMNS: &'static [&'static str] = &[
        "key", "name", "sku", "orders", "sold", "returned", "discount", "total", "refunded", "net", "tax",
        "cost", "margin",
    ];

    fn cells(&self, currency: &Currency) -> Vec<Cell> {
        let money = |amount| Cell::amount(amount, currency);
        vec![
            Cell::text(self.key.as_deref()),
            Cell::text(self.name.as_deref()),
            Cell::text(self.sku.as_deref()),
            Cell::Count(self.orders),
            Cell::quantity(self.sold),
            Cell::quantity(self.returned),
            money(self.discount),
            money(self.total),
            money(self.refunded),
            money(self.net()),
            money(self.tax),
            money(self.cost),
            money(self.margin()),
        ]
    }
}

impl TableRow for Payments {
    const NAME: &'static str = "payments";
    const COLUMNS: &'static [&'static str] = &["key", "name", "payments", "received", "paidBack", "net"];

    fn cells(&self, currency: &Currency) -> Vec<Cell> {
        let money = |amount| Cell::amount(amount, currency);
        vec![
            Cell::text(self.key.as_deref()),
            Cell::text(self.name.as_deref()),
            Cell::Count(self.payments),
            money(self.received),
            money(self.paid_back),
            money(self.net()),
        ]
    }
}

impl TableRow for Taxes {
    const NAME: &'static str = "taxes";
    const COLUMNS: &'static [&'static str] = &["name", "percent", "net", "tax"];

    fn cells(&self, currency: &Currency) -> Vec<Cell> {
        let percent = self.percent.map(|percent| percent.normalize().to_string());
        vec![
            Cell::text(self.name.as_deref()),
            percent.map_or_else(|| Cell::text(None), Cell::Number),
            Cell::amount(self.net, currency),
            Cell::amount(self.tax, currency),
        ]
    }
}

impl TableRow for Adjusted {
    const NAME: &'static str = "adjustments";
    const COLUMNS: &'static [&'static str] =
        &["kind", "reason", "movements", "added", "removed", "value", "key", "name", "sku"];

    fn cells(&self, currency: &Currency) -> Vec<Cell> {
        vec![
            Cell::text(self.kind.map(|kind| kind.as_str())),
            Cell::text(self.reason.as_ref().map(|reason| reason.as_str())),
            Cell::Count(self.movements),
            Cell::quantity(self.added),
            Cell::quantity(self.removed),
            Cell::amount(self.value, currency),
            Cell::text(self.key.as_deref()),
            Cell::text(self.name.as_deref()),
            Cell::text(self.sku.as_deref()),
        ]
    }
}

impl TableRow for Stock {
    const NAME: &'static str = "stock";
    const COLUMNS: &'static [&'static str] = &["key", "name", "sku", "onHand", "cost", "value"];

    fn cells(&self, currency: &Currency) -> Vec<Cell> {
        vec![
            Cell::text(self.key.as_deref()),
            Cell::text(self.name.as_deref()),
            Cell::text(self.sku.as_deref()),
            Cell::quantity(self.on_hand),
            Cell::amount(self.cost, currency),
            Cell::amount(self.value, currency),
        ]
    }
}

impl TableRow for DeadStock {
    const NAME: &'static str = "dead-stock";
    const COLUMNS: &'static [&'static str] = &["key", "name", "sku", "onHand", "cost", "value", "lastSoldAt"];

    fn cells(&self, currency: &Currency) -> Vec<Cell> {
        vec![
            Cell::text(self.key.as_deref()),
            Cell::text(self.name.as_deref()),
            Cell::text(self.sku.as_deref()),
            Cell::quantity(self.on_hand),
            Cell::amount(self.cost, currency),
            Cell::amount(self.value, currency),
            Cell::Text(self.last_sold_at.map(|at| at.to_rfc3339()).unwrap_or_default()),
        ]
    }
}
