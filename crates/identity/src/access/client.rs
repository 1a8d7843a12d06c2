//! Programs that get access tokens with a client id and a secret of their own. The operator registers them.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use serde::Serialize;
use tenancy::{DbError, SharedTx};
use values::Name;

use crate::access::secret::{self, OverlapError, ProgramSecret};
use crate::access::service_account;
use crate::names::keys::{AppSlug, ClientId};
use crate::records::auth_event::By;

/// A registered program.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// The client id.
    pub id: ClientId,
    /// The app whose access tokens the program gets.
    pub app: AppSlug,
    /// The name, as people see it.
    pub name: String,
    /// The beginning of the secret.
    pub prefix: String,
    /// When the former secret expires, as long as it is valid after a rotation.
    pub previous_expires_at: Option<DateTime<Utc>>,
    /// When the program was registered.
    pub created_at: DateTime<Utc>,
    /// When the program got its present secret, if not when it was registered.
    pub rotated_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(Client { id, app, name, prefix, previous_expires_at, created_at, rotated_at });

/// A program to be registered.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// The client id.
    pub id: ClientId,
    /// The app whose access tokens it gets.
    pub app: AppSlug,
    /// The name.
    pub name: Name,
}

/// A program was not registered or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no such program.
    #[error("there is no program {0}")]
    Unknown(ClientId),
    /// Another program has the id.
    #[error("there is a program {0} already; choose another id, or rotate its secret")]
    Taken(ClientId),
    /// There is no such app, or it has no memberships in businesses.
    #[error("there is no app {0} that businesses use")]
    UnknownApp(AppSlug),
    /// The former secret would stay valid for too long.
    #[error(transparent)]
    Overlap(#[from] OverlapError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about programs failed")]
    Db(#[from] DbError),
}

// $1 is the present moment.
const SELECT: &str = "
    SELECT id, app, name, prefix, CASE WHEN previous_expires_at > $1 THEN previous_expires_at END
               AS previous_expires_at, created_at, rotated_at
      FROM shared.oauth_clients ";

/// Registers a program. Returns it with its secret, which is stored nowhere.
///
/// # Errors
/// [`ClientError`].
pub async fn register(tx: &SharedTx, new: &NewClient) -> Result<(Client, ProgramSecret), ClientError> {
    const APP: &str = "SELECT EXISTS (SELECT FROM shared.apps WHERE slug = $1 AND has_businesses)";
    const INSERT: &str = "
        INSERT INTO shared.oauth_clients (id, app, name, prefix, hash, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    if !tx.value::<bool>(APP, &[&new.app]).await? {
        return Err(ClientError::UnknownApp(new.app.clone()));
    }
    let secret = ProgramSecret::of_client();
    let (prefix, hash) = (secret.prefix(), secret.hash());
    let inserted = tx.execute(INSERT, &[&new.id, &new.app, &new.name, &prefix, &hash, &tx.now()]).await;
    inserted.map_err(|error| match error.constraint() {
        Some("oauth_clients_pkey") => ClientError::Taken(new.id.clone()),
        _ => error.into(),
    })?;
    let client = find(tx, &new.id).await?.ok_or_else(|| ClientError::Unknown(new.id.clone()))?;
    Ok((client, secret))
}

/// Gives a program another secret. The former one stays valid for a while; one that is older ends now.
///
/// # Errors
/// [`ClientError`].
pub async fn rotate(
    tx: &SharedTx,
    id: &ClientId,
    overlap: TimeDelta,
) -> Result<(Client, ProgramSecret), ClientError> {
    const ROTATE: &str = "
        UPDATE shared.oauth_clients
           SET previous_hash = hash, previous_expires_at = $2, prefix = $3, hash = $4, rotated_at = $5
         WHERE id = $1";
    secret::check_overlap(overlap)?;
    let secret = ProgramSecret::of_client();
    let (until, prefix, hash) = (tx.now() + overlap, secret.prefix(), secret.hash());
    tx.execute(ROTATE, &[id, &until, &prefix, &hash, &tx.now()]).await?;
    let client = find(tx, id).await?.ok_or_else(|| ClientError::Unknown(id.clone()))?;
    Ok((client, secret))
}

/// Removes a program with all its service accounts, of which each business reads in its log. Every server
/// refuses its access tokens within a second.
///
/// # Errors
/// [`ClientError`].
pub async fn remove(tx: &SharedTx, id: &ClientId, by: By<'_>) -> Result<(), ClientError> {
    const REMOVE: &str = "DELETE FROM shared.oauth_clients WHERE id = $1";
    service_account::record_removals(tx, id, by).await?;
    match tx.execute(REMOVE, &[id]).await? {
        0 => Err(ClientError::Unknown(id.clone())),
        _ => Ok(()),
    }
}

/// One program.
///
/// # Errors
/// [`DbError`]; an unknown program is `None`.
pub async fn find(tx: &SharedTx, id: &ClientId) -> Result<Option<Client>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $2");
    tx.row_opt(FIND, &[&tx.now(), id]).await
}

/// All programs, by their ids.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx) -> Result<Vec<Client>, DbError> {
    const LIST: &str = concatcp!(SELECT, "ORDER BY id");
    tx.rows(LIST, &[&tx.now()]).await
}
