//! Signing in with the ID token of an issuer elsewhere.

use harness::browser::{Browser, authorize, claims_of};
use harness::{
    AUDIENCE, Business, Client, PASSWORD, Program, Reply, TestApp, TestIssuer, free_port, join_all,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::second_factor::{digits, enrol};

pub const EMAIL: &str = "owner@acme.test";

/// A server that accepts the ID tokens of an issuer. `more` are further settings of the issuer.
pub async fn with_issuer(more: &str) -> (TestApp, TestIssuer) {
    let issuer = TestIssuer::start().await;
    (TestApp::start_with(&issuer.settings(more)).await, issuer)
}

pub async fn sign_in(client: &Client<'_>, token: &str) -> Reply {
    client.post("/api/v1/auth/external", &json!({"issuer": "elsewhere", "idToken": token})).await
}

pub async fn link(client: &Client<'_>, token: &str) -> Reply {
    link_with(client, token, json!({"currentPassword": PASSWORD})).await
}

pub async fn link_with(client: &Client<'_>, token: &str, proof: Value) -> Reply {
    let mut body = json!({"issuer": "elsewhere", "idToken": token});
    body.as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
    client.post("/api/v1/auth/external-identities", &body).await
}

pub async fn linked(member: &Business<'_>, issuer: &TestIssuer, subject: &str) -> String {
    let reply = link(member, &issuer.token(subject, "ann@elsewhere.test")).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_installation_signs_people_in() {
    let port = free_port();
    let name = format!("http://id.localhost:{port}");
    let elsewhere = TestApp::start_with(&format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[identity]\nissuer = \"{name}\""
    ))
    .await;
    const BACK: &str = "https://shop.example.com/callback";
    elsewhere.tenant("bank").await;
    let client = json!({"id": AUDIENCE, "app": "inventory", "name": "Shop", "redirectUris": [BACK],
                        "isPublic": true});
    let made = elsewhere.staff("super_admin").await.post("/api/v1/platform/clients", &client).await;
    assert_eq!(made.status, 201, "{made:?}");
    let browser = Browser::new(&elsewhere);
    let tokens = async || {
        let left = browser.enter(&authorize(AUDIENCE, BACK, &[]), "owner@bank.test").await;
        elsewhere.redeem(AUDIENCE, BACK, &left.parameter("code")).await
    };
    let app = TestApp::start_with(&format!(
        "[identity.external_issuers.elsewhere]\nissuer = \"{name}\"\nlabel = \"Bank\"\n\
         audiences = [\"{AUDIENCE}\"]"
    ))
    .await;
    let acme = app.tenant("acme").await;
    let stranger = app.stranger("acme.localhost");
    let listed = stranger.get("/api/v1/auth/external-issuers").await.body;
    assert_eq!(listed["data"], json!([{"name": "elsewhere", "label": "Bank", "issuer": name}]));

    let first = tokens().await;
    let refused = sign_in(&stranger, &first.text("id_token")).await;
    assert_eq!((refused.status, refused.code()), (401, "identity_unknown"), "{refused:?}");
    let access = sign_in(&stranger, &first.text("access_token")).await;
    assert_eq!((access.status, access.code()), (401, "id_token_invalid"), "{access:?}");
    assert_eq!(link(&acme, &first.text("id_token")).await.status, 201);
    let second = tokens().await.text("id_token");
    let entered = sign_in(&stranger, &second).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    assert_eq!(entered.body["user"]["email"], EMAIL);
    // Signed by a key that the issuer made after its keys were read, but before the next one signs.
    let rotate = Program::beside(&elsewhere).run(&["keys", "rotate"]);
    assert!(rotate.code == Some(0), "{rotate:?}");
    assert_eq!(sign_in(&stranger, &tokens().await.text("id_token")).await.status, 200);
}

#[tokio::test]
async fn forged_id_tokens_sign_nobody_in() {
    let (app, issuer) = with_issuer("link_by_email = true").await;
    let acme = app.tenant("acme").await;
    linked(&acme, &issuer, "ann").await;
    let stranger = app.stranger("acme.localhost");
    let now = chrono::Utc::now().timestamp();
    let header = issuer.header();
    let changed = |name: &str, value: Value| {
        let mut claims = issuer.claims("ann", EMAIL);
        claims[name] = value;
        issuer.sign(&header, &claims)
    };
    let without = |name: &str| {
        let mut claims = issuer.claims("ann", EMAIL);
        claims.as_object_mut().unwrap().remove(name);
        issuer.sign(&header, &claims)
    };
    let by_secret = |header: &Header, secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(header, &issuer.claims("ann", EMAIL), &key).unwrap()
    };
    let public = Header { kid: Some("one".into()), ..Header::default() };
    let valid = issuer.token("ann", EMAIL);
    let (signed, signature) = valid.rsplit_once('.').unwrap();
    let other_issuer = TestIssuer::start().await;
    let as_other = |claims: &Value| other_issuer.sign(&header, claims);
    let forged = [
        ("of another key", as_other(&issuer.claims("ann", EMAIL))),
        ("without a signature", format!("{signed}.")),
        ("cut off", signed.to_owned()),
        ("with a changed signature", {
            let first = if signature.starts_with('A') { 'B' } else { 'A' };
            format!("{signed}.{first}{}", &signature[1..])
        }),
        ("with the claims of another", {
            let other = issuer.token("other", EMAIL);
            format!("{}.{signature}", other.rsplit_once('.').unwrap().0)
        }),
        ("with a secret", by_secret(&Header { kid: Some("one".into()), ..Header::default() }, b"secret")),
        ("with the public key as a secret", by_secret(&public, issuer.public_key().as_bytes())),
        ("of an unknown key", {
            let unknown = Header { kid: Some("x".into()), ..header.clone() };
            issuer.sign(&unknown, &issuer.claims("ann", EMAIL))
        }),
        ("an access token", {
            let typed = Header { typ: Some("at+jwt".into()), ..header.clone() };
            issuer.sign(&typed, &issuer.claims("ann", EMAIL))
        }),
        (
            "a logout token",
            changed("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
        ),
        ("with a critical extension", {
            let critical = Header { crit: Some(vec!["exp".into()]), ..header.clone() };
            issuer.sign(&critical, &issuer.claims("ann", EMAIL))
        }),
        ("with another algorithm", {
            let other = Header { kid: header.kid.clone(), ..Header::new(Algorithm::RS384) };
            issuer.sign(&other, &issuer.claims("ann", EMAIL))
        }),
        ("of another issuer", changed("iss", json!(other_issuer.issuer))),
        ("of an issuer with a slash", changed("iss", json!(format!("{}/", issuer.issuer)))),
        ("for another program", changed("aud", json!("other"))),
        ("for another program, too", changed("aud", json!([AUDIENCE, "other"]))),
        ("got by another program", changed("azp", json!("other"))),
        ("for nobody", changed("aud", json!([]))),
        ("expired", changed("exp", json!(now - 61))),
        ("not valid yet", changed("nbf", json!(now + 120))),
        ("from the future", changed("iat", json!(now + 120))),
        ("without an end", without("exp")),
        ("without a beginning", without("iat")),
        ("without an issuer", without("iss")),
        ("without an audience", without("aud")),
        ("of nobody", without("sub")),
        ("of an empty name", changed("sub", json!(""))),
        ("of a number", changed("sub", json!(5))),
        ("of a name with a NUL", changed("sub", json!("ann\u{0}"))),
        ("no token", "nonsense".into()),
        ("empty", String::new()),
        ("of dots", "..".into()),
        ("too long", "e".repeat(20_000)),
    ];
    for (which, token) in &forged {
        let reply = sign_in(&stranger, token).await;
        assert_eq!((reply.status, reply.code()), (401, "id_token_invalid"), "{which}: {reply:?}");
        let reply = link(&acme, token).await;
        assert_eq!((reply.status, &reply.body["errors"][0]["pointer"]), (422, &json!("/idToken")), "{which}");
    }
    for issuer in ["other", "Elsewhere", ""] {
        let body = json!({"issuer": issuer, "idToken": valid});
        let reply = stranger.post("/api/v1/auth/external", &body).await;
        assert!([400, 422].contains(&reply.status), "{issuer}: {reply:?}");
    }
    // They cost no query, and are in no log.
    let events = "SELECT count(*) FROM shared.auth_events WHERE failure IS NOT NULL";
    let counted: i64 = app.database.as_owner().await.query_one(events, &[]).await.unwrap().get(0);
    assert_eq!(counted, 0);
    assert_eq!(sign_in(&stranger, &valid).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_token_is_good_once() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    linked(&acme, &issuer, "ann").await;
    let (stranger, token) = (app.stranger("acme.localhost"), issuer.token("ann", EMAIL));
    // At once, in other places, and to link it.
    let replies = join_all((0..12).map(|_| sign_in(&stranger, &token)).collect()).await;
    let entered = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(entered, 1, "{replies:?}");
    assert!(replies.iter().all(|reply| [200, 401, 429].contains(&reply.status)), "{replies:?}");
    let used = replies.iter().filter(|reply| reply.code() == "id_token_used").count();
    assert!(used > 0, "{replies:?}");
    let again = link(&acme, &token).await;
    assert_eq!((again.status, &again.body["errors"][0]["pointer"]), (422, &json!("/idToken")), "{again:?}");
    // Expired ones are forgotten.
    let owner = app.database.as_owner().await;
    let kept = async || -> i64 {
        owner.query_one("SELECT count(*) FROM shared.used_id_tokens", &[]).await.unwrap().get(0)
    };
    assert_eq!(kept().await, 2);
    owner.execute("UPDATE shared.used_id_tokens SET expires_at = now() - interval '1 s'", &[]).await.unwrap();
    let pruned = app.onboarding().owner_database();
    pruned.write_shared(async |tx| identity::external_identity::prune(tx).await).await.unwrap();
    assert_eq!(kept().await, 0);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_here() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    linked(&acme, &issuer, "ann").await;
    let (secret, _) = enrol(&acme).await;
    let refused = link(&acme, &issuer.token("ann2", EMAIL)).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["pointer"]),
        (422, &json!("/code")),
        "{refused:?}"
    );
    let (stranger, token) = (app.stranger("acme.localhost"), issuer.token("ann", EMAIL));
    let with = |code: Option<&str>| json!({"issuer": "elsewhere", "idToken": token, "code": code});
    let missing = stranger.post("/api/v1/auth/external", &with(None)).await;
    assert_eq!((missing.status, missing.code()), (401, "second_factor_required"), "{missing:?}");
    let wrong = stranger.post("/api/v1/auth/external", &with(Some("000000"))).await;
    assert_eq!((wrong.status, wrong.code()), (401, "second_factor_wrong"), "{wrong:?}");
    let right = stranger.post("/api/v1/auth/external", &with(Some(&digits(&secret, 0)))).await;
    assert_eq!(right.status, 200, "{right:?}");
    let access = claims_of(right.body["accessToken"].as_str().unwrap());
    assert_eq!((&access["acr"], &access["amr"]), (&json!("given"), &json!(["otp", "mfa"])), "{access}");
}

#[tokio::test]
async fn an_issuer_that_does_not_say_when_proves_nothing_recent() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    linked(&acme, &issuer, "ann").await;
    let mut claims = issuer.claims("ann", EMAIL);
    claims.as_object_mut().unwrap().remove("auth_time");
    let stranger = app.stranger("acme.localhost");
    let entered = sign_in(&stranger, &issuer.sign(&issuer.header(), &claims)).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    let member = stranger.with_token(entered.body["accessToken"].as_str());
    assert_eq!(member.get("/api/v1/products").await.status, 200);
    let refused = member.get("/api/v1/auth/export").await;
    assert_eq!((refused.status, refused.code()), (401, "step_up_required"), "{refused:?}");
}

#[tokio::test]
async fn keys_are_read_seldom_and_again_for_a_new_one() {
    let (app, mut issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    linked(&acme, &issuer, "ann").await;
    let stranger = app.stranger("acme.localhost");
    for _ in 0..5 {
        assert_eq!(sign_in(&stranger, &issuer.token("ann", EMAIL)).await.status, 200);
    }
    assert_eq!(issuer.asked(), 1);
    issuer.rotate("two");
    let token = issuer.token("ann", EMAIL);
    harness::until("the new key is read", async || sign_in(&stranger, &token).await.status == 200).await;
    assert_eq!(issuer.asked(), 2, "asked once for all those tries");
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_no_wrong_token() {
    let port = free_port();
    let app = TestApp::start_with(&format!(
        "[identity.external_issuers.elsewhere]\nissuer = \"http://127.0.0.1:{port}\"\nlabel = \"Gone\"\n\
         audiences = [\"{AUDIENCE}\"]"
    ))
    .await;
    app.tenant("acme").await;
    let issuer = TestIssuer::start().await;
    let reply = sign_in(&app.stranger("acme.localhost"), &issuer.token("ann", EMAIL)).await;
    assert_eq!((reply.status, reply.code()), (503, "unavailable"), "{reply:?}");
    assert_eq!(reply.header("retry-after"), "5");
}
