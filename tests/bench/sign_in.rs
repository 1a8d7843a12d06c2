//! Signing in: tokens against the bare signature, refreshes against their SQL, and a flood of wrong
//! passwords.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::TestDatabase;
use identity::login::SignedIn;
use identity::membership::MemberOf;
use identity::session::{Beginning, Started};
use identity::{
    ApiKeys, KeyRing, PasswordKey, PasswordKeys, RefreshToken, Revocations, SessionId, SigningAlgorithm,
    TokenIssuer, UserId,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tenancy::Tenant;

use crate::fleet::PASSWORD;
use crate::http::{self, ROUNDS, SECONDS, median};
use crate::process::Server;
use crate::replay::{self, Script};
use crate::report::Report;

const CLIENTS: usize = 16;

pub async fn measure_all(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    tokens(report, database).await;
    refreshes(report, database, &tenants[0]).await;
    flood(report, database, tenants).await;
}

/// Calls in one measurement.
const CALLS: u32 = 20_000;

/// Microseconds of one call.
fn microseconds(mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..CALLS {
        work();
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
}

async fn tokens(report: &mut Report, database: &TestDatabase) {
    let secret = SecretString::from("a password key of the benchmark, long");
    let keys = PasswordKeys { current: PasswordKey::new(&secret).ok().unwrap(), former: vec![] };
    let ring = Arc::new(KeyRing::new(keys.sealer(), None, SigningAlgorithm::EdDsa));
    let pool = database.pool(2);
    let programs = Arc::new(ApiKeys::new(pool.clone()));
    let revocations = Arc::new(Revocations::new(pool, ring.clone(), programs.clone()));
    let listening = revocations.clone();
    let listening = tokio::spawn(async move { listening.listen().await });
    while !revocations.is_up_to_date() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let issuer = TokenIssuer::new(ring.clone(), "http://bench".into(), Duration::from_secs(600));
    let tenant = tenancy::TenantId::new();
    let signed_in = SignedIn {
        user: UserId::new(),
        email: None,
        username: None,
        full_name: None,
        member_of: MemberOf::business(tenant),
        membership_version: 1,
        roles: vec!["OWNER".into()],
        permissions: identity::Permission::ALL.iter().map(ToString::to_string).collect(),
    };
    let started = Started {
        session: SessionId::new(),
        signed_in_at: Some(chrono::Utc::now()),
        expires_at: chrono::Utc::now() + chrono::TimeDelta::days(1),
        refresh_token: RefreshToken::presented(SecretString::from("x")),
        second_factor: identity::SecondFactorState::Unneeded,
        beginning: Beginning::Here,
        delegation: None,
    };
    let token = issuer.issue(&signed_in, &started).unwrap().token;
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let public = public_key(&ring, &token);
    let public = URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap();
    let bare = UnparsedPublicKey::new(&ED25519, public);
    let (mut rounds, mut checks, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let alone = microseconds(|| bare.verify(message.as_bytes(), &signature).unwrap());
        let whole = microseconds(|| drop(issuer.verify(&token, Some(tenant)).unwrap()));
        rounds.push((whole, alone));
        let verified = issuer.verify(&token, Some(tenant)).unwrap();
        let check = microseconds(|| assert!(matches!(revocations.check(&verified), Some(Ok(())))));
        checks.push((whole + check, whole));
        found.push((key_in_memory(&programs, tenant).await, whole));
    }
    let (whole, alone) = median(rounds);
    report.growth("verifying a token / a bare Ed25519 verification", whole, alone, "µs", Some(1.2));
    let (with, without) = median(checks);
    report.growth("verifying a token, with its session / without", with, without, "µs", Some(1.05));
    let (key, token) = median(found);
    report.growth("finding an API key / verifying a token", key, token, "µs", Some(1.0));
    listening.abort();
}

/// The time to find the secret of an API key that was presented before. An unknown one is kept, too.
async fn key_in_memory(programs: &ApiKeys, tenant: tenancy::TenantId) -> f64 {
    let secret = format!("tky_{}", "x".repeat(43));
    let started = Instant::now();
    for _ in 0..CALLS {
        assert!(programs.find(&secret, tenant, true).await.is_err());
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
}

fn public_key(ring: &KeyRing, token: &str) -> Value {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid;
    ring.public_keys().into_iter().map(|key| json!(key)).find(|key| key["kid"] == json!(kid)).unwrap()
}

async fn sign_in(port: u16, host: &str) -> Value {
    let body = json!({"email": "owner@shops.test", "password": PASSWORD});
    post(&reqwest::Client::new(), port, host, "login", &body).await.1
}

async fn post(http: &reqwest::Client, port: u16, host: &str, what: &str, body: &Value) -> (u16, Value) {
    let url = format!("http://127.0.0.1:{port}/api/v1/auth/{what}");
    let answer = http.post(url).header("host", host).json(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

/// The statements of a refresh, in the flights in which the server sends them.
const REFRESH: &str = "
\\startpipeline
BEGIN;
SET LOCAL ROLE tenantry_shared;
\\endpipeline
SELECT token_id, session_id, user_id FROM shared.open_refresh_token(sha256((:client_id)::text::bytea)) \\gset
\\startpipeline
WITH consumed AS (
    UPDATE shared.refresh_tokens SET consumed_at = now()
     WHERE id = (:token_id)::uuid AND consumed_at IS NULL),
superseded AS (
    UPDATE shared.refresh_tokens SET superseded_at = now()
     WHERE session_id = (:session_id)::uuid AND parent_id = (:token_id)::uuid
       AND id <> (:token_id)::uuid AND consumed_at IS NULL AND superseded_at IS NULL),
seen AS (
    UPDATE shared.sessions SET last_seen_at = now(), idle_expires_at = now() + interval '14 days'
     WHERE id = (:session_id)::uuid)
INSERT INTO shared.refresh_tokens (id, session_id, user_id, hash, parent_id, expires_at)
VALUES (gen_random_uuid(), (:session_id)::uuid, (:user_id)::uuid, uuid_send(gen_random_uuid()), NULL,
        now() + interval '14 days');
COMMIT;
\\endpipeline
";

/// Each client refreshes its own session again and again. pgbench runs the same statements on sessions of its
/// own.
async fn refreshes(report: &mut Report, database: &TestDatabase, tenant: &Tenant) {
    let server = Server::start(database, "tenantry");
    let host = format!("{}.localhost", tenant.slug);
    let admin = database.as_admin().await;
    let mut tokens = Vec::new();
    for _ in 0..CLIENTS {
        tokens.push(sign_in(server.port, &host).await["refreshToken"].clone());
    }
    // The tokens of pgbench: unused ones of sessions of their own, found by the number of the client.
    admin
        .batch_execute(&format!(
            "WITH model AS (SELECT * FROM shared.sessions ORDER BY id DESC LIMIT 1),
             made AS (
                INSERT INTO shared.sessions (id, user_id, membership_id, tenant_id, created_at, last_seen_at,
                                             expires_at, idle_expires_at)
                SELECT gen_random_uuid(), user_id, membership_id, tenant_id, now(), now(), expires_at,
                       idle_expires_at
                  FROM model, generate_series(1, {CLIENTS}) RETURNING id, user_id, expires_at)
             INSERT INTO shared.refresh_tokens (id, session_id, user_id, hash, expires_at)
             SELECT gen_random_uuid(), id, user_id, sha256((row_number() OVER () - 1)::text::bytea),
                    expires_at
               FROM made"
        ))
        .await
        .unwrap();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let http = refresh_for(server.port, &host, &mut tokens).await;
        let sql =
            replay::pgbench(&database.url(), "public", &[Script::from(REFRESH.to_owned())], CLIENTS, SECONDS);
        rounds.push((http, sql));
    }
    let (http, sql) = median(rounds);
    report.ratio("auth/refresh / its SQL alone, 16 clients", http, sql, "/s", Some(0.5));
}

async fn refresh_for(port: u16, host: &str, tokens: &mut [Value]) -> f64 {
    let done = AtomicUsize::new(0);
    let started = Instant::now();
    let clients = tokens.iter_mut().map(|token| {
        let done = &done;
        async move {
            let http = reqwest::Client::new();
            while started.elapsed() < Duration::from_secs(SECONDS as u64) {
                let (status, body) =
                    post(&http, port, host, "refresh", &json!({"refreshToken": token})).await;
                assert_eq!(status, 200, "{body}");
                *token = body["refreshToken"].clone();
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    futures_util::future::join_all(clients).await;
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

/// 50 wrong passwords a second at one business, while others read and sign in. With the default cost of
/// hashes.
async fn flood(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let server = Server::start_with(database, "tenantry", &[("TENANTRY__IDENTITY__BCRYPT_COST", "12")]);
    let port = server.port;
    let (flooded, quiet) =
        (format!("{}.localhost", tenants[0].slug), format!("{}.localhost", tenants[1].slug));
    let token = sign_in(port, &quiet).await["accessToken"].as_str().unwrap().to_owned();
    // The third word of a target is a variant, which this path does not name.
    let targets = vec![format!("{quiet} {token} none")];
    let read = async || {
        let targets = targets.clone();
        let path = "/api/v1/products?limit=1";
        tokio::task::spawn_blocking(move || http::drive(port, &targets, path, 8, SECONDS)).await.unwrap().0
    };
    let right = async || {
        let mut times = Vec::new();
        for _ in 0..9 {
            let asked = Instant::now();
            assert!(sign_in(port, &quiet).await["accessToken"].is_string());
            times.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (reads_alone, right_alone) = (read().await, right().await);
    let stop = AtomicBool::new(false);
    let attack = async {
        let http = reqwest::Client::new();
        let mut n = 0;
        let mut open = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let (http, host) = (http.clone(), flooded.clone());
            let body = json!({"email": format!("nobody{n}@shops.test"), "password": "wrong"});
            open.push(tokio::spawn(async move { post(&http, port, &host, "login", &body).await.0 }));
            n += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        futures_util::future::join_all(open).await;
    };
    let measure = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let measured = (read().await, right().await);
        stop.store(true, Ordering::Relaxed);
        measured
    };
    let ((), (reads, right_then)) = futures_util::future::join(attack, measure).await;
    let what = "reads of others during 50 wrong passwords a second / alone";
    report.ratio(what, reads, reads_alone, "/s", None);
    let what = "a right password elsewhere during the flood / alone";
    report.growth(what, right_then, right_alone, "ms", Some(3.0));
}
