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
    /// A stock adjustment.
    Adjustment(AdjustmentId),
    /// A category of products.
    Category(CategoryId),
    /// A stock count.
    Count(CountId),
    /// A customer of the business.
    Customer(CustomerId),
    /// The platform's staff acting as a member, by the id of the session.
    Impersonation(Uuid),
    /// A location where stock is kept.
    Location(LocationId),
    /// A payment that the provider of mobile money reported.
    MobilePayment(Uuid),
    /// An order, with its fulfilments and returns.
    Order(OrderId),
    /// A request to pay on the telephone of a customer.
    PaymentRequest(Uuid),
    /// A product; its variants are subjects of their own.
    Product(ProductId),
    /// A purchase order, with its goods receipts.
    PurchaseOrder(PurchaseOrderId),
    /// A register of the till.
    Register(Uuid),
    /// A receipt of the till, or a parked sale.
    Sale(Uuid),
    /// A saved report.
    SavedReport(Uuid),
    /// A shift at a register.
    Shift(Uuid),
    /// There is one profile and one row of settings, and their subject is the business.
    Settings(TenantId),
    /// A supplier, with the details that the business keeps.
    Supplier(SupplierId),
    /// A tax class of products.
    TaxClass(TaxClassId),
    /// A transfer between two locations, with its steps.
    Transfer(TransferId),
    /// A variant of a product.
    Variant(VariantId),
}

impl Subject {
    /// The type in the log, and the id.
    fn columns(self) -> (SubjectType, Uuid) {
        match self {
            Self::Adjustment(id) => (SubjectType::Adjustment, id.into()),
            Self::Category(id) => (SubjectType::Category, id.into()),
            Self::Count(id) => (SubjectType::Count, id.into()),
            Self::Customer(id) => (SubjectType::Customer, id.into()),
            Self::Impersonation(id) => (SubjectType::Impersonation, id),
            Self::Location(id) => (SubjectType::Location, id.into()),
            Self::MobilePayment(id) => (SubjectType::MobilePayment, id),
            Self::Order(id) => (SubjectType::Order, id.into()),
            Self::PaymentRequest(id) => (SubjectType::PaymentRequest, id),
            Self::Product(id) => (SubjectType::Product, id.into()),
            Self::PurchaseOrder(id) => (SubjectType::PurchaseOrder, id.into()),
            Self::Register(id) => (SubjectType::Register, id),
            Self::Sale(id) => (SubjectType::Sale, id),
            Self::SavedReport(id) => (SubjectType::SavedReport, id),
            Self::Shift(id) => (SubjectType::Shift, id),
            Self::Settings(id) => (SubjectType::Settings, id.into()),
            Self::Supplier(id) => (SubjectType::Supplier, id.into()),
            Self::TaxClass(id) => (SubjectType::TaxClass, id.into()),
            Self::Transfer(id) => (SubjectType::Transfer, id.into()),
            Self::Variant(id) => (SubjectType::Variant, id.into()),
        }
    }
}

values::words! {
    /// The type of a changed record.
    pub enum SubjectType {
        /// A stock adjustment.
        Adjustment = "adjustment",
        /// A category of products.
        Category = "category",
        /// A stock count.
        Count = "count",
        /// A customer of the business.
        Customer = "customer",
        /// The platform's staff acting as a member, by the id of the session.
        Impersonation = "impersonation",
        /// A location where stock is kept.
        Location = "location",
        /// A payment that the provider of mobile money reported.
        MobilePayment = "mobile_payment",
        /// An order, with its fulfilments and returns.
        Order = "order",
        /// A request to pay on the telephone of a customer.
        PaymentRequest = "payment_request",
        /// A product; its variants are subjects of their own.
        Product = "product",
        /// A purchase order, with its goods receipts.
        PurchaseOrder = "purchase_order",
        /// A register of the till.
        Register = "register",
        /// A receipt of the till, or a parked sale.
        Sale = "sale",
        /// A saved report.
        SavedReport = "saved_report",
        /// A shift at a register.
        Shift = "shift",
        /// There is one profile and one row of settings, and their subject is the business.
        Settings = "settings",
        /// A supplier, with the details that the business keeps.
        Supplier = "supplier",
        /// A tax class of products.
        TaxClass = "tax_class",
        /// A transfer between two locations, with its steps.
        Transfer = "transfer",
        /// A variant of a product.
        Variant = "variant",
    }
}

values::words! {
    /// What was done, as the log has it.
    pub enum Action {
        /// A category was stored.
        CategoryCreated = "category.created",
        /// Fields of a category changed.
        CategoryChanged = "category.changed",
        /// A stock count was opened.
        CountOpened = "count.opened",
        /// The differences of a stock count were posted.
        CountPosted = "count.posted",
        /// A stock count was cancelled; no stock changed.
        CountCancelled = "count.cancelled",
        /// A customer was stored.
        CustomerCreated = "customer.created",
        /// Fields of a customer changed.
        CustomerChanged = "customer.changed",
        /// The platform's staff began to act as a member.
        ImpersonationStarted = "impersonation.started",
        /// A location was stored.
        LocationCreated = "location.created",
        /// A location was renamed, archived or restored.
        LocationChanged = "location.changed",
        /// A payment by mobile money was assigned to a sale or an order.
        MobilePaymentAssigned = "mobile_payment.assigned",
        /// A payment by mobile money was dismissed: it belongs to no document.
        MobilePaymentDismissed = "mobile_payment.dismissed",
        /// A dismissed payment by mobile money was opened again.
        MobilePaymentReopened = "mobile_payment.reopened",
        /// A held sale of a till without a connection was completed by hand.
        OfflineSaleCompleted = "offline_sale.completed",
        /// A held sale of a till without a connection was discarded.
        OfflineSaleDiscarded = "offline_sale.discarded",
        /// A sale of a till without a connection could not be completed, and was held.
        OfflineSaleHeld = "offline_sale.held",
        /// An order was placed, and perhaps fulfilled at once.
        OrderPlaced = "order.placed",
        /// The lines, the customer, the note or the due day of an order changed.
        OrderChanged = "order.changed",
        /// Goods of an order left the location.
        OrderFulfilled = "order.fulfilled",
        /// The open quantities of an order were cancelled.
        OrderCancelled = "order.cancelled",
        /// A part of an order was refunded without goods.
        OrderRefunded = "order.refunded",
        /// An order was paid, or an amount was paid back.
        OrderPaid = "order.paid",
        /// Goods of an order came back.
        OrderReturned = "order.returned",
        /// A customer was asked to pay by mobile money.
        PaymentRequested = "payment.requested",
        /// A product was stored with its variants.
        ProductCreated = "product.created",
        /// Fields of a product changed.
        ProductChanged = "product.changed",
        /// The profile of the business changed.
        ProfileChanged = "profile.changed",
        /// A purchase order was stored as a draft.
        PurchaseOrderCreated = "purchase_order.created",
        /// The lines, the expected day or the note of a purchase order changed.
        PurchaseOrderChanged = "purchase_order.changed",
        /// A purchase order was sent, confirmed, cancelled or closed short.
        PurchaseOrderMoved = "purchase_order.moved",
        /// Goods of a purchase order were received.
        PurchaseOrderReceived = "purchase_order.received",
        /// A goods receipt was reversed.
        PurchaseOrderReceiptReversed = "purchase_order.receipt_reversed",
        /// A receipt of the till was printed or mailed.
        ReceiptIssued = "receipt.issued",
        /// A register of the till was stored.
        RegisterCreated = "register.created",
        /// Fields of a register changed.
        RegisterChanged = "register.changed",
        /// The reorder level or the target quantity of a variant at a location changed, or whether the
        /// location keeps the variant.
        ReorderingChanged = "reordering.changed",
        /// A member approved a discount, a refund or a void at the till of a cashier.
        SaleApproved = "sale.approved",
        /// A receipt of the till was completed.
        SaleCompleted = "sale.completed",
        /// A sale was parked.
        SaleParked = "sale.parked",
        /// A parked sale was recalled.
        SaleRecalled = "sale.recalled",
        /// A receipt of the till was voided.
        SaleVoided = "sale.voided",
        /// A report was saved.
        SavedReportCreated = "saved_report.created",
        /// A saved report changed.
        SavedReportChanged = "saved_report.changed",
        /// A saved report was deleted.
        SavedReportDeleted = "saved_report.deleted",
        /// Settings of the business changed.
        SettingsChanged = "settings.changed",
        /// A shift was opened at a register.
        ShiftOpened = "shift.opened",
        /// Cash was put into the drawer of a shift, or taken out, but not for a sale.
        ShiftCashMoved = "shift.cash_moved",
        /// The drawer of a shift was counted.
        ShiftCounted = "shift.counted",
        /// The difference of a shift was approved.
        ShiftApproved = "shift.approved",
        /// A shift was closed with a Z report.
        ShiftClosed = "shift.closed",
        /// A stock adjustment was posted.
        StockAdjusted = "stock.adjusted",
        /// The cost of stock was corrected.
        StockRevalued = "stock.revalued",
        /// Goods went back to a supplier.
        SupplierReturned = "supplier.returned",
        /// A supplier was stored.
        SupplierCreated = "supplier.created",
        /// Fields of a supplier changed.
        SupplierChanged = "supplier.changed",
        /// A tax class was stored.
        TaxClassCreated = "tax_class.created",
        /// Fields of a tax class changed.
        TaxClassChanged = "tax_class.changed",
        /// The goods of a transfer left the source location.
        TransferSent = "transfer.sent",
        /// Goods of a transfer arrived, all or part of them.
        TransferReceived = "transfer.received",
        /// The goods of a transfer that were still in transit went back to the source location.
        TransferSentBack = "transfer.sent_back",
        /// Goods of a transfer were lost in transit and written off.
        TransferWrittenOff = "transfer.written_off",
        /// A variant was added to a product that existed already.
        VariantCreated = "variant.created",
        /// Fields of a variant changed.
        VariantChanged = "variant.changed",
    }
}

/// An entry of the log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The id of the entry; the log is sorted by it.
    pub id: EntryId,
    /// The time of the transaction that made the change.
    pub occurred_at: DateTime<Utc>,
    /// The user or program that made the change, or the platform.
    pub actor_id: ActorId,
    /// The session in which the platform's staff made the change, acting as a member.
    pub impersonation_id: Option<Uuid>,
    /// An [`Action`], perhaps one of a later release: the log is shown and not acted on.
    pub action: String,
    /// The kind of the subject, such as `product` or `purchase_order`.
    pub subject_type: String,
    /// The id of the subject; for settings, the id of the business.
    pub subject_id: Uuid,
    /// `{"field": {"from": ..., "to": ...}}`; `from` is left out where there was no value before.
    pub changes: Value,
}

tenancy::from_row!(Entry {
    id,
    occurred_at,
    actor_id,
    impersonation_id,
    action,
    subject_type,
    subject_id,
    changes,
});

/// The fields that a change changes, each with its old and its new value.
#[derive(Debug, Default)]
pub struct Changes(Map<String, Value>);

impl Changes {
    /// Notes the old and the new value of a field, unless they are equal.
    pub fn note<T: PartialEq + Serialize>(&mut self, field: &str, from: T, to: T) {
        if from != to {
            self.0.insert(field.to_owned(), json!({"from": from, "to": to}));
        }
    }

    /// Whether no field has been noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON object that [`record`] stores as [`Entry::changes`].
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
        INSERT INTO audit_log (id, occurred_at, actor_id, action, subject_type, subject_id, changes,
                               impersonation_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (kind, id) = subject.columns();
    let impersonation = actor.impersonation_id();
    tx.execute(INSERT, &[&EntryId::new(), &tx.now(), &actor, &action, &kind, &id, changes, &impersonation])
        .await
        .map(drop)
}

/// A page of the log, newest first: of the subject with this id, or of the whole business.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    subject: Option<Uuid>,
    page: &PageRequest<EntryId>,
) -> Result<Page<Entry>, DbError> {
    const SELECT: &str = "
        SELECT id, occurred_at, actor_id, impersonation_id, action, subject_type, subject_id, changes
          FROM audit_log ";
    const ALL: &str = concatcp!(SELECT, "WHERE id < $1 ORDER BY id DESC LIMIT $2");
    const OF_SUBJECT: &str = concatcp!(SELECT, "WHERE id < $1 AND subject_id = $3 ORDER BY id DESC LIMIT $2");
    let (below, limit) = (page.below(), page.limit.and_one());
    let entries = match subject {
        None => tx.rows(ALL, &[&below, &limit]).await?,
        Some(subject) => tx.rows(OF_SUBJECT, &[&below, &limit, &subject]).await?,
    };
    Ok(page.page(entries, |entry: &Entry| entry.id))
}
