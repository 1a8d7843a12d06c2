//! ID tokens of issuers elsewhere (OpenID Connect Core section 2).

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde::de::IgnoredAny;
use values::Email;

use crate::names::digest::sha256;

/// The signatures that are accepted: those with a public key.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The largest difference between the clocks of an issuer and of this server.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// A longer token is not read.
const MOST_BYTES: usize = 16 * 1024;

/// The longest name of a person at an issuer (OpenID Connect Core section 2).
const LONGEST_SUBJECT: usize = 255;

/// An ID token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// No issuer with this name is configured.
    #[error("no issuer has this name; GET /api/v1/auth/external-issuers lists the issuers")]
    UnknownIssuer,
    /// The lifetime of the token is over.
    #[error("the ID token has expired; get another one from the issuer")]
    Expired,
    /// Another issuer has issued the token.
    #[error("another issuer has issued this ID token")]
    OtherIssuer,
    /// The token is for a program that is not allowed here, or was got by one.
    #[error("the ID token was issued to a program that this installation does not accept; see aud and azp")]
    OtherAudience,
    /// The token is malformed, not valid yet, or no ID token, or its key or its signature is wrong.
    #[error("the ID token is not valid; get another one from the issuer")]
    Invalid,
    /// The issuer does not answer, and its keys are not known.
    #[error("the issuer does not answer at the moment; try again")]
    Unavailable,
}

/// The content of a valid ID token.
#[derive(Debug, Clone)]
pub(super) struct IdToken {
    pub(super) subject: String,
    pub(super) email: Option<Email>,
    pub(super) has_verified_email: bool,
    /// When the person proved who they are, if the issuer says so.
    pub(super) authenticated_at: Option<DateTime<Utc>>,
    pub(super) nonce: Option<String>,
    pub(super) expires_at: DateTime<Utc>,
    /// SHA-256 of what was signed.
    pub(super) hash: Vec<u8>,
}

/// The issuer from which, and the audiences for which, a token is accepted.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audiences: &'a [String],
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audiences,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    auth_time: Option<f64>,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Truth>,
    /// The organisation at Google to which the account belongs.
    hd: Option<String>,
    /// Events, which make the token a logout token (OpenID Connect Back-Channel Logout section 2.6).
    events: Option<IgnoredAny>,
    /// Permissions, which make the token an access token (RFC 9068; Entra).
    scope: Option<IgnoredAny>,
    scp: Option<IgnoredAny>,
    /// The kind of a token of Keycloak, and of Cognito.
    typ: Option<String>,
    token_use: Option<String>,
}

impl Claims {
    /// Whether the token is an ID token, as far as it says what it is.
    fn is_id_token(&self) -> bool {
        self.events.is_none()
            && self.scope.is_none()
            && self.scp.is_none()
            && self.typ.as_deref().is_none_or(|kind| kind == "ID")
            && self.token_use.as_deref().is_none_or(|kind| kind == "id")
    }

    /// Whether the issuer answers for the email today. Google does so for its own addresses, and for those of
    /// the organisations that it serves; others may have got another owner since.
    fn has_verified(&self, email: &Email, issuer: &str) -> bool {
        let is_verified = self.email_verified.as_ref().is_some_and(Truth::is_true);
        let domain = email.as_str().rsplit_once('@').map_or("", |(_, domain)| domain);
        let is_theirs = issuer != GOOGLE || domain == "gmail.com" || self.hd.as_deref() == Some(domain);
        is_verified && is_theirs
    }
}

/// The issuer for accounts of Google.
const GOOGLE: &str = "https://accounts.google.com";

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

impl Audiences {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(audience) => std::slice::from_ref(audience),
            Self::Many(audiences) => audiences,
        }
    }
}

/// Some issuers write it as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Truth {
    Value(bool),
    Text(String),
}

impl Truth {
    fn is_true(&self) -> bool {
        match self {
            Self::Value(value) => *value,
            Self::Text(text) => text == "true",
        }
    }
}

/// The header of a token that may be an ID token.
pub(super) fn header(token: &str) -> Result<Header, IdTokenError> {
    if token.len() > MOST_BYTES {
        return Err(IdTokenError::Invalid);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| IdTokenError::Invalid)?;
    // An access token or a logout token of the same issuer is none.
    let is_plain = header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
    let is_known = ALGORITHMS.contains(&header.alg) && header.crit.is_none();
    if is_plain && is_known { Ok(header) } else { Err(IdTokenError::Invalid) }
}

/// Verifies the signature with the issuer's key, and then the claims.
pub(super) fn read(
    token: &str,
    header: &Header,
    key: &DecodingKey,
    expected: &Expected<'_>,
) -> Result<IdToken, IdTokenError> {
    let mut validation = Validation::new(header.alg);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[expected.issuer]);
    // All audiences are checked below, not one of them.
    validation.validate_aud = false;
    validation.validate_nbf = true;
    validation.leeway = LEEWAY.num_seconds().unsigned_abs();
    let claims =
        jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => IdTokenError::Expired,
            ErrorKind::InvalidIssuer => IdTokenError::OtherIssuer,
            _ => IdTokenError::Invalid,
        })?;
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    check(claims.claims, expected, signed, Utc::now())
}

fn check(
    claims: Claims,
    expected: &Expected<'_>,
    signed: &str,
    now: DateTime<Utc>,
) -> Result<IdToken, IdTokenError> {
    // Section 3.1.3.7: the program that got the token is one of ours, and so is every other that may use it.
    let audiences = claims.aud.as_slice();
    let is_ours = |audience: &String| expected.audiences.contains(audience);
    if audiences.is_empty() || !audiences.iter().chain(&claims.azp).all(is_ours) {
        return Err(IdTokenError::OtherAudience);
    }
    let issued_at = moment(claims.iat)?;
    let authenticated_at = claims.auth_time.map(moment).transpose()?;
    let is_from_future = issued_at.max(authenticated_at.unwrap_or(issued_at)) > now + LEEWAY;
    if is_from_future || !claims.is_id_token() {
        return Err(IdTokenError::Invalid);
    }
    let subject = &claims.sub;
    if subject.is_empty() || subject.len() > LONGEST_SUBJECT || subject.contains(char::is_control) {
        return Err(IdTokenError::Invalid);
    }
    let email = claims.email.as_deref().and_then(|email| Email::parse(email).ok());
    Ok(IdToken {
        has_verified_email: email.as_ref().is_some_and(|email| claims.has_verified(email, expected.issuer)),
        email,
        subject: claims.sub,
        authenticated_at: authenticated_at.map(|moment| moment.min(now)),
        nonce: claims.nonce,
        expires_at: moment(claims.exp)? + LEEWAY,
        hash: sha256(signed),
    })
}

/// A moment in seconds, which may have a fraction.
fn moment(seconds: f64) -> Result<DateTime<Utc>, IdTokenError> {
    // The end of the year 9999, long before the last moment that PostgreSQL keeps.
    const LAST: f64 = 253_402_300_799.0;
    if !(0.0..=LAST).contains(&seconds) {
        return Err(IdTokenError::Invalid);
    }
    DateTime::from_timestamp(seconds as i64, 0).ok_or(IdTokenError::Invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(change: Value) -> Result<IdToken, IdTokenError> {
        checked_of("https://id.test", change)
    }

    fn checked_of(issuer: &str, change: Value) -> Result<IdToken, IdTokenError> {
        let now = Utc::now();
        let mut claims = json!({
            "sub": "248289761001", "aud": "shop", "exp": now.timestamp() + 300, "iat": now.timestamp(),
            "email": "Ann@Acme.test", "email_verified": true,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let audiences = ["shop".to_owned(), "app".to_owned()];
        let expected = Expected { issuer, audiences: &audiences };
        check(serde_json::from_value(claims).unwrap(), &expected, "a.b", now)
    }

    #[test]
    fn a_valid_token_says_who_the_person_is() {
        let hour_ago = Utc::now().timestamp() - 3600;
        let token = checked(json!({"auth_time": hour_ago, "aud": ["app", "shop"], "azp": "app"})).unwrap();
        assert_eq!(token.email.unwrap().as_str(), "ann@acme.test");
        assert!(token.has_verified_email && token.authenticated_at.unwrap().timestamp() == hour_ago);
        for unverified in [json!(false), json!("false"), json!("1"), Value::Null] {
            let token = checked(json!({"email_verified": unverified})).unwrap();
            assert!(!token.has_verified_email, "{unverified}");
        }
        assert!(!checked(json!({"email": "no address"})).unwrap().has_verified_email);
        assert!(checked(json!({"email_verified": "true", "iat": hour_ago as f64 + 0.5})).is_ok());
    }

    #[test]
    fn google_answers_for_the_addresses_that_it_serves() {
        for (change, has_verified) in [
            (json!({}), false),
            (json!({"hd": "acme.test"}), true),
            (json!({"hd": "other.test"}), false),
            (json!({"email": "ann@gmail.com"}), true),
            (json!({"email": "ann@gmail.com", "email_verified": false}), false),
        ] {
            let token = checked_of(GOOGLE, change.clone()).unwrap();
            assert_eq!(token.has_verified_email, has_verified, "{change}");
        }
    }

    #[test]
    fn a_token_for_others_or_from_the_future_is_refused() {
        for audience in [json!("other"), json!(["shop", "other"]), json!([])] {
            assert_eq!(checked(json!({"aud": audience})).unwrap_err(), IdTokenError::OtherAudience);
        }
        assert_eq!(checked(json!({"azp": "other"})).unwrap_err(), IdTokenError::OtherAudience);
        let later = Utc::now().timestamp() + 120;
        for change in [
            json!({"iat": later}),
            json!({"auth_time": later}),
            json!({"exp": 1e300}),
            json!({"iat": -1}),
            json!({"sub": ""}),
            json!({"sub": "a\u{0}b"}),
            json!({"sub": "a".repeat(256)}),
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            json!({"scope": "openid"}),
            json!({"scp": "User.Read"}),
            json!({"typ": "Bearer"}),
            json!({"token_use": "access"}),
        ] {
            assert_eq!(checked(change.clone()).unwrap_err(), IdTokenError::Invalid, "{change}");
        }
    }
}
