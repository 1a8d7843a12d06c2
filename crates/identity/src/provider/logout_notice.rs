//! Back-channel logout: programs are told that a session of theirs has ended, by the server and without the
//! browser. The database writes a notice whenever such a session ends, whatever ended it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tenancy::{DbError, OwnerDatabase, SharedTx, chain};
use uuid::Uuid;

use crate::access::program_address::ProgramAddress;
use crate::names::ids::{SessionId, UserId};
use crate::names::keys::ClientId;
use crate::provider::person_claims::LogoutClaims;
use crate::signing_in::key_ring;
use crate::signing_in::signing_key::{Sealer, SigningKey};

/// Tells programs of the end of sessions.
#[derive(Clone)]
pub struct LogoutNotifier {
    /// Opens the key that signs logout tokens.
    pub sealer: Sealer,
    /// The `iss` of every token.
    pub issuer: String,
}

/// A program that answers no faster is told later.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of notices that are taken at once.
const AT_ONCE: i64 = 100;
/// The number of notices for one program that are taken at once.
const EACH: i64 = 10;
/// The number of programs that are told at the same time.
const IN_PARALLEL: usize = 20;
/// The attempts after which a program is not told any more, an hour or so later. Access tokens have expired
/// by then.
const MOST_ATTEMPTS: i32 = 9;

struct Due {
    id: Uuid,
    client_id: ClientId,
    session_id: SessionId,
    user_id: UserId,
    attempts: i32,
    /// `None`: the program does not want to be told any more.
    address: Option<ProgramAddress>,
}

tenancy::from_row!(Due { id, client_id, session_id, user_id, attempts, address });

#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error("the program cannot be reached")]
    Http(#[from] reqwest::Error),
    #[error("the program answered {0}")]
    Refused(reqwest::StatusCode),
}

impl LogoutNotifier {
    /// Tells the programs that are to be told now. Returns the number of those that were told, and of those
    /// that could not be.
    ///
    /// # Errors
    /// [`DbError`]; programs that were not told are told later.
    pub async fn send_due(&self, owner_database: &OwnerDatabase) -> Result<(usize, usize), DbError> {
        let due = owner_database.write_shared(async |tx| take_due(tx).await).await?;
        if due.is_empty() {
            return Ok((0, 0));
        }
        let key = owner_database.write_shared(async |tx| key_ring::active(tx, &self.sealer).await).await?;
        let Some(key) = key else { return Ok((0, due.len())) };
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            // The address was registered, and no other.
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(error = %chain(&error), "no program can be told that a session has ended");
                return Ok((0, due.len()));
            }
        };
        let told: Vec<(usize, usize)> =
            stream::iter(due.chunk_by(|one, other| one.client_id == other.client_id))
                .map(|notices| self.tell_one_program(owner_database, &client, &key, notices))
                .buffer_unordered(IN_PARALLEL)
                .try_collect()
                .await?;
        Ok(told.into_iter().fold((0, 0), |(told, failed), (more, worse)| (told + more, failed + worse)))
    }

    /// A program that does not answer delays its own notices alone.
    async fn tell_one_program(
        &self,
        owner_database: &OwnerDatabase,
        http: &reqwest::Client,
        key: &SigningKey,
        notices: &[Due],
    ) -> Result<(usize, usize), DbError> {
        let mut told = 0;
        for notice in notices {
            if !self.tell_and_record(owner_database, http, key, notice).await? {
                return Ok((told, notices.len() - told));
            }
            told += 1;
        }
        Ok((told, 0))
    }

    async fn tell_and_record(
        &self,
        owner_database: &OwnerDatabase,
        http: &reqwest::Client,
        key: &SigningKey,
        notice: &Due,
    ) -> Result<bool, DbError> {
        const DONE: &str = "DELETE FROM shared.logout_notices WHERE id = $1";
        const LATER: &str = "UPDATE shared.logout_notices SET due_at = $2 WHERE id = $1";
        let told = self.tell(http, key, notice).await;
        let is_last = notice.attempts >= MOST_ATTEMPTS;
        if let Err(error) = &told {
            let (client, error) = (&notice.client_id, chain(error));
            tracing::warn!(client.id = %client, error, is_last, "a program was not told of a session's end");
        }
        owner_database
            .write_shared(async |tx: &SharedTx| match (&told, is_last) {
                (Ok(()), _) | (Err(_), true) => tx.execute(DONE, &[&notice.id]).await,
                (Err(_), false) => tx.execute(LATER, &[&notice.id, &later(tx.now(), notice.attempts)]).await,
            })
            .await?;
        Ok(told.is_ok())
    }

    async fn tell(&self, http: &reqwest::Client, key: &SigningKey, notice: &Due) -> Result<(), TellError> {
        let Some(address) = &notice.address else { return Ok(()) };
        let now = Utc::now();
        let claims = LogoutClaims {
            iss: &self.issuer,
            sub: notice.user_id,
            aud: notice.client_id.as_str(),
            iat: LogoutClaims::seconds(now),
            exp: LogoutClaims::seconds(now + LogoutClaims::LIFETIME),
            jti: notice.id.to_string(),
            sid: notice.session_id,
            events: LogoutClaims::events(),
        };
        let token = key.sign(LogoutClaims::TYPE, &claims);
        let answer = http.post(address.as_str()).form(&[("logout_token", token)]).send().await?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(TellError::Refused(status)) }
    }
}

/// The time at which the next notice is due. `None` if there is none.
///
/// # Errors
/// [`DbError`].
pub async fn next_due(tx: &SharedTx) -> Result<Option<DateTime<Utc>>, DbError> {
    tx.value("SELECT min(due_at) FROM shared.logout_notices", &[]).await
}

/// Takes the notices that are due. A sender that dies leaves them for later.
async fn take_due(tx: &SharedTx) -> Result<Vec<Due>, DbError> {
    // No program takes more than its share of a round.
    const TAKE: &str = "
        WITH ranked AS (
            SELECT id, row_number() OVER (PARTITION BY client_id ORDER BY due_at, id) AS place
              FROM shared.logout_notices WHERE due_at <= $1::timestamptz + interval '1 second'),
        due AS (
            SELECT n.id FROM shared.logout_notices n JOIN ranked r ON r.id = n.id
             WHERE r.place <= $3
             ORDER BY r.place, n.due_at LIMIT $2 FOR UPDATE OF n SKIP LOCKED),
        taken AS (
            UPDATE shared.logout_notices n SET attempts = attempts + 1, due_at = $1 + interval '1 minute'
              FROM due WHERE n.id = due.id
         RETURNING n.*)
        SELECT t.id, t.client_id, t.session_id, t.user_id, t.attempts, c.backchannel_logout_uri AS address
          FROM taken t JOIN shared.oauth_clients c ON c.id = t.client_id
         ORDER BY t.client_id, t.id";
    tx.rows(TAKE, &[&tx.now(), &AT_ONCE, &EACH]).await
}

/// 5 seconds, 15, 45 ... later.
fn later(now: DateTime<Utc>, attempts: i32) -> DateTime<Utc> {
    let times = u32::try_from(attempts - 1).unwrap_or(0).min(6);
    now + TimeDelta::seconds(5 * 3_i64.pow(times))
}
