//! Sessions whose access tokens are no longer valid, although they have not expired: held in memory, so that
//! a request costs no query.
//!
//! The database announces every revocation. A server that has heard nothing for two seconds asks the database
//! about each token, until it hears again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use tenancy::{Database, DbError, Listener, SharedScope};

use crate::access::program::ApiKeys;
use crate::names::ids::SessionId;
use crate::signing_in::key_ring::KeyRing;
use crate::signing_in::token::{TokenError, Verified};

/// The revocations of the last lifetime of an access token.
pub struct Revocations {
    database: Database,
    /// The keys, which are announced like revocations: a revoked key revokes its tokens.
    ring: Arc<KeyRing>,
    /// The API keys. Changes of their permissions are announced, too.
    api_keys: Arc<ApiKeys>,
    revoked: RwLock<HashMap<SessionId, Revoked>>,
    /// Everything that was revoked before this moment is known. `None` before anything was heard.
    known_until: RwLock<Option<Instant>>,
    tidied_at: Mutex<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Revoked {
    /// Tokens of this version of the membership and later ones are valid. `None`: no token is.
    valid_from: Option<i32>,
    until: Instant,
}

impl Revoked {
    fn check(self, version: i32) -> Result<(), TokenError> {
        match self.valid_from {
            None => Err(TokenError::SessionEnded),
            Some(valid_from) if version < valid_from => Err(TokenError::RolesChanged),
            Some(_) => Ok(()),
        }
    }
}

/// The longest time without news in which the memory is trusted.
const TRUSTED_FOR: Duration = Duration::from_secs(2);
/// A revocation is of no use after this time: no server issues access tokens for more than an hour, and some
/// transactions take long, and clocks differ.
const KEPT_FOR: Duration = Duration::from_secs(3600 + 300);
/// The payload that says that the keys have changed.
const KEYS: &str = "keys";
/// The payload that says that API keys, or the permissions of their members, have changed.
const API_KEYS: &str = "api_keys";
/// The payload that stands for more revocations than are announced one by one.
const MANY: &str = "many";

impl Revocations {
    /// Nothing is known before [`Revocations::listen`] runs, so the database is asked about each token.
    pub fn new(database: Database, ring: Arc<KeyRing>, api_keys: Arc<ApiKeys>) -> Self {
        Self {
            database,
            ring,
            api_keys,
            revoked: RwLock::default(),
            known_until: RwLock::default(),
            tidied_at: Mutex::new(Instant::now()),
        }
    }

    /// Receives revocations for as long as the future is polled.
    pub async fn listen(&self) {
        self.database.listen(self).await;
    }

    /// Whether this process knows all revocations at the moment, so that it asks the database about no token.
    pub fn is_up_to_date(&self) -> bool {
        let known_until = *self.known_until.read().unwrap_or_else(PoisonError::into_inner);
        known_until.is_some_and(|moment| moment.elapsed() < TRUSTED_FOR)
    }

    /// Checks the session of a token in memory. Returns `None` when the database must be asked instead.
    pub fn check(&self, token: &Verified) -> Option<Result<(), TokenError>> {
        let revoked =
            self.revoked.read().unwrap_or_else(PoisonError::into_inner).get(&token.session).copied();
        let checked = revoked.map_or(Ok(()), |revoked| revoked.check(token.version));
        // What is revoked stays revoked, so this answer needs no news.
        (checked.is_err() || self.is_up_to_date()).then_some(checked)
    }

    /// Checks the session of a token in the database.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn ask(&self, token: &Verified) -> Result<Result<(), TokenError>, DbError> {
        const ASK: &str = "SELECT is_live, membership_version FROM shared.find_session($1, $2)";
        struct Found {
            is_live: bool,
            membership_version: i32,
        }
        tenancy::from_row!(Found { is_live, membership_version });
        let (session, key) = (token.session, token.key.id.as_str());
        let found: Option<Found> = self
            .database
            .read_shared(SharedScope::Public, async |tx| tx.row_opt(ASK, &[&session, &key]).await)
            .await?;
        Ok(match found {
            Some(found) if !found.is_live => Err(TokenError::SessionEnded),
            Some(found) if token.version < found.membership_version => Err(TokenError::RolesChanged),
            Some(_) => Ok(()),
            None => Err(TokenError::SessionEnded),
        })
    }

    /// Reads the keys, and the revocations whose tokens may not have expired yet.
    async fn read(&self) -> Result<(), DbError> {
        const READ: &str = "SELECT session_id, valid_from FROM shared.revocations WHERE revoked_at > $1";
        struct Row {
            session_id: SessionId,
            valid_from: Option<i32>,
        }
        tenancy::from_row!(Row { session_id, valid_from });
        let kept_for = TimeDelta::from_std(KEPT_FOR).unwrap_or(TimeDelta::days(1));
        let rows: Vec<Row> = self
            .database
            .read_shared(SharedScope::Public, async move |tx| tx.rows(READ, &[&(tx.now() - kept_for)]).await)
            .await?;
        self.ring.read(self.database.clone()).await?;
        self.add(rows.into_iter().map(|row| (row.session_id, row.valid_from)));
        Ok(())
    }

    async fn add_announced(&self, announced: &HashSet<String>) {
        if announced.contains(API_KEYS) {
            self.api_keys.forget();
        }
        self.add(announced.iter().filter_map(|payload| parse(payload)));
        if announced.contains(MANY) || announced.contains(KEYS) {
            while let Err(error) = self.read().await {
                tracing::warn!(error = %tenancy::chain(&error), "revocations cannot be read; trying again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    fn add(&self, revocations: impl Iterator<Item = (SessionId, Option<i32>)>) {
        let until = Instant::now() + KEPT_FOR;
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        for (session, valid_from) in revocations {
            let entry = revoked.entry(session).or_insert(Revoked { valid_from, until });
            // A session that has ended stays so, and versions only grow.
            entry.valid_from = entry.valid_from.zip(valid_from).map(|(one, other)| one.max(other));
            entry.until = until;
        }
        let mut tidied_at = self.tidied_at.lock().unwrap_or_else(PoisonError::into_inner);
        if tidied_at.elapsed() > KEPT_FOR / 4 {
            *tidied_at = Instant::now();
            revoked.retain(|_, revoked| revoked.until > *tidied_at);
            revoked.shrink_to_fit();
        }
    }
}

/// Reads an announcement: the id of a session, and the version from which on its tokens are valid, or `none`.
fn parse(payload: &str) -> Option<(SessionId, Option<i32>)> {
    let (session, version) = payload.split_once(' ')?;
    let valid_from = if version == "none" { None } else { Some(version.parse().ok()?) };
    Some((session.parse().ok()?, valid_from))
}

impl Listener for Revocations {
    const CHANNEL: &'static str = "tenantry_revocations";
    const HEARTBEAT: Duration = Duration::from_secs(1);

    fn begin(&self) -> BoxFuture<'_, Result<(), DbError>> {
        // Changes may have been announced while nobody listened.
        self.api_keys.forget();
        Box::pin(self.read())
    }

    fn hear<'a>(&'a self, announced: &'a HashSet<String>) -> BoxFuture<'a, ()> {
        Box::pin(self.add_announced(announced))
    }

    fn is_up_to_date(&self, moment: Instant) {
        *self.known_until.write().unwrap_or_else(PoisonError::into_inner) = Some(moment);
    }

    fn end(&self) {
        *self.known_until.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_a_session_and_a_version() {
        let id = SessionId::new();
        assert_eq!(parse(&format!("{id} 7")), Some((id, Some(7))));
        assert_eq!(parse(&format!("{id} none")), Some((id, None)));
        for text in ["", "many", &id.to_string(), &format!("{id} x"), "x 7"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_role_change_ends_older_tokens_and_a_revocation_all() {
        let until = Instant::now();
        let revoked = |valid_from| Revoked { valid_from, until };
        assert_eq!(revoked(Some(3)).check(2), Err(TokenError::RolesChanged));
        assert_eq!(revoked(Some(3)).check(3), Ok(()));
        assert_eq!(revoked(None).check(i32::MAX), Err(TokenError::SessionEnded));
    }
}
