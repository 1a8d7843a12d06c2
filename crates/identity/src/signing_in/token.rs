//! Access tokens: EdDSA-signed JWTs (RFC 9068), bound to one app of one business, and to one session.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use tenancy::TenantId;
use uuid::Uuid;

use crate::names::ids::{SessionId, UserId};
use crate::names::keys::AppSlug;
use crate::people::membership::MemberOf;
use crate::signing_in::impersonation::{Impersonated, MOST_MINUTES};
use crate::signing_in::key_ring::KeyRing;
use crate::signing_in::login::SignedIn;
use crate::signing_in::principal::{Impersonator, Principal};
use crate::signing_in::session::Started;
use crate::signing_in::signing_key::SigningKey;
use crate::{INVENTORY_APP, PLATFORM_APP, POS_APP};

/// The header's `typ` (RFC 9068): no other kind of JWT can be taken for an access token.
const TOKEN_TYPE: &str = "at+jwt";

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

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    aud: AppSlug,
    /// The program that signed the user in (RFC 9068 section 2.2): the app itself.
    client_id: AppSlug,
    exp: i64,
    iat: i64,
    /// The moment from which the token is valid. This program issues none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    nbf: Option<i64>,
    jti: Uuid,
    /// The session.
    sid: SessionId,
    /// The moment at which the user proved who they are.
    auth_time: i64,
    amr: Vec<String>,
    /// The business. A token of the platform's own app has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<TenantId>,
    roles: Vec<String>,
    /// Permission keys, separated by spaces (RFC 9068 section 2.2.3).
    scope: String,
    /// The membership's version.
    mv: i32,
    /// Who acts as the user, if it is not the user (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    act: Option<Impersonator>,
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
        self.sign(signed_in, started.session, times, self.lifetime, None)
    }

    /// Issues the token of an impersonation, which is valid until the end of it: there is no refresh.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] while this server has no key.
    pub fn issue_to_staff(&self, granted: &Impersonated) -> Result<AccessToken, TokenError> {
        let times = (granted.started_at, granted.expires_at);
        let actor = Impersonator { staff: granted.staff, is_read_only: granted.is_read_only };
        self.sign(&granted.member, granted.session, times, LONGEST_OF_STAFF, Some(actor))
    }

    fn sign(
        &self,
        signed_in: &SignedIn,
        session: SessionId,
        (signed_in_at, expires_at): (DateTime<Utc>, DateTime<Utc>),
        longest: Duration,
        act: Option<Impersonator>,
    ) -> Result<AccessToken, TokenError> {
        let key = self.ring.keys().active.clone().ok_or(TokenError::NoKey)?;
        let now = Utc::now().timestamp();
        let left = expires_at.timestamp().saturating_sub(now).try_into().unwrap_or_default();
        let expires_in = longest.min(Duration::from_secs(left));
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: signed_in.user,
            aud: signed_in.member_of.app().clone(),
            client_id: signed_in.member_of.app().clone(),
            exp: now.saturating_add_unsigned(expires_in.as_secs()),
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid: session,
            auth_time: signed_in_at.timestamp(),
            amr: vec!["pwd".to_owned()],
            tid: signed_in.member_of.tenant(),
            roles: signed_in.roles.clone(),
            scope: signed_in.permissions.join(" "),
            mv: signed_in.membership_version,
            act,
        };
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(key.id.clone()),
            ..Header::new(key.algorithm.in_tokens())
        };
        #[expect(clippy::expect_used, reason = "a loaded key signs any claims")]
        let token = jsonwebtoken::encode(&header, &claims, &key.encoding).expect("the key signs");
        Ok(AccessToken { token, expires_in })
    }

    /// Verifies signature, type, issuer, audience and expiry, and that the token is for `tenant`; `None` is
    /// the platform. Does not check whether the session has ended; see
    /// [`Revocations`](crate::Revocations).
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, tenant: Option<TenantId>) -> Result<Principal, TokenError> {
        let keys = self.ring.keys();
        if keys.active.is_none() {
            return Err(TokenError::NoKey);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let key = header.kid.as_ref().and_then(|id| keys.by_id.get(id)).ok_or(TokenError::Invalid)?;
        let typed = header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE));
        // An extension that must be understood (RFC 7515 section 4.1.11): this program knows none.
        if !typed || header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation(key));
        let claims = decoded
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?
            .claims;
        if claims.iat > Utc::now().timestamp().saturating_add_unsigned(LEEWAY.as_secs()) {
            return Err(TokenError::Invalid);
        }
        if claims.tid != tenant {
            return Err(TokenError::WrongTenant);
        }
        if !accepts(tenant, claims.aud.as_str()) {
            return Err(TokenError::WrongApp);
        }
        Ok(Principal {
            user: claims.sub,
            session: claims.sid,
            key: key.clone(),
            member_of: MemberOf::app_of(claims.aud, claims.tid),
            membership_version: claims.mv,
            roles: claims.roles,
            impersonator: claims.act,
            permissions: claims.scope.split(' ').filter_map(|key| key.parse().ok()).collect(),
        })
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
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use jsonwebtoken::{Algorithm, EncodingKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::people::permission::Permission;
    use crate::signing_in::refresh_token::RefreshToken;
    use crate::signing_in::signing_key::SigningAlgorithm;

    fn issuer_of(algorithm: SigningAlgorithm, lifetime: u64) -> TokenIssuer {
        let ring = KeyRing::of(SigningKey::generate(algorithm));
        TokenIssuer::new(Arc::new(ring), "https://id.example".into(), Duration::from_secs(lifetime))
    }

    fn issuer() -> TokenIssuer {
        issuer_of(SigningAlgorithm::EdDsa, 600)
    }

    fn signed_in(member_of: MemberOf) -> SignedIn {
        SignedIn {
            user: UserId::new(),
            email: values::Email::parse("ann@example.com").ok(),
            username: None,
            full_name: None,
            member_of,
            membership_version: 1,
            roles: vec!["STAFF".into()],
            permissions: vec!["catalogue.read".into(), "from.a.later.version".into()],
        }
    }

    /// A session that ends in so many seconds.
    fn session(seconds: i64) -> Started {
        Started {
            session: SessionId::new(),
            signed_in_at: Utc::now(),
            expires_at: Utc::now() + chrono::TimeDelta::seconds(seconds),
            refresh_token: RefreshToken::generate(),
        }
    }

    fn token_of(issuer: &TokenIssuer, member_of: MemberOf) -> String {
        issuer.issue(&signed_in(member_of), &session(9999)).unwrap().token
    }

    #[test]
    fn a_token_says_who_and_what() {
        for algorithm in SigningAlgorithm::ALL {
            let issuer = issuer_of(*algorithm, 600);
            let (tenant, started) = (TenantId::new(), session(9999));
            let who = signed_in(MemberOf::business(tenant));
            let token = issuer.issue(&who, &started).unwrap().token;
            let principal = issuer.verify(&token, Some(tenant)).unwrap();
            assert_eq!((principal.user, principal.session), (who.user, started.session));
            assert!(principal.may(Permission::CatalogueRead));
            assert!(!principal.may(Permission::CatalogueWrite));
        }
    }

    #[test]
    fn a_token_is_good_for_one_business_alone() {
        let issuer = issuer();
        let token = token_of(&issuer, MemberOf::business(TenantId::new()));
        let refused = |token: &str, tenant| issuer.verify(token, tenant).err();
        assert_eq!(refused(&token, Some(TenantId::new())), Some(TokenError::WrongTenant));
        assert_eq!(refused(&token, None), Some(TokenError::WrongTenant));
        let platform = token_of(&issuer, MemberOf::platform());
        assert_eq!(refused(&platform, Some(TenantId::new())), Some(TokenError::WrongTenant));
        assert!(issuer.verify(&platform, None).is_ok());
    }

    /// The header and the claims of a token.
    fn parts(token: &str) -> (Value, Value) {
        let part = |n: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        (part(0), part(1))
    }

    /// Signs any header and claims, also those that the library would not write.
    fn sign(key: &SigningKey, header: &Value, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(&header.to_string()), encode(claims));
        let algorithm = key.algorithm.in_tokens();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    #[test]
    fn every_known_forgery_is_refused() {
        for algorithm in SigningAlgorithm::ALL {
            refuse_forgeries(*algorithm);
        }
    }

    fn refuse_forgeries(algorithm: SigningAlgorithm) {
        let issuer = issuer_of(algorithm, 600);
        let key = issuer.ring.keys().active.clone().unwrap();
        let tenant = TenantId::new();
        let good = token_of(&issuer, MemberOf::business(tenant));
        let (header, claims) = parts(&good);
        assert_eq!(issuer.verify(&sign(&key, &header, &claims.to_string()), Some(tenant)).err(), None);
        let [first, second, third]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();

        let other = SigningKey::generate(algorithm);
        let other_kind = SigningKey::generate(match algorithm {
            SigningAlgorithm::EdDsa => SigningAlgorithm::Es256,
            SigningAlgorithm::Es256 => SigningAlgorithm::EdDsa,
        });
        let with_header = |name: &str, value: Value| {
            let mut header = header.clone();
            header[name] = value;
            sign(&key, &header, &claims.to_string())
        };
        let with_claim = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            sign(&key, &header, &claims.to_string())
        };
        let without = |name: &str| {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().remove(name);
            sign(&key, &header, &claims.to_string())
        };
        let by_other = |key: &SigningKey| sign(key, &header, &claims.to_string());
        let unsigned = |header: Value| format!("{}.{second}.", URL_SAFE_NO_PAD.encode(header.to_string()));
        let now = claims["iat"].as_i64().unwrap();
        let public = json!(key.public);
        let hmac = |secret: &[u8], algorithm: Algorithm| {
            let header =
                Header { typ: Some(TOKEN_TYPE.into()), kid: Some(key.id.clone()), ..Header::new(algorithm) };
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        let mut forged: Vec<(String, String)> = vec![
            ("nothing".into(), String::new()),
            ("one part".into(), "abc".into()),
            ("no base64".into(), "a.b.c".into()),
            ("cut".into(), good[..good.len() - 2].to_owned()),
            ("no signature".into(), format!("{first}.{second}.")),
            ("two parts".into(), format!("{first}.{second}")),
            ("four parts".into(), format!("{good}.x")),
            ("five parts, as if encrypted".into(), format!("{good}.x.y")),
            ("padded".into(), format!("{first}.{second}.{third}==")),
            ("with spaces".into(), format!("{first}. {second}.{third}")),
            ("signature of zeros".into(), format!("{first}.{second}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
            ("plain base64".into(), format!("{first}.{second}.{}", STANDARD.encode([0xff; 64]))),
            ("another key".into(), by_other(&other)),
            ("another kind of key".into(), by_other(&other_kind)),
            ("alg none".into(), unsigned(json!({"alg": "none", "typ": TOKEN_TYPE, "kid": key.id}))),
            ("alg None".into(), unsigned(json!({"alg": "None", "typ": TOKEN_TYPE, "kid": key.id}))),
            ("public key as HMAC secret".into(), hmac(public.to_string().as_bytes(), Algorithm::HS256)),
            ("x as HMAC secret".into(), hmac(public["x"].as_str().unwrap().as_bytes(), Algorithm::HS512)),
            ("empty HMAC secret".into(), hmac(b"", Algorithm::HS256)),
            ("no kid".into(), with_header("kid", Value::Null)),
            ("unknown kid".into(), with_header("kid", json!(other.id))),
            ("kid with a path".into(), with_header("kid", json!("../../dev/null"))),
            ("kid with SQL".into(), with_header("kid", json!("' OR 1=1 --"))),
            ("typ JWT".into(), with_header("typ", json!("JWT"))),
            ("typ of an id token".into(), with_header("typ", json!("id+jwt"))),
            ("no typ".into(), with_header("typ", Value::Null)),
            ("critical extension".into(), with_header("crit", json!(["b64"]))),
            ("empty crit".into(), with_header("crit", json!([]))),
            ("other issuer".into(), with_claim("iss", json!("https://other.example"))),
            ("longer issuer".into(), with_claim("iss", json!("https://id.example.evil.test"))),
            ("issuer with a slash".into(), with_claim("iss", json!("https://id.example/"))),
            ("list of audiences".into(), with_claim("aud", json!(["inventory", "payroll"]))),
            ("not yet valid".into(), with_claim("nbf", json!(now + 60))),
            ("issued in the future".into(), with_claim("iat", json!(now + 60))),
            ("exp as text".into(), with_claim("exp", json!("9999999999"))),
            ("exp as a fraction".into(), with_claim("exp", json!(1e300))),
            ("sub that is no id".into(), with_claim("sub", json!("admin"))),
            ("tid that is no id".into(), with_claim("tid", json!("*"))),
            ("claims that are a list".into(), sign(&key, &header, "[]")),
            ("no JSON".into(), sign(&key, &header, "hello")),
            ("claim named twice".into(), {
                let twice = claims.to_string().replacen('{', &format!("{{\"sub\":\"{}\",", UserId::new()), 1);
                sign(&key, &header, &twice)
            }),
        ];
        // The key, or the place of the key, in the header itself.
        for name in ["jwk", "x5c", "jku", "x5u"] {
            let mut own = header.clone();
            own[name] = if name == "jwk" { json!(other.public) } else { json!("https://evil.test/key") };
            forged.push((format!("{name} of another key"), sign(&other, &own, &claims.to_string())));
        }
        for algorithm in ["RS256", "PS256", "ES384", "HS256", "EdDSA", "ES256", "ES256K", "eddsa"] {
            if json!(algorithm) != header["alg"] {
                forged.push((format!("alg {algorithm}"), with_header("alg", json!(algorithm))));
            }
        }
        for name in ["iss", "sub", "aud", "exp", "iat", "sid", "jti", "scope", "roles", "mv", "client_id"] {
            forged.push((format!("without {name}"), without(name)));
        }
        for (forgery, token) in forged {
            let refused = issuer.verify(&token, Some(tenant)).err();
            assert_eq!(refused, Some(TokenError::Invalid), "{algorithm} {forgery}: {token}");
        }

        let refused = |token: &str, tenant| issuer.verify(token, tenant).err();
        let old = with_claim("exp", json!(now - 60));
        assert_eq!(refused(&old, Some(tenant)), Some(TokenError::Expired));
        for app in [PLATFORM_APP, "payroll"] {
            let other = with_claim("aud", json!(app));
            assert_eq!(refused(&other, Some(tenant)), Some(TokenError::WrongApp), "{app}");
        }
        assert_eq!(refused(&with_claim("aud", json!(POS_APP)), Some(tenant)), None);
        let of_nobody = without("tid");
        assert_eq!(refused(&of_nobody, Some(tenant)), Some(TokenError::WrongTenant));
        assert_eq!(refused(&of_nobody, None), Some(TokenError::WrongApp));
    }

    #[test]
    fn a_token_does_not_outlive_its_session() {
        let issuer = issuer();
        let who = signed_in(MemberOf::platform());
        let lifetime = |seconds| issuer.issue(&who, &session(seconds)).unwrap().expires_in;
        assert_eq!(lifetime(9999), Duration::from_secs(600));
        assert!(lifetime(60) <= Duration::from_secs(60));
        assert_eq!(lifetime(-60), Duration::ZERO);
    }
}
