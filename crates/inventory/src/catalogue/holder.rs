//! The holder of a SKU or a barcode: a variant in use, or an archived one that nobody sees.

use std::fmt;

use tenancy::{DbError, TenantTx};
use values::{Barcode, Sku, gtin};

/// The variant that has a SKU or a barcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Whether the variant or its product is archived.
    pub is_archived: bool,
}

impl Holder {
    /// A variant in use, or one of the same request.
    pub(crate) const IN_USE: Self = Self { is_archived: false };
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_archived { " by an archived variant" } else { "" })
    }
}

/// The variant with this SKU.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn of_sku(tx: &TenantTx, sku: &Sku) -> Result<Option<Holder>, DbError> {
    const OF_SKU: &str = "
        SELECT v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL
          FROM variants v JOIN products p ON p.id = v.product_id
         WHERE v.sku_key = $1";
    Ok(tx.value_opt(OF_SKU, &[&sku.key()]).await?.map(|is_archived| Holder { is_archived }))
}

/// The variant with this barcode, in any form of a GTIN. `None` if there is none yet.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn of_barcode(tx: &TenantTx, code: &Barcode) -> Result<Option<Holder>, DbError> {
    const OF_BARCODE: &str = "
        SELECT v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL
          FROM barcodes b
          JOIN variants v ON v.id = b.variant_id
          JOIN products p ON p.id = v.product_id
         WHERE b.code = $1 OR b.number = $2
         LIMIT 1";
    let holder = tx.value_opt(OF_BARCODE, &[code, &gtin::number(code.as_str())]).await?;
    Ok(holder.map(|is_archived| Holder { is_archived }))
}
