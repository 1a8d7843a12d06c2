//! Approvals: a member with the permission enters a PIN at the till of a cashier, and the cashier may then
//! give a discount, refund or void. An approval is good for one receipt, for its cashier, and for some
//! minutes.

use chrono::{DateTime, TimeDelta, Utc};
use inventory::audit::{self, Action, Subject};
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money};

use crate::ids::{SaleApprovalId, SaleId};
use crate::sales::sale_error::SaleError;

values::words! {
    /// The action that was approved.
    pub enum Approves {
        /// A discount above the limit, or a price other than the list price.
        Discount = "discount",
        /// A refund, or the returns of an exchange.
        Refund = "refund",
        /// The void of a sale.
        Void = "void",
    }
}

/// An approval.
#[derive(Debug, Clone)]
pub struct Approval {
    /// The receipt. It need not exist yet: the till has chosen its id.
    pub sale_id: SaleId,
    /// The approved action.
    pub approves: Approves,
    /// The largest discount, or the largest amount that is given back; `None` for a void.
    pub amount: Option<Money>,
    /// The member who approved it.
    pub approved_by: ActorId,
    /// The member at whose till it was approved.
    pub actor_id: ActorId,
    /// The time of the approval.
    pub approved_at: DateTime<Utc>,
}

impl Approval {
    /// The time for which an approval is good.
    pub const LIFETIME: TimeDelta = TimeDelta::minutes(5);
}

/// Stores an approval. The caller has checked the PIN and the permission.
///
/// # Errors
/// [`DbError`].
pub async fn insert(tx: &TenantTx, approval: &Approval) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO sale_approvals (id, sale_id, approves, amount, approved_by, actor_id, approved_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Approval { sale_id, approves, amount, approved_by, actor_id, approved_at } = approval;
    let row: tenancy::Params<'_> =
        &[&SaleApprovalId::new(), sale_id, approves, amount, approved_by, actor_id, approved_at];
    let changes = json!({
        "approves": {"to": approves}, "amount": {"to": amount.map(Money::plain)},
        "approvedBy": {"to": approved_by},
    });
    let subject = Subject::Sale((*sale_id).into());
    let insert = async { tx.execute(INSERT, row).await };
    all((insert, audit::record(tx, *actor_id, Action::SaleApproved, subject, &changes))).await.map(drop)
}

/// Finds the member who approved this action for this actor in the last minutes.
///
/// # Errors
/// [`SaleError::NeedsApproval`] if no approval covers the amount.
pub(super) async fn require(
    tx: &TenantTx,
    sale: SaleId,
    approves: Approves,
    amount: Option<Money>,
    actor: ActorId,
) -> Result<ActorId, SaleError> {
    const FIND: &str = "
        SELECT approved_by FROM sale_approvals
         WHERE sale_id = $1 AND approves = $2 AND actor_id = $3 AND approved_at > $4
           AND ($5::numeric IS NULL OR amount >= $5)
         ORDER BY approved_at DESC LIMIT 1";
    let since = tx.now() - Approval::LIFETIME;
    let found = tx.value_opt(FIND, &[&sale, &approves, &actor, &since, &amount]).await?;
    found.ok_or(SaleError::NeedsApproval { approves, amount })
}
