//! Compressed answers, and answers that a cache may keep.

use std::path::Path;
use std::process::Stdio;

use harness::{TestApp, a_product, free_port};
use serde_json::{Value, json};
use tokio::process::Command;

/// The answers to requests with these values of Accept-Encoding.
async fn ask(address: &str, token: &str, encodings: &[&str]) -> Vec<Value> {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let program = clients.join("compressed.mjs");
    let mut node = Command::new("node");
    node.arg("--require")
        .arg(clients.join("local/names.cjs"))
        .arg(program)
        .args([address, token])
        .args(encodings)
        .stderr(Stdio::inherit());
    serde_json::from_slice(&node.output().await.unwrap().stdout).unwrap()
}

#[tokio::test]
async fn an_answer_is_compressed_as_the_client_prefers() {
    let port = free_port();
    let app = TestApp::start_with(&format!("[server]\nlisten = \"127.0.0.1:{port}\"")).await;
    let acme = app.tenant("acme").await;
    for at in 0..30 {
        acme.create_product(&a_product(&format!("BOLT-{at}"))).await;
    }
    let token = acme.token.clone().unwrap();
    let address = format!("http://acme.localhost:{port}");
    let encodings =
        ["identity", "gzip", "br", "br, gzip;q=0.5", "gzip, deflate, br, zstd", "deflate", "identity;q=0"];
    let fast = ["", "gzip", "br", "gzip", "gzip", "", ""];
    let small = ["", "gzip", "br", "br", "br", "", ""];
    for (path, expected) in [
        ("/api/v1/products", fast),
        ("/docs/errors", fast),
        ("/openapi.json", small),
        ("/docs/scalar.js", small),
    ] {
        let answers = ask(&format!("{address}{path}"), &token, &encodings).await;
        let used: Vec<&str> = answers.iter().map(|answer| answer["encoding"].as_str().unwrap()).collect();
        assert_eq!(used, expected, "{path}");
        let plain = &answers[0];
        for answer in &answers {
            let vary = answer["vary"].as_str().unwrap();
            assert_eq!((&answer["status"], &answer["digest"]), (&json!(200), &plain["digest"]), "{path}");
            assert_eq!(vary.to_lowercase().matches("accept-encoding").count(), 1, "{path}: {vary}");
            let is_small = answer["bytes"].as_u64() < plain["bytes"].as_u64().map(|bytes| bytes / 2);
            assert_eq!(is_small, answer["encoding"] != "", "{path}: {answer}");
        }
    }
    // A short answer is not worth it. The tag of a compressed answer is weak, and is accepted.
    let first = acme.get("/api/v1/products?limit=1").await.body["data"][0].clone();
    let product = format!("/api/v1/products/{}", first["id"].as_str().unwrap());
    let long = json!({"description": "A bolt with a hexagonal head. ".repeat(60)});
    acme.patch(&product, &long).await;
    let answers = ask(&format!("{address}{product}"), &token, &["identity", "gzip"]).await;
    assert_eq!(answers[1]["etag"], format!("W/{}", answers[0]["etag"].as_str().unwrap()));
    let tag = answers[1]["etag"].as_str().unwrap();
    assert_eq!(acme.with("if-none-match", tag).get(&product).await.status, 304);
    assert_eq!(
        acme.with("if-match", tag).patch(&product, &json!({"description": "short"})).await.status,
        200
    );
    let answers = ask(&format!("{address}/livez"), &token, &["gzip"]).await;
    assert_eq!(answers[0]["encoding"], "");
}

/// The length of a compressed answer would help somebody who guesses the secret in it.
#[tokio::test]
async fn an_answer_with_a_secret_is_never_compressed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let asked = acme.with("accept-encoding", "gzip, br");
    let name = "n".repeat(120);
    let made = asked.post("/api/v1/api-keys", &json!({"name": name, "permissions": ["stock.read"]})).await;
    assert_eq!((made.status, made.header("content-encoding")), (201, ""));
    let login = json!({"email": "owner@acme.test", "password": harness::PASSWORD});
    let signed_in = asked.with_token(None).post("/api/v1/auth/login", &login).await;
    assert!(signed_in.body.to_string().len() > 1024, "long enough to be compressed");
    assert_eq!((signed_in.status, signed_in.header("content-encoding")), (200, ""));
    assert_eq!(signed_in.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_document_is_kept_until_it_changes() {
    let app = TestApp::start().await;
    let stranger = app.stranger("localhost");
    let document = stranger.get("/openapi.json").await;
    let tag = document.header("etag");
    assert_eq!((document.status, document.header("cache-control")), (200, "public, max-age=300"));
    for known in
        [tag.to_owned(), "*".to_owned(), format!("\"x\", {tag}"), tag.trim_start_matches("W/").to_owned()]
    {
        let reply = stranger.with("if-none-match", &known).get("/openapi.json").await;
        assert_eq!((reply.status, reply.header("etag")), (304, tag), "{known}");
    }
    assert_eq!(stranger.with("if-none-match", "\"x\"").get("/openapi.json").await.status, 200);
}
