//! Names that must differ. Each has a key, by which names are compared; a unique index of the keys refuses
//! two equal names.
//!
//! A business may have equal names from the time before there were keys. One of them has the key itself, and
//! the others have the key with a group separator (U+001D) and a number. When the first one gives its key up,
//! the next one takes it, so that no new name can take it.

use tenancy::{DbError, TenantTx};
use values::folding::equal_key;

/// The statement that gives the key `$1` of a table to the next look-alike, if no row has the key any more.
/// The condition limits the rows that must differ; it may use `$2`.
macro_rules! give_key_on {
    ($table:literal, $key:literal, $condition:literal) => {
        const_format::concatcp!(
            "UPDATE ",
            $table,
            " SET ",
            $key,
            " = $1 WHERE ",
            $condition,
            " AND ",
            $key,
            " = (
                 SELECT min(",
            $key,
            ") FROM ",
            $table,
            "
                  WHERE ",
            $condition,
            " AND ",
            $key,
            " >= $1::text || chr(29) AND ",
            $key,
            " < $1::text || chr(30)
                 HAVING NOT EXISTS (SELECT FROM ",
            $table,
            " WHERE ",
            $condition,
            " AND ",
            $key,
            " = $1))"
        )
    };
}
pub(crate) use give_key_on;

/// The key to store after a change of a text. `None` if the new text is equal to the stored one, so that a
/// look-alike may stay what it is.
pub(crate) fn new_key(stored: &str, new: &str) -> Option<String> {
    let key = equal_key(new);
    (key != equal_key(stored)).then_some(key)
}

/// Where two texts look alike.
#[derive(Debug, Clone)]
pub struct LookAlike {
    /// The kind of the text, such as `SKU` or `supplier`.
    pub kind: String,
    /// The text that looks like another one of its kind.
    pub text: String,
}

tenancy::from_row!(LookAlike { kind, text });

/// The texts of a business that are equal to others of their kind, from the time before such texts were
/// refused; at most `limit`.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, limit: i64) -> Result<Vec<LookAlike>, DbError> {
    const LIST: &str = "
        SELECT kind, text
          FROM (SELECT 'location' AS kind, name AS text FROM locations
                 WHERE name_key LIKE '%' || chr(29) || '%'
                 UNION ALL
                SELECT 'supplier', name FROM suppliers WHERE name_key LIKE '%' || chr(29) || '%'
                 UNION ALL
                SELECT 'tax class', name FROM tax_classes WHERE name_key LIKE '%' || chr(29) || '%'
                 UNION ALL
                SELECT 'category', name FROM categories WHERE name_key LIKE '%' || chr(29) || '%'
                 UNION ALL
                SELECT 'SKU', sku FROM variants WHERE sku_key LIKE '%' || chr(29) || '%'
                 UNION ALL
                SELECT 'options of SKU', sku FROM variants WHERE options_key LIKE '%' || chr(29) || '%'
                 UNION ALL
                SELECT 'delivery note', delivery_note FROM goods_receipts
                 WHERE delivery_note_key LIKE '%' || chr(29) || '%'
                 UNION ALL
                SELECT 'barcode', b.code
                  FROM barcodes b
                 WHERE b.number IS NULL
                   AND EXISTS (SELECT FROM barcodes other
                                WHERE other.number = lpad(b.code, 14, '0')
                                  AND b.code ~ '^[0-9]{8,14}$')) found
         ORDER BY kind, text
         LIMIT $1";
    tx.rows(LIST, &[&limit]).await
}
