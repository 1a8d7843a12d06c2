//! What programs may read of a token (RFC 7662).

use openidconnect::core::CoreTokenType;
use openidconnect::{
    ClientId as OAuthClientId, ExtraTokenFields, Scope, StandardTokenIntrospectionResponse,
    TokenIntrospectionResponse as _,
};
use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantId};

use chrono::DateTime;

use crate::access::client::KnownClient;
use crate::names::ids::SessionId;
use crate::signing_in::delegation::Scopes;
use crate::signing_in::revocations::Revocations;
use crate::signing_in::token::{Claims, Holder, TokenError, TokenIssuer, Verified};

/// The claims of a token besides the standard ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlaceClaims {
    /// The business.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tid: Option<TenantId>,
    /// The session, or the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The keys of the roles.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub roles: Vec<String>,
}

impl ExtraTokenFields for PlaceClaims {}

/// The answer to a program that asks about a token.
pub type Introspection = StandardTokenIntrospectionResponse<PlaceClaims, CoreTokenType>;

/// An access token for whatever app and business, whose session has not ended.
pub struct LiveToken {
    claims: Claims,
    /// Who presents it.
    pub holder: Holder,
}

impl LiveToken {
    /// Reads an access token. Asks the database if this server may have missed that its session ended.
    ///
    /// # Errors
    /// [`DbError`]; the inner error says why the token is refused.
    pub async fn read(
        tokens: &TokenIssuer,
        revocations: &Revocations,
        token: &str,
    ) -> Result<Result<Self, TokenError>, DbError> {
        let (claims, key) = match tokens.read(token) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        let verified = Verified::new(claims.clone(), key);
        let checked = match revocations.check(&verified) {
            Some(checked) => checked,
            None => revocations.ask(&verified).await?,
        };
        Ok(checked.map(|()| Self { claims, holder: verified.holder }))
    }

    /// The scopes of the token.
    pub fn scopes(&self) -> Scopes {
        Scopes::parse(&self.claims.scope)
    }

    /// The business of the token.
    pub fn tenant(&self) -> Option<TenantId> {
        self.claims.tid
    }

    /// Whether a program may read the token: one that belongs to it, or to its app.
    pub fn concerns(&self, client: &KnownClient) -> bool {
        self.claims.aud == client.app || self.claims.client_id == client.id
    }

    /// Whether the platform's staff act as a member with the token, which concerns no program.
    pub fn is_of_staff(&self) -> bool {
        matches!(&self.holder, Holder::Person(person) if person.impersonator.is_some())
    }

    /// Whether the token was issued to this program.
    pub fn is_of(&self, client: &KnownClient) -> bool {
        self.claims.client_id == client.id
    }

    /// The session of the token.
    pub fn session(&self) -> SessionId {
        self.claims.sid
    }

    /// What a program reads of the token.
    pub fn introspection(&self, issuer: &str) -> Introspection {
        let claims = &self.claims;
        let extra = PlaceClaims { tid: claims.tid, sid: Some(claims.sid), roles: claims.roles.clone() };
        let scopes = claims.scope.split(' ').filter(|scope| !scope.is_empty());
        let mut answer = Introspection::new(true, extra);
        answer.set_scopes(Some(scopes.map(|scope| Scope::new(scope.to_owned())).collect()));
        answer.set_client_id(Some(OAuthClientId::new(claims.client_id.to_string())));
        answer.set_token_type(Some(CoreTokenType::Bearer));
        answer.set_exp(DateTime::from_timestamp(claims.exp, 0));
        answer.set_iat(DateTime::from_timestamp(claims.iat, 0));
        answer.set_sub(Some(claims.sub.to_string()));
        answer.set_aud(Some(vec![claims.aud.to_string()]));
        answer.set_iss(Some(issuer.to_owned()));
        answer.set_jti(Some(claims.jti.to_string()));
        answer
    }
}

/// The answer about a token that is not valid, or not this program's business.
pub fn inactive() -> Introspection {
    let answer = Introspection::new(false, PlaceClaims { tid: None, sid: None, roles: Vec::new() });
    debug_assert!(!answer.active());
    answer
}
