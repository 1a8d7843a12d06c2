//! The host of a request, and requests that name a false host.

use std::io::{Read, Write};
use std::net::TcpStream;

use harness::{TestApp, until};

/// Sends these bytes and returns the status and the body of the response. The call blocks its thread, so the
/// server's database connections need another thread. Such tests are therefore multi-threaded.
fn raw(app: &TestApp, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", app.port())).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

fn get(app: &TestApp, target: &str, headers: &str) -> (u16, String) {
    raw(app, &format!("GET {target} HTTP/1.1\r\n{headers}connection: close\r\n\r\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_the_host_header_selects_the_business() {
    let app = TestApp::start().await;
    app.onboard("acme", "a@acme.test").await;
    app.onboard("zenith", "z@zenith.test").await;
    // A business that exists returns 401 to a client without a token.
    for host in
        ["acme.localhost", "ACME.LOCALHOST", "acme.localhost:8080", "acme.localhost.", "acme.localhost.:80"]
    {
        let (status, body) = get(&app, "/api/v1/products", &format!("host: {host}\r\n"));
        assert_eq!(status, 401, "{host}: {body}");
    }
    for host in [
        "nobody.localhost",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[::1]:80",
        "www.localhost",
        "a.acme.localhost",
        "acme.localhost.evil.test",
        "xn--acme-0ra.localhost",
        "evil.test",
    ] {
        let (status, body) = get(&app, "/api/v1/products", &format!("host: {host}\r\n"));
        assert_eq!(status, 404, "{host}: {body}");
        assert!(body.contains("unknown_host"), "{host}: {body}");
    }
    let long = format!("{}.localhost", "a".repeat(10_000));
    for host in [
        "",
        " ",
        "acme..localhost",
        "acme.localhost:",
        "acme.localhost:x",
        "user@acme.localhost",
        "acme.localhost/x",
        "äcme.localhost",
        "[::1",
        "acme localhost",
        &long,
        "acme.localhost, zenith.localhost",
    ] {
        let (status, body) = get(&app, "/api/v1/products", &format!("host: {host}\r\n"));
        assert_eq!(status, 400, "{host:?}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_request_cannot_name_two_hosts() {
    let app = TestApp::start().await;
    app.onboard("acme", "a@acme.test").await;
    app.onboard("zenith", "z@zenith.test").await;
    assert_eq!(get(&app, "/api/v1/products", "").0, 400, "no host");
    assert_eq!(get(&app, "/api/v1/products", "host: acme.localhost\r\nhost: zenith.localhost\r\n").0, 400);
    assert_eq!(get(&app, "http://zenith.localhost/api/v1/products", "host: acme.localhost\r\n").0, 400);
    assert_eq!(get(&app, "http://acme.localhost/api/v1/products", "host: acme.localhost\r\n").0, 401);
    assert_eq!(get(&app, "http://acme.localhost:80/api/v1/products", "host: acme.localhost\r\n").0, 401);
    // No client is a trusted proxy here.
    for header in
        ["x-forwarded-host: zenith.localhost", "forwarded: host=zenith.localhost", "x-tenant: zenith"]
    {
        let (status, body) =
            get(&app, "/api/v1/products", &format!("host: nobody.localhost\r\n{header}\r\n"));
        assert_eq!(status, 404, "{header}: {body}");
    }
}

#[tokio::test]
async fn the_app_host_takes_the_business_from_the_path() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let by_path = acme.on("app.localhost");
    let same = by_path.get("/acme/api/v1/products?limit=5").await;
    assert_eq!((same.status, &same.body), (200, &acme.get("/api/v1/products?limit=5").await.body));
    let missing = by_path.get("/acme/api/v1/products/00000000-0000-7000-8000-000000000000").await;
    assert_eq!(
        (missing.status, missing.body["instance"].as_str()),
        (404, Some("/acme/api/v1/products/00000000-0000-7000-8000-000000000000"))
    );
    let made = by_path.post("/acme/api/v1/categories", &serde_json::json!({"name": "Tools"})).await;
    assert_eq!(by_path.get(made.header("location")).await.body, made.body, "the address must lead to it");
    assert_eq!(by_path.get("/acme").await.status, 303, "as / on the business's own host");
    assert_eq!(by_path.get("/acme/nothing").await.code(), "route_not_found");
    for path in
        ["/nobody/api/v1/products", "/api/v1/products", "/ACME/api/v1/products", "//acme/api/v1/products"]
    {
        assert_eq!(by_path.get(path).await.code(), "unknown_host", "{path}");
    }
    app.tenant("zenith").await;
    assert_eq!(by_path.get("/zenith/api/v1/products").await.code(), "token_wrong_business");
}

#[tokio::test]
async fn a_closed_business_returns_its_own_problem_code() {
    let app = TestApp::start_with("[tenancy]\ncache_known_ms = 100").await;
    let acme = app.tenant("acme").await;
    let owner = app.database.as_owner().await;
    for (state, status, code) in [
        ("suspended", 403, "business_suspended"),
        ("archived", 410, "business_archived"),
        ("migrating", 503, "business_in_maintenance"),
        ("restoring", 503, "business_in_maintenance"),
        ("active", 200, ""),
    ] {
        owner.execute("UPDATE shared.tenants SET status = $1", &[&state]).await.unwrap();
        until(state, async || acme.get("/api/v1/products").await.code() == code).await;
        let reply = acme.get("/api/v1/products").await;
        assert_eq!((reply.status, reply.code()), (status, code), "{state}");
        assert_eq!(reply.headers.contains_key("retry-after"), status == 503, "{state}");
    }
}

#[tokio::test]
async fn some_routes_answer_on_any_host() {
    let app = TestApp::start().await;
    for host in ["nobody.localhost", "localhost", "127.0.0.1:8080"] {
        for (path, status) in [
            ("/livez", 200),
            ("/readyz", 200),
            ("/openapi.json", 200),
            ("/docs", 303),
            ("/docs/", 200),
            ("/.well-known/jwks.json", 200),
            ("/", 303),
        ] {
            assert_eq!(app.stranger(host).get(path).await.status, status, "{host}{path}");
        }
    }
    let page = app.stranger("localhost").get("/docs/").await;
    assert!(page.body.as_str().unwrap().contains("scalar.js"), "{page:?}");
    assert!(!page.body.as_str().unwrap().contains("https://"), "the page must load nothing from other hosts");
    assert_eq!(app.stranger("localhost").get("/docs/none.js").await.status, 404);
}

#[tokio::test]
async fn a_custom_domain_is_served_after_verification() {
    let app = TestApp::start_with("[tenancy]\ncache_unknown_ms = 100").await;
    let acme = app.tenant("acme").await;
    let owner = app.database.as_owner().await;
    let insert =
        "INSERT INTO shared.domains (host, tenant_id, created_at) VALUES ('shop.acme.test', $1, now())";
    owner.execute(insert, &[&acme.tenant.id]).await.unwrap();
    assert_eq!(acme.on("shop.acme.test").get("/api/v1/products").await.code(), "unknown_host");
    owner.execute("UPDATE shared.domains SET verified_at = now()", &[]).await.unwrap();
    let is_served = async || acme.on("Shop.Acme.Test:80").get("/api/v1/products").await.status == 200;
    until("the domain is served", is_served).await;
}
