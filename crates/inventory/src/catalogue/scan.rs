//! Scans at the till: a barcode of a variant, or of a label that a scale has printed.

use std::collections::HashMap;

use tenancy::{DbError, TenantTx, all};
use values::{Barcode, Currency, Label, LabelPattern, Measure, Money, QuantityDecimals, Sku, gtin};

use crate::business::{settings, till_settings};
use crate::catalogue::variant::{self, Variant};
use crate::ids::VariantId;

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

/// A label that a scale has printed.
#[derive(Debug, Clone, Copy)]
pub struct ScaleLabel {
    /// The variant.
    pub variant_id: VariantId,
    /// The weight or the amount on the label.
    pub measure: Measure,
    /// The list price of one unit.
    pub price: Money,
    /// The number of decimals of the product's quantities.
    pub decimals: QuantityDecimals,
}

/// Whether scales print codes with this beginning: 02, and 20 to 29.
pub fn may_be_label(code: &Barcode) -> bool {
    gtin::number(code.as_str()).is_some_and(|number| number.starts_with("02") || number.starts_with("002"))
}

/// Reads the codes that are labels, by [`may_be_label`]. A code that a variant has itself is no label.
///
/// # Errors
/// [`DbError`].
pub async fn labels(tx: &TenantTx, codes: &[&Barcode]) -> Result<HashMap<Barcode, ScaleLabel>, DbError> {
    struct Found {
        name: String,
        id: VariantId,
        price: Money,
        decimals: QuantityDecimals,
    }
    tenancy::from_row!(Found { name, id, price, decimals: "quantity_decimals" });
    const OWN: &str = "SELECT number FROM barcodes WHERE number = ANY ($1)";
    // The digits of the article are a barcode or, after that, a SKU.
    const FIND: &str = "
        SELECT named.name, v.id, v.price, p.quantity_decimals
          FROM (SELECT sku_key AS name, id AS variant_id FROM variants WHERE sku_key = ANY ($1)
                 UNION ALL
                SELECT code, variant_id FROM barcodes WHERE code = ANY ($1)) named
          JOIN variants v ON v.id = named.variant_id JOIN products p ON p.id = v.product_id";
    let numbers: Vec<String> = codes.iter().filter_map(|code| gtin::number(code.as_str())).collect();
    let own = async { tx.values::<String>(OWN, &[&numbers]).await };
    let (till, own) = all((till_settings::read(tx), own)).await?;
    let read = |code: &&Barcode| {
        let is_own = gtin::number(code.as_str()).is_some_and(|number| own.contains(&number));
        let label = till.label_patterns.iter().find_map(|pattern| pattern.read(code.as_str()));
        Some(((*code).clone(), label.filter(|_| !is_own)?))
    };
    let labels: Vec<(Barcode, Label)> = codes.iter().filter_map(read).collect();
    if labels.is_empty() {
        return Ok(HashMap::new());
    }
    let articles: Vec<&str> = labels.iter().map(|(_, label)| label.article.as_str()).collect();
    let rows = tx.rows::<Found>(FIND, &[&articles]).await?;
    // A barcode comes after the SKU, and replaces it.
    let found: HashMap<&str, &Found> = rows.iter().map(|row| (row.name.as_str(), row)).collect();
    let label = |(code, label): (Barcode, Label)| {
        let Found { id, price, decimals, .. } = *found.get(label.article.as_str())?;
        let (variant_id, price, decimals) = (*id, *price, *decimals);
        Some((code, ScaleLabel { variant_id, measure: label.measure, price, decimals }))
    };
    Ok(labels.into_iter().filter_map(label).collect())
}
