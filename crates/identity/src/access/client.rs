//! Programs that sign people in, or get access tokens of their own, with a client id. The operator registers
//! them.

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tenancy::{DbError, SharedTx};
use values::Name;

use crate::access::program_address::ProgramAddress;
use crate::access::secret::{self, OverlapError, ProgramSecret};
use crate::access::service_account;
use crate::names::digest::sha256;
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
    pub name: Name,
    /// Whether the program can keep no secret, such as one that runs in a browser.
    pub is_public: bool,
    /// Whether the program is somebody else's, so that people are asked before it learns who they are.
    pub is_foreign: bool,
    /// Where people go with a code after they have signed in. Empty: the program signs nobody in.
    pub redirect_uris: Vec<ProgramAddress>,
    /// Where people may go after they have signed out.
    pub post_logout_redirect_uris: Vec<ProgramAddress>,
    /// Where the program is told that a session has ended.
    pub backchannel_logout_uri: Option<ProgramAddress>,
    /// The beginning of the secret. `None` for a public program.
    pub prefix: Option<String>,
    /// When the former secret expires, as long as it is valid after a rotation.
    pub previous_expires_at: Option<DateTime<Utc>>,
    /// When the program was registered.
    pub created_at: DateTime<Utc>,
    /// When the program got its present secret, if not when it was registered.
    pub rotated_at: Option<DateTime<Utc>>,
}

tenancy::from_row!(Client {
    id,
    app,
    name,
    is_public,
    is_foreign,
    redirect_uris,
    post_logout_redirect_uris,
    backchannel_logout_uri,
    prefix,
    previous_expires_at,
    created_at,
    rotated_at,
});

/// A program to be registered.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// The client id.
    pub id: ClientId,
    /// The app whose access tokens it gets.
    pub app: AppSlug,
    /// Whether it can keep no secret.
    pub is_public: bool,
    /// The facts that may change later.
    pub details: ClientDetails,
}

/// The facts about a program that may change.
#[derive(Debug, Clone)]
pub struct ClientDetails {
    /// The name.
    pub name: Name,
    /// Whether the program is somebody else's.
    pub is_foreign: bool,
    /// Where people go with a code.
    pub redirect_uris: Vec<ProgramAddress>,
    /// Where people may go after they have signed out.
    pub post_logout_redirect_uris: Vec<ProgramAddress>,
    /// Where the program is told that a session has ended.
    pub backchannel_logout_uri: Option<ProgramAddress>,
}

impl From<Client> for ClientDetails {
    fn from(client: Client) -> Self {
        Self {
            name: client.name,
            is_foreign: client.is_foreign,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            backchannel_logout_uri: client.backchannel_logout_uri,
        }
    }
}

/// The most addresses of one kind.
const MOST_ADDRESSES: usize = 20;

/// A program was not registered or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no such program.
    #[error("there is no program {0}")]
    Unknown(ClientId),
    /// Another program has the id.
    #[error("there is a program {0} already; choose another id, or rotate its secret")]
    Taken(ClientId),
    /// There is no such app.
    #[error("there is no app {0}")]
    UnknownApp(AppSlug),
    /// Tokens of the app's own sign-in have this client id.
    #[error("a program that signs people in must have another id than its app, {0}")]
    IdOfApp(AppSlug),
    /// There are too many addresses of one kind.
    #[error("a program has at most {MOST_ADDRESSES} addresses of one kind")]
    TooManyAddresses,
    /// Nobody can be told of the end of a session there.
    #[error(
        "a program is told of the end of a session at an address of https, or of http on the own machine"
    )]
    NotWeb,
    /// A public program that signs nobody in can do nothing.
    #[error("a public program needs an address to which people return after they have signed in")]
    NoRedirect,
    /// A public program has no secret.
    #[error("the program {0} is public, so it has no secret")]
    NoSecret(ClientId),
    /// The former secret would stay valid for too long.
    #[error(transparent)]
    Overlap(#[from] OverlapError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about programs failed")]
    Db(#[from] DbError),
}

// $1 is the present moment.
const SELECT: &str = "
    SELECT id, app, name, is_public, is_foreign, redirect_uris, post_logout_redirect_uris,
           backchannel_logout_uri, prefix, CASE WHEN previous_expires_at > $1 THEN previous_expires_at END
               AS previous_expires_at, created_at, rotated_at
      FROM shared.oauth_clients ";

fn check(details: &ClientDetails, is_public: bool) -> Result<(), ClientError> {
    let longest = details.redirect_uris.len().max(details.post_logout_redirect_uris.len());
    if longest > MOST_ADDRESSES {
        return Err(ClientError::TooManyAddresses);
    }
    if details.backchannel_logout_uri.as_ref().is_some_and(|address| !address.is_web()) {
        return Err(ClientError::NotWeb);
    }
    if is_public && details.redirect_uris.is_empty() {
        return Err(ClientError::NoRedirect);
    }
    Ok(())
}

fn refused(error: DbError, id: &ClientId, app: &AppSlug) -> ClientError {
    match error.constraint() {
        Some("oauth_clients_pkey") => ClientError::Taken(id.clone()),
        Some("oauth_clients_id_app_check") => ClientError::IdOfApp(app.clone()),
        _ => error.into(),
    }
}

/// Registers a program. Returns it with its secret, which is stored nowhere; a public one has none.
///
/// # Errors
/// [`ClientError`].
pub async fn register(
    tx: &SharedTx,
    new: &NewClient,
) -> Result<(Client, Option<ProgramSecret>), ClientError> {
    const APP: &str = "SELECT EXISTS (SELECT FROM shared.apps WHERE slug = $1)";
    const INSERT: &str = "
        INSERT INTO shared.oauth_clients (id, app, name, is_public, is_foreign, redirect_uris,
                                          post_logout_redirect_uris, backchannel_logout_uri, prefix, hash,
                                          created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let NewClient { id, app, is_public, details } = new;
    check(details, *is_public)?;
    if !tx.value::<bool>(APP, &[app]).await? {
        return Err(ClientError::UnknownApp(app.clone()));
    }
    let secret = (!is_public).then(ProgramSecret::of_client);
    let (prefix, hash) = secret.as_ref().map(|secret| (secret.prefix(), secret.hash())).unzip();
    let inserted = tx
        .execute(
            INSERT,
            &[
                id,
                app,
                &details.name,
                is_public,
                &details.is_foreign,
                &details.redirect_uris,
                &details.post_logout_redirect_uris,
                &details.backchannel_logout_uri,
                &prefix,
                &hash,
                &tx.now(),
            ],
        )
        .await;
    inserted.map_err(|error| refused(error, id, app))?;
    Ok((known(tx, id).await?, secret))
}

/// Changes a program. It goes on with its sessions, unless it is somebody else's from now on.
///
/// # Errors
/// [`ClientError`].
pub async fn change(tx: &SharedTx, id: &ClientId, details: &ClientDetails) -> Result<Client, ClientError> {
    const CHANGE: &str = "
        UPDATE shared.oauth_clients
           SET name = $2, is_foreign = $3, redirect_uris = $4, post_logout_redirect_uris = $5,
               backchannel_logout_uri = $6
         WHERE id = $1";
    let present = known(tx, id).await?;
    check(details, present.is_public)?;
    let changed = tx
        .execute(
            CHANGE,
            &[
                id,
                &details.name,
                &details.is_foreign,
                &details.redirect_uris,
                &details.post_logout_redirect_uris,
                &details.backchannel_logout_uri,
            ],
        )
        .await;
    changed.map_err(|error| refused(error, id, &present.app))?;
    if details.is_foreign && !present.is_foreign {
        // Nobody was asked.
        end_sessions(tx, id).await?;
    }
    known(tx, id).await
}

async fn end_sessions(tx: &SharedTx, id: &ClientId) -> Result<(), DbError> {
    const CODES: &str = "DELETE FROM shared.authorization_codes WHERE client_id = $1 AND session_id IS NULL";
    const SESSIONS: &str = "
        UPDATE shared.sessions SET revoked_at = $2, revoked_reason = 'program_changed'
         WHERE id IN (SELECT id FROM shared.sessions WHERE client_id = $1 AND revoked_at IS NULL
                       ORDER BY id FOR NO KEY UPDATE)";
    tx.execute(CODES, &[id]).await?;
    tx.execute(SESSIONS, &[id, &tx.now()]).await.map(drop)
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
    if known(tx, id).await?.is_public {
        return Err(ClientError::NoSecret(id.clone()));
    }
    let secret = ProgramSecret::of_client();
    let (until, prefix, hash) = (tx.now() + overlap, secret.prefix(), secret.hash());
    tx.execute(ROTATE, &[id, &until, &prefix, &hash, &tx.now()]).await?;
    Ok((known(tx, id).await?, secret))
}

/// Removes a program with its sessions and all its service accounts, of which each business reads in its log.
/// Every server refuses its access tokens within a second.
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

async fn known(tx: &SharedTx, id: &ClientId) -> Result<Client, ClientError> {
    find(tx, id).await?.ok_or_else(|| ClientError::Unknown(id.clone()))
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

/// A program that has proved who it is, or a public one, which cannot.
#[derive(Debug, Clone)]
pub struct KnownClient {
    /// The client id.
    pub id: ClientId,
    /// The app whose access tokens the program gets.
    pub app: AppSlug,
    /// Whether the program has no secret.
    pub is_public: bool,
    /// Whether the program is somebody else's.
    pub is_foreign: bool,
}

tenancy::from_row!(KnownClient { id, app, is_public, is_foreign });

/// The program with this id and secret. A public one has none.
///
/// # Errors
/// [`DbError`]; `None` if the program is unknown, or the secret is wrong.
pub async fn authenticate(
    tx: &SharedTx,
    id: &ClientId,
    secret: Option<&SecretString>,
) -> Result<Option<KnownClient>, DbError> {
    const FIND: &str = "
        SELECT $1::text AS id, app, is_public, is_foreign FROM shared.find_client($1, $2, $3)";
    let hash = secret.map(|secret| sha256(secret.expose_secret()));
    tx.row_opt(FIND, &[id, &hash, &tx.now()]).await
}
