//! Access tokens: EdDSA-signed JWTs (RFC 9068), bound to one app of one business, and to one session.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use tenancy::TenantId;
use uuid::Uuid;

use crate::names::ids::{SessionId, UserId};
use crate::names::keys::AppSlug;
use crate::people::membership::MemberOf;
use crate::people::permission::Permission;
use crate::signing_in::login::SignedIn;
use crate::signing_in::session::Started;
use crate::{INVENTORY_APP, PLATFORM_APP, POS_APP};

/// The header's `typ` (RFC 9068): no other kind of JWT can be taken for an access token.
const TOKEN_TYPE: &str = "at+jwt";

/// The key that signs tokens: Ed25519, PKCS #8, in a PEM file.
pub struct SigningKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    public: Jwk,
    id: String,
}

/// The signing key cannot be used. The message says how to make one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is missing or cannot be read.
    #[error("cannot read the signing key {0}; create one with: openssl genpkey -algorithm ed25519 -out {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// The file contains another kind of key, or no key.
    #[error(
        "{0} does not contain an Ed25519 key in PKCS #8 PEM; create one with: \
         openssl genpkey -algorithm ed25519 -out {0}"
    )]
    Format(PathBuf, #[source] jsonwebtoken::errors::Error),
}

impl SigningKey {
    /// Reads the key from a PEM file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let pem = std::fs::read(path).map_err(|error| KeyError::Read(path.to_owned(), error))?;
        Self::from_pem(&pem).map_err(|error| KeyError::Format(path.to_owned(), error))
    }

    fn from_pem(pem: &[u8]) -> Result<Self, jsonwebtoken::errors::Error> {
        let encoding = EncodingKey::from_ed_pem(pem)?;
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA)?;
        let id = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_algorithm = Some(KeyAlgorithm::EdDSA);
        Ok(Self { decoding: DecodingKey::from_jwk(&public)?, encoding, public, id })
    }

    /// A new key as PEM text, for a file that only its owner can read.
    pub fn generate_pem() -> String {
        #[expect(clippy::expect_used, reason = "nothing may go on without random numbers")]
        let der = Ed25519KeyPair::generate()
            .and_then(|pair| {
                pair.as_der().map(|der: aws_lc_rs::encoding::Pkcs8V1Der<'_>| der.as_ref().to_vec())
            })
            .expect("the operating system gives random numbers");
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
    }
}

/// Issues and verifies the tokens of one installation.
pub struct TokenIssuer {
    key: SigningKey,
    issuer: String,
    lifetime: Duration,
    validation: Validation,
}

/// A signed token and its lifetime.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The signed JWT, which the client sends as a bearer token.
    pub token: String,
    /// The lifetime of the token, from the moment when it was issued.
    pub expires_in: Duration,
}

/// The person for whom a valid token was issued.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The id of the user.
    pub user: UserId,
    /// The session of the token.
    pub session: SessionId,
    /// The app and the business for which the token is valid.
    pub member_of: MemberOf,
    /// The version of the membership when the token was issued.
    pub membership_version: i32,
    /// The keys of the roles of the user when the token was issued.
    pub roles: Vec<String>,
    permissions: Vec<Permission>,
}

impl Principal {
    /// The permissions in the token, without those that this release does not know.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> + '_ {
        self.permissions.iter().copied()
    }

    /// Whether the token grants `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
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
    /// The session of the token has ended: its user signed out, or access was withdrawn.
    #[error("the session has ended; sign in again")]
    SessionEnded,
    /// The roles of the user were changed after the token was issued.
    #[error("the roles of the user have changed; refresh the session")]
    RolesChanged,
}

/// The apps whose tokens a host accepts. A permission belongs to one app; the roles of `pos` may contain some
/// of those of `inventory`.
fn accepts(tenant: Option<TenantId>, app: &str) -> bool {
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
}

/// The largest difference between the clocks of two servers.
const LEEWAY: Duration = Duration::from_secs(5);

impl TokenIssuer {
    /// `issuer` is the `iss` of every token: one URL for the whole installation.
    pub fn new(key: SigningKey, issuer: String, lifetime: Duration) -> Self {
        // The algorithm is fixed here and never taken from the token.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&issuer]);
        // The audience is checked after the signature: each host accepts the tokens of its apps.
        validation.validate_aud = false;
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        Self { key, issuer, lifetime, validation }
    }

    /// Issues a token for a user whose session was started or refreshed. The token does not outlive the
    /// session.
    pub fn issue(&self, signed_in: &SignedIn, started: &Started) -> AccessToken {
        let now = Utc::now().timestamp();
        let left = started.expires_at.timestamp().saturating_sub(now).try_into().unwrap_or_default();
        let expires_in = self.lifetime.min(Duration::from_secs(left));
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: signed_in.user,
            aud: signed_in.member_of.app().clone(),
            client_id: signed_in.member_of.app().clone(),
            exp: now.saturating_add_unsigned(expires_in.as_secs()),
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid: started.session,
            auth_time: started.signed_in_at.timestamp(),
            amr: vec!["pwd".to_owned()],
            tid: signed_in.member_of.tenant(),
            roles: signed_in.roles.clone(),
            scope: signed_in.permissions.join(" "),
            mv: signed_in.membership_version,
        };
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(self.key.id.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        #[expect(clippy::expect_used, reason = "a loaded Ed25519 key signs any claims")]
        let token = jsonwebtoken::encode(&header, &claims, &self.key.encoding).expect("the key signs");
        AccessToken { token, expires_in }
    }

    /// Verifies signature, type, issuer, audience and expiry, and that the token is for `tenant`; `None` is
    /// the platform. Does not check whether the session has ended; see
    /// [`Revocations`](crate::Revocations).
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, tenant: Option<TenantId>) -> Result<Principal, TokenError> {
        let decoded =
            jsonwebtoken::decode::<Claims>(token, &self.key.decoding, &self.validation).map_err(|error| {
                match error.kind() {
                    ErrorKind::ExpiredSignature => TokenError::Expired,
                    _ => TokenError::Invalid,
                }
            })?;
        let (header, claims) = (decoded.header, decoded.claims);
        let typed = header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE));
        // An extension that must be understood (RFC 7515 section 4.1.11): this program knows none.
        let is_known = header.crit.is_none() && header.kid.as_deref() == Some(self.key.id.as_str());
        let is_issued = claims.iat <= Utc::now().timestamp().saturating_add_unsigned(LEEWAY.as_secs());
        if !typed || !is_known || !is_issued {
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
            member_of: MemberOf::app_of(claims.aud, claims.tid),
            membership_version: claims.mv,
            roles: claims.roles,
            permissions: claims.scope.split(' ').filter_map(|key| key.parse().ok()).collect(),
        })
    }

    /// The public key as a JSON Web Key (RFC 7517), for programs that verify these tokens.
    pub fn public_key(&self) -> &Jwk {
        &self.key.public
    }

    /// The `iss` of every token: one URL for the whole installation.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing_in::refresh_token::RefreshToken;

    fn issuer_of(pem: &str, lifetime: u64) -> TokenIssuer {
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        TokenIssuer::new(key, "https://id.example".into(), Duration::from_secs(lifetime))
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

    fn business() -> TenantId {
        TenantId::new()
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

    /// A token with this header and these claims, signed by `pem`.
    fn forge(pem: &str, header: &Header, claims: &Claims) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_pem(pem.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_token_says_who_and_what() {
        let issuer = issuer_of(&SigningKey::generate_pem(), 600);
        let tenant = business();
        let who = signed_in(MemberOf::business(tenant));
        let principal = issuer.verify(&issuer.issue(&who, &session(9999)).token, Some(tenant)).unwrap();
        assert_eq!(principal.user, who.user);
        assert!(principal.may(Permission::CatalogueRead));
        assert!(!principal.may(Permission::CatalogueWrite));
    }

    #[test]
    fn a_token_is_good_for_one_business_alone() {
        let issuer = issuer_of(&SigningKey::generate_pem(), 600);
        let token = issuer.issue(&signed_in(MemberOf::business(business())), &session(9999)).token;
        assert_eq!(issuer.verify(&token, Some(business())).unwrap_err(), TokenError::WrongTenant);
        assert_eq!(issuer.verify(&token, None).unwrap_err(), TokenError::WrongTenant);
        let platform = issuer.issue(&signed_in(MemberOf::platform()), &session(9999)).token;
        assert_eq!(issuer.verify(&platform, Some(business())).unwrap_err(), TokenError::WrongTenant);
        assert!(issuer.verify(&platform, None).is_ok());
    }

    #[test]
    fn forged_and_foreign_tokens_are_refused() {
        let pem = SigningKey::generate_pem();
        let issuer = issuer_of(&pem, 600);
        let tenant = business();
        let good = issuer.issue(&signed_in(MemberOf::business(tenant)), &session(9999)).token;
        let decoded =
            jsonwebtoken::decode::<Claims>(&good, &issuer.key.decoding, &issuer.validation).unwrap();
        let (header, claims) = (decoded.header, decoded.claims);
        let with = |change: &dyn Fn(&mut Claims)| {
            let mut claims: Claims =
                jsonwebtoken::decode(&good, &issuer.key.decoding, &issuer.validation).unwrap().claims;
            change(&mut claims);
            forge(&pem, &header, &claims)
        };
        let invalid = [
            "".to_owned(),
            "abc".to_owned(),
            "a.b.c".to_owned(),
            good[..good.len() - 2].to_owned(),
            forge(&SigningKey::generate_pem(), &header, &claims),
            forge(&pem, &Header { typ: Some("JWT".into()), ..header.clone() }, &claims),
            forge(&pem, &Header { typ: None, ..header.clone() }, &claims),
            forge(&pem, &Header { kid: None, ..header.clone() }, &claims),
            with(&|claims| claims.iss = "https://other.example".into()),
            with(&|claims| claims.iat += 60),
            with(&|claims| claims.nbf = Some(claims.iat + 60)),
            forge(&pem, &Header { crit: Some(vec!["b64".into()]), ..header.clone() }, &claims),
            forge(&pem, &Header { crit: Some(Vec::new()), ..header.clone() }, &claims),
            // `alg: none`, and the public key used as an HMAC secret.
            format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", good.split('.').nth(1).unwrap()),
            jsonwebtoken::encode(
                &Header {
                    typ: Some(TOKEN_TYPE.into()),
                    kid: header.kid.clone(),
                    ..Header::new(Algorithm::HS256)
                },
                &claims,
                &EncodingKey::from_secret(b"public key"),
            )
            .unwrap(),
        ];
        for token in invalid {
            assert_eq!(issuer.verify(&token, Some(tenant)).unwrap_err(), TokenError::Invalid, "{token}");
        }
        for app in [PLATFORM_APP, "payroll"] {
            let other = with(&|claims| claims.aud = AppSlug::parse(app).unwrap());
            assert_eq!(issuer.verify(&other, Some(tenant)).unwrap_err(), TokenError::WrongApp, "{app}");
        }
        let at_the_till = with(&|claims| claims.aud = AppSlug::parse(POS_APP).unwrap());
        assert!(issuer.verify(&at_the_till, Some(tenant)).is_ok());
        let of_nobody = with(&|claims| claims.tid = None);
        assert_eq!(issuer.verify(&of_nobody, Some(tenant)).unwrap_err(), TokenError::WrongTenant);
        assert_eq!(issuer.verify(&of_nobody, None).unwrap_err(), TokenError::WrongApp);
        let old = with(&|claims| claims.exp = claims.iat - 60);
        assert_eq!(issuer.verify(&old, Some(tenant)).unwrap_err(), TokenError::Expired);
    }

    #[test]
    fn a_token_does_not_outlive_its_session() {
        let issuer = issuer_of(&SigningKey::generate_pem(), 600);
        let who = signed_in(MemberOf::platform());
        assert_eq!(issuer.issue(&who, &session(9999)).expires_in, Duration::from_secs(600));
        assert!(issuer.issue(&who, &session(60)).expires_in <= Duration::from_secs(60));
        assert_eq!(issuer.issue(&who, &session(-60)).expires_in, Duration::ZERO);
    }
}
