//! Documents that are under way, and goods on hand, of what is to be archived.

use tenancy::{DbError, TenantTx};
use uuid::Uuid;
use values::{Name, Quantity, Sku};

use crate::catalogue::product;
use crate::ids::{CustomerId, LocationId, ProductId, SupplierId, VariantId};
use crate::records::counter::Counter;
use crate::stock::alert_review;

/// A row that is to be archived.
#[derive(Debug, Clone, Copy)]
pub enum Closing {
    /// A customer, whose open orders, store credit and debt count.
    Customer(CustomerId),
    /// A location: goods on hand, registers, open orders, open purchase orders, transfers from or to it, and
    /// open counts.
    Location(LocationId),
    /// A product: open orders, open purchase orders and transfers of its variants.
    Product(ProductId),
    /// A supplier, whose open purchase orders count.
    Supplier(SupplierId),
    /// A variant: open orders, open purchase orders and transfers of it.
    Variant(VariantId),
}

/// A document that is under way.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// The kind of the document: an order, a purchase order, a transfer or a stock count.
    pub kind: Counter,
    /// The id of the document.
    pub id: Uuid,
    /// The number of the document.
    pub number: i64,
}

tenancy::from_row!(UnderWay { kind, id, number });

/// A variant that is on hand at a location.
#[derive(Debug, Clone)]
pub struct OnHand {
    /// The variant.
    pub variant_id: VariantId,
    /// The business's own code of the variant.
    pub sku: Sku,
    /// The quantity on hand, in sale units.
    pub on_hand: Quantity,
}

tenancy::from_row!(OnHand { variant_id, sku, on_hand });

/// Nothing was archived.
#[derive(Debug, thiserror::Error)]
pub enum ClosingError {
    /// The location has goods. Holds the first [`MAX_LISTED`].
    #[error("the location still has stock; move the stock before you archive the location")]
    HasStock(Vec<OnHand>),
    /// Registers sell from the location. Holds the names of the first [`MAX_LISTED`].
    #[error("registers sell from the location: {}", names(.0))]
    HasRegisters(Vec<Name>),
    /// The customer has store credit or a debt.
    #[error(
        "the customer has store credit or a debt; let the customer spend the credit and pay the debt first"
    )]
    HasCredit,
    /// Documents are under way. Holds the first [`MAX_LISTED`].
    #[error("documents are under way; finish or cancel them first")]
    UnderWay(Vec<UnderWay>),
    /// A query failed.
    #[error("a query about documents under way failed")]
    Db(#[from] DbError),
}

fn names(registers: &[Name]) -> String {
    registers.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

/// The largest number of documents or variants that an error lists.
pub const MAX_LISTED: i64 = 100;

/// Refuses to archive what has goods or documents under way, and locks it until the transaction ends. A
/// document that names it waits for the lock, and is then refused. A row that does not exist, or is archived
/// already, passes.
///
/// # Errors
/// [`ClosingError`].
pub async fn refuse(tx: &TenantTx, closing: Closing) -> Result<(), ClosingError> {
    const ON_HAND: &str = "
        SELECT s.variant_id, v.sku, s.on_hand
          FROM stock_levels s JOIN variants v ON v.id = s.variant_id
         WHERE s.location_id = $1 AND s.on_hand > 0
         ORDER BY v.sku_key
         LIMIT $2";
    const REGISTERS: &str = "
        SELECT name FROM registers
         WHERE location_id = $1 AND archived_at IS NULL
         ORDER BY name LIMIT $2";
    const HAS_CREDIT: &str = "SELECT EXISTS (SELECT FROM credits WHERE customer_id = $1 AND balance <> 0)";
    const OF_CUSTOMER: &str = "
        SELECT 'order' AS kind, id, number FROM orders
         WHERE customer_id = $1 AND status IN ('reserved', 'partly_fulfilled')
         ORDER BY number
         LIMIT $2";
    const OF_SUPPLIER: &str = "
        SELECT 'purchase_order' AS kind, id, number FROM purchase_orders
         WHERE supplier_id = $1 AND status IN ('DRAFT', 'SENT', 'CONFIRMED')
         ORDER BY number
         LIMIT $2";
    const AT_LOCATION: &str = "
        SELECT kind, id, number
          FROM (SELECT 'order' AS kind, id, number FROM orders
                 WHERE location_id = $1 AND status IN ('reserved', 'partly_fulfilled')
                 UNION ALL
                SELECT 'purchase_order', id, number FROM purchase_orders
                 WHERE location_id = $1 AND status IN ('DRAFT', 'SENT', 'CONFIRMED')
                 UNION ALL
                SELECT 'transfer', id, number FROM stock_transfers
                 WHERE (from_location_id = $1 OR to_location_id = $1)
                   AND status IN ('in_transit', 'partly_received')
                 UNION ALL
                SELECT 'count', id, number FROM stock_counts
                 WHERE location_id = $1 AND status = 'open') under_way
         ORDER BY kind, number
         LIMIT $2";
    if !lock(tx, closing).await? {
        return Ok(());
    }
    let documents: Vec<UnderWay> = match closing {
        Closing::Customer(id) => {
            if tx.value(HAS_CREDIT, &[&id]).await? {
                return Err(ClosingError::HasCredit);
            }
            tx.rows(OF_CUSTOMER, &[&id, &MAX_LISTED]).await?
        }
        Closing::Supplier(id) => tx.rows(OF_SUPPLIER, &[&id, &MAX_LISTED]).await?,
        Closing::Location(id) => {
            let on_hand: Vec<OnHand> = tx.rows(ON_HAND, &[&id, &MAX_LISTED]).await?;
            if !on_hand.is_empty() {
                return Err(ClosingError::HasStock(on_hand));
            }
            let registers: Vec<Name> = tx.values(REGISTERS, &[&id, &MAX_LISTED]).await?;
            if !registers.is_empty() {
                return Err(ClosingError::HasRegisters(registers));
            }
            tx.rows(AT_LOCATION, &[&id, &MAX_LISTED]).await?
        }
        Closing::Product(id) => lock_variants(tx, &product::variants_of(tx, id).await?).await?,
        Closing::Variant(id) => lock_variants(tx, &[id]).await?,
    };
    if documents.is_empty() { Ok(()) } else { Err(ClosingError::UnderWay(documents)) }
}

/// Locks the row. Returns whether it can be archived: it exists, and is not archived.
async fn lock(tx: &TenantTx, closing: Closing) -> Result<bool, DbError> {
    const CUSTOMER: &str = "SELECT archived_at IS NULL FROM customers WHERE id = $1 FOR UPDATE";
    // The default location is refused later, with its own error.
    const LOCATION: &str =
        "SELECT archived_at IS NULL AND NOT is_default FROM locations WHERE id = $1 FOR UPDATE";
    const SUPPLIER: &str = "SELECT archived_at IS NULL FROM suppliers WHERE id = $1 FOR UPDATE";
    // Writers of variants lock the product first.
    const PRODUCT: &str = "SELECT archived_at IS NULL FROM products WHERE id = $1 FOR UPDATE";
    const PRODUCT_OF: &str = "
        SELECT v.archived_at IS NULL FROM variants v JOIN products p ON p.id = v.product_id
         WHERE v.id = $1 FOR NO KEY UPDATE OF p";
    let locked: Option<bool> = match closing {
        Closing::Customer(id) => tx.value_opt(CUSTOMER, &[&id]).await?,
        Closing::Location(id) => tx.value_opt(LOCATION, &[&id]).await?,
        Closing::Supplier(id) => tx.value_opt(SUPPLIER, &[&id]).await?,
        Closing::Product(id) => tx.value_opt(PRODUCT, &[&id]).await?,
        Closing::Variant(id) => tx.value_opt(PRODUCT_OF, &[&id]).await?,
    };
    Ok(locked == Some(true))
}

/// Locks variants, and reads the documents of them. Their levels are locked first: a document that holds a
/// level waits for the variant when it stores its lines.
async fn lock_variants(tx: &TenantTx, variants: &[VariantId]) -> Result<Vec<UnderWay>, DbError> {
    const LOCK: &str = "SELECT 1 FROM variants WHERE id = ANY ($1) ORDER BY id FOR UPDATE";
    const OF_VARIANTS: &str = "
        SELECT kind, id, number
          FROM (SELECT 'order' AS kind, o.id, o.number
                  FROM order_lines l JOIN orders o ON o.id = l.order_id
                 WHERE l.variant_id = ANY ($1) AND l.fulfilled + l.cancelled < l.quantity
                   AND o.status IN ('reserved', 'partly_fulfilled')
                 UNION
                SELECT 'purchase_order', o.id, o.number
                  FROM purchase_order_lines l JOIN purchase_orders o ON o.id = l.purchase_order_id
                 WHERE l.variant_id = ANY ($1) AND l.received < l.quantity
                   AND o.status IN ('DRAFT', 'SENT', 'CONFIRMED')
                 UNION
                SELECT 'transfer', t.id, t.number
                  FROM stock_transfer_lines l JOIN stock_transfers t ON t.id = l.transfer_id
                 WHERE l.variant_id = ANY ($1) AND l.received + l.sent_back + l.written_off < l.quantity)
               under_way
         ORDER BY kind, number
         LIMIT $2";
    alert_review::lock_variants(tx, variants).await?;
    tx.execute(LOCK, &[&variants]).await?;
    tx.rows(OF_VARIANTS, &[&variants, &MAX_LISTED]).await
}
