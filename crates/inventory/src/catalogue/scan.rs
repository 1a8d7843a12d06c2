//! Scans at the till: a barcode of a variant, or of a label that a scale has printed.

use tenancy::{DbError, TenantTx, all};
use values::{Barcode, Currency, Label, LabelPattern, Measure, Sku};

use crate::business::{settings, till_settings};
use crate::catalogue::variant::{self, Variant};

/// A scanned variant.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The variant.
    pub variant: Variant,
    /// The weight or the amount on the label; `None` for a barcode of the variant itself.
    pub measure: Option<Measure>,
    /// The currency of the business.
    pub currency: Currency,
}

/// Finds the variant with this barcode, or else the article of a label. The digits of the
/// article on the label are a barcode or the SKU of the variant.
///
/// # Errors
/// [`DbError`]; an unknown code is `None`.
pub async fn find(tx: &TenantTx, code: &Barcode) -> Result<Option<Scan>, DbError> {
    let (currency, till, variant) =
        all((settings::currency(tx), till_settings::read(tx), variant::find_by_barcode(tx, code))).await?;
    if let Some(variant) = variant {
        return Ok(Some(Scan { variant, measure: None, currency }));
    }
    let read = |pattern: &LabelPattern| pattern.read(code.as_str());
    let Some(Label { article, measure }) = till.label_patterns.iter().find_map(read) else { return Ok(None) };
    let (Ok(code), Ok(sku)) = (Barcode::parse(&article), Sku::parse(&article)) else { return Ok(None) };
    let (by_code, by_sku) =
        all((variant::find_by_barcode(tx, &code), variant::find_by_sku(tx, &sku))).await?;
    Ok(by_code.or(by_sku).map(|variant| Scan { variant, measure: Some(measure), currency }))
}
