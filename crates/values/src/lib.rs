//! Values that every crate shares: amounts, texts, currencies, article numbers and pages of lists.
//!
//! A leaf: no queries and no HTTP. A value is checked once, when it is parsed; afterwards its type is the proof.

mod day;
mod decimal;
pub mod gtin;
mod page;
mod text;

pub use day::is_plain_day;
pub use decimal::{DecimalError, Money, Percent, Quantity};
pub use page::{Cursor, CursorError, Limit, LimitError, Page, PageRequest, number_key};
pub use text::{Barcode, Name, Note, OptionText, ProductTag, Reason, SearchText, ShortText, Sku, TextError};
