//! Authorization codes (RFC 6749 section 4.1): a program exchanges one for the tokens of a person, within a
//! minute, once, and only together with the verifier that it alone knows (RFC 7636).

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{PkceCodeChallenge, PkceCodeVerifier};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tenancy::{Database, DbError, SharedScope, SharedTx, TenantId};
use uuid::Uuid;
use values::Email;

use crate::access::client::KnownClient;
use crate::names::digest::sha256;
use crate::names::ids::{MembershipId, SessionId, SignOnId, UserId};
use crate::names::keys::{AppSlug, ClientId, Username};
use crate::names::secret;
use crate::people::membership::MemberOf;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin, Who};
use crate::signing_in::delegation::{Delegation, Scopes};
use crate::signing_in::login::SignedIn;
use crate::signing_in::refresh_token::RefreshToken;
use crate::signing_in::second_factor::SecondFactorState;
use crate::signing_in::session::{self, Beginning, SessionTerms, Started, Which};

/// A code is valid for so long.
const LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// What a code stands for.
#[derive(Debug)]
pub struct Grant<'a> {
    /// The program.
    pub client: &'a ClientId,
    /// The person.
    pub user: UserId,
    /// The browser in which the person signed in.
    pub sign_on: SignOnId,
    /// What the person is in the app of the program.
    pub membership: MembershipId,
    /// Where the browser goes with the code.
    pub redirect_uri: &'a str,
    /// What the program asked for.
    pub scopes: &'a Scopes,
    /// A text of the program, which its ID token repeats.
    pub nonce: Option<&'a str>,
    /// SHA-256 of the verifier, in base64.
    pub challenge: &'a str,
}

/// Whether a text can be a challenge: SHA-256 in base64 (RFC 7636 section 4.2).
pub fn is_challenge(text: &str) -> bool {
    text.len() == secret::LETTERS
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Whether a text can be a verifier (RFC 7636 section 4.1).
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// Makes a code. The transaction must act as its person.
///
/// # Errors
/// [`DbError`].
pub async fn issue(tx: &SharedTx, grant: &Grant<'_>) -> Result<SecretString, DbError> {
    const INSERT: &str = "
        INSERT INTO shared.authorization_codes (hash, client_id, user_id, membership_id, sign_on_id,
                                                redirect_uri, scopes, nonce, challenge, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    // A browser that asks again and again must not fill the table. A code that was used is kept.
    const FORGET: &str = "
        DELETE FROM shared.authorization_codes
         WHERE hash IN (SELECT hash FROM shared.authorization_codes
                         WHERE sign_on_id = $1 AND session_id IS NULL ORDER BY expires_at DESC OFFSET 20)
            OR sign_on_id = $1 AND session_id IS NULL AND expires_at < $2";
    let code = secret::generate("tac_");
    tx.execute(FORGET, &[&grant.sign_on, &tx.now()]).await?;
    tx.execute(
        INSERT,
        &[
            &sha256(code.expose_secret()),
            grant.client,
            &grant.user,
            &grant.membership,
            &grant.sign_on,
            &grant.redirect_uri,
            &grant.scopes.as_slice(),
            &grant.nonce,
            &grant.challenge,
            &(tx.now() + LIFETIME),
        ],
    )
    .await?;
    Ok(code)
}

/// A code, as a program presents it.
#[derive(Debug)]
pub struct Presented<'a> {
    /// The code.
    pub code: &'a str,
    /// Where the browser went with it.
    pub redirect_uri: &'a str,
    /// The text from which the challenge was made.
    pub verifier: &'a str,
    /// The business for which the program wants tokens, if it says so.
    pub business: Option<TenantId>,
}

/// The session that a code became.
pub struct Redeemed {
    /// The person.
    pub signed_in: SignedIn,
    /// The session of the program.
    pub started: Started,
    /// The text that the ID token repeats.
    pub nonce: Option<String>,
}

/// A code became no session.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// The code is unknown, expired, or another program's, or the redirect URI or the verifier is another
    /// one.
    #[error("the code is not valid: it was used, has expired, or belongs to another request")]
    Invalid,
    /// The code is for another business.
    #[error("the parameter resource names another business than the code is for")]
    WrongBusiness,
    /// The person may not sign in there any more.
    #[error(
        "the user has signed out, is no longer a member, or has withdrawn consent; or the business is closed"
    )]
    Ended,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a query about codes failed")]
    Db(#[from] DbError),
}

struct Opened {
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    scopes: Vec<String>,
    expires_at: DateTime<Utc>,
    session_id: Option<SessionId>,
    user_id: UserId,
    authenticated_at: DateTime<Utc>,
    second_factor: SecondFactorState,
    is_external: bool,
    is_live: bool,
    app: AppSlug,
    tenant_id: Option<TenantId>,
    full_name: Option<String>,
    email: Option<Email>,
    username: Option<Username>,
    membership_version: i32,
    roles: Vec<String>,
    permissions: Vec<String>,
}

tenancy::from_row!(Opened {
    redirect_uri,
    challenge,
    nonce,
    scopes,
    expires_at,
    session_id,
    user_id,
    authenticated_at,
    second_factor,
    is_external,
    is_live,
    app,
    tenant_id,
    full_name,
    email,
    username,
    membership_version,
    roles,
    permissions,
});

impl Opened {
    fn belongs_to(&self, presented: &Presented<'_>) -> bool {
        if self.redirect_uri != presented.redirect_uri || !is_verifier(presented.verifier) {
            return false;
        }
        let verifier = PkceCodeVerifier::new(presented.verifier.to_owned());
        PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str() == self.challenge
    }
}

/// Exchanges a code for a session of its person. A code that was used before ends that session: it may be
/// stolen (RFC 6749 section 4.1.2).
///
/// # Errors
/// [`RedeemError`].
pub async fn redeem(
    database: &Database,
    client: &KnownClient,
    presented: &Presented<'_>,
    terms: &SessionTerms,
    origin: &Origin,
) -> Result<Redeemed, RedeemError> {
    const OPEN: &str = "
        SELECT redirect_uri, challenge, nonce, scopes, expires_at, session_id, user_id, authenticated_at,
               second_factor, is_external, is_live, app, tenant_id, full_name, email, username,
               membership_version, roles, permissions
          FROM shared.open_authorization_code($1, $2)";
    const USE: &str = "SELECT shared.use_authorization_code($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let hash = sha256(presented.code);
    let done = database
        .write_shared(SharedScope::Public, async |tx| {
            let opened: Option<Opened> = tx.row_opt(OPEN, &[&hash, &client.id]).await?;
            let opened = opened.ok_or(RedeemError::Invalid)?;
            if let Some(session) = opened.session_id {
                end_reused(tx, &opened, session, client, origin).await?;
                return Ok(None);
            }
            if opened.expires_at <= tx.now() || !opened.belongs_to(presented) {
                return Err(RedeemError::Invalid);
            }
            if !opened.is_live {
                return Err(RedeemError::Ended);
            }
            if presented.business.is_some() && presented.business != opened.tenant_id {
                return Err(RedeemError::WrongBusiness);
            }
            let (session, token) = (SessionId::new(), RefreshToken::generate());
            let expires_at = terms.end(tx.now());
            let event = AuthEvent {
                tenant: opened.tenant_id,
                app: Some(&opened.app),
                session: Some(session),
                origin: Some(origin),
                details: json!({"client": client.id}),
                ..AuthEvent::new(AuthAction::SignIn).of(opened.user_id)
            };
            tx.execute(
                USE,
                &[
                    &hash,
                    &session,
                    &origin.user_agent,
                    &origin.address,
                    &tx.now(),
                    &expires_at,
                    &terms.idle_end(tx.now(), expires_at),
                    &Uuid::now_v7(),
                    &token.hash(),
                ],
            )
            .await?;
            auth_event::record(tx, &event).await?;
            let mut redeemed = opened.into_redeemed(client, session, expires_at, token);
            let (started, member_of) = (&mut redeemed.started, &redeemed.signed_in.member_of);
            started.second_factor = terms.lacks(started.second_factor, member_of);
            Ok(Some(redeemed))
        })
        .await?;
    // The end of the session must be kept, so a used code is no error of the transaction.
    done.ok_or(RedeemError::Invalid)
}

impl Opened {
    fn into_redeemed(
        self,
        client: &KnownClient,
        session: SessionId,
        expires_at: DateTime<Utc>,
        refresh_token: RefreshToken,
    ) -> Redeemed {
        Redeemed {
            signed_in: SignedIn {
                user: self.user_id,
                email: self.email,
                username: self.username,
                full_name: self.full_name,
                member_of: MemberOf::app_of(self.app, self.tenant_id),
                membership_version: self.membership_version,
                roles: self.roles,
                permissions: self.permissions,
            },
            started: Started {
                session,
                signed_in_at: Some(self.authenticated_at),
                expires_at,
                refresh_token,
                second_factor: self.second_factor,
                beginning: if self.is_external { Beginning::Elsewhere } else { Beginning::Here },
                delegation: Some(Delegation::new(client.id.clone(), client.is_foreign, self.scopes.into())),
            },
            nonce: self.nonce,
        }
    }
}

async fn end_reused(
    tx: &SharedTx,
    opened: &Opened,
    session: SessionId,
    client: &KnownClient,
    origin: &Origin,
) -> Result<(), DbError> {
    let by = By { who: Who::Nobody, origin: Some(origin) };
    session::revoke(tx, opened.user_id, Which::One(session), "code_reused", by).await?;
    let event = AuthEvent {
        tenant: opened.tenant_id,
        app: Some(&opened.app),
        session: Some(session),
        user: Some(opened.user_id),
        failure: Some("code_reuse_detected"),
        origin: Some(origin),
        details: json!({"client": client.id}),
        ..AuthEvent::new(AuthAction::CodeReused)
    };
    auth_event::record(tx, &event).await
}

/// Deletes codes that expired a day ago, and sign-ons that ended days ago.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx) -> Result<(), DbError> {
    const CODES: &str = "DELETE FROM shared.authorization_codes WHERE expires_at < $1";
    const SIGN_ONS: &str = "DELETE FROM shared.sign_ons WHERE least(idle_expires_at, revoked_at) < $1";
    tx.execute(CODES, &[&(tx.now() - TimeDelta::days(1))]).await?;
    tx.execute(SIGN_ONS, &[&(tx.now() - TimeDelta::days(7))]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_and_verifiers_have_the_form_of_the_rfc() {
        // RFC 7636 appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_verifier(verifier) && is_challenge(challenge));
        let made = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.into()));
        assert_eq!(made.as_str(), challenge);
        for text in
            ["", &verifier[1..], &"a".repeat(129), &format!("{verifier} "), &format!("{verifier}\u{e4}")]
        {
            assert!(!is_verifier(text), "{text}");
        }
        for text in ["", &challenge[1..], &format!("{challenge}a"), &challenge.replace('-', "+")] {
            assert!(!is_challenge(text), "{text}");
        }
    }
}
