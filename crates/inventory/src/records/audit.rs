//! The business's audit log: who changed what, from which value to which, stored with the change.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tenancy::{DbError, TenantId, TenantTx};
use uuid::Uuid;
use values::{ActorId, Page, PageRequest};

use crate::ids::{
    AdjustmentId, CategoryId, CountId, CustomerId, EntryId, LocationId, OrderId, ProductId, PurchaseOrderId,
    SupplierId, TaxClassId, TransferId, VariantId,
};

/// What was changed.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    Adjustment(AdjustmentId),
    Category(CategoryId),
    Count(CountId),
    Customer(CustomerId),
    Location(LocationId),
    Order(OrderId),
    Product(ProductId),
    PurchaseOrder(PurchaseOrderId),
    /// There is one row of settings, and its subject is the business.
    Settings(TenantId),
    Supplier(SupplierId),
    TaxClass(TaxClassId),
    Transfer(TransferId),
    Variant(VariantId),
}

impl Subject {
    /// The word in the log, and the id.
    fn columns(self) -> (&'static str, Uuid) {
        match self {
            Self::Adjustment(id) => ("adjustment", id.into()),
            Self::Category(id) => ("category", id.into()),
            Self::Count(id) => ("count", id.into()),
            Self::Customer(id) => ("customer", id.into()),
            Self::Location(id) => ("location", id.into()),
            Self::Order(id) => ("order", id.into()),
            Self::Product(id) => ("product", id.into()),
            Self::PurchaseOrder(id) => ("purchase_order", id.into()),
            Self::Settings(id) => ("settings", id.into()),
            Self::Supplier(id) => ("supplier", id.into()),
            Self::TaxClass(id) => ("tax_class", id.into()),
            Self::Transfer(id) => ("transfer", id.into()),
            Self::Variant(id) => ("variant", id.into()),
        }
    }
}

values::words! {
    /// What was done, as the log has it.
    pub enum Action {
        CategoryCreated = "category.created",
        CategoryChanged = "category.changed",
        CountOpened = "count.opened",
        CountPosted = "count.posted",
        CountCancelled = "count.cancelled",
        CustomerCreated = "customer.created",
        CustomerChanged = "customer.changed",
        LocationCreated = "location.created",
        LocationChanged = "location.changed",
        OrderPlaced = "order.placed",
        OrderFulfilled = "order.fulfilled",
        OrderCancelled = "order.cancelled",
        OrderReturned = "order.returned",
        ProductCreated = "product.created",
        ProductChanged = "product.changed",
        PurchaseOrderCreated = "purchase_order.created",
        PurchaseOrderChanged = "purchase_order.changed",
        PurchaseOrderMoved = "purchase_order.moved",
        PurchaseOrderReceived = "purchase_order.received",
        PurchaseOrderReceiptReversed = "purchase_order.receipt_reversed",
        SettingsChanged = "settings.changed",
        StockAdjusted = "stock.adjusted",
        SupplierCreated = "supplier.created",
        SupplierChanged = "supplier.changed",
        TaxClassCreated = "tax_class.created",
        TaxClassChanged = "tax_class.changed",
        TransferSent = "transfer.sent",
        TransferReceived = "transfer.received",
        TransferSentBack = "transfer.sent_back",
        VariantCreated = "variant.created",
        VariantChanged = "variant.changed",
    }
}

/// An entry of the log.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: EntryId,
    pub occurred_at: DateTime<Utc>,
    pub actor_id: ActorId,
    /// An [`Action`], perhaps one of a later release: the log is shown and not acted on.
    pub action: String,
    pub subject_type: String,
    pub subject_id: Uuid,
    /// `{"field": {"from": ..., "to": ...}}`; `from` is left out for something new.
    pub changes: Value,
}

tenancy::from_row!(Entry { id, occurred_at, actor_id, action, subject_type, subject_id, changes });

/// The fields that a change changes, each with its old and its new value.
#[derive(Debug, Default)]
pub struct Changes(Map<String, Value>);

impl Changes {
    /// Notes a field, unless it keeps its value.
    pub fn note<T: PartialEq + Serialize>(&mut self, field: &str, from: T, to: T) {
        if from != to {
            self.0.insert(field.to_owned(), json!({"from": from, "to": to}));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Stores an entry, in the transaction of the change.
///
/// # Errors
/// [`DbError`].
pub async fn record(
    tx: &TenantTx,
    actor: ActorId,
    action: Action,
    subject: Subject,
    changes: &Value,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO audit_log (id, occurred_at, actor_id, action, subject_type, subject_id, changes)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (kind, id) = subject.columns();
    tx.execute(INSERT, &[&EntryId::new(), &tx.now(), &actor, &action, &kind, &id, changes]).await.map(drop)
}

/// A page of the log, newest first: of one document, or of the whole business.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    subject: Option<Uuid>,
    page: &PageRequest<EntryId>,
) -> Result<Page<Entry>, DbError> {
    const SELECT: &str =
        "SELECT id, occurred_at, actor_id, action, subject_type, subject_id, changes FROM audit_log ";
    const ALL: &str = concatcp!(SELECT, "WHERE id < $1 ORDER BY id DESC LIMIT $2");
    const OF_SUBJECT: &str = concatcp!(SELECT, "WHERE id < $1 AND subject_id = $3 ORDER BY id DESC LIMIT $2");
    let (below, limit) = (page.below(), page.limit.and_one());
    let entries = match subject {
        None => tx.rows(ALL, &[&below, &limit]).await?,
        Some(subject) => tx.rows(OF_SUBJECT, &[&below, &limit, &subject]).await?,
    };
    Ok(page.page(entries, |entry: &Entry| entry.id))
}
