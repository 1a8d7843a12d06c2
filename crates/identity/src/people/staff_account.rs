//! Accounts that belong to one business: of people without an email, such as cashiers. They have no login and
//! no membership anywhere else, so their business makes them and sets their passwords.

use tenancy::{DbError, SharedTx, TenantId};
use uuid::Uuid;
use values::Name;

use crate::names::ids::UserId;
use crate::names::keys::Username;
use crate::people::membership::{self, MembershipError};
use crate::people::user::{LoginName, PasswordHash};
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};

/// An account of a business was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum StaffAccountError {
    /// Another member of the business has this username.
    #[error("another member of the business has the username {0}")]
    Taken(Username),
    /// People change their own password with the present one.
    #[error("change your own password with POST /api/v1/auth/password/change")]
    OwnPassword,
    /// The operator has closed the account.
    #[error("the account is disabled; only the operator of the platform can enable it")]
    Disabled,
    /// The account does not belong to the business.
    #[error(
        "this person signs in with an email or works for others, too, so only they can set their password; \
         they can ask for a link at POST /api/v1/auth/password/forgot"
    )]
    NotOwn,
    /// The membership was refused.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a staff account query failed")]
    Db(#[from] DbError),
}

/// Makes an account of the business of the transaction.
pub(crate) async fn create(
    tx: &SharedTx,
    tenant: TenantId,
    username: &Username,
    full_name: Option<&Name>,
    password: &PasswordHash,
    must_change: bool,
    by: By<'_>,
) -> Result<UserId, StaffAccountError> {
    const CREATE: &str = "SELECT shared.create_staff_account($1, $2, $3, $4, $5, $6, $7, $8)";
    let id = UserId::new();
    let PasswordHash { hash, key } = password;
    let created = tx
        .execute(CREATE, &[&id, &Uuid::now_v7(), username, &full_name, hash, key, &must_change, &tx.now()])
        .await;
    created.map_err(|error| match error.constraint() {
        Some("user_logins_kind_tenant_id_value_key") => StaffAccountError::Taken(username.clone()),
        _ => error.into(),
    })?;
    let event =
        AuthEvent { tenant: Some(tenant), user: Some(id), ..AuthEvent::new(AuthAction::UserCreated).by(by) };
    auth_event::record(tx, &event).await?;
    Ok(id)
}

/// Refuses a username that a member of the business has.
pub(crate) async fn refuse_taken(
    tx: &SharedTx,
    tenant: TenantId,
    username: &Username,
) -> Result<(), StaffAccountError> {
    let login = LoginName::Username(username.clone());
    match crate::people::user::find_by_login(tx, &login, Some(tenant)).await? {
        Some(_) => Err(StaffAccountError::Taken(username.clone())),
        None => Ok(()),
    }
}

/// What a password must not be made of.
struct Names {
    full_name: Option<String>,
    username: Option<String>,
    is_active: bool,
    is_own: bool,
}

tenancy::from_row!(Names { full_name, username, is_active, is_own });

/// Refuses a password for somebody whose account does not belong to the business, who has more than the
/// actor, or who cannot sign in. Returns the names of the person, which a password must not be made of.
pub(crate) async fn refuse_password_of(
    tx: &SharedTx,
    tenant: TenantId,
    user: UserId,
    by: By<'_>,
) -> Result<Vec<String>, StaffAccountError> {
    const NAMES: &str = "
        SELECT u.full_name, l.value AS username, u.status = 'active' AS is_active,
               shared.is_staff_account(u.id) AS is_own
          FROM shared.users u
          LEFT JOIN shared.user_logins l ON l.user_id = u.id AND l.kind = 'username' AND l.tenant_id = $2
         WHERE u.id = $1";
    membership::refuse_above(tx, tenant, user, by).await?;
    let names: Option<Names> = tx.row_opt(NAMES, &[&user, &tenant]).await?;
    let names = names.ok_or(MembershipError::UnknownUser)?;
    if !names.is_own {
        return Err(StaffAccountError::NotOwn);
    }
    if by.is(user) {
        return Err(StaffAccountError::OwnPassword);
    }
    if !names.is_active {
        return Err(StaffAccountError::Disabled);
    }
    Ok(names.full_name.into_iter().chain(names.username).collect())
}

/// Sets the password of an account of the business of the transaction.
pub(crate) async fn set_password(
    tx: &SharedTx,
    tenant: TenantId,
    user: UserId,
    password: &PasswordHash,
    must_change: bool,
    by: By<'_>,
) -> Result<(), StaffAccountError> {
    const SET: &str = "SELECT shared.set_staff_password($1, $2, $3, $4, $5)";
    refuse_password_of(tx, tenant, user, by).await?;
    let is_set: bool =
        tx.value(SET, &[&user, &password.hash, &password.key, &must_change, &tx.now()]).await?;
    if !is_set {
        return Err(StaffAccountError::Disabled);
    }
    let event = AuthEvent {
        tenant: Some(tenant),
        user: Some(user),
        ..AuthEvent::new(AuthAction::PasswordSet).by(by)
    };
    Ok(auth_event::record(tx, &event).await?)
}
