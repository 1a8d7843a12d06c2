//! API keys: how they are made, what they may do, and how they end.

use std::time::{Duration, Instant};

use harness::{
    Business, Client, PASSWORD, Program, Reply, SecondServer, TestApp, a_product, join_all, until, uuid,
};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/api-keys";

fn with_key<'a>(client: &Client<'a>, made: &Value) -> Client<'a> {
    client.with_token(Some(made["secret"].as_str().unwrap_or_else(|| panic!("{made}"))))
}

async fn make(client: &Client<'_>, name: &str, permissions: &[&str]) -> Value {
    let reply = client.post(PATH, &json!({"name": name, "permissions": permissions})).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body
}

async fn rotate(client: &Client<'_>, made: &Value, how: &Value) -> Reply {
    client.post(&format!("{PATH}/{}/rotate", made["id"].as_str().unwrap()), how).await
}

async fn show(client: &Client<'_>, made: &Value) -> Value {
    client.get(&format!("{PATH}/{}", made["id"].as_str().unwrap())).await.body
}

/// Waits until the key is refused, for at most a second.
async fn refused(client: &Client<'_>) {
    let started = Instant::now();
    loop {
        let reply = client.get("/api/v1/products").await;
        if reply.status == 401 {
            assert_eq!(reply.code(), "api_key_invalid", "{reply:?}");
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(1), "after a second: {reply:?}");
    }
}

#[tokio::test]
async fn a_program_works_in_its_business_with_the_permissions_of_its_key() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let made = make(&acme, "Web shop", &["catalogue.read", "catalogue.write", "catalogue.read"]).await;
    assert_eq!(made["permissions"], json!(["catalogue.read", "catalogue.write"]));
    assert_eq!((&made["status"], &made["lastUsedAt"]), (&json!("active"), &Value::Null));
    let (secret, prefix) = (made["secret"].as_str().unwrap(), made["prefix"].as_str().unwrap());
    assert!(secret.len() > 40 && secret.starts_with(prefix) && prefix.len() == 12, "{made}");
    let program = with_key(&acme, &made);

    let product = program.post("/api/v1/products", &a_product("BOLT")).await;
    assert_eq!(product.status, 201, "{product:?}");
    let denied = program.get("/api/v1/stock").await;
    assert_eq!((denied.status, denied.code()), (403, "permission_denied"));
    assert!(denied.body["detail"].as_str().unwrap().contains("stock.read"), "{denied:?}");
    // The books name the key.
    let entry = acme.get("/api/v1/audit").await.body["data"][0].clone();
    assert_eq!(entry["actor"], made["id"], "{entry}");
    // A repeated request has the same effect once, for each key on its own.
    let other = with_key(&acme, &make(&acme, "Other", &["catalogue.write"]).await);
    for (client, sku) in [(&program, "ONE"), (&other, "TWO"), (&program, "ONE"), (&other, "TWO")] {
        let reply = client.with("idempotency-key", "k").post("/api/v1/products", &a_product(sku)).await;
        assert_eq!((reply.status, &reply.body["variants"][0]["sku"]), (201, &json!(sku)));
    }

    // It is of use at one business alone, and nowhere in the place of a person.
    for client in [zenith.client.clone(), app.staff("super_admin").await] {
        for path in ["/api/v1/products", "/api/v1/auth/me", "/api/v1/platform/tenants"] {
            let reply = with_key(&client, &made).get(path).await;
            assert!(matches!(reply.status, 401 | 404), "{path}: {reply:?}");
        }
    }
    assert_eq!(program.get("/api/v1/auth/me").await.code(), "people_only");
    assert_eq!(program.get(PATH).await.code(), "people_only");
    let as_cookie = acme.with_token(None).with("cookie", &format!("tenantry-access={secret}"));
    assert_eq!(as_cookie.get("/api/v1/products").await.status, 401);
    let refresh = json!({"refreshToken": secret});
    assert_eq!(acme.with_token(None).post("/api/v1/auth/refresh", &refresh).await.status, 401);

    // No table holds the secret, and no later response contains it.
    let shown = show(&acme, &made).await;
    assert!(shown["lastUsedAt"].is_string(), "{shown}");
    let events = acme.get("/api/v1/auth-events?action=api_key.created").await.body;
    assert_eq!(events["data"][1]["details"]["name"], "Web shop", "{events}");
    let owner = app.database.as_owner().await;
    let stored = owner.query_one("SELECT string_agg(k::text, '') FROM shared.api_keys k", &[]).await.unwrap();
    for text in [shown.to_string(), events.to_string(), stored.get(0)] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    make(&acme, "Web shop", &["stock.read"]).await;
    let post = async |body: Value| acme.post(PATH, &body).await;
    let scopes = |permissions: Value| json!({"name": "x", "permissions": permissions});
    let ends = |at: &str| json!({"name": "x", "permissions": ["stock.read"], "expiresAt": at});
    for (body, status, code, pointer) in [
        (scopes(json!([])), 422, "missing_field", "/permissions"),
        (scopes(json!(["stock.fly"])), 422, "unknown_permission", "/permissions"),
        (scopes(json!(["tenants.read"])), 422, "unknown_permission", "/permissions"),
        (scopes(json!(["team.manage"])), 422, "invalid_value", "/permissions"),
        (scopes(json!(["stock.read", "api_keys.manage"])), 422, "invalid_value", "/permissions"),
        (json!({"name": "WEB SHOP", "permissions": ["stock.read"]}), 409, "duplicate_name", "/name"),
        (ends("2020-01-01T00:00:00Z"), 422, "invalid_value", "/expiresAt"),
        (ends("9999-12-31T00:00:00Z"), 422, "invalid_value", "/expiresAt"),
    ] {
        let reply = post(body.clone()).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{body}: {reply:?}");
        let errors = reply.body["errors"].to_string();
        assert!(errors.contains(&format!("\"{pointer}\"")), "{body}: {reply:?}");
    }
    assert_eq!(acme.get(PATH).await.body["data"].as_array().unwrap().len(), 1);

    // Nobody gives a key, or gets from it, what they do not have.
    let role = json!({"name": "Key maker", "permissions": ["api_keys.manage", "stock.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/maker", &role).await.status, 201);
    app.member_with("mo@acme.test", &acme.tenant, &["maker"]).await;
    let maker = app.signed_in(acme.tenant.clone(), "mo@acme.test").await;
    let above = maker.post(PATH, &scopes(json!(["stock.read", "orders.read"]))).await;
    assert_eq!((above.status, above.code()), (403, "above_own_permissions"), "{above:?}");
    let wide = make(&acme, "Wide", &["orders.read"]).await;
    assert_eq!(rotate(&maker, &wide, &json!({})).await.code(), "above_own_permissions");
    make(&maker, "Narrow", &["stock.read"]).await;

    // A business has 100 keys at most.
    let more = (0..97).map(|number| make_owned(&acme, format!("Key {number}")));
    join_all(more.collect()).await;
    let reply = post(scopes(json!(["stock.read"]))).await;
    assert_eq!((reply.status, reply.code()), (409, "too_many_api_keys"), "{reply:?}");
}

async fn make_owned(client: &Client<'_>, name: String) -> Value {
    make(client, &name, &["stock.read"]).await
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_for_a_while() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let owner = app.database.as_owner().await;
    let first = make(&acme, "Web shop", &["catalogue.read"]).await;
    assert_eq!(with_key(&acme, &first).get("/api/v1/products").await.status, 200);
    let second = rotate(&acme, &first, &json!({"overlapHours": 2})).await.body;
    assert_ne!(first["secret"], second["secret"]);
    assert_eq!(second["previousSecret"]["prefix"], first["prefix"], "{second}");
    for made in [&first, &second] {
        assert_eq!(with_key(&acme, made).get("/api/v1/products").await.status, 200);
    }
    let shown = show(&acme, &first).await;
    assert!(shown["lastUsedAt"].is_string() && shown["previousSecret"]["lastUsedAt"].is_string(), "{shown}");

    // A second rotation ends the first secret, and the second one ends by itself.
    let third = rotate(&acme, &first, &json!({})).await.body;
    refused(&with_key(&acme, &first)).await;
    assert_eq!(with_key(&acme, &second).get("/api/v1/products").await.status, 200);
    const LATER: &str = "UPDATE shared.api_keys SET previous_expires_at = now()";
    owner.execute(LATER, &[]).await.unwrap();
    refused(&with_key(&acme, &second)).await;
    assert_eq!(show(&acme, &first).await["previousSecret"], Value::Null);
    let fourth = rotate(&acme, &first, &json!({"overlapHours": 0})).await.body;
    refused(&with_key(&acme, &third)).await;
    assert_eq!(with_key(&acme, &fourth).get("/api/v1/products").await.status, 200);

    // A repeated request does not rotate twice.
    let path = format!("{PATH}/{}", first["id"].as_str().unwrap());
    let tag = acme.get(&path).await.header("etag").to_owned();
    let once = acme.with("if-match", &tag);
    let fourth = rotate(&once, &first, &json!({})).await.body;
    assert_eq!(rotate(&once, &first, &json!({})).await.status, 412);

    // An expired key gets another end, and its former secret does not come back to life.
    owner.execute("UPDATE shared.api_keys SET expires_at = now()", &[]).await.unwrap();
    refused(&with_key(&acme, &fourth)).await;
    assert_eq!(rotate(&acme, &first, &json!({})).await.code(), "api_key_ended");
    let ends = (chrono::Utc::now() + chrono::TimeDelta::days(9)).to_rfc3339();
    let fifth = rotate(&acme, &first, &json!({"expiresAt": ends})).await.body;
    assert_eq!(fifth["status"], "active", "{fifth}");
    assert_eq!(with_key(&acme, &fourth).get("/api/v1/products").await.status, 401);
    assert_eq!(with_key(&acme, &fifth).get("/api/v1/products").await.status, 200);
    for how in [json!({"overlapHours": 169}), json!({"expiresAt": "2020-01-01T00:00:00Z"})] {
        assert_eq!(rotate(&acme, &first, &how).await.status, 422, "{how}");
    }

    // What is revoked stays so.
    for _ in 0..2 {
        assert_eq!(acme.delete(&path).await.status, 204);
    }
    refused(&with_key(&acme, &fifth)).await;
    assert_eq!(rotate(&acme, &first, &json!({"expiresAt": ends})).await.code(), "api_key_ended");
    assert_eq!(show(&acme, &first).await["status"], "revoked");
    make(&acme, "Web shop", &["catalogue.read"]).await;
    let statuses: Vec<Value> = acme.get(PATH).await.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["status"].clone())
        .collect();
    assert_eq!(statuses, ["active", "revoked"]);
    let revoked = acme.get(&format!("{PATH}?status=revoked")).await.body;
    assert_eq!(revoked["data"].as_array().unwrap().len(), 1);
    let logged = acme.get("/api/v1/auth-events?action=api_key.revoked").await.body;
    assert_eq!(logged["data"].as_array().unwrap().len(), 1, "{logged}");
}

/// What takes access away from a member of `acme`: `$1` is the user.
const WITHDRAWALS: [&str; 5] = [
    "UPDATE shared.memberships SET status = 'suspended' WHERE user_id = $1",
    "DELETE FROM shared.memberships WHERE user_id = $1",
    "UPDATE shared.users SET status = 'disabled' WHERE id = $1",
    "UPDATE shared.api_keys SET revoked_at = now() WHERE user_id = $1",
    "DELETE FROM shared.api_keys WHERE user_id = $1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_ends_with_its_member_within_a_second_at_every_server() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let second = SecondServer::start(&app);
    let owner = app.database.as_owner().await;
    for (number, sql) in WITHDRAWALS.iter().enumerate() {
        let (member, made) = member_with_key(&app, &acme, number).await;
        let secret = made["secret"].as_str().unwrap();
        assert_eq!(second.status("acme.localhost", secret).await, 200);
        let user = uuid(&member.get("/api/v1/auth/me").await.body["user"]["id"]);
        owner.execute(*sql, &[&user]).await.unwrap();
        let changed = Instant::now();
        refused(&with_key(&acme, &made)).await;
        while second.status("acme.localhost", secret).await != 401 {
            assert!(changed.elapsed() < Duration::from_secs(1), "after a second, {sql}");
        }
    }
    // A member who gets fewer permissions takes them from the key.
    let (_, made) = member_with_key(&app, &acme, 10).await;
    let program = with_key(&acme, &made);
    assert_eq!(program.get("/api/v1/stock").await.status, 200);
    let membership = acme.membership("m10", "inventory").await;
    let path = format!("/api/v1/memberships/{}", membership["id"].as_str().unwrap());
    acme.put("/api/v1/roles/inventory/reader", &reader()).await;
    assert_eq!(acme.put(&path, &json!({"roles": ["reader"]})).await.status, 200);
    let changed = Instant::now();
    while program.get("/api/v1/stock").await.code() != "permission_denied" {
        assert!(changed.elapsed() < Duration::from_secs(1));
    }
    assert_eq!(program.get("/api/v1/products").await.status, 200);

    // Another member rotates the key: the former secret still does no more than the former member may.
    let rotated = rotate(&acme, &made, &json!({})).await.body;
    assert_eq!(with_key(&acme, &rotated).get("/api/v1/stock").await.status, 200);
    assert_eq!(program.get("/api/v1/stock").await.code(), "permission_denied");
    assert_eq!(program.get("/api/v1/products").await.status, 200);
    let member = app.signed_in(acme.tenant.clone(), "m10@acme.test").await;
    let mine = make(&member, "Mine", &["catalogue.read"]).await;

    // When the member leaves, another one takes the key over.
    assert_eq!(acme.delete(&path).await.status, 204);
    refused(&program).await;
    refused(&with_key(&acme, &mine)).await;
    assert_eq!(show(&acme, &mine).await["status"], "suspended");
    assert_eq!(member.get(PATH).await.status, 401);
    // A member who comes back does not find the key at work.
    app.member_with("m10@acme.test", &acme.tenant, &["maker"]).await;
    assert_eq!(with_key(&acme, &mine).get("/api/v1/products").await.status, 401);
    let taken_over = rotate(&acme, &mine, &json!({"overlapHours": 24})).await.body;
    assert_eq!((&taken_over["status"], &taken_over["previousSecret"]), (&json!("active"), &Value::Null));
    refused(&with_key(&acme, &mine)).await;
    assert_eq!(with_key(&acme, &taken_over).get("/api/v1/products").await.status, 200);
}

/// A role that makes keys and reads products.
fn reader() -> Value {
    json!({"name": "Role", "permissions": ["api_keys.manage", "catalogue.read"]})
}

/// A member who may make keys, and a key that the member made.
async fn member_with_key<'a>(app: &'a TestApp, acme: &Business<'a>, number: usize) -> (Business<'a>, Value) {
    let role = |permissions: Value| json!({"name": "Role", "permissions": permissions});
    let maker = role(json!(["api_keys.manage", "catalogue.read", "stock.read"]));
    acme.put("/api/v1/roles/inventory/maker", &maker).await;
    acme.put("/api/v1/roles/inventory/reader", &reader()).await;
    let email = format!("m{number}@acme.test");
    app.member_with(&email, &acme.tenant, &["maker"]).await;
    let member = app.signed_in(acme.tenant.clone(), &email).await;
    let made = make(&member, &format!("Key {number}"), &["catalogue.read", "stock.read"]).await;
    assert_eq!(with_key(&member, &made).get("/api/v1/products").await.status, 200);
    (member, made)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_costs_no_query_unless_the_server_hears_nothing() {
    let app = TestApp::start().await;
    let admin = app.database.as_admin().await;
    let database = &app.database.name;
    admin.batch_execute(&format!("ALTER DATABASE {database} SET track_functions = 'all'")).await.unwrap();
    let acme = app.tenant("acme").await;
    let program = with_key(&acme, &make(&acme, "Web shop", &["catalogue.read"]).await);
    let revocations = &app.running().state().revocations;
    until("the server hears", async || revocations.is_up_to_date()).await;
    let read_often = async || {
        for _ in 0..20 {
            assert_eq!(program.get("/api/v1/products").await.status, 200);
        }
    };
    read_often().await;
    let once = uses(&app).await;
    assert!(once <= 2, "{once}");
    read_often().await;
    assert_eq!(uses(&app).await, once, "a server that hears asks nothing");

    app.hears_nothing(&admin).await;
    read_often().await;
    admin.execute("UPDATE shared.api_keys SET revoked_at = now()", &[]).await.unwrap();
    assert_eq!(program.get("/api/v1/products").await.status, 401, "the database knows at once");
}

/// How often the server has asked the database about a key.
async fn uses(app: &TestApp) -> i64 {
    const CALLS: &str = "
        SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_user_functions WHERE funcname = 'use_api_key'";
    // Statistics of other connections are visible a moment later.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    app.database.as_admin().await.query_one(CALLS, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_makes_keys_that_depend_on_no_member() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let run = |args: &[&str]| Program::beside(&app).run(args);
    let made = run(&["api-key", "create", "Web shop", "--tenant", "acme", "--permission", "catalogue.read"]);
    let secret = made.out.trim().to_owned();
    assert!(made.code == Some(0) && secret.starts_with("tky_"), "{made:?}");
    let program = acme.with_token(Some(&secret));
    assert_eq!(program.get("/api/v1/products").await.status, 200);
    let listed = acme.get(PATH).await.body["data"][0].clone();
    assert_eq!((&listed["name"], &listed["userId"]), (&json!("Web shop"), &Value::Null));
    let id = listed["id"].as_str().unwrap();
    let rotated = run(&["api-key", "rotate", id, "--tenant", "acme", "--overlap-hours", "0"]);
    refused(&program).await;
    let program = acme.with_token(Some(rotated.out.trim()));
    assert_eq!(program.get("/api/v1/products").await.status, 200);
    let table = run(&["api-key", "list", "--tenant", "acme", "--status", "active"]).out;
    assert!(table.contains("Web shop") && table.contains(id), "{table}");
    assert!(run(&["api-key", "revoke", id, "--tenant", "acme", "--yes"]).code == Some(0));
    refused(&program).await;
    for args in [["revoke", PASSWORD], ["rotate", "01990000-0000-7000-8000-000000000000"]] {
        let failed = run(&["api-key", args[0], args[1], "--tenant", "acme"]);
        assert!(failed.code != Some(0), "{failed:?}");
    }
    let audit = app.staff("super_admin").await.get("/api/v1/platform/audit").await.body.to_string();
    assert!(audit.contains("api_key.revoked") && !audit.contains(&secret), "{audit}");
}

#[tokio::test]
async fn keys_go_with_their_business_and_with_the_account_of_their_member() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let client = json!({"id": "erp-sync", "app": "inventory", "name": "ERP"});
    assert_eq!(staff.post("/api/v1/platform/clients", &client).await.status, 201);
    for business in [&acme, &zenith] {
        make(business, "Web shop", &["catalogue.read"]).await;
        let account = json!({"permissions": ["catalogue.read"]});
        assert_eq!(business.put("/api/v1/service-accounts/erp-sync", &account).await.status, 201);
        let path = format!("/api/v1/platform/tenants/{}/impersonations", business.tenant.id);
        assert_eq!(staff.post(&path, &json!({"reason": "x"})).await.status, 201);
    }
    let owner = app.database.as_owner().await;
    let rows = async || -> (i64, i64, i64) {
        const COUNT: &str = "
            SELECT (SELECT count(*) FROM shared.api_keys), (SELECT count(*) FROM shared.service_accounts),
                   (SELECT count(*) FROM shared.sessions WHERE staff_id IS NOT NULL)";
        let row = owner.query_one(COUNT, &[]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    };
    assert_eq!(rows().await, (2, 2, 2));
    let path = format!("/api/v1/platform/tenants/{}", acme.tenant.id);
    assert_eq!(staff.post(&format!("{path}/archive"), &json!({})).await.status, 200);
    let drop = json!({"slug": "acme", "withoutBackup": true});
    let dropped = staff.post(&format!("{path}/drop"), &drop).await;
    assert_eq!(dropped.status, 200, "{dropped:?}");
    assert_eq!(rows().await, (1, 1, 1));

    // A deleted account leaves keys behind that are of no use.
    let second = app.member_of(&zenith.tenant, "OWNER").await;
    let made = make(&second, "Second", &["catalogue.read"]).await;
    let program = with_key(&zenith, &made);
    assert_eq!(program.get("/api/v1/products").await.status, 200);
    let delete = json!({"currentPassword": PASSWORD});
    assert_eq!(second.post("/api/v1/auth/delete", &delete).await.status, 204);
    refused(&program).await;
    assert_eq!(show(&zenith, &made).await["status"], "suspended");
}
