//! What programs to which people sign in may not learn or do, and what ends their access.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::browser::{Browser, Told, authorize, claims_of};
use harness::{Business, Client, TestApp};
use serde_json::{Value, json};

const CALLBACK: &str = "https://program.example.com/callback";

async fn register(staff: &Client<'_>, id: &str, more: Value) -> String {
    let mut new =
        json!({"id": id, "app": "inventory", "name": format!("Program {id}"), "redirectUris": [CALLBACK]});
    new.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let reply = staff.post("/api/v1/platform/clients", &new).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body["secret"].as_str().map_or(id.to_owned(), |secret| format!("{id}:{secret}"))
}

async fn setup(app: &TestApp) -> (Business<'_>, Client<'_>) {
    (app.tenant("acme").await, app.staff("super_admin").await)
}

async fn refresh(app: &TestApp, client: &str, tokens: &Told, more: &[(&str, &str)]) -> Told {
    let token = tokens.text("refresh_token");
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    form.extend(more);
    let basic = Some(client).filter(|client| client.contains(':'));
    if basic.is_none() {
        form.push(("client_id", client));
    }
    app.ask_provider("/oauth/token", basic, &form).await
}

#[tokio::test]
async fn somebody_elses_program_learns_nothing_unasked_and_loses_everything_that_is_taken_back() {
    let app = TestApp::start().await;
    let (acme, staff) = setup(&app).await;
    let filer = register(&staff, "tax-filer", json!({"isForeign": true})).await;
    let browser = Browser::new(&app);
    // The access token alone says who somebody is, so the person is asked even if no scope is named.
    let open = |scope: &'static str| authorize("tax-filer", CALLBACK, &[("scope", scope)]);
    let page = browser.enter(&open(""), "owner@acme.test").await;
    assert_eq!(page.heading(), "Allow Program tax-filer?", "{page:?}");
    assert!(page.text.contains("acme Ltd") && page.text.contains("Recognise your account"), "{page:?}");
    let asked = open("openid team.manage stock.read");
    let page = browser.open(&asked).await;
    assert!(page.text.contains("stock levels") && !page.text.contains("members and the roles"), "{page:?}");
    let left = browser.submit(&page.form(), &[("decision", "allow")]).await;
    let tokens = app.redeem(&filer, CALLBACK, &left.parameter("code")).await;
    let program = acme.with_token(Some(&tokens.text("access_token")));
    let me = program.get("/api/v1/auth/me").await.body;
    assert_eq!((&me["user"]["email"], &me["user"]["fullName"]), (&Value::Null, &Value::Null), "{me}");
    // A code that is still outstanding when the consent is taken back is worth nothing.
    let unused = browser.open(&asked).await.parameter("code");
    assert_eq!(acme.delete("/api/v1/auth/consents/tax-filer").await.status, 204);
    assert_eq!(app.redeem(&filer, CALLBACK, &unused).await.body["error"], "invalid_grant");
    assert_eq!(refresh(&app, &filer, &tokens, &[]).await.body["error"], "invalid_grant");
    assert_eq!(program.until(401).await.status, 401);
    // A program that becomes somebody else's has not asked anybody.
    let own = register(&staff, "shop-books", json!({})).await;
    let account = authorize("shop-books", CALLBACK, &[("scope", "openid account")]);
    let tokens = app.redeem(&own, CALLBACK, &browser.open(&account).await.parameter("code")).await;
    let unused = browser.open(&account).await.parameter("code");
    let path = "/api/v1/platform/clients/shop-books";
    assert_eq!(staff.patch(path, &json!({"isForeign": true})).await.status, 200);
    assert_eq!(refresh(&app, &own, &tokens, &[]).await.body["error"], "invalid_grant");
    assert_eq!(app.redeem(&own, CALLBACK, &unused).await.body["error"], "invalid_grant");
    let changed = acme.with_token(Some(&tokens.text("access_token"))).until(401).await;
    assert_eq!(changed.status, 401);
    // On the platform, such a program cannot act as anybody.
    let on_platform = json!({"isForeign": true, "app": "platform"});
    let console = register(&staff, "odd-console", on_platform).await;
    let scope = "openid members.impersonate users.write tenants.write tenants.read";
    let open = authorize("odd-console", CALLBACK, &[("scope", scope)]);
    let browser = Browser::new(&app);
    let page = browser.enter(&open, "super-admin@platform.test").await;
    let left = browser.submit(&page.form(), &[("decision", "allow")]).await;
    let tokens = app.redeem(&console, CALLBACK, &left.parameter("code")).await;
    assert_eq!(tokens.text("scope"), "tenants.read openid");
}

#[tokio::test]
async fn a_closed_business_gives_programs_nothing_until_it_opens_again() {
    let app = TestApp::start().await;
    let (_, staff) = setup(&app).await;
    let books = register(&staff, "shop-books", json!({})).await;
    let browser = Browser::new(&app);
    let open = authorize("shop-books", CALLBACK, &[]);
    let left = browser.enter(&open, "owner@acme.test").await;
    let tokens = app.redeem(&books, CALLBACK, &left.parameter("code")).await;
    let unused = browser.open(&open).await.parameter("code");
    let owner = app.database.as_owner().await;
    let set = async |status: &str| {
        owner.execute("UPDATE shared.tenants SET status = $1 WHERE slug = 'acme'", &[&status]).await.unwrap();
    };
    let access = tokens.text("access_token");
    let check = async || app.ask_provider("/oauth/introspect", Some(&books), &[("token", &access)]).await;
    let info = app.stranger("id.localhost").with_token(Some(&access));
    assert_eq!(check().await.body["active"], true);
    set("suspended").await;
    assert_eq!(check().await.body, json!({"active": false}));
    assert_eq!(info.get("/oauth/userinfo").await.status, 401);
    assert_eq!(refresh(&app, &books, &tokens, &[]).await.body["error"], "invalid_grant");
    assert_eq!(app.redeem(&books, CALLBACK, &unused).await.body["error"], "invalid_grant");
    assert_eq!(browser.open(&open).await.heading(), "No access");
    set("migrating").await;
    let busy = refresh(&app, &books, &tokens, &[]).await;
    assert_eq!((busy.status, &busy.body["error"]), (503, &json!("temporarily_unavailable")));
    set("active").await;
    assert_eq!(refresh(&app, &books, &tokens, &[]).await.status, 200, "the session goes on");
}

#[tokio::test]
async fn a_program_without_a_secret_is_watched_more_closely() {
    let app = TestApp::start().await;
    let (acme, staff) = setup(&app).await;
    const LOCAL: &str = "http://127.0.0.1/callback";
    let addresses = json!({"isPublic": true, "redirectUris": [CALLBACK, LOCAL]});
    register(&staff, "shop-app", addresses).await;
    let browser = Browser::new(&app);
    let left = browser.enter(&authorize("shop-app", CALLBACK, &[]), "owner@acme.test").await;
    let first = app.redeem("shop-app", CALLBACK, &left.parameter("code")).await;
    // A thief and the program refresh at once. Whichever comes later, the session ends.
    let (theirs, ours) =
        (refresh(&app, "shop-app", &first, &[]).await, refresh(&app, "shop-app", &first, &[]).await);
    let thief = refresh(&app, "shop-app", &theirs, &[]).await;
    assert_eq!((ours.status, thief.status), (200, 200));
    assert_eq!(refresh(&app, "shop-app", &ours, &[]).await.body["error"], "invalid_grant");
    assert_eq!(refresh(&app, "shop-app", &thief, &[]).await.body["error"], "invalid_grant");
    assert_eq!(acme.with_token(Some(&thief.text("access_token"))).until(401).await.status, 401);
    // Any program of the machine could listen there, so the person is asked, unless they have just signed in.
    let port = "http://127.0.0.1:51234/callback";
    let open = authorize("shop-app", port, &[]);
    assert!(browser.open(&open).await.left_for.is_some());
    let silent = authorize("shop-app", port, &[("prompt", "none")]);
    assert_eq!(browser.open(&silent).await.parameter("error"), "interaction_required");
    // They have signed in to another program.
    register(&staff, "shop-books", json!({})).await;
    let other = Browser::new(&app);
    other.enter(&authorize("shop-books", CALLBACK, &[]), "owner@acme.test").await;
    assert_eq!(other.open(&open).await.heading(), "Continue to Program shop-app?");
    let owner = app.database.as_owner().await;
    let older = "UPDATE shared.sign_ons SET authenticated_at = authenticated_at - interval '2 minutes'";
    owner.execute("UPDATE shared.users SET password_changed_at = NULL", &[]).await.unwrap();
    owner.execute(older, &[]).await.unwrap();
    let page = browser.open(&open).await;
    assert_eq!(page.heading(), "Continue to Program shop-app?", "{page:?}");
    assert_eq!(browser.open(&silent).await.parameter("error"), "interaction_required");
    let forged = browser.submit_from(Some("https://evil.example"), &page.form(), &[]).await;
    assert_eq!((forged.status, forged.left_for), (403, None));
    let left = browser.submit(&page.form(), &[]).await;
    assert_eq!(app.redeem("shop-app", port, &left.parameter("code")).await.status, 200);
    // Its pages may call the provider, and those of others may not.
    let question = |origin: &str| {
        BTreeMap::from([
            ("origin".to_owned(), origin.to_owned()),
            ("access-control-request-method".to_owned(), "POST".to_owned()),
        ])
    };
    for (origin, path, status) in [
        ("https://program.example.com", "/oauth/token", 200),
        ("https://program.example.com", "/oauth/introspect", 403),
        ("https://program.example.com.evil.example", "/oauth/token", 403),
        ("https://program.example.co", "/oauth/token", 403),
        ("null", "/oauth/token", 403),
        ("https://evil.example", "/.well-known/jwks.json", 200),
    ] {
        let reply = app.send("id.localhost", "OPTIONS", path, &question(origin), None).await;
        assert_eq!(reply.status, status, "{origin} {path}: {reply:?}");
    }
}

#[tokio::test]
async fn a_program_gets_fewer_scopes_if_it_asks_and_never_another_business() {
    let app = TestApp::start().await;
    let (acme, staff) = setup(&app).await;
    let zenith = app.tenant("zenith").await;
    app.member_with("owner@acme.test", &zenith.tenant, &["STAFF"]).await;
    let books = register(&staff, "shop-books", json!({})).await;
    let browser = Browser::new(&app);
    let scope = ("scope", "openid email stock.read");
    let open = authorize("shop-books", CALLBACK, &[scope, ("resource", "http://acme.localhost")]);
    let left = browser.enter(&open, "owner@acme.test").await;
    let code = left.parameter("code");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", harness::browser::VERIFIER),
        ("resource", "http://zenith.localhost"),
    ];
    let elsewhere = app.ask_provider("/oauth/token", Some(&books), &form).await;
    assert_eq!((elsewhere.status, &elsewhere.body["error"]), (400, &json!("invalid_target")));
    let tokens = app.redeem(&books, CALLBACK, &code).await;
    let elsewhere = refresh(&app, &books, &tokens, &[("resource", "http://zenith.localhost")]).await;
    assert_eq!(elsewhere.body["error"], "invalid_target");
    let fewer =
        refresh(&app, &books, &tokens, &[("scope", "openid"), ("resource", "http://acme.localhost")]).await;
    assert_eq!(
        (fewer.text("scope").as_str(), claims_of(&fewer.text("access_token"))["scope"].as_str()),
        ("openid", Some("openid"))
    );
    let program = acme.with_token(Some(&fewer.text("access_token")));
    assert_eq!(program.get("/api/v1/stock").await.status, 403);
    let all = refresh(&app, &books, &fewer, &[]).await;
    assert_eq!(all.text("scope"), "stock.read openid email");
    assert_eq!(
        refresh(&app, &books, &all, &[("scope", "openid orders.read")]).await.body["error"],
        "invalid_scope"
    );
}

#[tokio::test]
async fn an_id_token_ends_no_more_than_its_own_session() {
    let app = TestApp::start().await;
    let (acme, staff) = setup(&app).await;
    let (books, other) =
        (register(&staff, "shop-books", json!({})).await, register(&staff, "shop-other", json!({})).await);
    let browser = Browser::new(&app);
    let enter = async |client: &str, id: &str| {
        let left = browser.enter(&authorize(id, CALLBACK, &[]), "owner@acme.test").await;
        app.redeem(client, CALLBACK, &left.parameter("code")).await
    };
    let (one, two) = (enter(&books, "shop-books").await, enter(&other, "shop-other").await);
    let hint = format!("/oauth/end-session?id_token_hint={}", one.text("id_token"));
    // Somebody who has the ID token, and not the browser.
    assert_eq!(Browser::new(&app).open(&hint).await.heading(), "You are signed out");
    assert_eq!(acme.with_token(Some(&one.text("access_token"))).until(401).await.status, 401);
    let goes_on = acme.with_token(Some(&two.text("access_token")));
    assert_eq!(goes_on.get("/api/v1/products").await.status, 200);
    assert!(browser.open(&authorize("shop-other", CALLBACK, &[("prompt", "none")])).await.left_for.is_some());
    // An ID token of another browser is no reason to sign out of this one unasked.
    let elsewhere = Browser::new(&app);
    elsewhere.enter(&authorize("shop-books", CALLBACK, &[]), "owner@acme.test").await;
    assert_eq!(elsewhere.open(&hint).await.heading(), "Sign out?");
}

#[tokio::test]
async fn a_flood_of_parameters_or_of_codes_costs_little() {
    let app = TestApp::start().await;
    let (acme, staff) = setup(&app).await;
    let books = register(&staff, "shop-books", json!({})).await;
    let many: Vec<(String, String)> =
        (0..50_000).map(|number| (format!("p{number}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let began = Instant::now();
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
        let told = app.ask_provider(path, None, &many).await;
        assert_eq!((told.status, &told.body["error"]), (400, &json!("invalid_request")), "{path}");
    }
    let browser = Browser::new(&app);
    for path in ["/oauth/authorize", "/oauth/end-session"] {
        assert_eq!(browser.submit(path, &many).await.status, 400, "{path}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "the time must not grow with the square of the body");
    // What is wrong is said to the program, once it is known.
    let open = authorize("shop-books", CALLBACK, &[]);
    let repeated = browser.open(&format!("{open}&state=again")).await;
    assert_eq!(
        (repeated.parameter("error"), repeated.parameter("state")),
        ("invalid_request".into(), "the state".into())
    );
    // One browser has so many codes and sessions of a program at most, and pushes out nobody else's.
    browser.enter(&open, "owner@acme.test").await;
    let mut last = String::new();
    for _ in 0..25 {
        last = browser.open(&open).await.parameter("code");
    }
    let owner = app.database.as_owner().await;
    let count = async |sql: &str| owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count("SELECT count(*) FROM shared.authorization_codes").await, 21);
    assert_eq!(app.redeem(&books, CALLBACK, &last).await.status, 200);
    for _ in 0..12 {
        let code = browser.open(&open).await.parameter("code");
        assert_eq!(app.redeem(&books, CALLBACK, &code).await.status, 200);
    }
    const LIVE: &str =
        "SELECT count(*) FROM shared.sessions WHERE client_id IS NOT NULL AND revoked_at IS NULL";
    assert_eq!(count(LIVE).await, 10);
    assert_eq!(acme.get("/api/v1/products").await.status, 200);
}
