//! Service accounts: programs exchange a client id and a secret for access tokens, as far as a business
//! allows.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{Client, Program, SecondServer, TestApp, a_product, uuid};
use serde_json::{Value, json};

/// The answer of the token endpoint: its status, its body, and whether it may be kept.
struct Answer {
    status: u16,
    body: Value,
    headers: reqwest::header::HeaderMap,
}

async fn ask_at(app: &TestApp, host: &str, parameters: &[(&str, &str)], basic: Option<&str>) -> Answer {
    let url = format!("http://127.0.0.1:{}/oauth/token", app.port());
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut request = reqwest::Client::new().post(url).header("host", host).body(form);
    request = request.header("content-type", "application/x-www-form-urlencoded");
    if let Some((id, secret)) = basic.and_then(|basic| basic.split_once(':')) {
        request = request.basic_auth(id, Some(secret));
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, body: answer.json().await.unwrap() }
}

async fn ask(app: &TestApp, basic: &str, resource: &str) -> Answer {
    let parameters = [("grant_type", "client_credentials"), ("resource", resource)];
    ask_at(app, "id.localhost", &parameters, Some(basic)).await
}

/// Registers a program. Returns `id:secret`.
async fn register(staff: &Client<'_>, id: &str, app: &str) -> String {
    let reply = staff.post("/api/v1/platform/clients", &json!({"id": id, "app": app, "name": "ERP"})).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    format!("{id}:{}", reply.body["secret"].as_str().unwrap())
}

async fn allow(owner: &Client<'_>, client: &str, permissions: &[&str]) -> Value {
    let path = format!("/api/v1/service-accounts/{client}");
    let reply = owner.put(&path, &json!({"permissions": permissions})).await;
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    reply.body
}

fn claims_of(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

const ACME: &str = "http://acme.localhost";

#[tokio::test]
async fn a_program_gets_tokens_for_the_businesses_that_allow_it() {
    let app = TestApp::start_with("[identity]\nissuer = \"http://id.localhost\"").await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let basic = register(&staff, "erp-sync", "inventory").await;
    let refused = ask(&app, &basic, ACME).await;
    assert_eq!((refused.status, &refused.body["error"]), (400, &json!("unauthorized_client")));
    let account = allow(&acme, "erp-sync", &["catalogue.read", "catalogue.write", "stock.read"]).await;
    assert_eq!((&account["clientName"], &account["isActive"]), (&json!("ERP"), &json!(true)));

    let granted = ask(&app, &basic, ACME).await;
    assert_eq!(granted.status, 200, "{}", granted.body);
    assert_eq!(granted.headers["cache-control"], "no-store");
    assert_eq!(granted.headers["pragma"], "no-cache");
    assert_eq!(granted.body["token_type"], "Bearer");
    assert_eq!(granted.body["scope"], "catalogue.read catalogue.write stock.read");
    let program = acme.with_token(granted.body["access_token"].as_str());
    assert_eq!(program.post("/api/v1/products", &a_product("BOLT")).await.status, 201);
    assert_eq!(acme.get("/api/v1/audit").await.body["data"][0]["actor"], account["id"]);
    assert_eq!(program.get("/api/v1/orders").await.code(), "permission_denied");
    for path in ["/api/v1/users", "/api/v1/auth/me", "/api/v1/service-accounts"] {
        assert_eq!(program.get(path).await.code(), "people_only", "{path}");
    }
    assert_eq!(program.on(&zenith.host).get("/api/v1/products").await.code(), "token_wrong_business");
    let platform = program.on("admin.localhost").get("/api/v1/platform/tenants").await;
    assert_eq!(platform.code(), "token_wrong_business");
    assert!(acme.get("/api/v1/service-accounts").await.body["data"][0]["lastUsedAt"].is_string());

    // A program asks for fewer permissions, or sends its secret in the body.
    let (id, secret) = basic.split_once(':').unwrap();
    let form = [("grant_type", "client_credentials"), ("resource", ACME), ("scope", "stock.read")];
    let narrow = ask_at(&app, "id.localhost", &form, Some(&basic)).await;
    assert_eq!(narrow.body["scope"], "stock.read");
    let program = acme.with_token(narrow.body["access_token"].as_str());
    assert_eq!(program.get("/api/v1/products").await.code(), "permission_denied");
    let in_body = [
        ("grant_type", "client_credentials"),
        ("resource", ACME),
        ("client_id", id),
        ("client_secret", secret),
    ];
    assert_eq!(ask_at(&app, "id.localhost", &in_body, None).await.status, 200);

    // The claims are those of RFC 9068, and anybody can verify the token.
    let claims = claims_of(granted.body["access_token"].as_str().unwrap());
    assert_eq!((&claims["sub"], &claims["client_id"]), (&account["id"], &json!("erp-sync")));
    assert_eq!((&claims["aud"], &claims["sub_profile"]), (&json!("inventory"), &json!("service")));
    let metadata = app.stranger("id.localhost").get("/.well-known/oauth-authorization-server").await.body;
    assert_eq!(metadata["issuer"], claims["iss"], "{metadata}");
    assert_eq!(metadata["token_endpoint"], json!(format!("{}/oauth/token", claims["iss"].as_str().unwrap())));
}

/// Parameters, `id:secret`, and the status and the code of the answer.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, u16, &'a str);

#[tokio::test]
async fn the_token_endpoint_answers_as_the_rfcs_say() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let basic = register(&staff, "erp-sync", "inventory").await;
    allow(&acme, "erp-sync", &["stock.read"]).await;
    app.tenant("closed").await;
    let owner = app.database.as_owner().await;
    owner.execute("UPDATE shared.tenants SET status = 'suspended' WHERE slug = 'closed'", &[]).await.unwrap();
    let grant = ("grant_type", "client_credentials");
    let secret = basic.split_once(':').unwrap().1;
    let cases: [Case<'_>; 19] = [
        (&[("resource", ACME)], &basic, 400, "invalid_request"),
        (&[("grant_type", "password"), ("resource", ACME)], &basic, 400, "unsupported_grant_type"),
        (&[grant, grant, ("resource", ACME)], &basic, 400, "invalid_request"),
        (&[grant], &basic, 400, "invalid_target"),
        (&[grant, ("resource", "http://acme.localhost#x")], &basic, 400, "invalid_target"),
        (&[grant, ("resource", "http://zenith.localhost@acme.localhost")], &basic, 400, "invalid_target"),
        (&[grant, ("resource", "http://acme.localhost:99999")], &basic, 400, "invalid_target"),
        (&[grant, ("resource", ACME), ("scope", " ")], &basic, 400, "invalid_scope"),
        (&[grant, ("resource", "acme")], &basic, 400, "invalid_target"),
        (&[grant, ("resource", "http://nobody.localhost")], &basic, 400, "invalid_target"),
        (&[grant, ("resource", "http://admin.localhost")], &basic, 400, "invalid_target"),
        (&[grant, ("resource", "http://closed.localhost")], &basic, 400, "invalid_target"),
        (&[grant, ("resource", "\u{e4}")], &basic, 400, "invalid_target"),
        (&[grant, ("resource", "\u{e4}\u{0}")], &basic, 400, "invalid_request"),
        (&[grant, ("resource", ACME), ("scope", "orders.read")], &basic, 400, "invalid_scope"),
        (&[grant, ("resource", ACME), ("scope", "\"\u{e4}")], &basic, 400, "invalid_scope"),
        (&[grant, ("resource", ACME), ("client_secret", secret)], &basic, 400, "invalid_request"),
        (&[grant, ("resource", ACME), ("client_id", "other")], &basic, 401, "invalid_client"),
        (&[grant, ("resource", "http://nobody.localhost")], "erp-sync:wrong", 401, "invalid_client"),
    ];
    for (parameters, basic, status, error) in cases {
        let answer = ask_at(&app, "id.localhost", parameters, Some(basic)).await;
        assert_eq!((answer.status, &answer.body["error"]), (status, &json!(error)), "{parameters:?}");
        let text = answer.body["error_description"].as_str().unwrap();
        assert!(text.is_ascii() && !text.contains('"'), "{text}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401, "{parameters:?}");
    }
    for basic in ["unknown:x", "ERP SYNC:x", ":x", "erp-sync:"] {
        let answer = ask(&app, basic, ACME).await;
        assert_eq!((answer.status, &answer.body["error"]), (401, &json!("invalid_client")), "{basic}");
    }
    let nobody = ask_at(&app, "id.localhost", &[grant, ("resource", ACME)], None).await;
    assert_eq!((nobody.status, &nobody.body["error"]), (401, &json!("invalid_client")));
    let huge = "x".repeat(5 << 20);
    let answer = ask_at(&app, "id.localhost", &[grant, ("scope", huge.as_str())], Some(&basic)).await;
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_request")));
    // Whoever follows the metadata must arrive there.
    let metadata = app.stranger("id.localhost").get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.status, 404, "the issuer of the tests is another host: {metadata:?}");
    // It is at its own host alone, and this host serves nothing else.
    for host in ["acme.localhost", "admin.localhost"] {
        assert_eq!(
            ask_at(&app, host, &[grant, ("resource", ACME)], Some(&basic)).await.status,
            404,
            "{host}"
        );
    }
    let here = app.stranger("id.localhost");
    for path in ["/api/v1/products", "/api/v1/auth/me", "/api/v1/platform/tenants"] {
        assert_eq!(here.get(path).await.status, 404, "{path}");
    }
    let login = json!({"email": "super-admin@platform.test", "password": harness::PASSWORD});
    assert_eq!(here.post("/api/v1/auth/login", &login).await.status, 404);
    let json = here.post("/oauth/token", &json!({"grant_type": "client_credentials"})).await;
    assert_eq!((json.status, &json.body["error"]), (400, &json!("invalid_request")));
}

/// What takes access away from the program: `$1` is the member who allowed it.
const WITHDRAWALS: [&str; 5] = [
    "UPDATE shared.memberships SET status = 'suspended' WHERE user_id = $1",
    "DELETE FROM shared.memberships WHERE user_id = $1",
    "UPDATE shared.users SET status = 'disabled' WHERE id = $1",
    "DELETE FROM shared.service_accounts WHERE user_id = $1",
    "DELETE FROM shared.oauth_clients c USING shared.service_accounts a
      WHERE a.client_id = c.id AND a.user_id = $1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_loses_access_with_its_member_within_a_second_at_every_server() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let second = SecondServer::start(&app);
    let owner = app.database.as_owner().await;
    for (number, sql) in WITHDRAWALS.iter().enumerate() {
        let id = format!("erp-{number}");
        let basic = register(&staff, &id, "inventory").await;
        let member = app.member_of(&acme.tenant, "OWNER").await;
        allow(&member, &id, &["catalogue.read"]).await;
        let token = ask(&app, &basic, ACME).await.body["access_token"].as_str().unwrap().to_owned();
        assert_eq!(second.status("acme.localhost", &token).await, 200);
        let program = acme.with_token(Some(&token));
        let user = uuid(&member.get("/api/v1/auth/me").await.body["user"]["id"]);
        owner.execute(*sql, &[&user]).await.unwrap();
        let changed = Instant::now();
        while (program.get("/api/v1/products").await.status, second.status("acme.localhost", &token).await)
            != (401, 401)
        {
            assert!(changed.elapsed() < Duration::from_secs(1), "after a second, {sql}");
        }
        assert_ne!(ask(&app, &basic, ACME).await.status, 200, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_follows_the_roles_of_its_member_at_one_business_alone() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let basic = register(&staff, "erp-sync", "inventory").await;
    for business in [&acme, &zenith] {
        app.member_with("ann@both.test", &business.tenant, &["OWNER"]).await;
        let ann = app.signed_in(business.tenant.clone(), "ann@both.test").await;
        allow(&ann, "erp-sync", &["catalogue.read", "stock.read"]).await;
    }
    let token = async |resource: &str| {
        ask(&app, &basic, resource).await.body["access_token"].as_str().map(str::to_owned)
    };
    let (here, there) = (token(ACME).await, token("http://zenith.localhost").await);
    let member = acme.membership("ann", "inventory").await;
    let path = format!("/api/v1/memberships/{}", member["id"].as_str().unwrap());
    let role = json!({"name": "Reader", "permissions": ["catalogue.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/reader", &role).await.status, 201);
    assert_eq!(acme.put(&path, &json!({"roles": ["reader"]})).await.status, 200);
    let changed = Instant::now();
    let mut refused = acme.with_token(here.as_deref()).get("/api/v1/products").await;
    while refused.status != 401 {
        assert!(changed.elapsed() < Duration::from_secs(1));
        refused = acme.with_token(here.as_deref()).get("/api/v1/products").await;
    }
    assert!(refused.body["detail"].as_str().unwrap().contains("get another access token"), "{refused:?}");
    assert_eq!(ask(&app, &basic, ACME).await.body["scope"], "catalogue.read");
    let other = zenith.with_token(there.as_deref()).get("/api/v1/products").await;
    assert_eq!(other.status, 200, "another business has nothing to do with it: {other:?}");

    // A member who leaves and comes back does not find the program at work.
    assert_eq!(acme.delete(&path).await.status, 204);
    assert_eq!(token(ACME).await, None);
    app.member_with("ann@both.test", &acme.tenant, &["OWNER"]).await;
    assert_eq!(token(ACME).await, None);
    assert_eq!(acme.get("/api/v1/service-accounts").await.body["data"][0]["isActive"], false);
    allow(&acme, "erp-sync", &["stock.read"]).await;
    assert!(token(ACME).await.is_some());

    // Both secrets are valid for a while after a rotation, and each business reads that the program is gone.
    let path = "/api/v1/platform/clients/erp-sync";
    let rotated = staff.post(&format!("{path}/rotate"), &json!({"overlapHours": 1})).await.body;
    let new = format!("erp-sync:{}", rotated["secret"].as_str().unwrap());
    for basic in [&basic, &new] {
        assert_eq!(ask(&app, basic, ACME).await.status, 200);
    }
    assert_eq!(staff.delete(path).await.status, 204);
    for business in [&acme, &zenith] {
        let events = business.get("/api/v1/auth-events?action=service_account.removed").await.body;
        assert_eq!(events["data"][0]["details"]["clientId"], "erp-sync", "{events}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_is_removed_at_this_moment_leaves_no_program_behind() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let basic = register(&staff, "erp-sync", "inventory").await;
    let mut owner = app.database.as_owner().await;
    for number in 0..2 {
        let email = format!("m{number}@acme.test");
        app.member_with(&email, &acme.tenant, &["OWNER"]).await;
        let member = app.signed_in(acme.tenant.clone(), &email).await;
        let user = uuid(&member.get("/api/v1/auth/me").await.body["user"]["id"]);
        // The removal is under way, and not committed yet.
        let removing = owner.transaction().await.unwrap();
        removing.execute("DELETE FROM shared.memberships WHERE user_id = $1", &[&user]).await.unwrap();
        let commit = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            removing.commit().await.unwrap();
        };
        let made = async {
            if number == 0 {
                let key = json!({"name": "x", "permissions": ["stock.read"]});
                member.post("/api/v1/api-keys", &key).await
            } else {
                let account = json!({"permissions": ["stock.read"]});
                member.put("/api/v1/service-accounts/erp-sync", &account).await
            }
        };
        let (made, ()) = tokio::join!(made, commit);
        assert_eq!((made.status, made.code()), (403, "above_own_permissions"), "{made:?}");
    }
    assert_eq!(ask(&app, &basic, ACME).await.status, 400);
    assert_eq!(acme.get("/api/v1/api-keys").await.body["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_allows_a_program_more_than_they_may_themselves() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let basic = register(&staff, "erp-sync", "inventory").await;
    let role = json!({"name": "Maker", "permissions": ["api_keys.manage", "stock.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/maker", &role).await.status, 201);
    app.member_with("mo@acme.test", &acme.tenant, &["maker"]).await;
    let maker = app.signed_in(acme.tenant.clone(), "mo@acme.test").await;
    let put = async |client: &Client<'_>, id: &str, permissions: Value| {
        client.put(&format!("/api/v1/service-accounts/{id}"), &json!({"permissions": permissions})).await
    };
    for (client, id, permissions, code) in [
        (&maker, "erp-sync", json!(["orders.read"]), "above_own_permissions"),
        (&acme, "erp-sync", json!(["team.manage"]), "invalid_value"),
        (&acme, "erp-sync", json!(["stock.fly"]), "unknown_permission"),
        (&acme, "erp-sync", json!([]), "missing_field"),
        (&acme, "nobody", json!(["stock.read"]), "not_found"),
    ] {
        let reply = put(client, id, permissions.clone()).await;
        assert_eq!(reply.code(), code, "{permissions}: {reply:?}");
    }
    assert_eq!(put(&maker, "erp-sync", json!(["stock.read"])).await.status, 201);
    // A repeated request ends no token. A change does; the operator's account depends on no member.
    let token = ask(&app, &basic, ACME).await.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(put(&maker, "erp-sync", json!(["stock.read"])).await.status, 200);
    let again = ask(&app, &basic, ACME).await.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims_of(&token)["mv"], claims_of(&again)["mv"]);
    assert_eq!(acme.with_token(Some(&token)).get("/api/v1/stock").await.status, 200);
    let run = |args: &[&str]| Program::beside(&app).run(args);
    let args = ["service-account", "set", "erp-sync", "--tenant", "acme", "--permission", "catalogue.read"];
    assert_eq!(run(&args).code, Some(0));
    let started = Instant::now();
    while acme.with_token(Some(&token)).get("/api/v1/stock").await.status != 401 {
        assert!(started.elapsed() < Duration::from_secs(1));
    }
    let granted = ask(&app, &basic, ACME).await;
    assert_eq!(granted.body["scope"], "catalogue.read", "{}", granted.body);
    assert_eq!(acme.delete("/api/v1/service-accounts/erp-sync").await.status, 204);
    assert_eq!(acme.delete("/api/v1/service-accounts/erp-sync").await.status, 404);

    // The command line registers, rotates and removes.
    let made = run(&["client", "create", "till-sync", "--name", "Till", "--app", "pos"]);
    assert!(made.out.starts_with("tcs_"), "{made:?}");
    assert_eq!(run(&["client", "create", "till-sync", "--name", "Till"]).code, Some(4));
    let rotated = run(&["client", "rotate", "till-sync", "--overlap-hours", "0"]);
    allow(&acme, "till-sync", &["stock.read"]).await;
    assert_eq!(ask(&app, &format!("till-sync:{}", made.out.trim()), ACME).await.status, 401);
    assert_eq!(ask(&app, &format!("till-sync:{}", rotated.out.trim()), ACME).await.status, 200);
    let listed = run(&["service-account", "list", "--tenant", "acme"]).out;
    assert!(listed.contains("till-sync") && listed.contains("stock.read"), "{listed}");
    assert_eq!(run(&["client", "remove", "till-sync", "--yes"]).code, Some(0));
    assert_eq!(run(&["client", "remove", "till-sync", "--yes"]).code, Some(3));
    assert!(!run(&["client", "list"]).out.contains("till-sync"));
}
