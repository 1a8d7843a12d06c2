//! The server process: its readiness, its shutdown, its timeouts, and its sudden end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use harness::{Program, TestApp, a_product, free_port, until};
use serde_json::json;
use tenancy::Tenant;
use tokio_postgres::{Client, Transaction};

/// Locks the stock levels of this business. Every change of stock waits until the transaction is rolled back.
async fn lock_stock<'a>(owner: &'a mut Client, tenant: &Tenant) -> Transaction<'a> {
    let transaction = owner.transaction().await.unwrap();
    let sql = format!("SELECT * FROM {}.stock_levels FOR UPDATE", tenant.schema);
    transaction.batch_execute(&sql).await.unwrap();
    transaction
}

#[tokio::test]
async fn a_running_request_completes_after_sigterm() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    acme.adjust(&variant, "5").await;
    let port = free_port();
    let mut serving = Program::beside(&app).serve(port);
    // Every worker opens connections to the database, and uses connections of the other workers.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let url = format!("http://127.0.0.1:{port}/api/v1/stock/movements");
    for _ in 0..5 {
        let get = || {
            http.get(&url).header("host", "acme.localhost").bearer_auth(acme.token.as_deref().unwrap()).send()
        };
        let answers = tokio::join!(get(), get(), get(), get(), get(), get());
        assert_eq!(answers.0.unwrap().status(), 200);
    }
    // A lock keeps the request running until the test releases the lock.
    let mut owner = app.database.as_owner().await;
    let blocker = lock_stock(&mut owner, &acme.tenant).await;
    let token = acme.token.clone().unwrap();
    let request = tokio::task::spawn_blocking(move || {
        let body = json!({"variantId": variant, "quantity": "-1", "reason": "x"}).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(
            stream,
            "POST /api/v1/stock/adjustments HTTP/1.1\r\nhost: acme.localhost\r\n\
             authorization: Bearer {token}\r\nidempotency-key: k\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    app.database.until_a_lock_is_awaited().await;
    serving.signal("TERM");
    until("a draining server accepts no connection", async || {
        TcpStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
    blocker.rollback().await.unwrap();
    let answer = request.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(serving.wait(), Some(0));
}

#[tokio::test]
async fn a_killed_server_loses_nothing_that_it_acknowledged() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let variant = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    let port = free_port();
    let serving = Program::beside(&app).serve(port);
    let http = reqwest::Client::new();
    let mut acknowledged = Vec::new();
    let token = acme.token.clone().unwrap();
    let send = async |n: usize| {
        let body = json!({"variantId": variant, "quantity": "1", "reason": "x"});
        let sent = http
            .post(format!("http://127.0.0.1:{port}/api/v1/stock/adjustments"))
            .header("host", "acme.localhost")
            .bearer_auth(&token)
            .header("idempotency-key", format!("k{n}"))
            .json(&body)
            .send()
            .await;
        sent.is_ok_and(|answer| answer.status() == 201)
    };
    for n in 0..30 {
        if n == 20 {
            serving.signal("KILL");
        }
        if send(n).await {
            acknowledged.push(n);
        }
    }
    drop(serving);
    assert!(acknowledged.len() >= 20, "{acknowledged:?}");
    // Each request is repeated with its key. A request that took effect is not run again. A lost request is
    // run now.
    for n in 0..30 {
        let body = json!({"variantId": variant, "quantity": "1", "reason": "x"});
        let reply =
            acme.with("idempotency-key", &format!("k{n}")).post("/api/v1/stock/adjustments", &body).await;
        assert_eq!(reply.status, 201);
        if acknowledged.contains(&n) {
            assert_eq!(reply.header("idempotent-replayed"), "true", "request {n} was acknowledged");
        }
    }
    assert_eq!(acme.on_hand(&variant).await, "30");
}

#[tokio::test]
async fn a_draining_server_reports_that_it_is_not_ready() {
    let mut app = TestApp::start().await;
    assert_eq!(app.stranger("localhost").get("/readyz").await.status, 200);
    app.running().state().draining.store(true, std::sync::atomic::Ordering::Relaxed);
    let reply = app.stranger("localhost").get("/readyz").await;
    assert_eq!((reply.status, reply.code()), (503, "shutting_down"));
    app.stop().await;
}

#[tokio::test]
async fn a_request_over_its_deadline_is_refused_and_rolled_back() {
    let app = TestApp::start_with("[server]\nrequest_timeout_ms = 1500").await;
    let acme = app.tenant("acme").await;
    let variant = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    let mut owner = app.database.as_owner().await;
    let blocker = lock_stock(&mut owner, &acme.tenant).await;
    let reply = acme.adjust(&variant, "5").await;
    assert_eq!((reply.status, reply.code()), (503, "deadline_exceeded"));
    assert!(reply.headers.contains_key("retry-after"));
    blocker.rollback().await.unwrap();
    assert_eq!(acme.on_hand(&variant).await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn slow_clients_are_disconnected() {
    let app = TestApp::start_with("[server]\nclient_timeout_ms = 300").await;
    let read = |request: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", app.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    app.onboard("acme", "ann@acme.test").await;
    let half_a_head = read("GET /livez HTTP/1.1\r\nhost: loc");
    assert!(half_a_head.is_empty() || half_a_head.contains("408"), "{half_a_head}");
    let half_a_body = read(
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: acme.localhost\r\ncontent-type: application/json\r\n\
         content-length: 50\r\n\r\n{\"email\"",
    );
    assert!(half_a_body.starts_with("HTTP/1.1 408") && half_a_body.contains("body_timeout"), "{half_a_body}");
}

#[tokio::test]
async fn two_servers_share_one_database() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let port = free_port();
    let _other = Program::beside(&app).serve(port);
    let answer = reqwest::Client::new()
        .get(format!("http://127.0.0.1:{port}/api/v1/products"))
        .header("host", "acme.localhost")
        .bearer_auth(acme.token.as_deref().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "a token of one server must be valid at the other");
}
