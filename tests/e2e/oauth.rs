//! The protocol between the provider and programs: what the RFCs say about wrong requests, codes, tokens and
//! the end of sessions.

use std::time::{Duration, Instant};

use harness::browser::{Browser, VERIFIER, authorize, claims_of};
use harness::{Client, TestApp, join_all};
use identity::logout_notice::LogoutNotifier;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const BOOKS: &str = "https://books.example.com/callback?x=1";
const OTHER: &str = "https://other.example.com/callback";

async fn register(staff: &Client<'_>, new: Value) -> String {
    let reply = staff.post("/api/v1/platform/clients", &new).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let id = new["id"].as_str().unwrap();
    reply.body["secret"].as_str().map_or(id.to_owned(), |secret| format!("{id}:{secret}"))
}

/// Two programs of one app: one with a secret, and a public one.
async fn two_programs(staff: &Client<'_>) -> (String, String) {
    let books = json!({"id": "shop-books", "app": "inventory", "name": "Books", "redirectUris": [BOOKS]});
    let other = json!({"id": "shop-other", "app": "inventory", "name": "Other", "redirectUris": [OTHER],
                       "isPublic": true});
    (register(staff, books).await, register(staff, other).await)
}

/// Parameters of the authorization endpoint, and the error.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn a_wrong_request_goes_back_to_the_program_or_nowhere() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    two_programs(&staff).await;
    register(&staff, json!({"id": "erp-sync", "app": "inventory", "name": "ERP"})).await;
    let browser = Browser::new(&app);
    let back: [Case<'_>; 14] = [
        (&[("response_type", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("request", "x")], "request_not_supported"),
        (&[("request_uri", "https://x.example")], "request_uri_not_supported"),
        (&[("registration", "x")], "registration_not_supported"),
        (&[("scope", "openid nonsense.read")], "invalid_scope"),
        (&[("max_age", "soon")], "invalid_request"),
        (&[("resource", "https://acme.localhost#x")], "invalid_target"),
    ];
    for (more, error) in back {
        let left = browser.open(&authorize("shop-books", BOOKS, more)).await;
        assert_eq!(left.parameter("error"), error, "{more:?}");
        assert_eq!(
            (left.parameter("state"), left.parameter("x")),
            ("the state".into(), "1".into()),
            "{more:?}"
        );
        assert_eq!(left.parameter("iss"), "http://id.test", "{more:?}");
        assert!(!left.parameter("error_description").is_empty(), "{more:?}");
    }
    // Nothing is sent to an address that was not registered letter by letter for this program.
    let long = "x".repeat(3000);
    let nowhere: [(&str, &str); 14] = [
        ("nobody", BOOKS),
        ("NOBODY!", BOOKS),
        ("erp-sync", BOOKS),
        ("shop-books", OTHER),
        ("shop-books", ""),
        ("shop-books", "https://books.example.com/callback"),
        ("shop-books", "https://books.example.com/callback?x=1&y=2"),
        ("shop-books", "https://books.example.com/callback?x=1#y"),
        ("shop-books", "https://books.example.com:443/callback?x=1"),
        ("shop-books", "https://books.example.com/callback/../callback?x=1"),
        ("shop-books", "https://books.example.com.evil.example/callback?x=1"),
        ("shop-books", "https://books.example.com@evil.example/callback?x=1"),
        ("shop-books", "javascript:alert(1)"),
        ("shop-books", &long),
    ];
    for (client, redirect_uri) in nowhere {
        for more in [&[][..], &[("prompt", "none")], &[("response_type", "token")]] {
            let page = browser.open(&authorize(client, redirect_uri, more)).await;
            assert_eq!(
                (page.status, page.left_for.as_ref()),
                (400, None),
                "{client} {redirect_uri}: {page:?}"
            );
            assert_eq!(page.heading(), "This link does not work", "{page:?}");
        }
    }
    for query in ["", "client_id=shop-books&client_id=shop-other", "state=%00", "%", "client_id=%ff"] {
        let page = browser.open(&format!("/oauth/authorize?{query}")).await;
        assert_eq!((page.status, page.left_for.as_ref()), (400, None), "{query}");
    }
    // The forms are as careful as the first page.
    for form in ["/sign-in", "/consent"] {
        let path = authorize("shop-books", OTHER, &[]).replace("/oauth/authorize", form);
        let page =
            browser.submit(&path, &[("login", "owner@acme.test"), ("password", harness::PASSWORD)]).await;
        assert_eq!((page.status, page.left_for.as_ref()), (400, None), "{form}: {page:?}");
    }
    let posted =
        browser.submit("/oauth/authorize", &[("client_id", "shop-books"), ("redirect_uri", BOOKS)]).await;
    assert_eq!(posted.parameter("error"), "invalid_request");
    // The pages are at this host alone.
    for path in ["/style.css", "/oauth/authorize?x=1", "/oauth/end-session"] {
        assert_eq!(app.stranger("acme.localhost").get(path).await.status, 404, "{path}");
    }
}

/// `id:secret`, the form, and the status and the error of the answer.
type Attempt<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn a_code_is_exchanged_once_by_its_program_with_its_verifier() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let (books, other) = two_programs(&staff).await;
    let browser = Browser::new(&app);
    let open = authorize("shop-books", BOOKS, &[]);
    browser.enter(&open, "owner@acme.test").await;
    let code = async || browser.open(&open).await.parameter("code");
    let present = code().await;
    let ask = async |basic: Option<&str>, form: &[(&str, &str)]| {
        let told = app.ask_provider("/oauth/token", basic, form).await;
        (told.status, told.body["error"].as_str().unwrap_or_default().to_owned())
    };
    let grant = ("grant_type", "authorization_code");
    let (c, r, v) = (("code", present.as_str()), ("redirect_uri", BOOKS), ("code_verifier", VERIFIER));
    let long = "a".repeat(129);
    let changed = VERIFIER.replace('d', "e");
    let cases: [Attempt<'_>; 14] = [
        (Some(&books), &[grant, r, v], 400, "invalid_request"),
        (Some(&books), &[grant, c, v], 400, "invalid_request"),
        (Some(&books), &[grant, c, r], 400, "invalid_request"),
        (Some(&books), &[grant, c, r, ("code_verifier", "short")], 400, "invalid_request"),
        (Some(&books), &[grant, c, r, ("code_verifier", &long)], 400, "invalid_request"),
        (Some(&books), &[grant, c, r, ("code_verifier", &changed)], 400, "invalid_grant"),
        (Some(&books), &[grant, c, v, ("redirect_uri", OTHER)], 400, "invalid_grant"),
        (Some(&books), &[grant, r, v, ("code", "tac_x")], 400, "invalid_grant"),
        (Some(&books), &[grant, c, c, r, v], 400, "invalid_request"),
        (Some("shop-books:wrong"), &[grant, c, r, v], 401, "invalid_client"),
        (None, &[grant, c, r, v], 401, "invalid_client"),
        (None, &[grant, c, r, v, ("client_id", "shop-books")], 401, "invalid_client"),
        (None, &[grant, c, r, v, ("client_id", &other)], 400, "invalid_grant"),
        (None, &[grant, c, r, v, ("client_id", &other), ("client_secret", "x")], 401, "invalid_client"),
    ];
    for (basic, form, status, error) in cases {
        assert_eq!(ask(basic, form).await, (status, error.to_owned()), "{basic:?} {form:?}");
    }
    let tokens = app.redeem(&books, BOOKS, &present).await;
    assert_eq!(tokens.status, 200, "no failed attempt has used the code: {tokens:?}");
    assert!(tokens.headers["cache-control"].to_str().unwrap().contains("no-store"));
    // A second use ends the session: the code may be stolen.
    let used = app.redeem(&books, BOOKS, &present).await;
    assert_eq!((used.status, &used.body["error"]), (400, &json!("invalid_grant")));
    let refresh = tokens.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    assert_eq!(ask(Some(&books), &form).await, (400, "invalid_grant".to_owned()));
    let owner = app.database.as_owner().await;
    const REUSED: &str = "SELECT count(*) FROM shared.auth_events WHERE failure = 'code_reuse_detected'";
    assert_eq!(owner.query_one(REUSED, &[]).await.unwrap().get::<_, i64>(0), 1);
    // A minute is enough.
    let late = code().await;
    let expire = "UPDATE shared.authorization_codes SET expires_at = now() - interval '1 second'";
    owner.execute(expire, &[]).await.unwrap();
    assert_eq!(app.redeem(&books, BOOKS, &late).await.body["error"], "invalid_grant");
    // Of many requests with one code, at most one gets tokens.
    let contested = code().await;
    let all = join_all((0..10).map(|_| app.redeem(&books, BOOKS, &contested)).collect()).await;
    let got: Vec<_> = all.iter().filter(|told| told.status == 200).collect();
    assert_eq!(got.len(), 1, "{all:?}");
    assert!(all.iter().all(|told| told.status == 200 || told.body["error"] == "invalid_grant"), "{all:?}");
    // The table of codes holds no code.
    let rows = owner.query("SELECT c::text FROM shared.authorization_codes c", &[]).await.unwrap();
    assert!(rows.iter().all(|row| !row.get::<_, String>(0).contains(&contested)));
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_program() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let (books, other) = two_programs(&staff).await;
    let browser = Browser::new(&app);
    let scope = [("scope", "openid profile email phone stock.read")];
    let left = browser.enter(&authorize("shop-books", BOOKS, &scope), "owner@acme.test").await;
    let first = app.redeem(&books, BOOKS, &left.parameter("code")).await;
    assert_eq!(first.text("scope"), "stock.read openid profile email phone");
    let refresh = async |basic: Option<&str>, token: &str, more: &[(&str, &str)]| {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        form.extend(more);
        app.ask_provider("/oauth/token", basic, &form).await
    };
    let token = first.text("refresh_token");
    let foreign = refresh(None, &token, &[("client_id", &other)]).await;
    assert_eq!((foreign.status, &foreign.body["error"]), (400, &json!("invalid_grant")));
    // Without the program's secret, it is worth nothing.
    let plain = acme.post("/api/v1/auth/refresh", &json!({"refreshToken": token})).await;
    assert_eq!((plain.status, plain.code()), (401, "refresh_token_invalid"), "{plain:?}");
    let more = refresh(Some(&books), &token, &[("scope", "openid orders.read")]).await;
    assert_eq!((more.status, &more.body["error"]), (400, &json!("invalid_scope")));
    let second = refresh(Some(&books), &token, &[]).await;
    assert_eq!(second.text("scope"), first.text("scope"));
    let (one, two) = (claims_of(&first.text("id_token")), claims_of(&second.text("id_token")));
    assert_eq!((&one["sub"], &one["sid"], &one["auth_time"]), (&two["sub"], &two["sid"], &two["auth_time"]));
    assert_eq!(two["nonce"], Value::Null);
    // The token of a sign-in to the app itself is not the program's either.
    let own = json!({"email": "owner@acme.test", "password": harness::PASSWORD});
    let own = acme.post("/api/v1/auth/login", &own).await.body;
    let taken = refresh(Some(&books), own["refreshToken"].as_str().unwrap(), &[]).await;
    assert_eq!(taken.body["error"], "invalid_grant");

    let access = second.text("access_token");
    let program = acme.with_token(Some(&access)).on("id.localhost");
    let info = program.get("/oauth/userinfo").await;
    assert_eq!((info.status, &info.body["email"]), (200, &json!("owner@acme.test")), "{info:?}");
    assert_eq!((&info.body["sub"], &info.body["email_verified"]), (&one["sub"], &json!(false)));
    let plain = acme.with_token(Some(own["accessToken"].as_str().unwrap())).on("id.localhost");
    assert_eq!(plain.get("/oauth/userinfo").await.status, 403, "a token without the scope openid");
    for bad in [None, Some("x"), Some(first.text("id_token").as_str())] {
        assert_eq!(program.with_token(bad).get("/oauth/userinfo").await.status, 401, "{bad:?}");
    }
    assert_eq!(acme.with_token(Some(&first.text("id_token"))).get("/api/v1/stock").await.status, 401);

    let check = async |basic: Option<&str>, token: &str| {
        app.ask_provider("/oauth/introspect", basic, &[("token", token)]).await
    };
    let told = check(Some(&books), &access).await;
    assert_eq!(
        (&told.body["active"], &told.body["client_id"]),
        (&json!(true), &json!("shop-books")),
        "{told:?}"
    );
    assert_eq!((&told.body["sub"], &told.body["tid"]), (&one["sub"], &json!(acme.tenant.id)));
    let payroll = json!({"name": "Payroll"});
    assert_eq!(staff.put("/api/v1/platform/apps/payroll", &payroll).await.status, 201);
    let stranger = register(&staff, json!({"id": "pay-slips", "app": "payroll", "name": "Slips"})).await;
    for (basic, token) in
        [(&stranger, access.as_str()), (&books, "x"), (&books, &token), (&books, &one.to_string())]
    {
        assert_eq!(check(Some(basic), token).await.body, json!({"active": false}), "{basic} {token}");
    }
    assert_eq!(check(Some("shop-books:x"), &access).await.status, 401);
    let public =
        app.ask_provider("/oauth/introspect", None, &[("token", &access), ("client_id", &other)]).await;
    assert_eq!((public.status, &public.body["error"]), (401, &json!("invalid_client")));

    let revoke = async |basic: Option<&str>, form: &[(&str, &str)]| {
        app.ask_provider("/oauth/revoke", basic, form).await.status
    };
    assert_eq!(revoke(None, &[("token", &access), ("client_id", &other)]).await, 200);
    assert_eq!(revoke(Some(&books), &[("token", "nonsense")]).await, 200);
    assert_eq!(revoke(Some(&books), &[]).await, 400);
    assert_eq!(check(Some(&books), &access).await.body["active"], true, "another program's token");
    assert_eq!(revoke(Some(&books), &[("token", &second.text("refresh_token"))]).await, 200);
    assert_eq!(acme.with_token(Some(&access)).until(401).await.status, 401);
    assert_eq!(check(Some(&books), &access).await.body, json!({"active": false}));
    let left = browser.open(&authorize("shop-books", BOOKS, &scope)).await;
    let again = app.redeem(&books, BOOKS, &left.parameter("code")).await.text("access_token");
    assert_eq!(revoke(Some(&books), &[("token", &again)]).await, 200);
    assert_eq!(acme.with_token(Some(&again)).until(401).await.status, 401);
}

/// A program that is told of the end of sessions. The first `refusals` requests fail.
async fn listen(refusals: usize) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/logout", listener.local_addr().unwrap());
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            while !text.contains("logout_token=")
                || !text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-')
            {
                let mut bytes = [0; 8192];
                let read = stream.read(&mut bytes).await.unwrap();
                text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            let status = if number < refusals { "500 No" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if number >= refusals {
                let _ = sender.send(text.split_once("logout_token=").unwrap().1.to_owned());
            }
        }
    });
    (address, receiver)
}

async fn tell(app: &TestApp) -> (usize, usize) {
    let sealer = app.settings.password_keys().unwrap().sealer();
    let notifier = LogoutNotifier { sealer, issuer: "http://id.test".into() };
    notifier.send_due(app.onboarding().owner_database()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_every_app_and_tells_the_programs() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.member_of_app("owner@acme.test", "pos", Some(&acme.tenant), &["cashier"]).await;
    let staff = app.staff("super_admin").await;
    let (address, mut told) = listen(1).await;
    const BYE: &str = "https://books.example.com/bye";
    const TILL: &str = "https://till.example.com/callback";
    let books = register(
        &staff,
        json!({
            "id": "shop-books", "app": "inventory", "name": "Books", "redirectUris": [BOOKS],
            "postLogoutRedirectUris": [BYE], "backchannelLogoutUri": address,
        }),
    )
    .await;
    let till = register(
        &staff,
        json!({
            "id": "shop-till", "app": "pos", "name": "Till", "redirectUris": [TILL],
            "backchannelLogoutUri": address,
        }),
    )
    .await;
    let browser = Browser::new(&app);
    let enter = async |client: &str, id: &str, redirect_uri: &str| {
        let left = browser.enter(&authorize(id, redirect_uri, &[]), "owner@acme.test").await;
        app.redeem(client, redirect_uri, &left.parameter("code")).await
    };
    let one = enter(&books, "shop-books", BOOKS).await;
    let two = enter(&till, "shop-till", TILL).await;
    let (id_token, cashier) = (one.text("id_token"), acme.with_token(Some(&two.text("access_token"))));
    // Without proof that a program asks, the person is asked.
    let page = browser.open("/oauth/end-session").await;
    assert_eq!(page.heading(), "Sign out?", "{page:?}");
    let forged = browser.submit_from(Some("https://evil.example"), &page.form(), &[]).await;
    assert_eq!(forged.status, 403);
    for query in [
        "post_logout_redirect_uri=https://evil.example/",
        "post_logout_redirect_uri=https://books.example.com/bye",
        &format!("id_token_hint={id_token}&post_logout_redirect_uri=https://books.example.com/bye/"),
        &format!("client_id=shop-till&id_token_hint={id_token}"),
    ] {
        let page = browser.open(&format!("/oauth/end-session?{query}")).await;
        assert_eq!((page.status, page.left_for.as_ref()), (400, None), "{query}");
    }
    assert_eq!(cashier.get("/api/v1/auth/me").await.status, 200);
    let path = format!("/oauth/end-session?id_token_hint={id_token}&post_logout_redirect_uri={BYE}&state=s");
    let left = browser.open(&path).await;
    assert_eq!(left.left_for.as_ref().unwrap().as_str(), "https://books.example.com/bye?state=s");
    assert!(browser.cookies().is_empty());
    let ended = Instant::now();
    while cashier.get("/api/v1/auth/me").await.status != 401 {
        assert!(ended.elapsed() < Duration::from_secs(1), "the other app must end within a second");
    }
    // Both programs are told, although the first attempt failed.
    let mut sessions = Vec::new();
    let owner = app.database.as_owner().await;
    assert_eq!(tell(&app).await, (1, 1));
    assert_eq!(tell(&app).await, (0, 0), "not at once");
    owner.execute("UPDATE shared.logout_notices SET due_at = now()", &[]).await.unwrap();
    assert_eq!(tell(&app).await, (1, 0));
    for _ in 0..2 {
        let token = told.recv().await.unwrap();
        let claims = claims_of(&token);
        assert_eq!(claims["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
        assert_eq!((&claims["iss"], &claims["nonce"]), (&json!("http://id.test"), &Value::Null));
        let aud = claims["aud"].as_str().unwrap().to_owned();
        sessions.push((aud, claims["sid"].clone(), claims["sub"].clone()));
        // It is no access token, and no ID token.
        assert_eq!(acme.with_token(Some(&token)).get("/api/v1/products").await.status, 401);
    }
    sessions.sort_by(|one, other| one.0.cmp(&other.0));
    for (told, tokens) in sessions.iter().zip([&one, &two]) {
        let claims = claims_of(&tokens.text("id_token"));
        assert_eq!((&told.1, &told.2), (&claims["sid"], &claims["sub"]));
    }
    // Signed out once more, nothing happens.
    assert_eq!(browser.open("/oauth/end-session").await.heading(), "You are signed out");
    // A browser that has lost its cookie signs out with the ID token alone.
    let three = enter(&books, "shop-books", BOOKS).await;
    browser.cookies().clear();
    let path = format!("/oauth/end-session?id_token_hint={}", three.text("id_token"));
    assert_eq!(browser.open(&path).await.heading(), "You are signed out");
    assert_eq!(acme.with_token(Some(&three.text("access_token"))).until(401).await.status, 401);
    // The person, asked, signs out.
    let four = enter(&books, "shop-books", BOOKS).await;
    let page = browser.open("/oauth/end-session").await;
    assert_eq!(browser.submit(&page.form(), &[]).await.heading(), "You are signed out");
    assert_eq!(acme.with_token(Some(&four.text("access_token"))).until(401).await.status, 401);
    // Whatever ends a session is told: here, the member loses the membership.
    let left = browser.enter(&authorize("shop-till", TILL, &[]), "owner@acme.test").await;
    app.redeem(&till, TILL, &left.parameter("code")).await;
    owner.execute("DELETE FROM shared.logout_notices", &[]).await.unwrap();
    owner.execute("DELETE FROM shared.memberships WHERE app = 'pos'", &[]).await.unwrap();
    assert_eq!(tell(&app).await, (1, 0));
}

#[tokio::test]
async fn programs_are_registered_with_sound_addresses() {
    let app = TestApp::start().await;
    let staff = app.staff("super_admin").await;
    let with = |more: Value| {
        let mut new = json!({"id": "shop-books", "app": "inventory", "name": "Books"});
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        new
    };
    let many: Vec<String> = (0..21).map(|number| format!("https://a.example/{number}")).collect();
    for (more, pointer) in [
        (json!({"redirectUris": ["http://books.example.com/"]}), "/redirectUris/0"),
        (json!({"redirectUris": ["https://*.example.com/"]}), "/redirectUris/0"),
        (json!({"redirectUris": ["https://books.example.com/#x"]}), "/redirectUris/0"),
        (json!({"redirectUris": ["javascript:x"]}), "/redirectUris/0"),
        (json!({"redirectUris": many}), "/redirectUris"),
        (json!({"isPublic": true}), "/redirectUris"),
        (json!({"backchannelLogoutUri": "com.example.app:/x"}), "/backchannelLogoutUri"),
        (json!({"id": "inventory", "redirectUris": [OTHER]}), "/id"),
        (json!({"app": "nonsense"}), "/app"),
    ] {
        let reply = staff.post("/api/v1/platform/clients", &with(more.clone())).await;
        assert_eq!(
            (reply.status, &reply.body["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{more}: {reply:?}"
        );
    }
    let public = with(json!({"isPublic": true, "redirectUris": [OTHER]}));
    let made = staff.post("/api/v1/platform/clients", &public).await;
    assert_eq!((made.status, &made.body["secret"]), (201, &Value::Null), "{made:?}");
    let path = "/api/v1/platform/clients/shop-books";
    let rotated = staff.post(&format!("{path}/rotate"), &json!({})).await;
    assert_eq!((rotated.status, rotated.code()), (409, "no_secret"));
    let changed = staff.patch(path, &json!({"redirectUris": [BOOKS], "name": "Ledger"})).await;
    assert_eq!((changed.status, &changed.body["redirectUris"]), (200, &json!([BOOKS])), "{changed:?}");
    assert_eq!(changed.body["name"], "Ledger");
    let emptied = staff.patch(path, &json!({"redirectUris": []})).await;
    assert_eq!(emptied.status, 422, "{emptied:?}");
    for code in ["redirectUris", "name", "isForeign"] {
        assert_eq!(staff.patch(path, &json!({code: null})).await.status, 400, "{code}");
    }
    let told = staff.patch(path, &json!({"backchannelLogoutUri": "https://books.example.com/out"})).await;
    assert_eq!(told.body["backchannelLogoutUri"], "https://books.example.com/out");
    assert_eq!(
        staff.patch(path, &json!({"backchannelLogoutUri": null})).await.body["backchannelLogoutUri"],
        Value::Null
    );
    assert_eq!(staff.patch("/api/v1/platform/clients/nobody", &json!({})).await.status, 404);
    let support = app.staff("support").await;
    assert_eq!(support.patch(path, &json!({"name": "x"})).await.status, 403);
}
