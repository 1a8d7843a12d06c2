//! Users: one row for each person on the whole platform, with the logins by which they sign in.

use chrono::{DateTime, Utc};
use tenancy::{DbError, SharedTx, TenantId};
use uuid::Uuid;
use values::{ActorId, Email, Name};

use crate::names::ids::UserId;
use crate::names::keys::Username;

values::words! {
    /// Whether a user may sign in at all.
    pub enum UserStatus {
        /// The user may sign in where the user has an active membership.
        Active = "active",
        /// The platform has closed the account.
        Disabled = "disabled",
        /// The account was deleted. The row stays, without a name, because the books of businesses refer to
        /// it.
        Deleted = "deleted",
    }
}

/// The email or the username of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginName {
    /// An email address, which belongs to one user on the whole platform.
    Email(Email),
    /// A name that belongs to one user of one business, and is of use at that business alone.
    Username(Username),
}

impl LoginName {
    /// The columns `kind`, `tenant_id` and `value` of the login. `tenant` is the business of a username.
    pub(crate) fn columns(&self, tenant: Option<TenantId>) -> (&'static str, Option<TenantId>, &str) {
        match self {
            Self::Email(email) => ("email", None, email.as_str()),
            Self::Username(name) => ("username", tenant, name.as_str()),
        }
    }
}

impl LoginName {
    /// The email or the username itself.
    pub fn to_value(&self) -> String {
        self.columns(None).2.to_owned()
    }
}

impl std::fmt::Display for LoginName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Email(email) => write!(f, "the email {email}"),
            Self::Username(name) => write!(f, "the username {name}"),
        }
    }
}

/// A user, without any secret.
#[derive(Debug, Clone)]
pub struct User {
    /// The id of the user.
    pub id: UserId,
    /// The email with which the user signs in. `None` for a user who signs in with a username alone.
    pub email: Option<Email>,
    /// The username of the user at the business of the question, if there are both.
    pub username: Option<Username>,
    /// The name of the user, if known.
    pub full_name: Option<String>,
    /// Whether the user may sign in at all.
    pub status: UserStatus,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
}

tenancy::from_row!(User { id, email, username, full_name, status, created_at });

/// A password hash as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// The salted bcrypt hash.
    pub hash: String,
    /// The name of the key. `None` for a hash from before keys had names.
    pub key: Option<String>,
}

/// A user to be stored.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The email or the username. No other user may have it.
    pub login: LoginName,
    /// The business of a username.
    pub tenant: Option<TenantId>,
    /// The name of the user, if known.
    pub full_name: Option<Name>,
    /// From [`Hasher::hash`](crate::Hasher::hash).
    pub password: PasswordHash,
    /// Whether somebody else chose the password, so that it must be changed before the first sign-in.
    pub must_change_password: bool,
}

/// A user was not stored.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Another user signs in with this email or username. Letter case makes no difference.
    #[error("a user with {0} already exists")]
    LoginTaken(LoginName),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a user query failed")]
    Db(#[from] DbError),
}

const INSERT_LOGIN: &str = "
    INSERT INTO shared.user_logins (id, user_id, kind, tenant_id, value, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)";

/// Stores a user with one login.
///
/// # Errors
/// [`UserError::LoginTaken`], in any letter case.
pub async fn insert(tx: &SharedTx, new: &NewUser) -> Result<UserId, UserError> {
    const INSERT_USER: &str = "
        INSERT INTO shared.users (id, full_name, status, password_hash, password_key, password_changed_at,
                                  must_change_password, created_at, updated_at)
        VALUES ($1, $2, 'active', $3, $4, $6, $5, $6, $6)";
    // Of two that make an account with one email, the second waits for the first.
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('email ' || $1::text, 0))";
    let id = UserId::new();
    let PasswordHash { hash, key } = &new.password;
    let (kind, tenant, value) = new.login.columns(new.tenant);
    if let LoginName::Email(email) = &new.login {
        tx.execute(LOCK, &[email]).await?;
    }
    tx.execute(INSERT_USER, &[&id, &new.full_name, hash, key, &new.must_change_password, &tx.now()]).await?;
    match tx.execute(INSERT_LOGIN, &[&Uuid::now_v7(), &id, &kind, &tenant, &value, &tx.now()]).await {
        Ok(_) => Ok(id),
        Err(error) if error.constraint() == Some("user_logins_kind_tenant_id_value_key") => {
            Err(UserError::LoginTaken(new.login.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Stores a user from a backup, without a password and a login. The user keeps the former id if it is free,
/// because the business's books refer to people by id. A user who has that id and no login is the same
/// person, who lost the username when the business was dropped.
///
/// # Errors
/// [`DbError`].
pub async fn restore(tx: &SharedTx, former: UserId, full_name: Option<&str>) -> Result<UserId, DbError> {
    const INSERT_USER: &str = "
        INSERT INTO shared.users (id, full_name, status, created_at, updated_at)
        VALUES ($1, $2, 'active', $3, $3)
            ON CONFLICT (id) DO NOTHING";
    // A person who was deleted stays so.
    const IS_TAKEN: &str = "
        SELECT EXISTS (SELECT FROM shared.user_logins WHERE user_id = $1)
            OR EXISTS (SELECT FROM shared.users WHERE id = $1 AND status = 'deleted')";
    let mut id = former;
    if tx.execute(INSERT_USER, &[&id, &full_name, &tx.now()]).await? == 0
        && tx.value(IS_TAKEN, &[&id]).await?
    {
        id = UserId::new();
        tx.execute(INSERT_USER, &[&id, &full_name, &tx.now()]).await?;
    }
    Ok(id)
}

/// Gives a user a login that nobody has, unless the user has it already or has another one of its kind.
///
/// # Errors
/// [`DbError`].
pub async fn add_missing_login(
    tx: &SharedTx,
    id: UserId,
    login: &LoginName,
    tenant: TenantId,
) -> Result<(), DbError> {
    const ADD: &str = "
        INSERT INTO shared.user_logins (id, user_id, kind, tenant_id, value, created_at)
        SELECT $1, $2, $3, $4, $5, $6
         WHERE NOT EXISTS (SELECT FROM shared.user_logins
                            WHERE user_id = $2 AND kind = $3 AND tenant_id IS NOT DISTINCT FROM $4)
            ON CONFLICT (kind, tenant_id, value) DO NOTHING";
    let (kind, tenant, value) = login.columns(Some(tenant));
    tx.execute(ADD, &[&Uuid::now_v7(), &id, &kind, &tenant, &value, &tx.now()]).await.map(drop)
}

/// Whether the user has a password. A user from a backup has none until somebody sets one.
///
/// # Errors
/// [`DbError`].
pub async fn has_password(tx: &SharedTx, id: UserId) -> Result<bool, DbError> {
    const HAS: &str = "SELECT EXISTS (SELECT FROM shared.users WHERE id = $1 AND password_hash IS NOT NULL)";
    tx.value(HAS, &[&id]).await
}

/// Gives a user another password. `must_change` says that somebody else chose it, so that the user must
/// choose another one before signing in. Returns whether there is such a user.
///
/// # Errors
/// [`DbError`].
pub async fn set_password(
    tx: &SharedTx,
    id: UserId,
    password: &PasswordHash,
    must_change: bool,
) -> Result<bool, DbError> {
    const SET: &str = "
        UPDATE shared.users
           SET password_hash = $2, password_key = $3, must_change_password = $4, password_changed_at = $5,
               updated_at = $5
         WHERE id = $1 AND status <> 'deleted'";
    let set = tx.execute(SET, &[&id, &password.hash, &password.key, &must_change, &tx.now()]).await?;
    Ok(set > 0)
}

/// Replaces the hash of a password by another hash of the same password, unless the password has changed.
pub(crate) async fn renew_password_hash(
    tx: &SharedTx,
    id: UserId,
    old: &PasswordHash,
    renewed: &PasswordHash,
) -> Result<(), DbError> {
    const RENEW: &str = "SELECT shared.renew_password_hash($1, $2, $3, $4)";
    tx.execute(RENEW, &[&id, &old.hash, &renewed.hash, &renewed.key]).await.map(drop)
}

/// Locks a user until the transaction ends. Sign-ins wait for it, and so do changes of what signs the user
/// in.
pub(crate) async fn lock(tx: &SharedTx, id: UserId) -> Result<(), DbError> {
    const LOCK: &str = "SELECT FROM shared.users WHERE id = $1 FOR NO KEY UPDATE";
    tx.execute(LOCK, &[&id]).await.map(drop)
}

/// The email with which a user signs in.
///
/// # Errors
/// [`DbError`]; an unknown user, or a user without an email, is `None`.
pub async fn email(tx: &SharedTx, id: UserId) -> Result<Option<Email>, DbError> {
    const EMAIL: &str = "SELECT value FROM shared.user_logins WHERE user_id = $1 AND kind = 'email'";
    tx.value_opt(EMAIL, &[&id]).await
}

/// Remembers that the email belongs to its user.
///
/// # Errors
/// [`DbError`].
pub async fn confirm_email(tx: &SharedTx, id: UserId, email: &Email) -> Result<(), DbError> {
    const CONFIRM: &str = "
        UPDATE shared.user_logins SET verified_at = $3
         WHERE user_id = $1 AND kind = 'email' AND value = $2 AND verified_at IS NULL";
    tx.execute(CONFIRM, &[&id, email, &tx.now()]).await.map(drop)
}

/// The user who signs in with this email, or with this username at `tenant`.
///
/// # Errors
/// [`DbError`]; an unknown login is `None`.
pub async fn find_by_login(
    tx: &SharedTx,
    login: &LoginName,
    tenant: Option<TenantId>,
) -> Result<Option<UserId>, DbError> {
    const FIND: &str = "
        SELECT user_id FROM shared.user_logins
         WHERE kind = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND value = $3";
    let (kind, tenant, value) = login.columns(tenant);
    tx.value_opt(FIND, &[&kind, &tenant, &value]).await
}

/// The user with this id, if the scope of `tx` may see the user, with the username at `tenant`.
///
/// # Errors
/// [`DbError`]; an unknown or invisible user is `None`.
pub async fn find(tx: &SharedTx, id: UserId, tenant: Option<TenantId>) -> Result<Option<User>, DbError> {
    const FIND: &str = "
        SELECT u.id, e.value AS email, n.value AS username, u.full_name, u.status, u.created_at
          FROM shared.users u
          LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
          LEFT JOIN shared.user_logins n ON n.user_id = u.id AND n.kind = 'username' AND n.tenant_id = $2
         WHERE u.id = $1";
    tx.row_opt(FIND, &[&id, &tenant]).await
}

/// The name of a person who did something, if the scope of `tx` may see the person; `None` for programs.
///
/// # Errors
/// [`DbError`].
pub async fn name_of(tx: &SharedTx, actor: ActorId) -> Result<Option<String>, DbError> {
    const NAME: &str = "SELECT coalesce(full_name, '') FROM shared.users WHERE id = $1";
    let name: Option<String> = tx.value_opt(NAME, &[&actor]).await?;
    Ok(name.filter(|name| !name.is_empty()))
}
