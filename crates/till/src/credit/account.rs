//! Accounts of credit: vouchers, store credit and debts of customers, with their movements.

use chrono::{DateTime, NaiveDate, Utc};
use const_format::concatcp;
use inventory::CustomerId;
use tenancy::{DbError, TenantTx};
use values::{ActorId, Money, Page, PageRequest};

use crate::credit::voucher_code::VoucherCode;
use crate::ids::{CreditId, CreditMovementId, SaleId};

values::words! {
    /// The kinds of accounts.
    pub enum CreditKind {
        /// A voucher, which belongs to the bearer of its code.
        Voucher = "voucher",
        /// Money that the business keeps for a customer.
        StoreCredit = "store_credit",
        /// Money that a customer owes.
        OnAccount = "on_account",
    }
}

/// An account of credit.
#[derive(Debug, Clone)]
pub struct Credit {
    /// The id.
    pub id: CreditId,
    /// The kind.
    pub kind: CreditKind,
    /// The code of a voucher.
    pub code: Option<VoucherCode>,
    /// The last day on which a voucher can be spent; `None` if it does not expire.
    pub expires_on: Option<NaiveDate>,
    /// The customer; `None` for a voucher.
    pub customer_id: Option<CustomerId>,
    /// The debt of the business; on account, of the customer.
    pub balance: Money,
    /// The number of movements.
    pub(super) position: i64,
    /// The time at which the account was opened.
    pub opened_at: DateTime<Utc>,
}

tenancy::from_row!(Credit { id, kind, code, expires_on, customer_id, balance, position, opened_at });

/// A movement of an account.
#[derive(Debug, Clone)]
pub struct CreditMovement {
    /// The id.
    pub id: CreditMovementId,
    /// The kind of the account.
    pub kind: CreditKind,
    /// Counts the movements of the account.
    pub position: i64,
    /// The change of the balance.
    pub amount: Money,
    /// The balance afterwards.
    pub balance_after: Money,
    /// The receipt that moved it.
    pub sale_id: SaleId,
    /// Whether the receipt was voided by this movement.
    pub is_void: bool,
    /// The user or program that moved it.
    pub actor_id: ActorId,
    /// The time of the movement.
    pub moved_at: DateTime<Utc>,
}

tenancy::from_row!(CreditMovement {
    id,
    kind,
    position,
    amount,
    balance_after,
    sale_id,
    is_void,
    actor_id,
    moved_at,
});

pub(super) const SELECT: &str =
    "SELECT id, kind, code, expires_on, customer_id, balance, position, opened_at FROM credits ";

/// The voucher with this code.
///
/// # Errors
/// [`DbError`]; an unknown code is `None`.
pub async fn voucher(tx: &TenantTx, code: &VoucherCode) -> Result<Option<Credit>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE code = $1");
    tx.row_opt(FIND, &[code]).await
}

/// A page of the vouchers, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn vouchers(tx: &TenantTx, page: &PageRequest<CreditId>) -> Result<Page<Credit>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE code IS NOT NULL AND id < $1 ORDER BY id DESC LIMIT $2");
    let rows = tx.rows(LIST, &[&page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(rows, |voucher: &Credit| voucher.id))
}

/// The credit of a customer.
#[derive(Debug, Clone, Copy)]
pub struct CustomerCredit {
    /// Money that the business keeps for the customer.
    pub store_credit: Money,
    /// Money that the customer owes.
    pub owed: Money,
    /// The largest debt of the customer; zero allows none.
    pub limit: Money,
}

tenancy::from_row!(CustomerCredit { store_credit, owed, limit: "credit_limit" });

/// The credit of a customer.
///
/// # Errors
/// [`DbError`]; an unknown customer is `None`.
pub async fn of_customer(tx: &TenantTx, customer: CustomerId) -> Result<Option<CustomerCredit>, DbError> {
    const FIND: &str = "
        SELECT coalesce((SELECT balance FROM credits
                          WHERE customer_id = c.id AND kind = 'store_credit'), 0) AS store_credit,
               coalesce((SELECT balance FROM credits
                          WHERE customer_id = c.id AND kind = 'on_account'), 0) AS owed,
               c.credit_limit
          FROM customers c WHERE c.id = $1";
    tx.row_opt(FIND, &[&customer]).await
}

/// The newest movements of each account, `$2` and `$3` being the end of the page before and the limit.
const MOVEMENTS: &str = "
    SELECT m.id, c.kind, m.position, m.amount, m.balance_after, m.sale_id, m.is_void, m.actor_id, m.moved_at
      FROM credits c
     CROSS JOIN LATERAL (SELECT * FROM credit_movements
                          WHERE credit_id = c.id AND id < $2 ORDER BY id DESC LIMIT $3) m ";

/// A page of the movements of a voucher, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn movements_of_voucher(
    tx: &TenantTx,
    code: &VoucherCode,
    page: &PageRequest<CreditMovementId>,
) -> Result<Page<CreditMovement>, DbError> {
    const LIST: &str = concatcp!(MOVEMENTS, "WHERE c.code = $1 ORDER BY m.id DESC LIMIT $3");
    let rows = tx.rows(LIST, &[code, &page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(rows, |movement: &CreditMovement| movement.id))
}

/// A page of the movements of a customer's store credit and debt, newest first. An unknown customer has none.
///
/// # Errors
/// [`DbError`].
pub async fn movements_of_customer(
    tx: &TenantTx,
    customer: CustomerId,
    page: &PageRequest<CreditMovementId>,
) -> Result<Page<CreditMovement>, DbError> {
    const LIST: &str = concatcp!(MOVEMENTS, "WHERE c.customer_id = $1 ORDER BY m.id DESC LIMIT $3");
    let rows = tx.rows(LIST, &[&customer, &page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(rows, |movement: &CreditMovement| movement.id))
}
