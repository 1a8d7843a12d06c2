//! Service accounts: what a business allows a program that has a client id. The program exchanges its secret
//! for access tokens (RFC 6749 section 4.4).

use chrono::{DateTime, Utc};
use const_format::concatcp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;
use tenancy::{DbError, SharedTx, TenantId};
use values::{Page, PageRequest};

use crate::access::granting::{self, GrantError};
use crate::names::digest::sha256;
use crate::names::ids::UserId;
use crate::names::keys::{AppSlug, ClientId, PermissionKey};
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};

values::ids! {
    /// The id of a service account.
    ServiceAccountId,
}

/// A service account.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    /// The id, by which the books of the business name the program.
    pub id: ServiceAccountId,
    /// The program.
    pub client_id: ClientId,
    /// The name of the program.
    pub client_name: String,
    /// The app of the program.
    pub app: AppSlug,
    /// The business.
    pub tenant_id: TenantId,
    /// The permissions of the account. It never has more than its member has.
    pub permissions: Vec<String>,
    /// The member of the account, who allowed it last. `None` if the operator did.
    pub user_id: Option<UserId>,
    /// Whether its member may still sign in. Otherwise the program gets no token.
    pub is_active: bool,
    /// When the program got a token last.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When its permissions or its member were changed last.
    pub updated_at: DateTime<Utc>,
}

tenancy::from_row!(ServiceAccount {
    id,
    client_id,
    client_name,
    app,
    tenant_id,
    permissions,
    user_id,
    is_active,
    last_used_at,
    created_at,
    updated_at,
});

/// A service account was not made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceAccountError {
    /// The operator has registered no such program, or it has no account at the business.
    #[error("there is no program {0} here")]
    Unknown(ClientId),
    /// The account may not have the permissions.
    #[error(transparent)]
    NotGranted(#[from] GrantError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about service accounts failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT a.id, a.client_id, c.name AS client_name, c.app, a.tenant_id, a.permissions, a.user_id,
           NOT a.member_left AND (a.user_id IS NULL OR shared.is_active_member(a.user_id, a.tenant_id))
               AS is_active,
           a.last_used_at, a.created_at, a.updated_at
      FROM shared.service_accounts a
      JOIN shared.oauth_clients c ON c.id = a.client_id ";

/// Allows a program these permissions at a business, in the place of those that it had. Returns whether the
/// account is new. From now on, it may do no more than this actor.
///
/// # Errors
/// [`ServiceAccountError`]; nobody gives a permission that they do not have.
pub async fn put(
    tx: &SharedTx,
    tenant: TenantId,
    client: &ClientId,
    permissions: &[PermissionKey],
    by: By<'_>,
) -> Result<(ServiceAccount, bool), ServiceAccountError> {
    const APP: &str = "
        SELECT c.app FROM shared.oauth_clients c JOIN shared.apps a ON a.slug = c.app
         WHERE c.id = $1 AND a.has_businesses";
    const PUT: &str = "
        INSERT INTO shared.service_accounts AS a (id, client_id, tenant_id, permissions, user_id, created_at,
                                                  updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)
            ON CONFLICT (tenant_id, client_id) DO UPDATE
           SET permissions = EXCLUDED.permissions, user_id = EXCLUDED.user_id, member_left = false,
               version = a.version + 1, updated_at = EXCLUDED.updated_at
     RETURNING version";
    let unknown = || ServiceAccountError::Unknown(client.clone());
    let app: AppSlug = tx.value_opt(APP, &[client]).await?.ok_or_else(unknown)?;
    let keys = granting::check(tx, tenant, &app, permissions, by).await?;
    let user = granting::member(by);
    // A repeated request changes nothing, and ends no token.
    if let Some(present) = find(tx, tenant, client).await?
        && (&present.permissions, present.user_id, present.is_active) == (&keys, user, true)
    {
        return Ok((present, false));
    }
    let id = ServiceAccountId::new();
    let version: i32 = tx.value(PUT, &[&id, client, &tenant, &keys, &user, &tx.now()]).await?;
    let is_new = version == 1;
    let account = find(tx, tenant, client).await?.ok_or_else(unknown)?;
    let action = if is_new { AuthAction::ServiceAccountCreated } else { AuthAction::ServiceAccountChanged };
    record(tx, &account, action, by).await?;
    Ok((account, is_new))
}

/// Removes the account of a program at a business. Every server refuses its access tokens within a second.
///
/// # Errors
/// [`ServiceAccountError`].
pub async fn remove(
    tx: &SharedTx,
    tenant: TenantId,
    client: &ClientId,
    by: By<'_>,
) -> Result<ServiceAccount, ServiceAccountError> {
    const REMOVE: &str = "DELETE FROM shared.service_accounts WHERE id = $1";
    let account = find(tx, tenant, client).await?;
    let account = account.ok_or_else(|| ServiceAccountError::Unknown(client.clone()))?;
    tx.execute(REMOVE, &[&account.id]).await?;
    record(tx, &account, AuthAction::ServiceAccountRemoved, by).await?;
    Ok(account)
}

/// The account of a program at a business.
///
/// # Errors
/// [`DbError`]; without an account, `None`.
pub async fn find(
    tx: &SharedTx,
    tenant: TenantId,
    client: &ClientId,
) -> Result<Option<ServiceAccount>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE a.tenant_id = $1 AND a.client_id = $2");
    tx.row_opt(FIND, &[&tenant, client]).await
}

/// A page of accounts, newest first: all that the scope shows, or those of `tenant`.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    tenant: Option<TenantId>,
    page: &PageRequest<ServiceAccountId>,
) -> Result<Page<ServiceAccount>, DbError> {
    const LIST: &str = concatcp!(
        SELECT,
        "WHERE a.id < $1 AND ($2::uuid IS NULL OR a.tenant_id = $2) ORDER BY a.id DESC LIMIT $3"
    );
    let accounts = tx.rows(LIST, &[&page.below(), &tenant, &page.limit.and_one()]).await?;
    Ok(page.page(accounts, |account: &ServiceAccount| account.id))
}

/// Writes into the log of each business that the account of a program is removed.
pub(super) async fn record_removals(tx: &SharedTx, client: &ClientId, by: By<'_>) -> Result<(), DbError> {
    const TENANTS: &str = "SELECT tenant_id FROM shared.service_accounts WHERE client_id = $1";
    let tenants: Vec<TenantId> = tx.values(TENANTS, &[client]).await?;
    let details = json!({"clientId": client});
    let event = AuthEvent { details, ..AuthEvent::new(AuthAction::ServiceAccountRemoved).by(by) };
    auth_event::record_in_each(tx, &event, &tenants).await
}

async fn record(
    tx: &SharedTx,
    account: &ServiceAccount,
    action: AuthAction,
    by: By<'_>,
) -> Result<(), DbError> {
    let details = json!({
        "serviceAccount": account.id, "clientId": account.client_id, "permissions": account.permissions});
    let event = AuthEvent {
        tenant: Some(account.tenant_id),
        app: Some(&account.app),
        details,
        ..AuthEvent::new(action).by(by)
    };
    auth_event::record(tx, &event).await
}

/// An account whose program has presented its secret.
#[derive(Debug, Clone)]
pub struct OpenedAccount {
    /// The account.
    pub id: ServiceAccountId,
    /// The program.
    pub client: ClientId,
    /// The app of the program, which is the audience of its tokens.
    pub app: AppSlug,
    /// The business.
    pub tenant: TenantId,
    /// Counts the changes of the account.
    pub version: i32,
    /// The permissions, as far as the member of the account has them now.
    pub permissions: Vec<String>,
}

/// A program gets no token.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such program, or its secret is wrong.
    #[error("the client id or the secret is wrong")]
    WrongSecret,
    /// The business has not allowed the program anything, or the member who did has left.
    #[error("the business has no active service account for this program; an owner can make one")]
    NoAccount,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about service accounts failed")]
    Db(#[from] DbError),
}

/// Finds the account of a program that presents its secret. Without a business, only the secret is checked.
///
/// # Errors
/// [`OpenError`].
pub async fn open(
    tx: &SharedTx,
    client: &ClientId,
    secret: &SecretString,
    tenant: Option<TenantId>,
) -> Result<OpenedAccount, OpenError> {
    const OPEN: &str = "
        SELECT app, account_id, version, permissions FROM shared.open_service_account($1, $2, $3, $4)";
    struct Row {
        app: AppSlug,
        account_id: Option<ServiceAccountId>,
        version: Option<i32>,
        permissions: Option<Vec<String>>,
    }
    tenancy::from_row!(Row { app, account_id, version, permissions });
    let hash = sha256(secret.expose_secret());
    let row: Option<Row> = tx.row_opt(OPEN, &[client, &hash, &tenant, &tx.now()]).await?;
    let Row { app, account_id, version, permissions } = row.ok_or(OpenError::WrongSecret)?;
    match (account_id, tenant, version, permissions) {
        (Some(id), Some(tenant), Some(version), Some(permissions)) => {
            Ok(OpenedAccount { id, client: client.clone(), app, tenant, version, permissions })
        }
        _ => Err(OpenError::NoAccount),
    }
}
