//! Users: one row for each person on the whole platform, with the logins by which they sign in.

use chrono::{DateTime, Utc};
use tenancy::{DbError, SharedTx};
use uuid::Uuid;

use crate::people::membership::Member;
use values::{Email, Name};

values::ids! {
    /// The id of a user.
    UserId,
}

values::words! {
    /// Whether a user may sign in at all.
    pub enum UserStatus {
        /// The user may sign in where the user has an active membership.
        Active = "active",
        /// The platform has closed the account.
        Disabled = "disabled",
    }
}

/// A user, without any secret.
#[derive(Debug, Clone)]
pub struct User {
    /// The id of the user.
    pub id: UserId,
    /// The email with which the user signs in.
    pub email: Email,
    /// The name of the user, if known.
    pub full_name: Option<String>,
    /// Whether the user may sign in at all.
    pub status: UserStatus,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
}

tenancy::from_row!(User { id, email, full_name, status, created_at });

/// A user to be stored.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The email to sign in with. No other user may have it.
    pub email: Email,
    /// The name of the user, if known.
    pub full_name: Option<Name>,
    /// From [`Hasher::hash`](crate::Hasher::hash).
    pub password_hash: String,
}

/// A user was not stored.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Another user signs in with this email. Letter case makes no difference.
    #[error("a user with the email {0} already exists")]
    EmailTaken(Email),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a user query failed")]
    Db(#[from] DbError),
}

const INSERT_LOGIN: &str = "
    INSERT INTO shared.user_logins (id, user_id, kind, value, created_at) VALUES ($1, $2, 'email', $3, $4)";

/// Stores a user who signs in with an email.
///
/// # Errors
/// [`UserError::EmailTaken`], in any letter case.
pub async fn insert(tx: &SharedTx, new: &NewUser) -> Result<UserId, UserError> {
    const INSERT_USER: &str = "
        INSERT INTO shared.users (id, full_name, status, password_hash, password_changed_at, created_at,
                                  updated_at)
        VALUES ($1, $2, 'active', $3, $4, $4, $4)";
    let id = UserId::new();
    tx.execute(INSERT_USER, &[&id, &new.full_name, &new.password_hash, &tx.now()]).await?;
    match tx.execute(INSERT_LOGIN, &[&Uuid::now_v7(), &id, &new.email, &tx.now()]).await {
        Ok(_) => Ok(id),
        Err(error) if error.constraint() == Some("user_logins_kind_tenant_id_value_key") => {
            Err(UserError::EmailTaken(new.email.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Stores a user from a backup, without a password. The user keeps the former id if it is free, because the
/// business's books refer to people by id.
///
/// # Errors
/// [`DbError`].
pub async fn restore(tx: &SharedTx, member: &Member) -> Result<UserId, DbError> {
    const INSERT_USER: &str = "
        INSERT INTO shared.users (id, full_name, status, created_at, updated_at)
        VALUES ($1, $2, 'active', $3, $3)
            ON CONFLICT (id) DO NOTHING";
    let mut id = member.user_id;
    if tx.execute(INSERT_USER, &[&id, &member.full_name, &tx.now()]).await? == 0 {
        id = UserId::new();
        tx.execute(INSERT_USER, &[&id, &member.full_name, &tx.now()]).await?;
    }
    tx.execute(INSERT_LOGIN, &[&Uuid::now_v7(), &id, &member.email, &tx.now()]).await?;
    Ok(id)
}

/// Whether the user has a password. A user from a backup has none until somebody sets one.
///
/// # Errors
/// [`DbError`].
pub async fn has_password(tx: &SharedTx, id: UserId) -> Result<bool, DbError> {
    const HAS: &str = "SELECT EXISTS (SELECT FROM shared.users WHERE id = $1 AND password_hash IS NOT NULL)";
    tx.value(HAS, &[&id]).await
}

/// Gives a user another password. `password_hash` comes from [`Hasher::hash`](crate::Hasher::hash).
///
/// # Errors
/// [`DbError`].
pub async fn set_password(tx: &SharedTx, id: UserId, password_hash: &str) -> Result<(), DbError> {
    const SET: &str =
        "UPDATE shared.users SET password_hash = $2, password_changed_at = $3, updated_at = $3 WHERE id = $1";
    tx.execute(SET, &[&id, &password_hash, &tx.now()]).await.map(drop)
}

/// The email with which a user signs in.
///
/// # Errors
/// [`DbError`]; an unknown user, or a user without an email, is `None`.
pub async fn email(tx: &SharedTx, id: UserId) -> Result<Option<Email>, DbError> {
    const EMAIL: &str = "SELECT value FROM shared.user_logins WHERE user_id = $1 AND kind = 'email'";
    tx.value_opt(EMAIL, &[&id]).await
}

/// The user who signs in with this email.
///
/// # Errors
/// [`DbError`]; an unknown email is `None`.
pub async fn find_by_email(tx: &SharedTx, email: &Email) -> Result<Option<UserId>, DbError> {
    const FIND_BY_EMAIL: &str = "
        SELECT user_id FROM shared.user_logins WHERE kind = 'email' AND tenant_id IS NULL AND value = $1";
    tx.value_opt(FIND_BY_EMAIL, &[email]).await
}

/// The user with this id, if the scope of `tx` may see the user.
///
/// # Errors
/// [`DbError`]; an unknown or invisible user is `None`.
pub async fn find(tx: &SharedTx, id: UserId) -> Result<Option<User>, DbError> {
    const FIND: &str = "
        SELECT u.id, l.value AS email, u.full_name, u.status, u.created_at
          FROM shared.users u
          JOIN shared.user_logins l ON l.user_id = u.id AND l.kind = 'email'
         WHERE u.id = $1";
    tx.row_opt(FIND, &[&id]).await
}
