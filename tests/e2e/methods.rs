//! Methods that every path answers, and paths with a slash too many.

use harness::{TestApp, a_product};

#[tokio::test]
async fn every_path_lists_its_methods() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (path, methods) in [
        ("/api/v1/products", "GET, HEAD, POST, OPTIONS"),
        ("/api/v1/products/x", "GET, HEAD, PATCH, DELETE, OPTIONS"),
        ("/api/v1/orders/x/cancel", "POST, OPTIONS"),
        ("/api/v1/auth/login", "POST, OPTIONS"),
        ("/livez", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/docs/errors/malformed", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ] {
        let listed = |allow: &str| {
            let mut listed: Vec<String> = allow.split(", ").map(str::to_owned).collect();
            listed.sort();
            listed
        };
        let options = acme.send("OPTIONS", path, None).await;
        assert_eq!((options.status, listed(options.header("allow"))), (204, listed(methods)), "{path}");
        for other in ["PUT", "TRACE", "PROPFIND"].iter().filter(|other| !methods.contains(**other)) {
            let refused = acme.send(other, path, None).await;
            assert_eq!((refused.status, refused.code()), (405, "method_not_allowed"), "{other} {path}");
            assert_eq!(listed(refused.header("allow")), listed(methods), "{other} {path}");
        }
    }
    assert_eq!(acme.send("OPTIONS", "/api/v1/nothing", None).await.status, 404);
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let id = acme.create_product(&a_product("BOLT")).await["id"].as_str().unwrap().to_owned();
    for path in [
        "/api/v1/products".to_owned(),
        format!("/api/v1/products/{id}"),
        "/api/v1/reports/sales?format=csv".to_owned(),
        "/openapi.json".to_owned(),
        "/docs/".to_owned(),
        "/livez".to_owned(),
        "/api/v1/products?limit=0".to_owned(),
        "/api/v1/nothing".to_owned(),
    ] {
        let (get, head) = (acme.get(&path).await, acme.send("HEAD", &path, None).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, Some("")), "{path}");
        for name in ["content-type", "etag", "cache-control", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_path_without_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let moved = acme.get("/api/v1/products/?limit=2").await;
    let place = moved.header("location");
    assert_eq!((moved.status, place.ends_with("/api/v1/products?limit=2")), (308, true), "{place}");
    assert_eq!(acme.get(place).await.status, 200);
    let posted = acme.post("/api/v1/products/", &a_product("BOLT")).await;
    assert_eq!(posted.status, 308, "the method and the body are repeated");
    assert_eq!(acme.get("/livez/").await.header("location"), "/livez");
    for path in ["/api/v1/nothing/", "//evil.example/", "/api/v1/products//"] {
        assert_eq!(acme.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_deprecated_path_says_when_it_ends() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for client in [acme.with_token(acme.token.as_deref()), acme.with_token(None)] {
        let reply = client.get("/api/dashboard").await;
        assert_eq!(reply.header("deprecation"), "@1795824000");
        assert_eq!(reply.header("sunset"), "Mon, 01 Jan 2029 00:00:00 GMT");
        assert_eq!(reply.header("link"), "</api/v1/dashboard>; rel=\"successor-version\"");
    }
    assert_eq!(acme.get("/api/v1/dashboard").await.header("deprecation"), "");
    let document = acme.get("/openapi.json").await.body;
    let operation = &document["paths"]["/api/dashboard"]["get"];
    assert_eq!((&operation["deprecated"], &operation["x-sunset"]), (&true.into(), &"2029-01-01".into()));
}
