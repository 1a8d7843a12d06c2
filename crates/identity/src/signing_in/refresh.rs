//! Refreshing: a refresh token is exchanged for an access token and the next refresh token.
//!
//! A token is used once. A client that uses it again at once did not get the answer, or asks in parallel: it
//! gets another token with the same parent. The first of these that is used ends the others, so one chain
//! goes on. A client that uses it later has a token that somebody else has used, so the session is ended.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tenancy::{Database, DbError, SharedScope, SharedTx, TenantId, TenantStatus};
use uuid::Uuid;
use values::Email;

use crate::names::ids::{SessionId, UserId};
use crate::names::keys::{AppSlug, ClientId, Username};
use crate::people::membership::MemberOf;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin, Who};
use crate::signing_in::delegation::{Delegation, Scopes};
use crate::signing_in::login::SignedIn;
use crate::signing_in::refresh_token::RefreshToken;
use crate::signing_in::second_factor::SecondFactorState;
use crate::signing_in::session::{self, Beginning, SessionTerms, Started, Which};

/// The time after its use in which a refresh token still gets siblings of its successor.
const GRACE: TimeDelta = TimeDelta::seconds(30);
/// The number of siblings that the successor of a token may get.
const SIBLINGS: i64 = 5;

/// The session was not refreshed. The client must sign in again, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The token is unknown, has expired, or belongs to another host.
    #[error("the refresh token is not valid; sign in again")]
    Invalid,
    /// Another token of the same refresh was used first.
    #[error("another refresh token of the same session was used instead of this one; sign in again")]
    Superseded,
    /// The session was revoked or has expired, or its user may no longer sign in here.
    #[error("the session has ended; sign in again")]
    Ended,
    /// The token was used before. The session is revoked.
    #[error("the refresh token was used before, so it may be stolen; the session was ended; sign in again")]
    Reused,
    /// The program names another business than that of the session.
    #[error("the parameter resource names another business than the session is for")]
    WrongBusiness,
    /// The program asks for more than it was allowed.
    #[error("the parameter scope has more than the session")]
    MoreScopes,
    /// The business is suspended or archived. The session goes on when it opens again.
    #[error("the business is closed")]
    BusinessClosed,
    /// The business is in maintenance.
    #[error("the business is in maintenance; try again")]
    BusinessBusy,
    /// The token is being refreshed by too many requests at once. Nothing was revoked.
    #[error("the session is being refreshed by other requests at the same time; use the token that they got")]
    InProgress,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a refresh query failed")]
    Db(#[from] DbError),
}

struct Opened {
    token_id: Uuid,
    session_id: SessionId,
    user_id: UserId,
    parent_id: Option<Uuid>,
    token_expires_at: DateTime<Utc>,
    consumed_at: Option<DateTime<Utc>>,
    superseded_at: Option<DateTime<Utc>>,
    children: i64,
    used_children: i64,
    app: AppSlug,
    tenant_id: Option<TenantId>,
    authenticated_at: Option<DateTime<Utc>>,
    second_factor: SecondFactorState,
    by_pin: bool,
    is_external: bool,
    session_expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
    is_active: bool,
    full_name: Option<String>,
    email: Option<Email>,
    username: Option<Username>,
    membership_version: i32,
    roles: Vec<String>,
    permissions: Vec<String>,
    client_id: Option<ClientId>,
    is_public: bool,
    is_foreign: bool,
    scopes: Option<Vec<String>>,
    tenant_status: Option<TenantStatus>,
}

tenancy::from_row!(Opened {
    token_id,
    session_id,
    user_id,
    parent_id,
    token_expires_at,
    consumed_at,
    superseded_at,
    children,
    used_children,
    app,
    tenant_id,
    authenticated_at,
    second_factor,
    by_pin,
    is_external,
    session_expires_at,
    revoked_at,
    is_active,
    full_name,
    email,
    username,
    membership_version,
    roles,
    permissions,
    client_id,
    is_public,
    is_foreign,
    scopes,
    tenant_status,
});

/// Who presents a refresh token.
#[derive(Debug, Clone, Copy)]
pub enum Presenter<'a> {
    /// A client at the host of this business, or at a host without one.
    Host(Option<TenantId>),
    /// A program, which has proved who it is, or said so if it has no secret. It may name the business.
    Program(&'a ClientId, Option<TenantId>),
}

impl Presenter<'_> {
    /// Whether the token was issued to this one.
    fn has(self, opened: &Opened) -> bool {
        match (self, &opened.client_id) {
            (Self::Host(tenant), None) => opened.tenant_id == tenant,
            (Self::Program(client, _), Some(of_session)) => client == of_session,
            _ => false,
        }
    }
}

/// The outcome of a presented token.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The token is used for the first time.
    Exchange,
    /// The token was just used, so its successor gets a sibling.
    Sibling,
    /// The token was used before, so the session ends.
    Reused,
}

impl Opened {
    fn verdict(&self, now: DateTime<Utc>) -> Result<Verdict, RefreshError> {
        if self.revoked_at.is_some() || !self.is_active || self.session_expires_at <= now {
            return Err(RefreshError::Ended);
        }
        if self.token_expires_at <= now {
            return Err(RefreshError::Invalid);
        }
        if self.superseded_at.is_some() {
            // A program without a secret cannot be told from a thief of its token (RFC 9700 section 4.14.2).
            return if self.is_public { Ok(Verdict::Reused) } else { Err(RefreshError::Superseded) };
        }
        let Some(consumed_at) = self.consumed_at else { return Ok(Verdict::Exchange) };
        // Only the token before the last one is in its grace period.
        if self.used_children > 0 || now - consumed_at > GRACE {
            return Ok(Verdict::Reused);
        }
        if self.children > SIBLINGS { Err(RefreshError::InProgress) } else { Ok(Verdict::Sibling) }
    }

    /// Whether the host of the business would answer. A program asks at another host.
    fn check_business(&self, presenter: Presenter<'_>) -> Result<(), RefreshError> {
        let Presenter::Program(_, named) = presenter else { return Ok(()) };
        if named.is_some() && named != self.tenant_id {
            return Err(RefreshError::WrongBusiness);
        }
        match self.tenant_status {
            None | Some(TenantStatus::Active) => Ok(()),
            Some(TenantStatus::Migrating | TenantStatus::Restoring) => Err(RefreshError::BusinessBusy),
            Some(TenantStatus::Suspended | TenantStatus::Archived) => Err(RefreshError::BusinessClosed),
        }
    }

    fn delegation(&self) -> Option<Delegation> {
        let client = self.client_id.clone()?;
        let scopes = Scopes::from(self.scopes.clone().unwrap_or_default());
        Some(Delegation::new(client, self.is_foreign, scopes))
    }

    fn into_signed_in(self) -> SignedIn {
        SignedIn {
            user: self.user_id,
            email: self.email,
            username: self.username,
            full_name: self.full_name,
            member_of: MemberOf::app_of(self.app, self.tenant_id),
            membership_version: self.membership_version,
            roles: self.roles,
            permissions: self.permissions,
        }
    }
}

/// Exchanges a refresh token. With `fewer` scopes, the next access token of a program has these alone.
///
/// # Errors
/// [`RefreshError`].
pub async fn refresh(
    database: &Database,
    presented: &RefreshToken,
    presenter: Presenter<'_>,
    fewer: Option<Scopes>,
    terms: &SessionTerms,
    origin: &Origin,
) -> Result<(SignedIn, Started), RefreshError> {
    let done = database
        .write_shared(SharedScope::Public, async |tx| {
            let Some(opened) = open(tx, presented).await? else { return Err(RefreshError::Invalid) };
            if !presenter.has(&opened) {
                return Err(RefreshError::Invalid);
            }
            opened.check_business(presenter)?;
            if let (Some(fewer), Some(delegation)) = (&fewer, opened.delegation()) {
                delegation.narrowed(fewer.clone()).ok_or(RefreshError::MoreScopes)?;
            }
            let verdict = opened.verdict(tx.now())?;
            if verdict == Verdict::Reused {
                end_reused(tx, &opened, origin).await?;
                return Ok(None);
            }
            let successor = RefreshToken::generate();
            exchange(tx, &opened, &successor, terms, origin).await?;
            Ok(Some((opened, successor)))
        })
        .await?;
    // The end of the session must be kept, so this is no error of the transaction.
    let (opened, refresh_token) = done.ok_or(RefreshError::Reused)?;
    let delegation = match (opened.delegation(), fewer) {
        (Some(delegation), Some(fewer)) => delegation.narrowed(fewer),
        (delegation, _) => delegation,
    };
    let started = Started {
        session: opened.session_id,
        signed_in_at: opened.authenticated_at,
        expires_at: opened.session_expires_at,
        refresh_token,
        second_factor: terms
            .lacks(opened.second_factor, &MemberOf::app_of(opened.app.clone(), opened.tenant_id)),
        beginning: match (opened.by_pin, opened.is_external) {
            (true, _) => Beginning::Pin,
            (false, true) => Beginning::Elsewhere,
            (false, false) => Beginning::Here,
        },
        delegation,
    };
    Ok((opened.into_signed_in(), started))
}

/// Ends the session of a refresh token, for a client whose access token has expired. An unknown token ends
/// nothing.
///
/// # Errors
/// [`DbError`].
pub async fn sign_out(
    database: &Database,
    presented: &RefreshToken,
    presenter: Presenter<'_>,
    origin: &Origin,
) -> Result<(), DbError> {
    database
        .write_shared(SharedScope::Public, async |tx| {
            let Some(opened) = open(tx, presented).await? else { return Ok(()) };
            if !presenter.has(&opened) {
                return Ok(());
            }
            let (user, which) = (opened.user_id, Which::One(opened.session_id));
            session::revoke(tx, user, which, "signed_out", By::person(user, origin)).await.map(drop)
        })
        .await
}

async fn open(tx: &SharedTx, presented: &RefreshToken) -> Result<Option<Opened>, DbError> {
    const OPEN: &str = "
        SELECT token_id, session_id, user_id, parent_id, token_expires_at, consumed_at, superseded_at,
               children, used_children, app, tenant_id, authenticated_at, session_expires_at, revoked_at,
               is_active, full_name, email, username, membership_version, roles, permissions, client_id,
               is_public, is_foreign, scopes, second_factor, by_pin, is_external, tenant_status
          FROM shared.open_refresh_token($1)";
    tx.row_opt(OPEN, &[&presented.hash()]).await
}

/// Stores `successor`, and the use of the presented token. Whatever else came from the same parent ends.
async fn exchange(
    tx: &SharedTx,
    opened: &Opened,
    successor: &RefreshToken,
    terms: &SessionTerms,
    origin: &Origin,
) -> Result<(), DbError> {
    const EXCHANGE: &str = "
        WITH consumed AS (
            UPDATE shared.refresh_tokens SET consumed_at = $3 WHERE id = $2 AND consumed_at IS NULL),
        superseded AS (
            UPDATE shared.refresh_tokens SET superseded_at = $3
             WHERE session_id = $1 AND parent_id = $4 AND id <> $2 AND consumed_at IS NULL
               AND superseded_at IS NULL),
        seen AS (
            UPDATE shared.sessions
               SET last_seen_at = $3, idle_expires_at = $5, address = $6, user_agent = $7
             WHERE id = $1)
        INSERT INTO shared.refresh_tokens (id, session_id, user_id, hash, parent_id, expires_at)
        VALUES ($8, $1, $9, $10, $2, $5)";
    let idle_end = terms.idle_end(tx.now(), opened.session_expires_at);
    tx.execute(
        EXCHANGE,
        &[
            &opened.session_id,
            &opened.token_id,
            &tx.now(),
            &opened.parent_id,
            &idle_end,
            &origin.address,
            &origin.user_agent,
            &Uuid::now_v7(),
            &opened.user_id,
            &successor.hash(),
        ],
    )
    .await
    .map(drop)
}

async fn end_reused(tx: &SharedTx, opened: &Opened, origin: &Origin) -> Result<(), DbError> {
    let (user, which) = (opened.user_id, Which::One(opened.session_id));
    session::revoke(tx, user, which, "refresh_reused", By { who: Who::Nobody, origin: Some(origin) }).await?;
    let used_ago = opened.consumed_at.map(|used| (tx.now() - used).num_seconds());
    let event = AuthEvent {
        tenant: opened.tenant_id,
        app: Some(&opened.app),
        session: Some(opened.session_id),
        user: Some(user),
        failure: Some("token_reuse_detected"),
        origin: Some(origin),
        details: json!({"usedSecondsAgo": used_ago}),
        ..AuthEvent::new(AuthAction::RefreshReused)
    };
    auth_event::record(tx, &event).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Opened {
        let now = Utc::now();
        Opened {
            token_id: Uuid::now_v7(),
            session_id: SessionId::new(),
            user_id: UserId::new(),
            parent_id: None,
            token_expires_at: now + TimeDelta::days(14),
            consumed_at: None,
            superseded_at: None,
            children: 0,
            used_children: 0,
            app: AppSlug::parse("inventory").unwrap(),
            tenant_id: None,
            authenticated_at: Some(now),
            second_factor: SecondFactorState::Unneeded,
            by_pin: false,
            is_external: false,
            session_expires_at: now + TimeDelta::days(90),
            revoked_at: None,
            is_active: true,
            full_name: None,
            email: None,
            username: None,
            membership_version: 1,
            roles: Vec::new(),
            permissions: Vec::new(),
            client_id: None,
            is_public: false,
            is_foreign: false,
            scopes: None,
            tenant_status: None,
        }
    }

    #[test]
    fn only_the_token_before_the_last_one_has_a_grace_period() {
        let now = Utc::now();
        let used = |seconds, children, used_children| Opened {
            consumed_at: Some(now - TimeDelta::seconds(seconds)),
            children,
            used_children,
            ..opened()
        };
        assert_eq!(opened().verdict(now).unwrap(), Verdict::Exchange);
        assert_eq!(used(0, 1, 0).verdict(now).unwrap(), Verdict::Sibling);
        assert_eq!(used(30, 5, 0).verdict(now).unwrap(), Verdict::Sibling);
        assert!(matches!(used(30, 6, 0).verdict(now), Err(RefreshError::InProgress)));
        assert_eq!(used(31, 1, 0).verdict(now).unwrap(), Verdict::Reused);
        assert_eq!(used(1, 1, 1).verdict(now).unwrap(), Verdict::Reused);
        let superseded = Opened { superseded_at: Some(now), ..opened() };
        assert!(matches!(superseded.verdict(now), Err(RefreshError::Superseded)));
        let of_public = Opened { superseded_at: Some(now), is_public: true, ..opened() };
        assert_eq!(of_public.verdict(now).unwrap(), Verdict::Reused);
        for ended in [
            Opened { revoked_at: Some(now), ..opened() },
            Opened { is_active: false, ..opened() },
            Opened { session_expires_at: now, ..opened() },
            Opened { revoked_at: Some(now), ..used(99, 1, 1) },
        ] {
            assert!(matches!(ended.verdict(now), Err(RefreshError::Ended)));
        }
    }
}
