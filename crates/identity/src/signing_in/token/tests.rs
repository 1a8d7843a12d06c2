//! Tokens as they are issued, and every forgery that is known.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::names::ids::UserId;
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
        signed_in_at: Some(Utc::now()),
        expires_at: Utc::now() + chrono::TimeDelta::seconds(seconds),
        refresh_token: RefreshToken::generate(),
        second_factor: SecondFactorState::Unneeded,
        beginning: crate::signing_in::session::Beginning::Here,
        delegation: None,
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
        let Holder::Person(principal) = issuer.verify(&token, Some(tenant)).unwrap().holder else {
            panic!("a person signed in")
        };
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
        ("acting as somebody".into(), with_claim("act", json!({"sub": UserId::new(), "ro": false}))),
        ("typ of an impersonation".into(), with_header("typ", json!("impersonation+jwt"))),
        ("unknown kind of subject".into(), with_claim("sub_profile", json!("robot"))),
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
