//! Tables for spreadsheets (RFC 4180).

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use crate::http::problem::Problem;

values::words! {
    /// The format of a response.
    pub enum Format {
        /// A JSON document.
        Json = "json",
        /// The rows as a table for spreadsheets (RFC 4180).
        Csv = "csv",
    }
}

/// A response that a browser stores as the file `NAME.csv`.
pub fn response(name: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")));
    response
}

/// The rows, below the names of the columns if `has_names`. The names are those of the JSON document.
///
/// # Errors
/// 500 for rows that are no records.
pub fn table<T: Serialize>(rows: &[T], has_names: bool) -> Result<Vec<u8>, Problem> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(has_names)
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::NonNumeric)
        .from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row)).map_err(Problem::internal)?;
    writer.into_inner().map_err(|error| Problem::internal(error.into_error()))
}

/// The names of the columns, for a table without rows. `example` is any row.
///
/// # Errors
/// As [`table`].
pub fn names<T: Serialize>(example: &T) -> Result<Vec<u8>, Problem> {
    let table = table(std::slice::from_ref(example), true)?;
    Ok(table.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec())
}
