//! The domain of a trading business, inside its own schema: catalogue, stock ledger, dashboard.
//!
//! Every function takes a [`tenancy::TenantTx`]: none of them can choose whose tables it touches. One module is one
//! noun, with its types, its rules and its SQL.

pub mod adjustment;
pub mod barcode;
pub mod category;
pub mod dashboard;
mod decimal;
pub mod defaults;
pub mod idempotency;
mod ids;
pub mod location;
pub mod movement;
mod page;
pub mod product;
pub mod settings;
pub mod stock;
mod text;
pub mod variant;

use chrono::{DateTime, Utc};

pub use decimal::{DecimalError, Money, Quantity};
pub use ids::{AdjustmentId, CategoryId, LocationId, MovementId, ProductId, VariantId};
pub use page::{Cursor, CursorError, Limit, LimitError, Page, PageRequest};
pub use settings::{Currency, CurrencyError};
pub use text::{Barcode, Name, Note, OptionText, Reason, SearchText, Sku, TextError};

/// When something was archived, after a change that may archive it or bring it back: archiving again is no change.
fn archived_at(
    was: Option<DateTime<Utc>>,
    change: Option<bool>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    match change {
        Some(true) => was.or(Some(now)),
        Some(false) => None,
        None => was,
    }
}
