//! What a program is told of a person (OpenID Connect Core section 5), as far as its scopes allow.

use openidconnect::core::CoreGenderClaim;
use openidconnect::{
    AdditionalClaims, Audience, AuthenticationContextClass, AuthenticationMethodReference, EndUserEmail,
    EndUserName, EndUserPhoneNumber, EndUserUsername, IdTokenClaims, IssuerUrl, LanguageTag, Nonce,
    StandardClaims, SubjectIdentifier, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use tenancy::TenantId;
use values::Email;

use chrono::{DateTime, TimeDelta, Utc};

use crate::names::ids::{SessionId, UserId};
use crate::names::keys::AppSlug;
use crate::people::profile::Profile;
use crate::signing_in::delegation::{EMAIL, PHONE, PROFILE, Scopes};
use crate::signing_in::login::SignedIn;
use crate::signing_in::session::Started;
use crate::signing_in::token::{TokenError, TokenIssuer};

/// The header's `typ` of ID tokens: no ID token can be taken for an access token.
pub(super) const ID_TOKEN_TYPE: &str = "JWT";

/// The claims of an ID token besides the standard ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionClaims {
    /// The session of the program, which a logout token names (OpenID Connect Back-Channel Logout).
    pub sid: SessionId,
    /// The app.
    pub app: AppSlug,
    /// The business. `None` for an app without businesses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tid: Option<TenantId>,
    /// The keys of the roles of the person.
    pub roles: Vec<String>,
}

impl AdditionalClaims for SessionClaims {}

/// The claims of an ID token.
pub type IdClaims = IdTokenClaims<SessionClaims, CoreGenderClaim>;

/// The claims of the user info.
pub type PersonClaims = UserInfoClaims<openidconnect::EmptyAdditionalClaims, CoreGenderClaim>;

impl TokenIssuer {
    /// The ID token for a program that got a session. It names the person by the id alone: the rest is user
    /// info.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] while this server has no key.
    pub fn id_token(
        &self,
        signed_in: &SignedIn,
        started: &Started,
        client: &str,
        nonce: Option<&str>,
        lifetime: TimeDelta,
    ) -> Result<String, TokenError> {
        let claims = SessionClaims {
            sid: started.session,
            app: signed_in.member_of.app().clone(),
            tid: signed_in.member_of.tenant(),
            roles: signed_in.roles.clone(),
        };
        let subject = SubjectIdentifier::new(signed_in.user.to_string());
        let (issuer, now) = (self.issuer_url()?, Utc::now());
        let methods: Vec<_> = started
            .methods()
            .iter()
            .map(|method| AuthenticationMethodReference::new((*method).to_owned()))
            .collect();
        let audience = vec![Audience::new(client.to_owned())];
        let claims =
            IdClaims::new(issuer, audience, now + lifetime, now, StandardClaims::new(subject), claims)
                // An issuer elsewhere may not have said when.
                .set_auth_time(started.signed_in_at.filter(|moment| *moment > DateTime::UNIX_EPOCH))
                .set_auth_context_ref(Some(AuthenticationContextClass::new(
                    started.second_factor.to_string(),
                )))
                .set_auth_method_refs((!methods.is_empty()).then_some(methods))
                .set_nonce(nonce.map(|nonce| Nonce::new(nonce.to_owned())));
        self.sign_as(ID_TOKEN_TYPE, &claims)
    }

    /// Reads an ID token that this installation has issued, even one that has expired. Returns the client id
    /// for which it was issued, the person and the session.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read_id_token(&self, token: &str) -> Result<IdTokenHint, TokenError> {
        self.read_as::<IdTokenHint>(token, &[ID_TOKEN_TYPE], true).map(|(claims, ..)| claims)
    }

    fn issuer_url(&self) -> Result<IssuerUrl, TokenError> {
        IssuerUrl::new(self.issuer().to_owned()).map_err(|_| TokenError::Invalid)
    }
}

/// The claims of an ID token that a program sends back.
#[derive(Debug, Deserialize)]
pub struct IdTokenHint {
    /// The person.
    pub sub: UserId,
    /// The session.
    pub sid: SessionId,
    /// The client id of the program.
    #[serde(deserialize_with = "one_or_many")]
    pub aud: String,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audiences {
        One(String),
        Many([String; 1]),
    }
    Ok(match Audiences::deserialize(deserializer)? {
        Audiences::One(audience) | Audiences::Many([audience]) => audience,
    })
}

/// The user info of a person, as far as the scopes allow.
pub fn person_claims(profile: &Profile, username: Option<String>, scopes: &Scopes) -> PersonClaims {
    let mut claims = StandardClaims::new(SubjectIdentifier::new(profile.id.to_string()));
    if scopes.has(PROFILE) {
        claims = claims
            .set_name(profile.full_name.as_ref().map(|name| EndUserName::new(name.to_string()).into()))
            .set_preferred_username(username.map(EndUserUsername::new))
            .set_locale(profile.locale.as_ref().map(|locale| LanguageTag::new(locale.to_string())));
    }
    if scopes.has(EMAIL) {
        let email = profile.email.as_ref().map(Email::to_string).map(EndUserEmail::new);
        claims =
            claims.set_email_verified(email.is_some().then_some(profile.email_verified)).set_email(email);
    }
    if scopes.has(PHONE) {
        let phone = profile.phone.as_ref().map(|phone| EndUserPhoneNumber::new(phone.to_string()));
        claims = claims.set_phone_number(phone);
    }
    PersonClaims::new(claims, openidconnect::EmptyAdditionalClaims {})
}

/// The claims of a logout token (OpenID Connect Back-Channel Logout section 2.4), for which no crate has a
/// type.
#[derive(Debug, Serialize)]
pub(super) struct LogoutClaims<'a> {
    pub(super) iss: &'a str,
    pub(super) sub: UserId,
    pub(super) aud: &'a str,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) jti: String,
    pub(super) sid: SessionId,
    pub(super) events: serde_json::Value,
}

impl LogoutClaims<'_> {
    /// The header's `typ` of logout tokens.
    pub(super) const TYPE: &'static str = "logout+jwt";
    /// A logout token is valid for so long.
    pub(super) const LIFETIME: TimeDelta = TimeDelta::minutes(2);

    /// The claim that makes a token a logout token.
    pub(super) fn events() -> serde_json::Value {
        serde_json::json!({"http://schemas.openid.net/event/backchannel-logout": {}})
    }

    /// A moment as tokens have it.
    pub(super) fn seconds(moment: DateTime<Utc>) -> i64 {
        moment.timestamp()
    }
}
