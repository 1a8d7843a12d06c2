//! Reading a variant with its barcodes and its stock, by id, SKU or barcode.

use const_format::concatcp;
use tenancy::{DbError, TenantTx};
use values::{Barcode, Page, PageRequest, Sku, gtin};

use crate::catalogue::bundle;
use crate::catalogue::variant::Variant;
use crate::ids::VariantId;
use crate::records::changes::{ByChange, Changed, by_change};
use crate::records::named::{ByName, Named, by_name};

/// The columns of variant `v` of product `p` with its barcodes and its stock; [`STOCK`] must be joined.
pub(crate) const COLUMNS: &str = "
    v.id AS variant_id, v.product_id, p.kind AS product_kind, v.sku,
    ARRAY(SELECT b.code FROM barcodes b WHERE b.variant_id = v.id ORDER BY b.code) AS barcodes,
    v.price, v.compare_at_price, v.cost, v.reorder_level, v.target_quantity, v.options, s.on_hand, s.reserved,
    s.stock_position, v.own_keys AS variant_own_keys,
    v.archived_at AS variant_archived_at, p.archived_at IS NOT NULL AS is_product_archived,
    v.version AS variant_version, v.created_at AS variant_created_at, v.updated_at AS variant_updated_at";

/// Joins the stock of variant `v` at all locations together, as `s`.
pub(crate) const STOCK: &str = "
    CROSS JOIN LATERAL (
          SELECT coalesce(sum(l.on_hand), 0) AS on_hand, coalesce(sum(l.reserved), 0) AS reserved,
                 coalesce(sum(l.position + l.reservations), 0)::bigint AS stock_position
            FROM stock_levels l WHERE l.variant_id = v.id) s ";

const SELECT: &str =
    concatcp!("SELECT ", COLUMNS, " FROM variants v JOIN products p ON p.id = v.product_id", STOCK);

/// The variant with this id, archived or not, with its stock.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: VariantId) -> Result<Option<Variant>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE v.id = $1");
    find_one(tx, FIND, &[&id]).await
}

/// The variant with this SKU, in any letter case, archived or not, with its stock.
///
/// # Errors
/// [`DbError`]; an unknown SKU is `None`.
pub async fn find_by_sku(tx: &TenantTx, sku: &Sku) -> Result<Option<Variant>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE v.sku_key = $1");
    find_one(tx, FIND, &[&sku.key()]).await
}

/// The variant with this barcode, archived or not, with its stock. Every form of a GTIN finds it.
///
/// # Errors
/// [`DbError`]; an unknown code is `None`.
pub async fn find_by_barcode(tx: &TenantTx, code: &Barcode) -> Result<Option<Variant>, DbError> {
    // The code itself comes first: variants from before all forms were one number may have different forms.
    const FIND: &str = concatcp!(
        SELECT,
        "WHERE v.id = coalesce((SELECT variant_id FROM barcodes WHERE code = $1),
                               (SELECT variant_id FROM barcodes WHERE number = $2))"
    );
    find_one(tx, FIND, &[code, &gtin::number(code.as_str())]).await
}

/// A page of variants that are not archived, newest first, with their stock.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<VariantId>) -> Result<Page<Variant>, DbError> {
    const LIST: &str =
        concatcp!(SELECT, "WHERE v.archived_at IS NULL AND v.id < $1 ORDER BY v.id DESC LIMIT $2");
    let mut variants: Vec<Variant> = tx.rows(LIST, &[&page.below(), &page.limit.and_one()]).await?;
    bundle::with_components(tx, variants.iter_mut()).await?;
    Ok(page.page(variants, |variant| variant.id))
}

/// The named variants with their stock, archived or not, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn named(tx: &TenantTx, named: &Named) -> Result<Vec<Variant>, DbError> {
    const NAMED: ByName = by_name!(concatcp!(SELECT, "WHERE "), "v.id", "v.own_keys", "");
    let mut variants: Vec<Variant> = NAMED.rows(tx, named).await?;
    bundle::with_components(tx, variants.iter_mut()).await?;
    Ok(variants)
}

/// A page of the variants that changed, archived or not, in the order of their changes.
///
/// # Errors
/// [`DbError`].
pub async fn changed(tx: &TenantTx, changed: &Changed) -> Result<Page<Variant>, DbError> {
    const CHANGED: ByChange = by_change!(concatcp!(SELECT, "WHERE "), "v.updated_at", "v.id", "");
    let mut found: Vec<Variant> = CHANGED.rows(tx, changed).await?;
    bundle::with_components(tx, found.iter_mut()).await?;
    Ok(changed.page.page(found, |record: &Variant| (record.updated_at, record.id.into())))
}

async fn find_one(
    tx: &TenantTx,
    sql: &'static str,
    params: tenancy::Params<'_>,
) -> Result<Option<Variant>, DbError> {
    let mut found: Option<Variant> = tx.row_opt(sql, params).await?;
    bundle::with_components(tx, found.iter_mut()).await?;
    Ok(found)
}
