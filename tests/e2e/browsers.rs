//! Sessions of browsers: in cookies that no script can read, for pages of the same origin alone.

use harness::{Client, PASSWORD, Reply, TestApp, join_all, until};
use serde_json::{Value, json};

/// The cookies that a response sets, as a browser sends them back.
fn jar(reply: &Reply) -> String {
    let pairs: Vec<&str> = reply.cookies().iter().filter_map(|cookie| cookie.split(';').next()).collect();
    pairs.join("; ")
}

/// A page of the host of the client.
fn page<'a>(client: &Client<'a>, host: &str, jar: &str) -> Client<'a> {
    client.with("origin", &format!("http://{host}")).with("cookie", jar)
}

fn login(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "cookies": true})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_keeps_its_session_in_cookies() {
    let app = TestApp::start().await;
    let _acme = app.tenant("acme").await;
    let host = app.stranger("acme.localhost").literally();
    let same = page(&host, "acme.localhost", "");
    let signed_in = same.post("/api/v1/auth/login", &login("owner@acme.test")).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    assert_eq!(
        (&signed_in.body["accessToken"], &signed_in.body["refreshToken"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(signed_in.cookies().len(), 2, "{signed_in:?}");
    for cookie in signed_in.cookies() {
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"));
        assert!(!cookie.contains("Domain") && cookie.contains("Max-Age=1209600"), "{cookie}");
    }
    let first = jar(&signed_in);
    let browser = page(&host, "acme.localhost", &first);
    // Reading needs no more than the cookie; changing needs a page of this host.
    assert_eq!(host.with("cookie", &first).get("/api/v1/products").await.status, 200);
    let category = json!({"name": "Tools"});
    assert_eq!(browser.post("/api/v1/categories", &category).await.status, 201);
    let fetched = host.with("cookie", &first).with("sec-fetch-site", "same-origin");
    assert_eq!(fetched.post("/api/v1/categories", &json!({"name": "More"})).await.status, 201);
    for (name, value) in [
        ("origin", "http://evil.test"),
        ("origin", "null"),
        ("origin", "http://zenith.localhost"),
        ("origin", "http://acme.localhost:1"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "cross-site"),
        ("x-nothing", "said"),
    ] {
        let other = host.with("cookie", &first).with(name, value);
        let refused = other.post("/api/v1/categories", &json!({"name": "Evil"})).await;
        assert_eq!((refused.status, refused.code()), (403, "cross_origin"), "{name}: {value}: {refused:?}");
        assert_eq!(other.post("/api/v1/auth/refresh", &json!({})).await.code(), "cross_origin");
        assert_eq!(other.post("/api/v1/auth/logout", &json!({})).await.code(), "cross_origin");
        let signed_in = other.post("/api/v1/auth/login", &login("owner@acme.test")).await;
        assert_eq!((signed_in.code(), signed_in.cookies().len()), ("cross_origin", 0));
    }

    // The session is refreshed without a token in any body. Requests at the same time all get new cookies.
    let empty = json!({});
    let refreshed = join_all((0..3).map(|_| browser.post("/api/v1/auth/refresh", &empty)).collect()).await;
    for reply in &refreshed {
        assert_eq!((reply.status, &reply.body["accessToken"]), (200, &Value::Null), "{reply:?}");
        assert_ne!(jar(reply), first);
        assert_eq!(jar(reply).split("; ").count(), 2);
    }
    let second = page(&host, "acme.localhost", &jar(&refreshed[0]));
    let third = second.post("/api/v1/auth/refresh", &json!({})).await;
    assert_eq!(third.status, 200, "{third:?}");
    // A request that loses takes nobody's cookies away.
    let late = page(&host, "acme.localhost", &jar(&refreshed[1]));
    let lost = late.post("/api/v1/auth/refresh", &json!({})).await;
    assert_eq!((lost.code(), lost.cookies().len()), ("refresh_token_superseded", 0), "{lost:?}");
    let empty = page(&host, "acme.localhost", "").post("/api/v1/auth/refresh", &json!({})).await;
    assert_eq!((empty.code(), empty.cookies().len()), ("refresh_token_invalid", 0));

    // Signing out ends the session and takes the cookies away, also with an expired access token.
    let browser = page(&host, "acme.localhost", &jar(&third));
    let refresh_alone = jar(&third).split("; ").find(|pair| pair.contains("refresh")).unwrap().to_owned();
    let out = page(&host, "acme.localhost", &refresh_alone).post("/api/v1/auth/logout", &json!({})).await;
    assert_eq!(out.status, 204, "{out:?}");
    assert_eq!(out.cookies().iter().filter(|cookie| cookie.contains("Max-Age=0")).count(), 2);
    until("the session has ended", async || browser.get("/api/v1/products").await.code() == "session_ended")
        .await;
}

#[tokio::test]
async fn cookies_belong_to_one_business_and_give_way_to_tokens() {
    let app = TestApp::start().await;
    let (acme, _zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let host = app.stranger("acme.localhost").literally();
    let same = page(&host, "acme.localhost", "");
    let cookies = jar(&same.post("/api/v1/auth/login", &login("owner@acme.test")).await);
    // Another business, and the platform, refuse the cookie, however it got there.
    for other in ["zenith.localhost", "admin.localhost"] {
        let there = page(&app.stranger(other).literally(), other, &cookies);
        assert_eq!(there.get("/api/v1/auth/me").await.code(), "token_wrong_business", "{other}");
        let refused = there.post("/api/v1/auth/refresh", &json!({})).await;
        assert_eq!((refused.code(), refused.cookies().len()), ("refresh_token_invalid", 0), "{other}");
    }
    // A bearer token wins, also a bad one: cookies are not asked.
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let both = ann.literally().with("cookie", &cookies);
    assert_eq!(both.get("/api/v1/auth/me").await.body["user"]["email"], "ann@acme.test");
    // A bearer token is no cookie: it needs no page of this host.
    let from_elsewhere = ann.literally().with("origin", "http://evil.test").with("cookie", &cookies);
    let customer = json!({"name": "Ann"});
    assert_eq!(from_elsewhere.post("/api/v1/customers", &customer).await.status, 201);
    for bad in ["Bearer x", "Basic YTpi"] {
        let reply = host.with("cookie", &cookies).with("authorization", bad).get("/api/v1/auth/me").await;
        assert_eq!(reply.status, 401, "{bad}: {reply:?}");
    }
    let refreshed =
        both.with("origin", "http://acme.localhost").post("/api/v1/auth/refresh", &json!({})).await;
    assert_eq!((refreshed.code(), refreshed.cookies().len()), ("refresh_token_invalid", 0), "{refreshed:?}");
    // Signing out with a token leaves the session of the cookies alone.
    let out = both.post("/api/v1/auth/logout", &json!({})).await;
    assert_eq!((out.status, out.cookies().len()), (204, 0));
    assert_eq!(host.with("cookie", &cookies).get("/api/v1/auth/me").await.status, 200);

    // Whatever the cookies are still worth, signing out takes them away, and ends the session.
    let again = page(&host, "acme.localhost", "").post("/api/v1/auth/login", &login("owner@acme.test")).await;
    let access = jar(&again).split("; ").find(|pair| pair.contains("access")).unwrap().to_owned();
    for broken in [format!("{access}; tenantry-refresh=trt_x"), "tenantry-access=x".to_owned()] {
        let out = page(&host, "acme.localhost", &broken).post("/api/v1/auth/logout", &json!({})).await;
        assert_eq!((out.status, out.cookies().len()), (204, 2), "{out:?}");
    }
    let left = host.with("cookie", &access);
    until("the session has ended", async || left.get("/api/v1/auth/me").await.code() == "session_ended")
        .await;

    // Businesses in the path share one host, so they have no cookies.
    let path = app.stranger("app.localhost").literally();
    let in_path = page(&path, "app.localhost", "");
    let refused = in_path.post("/acme/api/v1/auth/login", &login("owner@acme.test")).await;
    assert_eq!((refused.status, refused.code()), (409, "no_cookies_here"), "{refused:?}");
    assert_eq!(path.with("cookie", &cookies).get("/acme/api/v1/auth/me").await.code(), "token_missing");
    // Without TLS, cookies are for the own machine alone; with TLS, the browser binds them to the host.
    let safe = TestApp::start_with("[server]\npublic_scheme = \"https\"").await;
    let _acme = safe.tenant("acme").await;
    let host = safe.stranger("acme.localhost").literally();
    let reply = host
        .with("origin", "https://acme.localhost")
        .post("/api/v1/auth/login", &login("owner@acme.test"))
        .await;
    assert_eq!(reply.cookies().len(), 2, "{reply:?}");
    for cookie in reply.cookies() {
        assert!(cookie.starts_with("__Host-tenantry-") && cookie.contains("Secure"), "{cookie}");
    }
    assert_eq!(host.with("cookie", &jar(&reply)).get("/api/v1/auth/me").await.status, 200);
    let plain = jar(&reply).replace("__Host-", "");
    assert_eq!(host.with("cookie", &plain).get("/api/v1/auth/me").await.code(), "token_missing");
}
