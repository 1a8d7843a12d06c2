//! The text by which a product is found: its name, its tags, and the SKUs, options and barcodes of its
//! variants.

use serde_json::Value;
use tenancy::{DbError, TenantTx};
use values::folding::search_key;

use crate::ids::ProductId;

struct Texts {
    name: String,
    tags: Vec<String>,
    skus: Vec<String>,
    options: Vec<Value>,
    /// Each barcode, with its 14-digit form if it is a GTIN.
    codes: Vec<String>,
}

tenancy::from_row!(Texts { name, tags, skus, options, codes });

/// Writes the text of a product again, after a change of the product or of one of its variants. The product
/// must be locked.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn refresh(tx: &TenantTx, id: ProductId) -> Result<(), DbError> {
    const TEXTS: &str = "
        SELECT p.name, p.tags, ARRAY(SELECT sku FROM variants v WHERE v.product_id = p.id) AS skus,
               ARRAY(SELECT options FROM variants v WHERE v.product_id = p.id) AS options,
               ARRAY(SELECT concat_ws(' ', b.code, b.number)
                       FROM barcodes b JOIN variants v ON v.id = b.variant_id
                      WHERE v.product_id = p.id) AS codes
          FROM products p WHERE p.id = $1";
    const SAVE: &str = "UPDATE products SET search_text = $2 WHERE id = $1";
    let texts: Texts = tx.row(TEXTS, &[&id]).await?;
    tx.execute(SAVE, &[&id, &texts.joined()]).await.map(drop)
}

impl Texts {
    fn joined(&self) -> String {
        let values = self.options.iter().filter_map(Value::as_object).flat_map(|options| options.values());
        let values = values.filter_map(Value::as_str);
        let texts = [&self.tags, &self.skus, &self.codes].into_iter().flatten().map(String::as_str);
        let texts: Vec<&str> = std::iter::once(self.name.as_str()).chain(texts).chain(values).collect();
        search_key(&texts.join(" "))
    }
}
