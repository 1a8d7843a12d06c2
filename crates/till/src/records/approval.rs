//! Approvals: the permission that a member gives for one document by entering a PIN at the till of another.
//! An approval is good for a few minutes, and once. The caller checks the PIN and the permission.

use chrono::{DateTime, TimeDelta, Utc};
use tenancy::{DbError, TenantTx};
use uuid::Uuid;
use values::ActorId;

use crate::ids::ApprovalId;

/// The time for which an approval can be used.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// An approval that was given.
#[derive(Debug, Clone, Copy)]
pub struct Approval {
    /// The id with which the document is posted.
    pub id: ApprovalId,
    /// The moment until which it can be used.
    pub expires_at: DateTime<Utc>,
}

/// No such approval was given for the document, or it was used or has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the approval is not valid for this document, was used already, or is older than 5 minutes")]
pub struct NotApproved;

/// Stores that `approver` approves a document, which may not exist yet, at the request of `actor`.
///
/// # Errors
/// [`DbError`].
pub async fn insert(
    tx: &TenantTx,
    document: Uuid,
    approver: ActorId,
    actor: ActorId,
) -> Result<Approval, DbError> {
    const INSERT: &str = "
        INSERT INTO approvals (id, document_id, approver_id, actor_id, approved_at)
        VALUES ($1, $2, $3, $4, $5)";
    let id = ApprovalId::from(Uuid::new_v4());
    tx.execute(INSERT, &[&id, &document, &approver, &actor, &tx.now()]).await?;
    Ok(Approval { id, expires_at: tx.now() + LIFETIME })
}

/// Uses an approval. Returns who approved.
///
/// # Errors
/// [`DbError`]; `None` if the approval cannot be used for this document.
pub(crate) async fn take(tx: &TenantTx, id: ApprovalId, document: Uuid) -> Result<Option<ActorId>, DbError> {
    const TAKE: &str = "
        UPDATE approvals SET used_at = $3
         WHERE id = $1 AND document_id = $2 AND used_at IS NULL AND approved_at > $4
     RETURNING approver_id";
    tx.value_opt(TAKE, &[&id, &document, &tx.now(), &(tx.now() - LIFETIME)]).await
}
