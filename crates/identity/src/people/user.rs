//! Users: one row per person, platform-wide.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenancy::{DbError, SharedTx};
use uuid::Uuid;

use crate::people::email::Email;
use crate::people::membership::Member;

/// A user's key (UUIDv7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Uuid);

impl UserId {
    pub fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A user, without anything secret.
#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub full_name: Option<String>,
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
}

/// A user to be stored.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub email: Email,
    pub full_name: Option<String>,
    /// From [`Hasher::hash`](crate::Hasher::hash).
    pub password_hash: String,
}

/// A user was not stored.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is already a user with the email {0}")]
    EmailTaken(Email),
    #[error("a user query failed")]
    Db(#[from] DbError),
}

/// Stores a user who signs in with an email.
///
/// # Errors
/// [`UserError::EmailTaken`], whatever the letter case.
pub async fn insert(tx: &SharedTx, new: &NewUser) -> Result<UserId, UserError> {
    const INSERT_USER: &str = "
        INSERT INTO shared.users (id, full_name, status, password_hash, password_changed_at, created_at, updated_at)
        VALUES ($1, $2, 'active', $3, $4, $4, $4)";
    const INSERT_LOGIN: &str = "
        INSERT INTO shared.user_logins (id, user_id, kind, value, created_at) VALUES ($1, $2, 'email', $3, $4)";
    let id = UserId(Uuid::now_v7());
    tx.execute(INSERT_USER, &[&id.as_uuid(), &new.full_name, &new.password_hash, &tx.now()]).await?;
    let inserted =
        tx.execute(INSERT_LOGIN, &[&Uuid::now_v7(), &id.as_uuid(), &new.email.as_str(), &tx.now()]).await;
    match inserted {
        Ok(_) => Ok(id),
        Err(error) if error.constraint() == Some("user_logins_kind_tenant_id_value_key") => {
            Err(UserError::EmailTaken(new.email.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Stores a user out of a backup: without a password, and under the former id where that is free, for a business's books
/// name people by it.
///
/// # Errors
/// [`DbError`].
pub async fn restore(tx: &SharedTx, member: &Member) -> Result<UserId, DbError> {
    const INSERT_USER: &str = "
        INSERT INTO shared.users (id, full_name, status, created_at, updated_at)
        VALUES ($1, $2, 'active', $3, $3)
            ON CONFLICT (id) DO NOTHING";
    const INSERT_LOGIN: &str = "
        INSERT INTO shared.user_logins (id, user_id, kind, value, created_at) VALUES ($1, $2, 'email', $3, $4)";
    let mut id = member.user_id;
    if tx.execute(INSERT_USER, &[&id.as_uuid(), &member.full_name, &tx.now()]).await? == 0 {
        id = UserId(Uuid::now_v7());
        tx.execute(INSERT_USER, &[&id.as_uuid(), &member.full_name, &tx.now()]).await?;
    }
    tx.execute(INSERT_LOGIN, &[&Uuid::now_v7(), &id.as_uuid(), &member.email.as_str(), &tx.now()]).await?;
    Ok(id)
}

/// Whether the user can sign in with a password; one out of a backup cannot, until he is given one.
///
/// # Errors
/// [`DbError`].
pub async fn has_password(tx: &SharedTx, id: UserId) -> Result<bool, DbError> {
    const HAS: &str = "SELECT FROM shared.users WHERE id = $1 AND password_hash IS NOT NULL";
    Ok(tx.query_opt(HAS, &[&id.as_uuid()]).await?.is_some())
}

/// Gives a user another password. `password_hash` comes from [`Hasher::hash`](crate::Hasher::hash).
///
/// # Errors
/// [`DbError`].
pub async fn set_password(tx: &SharedTx, id: UserId, password_hash: &str) -> Result<(), DbError> {
    const SET: &str =
        "UPDATE shared.users SET password_hash = $2, password_changed_at = $3, updated_at = $3 WHERE id = $1";
    tx.execute(SET, &[&id.as_uuid(), &password_hash, &tx.now()]).await.map(drop)
}

/// The email with which a user signs in.
///
/// # Errors
/// [`DbError`]; an unknown user is `None`.
pub async fn email(tx: &SharedTx, id: UserId) -> Result<Option<String>, DbError> {
    const EMAIL: &str = "SELECT value FROM shared.user_logins WHERE user_id = $1 AND kind = 'email'";
    Ok(tx.query_opt(EMAIL, &[&id.as_uuid()]).await?.map(|row| row.try_get("value")).transpose()?)
}

/// The user who signs in with this email.
///
/// # Errors
/// [`DbError`]; an unknown email is `None`.
pub async fn find_by_email(tx: &SharedTx, email: &Email) -> Result<Option<UserId>, DbError> {
    const FIND_BY_EMAIL: &str = "
        SELECT user_id FROM shared.user_logins WHERE kind = 'email' AND tenant_id IS NULL AND value = $1";
    let row = tx.query_opt(FIND_BY_EMAIL, &[&email.as_str()]).await?;
    Ok(row.map(|row| row.try_get("user_id").map(UserId)).transpose()?)
}

/// The user with this id, as far as the scope of `tx` may see him.
///
/// # Errors
/// [`DbError`]; an unknown or invisible user is `None`.
pub async fn find(tx: &SharedTx, id: UserId) -> Result<Option<User>, DbError> {
    const FIND: &str = "
        SELECT u.id, u.full_name, u.status, u.created_at, l.value AS email
          FROM shared.users u
          JOIN shared.user_logins l ON l.user_id = u.id AND l.kind = 'email'
         WHERE u.id = $1";
    let Some(row) = tx.query_opt(FIND, &[&id.as_uuid()]).await? else { return Ok(None) };
    let status: &str = row.try_get("status")?;
    Ok(Some(User {
        id: UserId(row.try_get("id")?),
        email: row.try_get("email")?,
        full_name: row.try_get("full_name")?,
        is_active: status == "active",
        created_at: row.try_get("created_at")?,
    }))
}
