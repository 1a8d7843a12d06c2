//! Accounts as their users and the operator see them: the profile, a copy of all data, and the end.

use harness::{Client, PASSWORD, Program, SecondServer, TestApp};
use serde_json::{Value, json};

async fn sign_in(client: &Client<'_>, login: &Value) -> harness::Reply {
    client.post("/api/v1/auth/login", login).await
}

fn login(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

#[tokio::test]
async fn people_change_their_profile() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let read = acme.get("/api/v1/auth/profile").await;
    assert_eq!((read.status, read.header("etag")), (200, "\"1\""), "{read:?}");
    assert_eq!(read.body["email"], "owner@acme.test");
    let change = json!({"fullName": " Ann  Smith ", "phone": "+254 700 000 001", "locale": "SW-ke"});
    let changed = acme.with("if-match", "\"1\"").patch("/api/v1/auth/profile", &change).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{changed:?}");
    assert_eq!((&changed.body["locale"], &changed.body["fullName"]), (&json!("sw-KE"), &json!("Ann  Smith")));
    assert_eq!(acme.get("/api/v1/auth/me").await.body["user"]["fullName"], "Ann  Smith");
    // The same again changes nothing; null removes a value.
    assert_eq!(acme.patch("/api/v1/auth/profile", &change).await.header("etag"), "\"2\"");
    let removed = acme.patch("/api/v1/auth/profile", &json!({"phone": null})).await;
    assert_eq!((&removed.body["phone"], removed.header("etag")), (&Value::Null, "\"3\""));
    assert_eq!(acme.with("if-match", "\"2\"").patch("/api/v1/auth/profile", &change).await.code(), "stale");
    assert_eq!(acme.with("if-none-match", "\"3\"").get("/api/v1/auth/profile").await.status, 304);
    for (body, code) in [
        (json!({"locale": "english"}), "invalid_value"),
        (json!({"locale": "xx_"}), "invalid_value"),
        (json!({"fullName": ""}), "invalid_value"),
        (json!({"fullName": 5}), "invalid_type"),
        (json!({"phone": "1\u{0000}"}), "invalid_value"),
        (json!({"email": "other@acme.test"}), "unknown_field"),
        (json!({"status": "disabled"}), "unknown_field"),
    ] {
        assert_eq!(acme.patch("/api/v1/auth/profile", &body).await.code(), code, "{body}");
    }
    assert_eq!(zenith.get("/api/v1/auth/profile").await.body["fullName"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_ends_everything_at_once() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let second = SecondServer::start(&app);
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    app.member_with("ann@acme.test", &zenith.tenant, &["MANAGER"]).await;
    let at_acme = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let at_zenith = sign_in(&zenith, &login("ann@acme.test")).await.body;
    let tokens = [at_acme.token.clone().unwrap(), at_zenith["accessToken"].as_str().unwrap().to_owned()];
    let program = Program::beside(&app);
    let run = |words: &str| program.run(&words.split(' ').collect::<Vec<_>>());
    assert!(run("user sessions ann@acme.test -o csv").out.lines().count() == 3);
    let disabled = run("user disable ann@acme.test");
    assert_eq!(disabled.code, Some(0), "{disabled:?}");
    for (host, token) in ["acme.localhost", "zenith.localhost"].iter().zip(&tokens) {
        harness::until("the second server refuses", async || second.status(host, token).await == 401).await;
        app.stranger(host).with_token(Some(token)).until(401).await;
    }
    let refresh = json!({"refreshToken": at_zenith["refreshToken"]});
    assert_eq!(zenith.post("/api/v1/auth/refresh", &refresh).await.code(), "session_ended");
    // The answer is that to a wrong password.
    for host in [&acme, &zenith] {
        assert_eq!(sign_in(host, &login("ann@acme.test")).await.code(), "invalid_credentials");
    }
    assert_eq!(run("user sessions ann@acme.test -o name").out.trim(), "");
    assert!(run("user list --status disabled -o name").out.contains("ann@acme.test"));
    // The platform's staff cannot take a business's only owner from it by accident.
    let refused = run("user disable owner@acme.test");
    assert!(refused.code == Some(4) && refused.err.contains("only active owner of acme"), "{refused:?}");
    assert_eq!(run("user enable ann@acme.test").code, Some(0));
    assert_eq!(sign_in(&zenith, &login("ann@acme.test")).await.status, 200);
    assert_eq!(run("user disable nobody@acme.test").code, Some(3));
    let end = run("user sessions ann@acme.test --end-all");
    assert!(end.err.contains("all sessions of ann@acme.test have ended (1)"), "{end:?}");

    // The same over HTTP.
    let staff = app.staff("super_admin").await;
    let ann = staff.get("/api/v1/platform/users?q=ann@acme").await.body["data"][0].clone();
    let path = format!("/api/v1/platform/users/{}", ann["id"].as_str().unwrap());
    assert_eq!(ann["memberships"].as_array().unwrap().len(), 2);
    let only = format!("/api/v1/platform/users?tenantId={}&role=MANAGER", zenith.tenant.id);
    let only = staff.get(&only).await.body["data"].clone();
    assert_eq!(only[0]["memberships"].as_array().unwrap().len(), 1, "{only}");
    assert_eq!(staff.post(&format!("{path}/disable"), &json!({})).await.body["status"], "disabled");
    assert_eq!(sign_in(&acme, &login("ann@acme.test")).await.code(), "invalid_credentials");
    assert_eq!(staff.post(&format!("{path}/enable"), &json!({})).await.body["status"], "active");
    let named = staff.patch(&path, &json!({"fullName": "Ann"})).await;
    assert_eq!((named.status, &named.body["fullName"]), (200, &json!("Ann")));
    let made = staff.post(&format!("{path}/reset-password"), &json!({})).await.body["password"].clone();
    let first = json!({"email": "ann@acme.test", "password": made});
    assert_eq!(sign_in(&acme, &first).await.code(), "password_change_required");
    assert_eq!(staff.delete(&format!("{path}/sessions")).await.status, 204);
    assert_eq!(staff.get(&format!("{path}/sessions")).await.body["data"], json!([]));
    let membership = ann["memberships"][0]["id"].as_str().unwrap();
    let membership = format!("/api/v1/platform/memberships/{membership}");
    let changed = staff.put(&membership, &json!({"roles": ["OWNER"]})).await;
    assert_eq!((changed.status, &changed.body["roles"]), (200, &json!(["OWNER"])), "{changed:?}");
    let suspended = staff.post(&format!("{membership}/suspend"), &json!({})).await;
    assert_eq!(suspended.body["status"], "suspended");
    assert_eq!(staff.post(&format!("{membership}/resume"), &json!({})).await.body["status"], "active");
    assert_eq!(staff.delete(&membership).await.status, 204);
    for (body, code) in [
        (json!({"email": "new@acme.test", "roles": []}), "missing_field"),
        (json!({"roles": ["support"]}), "missing_field"),
        (json!({"username": "new", "roles": ["support"]}), "missing_field"),
        (json!({"email": "new@acme.test", "roles": ["STAFF"]}), "unknown_role"),
        (json!({"email": "new@acme.test", "app": "pos", "roles": ["cashier"]}), "unknown_app"),
        (json!({"email": "new@a.test", "tenantId": uuid::Uuid::now_v7(), "roles": ["STAFF"]}), "not_found"),
        (
            json!({"email": "owner@acme.test", "password": "kijani mlima nyota saba", "roles": ["support"]}),
            "user_exists",
        ),
    ] {
        assert_eq!(staff.post("/api/v1/platform/users", &body).await.code(), code, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_account_leaves_an_id_in_the_books() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    app.member_with("ann@acme.test", &acme.tenant, &["MANAGER"]).await;
    app.member_with("ann@acme.test", &zenith.tenant, &["STAFF"]).await;
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    assert_eq!(ann.patch("/api/v1/auth/profile", &json!({"fullName": "Ann Teak"})).await.status, 200);
    let product = ann.create_product(&harness::a_product("BOLT")).await;
    assert_eq!(ann.adjust(&product["variants"][0]["id"], "5").await.status, 201);
    let id = ann.get("/api/v1/auth/me").await.body["user"]["id"].clone();
    let program = Program::beside(&app);
    let run = |words: &str| program.run(&words.split(' ').collect::<Vec<_>>());

    // The data of a person has everything but secrets.
    let own = ann.get("/api/v1/auth/export").await;
    assert_eq!(own.status, 200, "{own:?}");
    assert_eq!(own.body["memberships"].as_array().unwrap().len(), 2);
    assert_eq!(own.body["sessions"].as_array().unwrap().len(), 1);
    let actions = own.body["events"].to_string();
    assert!(actions.contains("session.started") && actions.contains("user.changed"), "{actions}");
    for secret in ["$2", "trt_", "hash", "password_key", "eyJ"] {
        assert!(!own.body.to_string().contains(secret), "{secret}");
    }
    let handed_out = run("user export ann@acme.test");
    assert!(handed_out.out.contains("Ann Teak"), "{handed_out:?}");
    assert!(acme.get("/api/v1/auth-events?action=user.exported").await.body["data"] == json!([]));

    let dry = run("user delete ann@acme.test --dry-run");
    assert!(dry.err.contains("memberships (2)") && dry.err.contains("nothing was changed"), "{dry:?}");
    assert_eq!(run("user delete owner@acme.test --yes").code, Some(4));
    assert_eq!(run("user delete ann@acme.test --yes").code, Some(0));
    harness::until("session_ended", async || ann.get("/api/v1/products").await.code() == "session_ended")
        .await;
    assert_eq!(sign_in(&acme, &login("ann@acme.test")).await.code(), "invalid_credentials");
    assert_eq!(run("user show ann@acme.test").code, Some(3));
    let left = run(&format!("user show {} -o json", id.as_str().unwrap())).out;
    let left: Value = serde_json::from_str(&left).unwrap();
    assert_eq!(
        (&left["status"], &left["fullName"], &left["email"]),
        (&json!("deleted"), &Value::Null, &Value::Null)
    );
    // The books are as they were.
    let movements = acme.get("/api/v1/stock/movements").await.body["data"].clone();
    assert_eq!((&movements[0]["actor"], &movements[0]["quantity"]), (&id, &json!("5")), "{movements}");
    let changes = acme.get("/api/v1/audit").await.body.to_string();
    assert!(changes.contains(id.as_str().unwrap()));
    // No table of people knows the name or the address any more.
    let owner = app.database.as_owner().await;
    for table in ["users", "user_logins", "mails", "auth_events", "memberships", "one_time_tokens"] {
        let sql =
            format!("SELECT count(*) FROM shared.{table} t WHERE to_jsonb(t)::text ~ 'Ann Teak|ann@acme'");
        let count: i64 = owner.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "{table}");
    }
    // The address is free, and its next user is another person.
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    let next = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    assert_ne!(next.get("/api/v1/auth/me").await.body["user"]["id"], id);
    assert_eq!(run(&format!("user delete {} --yes", id.as_str().unwrap())).code, Some(3));
    assert_eq!(run(&format!("user enable {}", id.as_str().unwrap())).code, Some(3));
    let staff = app.staff("super_admin").await;
    let reset = format!("/api/v1/platform/users/{}/reset-password", id.as_str().unwrap());
    assert_eq!(staff.post(&reset, &json!({})).await.status, 404);

    // People delete their own account with their password.
    let wrong = json!({"currentPassword": "not this one at all"});
    assert_eq!(next.post("/api/v1/auth/delete", &wrong).await.code(), "wrong_password");
    let right = json!({"currentPassword": PASSWORD});
    assert_eq!(acme.post("/api/v1/auth/delete", &right).await.code(), "last_owner");
    assert_eq!(acme.get("/api/v1/products").await.status, 200);
    assert_eq!(next.post("/api/v1/auth/delete", &right).await.status, 204);
    harness::until("session_ended", async || next.get("/api/v1/products").await.code() == "session_ended")
        .await;
    assert_eq!(sign_in(&acme, &login("ann@acme.test")).await.code(), "invalid_credentials");
    let gone = acme.get("/api/v1/auth-events?action=user.created").await.body["data"].clone();
    assert!(gone.as_array().unwrap().iter().any(|event| event["userName"].is_null()), "{gone}");
}
