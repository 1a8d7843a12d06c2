//! Payments of orders: what the customer paid, and what was paid back.

use chrono::{DateTime, Utc};
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Money, ShortText, TooFine};

use crate::business::settings;
use crate::ids::{OrderId, PaymentId};
use crate::orders::order::Order;
use crate::orders::order_list;
use crate::records::audit::{self, Action, Subject};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::records::event::{Event, OrderPaid};
pub use crate::statuses::PaymentStatus;

values::words! {
    /// How an order is paid.
    pub enum PaymentMethod {
        /// Notes and coins.
        Cash = "cash",
        /// A debit or credit card.
        Card = "card",
        /// A transfer from a bank account.
        BankTransfer = "bank_transfer",
        /// A transfer from a telephone, such as M-Pesa.
        MobileMoney = "mobile_money",
        /// A gift card or another voucher of the business.
        Voucher = "voucher",
        /// Any other way.
        Other = "other",
    }
}

impl Order {
    /// The amount that is due and not paid. Negative if it is to be paid back.
    pub fn balance(&self) -> Money {
        self.total - self.credited - self.paid
    }

    /// How much of the order is paid.
    pub fn payment_status(&self) -> PaymentStatus {
        match self.balance() {
            balance if balance.is_negative() => PaymentStatus::Overpaid,
            balance if balance.is_zero() => PaymentStatus::Paid,
            _ if self.paid.is_zero() => PaymentStatus::Unpaid,
            _ => PaymentStatus::PartlyPaid,
        }
    }
}

/// A payment to be posted.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// The chosen or new id of the payment, and the fingerprint of the request.
    pub request: Requested<PaymentId>,
    /// The order that is paid.
    pub order_id: OrderId,
    /// How it is paid.
    pub method: PaymentMethod,
    /// The amount, not zero. Negative if it is paid back to the customer.
    pub amount: Money,
    /// The number of the transaction at the bank or of the voucher.
    pub reference: Option<ShortText>,
}

/// A posted payment.
#[derive(Debug, Clone)]
pub struct Payment {
    /// The id that the request chose or was given.
    pub id: PaymentId,
    /// How it was paid.
    pub method: PaymentMethod,
    /// The amount; negative if it was paid back.
    pub amount: Money,
    /// The number of the transaction at the bank or of the voucher.
    pub reference: Option<ShortText>,
    /// The user or program that posted the payment, or the system.
    pub actor_id: ActorId,
    /// When the payment was posted.
    pub paid_at: DateTime<Utc>,
}

tenancy::from_row!(Payment { id, method, amount, reference, actor_id, paid_at });

/// A payment was not posted.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// The business has no order with this id.
    #[error("there is no such order")]
    NotFound,
    /// The amount is zero.
    #[error("the amount must not be zero")]
    Zero,
    /// The amount is finer than the currency.
    #[error(transparent)]
    TooFine(#[from] TooFine),
    /// More would be paid than is due, or paid back than was paid. Holds the largest amount.
    #[error("the amount exceeds what is left to pay or to pay back, {}", .0.plain())]
    TooMuch(Money),
    /// A different payment already has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A query failed.
    #[error("a payment query failed")]
    Db(#[from] DbError),
}

/// Posts a payment, with the order locked. A repeated request gets the first payment, and changes nothing.
///
/// # Errors
/// [`PaymentError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewPayment,
    actor: ActorId,
) -> Result<Outcome<(Payment, Order)>, PaymentError> {
    if new.amount.is_zero() {
        return Err(PaymentError::Zero);
    }
    document::once(tx, &new.request, find_repeated(tx, new), post_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, new: &NewPayment) -> Result<Option<(Payment, Order)>, PaymentError> {
    const IS_SAME: &str = "SELECT request_hash = $2 AND order_id = $3 FROM order_payments WHERE id = $1";
    const FIND: &str = "
        SELECT id, method, amount, reference, actor_id, paid_at FROM order_payments WHERE id = $1";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint, &new.order_id];
    if !document::is_repeated::<PaymentError>(tx, *id, IS_SAME, params).await? {
        return Ok(None);
    }
    let payment = async { tx.row::<Payment>(FIND, &[id]).await };
    let (payment, order) = all((payment, order_list::find(tx, new.order_id))).await?;
    Ok(Some((payment, order.ok_or(PaymentError::NotFound)?)))
}

async fn post_new(tx: &TenantTx, new: &NewPayment, actor: ActorId) -> Result<(Payment, Order), PaymentError> {
    const INSERT: &str = "
        INSERT INTO order_payments (id, order_id, method, amount, reference, request_hash, actor_id, paid_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    const PAY: &str = "
        UPDATE orders SET paid = paid + $2, version = version + 1, updated_at = $3 WHERE id = $1";
    let (currency, order) = all((settings::currency(tx), order_list::lock(tx, new.order_id))).await?;
    let mut order = order.ok_or(PaymentError::NotFound)?;
    currency.check(new.amount)?;
    let is_too_much = match new.amount.is_negative() {
        true => -new.amount > order.paid,
        false => new.amount > order.balance(),
    };
    if is_too_much {
        let most = if new.amount.is_negative() { order.paid } else { order.balance().max(Money::ZERO) };
        return Err(PaymentError::TooMuch(most));
    }
    order.paid += new.amount;
    order.is_overdue &= order.balance().is_positive();
    let payment = Payment {
        id: new.request.id,
        method: new.method,
        amount: new.amount,
        reference: new.reference.clone(),
        actor_id: actor,
        paid_at: tx.now(),
    };
    let row: tenancy::Params<'_> = &[
        &payment.id,
        &order.id,
        &payment.method,
        &payment.amount,
        &payment.reference,
        &new.request.fingerprint,
        &actor,
        &tx.now(),
    ];
    let paid = json!({
        "paymentId": {"to": payment.id}, "method": {"to": payment.method},
        "amount": {"to": payment.amount.plain()},
    });
    let event = Event::OrderPaid(OrderPaid { order_id: order.id, payment_status: order.payment_status() });
    all((
        async { tx.execute(INSERT, row).await },
        async { tx.execute(PAY, &[&order.id, &payment.amount, &tx.now()]).await },
        audit::record(tx, actor, Action::OrderPaid, Subject::Order(order.id), &paid),
        outbox::write(tx, &event),
    ))
    .await?;
    order.version += 1;
    order.updated_at = tx.now();
    Ok((payment, order))
}

/// The payments of an order, oldest first. An unknown order has none.
///
/// # Errors
/// [`DbError`].
pub async fn of_order(tx: &TenantTx, order: OrderId) -> Result<Vec<Payment>, DbError> {
    const PAYMENTS: &str = "
        SELECT id, method, amount, reference, actor_id, paid_at
          FROM order_payments WHERE order_id = $1 ORDER BY paid_at, id";
    tx.rows(PAYMENTS, &[&order]).await
}
