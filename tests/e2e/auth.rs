//! Signing in, and the use of tokens.

use harness::{PASSWORD, TestApp};
use serde_json::{Value, json};

fn login(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

#[tokio::test]
async fn signing_in_returns_a_token_for_this_business() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    let reply = acme.post("/api/v1/auth/login", &login(" ANN@Acme.Test", PASSWORD)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!((&reply.body["tokenType"], &reply.body["expiresIn"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(reply.body["membership"]["business"]["slug"], "acme");
    assert_eq!(reply.body["membership"]["roles"], json!(["OWNER"]));
    assert!(!reply.body.to_string().contains("$2b$"), "the response must not contain a password hash");
    let me = acme.with_token(reply.body["accessToken"].as_str()).get("/api/v1/auth/me").await;
    assert_eq!((&me.body["user"], &me.body["membership"]), (&reply.body["user"], &reply.body["membership"]));
}

#[tokio::test]
async fn all_wrong_credentials_get_the_same_response() {
    let app = TestApp::start().await;
    let tenant = app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost").with("x-request-id", "same");
    let wrong = acme.post("/api/v1/auth/login", &login("ann@acme.test", "wrong password")).await;
    assert_eq!((wrong.status, wrong.code()), (401, "invalid_credentials"));
    assert!(wrong.header("www-authenticate").starts_with("Bearer"));
    let unknown = acme.post("/api/v1/auth/login", &login("nobody@acme.test", PASSWORD)).await;
    assert_eq!(wrong.body, unknown.body);
    let staff = app.member_of(&tenant, "STAFF").await;
    let me = staff.get("/api/v1/auth/me").await.body;
    app.database
        .as_owner()
        .await
        .execute(
            "UPDATE shared.users SET status = 'disabled' WHERE id = $1",
            &[&harness::uuid(&me["user"]["id"])],
        )
        .await
        .unwrap();
    let disabled =
        acme.post("/api/v1/auth/login", &login(me["user"]["email"].as_str().unwrap(), PASSWORD)).await;
    assert_eq!(wrong.body, disabled.body);
    let empty = acme.post("/api/v1/auth/login", &login("ann@acme.test", "")).await;
    assert_eq!(wrong.body, empty.body);
    let huge = acme.post("/api/v1/auth/login", &login("ann@acme.test", &"x".repeat(100_000))).await;
    assert_eq!(wrong.body, huge.body);
}

#[tokio::test]
async fn a_correct_password_without_a_membership_is_refused_with_its_own_code() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "ann@acme.test").await;
    app.onboard("zenith", "zoe@zenith.test").await;
    let reply =
        app.stranger("zenith.localhost").post("/api/v1/auth/login", &login("ann@acme.test", PASSWORD)).await;
    assert_eq!((reply.status, reply.code()), (403, "no_membership"));
    let platform =
        app.stranger("admin.localhost").post("/api/v1/auth/login", &login("ann@acme.test", PASSWORD)).await;
    assert_eq!(platform.code(), "no_membership");
    let staff = app.member_of(&acme, "STAFF").await;
    let email = staff.get("/api/v1/auth/me").await.body["user"]["email"].as_str().unwrap().to_owned();
    const SUSPEND: &str = "
        UPDATE shared.memberships m SET status = 'suspended' FROM shared.user_logins l
         WHERE l.user_id = m.user_id AND l.value = $1";
    app.database.as_owner().await.execute(SUSPEND, &[&email]).await.unwrap();
    let suspended = app.stranger("acme.localhost").post("/api/v1/auth/login", &login(&email, PASSWORD)).await;
    assert_eq!(suspended.code(), "no_membership");
}

#[tokio::test]
async fn platform_and_business_tokens_are_not_interchangeable() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    assert_eq!(staff.on("acme.localhost").get("/api/v1/products").await.code(), "token_wrong_business");
    assert_eq!(
        acme.on("admin.localhost").get("/api/v1/platform/tenants").await.code(),
        "token_wrong_business"
    );
    // Each host serves its own routes only.
    assert_eq!(acme.get("/api/v1/platform/tenants").await.status, 404);
    assert_eq!(staff.get("/api/v1/products").await.status, 404);
}

#[tokio::test]
async fn the_published_key_verifies_tokens() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let keys = app.stranger("localhost").get("/.well-known/jwks.json").await;
    let key: jsonwebtoken::jwk::Jwk = serde_json::from_value(keys.body["keys"][0].clone()).unwrap();
    assert_eq!(keys.body["keys"][0].get("d"), None, "the private key must not be published");
    let token = acme.token.as_deref().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!((header.typ.as_deref(), &header.kid), (Some("at+jwt"), &key.common.key_id));
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["inventory"]);
    validation.set_issuer(&["http://id.test"]);
    let decoding = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &decoding, &validation).unwrap().claims;
    assert_eq!(claims["tid"], json!(acme.tenant.id));
    assert!(!claims.to_string().contains('@'), "a token must not contain personal data");
}

#[tokio::test]
async fn password_hashes_are_salted_bcrypt() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    app.onboard("zenith", "zoe@zenith.test").await;
    let admin = app.database.as_admin().await;
    let rows = admin.query("SELECT password_hash FROM shared.users", &[]).await.unwrap();
    let hashes: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(hashes.iter().all(|hash| hash.starts_with("$2b$04$")), "{hashes:?}");
    assert_ne!(hashes[0], hashes[1], "the same password must get two different salts");
}

#[tokio::test]
async fn each_role_has_its_documented_permissions() {
    const STAFF: [&str; 6] = [
        "catalogue.read",
        "stock.read",
        "orders.read",
        "orders.place",
        "purchasing.receive",
        "dashboard.read",
    ];
    const MANAGER: [&str; 11] = [
        "catalogue.write",
        "stock.adjust",
        "stock.transfer",
        "stock.count",
        "orders.cancel",
        "orders.return",
        "purchasing.write",
        "reports.read",
        "till.read",
        "till.sell",
        "till.approve",
    ];
    const OWNER: [&str; 7] = [
        "team.manage",
        "api_keys.manage",
        "webhooks.manage",
        "settings.write",
        "data.export",
        "audit.read",
        "till.manage",
    ];
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sorted = |keys: &[&[&str]]| {
        let mut keys: Vec<String> = keys.concat().iter().map(ToString::to_string).collect();
        keys.sort();
        json!(keys)
    };
    for (role, expected) in [
        ("STAFF", sorted(&[&STAFF])),
        ("MANAGER", sorted(&[&STAFF, &MANAGER])),
        ("OWNER", sorted(&[&STAFF, &MANAGER, &OWNER])),
    ] {
        let member = app.member_of(&acme.tenant, role).await;
        assert_eq!(member.get("/api/v1/auth/me").await.body["membership"]["permissions"], expected, "{role}");
    }
    // The database and the code have the same permission keys.
    let rows = app
        .database
        .as_admin()
        .await
        .query("SELECT key FROM shared.permissions ORDER BY key", &[])
        .await
        .unwrap();
    let stored: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut known: Vec<&str> =
        identity::Permission::ALL.iter().map(|permission| permission.as_str()).collect();
    known.sort_unstable();
    assert_eq!(stored, known);
}
