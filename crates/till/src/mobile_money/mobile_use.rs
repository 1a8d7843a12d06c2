//! The uses of reported payments: each confirms a payment of a receipt or of an order. A payment is used up
//! to its amount, and never twice: the row of the payment is locked before anything is decided.
//!
//! A number that a cashier enters and the report of the payment may come in either order, even at the same
//! moment. The first transaction that handles a number locks the number until the transaction ends.

use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Currency, Money};

use crate::ids::{MobilePaymentId, MobilePaymentUseId, SalePaymentId};

/// A payment of a receipt by mobile money.
#[derive(Debug, Clone)]
pub(crate) struct WantedUse {
    /// The payment of the receipt.
    pub sale_payment_id: SalePaymentId,
    /// Its amount, greater than zero.
    pub amount: Money,
    /// The reported payment, if the request names it by its id.
    pub named: Option<MobilePaymentId>,
    /// The number that the cashier entered.
    pub reference: Option<String>,
    /// The position in the request, from 0, for errors.
    pub index: usize,
}

/// A payment by mobile money was not accepted. `index` is the position in the request, from 0.
#[derive(Debug, thiserror::Error)]
pub enum MobileUseError {
    /// The business has no such payment.
    #[error("there is no such payment by mobile money")]
    Unknown {
        /// The position in the request.
        index: usize,
    },
    /// The business accepts confirmed payments alone, and this one was not reported.
    #[error(
        "no such payment was reported; wait for it, or correct the number, \
        or choose another method of payment"
    )]
    NotReported {
        /// The position in the request.
        index: usize,
    },
    /// A member dismissed the payment.
    #[error("the payment was dismissed; a member with till.approve can reopen it")]
    Dismissed {
        /// The position in the request.
        index: usize,
    },
    /// The payment is in another currency than the business. Holds that of the payment.
    #[error("the payment is in {currency}, which is not the currency of the business")]
    OtherCurrency {
        /// The position in the request.
        index: usize,
        /// The currency of the payment.
        currency: String,
    },
    /// Less is left of the payment than the amount.
    #[error("the amount exceeds what is left of the payment, {}", .available.plain())]
    TooLittle {
        /// The position in the request.
        index: usize,
        /// The rest of the payment.
        available: Money,
    },
    /// A query failed.
    #[error("a query about payments by mobile money failed")]
    Db(#[from] DbError),
}

/// A use that was decided under locks and must still be written.
#[derive(Debug)]
pub(crate) struct PaymentUse {
    pub mobile_payment_id: MobilePaymentId,
    pub sale_payment_id: SalePaymentId,
    pub amount: Money,
}

/// Uses of payments, with the number of each transaction.
#[derive(Debug, Default)]
pub(crate) struct DecidedUses {
    pub uses: Vec<PaymentUse>,
    transactions: Vec<String>,
}

impl DecidedUses {
    /// The transaction that confirms a payment of the receipt.
    pub(crate) fn of(&self, payment: SalePaymentId) -> Option<(MobilePaymentId, &str)> {
        let at = self.uses.iter().position(|one| one.sale_payment_id == payment)?;
        Some((self.uses[at].mobile_payment_id, &self.transactions[at]))
    }
}

/// A locked payment.
struct Locked {
    id: MobilePaymentId,
    transaction_id: String,
    available: Money,
    currency: String,
    is_dismissed: bool,
}

tenancy::from_row!(Locked { id, transaction_id, available, currency, is_dismissed });

/// Locks numbers of transactions until the transaction of the database ends.
pub(crate) async fn lock_references(tx: &TenantTx, references: &[String]) -> Result<(), DbError> {
    const LOCK: &str = "
        SELECT pg_advisory_xact_lock(key)
          FROM (SELECT DISTINCT hashtextextended('mobile payment ' || $1 || ' ' || upper(r), 0) AS key
                  FROM unnest($2::text[]) AS r ORDER BY key) keys";
    tx.execute(LOCK, &[&tx.tenant().schema.as_str(), &references]).await.map(drop)
}

/// Locks the payments, and decides from the locked rows. Vouchers and accounts are locked before, and the
/// counter of the receipts is taken after it. A payment that was not reported yet is no error, unless
/// `must_be_reported`.
///
/// # Errors
/// [`MobileUseError`]; the caller rolls back.
pub(crate) async fn decide(
    tx: &TenantTx,
    wanted: &[WantedUse],
    currency: &Currency,
) -> Result<DecidedUses, MobileUseError> {
    const FIND: &str = "
        SELECT id, transaction_id, amount - used AS available, currency,
               dismissed_at IS NOT NULL AS is_dismissed
          FROM mobile_payments WHERE id = ANY ($1) OR transaction_id = ANY ($2)
         ORDER BY id FOR NO KEY UPDATE";
    const MUST_BE_REPORTED: &str = "SELECT mobile_money = 'confirmed' FROM settings";
    if wanted.is_empty() {
        return Ok(DecidedUses::default());
    }
    let named: Vec<MobilePaymentId> = wanted.iter().filter_map(|one| one.named).collect();
    let references: Vec<String> = wanted.iter().filter_map(|one| one.reference.clone()).collect();
    let (must_be_reported, (), mut found) = all((
        async { tx.value::<bool>(MUST_BE_REPORTED, &[]).await },
        lock_references(tx, &references),
        async { tx.rows::<Locked>(FIND, &[&named, &references]).await },
    ))
    .await?;
    let mut decided = DecidedUses::default();
    for WantedUse { sale_payment_id, amount, named, reference, index } in wanted {
        let index = *index;
        let is_it = |payment: &&mut Locked| match named {
            Some(id) => payment.id == *id,
            None => Some(&payment.transaction_id) == reference.as_ref(),
        };
        let Some(payment) = found.iter_mut().find(is_it) else {
            match () {
                () if named.is_some() => return Err(MobileUseError::Unknown { index }),
                () if must_be_reported => return Err(MobileUseError::NotReported { index }),
                () => continue,
            }
        };
        if payment.is_dismissed {
            return Err(MobileUseError::Dismissed { index });
        }
        if payment.currency != currency.code() {
            return Err(MobileUseError::OtherCurrency { index, currency: payment.currency.clone() });
        }
        if *amount > payment.available {
            return Err(MobileUseError::TooLittle { index, available: payment.available });
        }
        payment.available -= *amount;
        decided.transactions.push(payment.transaction_id.clone());
        decided.uses.push(PaymentUse {
            mobile_payment_id: payment.id,
            sale_payment_id: *sale_payment_id,
            amount: *amount,
        });
    }
    Ok(decided)
}

/// Writes uses of locked payments.
pub(crate) async fn write(tx: &TenantTx, uses: &[PaymentUse], actor: ActorId) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO mobile_payment_uses (id, mobile_payment_id, sale_payment_id, amount, used_by, used_at)
        SELECT id, mobile_payment_id, sale_payment_id, amount, $5, $6
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[])
               AS new (id, mobile_payment_id, sale_payment_id, amount)";
    const USE: &str = "
        UPDATE mobile_payments p SET used = p.used + new.amount, version = p.version + 1
          FROM (SELECT id, sum(amount) AS amount FROM unnest($1::uuid[], $2::numeric[]) AS u (id, amount)
                 GROUP BY id) new
         WHERE p.id = new.id";
    if uses.is_empty() {
        return Ok(());
    }
    let ids = inventory::column(uses, |_| MobilePaymentUseId::new());
    let payments = inventory::column(uses, |one| one.mobile_payment_id);
    let of = inventory::column(uses, |one| one.sale_payment_id);
    let amounts = inventory::column(uses, |one| one.amount);
    let inserted: tenancy::Params<'_> = &[&ids, &payments, &of, &amounts, &actor, &tx.now()];
    let insert = async { tx.execute(INSERT, inserted).await };
    let use_up = async { tx.execute(USE, &[&payments, &amounts]).await };
    all((insert, use_up)).await.map(drop)
}

/// Releases what confirmed the payments of a receipt that is voided. The payments are open again, because the
/// business still has the money.
pub(crate) async fn release(tx: &TenantTx, payments: &[SalePaymentId]) -> Result<(), DbError> {
    const LOCK: &str = "
        SELECT FROM mobile_payments
         WHERE id IN (SELECT mobile_payment_id FROM mobile_payment_uses
                       WHERE sale_payment_id = ANY ($1) AND released_at IS NULL)
         ORDER BY id FOR NO KEY UPDATE";
    const RELEASE: &str = "
        WITH released AS (
            UPDATE mobile_payment_uses SET released_at = $2
             WHERE sale_payment_id = ANY ($1) AND released_at IS NULL
            RETURNING mobile_payment_id, amount)
        UPDATE mobile_payments p SET used = p.used - r.amount, version = p.version + 1
          FROM (SELECT mobile_payment_id, sum(amount) AS amount FROM released GROUP BY mobile_payment_id) r
         WHERE p.id = r.mobile_payment_id";
    let lock = async { tx.execute(LOCK, &[&payments]).await };
    let release = async { tx.execute(RELEASE, &[&payments, &tx.now()]).await };
    all((lock, release)).await.map(drop)
}
