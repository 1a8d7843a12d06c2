//! The places where a person may use an app: businesses, or the app itself.

use chrono::{DateTime, Utc};
use tenancy::{DbError, SharedTx, TenantId};

use crate::names::ids::{MembershipId, UserId};
use crate::names::keys::AppSlug;
use crate::signing_in::second_factor::SecondFactorState;

/// A place where a person may use an app.
#[derive(Debug, Clone)]
pub struct Place {
    /// The membership of the person there.
    pub membership_id: MembershipId,
    /// The business. `None` for an app without businesses.
    pub tenant_id: Option<TenantId>,
    /// The slug of the business.
    pub slug: Option<String>,
    /// The name of the business.
    pub business: Option<String>,
    /// Who gave the password before must give it again.
    pub sign_in_again_since: Option<DateTime<Utc>>,
    /// What a session there would lack, if no second factor is given.
    pub second_factor: SecondFactorState,
}

tenancy::from_row!(Place { membership_id, tenant_id, slug, business, sign_in_again_since, second_factor });

/// The places where a person is an active member of an app, by name. A business that is closed is none.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx, user: UserId, app: &AppSlug) -> Result<Vec<Place>, DbError> {
    const LIST: &str = "
        SELECT m.id AS membership_id, m.tenant_id, t.slug, t.name AS business, m.sign_in_again_since,
               shared.second_factor_state(m.user_id, m.id, NULL, false) AS second_factor
          FROM shared.memberships m
          LEFT JOIN shared.tenants t ON t.id = m.tenant_id
         WHERE m.user_id = $1 AND m.app = $2 AND m.status = 'active'
           AND (m.tenant_id IS NULL OR t.status = 'active')
         ORDER BY t.name, t.slug";
    tx.rows(LIST, &[&user, app]).await
}
