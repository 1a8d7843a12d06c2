//! Documents whose ids clients may choose.

use tenancy::{DbError, TenantTx};
use uuid::Uuid;

/// Lets those who post under one client-chosen id take turns until the transaction ends: the second finds the first one's
/// document, and answers with it.
pub(crate) async fn claim(tx: &TenantTx, id: Uuid) -> Result<(), DbError> {
    const CLAIM: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    tx.query(CLAIM, &[&format!("{} {id}", tx.tenant().schema)]).await.map(drop)
}
