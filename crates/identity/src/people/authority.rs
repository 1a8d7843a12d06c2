//! The permissions that an actor may give to others or take from them. Nobody gives or takes a permission
//! that they do not have.

use tenancy::{DbError, SharedTx, TenantId};

use crate::INVENTORY_APP;
use crate::names::ids::UserId;
use crate::names::keys::{AppSlug, OWNER_ROLE};
use crate::records::auth_event::{By, Who};

/// A permission may not be given or taken away.
#[derive(Debug, thiserror::Error)]
pub enum NotAllowed {
    /// The app has no such permission.
    #[error("the app {app} has no permission {permission}")]
    Unknown {
        /// The app.
        app: AppSlug,
        /// The permission.
        permission: String,
    },
    /// The actor does not have the permission.
    #[error(
        "this needs the permission {0}, which you do not have: nobody gives or takes more than they have"
    )]
    Above(String),
    /// The actor is no owner.
    #[error("only an owner of the business can make somebody an owner, or change what concerns an owner")]
    NotOwner,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a permission query failed")]
    Db(#[from] DbError),
}

/// Refuses permissions of an app that the actor does not have. An owner has every permission of the apps of
/// the business. The operator may give everything that exists.
pub(crate) async fn refuse_above(
    tx: &SharedTx,
    tenant: TenantId,
    app: &AppSlug,
    permissions: &[&str],
    by: By<'_>,
) -> Result<(), NotAllowed> {
    const CHECK: &str = "
        WITH actor AS (
            SELECT m.id FROM shared.memberships m
             WHERE m.user_id = $4 AND m.tenant_id = $1 AND m.status = 'active')
        SELECT wanted.key,
               EXISTS (SELECT FROM shared.app_permissions a
                        WHERE a.app = $2 AND a.permission = wanted.key) AS is_known,
               EXISTS (SELECT FROM shared.membership_roles r JOIN actor ON actor.id = r.membership_id
                        WHERE r.app = 'inventory' AND r.role = 'OWNER')
               OR EXISTS (SELECT FROM shared.app_permissions a
                            JOIN shared.role_permissions p
                              ON p.permission_app = a.owner_app AND p.permission = a.permission
                            JOIN shared.membership_roles r
                              ON r.app = p.app AND r.role_scope = p.role_scope AND r.role = p.role
                            JOIN actor ON actor.id = r.membership_id
                           WHERE a.app = $2 AND a.permission = wanted.key) AS is_held
          FROM unnest($3::text[]) AS wanted (key)
         ORDER BY wanted.key";
    struct Checked {
        key: String,
        is_known: bool,
        is_held: bool,
    }
    tenancy::from_row!(Checked { key, is_known, is_held });
    let (actor, may_all) = match by.who {
        Who::Person(user) => (Some(user), false),
        Who::Nobody => (None, false),
        Who::Operator(..) => (None, true),
    };
    for checked in tx.rows::<Checked>(CHECK, &[&tenant, app, &permissions, &actor]).await? {
        if !checked.is_known {
            return Err(NotAllowed::Unknown { app: app.clone(), permission: checked.key });
        }
        if !checked.is_held && !may_all {
            return Err(NotAllowed::Above(checked.key));
        }
    }
    Ok(())
}

/// Refuses roles with permissions that the actor does not have. Only an owner gives or takes ownership.
pub(crate) async fn refuse_roles_above(
    tx: &SharedTx,
    tenant: TenantId,
    app: &AppSlug,
    roles: &[String],
    by: By<'_>,
) -> Result<(), NotAllowed> {
    const PERMISSIONS: &str = "
        SELECT DISTINCT p.permission
          FROM shared.role_permissions p
          JOIN shared.roles r ON r.app = p.app AND r.scope = p.role_scope AND r.key = p.role
         WHERE p.app = $1 AND p.role = ANY ($2) AND (r.tenant_id IS NULL OR r.tenant_id = $3)";
    let actor = match by.who {
        Who::Operator(..) => return Ok(()),
        Who::Person(user) => Some(user),
        Who::Nobody => None,
    };
    let is_ownership = app.as_str() == INVENTORY_APP && roles.iter().any(|role| role == OWNER_ROLE);
    if is_ownership && !is_owner(tx, tenant, actor).await? {
        return Err(NotAllowed::NotOwner);
    }
    let permissions: Vec<String> = tx.values(PERMISSIONS, &[app, &roles, &tenant]).await?;
    let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
    refuse_above(tx, tenant, app, &permissions, by).await
}

/// Refuses to change anything about an owner of the business, unless the actor is one.
pub(super) async fn refuse_owner(
    tx: &SharedTx,
    tenant: TenantId,
    of: UserId,
    by: By<'_>,
) -> Result<(), NotAllowed> {
    let actor = match by.who {
        Who::Operator(..) => return Ok(()),
        Who::Person(user) => Some(user),
        Who::Nobody => None,
    };
    if is_owner(tx, tenant, Some(of)).await? && !is_owner(tx, tenant, actor).await? {
        return Err(NotAllowed::NotOwner);
    }
    Ok(())
}

async fn is_owner(tx: &SharedTx, tenant: TenantId, user: Option<UserId>) -> Result<bool, DbError> {
    const IS_OWNER: &str = "
        SELECT EXISTS (SELECT FROM shared.memberships m
                         JOIN shared.membership_roles r ON r.membership_id = m.id
                        WHERE m.user_id = $1 AND m.tenant_id = $2 AND m.app = 'inventory'
                          AND m.status = 'active' AND r.role = 'OWNER')";
    tx.value(IS_OWNER, &[&user, &tenant]).await
}
