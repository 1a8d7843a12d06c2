//! Matching: a payment that the provider reports confirms the payment of a receipt in which a cashier entered
//! its number. A payment that fits no receipt stays open, and a member assigns the payment by hand.

use chrono::{DateTime, TimeDelta, Utc};
use inventory::audit::{self, Action, Subject};
use inventory::document::Requested;
use inventory::payment::{self, NewPayment, PaymentError, PaymentMethod};
use inventory::{OrderId, PaymentId, order, settings};
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Money, Page, PageRequest, ShortText};

use crate::ids::{MobilePaymentId, MobilePaymentUseId, RegisterId, SaleId, SalePaymentId};
use crate::mobile_money::mobile_payment::{self, MobilePayment, MobilePaymentError, NewMobilePayment};
use crate::mobile_money::mobile_use::{self, PaymentUse};
use crate::mobile_money::payment_request;
use crate::records::event::{Event, MobilePaymentChanged};
use crate::records::payment_request_status::PaymentRequestStatus;
use crate::sales::sale_list;

/// Stores a reported payment, once, and confirms the payments of receipts that have its number. Ends the
/// request that the customer answered.
///
/// # Errors
/// [`DbError`].
pub async fn receive(tx: &TenantTx, new: &NewMobilePayment) -> Result<(), DbError> {
    // A receipt with the same number waits here, or has been committed: one of both finds the other.
    mobile_use::lock_references(tx, std::slice::from_ref(&new.transaction_id)).await?;
    let is_new = mobile_payment::store(tx, new).await?;
    if let Some(request) = new.request_id {
        payment_request::end(tx, request, PaymentRequestStatus::Paid, None).await?;
    }
    if !is_new {
        return Ok(());
    }
    let uses = fitting(tx, new).await?;
    let changed = MobilePaymentChanged { mobile_payment_id: new.id, payment_request_id: new.request_id };
    all((
        mobile_use::write(tx, &uses, ActorId::SYSTEM),
        outbox::write(tx, &Event::MobilePaymentReceived(changed)),
    ))
    .await
    .map(drop)
}

/// A payment of a receipt that nothing confirms.
struct Unconfirmed {
    id: SalePaymentId,
    amount: Money,
}

tenancy::from_row!(Unconfirmed { id, amount });

/// The payments of receipts that a new payment confirms. A receipt that claims more than was paid is left to
/// a member.
async fn fitting(tx: &TenantTx, new: &NewMobilePayment) -> Result<Vec<PaymentUse>, DbError> {
    const FIND: &str = "
        SELECT p.id, p.amount FROM sale_payments p JOIN sales s ON s.id = p.sale_id
         WHERE p.method = 'mobile_money' AND p.amount > 0 AND upper(p.reference) = $1
           AND s.voided_at IS NULL
           AND NOT EXISTS (SELECT FROM mobile_payment_uses u
                            WHERE u.sale_payment_id = p.id AND u.released_at IS NULL)
         ORDER BY s.sold_at, p.id";
    let currency = settings::currency(tx).await?;
    if currency.code() != new.currency {
        return Ok(Vec::new());
    }
    let mut left = new.amount;
    let mut uses = Vec::new();
    for Unconfirmed { id, amount } in tx.rows(FIND, &[&new.transaction_id]).await? {
        if amount > left {
            break;
        }
        left -= amount;
        uses.push(PaymentUse { mobile_payment_id: new.id, sale_payment_id: id, amount });
    }
    Ok(uses)
}

/// The document to which a member assigns a payment.
#[derive(Debug, Clone, Copy)]
pub enum Assigned {
    /// The payments by mobile money of a receipt, which nothing confirms yet.
    Sale(SaleId),
    /// An order. A payment with the same number that was posted by hand is confirmed; otherwise, the order is
    /// paid.
    Order(OrderId),
}

/// A payment was not assigned.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// The payment cannot be assigned.
    #[error(transparent)]
    Payment(#[from] MobilePaymentError),
    /// The payment is in another currency than the business. Holds that of the payment.
    #[error("the payment is in {0}, which is not the currency of the business")]
    OtherCurrency(String),
    /// There is no such receipt.
    #[error("there is no such sale")]
    UnknownSale,
    /// There is no such order.
    #[error("there is no such order")]
    UnknownOrder,
    /// The receipt was voided.
    #[error("the sale was voided; pay the money back, and dismiss the payment")]
    Voided,
    /// The receipt has no payment to confirm.
    #[error("the sale has no payment by mobile money that is still to be confirmed")]
    NothingToConfirm,
    /// The document claims more than is left of the payment. Holds the claim and the rest.
    #[error(
        "the sale or order waits for {}, and only {} is left of the reported payment", .0.plain(), .1.plain()
    )]
    TooLittle(Money, Money),
    /// The order is paid.
    #[error("nothing is left to pay of the order")]
    OrderPaid,
    /// The order cannot be paid.
    #[error(transparent)]
    Order(PaymentError),
    /// A query failed.
    #[error("a query about a payment by mobile money failed")]
    Db(#[from] DbError),
}

/// Assigns what is left of an open payment to a document.
///
/// # Errors
/// [`AssignError`]; the caller rolls back.
pub async fn assign(
    tx: &TenantTx,
    id: MobilePaymentId,
    to: Assigned,
    actor: ActorId,
) -> Result<(), AssignError> {
    match to {
        Assigned::Sale(sale) => assign_to_sale(tx, id, sale, actor).await,
        Assigned::Order(order) => assign_to_order(tx, id, order, actor).await,
    }
}

async fn lock_payment(tx: &TenantTx, id: MobilePaymentId) -> Result<MobilePayment, AssignError> {
    let payment = mobile_payment::lock_open(tx, id).await?;
    if settings::currency(tx).await?.code() != payment.currency {
        return Err(AssignError::OtherCurrency(payment.currency));
    }
    Ok(payment)
}

async fn record(
    tx: &TenantTx,
    id: MobilePaymentId,
    changes: &serde_json::Value,
    actor: ActorId,
) -> Result<(), DbError> {
    let subject = Subject::MobilePayment(id.into());
    audit::record(tx, actor, Action::MobilePaymentAssigned, subject, changes).await
}

async fn assign_to_sale(
    tx: &TenantTx,
    id: MobilePaymentId,
    sale_id: SaleId,
    actor: ActorId,
) -> Result<(), AssignError> {
    const FIND: &str = "
        SELECT p.id, p.amount FROM sale_payments p
         WHERE p.sale_id = $1 AND p.method = 'mobile_money' AND p.amount > 0
           AND NOT EXISTS (SELECT FROM mobile_payment_uses u
                            WHERE u.sale_payment_id = p.id AND u.released_at IS NULL)
         ORDER BY p.position";
    // The receipt comes before the payment in the order of locks.
    let sale = sale_list::lock(tx, sale_id).await?.ok_or(AssignError::UnknownSale)?;
    if sale.voided_at.is_some() {
        return Err(AssignError::Voided);
    }
    let payment = lock_payment(tx, id).await?;
    let unconfirmed: Vec<Unconfirmed> = tx.rows(FIND, &[&sale_id]).await?;
    let Some(first) = unconfirmed.first() else { return Err(AssignError::NothingToConfirm) };
    if first.amount > payment.left() {
        return Err(AssignError::TooLittle(first.amount, payment.left()));
    }
    let (mut left, mut uses) = (payment.left(), Vec::new());
    for Unconfirmed { id: sale_payment_id, amount } in unconfirmed {
        if amount <= left {
            left -= amount;
            uses.push(PaymentUse { mobile_payment_id: id, sale_payment_id, amount });
        }
    }
    let confirmed: Money = uses.iter().map(|one| one.amount).sum();
    let changes = json!({"saleId": {"to": sale_id}, "amount": {"to": confirmed.plain()}});
    all((mobile_use::write(tx, &uses, actor), record(tx, id, &changes, actor))).await.map_err(|error| {
        match error.constraint() {
            // A report has confirmed it a moment ago.
            Some("mobile_payment_uses_sale_payment_id_key") => AssignError::NothingToConfirm,
            _ => error.into(),
        }
    })?;
    Ok(())
}

async fn assign_to_order(
    tx: &TenantTx,
    id: MobilePaymentId,
    order_id: OrderId,
    actor: ActorId,
) -> Result<(), AssignError> {
    const POSTED: &str = "
        SELECT p.id, p.amount FROM order_payments p
         WHERE p.order_id = $1 AND p.method = 'mobile_money' AND p.amount > 0 AND upper(p.reference) = $2
           AND NOT EXISTS (SELECT FROM mobile_payment_uses u
                            WHERE u.order_payment_id = p.id AND u.released_at IS NULL)
         ORDER BY p.id LIMIT 1";
    const USE: &str = "
        WITH used AS (
            INSERT INTO mobile_payment_uses (id, mobile_payment_id, order_payment_id, amount, used_by,
            used_at)
            VALUES ($1, $2, $3, $4, $5, $6))
        UPDATE mobile_payments SET used = used + $4, version = version + 1 WHERE id = $2";
    struct Posted {
        id: PaymentId,
        amount: Money,
    }
    tenancy::from_row!(Posted { id, amount });
    let payment = lock_payment(tx, id).await?;
    let order = order::find(tx, order_id).await?.ok_or(AssignError::UnknownOrder)?;
    let posted: Option<Posted> = tx.row_opt(POSTED, &[&order_id, &payment.transaction_id]).await?;
    let (order_payment, amount) = match posted {
        Some(Posted { amount, .. }) if amount > payment.left() => {
            return Err(AssignError::TooLittle(amount, payment.left()));
        }
        Some(Posted { id, amount }) => (id, amount),
        None => {
            let amount = order.balance().min(payment.left());
            if !amount.is_positive() {
                return Err(AssignError::OrderPaid);
            }
            let new = NewPayment {
                request: Requested::by_program(PaymentId::new()),
                order_id,
                method: PaymentMethod::MobileMoney,
                amount,
                reference: ShortText::parse(&payment.transaction_id).ok(),
            };
            let (posted, _) =
                payment::post(tx, &new, actor).await.map_err(AssignError::Order)?.into_document();
            (posted.id, amount)
        }
    };
    let changes = json!({"orderId": {"to": order_id}, "amount": {"to": amount.plain()}});
    let params: tenancy::Params<'_> =
        &[&MobilePaymentUseId::new(), &id, &order_payment, &amount, &actor, &tx.now()];
    let use_up = async { tx.execute(USE, params).await };
    all((use_up, record(tx, id, &changes, actor))).await?;
    Ok(())
}

/// A payment of a receipt by mobile money that no reported payment confirms.
#[derive(Debug, Clone)]
pub struct UnconfirmedPayment {
    /// The id of the payment; the list is sorted by it.
    pub id: SalePaymentId,
    /// The receipt.
    pub sale_id: SaleId,
    /// The register and the fiscal year.
    pub series: String,
    /// The number in the series.
    pub number: i64,
    /// The register.
    pub register_id: RegisterId,
    /// The amount.
    pub amount: Money,
    /// The number that the cashier entered.
    pub reference: Option<ShortText>,
    /// The user or program that completed the receipt.
    pub sold_by: ActorId,
    /// The time at which it was completed.
    pub sold_at: DateTime<Utc>,
}

tenancy::from_row!(UnconfirmedPayment {
    id,
    sale_id,
    series,
    number,
    register_id,
    amount,
    reference,
    sold_by,
    sold_at,
});

/// The days for which unconfirmed payments are listed.
pub const LISTED_DAYS: i64 = 90;

/// A page of the payments of the last 90 days that nothing confirms, newest first. Voided receipts have none.
///
/// # Errors
/// [`DbError`].
pub async fn unconfirmed(
    tx: &TenantTx,
    page: &PageRequest<SalePaymentId>,
) -> Result<Page<UnconfirmedPayment>, DbError> {
    const LIST: &str = "
        SELECT p.id, p.sale_id, s.series, s.number, s.register_id, p.amount, p.reference, s.sold_by, s.sold_at
          FROM sales s JOIN sale_payments p ON p.sale_id = s.id
         WHERE s.sold_at > $1 AND s.voided_at IS NULL AND p.method = 'mobile_money' AND p.amount > 0
           AND p.id < $2
           AND NOT EXISTS (SELECT FROM mobile_payment_uses u
                            WHERE u.sale_payment_id = p.id AND u.released_at IS NULL)
         ORDER BY p.id DESC LIMIT $3";
    let since = tx.now() - TimeDelta::days(LISTED_DAYS);
    let rows = tx.rows(LIST, &[&since, &page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(rows, |payment: &UnconfirmedPayment| payment.id))
}
