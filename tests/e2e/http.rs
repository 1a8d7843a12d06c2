//! HTTP: malformed requests, the request id, origins, the listener of the metrics.

use std::time::Duration;

use harness::TestApp;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn malformed_requests_get_a_client_error() {
    let app = TestApp::start_with("[server]\nbody_limit_bytes = 2048").await;
    let acme = app.tenant("acme").await;
    for (method, path, status, code) in [
        ("GET", "/api/v1/nothing", 404, "route_not_found"),
        ("GET", "/api/v1/products/not-a-key", 400, "invalid_path"),
        ("GET", "/api/v1/barcodes/%00", 400, "invalid_path"),
        ("GET", "/api/v1/products?limit=0", 400, "invalid_query"),
        ("GET", "/api/v1/products?limit=101", 400, "invalid_query"),
        ("GET", "/api/v1/products?limit=ten", 400, "invalid_query"),
        ("GET", "/api/v1/products?unknown=1", 400, "invalid_query"),
        ("GET", "/api/v1/products?cursor=zzz", 400, "invalid_query"),
        ("GET", "/api/v1/products?q=%00", 400, "invalid_query"),
        ("GET", "/api/v1/stock?variantId=1", 400, "invalid_query"),
        ("DELETE", "/api/v1/products", 405, "method_not_allowed"),
        ("PUT", "/api/v1/auth/login", 405, "method_not_allowed"),
    ] {
        let reply = acme.send(method, path, None).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{method} {path}: {reply:?}");
        assert_eq!(reply.header("content-type"), "application/problem+json", "{method} {path}");
        assert_eq!(reply.header("x-request-id"), reply.body["requestId"].as_str().unwrap());
        assert_eq!(reply.headers.contains_key("allow"), status == 405);
    }
    for path in ["/api/v1/products", "/livez", "/docs/"] {
        let (head, get) = (acme.send("HEAD", path, None).await, acme.get(path).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, Some("")), "HEAD {path}");
    }
    let large = json!({"name": "x".repeat(3000), "variants": []});
    assert_eq!(acme.post("/api/v1/products", &large).await.code(), "body_too_large");
    let form = acme.with("content-type", "text/plain").send("POST", "/api/v1/products", None).await;
    assert_eq!((form.status, form.code()), (415, "unsupported_media_type"));
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said_about_its_fields() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant =
        |fields: &str| format!(r#"{{"name":"Bolt","variants":[{{"sku":"B","price":"1"{fields}}}]}}"#);
    for (body, status, pointer, told) in [
        ("[]".to_owned(), 400, "", ""),
        (r#"{"name":5,"variants":[]}"#.to_owned(), 400, "/name", "the value must be a string, not a number"),
        (
            r#"{"name":"a","variants":7}"#.to_owned(),
            400,
            "/variants",
            "the value must be an array, not a number",
        ),
        (
            r#"{"name":"a","variants":["b"]}"#.to_owned(),
            400,
            "/variants/0",
            "the value must be an object, not a string",
        ),
        (variant(r#","cost":1.5"#), 400, "/variants/0/cost", "the value must be a decimal string such as "),
        (
            variant(r#","barcodes":{}"#),
            400,
            "/variants/0/barcodes",
            "the value must be an array, not an object",
        ),
        (variant(r#","size":"L""#), 422, "/variants/0/size", "size is unknown; the fields are "),
        (variant(r#","sku":"C""#), 400, "/variants/0/sku", "the field is there more than once"),
        (
            variant(r#","options":{"Size":"S","Size":"L"}"#),
            400,
            "/variants/0/options/Size",
            "the field is there more",
        ),
        (r#"{"variants":[]}"#.to_owned(), 422, "/name", "name is required"),
        (
            r#"{"name":"a","categoryId":"x","variants":[]}"#.to_owned(),
            422,
            "/categoryId",
            "an id must be a UUID",
        ),
        (
            r#"{"name":"a","quantityDecimals":40000,"variants":[]}"#.to_owned(),
            422,
            "/quantityDecimals",
            "the value must be a whole number from ",
        ),
        (
            r#"{"name":"a" "variants":[]}"#.to_owned(),
            400,
            "",
            "The body is not valid JSON at line 1, column 13.",
        ),
        (String::new(), 400, "", "The body is empty. Send a JSON object."),
        ("{".to_owned(), 400, "", "The body ends before its JSON is complete."),
    ] {
        let refused = acme.post_text("/api/v1/products", &body).await;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        let error = &refused.body["errors"][0];
        let message = error["message"].as_str().or(refused.body["detail"].as_str()).unwrap();
        assert_eq!(error["pointer"].as_str().unwrap_or_default(), pointer, "{body}: {refused:?}");
        assert!(message.starts_with(told), "{body}: {message}");
    }
    let patch = acme.with("content-type", "application/json-patch+json");
    let refused = patch.patch("/api/v1/settings", &json!([{"op": "remove", "path": "/timeZone"}])).await;
    assert_eq!((refused.status, refused.code()), (415, "unsupported_media_type"));
    assert_eq!(refused.header("accept-patch"), "application/merge-patch+json, application/json");
}

/// A compressed body is refused before it is read: the body of this request never comes.
#[tokio::test]
async fn a_compressed_body_is_refused_unread() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    for (path, encoding) in [
        ("/api/v1/auth/login", "gzip"),
        ("/api/v1/auth/login", "br"),
        ("/api/v1/auth/login", "deflate, gzip"),
        ("/api/v1/auth/login", "identity"),
        ("/api/v1/products", "zstd"),
        ("/api/v1/nothing", "gzip"),
        ("/livez", "GZIP"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", app.port())).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: acme.localhost\r\nContent-Type: application/json\r\n\
             Content-Encoding: {encoding}\r\nContent-Length: 2000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer));
        let length = read.await.expect("the server waits for the body").unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 415 ") && answer.contains("Content-Encoding"), "{answer}");
    }
}

#[tokio::test]
async fn browsers_are_told_to_stay_with_https() {
    let app = TestApp::start_with("[server]\npublic_scheme = \"https\"").await;
    let acme = app.tenant("acme").await;
    for path in ["/livez", "/api/v1/products", "/api/v1/nothing", "/docs/"] {
        let reply = acme.get(path).await;
        assert_eq!(reply.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
    let plain = TestApp::start_with("[server]\npublic_scheme = \"http\"").await;
    assert_eq!(plain.stranger("localhost").get("/livez").await.header("strict-transport-security"), "");
}

#[tokio::test]
async fn request_id_and_trace_are_returned() {
    let app = TestApp::start().await;
    let client = app.stranger("localhost");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = client.with("x-request-id", "Shop-7.a_b").with("traceparent", trace).get("/livez").await;
    assert_eq!((reply.header("x-request-id"), reply.header("traceparent")), ("Shop-7.a_b", trace));
    for bad in ["a b", &"x".repeat(65), "<script>"] {
        let reply = client.with("x-request-id", bad).with("traceparent", "nonsense").get("/livez").await;
        assert_ne!(reply.header("x-request-id"), bad);
        assert_eq!(reply.header("traceparent"), "");
    }
}

#[tokio::test]
async fn only_configured_origins_are_allowed() {
    let app = TestApp::start_with("[server]\ncors_origins = [\"https://shop.example\"]").await;
    let acme = app.tenant("acme").await;
    let allowed = acme.with("origin", "https://shop.example").get("/api/v1/products").await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://shop.example");
    for refused in [acme.on("nobody.localhost"), acme.with_token(None)] {
        let reply = refused.with("origin", "https://shop.example").get("/api/v1/products").await;
        assert_eq!(
            reply.header("access-control-allow-origin"),
            "https://shop.example",
            "the page must be able to read the reason: {reply:?}"
        );
    }
    let other = acme.with("origin", "https://evil.example").get("/api/v1/products").await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    let preflight = acme
        .with_token(None)
        .with("origin", "https://shop.example")
        .with("access-control-request-method", "PATCH")
        .with("access-control-request-headers", "authorization,if-match")
        .send("OPTIONS", "/api/v1/products/x", None)
        .await;
    assert_eq!(preflight.status, 200, "{preflight:?}");
    let asked = acme
        .with_token(None)
        .with("origin", "https://evil.example")
        .with("access-control-request-method", "PATCH")
        .send("OPTIONS", "/api/v1/products/x", None)
        .await;
    assert_eq!((asked.status, asked.code()), (403, "origin_not_allowed"), "{asked:?}");
    assert!(asked.body["detail"].as_str().unwrap().contains("https://evil.example"), "{asked:?}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let long = format!("/api/v1/products?q={}", "a".repeat(20_000));
    let reply = acme.get(&long).await;
    assert_eq!((reply.status, reply.code()), (414, "uri_too_long"), "{reply:?}");
    assert!(!reply.body["requestId"].as_str().unwrap().is_empty());
    let reply = acme.with("x-filler", &"a".repeat(40_000)).get("/api/v1/products").await;
    assert_eq!((reply.status, reply.code()), (431, "headers_too_large"), "{reply:?}");
    let reply = acme.with("x-filler", &"a".repeat(20_000)).get("/api/v1/products").await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn a_business_allows_origins_of_its_own() {
    let app = TestApp::start_with("[server]\ncors_origins = [\"https://SHOP.example/\"]").await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let asks = async |business: &harness::Business<'_>, origin: &str| {
        let asking = business.with_token(None).with("origin", origin);
        let asked = asking.with("access-control-request-method", "GET");
        let answer = asked.send("OPTIONS", "/api/v1/products", None).await;
        (answer.status, answer.header("access-control-allow-origin").to_owned())
    };
    assert_eq!(asks(&acme, "https://acme.example").await.0, 403);
    let settings = acme.get("/api/v1/settings").await;
    assert_eq!(settings.body["corsOrigins"], json!([]));
    let change = json!({"corsOrigins": ["https://Acme.example:443", "http://localhost:3000"]});
    let changed = acme.with("if-match", settings.header("etag")).patch("/api/v1/settings", &change).await;
    assert_eq!(changed.body["corsOrigins"], json!(["https://acme.example", "http://localhost:3000"]));
    harness::until("the origin is allowed", async || asks(&acme, "https://acme.example").await.0 == 200)
        .await;
    assert_eq!(asks(&acme, "http://localhost:3000").await.1, "http://localhost:3000");
    let read = acme.with("origin", "https://acme.example").get("/api/v1/products").await;
    assert_eq!(read.header("access-control-allow-origin"), "https://acme.example");
    // Only this business allows it, and the origins of the installation go on.
    assert_eq!(asks(&zenith, "https://acme.example").await.0, 403);
    let read = zenith.with("origin", "https://acme.example").get("/api/v1/products").await;
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, ""));
    assert!(read.header("vary").contains("Origin"), "{read:?}");
    assert_eq!(asks(&acme, "https://shop.example").await.0, 200);

    for refused in ["*", "null", "https://acme.example/shop", "acme.example"] {
        let reply = acme.patch("/api/v1/settings", &json!({"corsOrigins": [refused]})).await;
        assert_eq!(reply.status, 422, "{refused}: {reply:?}");
        assert!(reply.body.to_string().contains("/corsOrigins/0"), "{reply:?}");
    }
    let many: Vec<String> = (0..21).map(|n| format!("https://shop{n}.example")).collect();
    let reply = acme.patch("/api/v1/settings", &json!({"corsOrigins": many})).await;
    assert_eq!((reply.status, reply.code()), (422, "too_many_origins"), "{reply:?}");
    acme.patch("/api/v1/settings", &json!({"corsOrigins": []})).await;
    harness::until("the origin is refused", async || asks(&acme, "https://acme.example").await.0 == 403)
        .await;
}

#[tokio::test]
async fn metrics_have_their_own_listener() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.get("/api/v1/products").await;
    acme.get("/api/v1/nothing/at/all").await;
    let url = format!("http://{}/metrics", app.running().metrics_address.unwrap());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(
        text.contains(
            r#"tenantry_http_requests_total{method="GET",route="/api/v1/products",status="200"} 1"#
        ),
        "{text}"
    );
    for line in [
        r#"tenantry_database_connections{state="max"} 8"#,
        r#"tenantry_businesses{state="active"} 1"#,
        r#"tenantry_schemas{state="live"} 1"#,
        "tenantry_schemas_behind 0",
        "tenantry_migrations_failed 0",
        r#"tenantry_jobs{state="failed"} 0"#,
        "tenantry_job_wait_seconds 0",
        "tenantry_businesses_without_backup 1",
        "tenantry_backup_age_seconds 0",
        "tenantry_outbox_events 0",
        "tenantry_database_waits_total",
        "tenantry_database_up 1",
        "tenantry_database_writable 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("nothing"), "no label may come from a client");
    assert_eq!(acme.get("/metrics").await.status, 404);
}
