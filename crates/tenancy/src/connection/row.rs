//! Reads rows into values. Columns are found by name once per result, and then read by position.

use postgres_types::FromSql;
use tokio_postgres::Row;

use crate::connection::error::DbError;

/// A value that is read from one row. [`from_row!`](crate::from_row) implements this trait.
pub trait FromRow: Sized {
    /// The columns that a result must have, in the order in which they are read.
    const COLUMNS: &'static [&'static str];

    /// Reads the value. `cells` holds the cells of [`FromRow::COLUMNS`].
    ///
    /// # Errors
    /// When the type of a cell does not match its field, or when a cell holds a word that this release does
    /// not know.
    fn from_cells(cells: &mut Cells<'_>) -> Result<Self, tokio_postgres::Error>;
}

/// The cells of one row, in order.
pub struct Cells<'a> {
    row: &'a Row,
    positions: std::slice::Iter<'a, usize>,
}

impl Cells<'_> {
    /// Reads the next cell.
    ///
    /// # Errors
    /// When the cell cannot be read as a `T`.
    pub fn read<T: for<'b> FromSql<'b>>(&mut self) -> Result<T, tokio_postgres::Error> {
        // There is a position for each column, and the macro reads each column once.
        self.row.try_get(self.positions.next().copied().unwrap_or(usize::MAX))
    }
}

/// Reads the rows of one result.
///
/// # Errors
/// [`DbError::Column`] when the result lacks a column; [`DbError`] when a cell cannot be read.
pub fn read_rows<T: FromRow>(rows: &[Row]) -> Result<Vec<T>, DbError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let positions = positions(first, T::COLUMNS)?;
    rows.iter().map(|row| Ok(T::from_cells(&mut Cells { row, positions: positions.iter() })?)).collect()
}

/// Reads one value from a row, for results whose rows hold several kinds of values.
///
/// # Errors
/// As [`read_rows`].
pub fn read_row<T: FromRow>(row: &Row) -> Result<T, DbError> {
    let positions = positions(row, T::COLUMNS)?;
    Ok(T::from_cells(&mut Cells { row, positions: positions.iter() })?)
}

fn positions(row: &Row, wanted: &[&'static str]) -> Result<Vec<usize>, DbError> {
    let columns = row.columns();
    wanted
        .iter()
        .enumerate()
        .map(|(guess, name)| {
            // Most statements list their columns in the order of the fields, so this guess is usually right.
            if columns.get(guess).is_some_and(|column| column.name() == *name) {
                return Ok(guess);
            }
            columns.iter().position(|column| column.name() == *name).ok_or(DbError::Column(name))
        })
        .collect()
}

/// Implements [`FromRow`] for a struct whose fields have the names of columns.
///
/// `field: "column"` reads a column that has another name than its field. `with { field: value }` fills
/// fields that are not columns.
///
/// ```
/// struct Note { id: uuid::Uuid, text: String, tags: Vec<String> }
/// tenancy::from_row!(Note { id: "note_id", text } with { tags: Vec::new() });
/// ```
#[macro_export]
macro_rules! from_row {
    (
        $name:ident { $($field:ident $(: $column:literal)?),+ $(,)? }
        $(with { $($extra:ident: $value:expr),+ $(,)? })?
    ) => {
        impl $crate::FromRow for $name {
            const COLUMNS: &'static [&'static str] = &[$($crate::from_row!(@column $field $($column)?)),+];

            fn from_cells(cells: &mut $crate::Cells<'_>) -> Result<Self, $crate::RowError> {
                Ok(Self { $($field: cells.read()?,)+ $($($extra: $value,)+)? })
            }
        }
    };
    (@column $field:ident) => { stringify!($field) };
    (@column $field:ident $column:literal) => { $column };
}
