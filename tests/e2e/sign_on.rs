//! Single sign-on: a person signs in once, with one browser, and opens every app with the role that they have
//! there.

use harness::browser::{Browser, Shown, authorize, claims_of};
use harness::{Business, Client, PASSWORD, TestApp, uuid};
use serde_json::{Value, json};

use crate::second_factor::digits;

const BOOKS: &str = "https://books.example.com/callback";
const TILL: &str = "https://till.example.com/callback";

/// Registers a program. Returns `id:secret`, or `id` for a public one.
async fn register(staff: &Client<'_>, id: &str, app: &str, redirect_uri: &str, more: Value) -> String {
    let mut new =
        json!({"id": id, "app": app, "name": format!("Program {id}"), "redirectUris": [redirect_uri]});
    new.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let reply = staff.post("/api/v1/platform/clients", &new).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body["secret"].as_str().map_or(id.to_owned(), |secret| format!("{id}:{secret}"))
}

/// A business whose owner is a cashier of the till too, with a program for each app.
async fn with_programs(app: &TestApp) -> (Business<'_>, Client<'_>, [String; 2]) {
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    app.member_of_app("owner@acme.test", "pos", Some(&acme.tenant), &["cashier"]).await;
    let books = register(&staff, "shop-books", "inventory", BOOKS, json!({})).await;
    let till = register(&staff, "shop-till", "pos", TILL, json!({"isPublic": true})).await;
    (acme, staff, [books, till])
}

#[tokio::test]
async fn one_sign_in_opens_every_app_with_the_role_of_each() {
    let app = TestApp::start().await;
    let (acme, _, [books, till]) = with_programs(&app).await;
    let browser = Browser::new(&app);
    let first = browser.open(&authorize("shop-books", BOOKS, &[])).await;
    assert_eq!((first.status, first.heading()), (200, "Sign in"));
    let wrong = browser.submit(&first.form(), &[("login", "owner@acme.test"), ("password", "x")]).await;
    assert_eq!((wrong.status, wrong.heading()), (401, "Sign in"));
    assert!(wrong.text.contains("role=\"alert\"") && browser.cookies().is_empty(), "{wrong:?}");
    let left = browser.submit(&wrong.form(), &[("login", "owner@acme.test"), ("password", PASSWORD)]).await;
    assert_eq!((left.status, left.parameter("state").as_str()), (303, "the state"));
    assert_eq!(left.parameter("iss"), "http://id.test");
    let tokens = app.redeem(&books, BOOKS, &left.parameter("code")).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let (access, id) = (claims_of(&tokens.text("access_token")), claims_of(&tokens.text("id_token")));
    assert_eq!((&access["aud"], &access["client_id"]), (&json!("inventory"), &json!("shop-books")));
    assert_eq!((&access["roles"], &access["tid"]), (&json!(["OWNER"]), &json!(acme.tenant.id)));
    assert_eq!((&id["aud"], &id["nonce"]), (&json!(["shop-books"]), &json!("the nonce")));
    assert_eq!((&id["sub"], &id["sid"], &id["tid"]), (&access["sub"], &access["sid"], &access["tid"]));
    let owner = acme.with_token(Some(&tokens.text("access_token")));
    assert_eq!(owner.get("/api/v1/products").await.status, 200);
    // The other app opens without a password, and with another role.
    let second = browser.open(&authorize("shop-till", TILL, &[])).await;
    let other = app.redeem(&till, TILL, &second.parameter("code")).await;
    let claims = claims_of(&other.text("access_token"));
    assert_eq!((&claims["aud"], &claims["roles"]), (&json!("pos"), &json!(["cashier"])));
    assert_eq!((&claims["sub"], &claims["auth_time"]), (&access["sub"], &access["auth_time"]));
    assert_ne!(claims["sid"], access["sid"]);
    let listed = owner.get("/api/v1/auth/sessions").await;
    assert_eq!((listed.status, listed.code()), (403, "account_not_granted"), "a program asks for account");
    let listed = acme.get("/api/v1/auth/sessions").await.body;
    let programs: Vec<&Value> =
        listed["data"].as_array().unwrap().iter().map(|one| &one["program"]).collect();
    assert!(programs.contains(&&json!("Program shop-books")) && programs.contains(&&json!(null)), "{listed}");
    // Another browser is not signed in.
    assert_eq!(Browser::new(&app).open(&authorize("shop-till", TILL, &[])).await.heading(), "Sign in");
    // The end of the session of one app, by the app, leaves the other one alone.
    assert_eq!(owner.post("/api/v1/auth/logout", &json!({})).await.status, 204);
    assert_eq!(owner.until(401).await.status, 401);
    let cashier = acme.with_token(Some(&other.text("access_token")));
    assert_eq!(cashier.get("/api/v1/auth/me").await.status, 200);
}

/// What ends a sign-on. `$1` is the user.
const ENDS: [&str; 3] = [
    "UPDATE shared.users SET status = 'disabled' WHERE id = $1",
    "UPDATE shared.sign_ons SET revoked_at = now(), revoked_reason = 'signed_out' WHERE user_id = $1",
    "DELETE FROM shared.memberships WHERE user_id = $1 AND app = 'pos'",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_loses_access_with_the_sign_on() {
    let app = TestApp::start().await;
    let (acme, _, [_, till]) = with_programs(&app).await;
    let owner = app.database.as_owner().await;
    for (number, sql) in ENDS.iter().enumerate() {
        let email = format!("ann-{number}@acme.test");
        app.member_of_app(&email, "pos", Some(&acme.tenant), &["cashier"]).await;
        let browser = Browser::new(&app);
        let open = authorize("shop-till", TILL, &[]);
        let code = browser.enter(&open, &email).await.parameter("code");
        let unused = browser.open(&open).await.parameter("code");
        let tokens = app.redeem(&till, TILL, &code).await;
        let ann = acme.with_token(Some(&tokens.text("access_token")));
        let me = ann.get("/api/v1/auth/me").await;
        assert_eq!(me.status, 200);
        owner.execute(*sql, &[&uuid(&me.body["user"]["id"])]).await.unwrap();
        assert_eq!(ann.until(401).await.status, 401, "{sql}");
        let refused = app.redeem(&till, TILL, &unused).await;
        assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_grant")), "{sql}");
        let refresh = [("grant_type", "refresh_token"), ("client_id", "shop-till")];
        let with = [("refresh_token", tokens.text("refresh_token"))].map(|(name, text)| (name, text));
        let form = [refresh[0], refresh[1], (with[0].0, with[0].1.as_str())];
        let refused = app.ask_provider("/oauth/token", None, &form).await;
        assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_grant")), "{sql}");
        assert!(browser.open(&open).await.left_for.is_none(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_change_and_the_end_of_a_device_end_the_sign_on() {
    let app = TestApp::start().await;
    let (acme, _, [books, _]) = with_programs(&app).await;
    let open = authorize("shop-books", BOOKS, &[]);
    // The user ends the session of a lost device: its browser opens no app any more.
    let lost = Browser::new(&app);
    let code = lost.enter(&open, "owner@acme.test").await.parameter("code");
    let session = claims_of(&app.redeem(&books, BOOKS, &code).await.text("access_token"))["sid"].clone();
    let path = format!("/api/v1/auth/sessions/{}", session.as_str().unwrap());
    assert_eq!(acme.delete(&path).await.status, 204);
    assert_eq!(lost.open(&open).await.heading(), "Sign in");
    // The business ends the sessions of a member: at this business, the password is asked for again.
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    let browser = Browser::new(&app);
    assert!(browser.enter(&open, "ann@acme.test").await.left_for.is_some());
    let ann = acme.membership("ann", "inventory").await["userId"].clone();
    let ann = match ann.as_str() {
        Some(id) => id.to_owned(),
        None => acme.get("/api/v1/users?q=ann").await.body["data"][0]["id"].as_str().unwrap().to_owned(),
    };
    assert_eq!(acme.delete(&format!("/api/v1/users/{ann}/sessions")).await.status, 204);
    assert_eq!(browser.open(&open).await.heading(), "Sign in");
    assert!(browser.enter(&open, "ann@acme.test").await.left_for.is_some());
    // Another password ends all sign-ons.
    let change = json!({"currentPassword": PASSWORD, "newPassword": "kijani mlima nyota saba"});
    let own = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    assert_eq!(own.post("/api/v1/auth/password/change", &change).await.status, 204);
    assert_eq!(browser.open(&open).await.heading(), "Sign in");
    // So do all sessions at once, but not all but this one if this one belongs to it.
    let browser = Browser::new(&app);
    assert!(browser.enter(&open, "owner@acme.test").await.left_for.is_some());
    let scope = authorize("shop-books", BOOKS, &[("scope", "openid account")]);
    let code = browser.open(&scope).await.parameter("code");
    let token = app.redeem(&books, BOOKS, &code).await.text("access_token");
    let here = acme.with_token(Some(&token));
    assert_eq!(here.delete("/api/v1/auth/sessions?keepCurrent=true").await.status, 204);
    assert!(browser.open(&open).await.left_for.is_some());
    assert_eq!(here.delete("/api/v1/auth/sessions").await.status, 204);
    assert_eq!(browser.open(&open).await.heading(), "Sign in");
}

#[tokio::test]
async fn a_member_of_several_businesses_chooses_one() {
    let app = TestApp::start().await;
    let (acme, _, [books, till]) = with_programs(&app).await;
    let zenith = app.tenant("zenith").await;
    app.member_with("owner@acme.test", &zenith.tenant, &["STAFF"]).await;
    let browser = Browser::new(&app);
    let page = browser.enter(&authorize("shop-books", BOOKS, &[]), "owner@acme.test").await;
    assert_eq!((page.status, page.heading()), (200, "Choose a business"), "{page:?}");
    let left = browser.open(&page.link("zenith Ltd")).await;
    let claims = claims_of(&app.redeem(&books, BOOKS, &left.parameter("code")).await.text("access_token"));
    assert_eq!((&claims["tid"], &claims["roles"]), (&json!(zenith.tenant.id), &json!(["STAFF"])));
    let to = |business: &str| authorize("shop-books", BOOKS, &[("resource", business)]);
    let left = browser.open(&to("http://acme.localhost")).await;
    let claims = claims_of(&app.redeem(&books, BOOKS, &left.parameter("code")).await.text("access_token"));
    assert_eq!((&claims["tid"], &claims["roles"]), (&json!(acme.tenant.id), &json!(["OWNER"])));
    // A token of one business is refused by the other.
    let left = browser.open(&to("http://acme.localhost")).await;
    let token = app.redeem(&books, BOOKS, &left.parameter("code")).await.text("access_token");
    assert_eq!(zenith.with_token(Some(&token)).get("/api/v1/products").await.code(), "token_wrong_business");
    for nowhere in ["http://nobody.localhost", "http://admin.localhost", "x"] {
        assert_eq!(browser.open(&to(nowhere)).await.parameter("error"), "invalid_target", "{nowhere}");
    }
    // The person is no cashier at the other business.
    let open = authorize("shop-till", TILL, &[("resource", "http://zenith.localhost")]);
    let page = browser.open(&open).await;
    assert_eq!((page.status, page.heading()), (403, "No access"));
    assert!(page.text.contains("Use another account"));
    let silent = authorize("shop-till", TILL, &[("resource", "http://zenith.localhost"), ("prompt", "none")]);
    assert_eq!(browser.open(&silent).await.parameter("error"), "access_denied");
    let left = browser.open(&authorize("shop-till", TILL, &[])).await;
    assert_eq!(
        app.redeem(&till, TILL, &left.parameter("code")).await.status,
        200,
        "one business needs no choice"
    );
    // A closed business is none.
    let owner = app.database.as_owner().await;
    owner.execute("UPDATE shared.tenants SET status = 'suspended' WHERE slug = 'zenith'", &[]).await.unwrap();
    assert!(browser.open(&authorize("shop-books", BOOKS, &[])).await.left_for.is_some());
}

#[tokio::test]
async fn prompt_max_age_and_hints_are_kept() {
    let app = TestApp::start().await;
    let (acme, _, [books, _]) = with_programs(&app).await;
    let browser = Browser::new(&app);
    let with = |more: &[(&str, &str)]| authorize("shop-books", BOOKS, more);
    let error = async |more: &[(&str, &str)]| browser.open(&with(more)).await.parameter("error");
    assert_eq!(error(&[("prompt", "none")]).await, "login_required");
    let left = browser.enter(&with(&[]), "owner@acme.test").await;
    let tokens = app.redeem(&books, BOOKS, &left.parameter("code")).await;
    assert!(!browser.open(&with(&[("prompt", "none")])).await.parameter("code").is_empty());
    assert_eq!(error(&[("prompt", "none login")]).await, "invalid_request");
    assert_eq!(error(&[("prompt", "create")]).await, "invalid_request");
    assert_eq!(error(&[("max_age", "-1")]).await, "invalid_request");
    // The password again, once.
    for more in [&[("prompt", "login")][..], &[("max_age", "0")], &[("prompt", "login"), ("max_age", "0")]] {
        assert_eq!(browser.open(&with(more)).await.heading(), "Sign in", "{more:?}");
        assert!(
            !browser.enter(&with(more), "owner@acme.test").await.parameter("code").is_empty(),
            "{more:?}"
        );
    }
    let owner = app.database.as_owner().await;
    let older = "UPDATE shared.sign_ons SET authenticated_at = authenticated_at - interval '5 minutes'";
    owner.execute("UPDATE shared.users SET password_changed_at = NULL", &[]).await.unwrap();
    owner.execute(older, &[]).await.unwrap();
    assert_eq!(browser.open(&with(&[("max_age", "299")])).await.heading(), "Sign in");
    assert_eq!(error(&[("max_age", "299"), ("prompt", "none")]).await, "login_required");
    assert!(browser.open(&with(&[("max_age", "400")])).await.left_for.is_some());
    // The person who gives the password again stays signed in to what was opened before.
    let refresh = [("grant_type", "refresh_token")];
    let token = tokens.text("refresh_token");
    let form = [refresh[0], ("refresh_token", token.as_str())];
    assert_eq!(app.ask_provider("/oauth/token", Some(&books), &form).await.status, 200);
    let page = browser.open(&with(&[("prompt", "select_account")])).await;
    assert_eq!(page.heading(), "Choose an account");
    assert_eq!(browser.open(&page.link("Another account")).await.heading(), "Sign in");
    assert!(browser.open(&page.link("owner@acme.test")).await.left_for.is_some());
    assert_eq!(error(&[("prompt", "none"), ("scope", "openid nonsense")]).await, "invalid_scope");
    // A hint about somebody else, or of another program, or no hint at all.
    let id_token = tokens.text("id_token");
    assert!(
        browser
            .open(&with(&[("id_token_hint", &id_token), ("prompt", "none")]))
            .await
            .parameter("code")
            .len()
            > 9
    );
    assert_eq!(error(&[("id_token_hint", "x")]).await, "invalid_request");
    let other = Browser::new(&app);
    app.member_with("ben@acme.test", &acme.tenant, &["STAFF"]).await;
    assert!(other.enter(&with(&[]), "ben@acme.test").await.left_for.is_some());
    let hinted = with(&[("id_token_hint", &id_token), ("prompt", "none")]);
    assert_eq!(other.open(&hinted).await.parameter("error"), "login_required");
    let hint = browser.open(&with(&[("login_hint", "a\"b@acme.test"), ("prompt", "login")])).await;
    assert!(hint.text.contains("value=\"a&quot;b@acme.test\""), "{hint:?}");
}

#[tokio::test]
async fn somebody_elses_program_asks_first_and_gets_what_it_names() {
    let app = TestApp::start().await;
    let (acme, staff, _) = with_programs(&app).await;
    const FILER: &str = "https://filer.example.com/callback";
    let filer = register(&staff, "tax-filer", "inventory", FILER, json!({"isForeign": true})).await;
    let browser = Browser::new(&app);
    let scope = "openid email stock.read team.manage";
    let with =
        |scope: &str, prompt: &str| authorize("tax-filer", FILER, &[("scope", scope), ("prompt", prompt)]);
    let page = browser.enter(&with(scope, ""), "owner@acme.test").await;
    assert_eq!(page.heading(), "Allow Program tax-filer?", "{page:?}");
    assert!(
        page.text.contains("Read stock levels") && page.text.contains("See your email address"),
        "{page:?}"
    );
    assert_eq!(browser.open(&with(scope, "none")).await.parameter("error"), "consent_required");
    let denied = browser.submit(&page.form(), &[("decision", "deny")]).await;
    assert_eq!(denied.parameter("error"), "access_denied");
    for origin in [None, Some("https://filer.example.com")] {
        let forged = browser.submit_from(origin, &page.form(), &[("decision", "allow")]).await;
        assert_eq!((forged.status, forged.left_for), (403, None), "{origin:?}");
    }
    let left = browser.submit(&page.form(), &[("decision", "allow")]).await;
    let tokens = app.redeem(&filer, FILER, &left.parameter("code")).await;
    // What gives access to others is for people alone.
    assert_eq!(tokens.text("scope"), "stock.read openid email");
    let program = acme.with_token(Some(&tokens.text("access_token")));
    assert_eq!(program.get("/api/v1/stock").await.status, 200);
    for (method, path) in
        [("GET", "/api/v1/products"), ("GET", "/api/v1/users"), ("GET", "/api/v1/auth/profile")]
    {
        assert_eq!(program.send(method, path, None).await.status, 403, "{path}");
    }
    // The person is asked once, until the program wants more.
    assert!(!browser.open(&with(scope, "none")).await.parameter("code").is_empty());
    assert_eq!(browser.open(&with(scope, "consent")).await.heading(), "Allow Program tax-filer?");
    assert_eq!(browser.open(&with("openid phone", "none")).await.parameter("error"), "consent_required");
    assert_eq!(browser.open(&with("openid account", "")).await.parameter("error"), "invalid_scope");
    let nothing =
        browser.submit(&browser.open(&with("openid phone", "")).await.form(), &[("decision", "allow")]).await;
    let tokens = app.redeem(&filer, FILER, &nothing.parameter("code")).await;
    assert_eq!(tokens.text("scope"), "openid phone", "without names, no permission");
    // The person takes it back.
    let listed = acme.get("/api/v1/auth/consents").await.body;
    assert_eq!(listed["data"][0]["clientId"], "tax-filer", "{listed}");
    assert_eq!(acme.delete("/api/v1/auth/consents/tax-filer").await.status, 204);
    assert_eq!(acme.delete("/api/v1/auth/consents/tax-filer").await.status, 404);
    assert_eq!(program.until(401).await.status, 401);
    assert_eq!(browser.open(&with(scope, "none")).await.parameter("error"), "consent_required");
}

#[tokio::test]
async fn nobody_is_signed_in_by_the_page_of_another_site() {
    let app = TestApp::start().await;
    let (_, _, _) = with_programs(&app).await;
    let browser = Browser::new(&app);
    let page = browser.open(&authorize("shop-books", BOOKS, &[])).await;
    for header in ["content-security-policy", "x-frame-options", "referrer-policy"] {
        assert!(page.headers.contains_key(header), "{header}");
    }
    let typed = [("login", "owner@acme.test"), ("password", PASSWORD)];
    for origin in [None, Some("null"), Some("https://evil.example"), Some("http://acme.localhost")] {
        let refused = browser.submit_from(origin, &page.form(), &typed).await;
        assert_eq!((refused.status, refused.left_for), (403, None), "{origin:?}");
        assert!(browser.cookies().is_empty(), "{origin:?}");
    }
    // A secret that somebody planted is not the one of the sign-on.
    browser.cookies().insert("tenantry-sign-on".into(), "tso_planted".into());
    let left = browser.submit(&page.form(), &typed).await;
    assert!(left.left_for.is_some(), "{left:?}");
    let first = browser.cookies()["tenantry-sign-on"].clone();
    assert!(first.starts_with("tso_") && first != "tso_planted", "{first}");
    // The password again: another secret, and the former one is worth nothing.
    browser.enter(&authorize("shop-books", BOOKS, &[("prompt", "login")]), "owner@acme.test").await;
    assert_ne!(browser.cookies()["tenantry-sign-on"], first);
    let thief = Browser::new(&app);
    thief.cookies().insert("tenantry-sign-on".into(), first);
    assert_eq!(thief.open(&authorize("shop-books", BOOKS, &[])).await.heading(), "Sign in");
    // The cookie is worth nothing at a business, and its table holds no secret.
    let secret = browser.cookies()["tenantry-sign-on"].clone();
    let acme = app.stranger("acme.localhost").with("cookie", &format!("tenantry-access={secret}"));
    assert_eq!(acme.get("/api/v1/products").await.status, 401);
    let owner = app.database.as_owner().await;
    let rows = owner.query("SELECT o::text FROM shared.sign_ons o", &[]).await.unwrap();
    assert!(rows.iter().all(|row| !row.get::<_, String>(0).contains(&secret)));
}

#[tokio::test]
async fn somebody_elses_choice_of_a_password_ends_at_the_page() {
    let app = TestApp::start().await;
    let (acme, _, [books, _]) = with_programs(&app).await;
    let open = authorize("shop-books", BOOKS, &[("resource", "http://acme.localhost")]);
    let new = json!({"username": "bea", "password": "a first password of bea", "roles": ["STAFF"]});
    assert_eq!(acme.post("/api/v1/users", &new).await.status, 201);
    let owner = app.database.as_owner().await;
    owner
        .execute(
            "UPDATE shared.users SET must_change_password = true WHERE id IN
                       (SELECT user_id FROM shared.user_logins WHERE value = 'bea')",
            &[],
        )
        .await
        .unwrap();
    let browser = Browser::new(&app);
    let page = browser.open(&open).await;
    assert!(page.text.contains("Email or username"), "{page:?}");
    let typed = [("login", "Bea"), ("password", "a first password of bea")];
    let page = browser.submit(&page.form(), &typed).await;
    assert_eq!(page.heading(), "Choose a new password", "{page:?}");
    assert!(browser.cookies().is_empty());
    let weak = [typed[0], typed[1], ("new_password", "short")];
    let page = browser.submit(&page.form(), &weak).await;
    assert_eq!((page.status, page.heading()), (422, "Choose a new password"), "{page:?}");
    let strong = [typed[0], typed[1], ("new_password", "kijani mlima nyota saba")];
    let left = browser.submit(&page.form(), &strong).await;
    let tokens = app.redeem(&books, BOOKS, &left.parameter("code")).await;
    assert_eq!(claims_of(&tokens.text("access_token"))["roles"], json!(["STAFF"]));
    // Without a business, a username says nothing.
    let page = Browser::new(&app)
        .submit(&Browser::new(&app).open(&authorize("shop-books", BOOKS, &[])).await.form(), &typed)
        .await;
    assert_eq!((page.status, page.heading()), (422, "Sign in"));
}

#[tokio::test]
async fn a_role_that_needs_a_second_factor_gets_one_in_the_browser() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    const BACK: &str = "https://payroll.example.com/callback";
    let payroll = json!({"name": "Payroll", "permissions": [{"key": "payslips.read"}],
                         "roles": [{"key": "Viewer", "permissions": ["payslips.read"]}]});
    assert_eq!(staff.put("/api/v1/platform/apps/payroll", &payroll).await.status, 201);
    let program = json!({"id": "payroll-web", "app": "payroll", "name": "Payroll", "redirectUris": [BACK],
                         "isPublic": true});
    assert_eq!(staff.post("/api/v1/platform/clients", &program).await.status, 201);
    app.member_of_app("ann@acme.test", "payroll", Some(&acme.tenant), &["Viewer"]).await;
    // Another browser is signed in, and so is a session.
    let (browser, other) = (Browser::new(&app), Browser::new(&app));
    let open = authorize("payroll-web", BACK, &[]);
    let left = other.enter(&open, "ann@acme.test").await;
    let before = app.redeem("payroll-web", BACK, &left.parameter("code")).await;
    const ROLE: &str = "INSERT INTO shared.second_factor_roles (tenant_id, app, role)
                        SELECT id, 'payroll', 'Viewer' FROM shared.tenants WHERE slug = 'acme'";
    let database = app.database.as_owner().await;
    database.execute(ROLE, &[]).await.unwrap();
    let page = browser.enter(&open, "ann@acme.test").await;
    assert_eq!((page.status, page.heading()), (200, "Set up a second factor"), "{page:?}");
    let silent = authorize("payroll-web", BACK, &[("prompt", "none")]);
    assert_eq!(browser.open(&silent).await.parameter("error"), "interaction_required");
    // The page that was opened last counts: each has a secret of its own.
    let secret = |page: &Shown| {
        let rest = page.text.split("<code>").nth(1).unwrap();
        rest.split("</code>").next().unwrap().replace(' ', "")
    };
    let first = secret(&page);
    let page = browser.open(&open).await;
    assert!(page.text.contains("<svg") && !page.text.contains("<?xml"), "{page:?}");
    let second = secret(&page);
    assert_ne!(first, second);
    for code in ["000000", "", &digits(&first, 0)] {
        let wrong = browser.submit(&page.form(), &[("code", code)]).await;
        assert_eq!((wrong.status, wrong.heading()), (422, "Set up a second factor"), "{wrong:?}");
        assert!(!wrong.text.contains("<svg"), "a secret that somebody else began with is not shown");
    }
    let forged = browser.submit_from(Some("https://evil.example"), &page.form(), &[("code", "1")]).await;
    assert_eq!((forged.status, forged.left_for), (403, None));
    let codes = browser.submit(&page.form(), &[("code", &digits(&second, 0))]).await;
    assert_eq!((codes.status, codes.heading()), (200, "Keep your recovery codes"), "{codes:?}");
    assert_eq!(codes.text.matches("<code>").count(), 10);
    let left = browser.open(&codes.link("Continue")).await;
    let tokens = app.redeem("payroll-web", BACK, &left.parameter("code")).await;
    let claims = claims_of(&tokens.text("access_token"));
    assert_eq!(
        (&claims["acr"], &claims["scope"]),
        (&json!("given"), &json!("payslips.read openid")),
        "{claims}"
    );
    // Everything else of the person has ended, and the page is shown no more.
    let next = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &before.text("refresh_token")),
        ("client_id", "payroll-web"),
    ];
    assert_eq!(app.ask_provider("/oauth/token", None, &next).await.body["error"], "invalid_grant");
    assert_eq!(other.open(&open).await.heading(), "Sign in");
    assert!(browser.submit(&page.form(), &[("code", &digits(&second, 1))]).await.left_for.is_some());
    // Somebody who gave the password a while ago gives it again first.
    database.execute("DELETE FROM shared.authenticators", &[]).await.unwrap();
    const OLDER: &str =
        "UPDATE shared.sign_ons SET authenticated_at = authenticated_at - interval '20 minutes'";
    database.execute("UPDATE shared.users SET password_changed_at = NULL", &[]).await.unwrap();
    database.execute(OLDER, &[]).await.unwrap();
    assert_eq!(browser.open(&open).await.heading(), "Sign in");
}
