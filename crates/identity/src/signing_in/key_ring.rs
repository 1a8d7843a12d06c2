//! The signing keys of an installation: in the database, where every server finds them, and in the memory of
//! each server.
//!
//! A key is published as the next one before it signs anything, so that programs which keep the published
//! keys for a while know it in time. After it has signed, it stays published while its tokens are valid.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::Jwk;
use postgres_types::Json;
use serde::Serialize;
use tenancy::{Database, DbError, SharedScope, SharedTx};

use crate::signing_in::signing_key::{Sealer, SigningAlgorithm, SigningKey, Unreadable};

values::words! {
    /// The use of a key.
    pub enum KeyState {
        /// Published, and the next one to sign.
        Next = "next",
        /// Signs tokens.
        Active = "active",
        /// Signs nothing any more; its tokens are still valid.
        Retiring = "retiring",
        /// Its tokens are refused.
        Revoked = "revoked",
    }
}

/// The time for which other programs may keep the published keys, in seconds.
pub const PUBLISHED_FOR_S: i64 = 300;
/// A next key becomes active only after it has been published for so long.
const PUBLISHED_BEFORE_USE: TimeDelta = TimeDelta::seconds(2 * PUBLISHED_FOR_S);
/// A retiring key stays published for so long; no access token lives longer than an hour.
const RETIRING_FOR: TimeDelta = TimeDelta::hours(2);

/// The keys in the memory of one server.
pub struct KeyRing {
    keys: RwLock<Arc<Keys>>,
    sealer: Sealer,
    /// The key of a file, which becomes the first key of an installation.
    from_file: Option<SigningKey>,
    algorithm: SigningAlgorithm,
}

/// The keys at one moment.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) active: Option<Arc<SigningKey>>,
    pub(super) by_id: HashMap<String, Arc<SigningKey>>,
    public: Vec<Jwk>,
}

struct Row {
    id: String,
    algorithm: SigningAlgorithm,
    state: KeyState,
    sealed_key: Vec<u8>,
    sealed_with: String,
}

tenancy::from_row!(Row { id, algorithm, state, sealed_key, sealed_with });

impl KeyRing {
    /// A ring without keys; [`Revocations::listen`](crate::Revocations::listen) fills it. `from_file` becomes
    /// the first key of an installation. Otherwise, the first key is made with `algorithm`.
    pub fn new(sealer: Sealer, from_file: Option<SigningKey>, algorithm: SigningAlgorithm) -> Self {
        Self { keys: RwLock::default(), sealer, from_file, algorithm }
    }

    /// Reads the keys from the database. The first server of an installation makes the first one.
    ///
    /// # Errors
    /// [`DbError`].
    pub(super) async fn read(&self, database: Database) -> Result<(), DbError> {
        let scope = SharedScope::Public;
        let mut rows = database.read_shared(scope, read_rows).await?;
        if !rows.iter().any(|row| row.state == KeyState::Active) {
            let made;
            let first = match &self.from_file {
                Some(key) => key,
                None => {
                    made = SigningKey::generate(self.algorithm);
                    &made
                }
            };
            if let Ok(first) = Sealed::new(first, &self.sealer) {
                database.write_shared(scope, async move |tx| ensure(tx, &first).await).await?;
            }
            rows = database.read_shared(scope, read_rows).await?;
        }
        let mut keys = Keys::default();
        for row in rows {
            let opened = self.sealer.open(&row.id, row.algorithm, &row.sealed_key, &row.sealed_with);
            let key = match opened {
                Ok(key) => Arc::new(key),
                Err(error) => {
                    tracing::error!(key.id = %row.id, %error, "a signing key was left out");
                    continue;
                }
            };
            keys.public.push(key.public.clone());
            if row.state == KeyState::Active {
                keys.active = Some(key.clone());
            }
            keys.by_id.insert(row.id, key);
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    pub(super) fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is a key that signs. Before that, nobody can sign in, and no token can be verified.
    pub fn is_ready(&self) -> bool {
        self.keys().active.is_some()
    }

    /// The public keys, as JSON Web Keys (RFC 7517), for programs that verify tokens.
    pub fn public_keys(&self) -> Vec<Jwk> {
        self.keys().public.clone()
    }

    /// How the published keys sign, each way once.
    pub fn algorithms(&self) -> Vec<SigningAlgorithm> {
        let keys = self.keys();
        let used =
            |algorithm: &&SigningAlgorithm| keys.by_id.values().any(|key| key.algorithm == **algorithm);
        SigningAlgorithm::ALL.iter().filter(used).copied().collect()
    }

    /// Uses one key, for a program without a database.
    #[cfg(test)]
    pub(super) fn of(key: SigningKey) -> Self {
        let key = Arc::new(key);
        let by_id = HashMap::from([(key.id.clone(), key.clone())]);
        let keys = Keys { public: vec![key.public.clone()], active: Some(key), by_id };
        Self {
            keys: RwLock::new(Arc::new(keys)),
            sealer: Sealer::new(Vec::new()),
            from_file: None,
            algorithm: SigningAlgorithm::EdDsa,
        }
    }
}

async fn read_rows(tx: &SharedTx) -> Result<Vec<Row>, DbError> {
    const READ: &str = "
        SELECT id, algorithm, state, sealed_key, sealed_with FROM shared.signing_keys
         WHERE state <> 'revoked' ORDER BY created_at, id";
    tx.rows(READ, &[]).await
}

/// The key that signs at this moment. `None` before the first server has made one.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn active(tx: &SharedTx, sealer: &Sealer) -> Result<Option<SigningKey>, DbError> {
    let rows = read_rows(tx).await?;
    let active = rows.iter().find(|row| row.state == KeyState::Active);
    Ok(active.and_then(|row| sealer.open(&row.id, row.algorithm, &row.sealed_key, &row.sealed_with).ok()))
}

/// A key in the form in which it is stored.
struct Sealed {
    id: String,
    algorithm: SigningAlgorithm,
    public: Json<Jwk>,
    bytes: Vec<u8>,
    with: String,
}

impl Sealed {
    fn new(key: &SigningKey, sealer: &Sealer) -> Result<Self, Unreadable> {
        let (bytes, with) = sealer.seal(key)?;
        Ok(Self {
            id: key.id.clone(),
            algorithm: key.algorithm,
            public: Json(key.public.clone()),
            bytes,
            with,
        })
    }
}

async fn ensure(tx: &SharedTx, key: &Sealed) -> Result<(), DbError> {
    const ENSURE: &str = "SELECT shared.ensure_signing_key($1, $2, $3, $4, $5, $6)";
    let Sealed { id, algorithm, public, bytes, with } = key;
    tx.execute(ENSURE, &[id, algorithm, public, bytes, with, &tx.now()]).await.map(drop)
}

/// A key, as operators see it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredKey {
    /// The `kid` of its tokens.
    pub id: String,
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// The use of the key.
    pub state: KeyState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its state changed last.
    pub changed_at: DateTime<Utc>,
}

tenancy::from_row!(StoredKey { id, algorithm, state, created_at, changed_at });

/// The keys were not changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The next key has not been published for long enough.
    #[error(
        "the next key was published {0} seconds ago; wait until it has been published for {min} seconds, so \
         that other programs know it, or rotate at once with --now",
        min = PUBLISHED_BEFORE_USE.num_seconds()
    )]
    TooEarly(i64),
    /// There is no such key, or it is revoked already.
    #[error("there is no key {0} that could be revoked")]
    Unknown(String),
    /// The new key cannot be encrypted.
    #[error("the new key cannot be encrypted; check identity.password_key")]
    Unsealed,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a key query failed")]
    Db(#[from] DbError),
}

/// All keys, the newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx) -> Result<Vec<StoredKey>, DbError> {
    const LIST: &str = "
        SELECT id, algorithm, state, created_at, changed_at FROM shared.signing_keys
         ORDER BY created_at DESC, id";
    tx.rows(LIST, &[]).await
}

/// Lets the next key sign, and makes another next key. With `at_once`, programs that keep the published keys
/// may refuse new tokens for a few minutes. Returns whether another key signs now; if there was no next key,
/// one is published first.
///
/// # Errors
/// [`RotationError`].
pub async fn rotate(
    tx: &SharedTx,
    sealer: &Sealer,
    algorithm: SigningAlgorithm,
    at_once: bool,
) -> Result<bool, RotationError> {
    lock(tx).await?;
    let keys = list(tx).await?;
    let next = match keys.iter().find(|key| key.state == KeyState::Next) {
        Some(next) => {
            let published_for = tx.now() - next.created_at;
            if !at_once && published_for < PUBLISHED_BEFORE_USE {
                return Err(RotationError::TooEarly(published_for.num_seconds()));
            }
            next.id.clone()
        }
        None => {
            let made = insert_next(tx, sealer, algorithm).await?;
            if !at_once {
                return Ok(false);
            }
            made
        }
    };
    promote(tx, &next).await?;
    insert_next(tx, sealer, algorithm).await?;
    Ok(true)
}

/// Encrypts the keys with the current secret that were encrypted with a former one.
async fn seal_anew(tx: &SharedTx, sealer: &Sealer) -> Result<(), RotationError> {
    const STORE: &str = "UPDATE shared.signing_keys SET sealed_key = $2, sealed_with = $3 WHERE id = $1";
    for row in read_rows(tx).await? {
        if sealer.is_current(&row.sealed_with) {
            continue;
        }
        let Ok(key) = sealer.open(&row.id, row.algorithm, &row.sealed_key, &row.sealed_with) else {
            tracing::error!(key.id = %row.id, "a signing key cannot be decrypted; is a former key missing?");
            continue;
        };
        let (bytes, with) = sealer.seal(&key).map_err(|_| RotationError::Unsealed)?;
        tx.execute(STORE, &[&row.id, &bytes, &with]).await?;
    }
    Ok(())
}

/// Rotates if the active key has signed for `after`, makes a missing next key, and deletes keys whose tokens
/// have expired. Encrypts the keys anew after the secret has changed. Returns whether a new key signs.
///
/// # Errors
/// [`RotationError`].
pub async fn tend(
    tx: &SharedTx,
    sealer: &Sealer,
    algorithm: SigningAlgorithm,
    after: Option<TimeDelta>,
) -> Result<bool, RotationError> {
    const PRUNE: &str = "
        DELETE FROM shared.signing_keys
         WHERE state = 'retiring' AND changed_at < $1 OR state = 'revoked' AND changed_at < $2";
    lock(tx).await?;
    let keys = list(tx).await?;
    tx.execute(PRUNE, &[&(tx.now() - RETIRING_FOR), &(tx.now() - TimeDelta::days(90))]).await?;
    seal_anew(tx, sealer).await?;
    let active = keys.iter().find(|key| key.state == KeyState::Active);
    let Some(active) = active else { return Ok(false) };
    let Some(next) = keys.iter().find(|key| key.state == KeyState::Next) else {
        insert_next(tx, sealer, algorithm).await?;
        return Ok(false);
    };
    let is_due = after.is_some_and(|after| tx.now() - active.changed_at >= after);
    if !is_due || tx.now() - next.created_at < PUBLISHED_BEFORE_USE {
        return Ok(false);
    }
    promote(tx, &next.id).await?;
    insert_next(tx, sealer, algorithm).await?;
    Ok(true)
}

/// Revokes a key: every server refuses its tokens within a second. If it was the active one, the next one
/// signs at once.
///
/// # Errors
/// [`RotationError`].
pub async fn revoke(
    tx: &SharedTx,
    sealer: &Sealer,
    algorithm: SigningAlgorithm,
    id: &str,
) -> Result<(), RotationError> {
    const REVOKE: &str = "UPDATE shared.signing_keys SET state = 'revoked', changed_at = $2 WHERE id = $1";
    lock(tx).await?;
    let keys = list(tx).await?;
    let revoked = keys.iter().find(|key| key.id == id && key.state != KeyState::Revoked);
    let state = revoked.ok_or_else(|| RotationError::Unknown(id.to_owned()))?.state;
    tx.execute(REVOKE, &[&id, &tx.now()]).await?;
    let next = keys.iter().find(|key| key.state == KeyState::Next && key.id != id);
    let next = match next {
        Some(next) => next.id.clone(),
        None => insert_next(tx, sealer, algorithm).await?,
    };
    if state == KeyState::Active {
        promote(tx, &next).await?;
        insert_next(tx, sealer, algorithm).await?;
    }
    Ok(())
}

async fn lock(tx: &SharedTx) -> Result<(), DbError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('tenantry signing keys', 0))";
    tx.execute(LOCK, &[]).await.map(drop)
}

async fn promote(tx: &SharedTx, next: &str) -> Result<(), DbError> {
    const RETIRE: &str =
        "UPDATE shared.signing_keys SET state = 'retiring', changed_at = $1 WHERE state = 'active'";
    const ACTIVATE: &str = "UPDATE shared.signing_keys SET state = 'active', changed_at = $2 WHERE id = $1";
    tx.execute(RETIRE, &[&tx.now()]).await?;
    tx.execute(ACTIVATE, &[&next, &tx.now()]).await.map(drop)
}

async fn insert_next(
    tx: &SharedTx,
    sealer: &Sealer,
    algorithm: SigningAlgorithm,
) -> Result<String, RotationError> {
    const INSERT: &str = "
        INSERT INTO shared.signing_keys
               (id, algorithm, state, public_key, sealed_key, sealed_with, created_at, changed_at)
        VALUES ($1, $2, 'next', $3, $4, $5, $6, $6)";
    let key = SigningKey::generate(algorithm);
    let key = Sealed::new(&key, sealer).map_err(|_| RotationError::Unsealed)?;
    let Sealed { id, algorithm, public, bytes, with } = &key;
    tx.execute(INSERT, &[id, algorithm, public, bytes, with, &tx.now()]).await?;
    Ok(key.id)
}
