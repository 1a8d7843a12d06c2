//! The keys that sign access tokens: rotated, published and revoked.

use std::time::{Duration, Instant};

use harness::{PASSWORD, Program, SecondServer, TestApp, until};
use jsonwebtoken::{DecodingKey, Validation, decode_header};
use serde_json::{Value, json};

/// The keys as the command line lists them: id and state.
fn keys(program: &Program) -> Vec<(String, String)> {
    let listed: Value = serde_json::from_str(&program.run(&["keys", "list", "-o", "json"]).out).unwrap();
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(|key| (text(key, "id"), text(key, "state"))).collect()
}

fn in_state(program: &Program, state: &str) -> String {
    let found: Vec<String> =
        keys(program).into_iter().filter(|(_, other)| other == state).map(|(id, _)| id).collect();
    assert_eq!(found.len(), 1, "{state}: {:?}", keys(program));
    found[0].clone()
}

/// Whether another program that reads the published keys accepts the token.
async fn is_accepted_elsewhere(app: &TestApp, token: &str) -> bool {
    let published = app.stranger("localhost").get("/.well-known/jwks.json").await;
    assert_eq!(published.header("cache-control"), "public, max-age=300");
    let header = decode_header(token).unwrap();
    let key = published.body["keys"].as_array().unwrap().iter().find(|key| json!(header.kid) == key["kid"]);
    let Some(key) = key else { return false };
    assert!(key.get("d").is_none(), "the private key must not be published");
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["inventory"]);
    let key = DecodingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_published_before_it_signs_and_while_its_tokens_are_valid() {
    let app = TestApp::start_with("[identity]\nsigning_algorithm = \"ES256\"").await;
    let acme = app.tenant("acme").await;
    let program = Program::beside(&app).with("TENANTRY__IDENTITY__SIGNING_ALGORITHM", "ES256");
    let kid = |token: &str| decode_header(token).unwrap().kid.unwrap();
    let first_token = acme.token.clone().unwrap();
    let first = in_state(&program, "active");
    assert_eq!(kid(&first_token), first);
    // The first rotation only publishes the next key.
    assert_eq!(program.run(&["keys", "rotate"]).code, Some(0));
    let next = in_state(&program, "next");
    let early = program.run(&["keys", "rotate"]);
    assert!(early.code == Some(4) && early.err.contains("--now"), "{early:?}");
    until("the next key is published", async || {
        app.stranger("localhost").get("/.well-known/jwks.json").await.body["keys"].as_array().unwrap().len()
            == 2
    })
    .await;
    assert_eq!(program.run(&["keys", "rotate", "--now"]).code, Some(0));
    assert_eq!((in_state(&program, "active"), in_state(&program, "retiring")), (next.clone(), first.clone()));
    let signed = async || {
        let body = json!({"email": "owner@acme.test", "password": PASSWORD});
        let reply = app.stranger("acme.localhost").post("/api/v1/auth/login", &body).await;
        reply.body["accessToken"].as_str().unwrap().to_owned()
    };
    until("the next key signs", async || kid(&signed().await) == next).await;
    let second_token = signed().await;
    assert_eq!(decode_header(&second_token).unwrap().alg, jsonwebtoken::Algorithm::ES256);
    for token in [&first_token, &second_token] {
        assert_eq!(acme.with_token(Some(token)).get("/api/v1/products").await.status, 200);
        assert!(is_accepted_elsewhere(&app, token).await);
    }
    // The database holds no private key that could be read.
    let owner = app.database.as_owner().await;
    let row =
        owner.query_one("SELECT string_agg(k::text, '') FROM shared.signing_keys k", &[]).await.unwrap();
    assert!(!row.get::<_, String>(0).contains("\"d\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tokens_of_a_revoked_key_are_refused_within_a_second_and_nobody_is_signed_out() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"email": "owner@acme.test", "password": PASSWORD});
    let session = app.stranger("acme.localhost").post("/api/v1/auth/login", &body).await.body;
    let second = SecondServer::start(&app);
    let token = acme.token.clone().unwrap();
    assert_eq!(second.status("acme.localhost", &token).await, 200);
    let program = Program::beside(&app);
    let active = in_state(&program, "active");
    assert_eq!(program.run(&["keys", "revoke", "nothing", "--yes"]).code, Some(3));
    assert!(program.run(&["keys", "revoke", &active, "--dry-run"]).err.contains("nothing was changed"));
    let owner = app.database.as_owner().await;
    let revoking = Program::beside(&app);
    assert_eq!(revoking.run(&["keys", "revoke", &active, "--yes"]).code, Some(0));
    let revoked = Instant::now();
    loop {
        let (here, there) =
            (acme.get("/api/v1/products").await, second.status("acme.localhost", &token).await);
        if (here.status, there) == (401, 401) {
            assert_eq!(here.code(), "token_invalid");
            break;
        }
        assert!(revoked.elapsed() < Duration::from_secs(1), "{here:?} {there}");
    }
    let refresh = json!({"refreshToken": session["refreshToken"]});
    let refreshed = app.stranger("acme.localhost").post("/api/v1/auth/refresh", &refresh).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let token = refreshed.body["accessToken"].as_str().unwrap();
    assert_eq!(acme.with_token(Some(token)).get("/api/v1/products").await.status, 200);
    assert_eq!(second.status("acme.localhost", token).await, 200);
    assert_ne!(in_state(&program, "active"), active);
    assert_eq!(in_state(&program, "revoked"), active);
    const AUDIT: &str = "SELECT count(*) FROM shared.platform_audit WHERE action = 'key.revoked'";
    assert_eq!(owner.query_one(AUDIT, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_on_schedule_and_old_ones_are_deleted() {
    let app = TestApp::start().await;
    let owner_database = app.onboarding().owner_database();
    let owner = app.database.as_owner().await;
    let program = Program::beside(&app);
    let first = in_state(&program, "active");
    let tend = async || {
        let (sealer, algorithm) =
            (app.settings.password_keys().unwrap().sealer(), app.settings.signing_algorithm().unwrap());
        let after = Some(chrono::TimeDelta::days(90));
        let work =
            async |tx: &tenancy::SharedTx| identity::key_ring::tend(tx, &sealer, algorithm, after).await;
        owner_database.write_shared(work).await.unwrap()
    };
    assert!(!tend().await, "only the next key is made");
    let next = in_state(&program, "next");
    let age = async |days: &str| {
        let sql = format!(
            "UPDATE shared.signing_keys SET created_at = created_at - interval '{days}',
                    changed_at = changed_at - interval '{days}'"
        );
        owner.batch_execute(&sql).await.unwrap();
    };
    assert!(!tend().await);
    age("91 days").await;
    assert!(tend().await);
    assert_eq!((in_state(&program, "active"), in_state(&program, "retiring")), (next, first.clone()));
    assert!(!tend().await);
    age("3 hours").await;
    assert!(!tend().await);
    assert!(keys(&program).iter().all(|(id, _)| *id != first), "its tokens have expired");
}
