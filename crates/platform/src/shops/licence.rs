//! Licences: granted, renewed, revoked, and what the business is told about them.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::Serialize;
use tenancy::{DbError, PlanKey, SharedTx, Standing, Tenant, TenantId};
use utoipa::ToSchema;

use crate::shops::plan::{self, PlanError};

tenancy::events! {
    /// A change of the licence of a business.
    pub enum LicenceEvent {
        /// The licence was granted, renewed, changed or revoked.
        Changed(LicenceChanged) = "licence.changed" version 1,
        /// The licence ends soon, or has ended.
        Ending(LicenceEnding) = "licence.ending" version 1,
    }
}

/// A licence after its change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenceChanged {
    /// The key of the plan.
    pub plan: PlanKey,
    /// Whether the business may sell.
    pub standing: Standing,
    /// The end of the licence; null if it has no end.
    pub valid_until: Option<DateTime<Utc>>,
}

/// A licence that ends soon, or has ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenceEnding {
    /// The key of the plan.
    pub plan: PlanKey,
    /// The end of the licence.
    pub valid_until: DateTime<Utc>,
    /// The moment from which the business may not sell: the end, and the days of grace.
    pub sells_until: DateTime<Utc>,
    /// The days that are left, rounded up: 30 or fewer; 0 if the licence has ended.
    pub days_left: i64,
}

/// The end of a granted licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// One term of the plan: after the end of the present licence, if it is valid and of the same plan.
    /// Otherwise after now.
    NextTerm,
    /// At this moment.
    Moment(DateTime<Utc>),
    /// Never.
    NoEnd,
}

/// The licence was not granted.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no such plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The licence has no end, so no term can follow.
    #[error("the licence has no end; give an end, or another plan")]
    Endless,
    /// The licence would have ended already.
    #[error("the end of the licence is not in the future; revoke the licence instead")]
    Past,
    /// A query failed.
    #[error("a query of licences failed")]
    Db(#[from] DbError),
}

/// Grants a locked business a licence of `plan`, by default of its present plan. A licence that is valid
/// already is renewed. Returns whether anything changed.
///
/// # Errors
/// [`GrantError`].
pub async fn grant(
    tx: &SharedTx,
    tenant: &Tenant,
    plan: Option<&PlanKey>,
    until: Until,
) -> Result<bool, GrantError> {
    const GRANT: &str = "
        UPDATE shared.tenants
           SET plan = $2, is_licensed = true, licensed_at = $3, licensed_until = $4,
               licence_warned_days = NULL, updated_at = $3
         WHERE id = $1";
    let present = &tenant.licence;
    let plan = plan::find(tx, plan.unwrap_or(&present.plan)).await?;
    let is_renewed = present.is_granted && present.plan == plan.key;
    let until = match (until, plan.term_days) {
        (Until::Moment(moment), _) if moment <= tx.now() => return Err(GrantError::Past),
        // PostgreSQL stores microseconds.
        (Until::Moment(moment), _) => Some(moment.trunc_subsecs(6)),
        (Until::NoEnd, _) | (Until::NextTerm, None) => None,
        (Until::NextTerm, Some(_)) if is_renewed && present.valid_until.is_none() => {
            return Err(GrantError::Endless);
        }
        (Until::NextTerm, Some(days)) => {
            let end = present.valid_until.filter(|end| is_renewed && *end > tx.now());
            Some(end.unwrap_or_else(|| tx.now()) + TimeDelta::days(days.into()))
        }
    };
    if present.is_granted && present.plan == plan.key && present.valid_until == until {
        return Ok(false);
    }
    tx.execute(GRANT, &[&tenant.id, &plan.key, &tx.now(), &until]).await?;
    Ok(true)
}

/// Revokes the licence of a locked business, which may not sell from now on. Returns whether anything
/// changed.
///
/// # Errors
/// [`DbError`].
pub async fn revoke(tx: &SharedTx, id: TenantId) -> Result<bool, DbError> {
    const REVOKE: &str =
        "UPDATE shared.tenants SET is_licensed = false, updated_at = $2 WHERE id = $1 AND is_licensed";
    Ok(tx.execute(REVOKE, &[&id, &tx.now()]).await? > 0)
}
