//! Signing in with the ID token of an issuer elsewhere.

use harness::browser::{Browser, authorize, claims_of};
use harness::{
    AUDIENCE, Business, Client, Mailbox, PASSWORD, Program, Reply, TestApp, TestIssuer, free_port, join_all,
    token_in,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::second_factor::{digits, enrol};

const EMAIL: &str = "owner@acme.test";

/// A server that accepts the ID tokens of an issuer. `more` are further settings of the issuer.
async fn with_issuer(more: &str) -> (TestApp, TestIssuer) {
    let issuer = TestIssuer::start().await;
    (TestApp::start_with(&issuer.settings(more)).await, issuer)
}

async fn sign_in(client: &Client<'_>, token: &str) -> Reply {
    client.post("/api/v1/auth/external", &json!({"issuer": "elsewhere", "idToken": token})).await
}

async fn link(client: &Client<'_>, token: &str) -> Reply {
    link_with(client, token, json!({"currentPassword": PASSWORD})).await
}

async fn link_with(client: &Client<'_>, token: &str, proof: Value) -> Reply {
    let mut body = json!({"issuer": "elsewhere", "idToken": token});
    body.as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
    client.post("/api/v1/auth/external-identities", &body).await
}

async fn linked(member: &Business<'_>, issuer: &TestIssuer, subject: &str) -> String {
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
async fn an_identity_is_linked_used_and_unlinked() {
    let issuer = TestIssuer::start().await;
    let mailbox = Mailbox::new();
    let app = TestApp::start_with(&format!("{}{}", mailbox.settings(), issuer.settings(""))).await;
    let acme = app.tenant("acme").await;
    mailbox.read(&app).await;
    let stranger = app.stranger("acme.localhost");
    let id = linked(&acme, &issuer, "ann").await;
    let mail = mailbox.read(&app).await.concat();
    assert!(mail.contains("linked to an account at Elsewhere"), "{mail}");

    let mut claims = issuer.claims("ann", "ann@new.test");
    claims["auth_time"] = json!(chrono::Utc::now().timestamp() - 3600);
    let token = issuer.sign(&issuer.header(), &claims);
    let entered = sign_in(&stranger, &token).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    let member = stranger.with_token(entered.body["accessToken"].as_str());
    let access = claims_of(entered.body["accessToken"].as_str().unwrap());
    assert_eq!((&access["auth_time"], access.get("amr")), (&claims["auth_time"], None), "{access}");
    // The person proved who they are an hour ago.
    let refused = member.get("/api/v1/auth/export").await;
    assert_eq!((refused.status, refused.code()), (401, "step_up_required"), "{refused:?}");
    let step_up = json!({"currentPassword": PASSWORD});
    assert_eq!(member.post("/api/v1/auth/step-up", &step_up).await.status, 204);
    let token_of_refresh = json!({"refreshToken": entered.body["refreshToken"]});
    let refreshed = stranger.post("/api/v1/auth/refresh", &token_of_refresh).await;
    let member = stranger.with_token(refreshed.body["accessToken"].as_str());
    assert_eq!(member.get("/api/v1/auth/export").await.status, 200);
    // A session alone links nothing.
    let another = issuer.token("another", "x@y.test");
    for (proof, pointer) in
        [(json!({}), "/currentPassword"), (json!({"currentPassword": "x"}), "/currentPassword")]
    {
        let refused = link_with(&member, &another, proof).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{refused:?}"
        );
    }
    assert_eq!(link(&member, &another).await.status, 201);

    let listed = acme.get("/api/v1/auth/external-identities").await.body["data"].clone();
    assert_eq!(listed[0]["subject"], "another");
    assert_eq!(
        (&listed[1]["id"], &listed[1]["email"], &listed[1]["issuerLabel"]),
        (&json!(id), &json!("ann@new.test"), &json!("Elsewhere"))
    );
    assert!(listed[1]["lastUsedAt"].is_string() && listed[0]["lastUsedAt"].is_null(), "{listed}");
    let exported = acme.get("/api/v1/auth/export").await.body;
    assert_eq!(exported["externalIdentities"].as_array().unwrap().len(), 2, "{exported}");

    // Nobody else unlinks it.
    let path = format!("/api/v1/auth/external-identities/{id}");
    let other = app.member_of(&acme.tenant, "STAFF").await;
    assert_eq!(other.delete(&path).await.status, 404);
    mailbox.read(&app).await;
    assert_eq!(acme.delete(&path).await.status, 204);
    assert_eq!(acme.delete(&path).await.status, 404);
    let mail = mailbox.read(&app).await.concat();
    assert!(mail.contains("no longer linked to an account at Elsewhere"), "{mail}");
    // The sessions that began with it have ended, and no other.
    assert_eq!(member.until(401).await.code(), "session_ended");
    assert_eq!(acme.get("/api/v1/auth/me").await.status, 200);
    let refused = sign_in(&stranger, &issuer.token("ann", "ann@new.test")).await;
    assert_eq!((refused.status, refused.code()), (401, "identity_unknown"), "{refused:?}");

    // It may be linked again: to this account, or to another.
    linked(&other, &issuer, "ann").await;
    let taken = link(&acme, &issuer.token("ann", "ann@new.test")).await;
    assert_eq!((taken.status, taken.code()), (409, "identity_taken"), "{taken:?}");
    let events = acme.get("/api/v1/auth/events").await.body["data"].clone();
    let count =
        |action: &str| events.as_array().unwrap().iter().filter(|event| event["action"] == action).count();
    assert_eq!((count("identity.linked"), count("identity.unlinked")), (2, 1), "{events}");
    let ended = events.as_array().unwrap().iter().find(|event| event["action"] == "session.ended").unwrap();
    assert_eq!(ended["details"], json!({"reason": "identity_unlinked"}), "{events}");
}

#[tokio::test]
async fn the_operator_sees_and_unlinks_identities() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let (one, other) = (linked(&acme, &issuer, "ann").await, linked(&acme, &issuer, "ann2").await);
    let staff = app.staff("super_admin").await;
    let me = acme.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/platform/users/{me}/external-identities");
    let listed = staff.get(&path).await.body["data"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(staff.delete(&format!("{path}/{one}")).await.status, 204);
    assert_eq!(staff.delete(&format!("{path}/{one}")).await.status, 404);
    let program = Program::beside(&app);
    let shown = program.run(&["user", "identities", EMAIL]);
    assert!(shown.code == Some(0) && shown.out.contains("ann2") && !shown.out.contains(&one), "{shown:?}");
    let unlinked = program.run(&["user", "identities", EMAIL, "--unlink", &other]);
    assert!(unlinked.code == Some(0), "{unlinked:?}");
    let again = program.run(&["user", "identities", EMAIL, "--unlink", &other]);
    assert!(again.code != Some(0) && again.err.contains("no such identity"), "{again:?}");
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
        ("with a changed signature", format!("{signed}.A{}", &signature[1..])),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_belongs_to_one_account() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let other = app.member_of(&acme.tenant, "STAFF").await;
    let tokens: Vec<String> = (0..8).map(|_| issuer.token("ann", EMAIL)).collect();
    let tries =
        tokens.iter().enumerate().map(|(n, token)| link(if n % 2 == 0 { &acme } else { &other }, token));
    let replies = join_all(tries.collect()).await;
    let linked =
        |first: usize| replies.iter().skip(first).step_by(2).filter(|reply| reply.status == 201).count();
    let (ours, theirs) = (linked(0), linked(1));
    assert!([(4, 0), (0, 4)].contains(&(ours, theirs)), "{replies:?}");
    assert!(replies.iter().all(|reply| [201, 409].contains(&reply.status)), "{replies:?}");
    // An account has ten at most.
    for n in 0..10 {
        link(&acme, &issuer.token(&format!("more-{n}"), EMAIL)).await;
    }
    let refused = link(&acme, &issuer.token("eleventh", EMAIL)).await;
    assert_eq!((refused.status, refused.code()), (409, "too_many_identities"), "{refused:?}");
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
async fn a_verified_email_links_an_account_once() {
    let (app, issuer) = with_issuer("link_by_email = true").await;
    let acme = app.tenant("acme").await;
    let stranger = app.stranger("acme.localhost");
    let owner = app.database.as_owner().await;
    let verify = async |email: &str, at: &str| {
        let verify = format!("UPDATE shared.user_logins SET verified_at = {at} WHERE value = '{email}'");
        owner.execute(&verify, &[]).await.unwrap();
    };
    let refused = async |token: &str, why: &str| {
        let reply = sign_in(&stranger, token).await;
        assert_eq!((reply.status, reply.code()), (401, "identity_unknown"), "{why}: {reply:?}");
    };
    verify(EMAIL, "NULL").await;
    refused(&issuer.token("ann", EMAIL), "not verified here").await;
    verify(EMAIL, "now()").await;
    let mut unverified = issuer.claims("ann", EMAIL);
    unverified["email_verified"] = json!(false);
    refused(&issuer.sign(&issuer.header(), &unverified), "not verified there").await;
    let entered = sign_in(&stranger, &issuer.token("ann", "OWNER@acme.test")).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    // The link is by the name of the person from now on: the email may get another owner there.
    assert_eq!(sign_in(&stranger, &issuer.token("ann", "new@elsewhere.test")).await.status, 200);
    refused(&issuer.token("heir", EMAIL), "another person with the email").await;
    let listed = acme.get("/api/v1/auth/external-identities").await.body["data"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["subject"]), (1, &json!("ann")), "{listed}");
    // Unlinked is unlinked.
    let path = format!("/api/v1/auth/external-identities/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(acme.delete(&path).await.status, 204);
    refused(&issuer.token("ann", EMAIL), "unlinked").await;

    // No email links the platform's staff, a closed account, or nobody. A link from before is of no use.
    app.staff("super_admin").await;
    verify("super-admin@platform.test", "now()").await;
    let platform = app.stranger("admin.localhost");
    let reply = sign_in(&platform, &issuer.token("boss", "super-admin@platform.test")).await;
    assert_eq!((reply.status, reply.code()), (401, "identity_unknown"), "{reply:?}");
    let later = async || sign_in(&stranger, &issuer.token("later", "later@acme.test")).await;
    app.member_with("later@acme.test", &acme.tenant, &["STAFF"]).await;
    verify("later@acme.test", "now()").await;
    assert_eq!(later().await.status, 200);
    app.member_of_app("later@acme.test", "platform", None, &["support"]).await;
    assert_eq!(later().await.code(), "identity_unknown");
    let later_member = app.signed_in(acme.tenant.clone(), "later@acme.test").await;
    linked(&later_member, &issuer, "later").await;
    assert_eq!(later().await.status, 200, "linked by the person");
    refused(&issuer.token("nobody", "nobody@acme.test"), "no account").await;
    app.member_with("bob@acme.test", &acme.tenant, &["STAFF"]).await;
    verify("bob@acme.test", "now()").await;
    const CLOSE: &str = "
        UPDATE shared.users SET status = 'disabled'
         WHERE id = (SELECT user_id FROM shared.user_logins WHERE value = 'bob@acme.test')";
    owner.execute(CLOSE, &[]).await.unwrap();
    refused(&issuer.token("bob", "bob@acme.test"), "a closed account").await;
    // Somebody who is no member there learns so, as with the right password.
    app.member_with("eve@other.test", &app.onboard("other", "x@other.test").await, &["STAFF"]).await;
    verify("eve@other.test", "now()").await;
    let reply = sign_in(&stranger, &issuer.token("eve", "eve@other.test")).await;
    assert_eq!((reply.status, reply.code()), (403, "no_membership"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_email_links_one_identity_also_at_once() {
    let (app, issuer) = with_issuer("link_by_email = true").await;
    let acme = app.tenant("acme").await;
    let owner = app.database.as_owner().await;
    owner.execute("UPDATE shared.user_logins SET verified_at = now()", &[]).await.unwrap();
    let stranger = app.stranger("acme.localhost");
    let tokens: Vec<String> = (0..6).map(|n| issuer.token(&format!("ann-{n}"), EMAIL)).collect();
    let replies = join_all(tokens.iter().map(|token| sign_in(&stranger, token)).collect()).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1, "{replies:?}");
    assert!(replies.iter().all(|reply| [200, 401].contains(&reply.status)), "{replies:?}");
    let listed = acme.get("/api/v1/auth/external-identities").await.body["data"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
}

#[tokio::test]
async fn an_account_that_is_taken_back_has_no_identities() {
    let issuer = TestIssuer::start().await;
    let mailbox = Mailbox::new();
    let app = TestApp::start_with(&format!("{}{}", mailbox.settings(), issuer.settings(""))).await;
    let acme = app.tenant("acme").await;
    let stranger = app.stranger("acme.localhost");
    let enters = async |subject: &str| sign_in(&stranger, &issuer.token(subject, EMAIL)).await.status;
    // The person changes the password, and goes on.
    linked(&acme, &issuer, "ann").await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "kijani mlima nyota saba"});
    assert_eq!(acme.post("/api/v1/auth/password/change", &change).await.status, 204);
    assert_eq!(enters("ann").await, 200);
    // A mailed link takes the account back.
    mailbox.read(&app).await;
    stranger.post("/api/v1/auth/password/forgot", &json!({"email": EMAIL})).await;
    let token = token_in(&mailbox.read(&app).await.concat());
    let reset = json!({"token": token, "newPassword": PASSWORD});
    assert_eq!(stranger.post("/api/v1/auth/password/reset", &reset).await.status, 204);
    assert_eq!(enters("ann").await, 401);
    // So does the operator, and a business for an account of its own.
    let acme = app.signed_in(acme.tenant.clone(), EMAIL).await;
    linked(&acme, &issuer, "ann").await;
    let set = Program::beside(&app)
        .run_with_input(&["user", "reset-password", EMAIL, "--password-stdin"], PASSWORD);
    assert_eq!(set.code, Some(0), "{set:?}");
    assert_eq!(enters("ann").await, 401);
    let acme = app.signed_in(acme.tenant.clone(), EMAIL).await;
    let cashier = json!({"username": "bea", "password": PASSWORD, "roles": ["STAFF"]});
    let made = acme.post("/api/v1/users", &cashier).await;
    assert_eq!(made.status, 201, "{made:?}");
    let login = json!({"username": "bea", "password": PASSWORD});
    let bea = stranger.post("/api/v1/auth/login", &login).await;
    let bea = stranger.with_token(bea.body["accessToken"].as_str());
    assert_eq!(link(&bea, &issuer.token("bea", "bea@elsewhere.test")).await.status, 201);
    assert_eq!(enters("bea").await, 200);
    let path = format!("/api/v1/users/{}/reset-password", made.body["id"].as_str().unwrap());
    let set = acme.post(&path, &json!({"password": PASSWORD})).await;
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(enters("bea").await, 401);
}

#[tokio::test]
async fn a_business_that_ended_sessions_wants_a_newer_proof() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let bob = app.member_of(&acme.tenant, "STAFF").await;
    linked(&bob, &issuer, "bob").await;
    let stranger = app.stranger("acme.localhost");
    let before = issuer.claims("bob", EMAIL);
    let me = bob.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(acme.delete(&format!("/api/v1/users/{me}/sessions")).await.status, 204);
    // A lost device gets new ID tokens without asking anybody: of the old proof, or of none.
    let mut silent = before.clone();
    silent["auth_time"] = json!(before["auth_time"].as_i64().unwrap() - 5);
    let mut mute = before;
    mute.as_object_mut().unwrap().remove("auth_time");
    for claims in [silent, mute] {
        let refused = sign_in(&stranger, &issuer.sign(&issuer.header(), &claims)).await;
        assert_eq!((refused.status, refused.code()), (401, "sign_in_again"), "{refused:?}");
    }
    let mut again = issuer.claims("bob", EMAIL);
    again["auth_time"] = json!(chrono::Utc::now().timestamp() + 2);
    assert_eq!(sign_in(&stranger, &issuer.sign(&issuer.header(), &again)).await.status, 200);
}

#[tokio::test]
async fn without_leave_no_email_links_an_account() {
    let (app, issuer) = with_issuer("").await;
    app.tenant("acme").await;
    let owner = app.database.as_owner().await;
    owner.execute("UPDATE shared.user_logins SET verified_at = now()", &[]).await.unwrap();
    let reply = sign_in(&app.stranger("acme.localhost"), &issuer.token("ann", EMAIL)).await;
    assert_eq!((reply.status, reply.code()), (401, "identity_unknown"), "{reply:?}");
    // Who tries again and again must wait, wherever.
    let mut last = reply;
    for _ in 0..12 {
        last = sign_in(&app.stranger("acme.localhost"), &issuer.token("ann", EMAIL)).await;
    }
    assert_eq!((last.status, last.code()), (429, "too_many_attempts"), "{last:?}");
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

#[tokio::test]
async fn nothing_of_a_deleted_account_stays_linked() {
    let (app, issuer) = with_issuer("").await;
    let acme = app.tenant("acme").await;
    let other = app.member_of(&acme.tenant, "STAFF").await;
    linked(&other, &issuer, "ann").await;
    let deleted = other.post("/api/v1/auth/delete", &json!({"currentPassword": PASSWORD})).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let owner = app.database.as_owner().await;
    let left: i64 =
        owner.query_one("SELECT count(*) FROM shared.external_identities", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
    linked(&acme, &issuer, "ann").await;
}
