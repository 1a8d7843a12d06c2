//! Values that the crates share: amounts, texts, currencies, time zones, article numbers, closed sets and
//! pages of lists.
//!
//! This crate uses no other crate of the workspace, makes no queries and knows no HTTP. A value is checked
//! once, when it is parsed; afterwards its type shows that it is valid. A stored type knows its column in
//! PostgreSQL. A type that clients see knows its JSON and its schema in the API document.

// The macros name this crate by its name, also where they are used in it.
extern crate self as values;

mod actor;
mod amount;
mod currency;
mod day;
mod day_start;
mod decimal;
mod email;
pub mod folding;
pub mod gtin;
mod id;
mod id_list;
mod if_version;
mod label_pattern;
mod locale;
#[doc(hidden)]
pub mod macros;
mod metadata;
mod moment;
mod origin;
mod page;
mod quantity_decimals;
mod rounding;
mod spreadsheet;
mod stock_value;
mod text;
mod time_zone;
mod word;

pub use actor::ActorId;
pub use amount::Amount;
pub use currency::{Currency, CurrencyError, TooFine};
pub use day::{Day, DayError};
pub use day_start::{DayStart, DayStartError};
pub use decimal::{
    DecimalError, ExchangeRate, Money, NonNegative, Percent, Positive, Quantity, Share, SignError, Signed,
};
pub use email::{Email, EmailError};
pub use id::{AnyId, IdError, read_id};
pub use id_list::{IdList, IdListError};
pub use if_version::IfVersion;
pub use label_pattern::{Label, LabelPattern, LabelPatternError, Measure};
pub use locale::{Locale, LocaleError};
pub use metadata::{Metadata, MetadataError, MetadataPatch};
pub use moment::{Moment, MomentError};
pub use origin::{Origin, OriginError};
pub use page::{Cursor, CursorError, Key, Limit, LimitError, ListTag, Page, PageRequest};
pub use quantity_decimals::{QuantityDecimals, QuantityDecimalsError};
pub use rounding::Rounding;
pub use spreadsheet::guard_formula;
pub use stock_value::StockValue;
pub use text::{
    Barcode, ExternalId, ExternalSource, MetadataName, MetadataText, Name, Note, OptionText, ProductTag,
    Reason, SearchQuery, SearchText, SearchWords, ShortText, Sku, TextError,
};
pub use time_zone::{TimeZone, TimeZoneError};
pub use word::{NewerWord, UnknownWord, from_text};
