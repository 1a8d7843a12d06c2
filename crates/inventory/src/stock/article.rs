//! The ways in which a line of a document names its variant: by id, SKU or barcode.

use std::collections::HashMap;

use tenancy::{DbError, TenantTx};
use values::{Barcode, Sku, gtin};

use crate::ids::VariantId;

/// The name of a variant in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArticleName {
    /// The id of the variant, which need not exist.
    Variant(VariantId),
    /// The business's own code, in any letter case.
    Sku(Sku),
    /// A barcode, in any form of a GTIN.
    Barcode(Barcode),
}

impl From<VariantId> for ArticleName {
    fn from(id: VariantId) -> Self {
        Self::Variant(id)
    }
}

/// The variants of lines were not found. `index` is the line's position in the request.
#[derive(Debug, thiserror::Error)]
pub enum ArticleError {
    /// No variant has this SKU.
    #[error("there is no variant with the SKU {sku}")]
    UnknownSku {
        /// The position of the line, from 0.
        index: usize,
        /// The SKU that no variant has.
        sku: Sku,
    },
    /// No variant has this barcode.
    #[error("there is no variant with the barcode {code}")]
    UnknownBarcode {
        /// The position of the line, from 0.
        index: usize,
        /// The barcode that no variant has.
        code: Barcode,
    },
    /// A query failed.
    #[error("an article query failed")]
    Db(#[from] DbError),
}

/// The variants that lines name, in the order of the lines. Ids are returned as they are; the query is made
/// only if a line has another name.
///
/// # Errors
/// [`ArticleError`] for the first unknown SKU or barcode.
pub(crate) async fn find<'a>(
    tx: &TenantTx,
    names: impl IntoIterator<Item = &'a ArticleName>,
) -> Result<Vec<VariantId>, ArticleError> {
    struct Row {
        name: String,
        id: VariantId,
    }
    tenancy::from_row!(Row { name, id });
    // A barcode that is stored as it is written comes first.
    const FIND: &str = "
        SELECT 'sku ' || sku_key AS name, id FROM variants WHERE sku_key = ANY ($1)
         UNION ALL
        SELECT 'number ' || number, variant_id FROM barcodes WHERE number = ANY ($3)
         UNION ALL
        SELECT 'code ' || code, variant_id FROM barcodes WHERE code = ANY ($2)";
    let key = |name: &ArticleName| match name {
        ArticleName::Variant(_) => None,
        ArticleName::Sku(sku) => Some(format!("sku {}", sku.key())),
        ArticleName::Barcode(code) => Some(format!("code {}", code.as_str())),
    };
    let number = |name: &ArticleName| match name {
        ArticleName::Barcode(code) => gtin::number(code.as_str()),
        _ => None,
    };
    let names: Vec<&ArticleName> = names.into_iter().collect();
    let mut found: HashMap<String, VariantId> = HashMap::new();
    if names.iter().any(|name| !matches!(name, ArticleName::Variant(_))) {
        let keys: Vec<String> = names.iter().copied().filter_map(key).collect();
        let of = |kind: &str| -> Vec<&str> { keys.iter().filter_map(|key| key.strip_prefix(kind)).collect() };
        let numbers: Vec<String> = names.iter().copied().filter_map(number).collect();
        let rows = tx.rows::<Row>(FIND, &[&of("sku "), &of("code "), &numbers]).await?;
        found.extend(rows.into_iter().map(|row| (row.name, row.id)));
    }
    let named = |(index, name): (usize, &ArticleName)| match name {
        ArticleName::Variant(id) => Ok(*id),
        ArticleName::Sku(sku) => {
            let id = key(name).and_then(|key| found.get(&key));
            id.copied().ok_or_else(|| ArticleError::UnknownSku { index, sku: sku.clone() })
        }
        ArticleName::Barcode(code) => {
            let by_number = || found.get(&format!("number {}", number(name)?));
            let id = key(name).and_then(|key| found.get(&key)).or_else(by_number);
            id.copied().ok_or_else(|| ArticleError::UnknownBarcode { index, code: code.clone() })
        }
    };
    names.into_iter().enumerate().map(named).collect()
}
