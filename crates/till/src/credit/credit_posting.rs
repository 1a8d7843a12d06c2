//! Postings of credit: the one way in which vouchers, store credit and debts change. A receipt decides under
//! locks, and then writes; a balance is never negative, and is the sum of its movements.

use chrono::NaiveDate;
use const_format::concatcp;
use inventory::{CustomerId, column};
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money};

use crate::credit::account::{Credit, CreditKind, SELECT};
use crate::credit::voucher_code::VoucherCode;
use crate::ids::{CreditId, CreditMovementId, SaleId};

/// The account of a posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The voucher with this code. It is issued if something is put into it and there is none.
    Voucher {
        /// The code.
        code: VoucherCode,
        /// The last day of a new voucher.
        expires_on: Option<NaiveDate>,
    },
    /// The account of a customer.
    Customer(CreditKind, CustomerId),
    /// An account that an earlier receipt used.
    Known(CreditId),
}

/// A change of an account that a receipt wants.
#[derive(Debug, Clone)]
pub struct CreditPosting {
    /// The account.
    pub holder: Holder,
    /// The change of the balance.
    pub amount: Money,
    /// The position in the request, from 0, for errors.
    pub index: usize,
}

/// Credit was not changed. `index` is the position in the request, from 0.
#[derive(Debug, thiserror::Error)]
pub enum CreditError {
    /// No voucher has this code.
    #[error("there is no voucher with the code {}; check the code", .code.as_str())]
    UnknownVoucher {
        /// The position in the request.
        index: usize,
        /// The code.
        code: VoucherCode,
    },
    /// The voucher has expired.
    #[error("the voucher could be spent until {on}; choose another method")]
    Expired {
        /// The position in the request.
        index: usize,
        /// The last day on which it could be spent.
        on: NaiveDate,
    },
    /// More would be spent than is there, or more of a debt paid than is owed.
    #[error("the amount exceeds the balance; send at most {}", .available.plain())]
    Insufficient {
        /// The position in the request.
        index: usize,
        /// The balance.
        available: Money,
    },
    /// The customer would owe more than the limit allows.
    #[error("the customer may owe at most {} more; reduce the payment on account", .available.plain())]
    OverLimit {
        /// The position in the request.
        index: usize,
        /// The rest of the limit.
        available: Money,
    },
    /// A query failed.
    #[error("a query about credit failed")]
    Db(#[from] DbError),
}

/// The reason for which credit changes.
#[derive(Debug, Clone, Copy)]
pub enum Occasion {
    /// A receipt is completed.
    Sale {
        /// The day of the business: a voucher is spent on its last day at the latest.
        today: NaiveDate,
        /// The largest debt of the customer; zero allows none.
        credit_limit: Money,
    },
    /// A receipt is voided. Neither the day nor the limit matters.
    Void,
}

/// Changes of credit that were decided under locks and must still be written.
#[derive(Debug, Default)]
pub struct DecidedCredit {
    credits: Vec<Credit>,
    movements: Vec<Movement>,
    is_void: bool,
}

#[derive(Debug)]
struct Movement {
    credit_id: CreditId,
    position: i64,
    amount: Money,
    balance_after: Money,
}

impl DecidedCredit {
    /// The account of each posting, and its balance after the posting.
    pub fn balances(&self) -> impl Iterator<Item = (CreditId, Money)> + '_ {
        self.movements.iter().map(|movement| (movement.credit_id, movement.balance_after))
    }
}

/// Opens the accounts that are missing, locks all of them in the order of their ids, and decides from the
/// locked rows. The stock is locked before, and the counter of the receipts is taken after it.
///
/// # Errors
/// [`CreditError`]; the caller rolls back.
pub async fn decide(
    tx: &TenantTx,
    postings: &[CreditPosting],
    occasion: Occasion,
) -> Result<DecidedCredit, CreditError> {
    if postings.is_empty() {
        return Ok(DecidedCredit::default());
    }
    let mut credits = open_and_lock(tx, postings).await?;
    let mut movements = Vec::with_capacity(postings.len());
    for posting in postings {
        let index = posting.index;
        let Some(credit) = credits.iter_mut().find(|credit| posting.holder.is(credit)) else {
            return Err(match &posting.holder {
                Holder::Voucher { code, .. } => CreditError::UnknownVoucher { index, code: code.clone() },
                _ => CreditError::Insufficient { index, available: Money::ZERO },
            });
        };
        movements.push(credit.post(index, posting.amount, occasion)?);
    }
    Ok(DecidedCredit { credits, movements, is_void: matches!(occasion, Occasion::Void) })
}

impl Holder {
    fn is(&self, credit: &Credit) -> bool {
        match self {
            Self::Voucher { code, .. } => credit.code.as_ref() == Some(code),
            Self::Customer(kind, customer) => credit.kind == *kind && credit.customer_id == Some(*customer),
            Self::Known(id) => credit.id == *id,
        }
    }
}

impl Credit {
    fn post(&mut self, index: usize, amount: Money, occasion: Occasion) -> Result<Movement, CreditError> {
        let mut limit = Money::MAX;
        if let Occasion::Sale { today, credit_limit } = occasion {
            if let Some(on) = self.expires_on.filter(|on| *on < today) {
                return Err(CreditError::Expired { index, on });
            }
            if self.kind == CreditKind::OnAccount && amount.is_positive() {
                limit = credit_limit;
            }
        }
        let after = self.balance + amount;
        if after.is_negative() {
            return Err(CreditError::Insufficient { index, available: self.balance });
        }
        if after > limit {
            let available = (limit - self.balance).max(Money::ZERO);
            return Err(CreditError::OverLimit { index, available });
        }
        self.balance = after;
        self.position += 1;
        Ok(Movement { credit_id: self.id, position: self.position, amount, balance_after: after })
    }
}

async fn open_and_lock(tx: &TenantTx, postings: &[CreditPosting]) -> Result<Vec<Credit>, CreditError> {
    const OPEN: &str = "
        INSERT INTO credits (id, kind, code, expires_on, customer_id, balance, position, opened_at)
        SELECT id, kind, code, expires_on, customer_id, 0, 0, $6
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::uuid[])
               AS new (id, kind, code, expires_on, customer_id)
         ORDER BY kind, code, customer_id
            ON CONFLICT DO NOTHING";
    const LOCK: &str = concatcp!(
        SELECT,
        "WHERE code = ANY ($1) OR (customer_id = ANY ($2) AND kind = ANY ($3)) OR id = ANY ($4)
         ORDER BY id FOR NO KEY UPDATE"
    );
    let (mut codes, mut customers, mut kinds, mut known) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut new = Vec::new();
    for CreditPosting { holder, amount, .. } in postings {
        let account = match holder {
            Holder::Voucher { code, expires_on } => {
                codes.push(code);
                (CreditKind::Voucher, Some(code), *expires_on, None)
            }
            Holder::Customer(kind, customer) => {
                customers.push(*customer);
                kinds.push(*kind);
                (*kind, None, None, Some(*customer))
            }
            Holder::Known(id) => {
                known.push(*id);
                continue;
            }
        };
        new.extend(amount.is_positive().then_some(account));
    }
    let columns: tenancy::Params<'_> = &[
        &column(&new, |_| CreditId::new()),
        &column(&new, |(kind, ..)| *kind),
        &column(&new, |(_, code, ..)| *code),
        &column(&new, |(_, _, expires_on, _)| *expires_on),
        &column(&new, |(.., customer)| *customer),
        &tx.now(),
    ];
    let open = async {
        match new.is_empty() {
            true => Ok(0),
            false => tx.execute(OPEN, columns).await,
        }
    };
    let lock = async { tx.rows::<Credit>(LOCK, &[&codes, &customers, &kinds, &known]).await };
    let (_, credits) = all((open, lock)).await?;
    Ok(credits)
}

impl DecidedCredit {
    /// Changes the balances, and writes the movements, in the transaction that decided.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn write(&self, tx: &TenantTx, sale: SaleId, actor: ActorId) -> Result<(), DbError> {
        const CHANGE: &str = "
            UPDATE credits c SET balance = new.balance, position = new.position
              FROM unnest($1::uuid[], $2::numeric[], $3::bigint[]) AS new (id, balance, position)
             WHERE c.id = new.id";
        const INSERT: &str = "
            INSERT INTO credit_movements (id, credit_id, position, amount, balance_after, sale_id, is_void,
                                          actor_id, moved_at)
            SELECT id, credit_id, position, amount, balance_after, $6, $7, $8, $9
              FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::numeric[], $5::numeric[])
                   AS new (id, credit_id, position, amount, balance_after)";
        if self.movements.is_empty() {
            return Ok(());
        }
        let (credits, movements) = (&self.credits, &self.movements);
        let changed: tenancy::Params<'_> = &[
            &column(credits, |credit| credit.id),
            &column(credits, |credit| credit.balance),
            &column(credits, |credit| credit.position),
        ];
        let inserted: tenancy::Params<'_> = &[
            &column(movements, |_| CreditMovementId::new()),
            &column(movements, |movement| movement.credit_id),
            &column(movements, |movement| movement.position),
            &column(movements, |movement| movement.amount),
            &column(movements, |movement| movement.balance_after),
            &sale,
            &self.is_void,
            &actor,
            &tx.now(),
        ];
        let change = async { tx.execute(CHANGE, changed).await };
        let insert = async { tx.execute(INSERT, inserted).await };
        all((change, insert)).await.map(drop)
    }
}
