//! Access tokens: EdDSA-signed JWTs (RFC 9068), bound to one app of one business, and to one session.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Validation, errors::ErrorKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tenancy::TenantId;
use uuid::Uuid;

use crate::access::program::Program;
use crate::access::service_account::OpenedAccount;
use crate::names::ids::SessionId;
use crate::names::keys::{AppSlug, ClientId};
use crate::people::membership::MemberOf;
use crate::signing_in::delegation::{ACCOUNT, Delegation, Scopes};
use crate::signing_in::impersonation::{Impersonated, MOST_MINUTES};
use crate::signing_in::key_ring::KeyRing;
use crate::signing_in::login::SignedIn;
use crate::signing_in::principal::{Impersonator, Principal};
use crate::signing_in::second_factor::SecondFactorState;
use crate::signing_in::session::{PIN, Started};
use crate::signing_in::signing_key::SigningKey;
use crate::{INVENTORY_APP, PLATFORM_APP, POS_APP};

/// The header's `typ` (RFC 9068): no other kind of JWT can be taken for an access token.
const TOKEN_TYPE: &str = "at+jwt";

/// The header's `typ` of tokens with which the platform's staff act as a member. A server of an earlier
/// release, which does not know `act`, must not take one for the member's own.
const IMPERSONATION_TYPE: &str = "impersonation+jwt";

/// Issues and verifies the tokens of one installation.
pub struct TokenIssuer {
    ring: Arc<KeyRing>,
    issuer: String,
    lifetime: Duration,
}

/// A signed token and its lifetime.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The signed JWT, which the client sends as a bearer token.
    pub token: String,
    /// The lifetime of the token, from the moment when it was issued.
    pub expires_in: Duration,
}

/// A token was refused. The answer is always 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The lifetime of the token is over.
    #[error("the access token has expired; refresh the session, or sign in again")]
    Expired,
    /// The token is malformed or not valid yet, or its key, signature, type, issuer or audience is wrong.
    #[error("the access token is not valid; sign in again")]
    Invalid,
    /// The token is valid, but for another business, or for a business instead of the platform or vice versa.
    #[error("the access token was issued for another business; sign in at the address of this business")]
    WrongTenant,
    /// The token is valid, but for an app that does not use the routes of this host.
    #[error("the access token was issued for another app, which does not use this API")]
    WrongApp,
    /// This server has not read its keys yet.
    #[error("the server is starting; try again")]
    NoKey,
    /// The session of the token has ended: its user signed out, or access was withdrawn.
    #[error("the session has ended; sign in again")]
    SessionEnded,
    /// The program may do something else than when it got the token, or nothing.
    #[error("the permissions of the program have changed; get another access token")]
    ProgramChanged,
    /// The platform's staff may not act as the user any more.
    #[error("the impersonation has ended; start another one")]
    ImpersonationEnded,
    /// The roles of the user were changed after the token was issued.
    #[error("the roles of the user have changed; refresh the session")]
    RolesChanged,
}

/// The apps whose tokens a host accepts. A permission belongs to one app; the roles of `pos` may contain some
/// of those of `inventory`.
pub(super) fn accepts(tenant: Option<TenantId>, app: &str) -> bool {
    match tenant {
        Some(_) => app == INVENTORY_APP || app == POS_APP,
        None => app == PLATFORM_APP,
    }
}

/// The claims of an access token.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    /// The user, or the service account.
    pub(crate) sub: Uuid,
    pub(crate) aud: AppSlug,
    /// The program that got the token (RFC 9068 section 2.2). For somebody who signed in to the app itself,
    /// it is the app.
    pub(crate) client_id: ClientId,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    /// The moment from which the token is valid. This program issues none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    nbf: Option<i64>,
    pub(crate) jti: Uuid,
    /// The session, or again the service account: its revocation ends the token.
    pub(crate) sid: SessionId,
    /// The moment at which the user proved who they are. A program has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    amr: Vec<String>,
    /// What the session lacks. A session of an earlier release, and a program, say nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    acr: Option<SecondFactorState>,
    /// The business. A token of the platform's own app has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tid: Option<TenantId>,
    pub(crate) roles: Vec<String>,
    /// Permission keys and scopes of OpenID Connect, separated by spaces (RFC 9068 section 2.2.3).
    pub(crate) scope: String,
    /// The version of the membership or of the service account.
    mv: i32,
    /// `service` if the subject is no person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sub_profile: Option<SubjectProfile>,
    /// Who acts as the user, if it is not the user (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    act: Option<Impersonator>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SubjectProfile {
    /// A program.
    Service,
}

/// A token that is valid on a host, as long as its session has not ended.
pub struct Verified {
    /// Who presents it.
    pub holder: Holder,
    pub(super) session: SessionId,
    pub(super) version: i32,
    pub(super) key: Arc<SigningKey>,
}

impl Verified {
    pub(crate) fn new(claims: Claims, key: Arc<SigningKey>) -> Self {
        Self { session: claims.sid, version: claims.mv, key, holder: claims.into() }
    }
}

impl From<Claims> for Holder {
    fn from(claims: Claims) -> Self {
        let permissions = claims.scope.split(' ').filter_map(|key| key.parse().ok()).collect();
        let by_pin = claims.amr.iter().any(|method| method == PIN);
        let is_delegated = claims.client_id.as_str() != claims.aud.as_str();
        let delegated = is_delegated.then(|| Scopes::parse(&claims.scope));
        match claims.sub_profile {
            Some(SubjectProfile::Service) => Self::Program(Program { id: claims.sub, permissions }),
            None => Self::Person(Principal {
                user: claims.sub.into(),
                session: claims.sid,
                second_factor: claims.acr,
                is_in_charge: claims.acr != Some(SecondFactorState::Missing)
                    && !by_pin
                    && claims.auth_time.is_some()
                    && delegated.as_ref().is_none_or(|scopes| scopes.has(ACCOUNT)),
                delegated,
                by_pin,
                authenticated_at: claims.auth_time.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
                member_of: MemberOf::app_of(claims.aud, claims.tid),
                roles: claims.roles,
                impersonator: claims.act,
                permissions,
            }),
        }
    }
}

/// Who presents a token.
pub enum Holder {
    /// A person who signed in.
    Person(Principal),
    /// A program with a service account.
    Program(Program),
}

/// The longest lifetime of a token with which the platform's staff act as a member.
const LONGEST_OF_STAFF: Duration = Duration::from_secs(MOST_MINUTES as u64 * 60);

/// The largest difference between the clocks of two servers.
const LEEWAY: Duration = Duration::from_secs(5);

impl TokenIssuer {
    /// `issuer` is the `iss` of every token: one URL for the whole installation.
    pub fn new(ring: Arc<KeyRing>, issuer: String, lifetime: Duration) -> Self {
        Self { ring, issuer, lifetime }
    }

    fn validation(&self, key: &SigningKey) -> Validation {
        // The algorithm is that of the key, and never taken from the token.
        let mut validation = Validation::new(key.algorithm.in_tokens());
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        // The audience is checked after the signature: each host accepts the tokens of its apps.
        validation.validate_aud = false;
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation
    }

    /// Issues a token for a user whose session was started or refreshed. The token does not outlive the
    /// session.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] while this server has no key.
    pub fn issue(&self, signed_in: &SignedIn, started: &Started) -> Result<AccessToken, TokenError> {
        let times = (started.signed_in_at, started.expires_at);
        let held = started.held(signed_in);
        let session = (started.session, Some(started.second_factor), started.delegation.as_ref());
        self.sign((signed_in, held), session, started.methods(), times, self.lifetime, None)
    }

    /// Issues the token of an impersonation, which is valid until the end of it: there is no refresh.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] while this server has no key.
    pub fn issue_to_staff(&self, granted: &Impersonated) -> Result<AccessToken, TokenError> {
        // The member has proved nothing.
        let times = (None, granted.expires_at);
        let actor = Impersonator { staff: granted.staff, is_read_only: granted.is_read_only };
        let (member, session) = (&granted.member, (granted.session, None, None));
        self.sign((member, &member.permissions), session, &[], times, LONGEST_OF_STAFF, Some(actor))
    }

    /// Issues the token of a program for its service account at a business.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] while this server has no key.
    pub fn issue_to_program(&self, account: &OpenedAccount) -> Result<AccessToken, TokenError> {
        let now = Utc::now().timestamp();
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: account.id.into(),
            aud: account.app.clone(),
            client_id: account.client.clone(),
            exp: now.saturating_add_unsigned(self.lifetime.as_secs()),
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid: Uuid::from(account.id).into(),
            auth_time: None,
            amr: vec![],
            acr: None,
            tid: Some(account.tenant),
            roles: vec![],
            scope: account.permissions.join(" "),
            mv: account.version,
            sub_profile: Some(SubjectProfile::Service),
            act: None,
        };
        Ok(AccessToken { token: self.encode(&claims)?, expires_in: self.lifetime })
    }

    fn sign(
        &self,
        (signed_in, held): (&SignedIn, &[String]),
        (session, acr, delegation): (SessionId, Option<SecondFactorState>, Option<&Delegation>),
        how: &[&str],
        (signed_in_at, expires_at): (Option<DateTime<Utc>>, DateTime<Utc>),
        longest: Duration,
        act: Option<Impersonator>,
    ) -> Result<AccessToken, TokenError> {
        let now = Utc::now().timestamp();
        let left = expires_at.timestamp().saturating_sub(now).try_into().unwrap_or_default();
        let expires_in = longest.min(Duration::from_secs(left));
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: signed_in.user.into(),
            aud: signed_in.member_of.app().clone(),
            client_id: delegation
                .map_or_else(|| signed_in.member_of.app().into(), |delegation| delegation.client.clone()),
            exp: now.saturating_add_unsigned(expires_in.as_secs()),
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid: session,
            auth_time: signed_in_at.map(|moment| moment.timestamp()),
            amr: how.iter().map(ToString::to_string).collect(),
            acr,
            tid: signed_in.member_of.tenant(),
            roles: signed_in.roles.clone(),
            scope: match delegation {
                Some(delegation) => delegation.scope_of_token(held),
                None => held.join(" "),
            },
            mv: signed_in.membership_version,
            sub_profile: None,
            act,
        };
        Ok(AccessToken { token: self.encode(&claims)?, expires_in })
    }

    fn encode(&self, claims: &Claims) -> Result<String, TokenError> {
        self.sign_as(if claims.act.is_some() { IMPERSONATION_TYPE } else { TOKEN_TYPE }, claims)
    }

    /// Signs claims as a token of this type.
    pub(crate) fn sign_as(&self, typ: &str, claims: &impl Serialize) -> Result<String, TokenError> {
        let key = self.ring.keys().active.clone().ok_or(TokenError::NoKey)?;
        Ok(key.sign(typ, claims))
    }

    /// Verifies signature, type, issuer and expiry, and reads the claims. `types` are the types that are
    /// allowed. Returns the type, too.
    pub(crate) fn read_as<C: DeserializeOwned>(
        &self,
        token: &str,
        types: &[&'static str],
        may_have_expired: bool,
    ) -> Result<(C, &'static str, Arc<SigningKey>), TokenError> {
        let keys = self.ring.keys();
        if keys.active.is_none() {
            return Err(TokenError::NoKey);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let key = header.kid.as_ref().and_then(|id| keys.by_id.get(id)).ok_or(TokenError::Invalid)?;
        let has_type = |known: &&&str| header.typ.as_ref().is_some_and(|typ| typ.eq_ignore_ascii_case(known));
        let typ = types.iter().find(has_type).ok_or(TokenError::Invalid)?;
        // An extension that must be understood (RFC 7515 section 4.1.11): this program knows none.
        if header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let mut validation = self.validation(key);
        validation.validate_exp = !may_have_expired;
        let decoded = jsonwebtoken::decode::<C>(token, &key.decoding, &validation);
        let decoded = decoded.map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenError::Expired,
            _ => TokenError::Invalid,
        })?;
        Ok((decoded.claims, typ, key.clone()))
    }

    /// Reads an access token for whatever business and app.
    pub(crate) fn read(&self, token: &str) -> Result<(Claims, Arc<SigningKey>), TokenError> {
        let types = [TOKEN_TYPE, IMPERSONATION_TYPE];
        let (claims, typ, key) = self.read_as::<Claims>(token, &types, false)?;
        if claims.act.is_some() != (typ == IMPERSONATION_TYPE) {
            return Err(TokenError::Invalid);
        }
        if claims.iat > Utc::now().timestamp().saturating_add_unsigned(LEEWAY.as_secs()) {
            return Err(TokenError::Invalid);
        }
        Ok((claims, key))
    }

    /// Verifies signature, type, issuer, audience and expiry, and that the token is for `tenant`; `None` is
    /// the platform. Does not check whether the session has ended; see
    /// [`Revocations`](crate::Revocations).
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, tenant: Option<TenantId>) -> Result<Verified, TokenError> {
        let (claims, key) = self.read(token)?;
        if claims.tid != tenant {
            return Err(TokenError::WrongTenant);
        }
        if !accepts(tenant, claims.aud.as_str()) {
            return Err(TokenError::WrongApp);
        }
        Ok(Verified::new(claims, key))
    }

    /// Whether this server can issue tokens. Before a session is started or refreshed, it must.
    ///
    /// # Errors
    /// [`TokenError::NoKey`].
    pub fn check_ready(&self) -> Result<(), TokenError> {
        if self.ring.is_ready() { Ok(()) } else { Err(TokenError::NoKey) }
    }

    /// The `iss` of every token: one URL for the whole installation.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

#[cfg(test)]
mod tests;
