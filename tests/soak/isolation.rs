//! Isolation under many failures, over HTTP: many businesses, mixed requests, deadlines, errors, panics in
//! the middle of transactions, suspensions and cut connections.
//!
//! A business must never get a row of another business. No connection may stay stuck. No response may have a
//! status of 5xx, except those that the test causes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::{Business, Reply, TestApp, a_product, join_all};
use serde_json::{Value, json};

const BUSINESSES: usize = 20;
const WORKERS: usize = 32;
const SETTINGS: &str = "
    [server]
    request_timeout_ms = 250
    [database]
    max_connections = 12
    pools = 4
    max_businesses_per_connection = 30
    [log]
    filter = \"off\"
";

#[derive(Default)]
struct Tally {
    answered: BTreeMap<(u16, String), usize>,
}

pub async fn soak(requests: usize) {
    assert!(
        std::env::var_os("TENANTRY_PANIC_ONE_IN").is_some(),
        "run scripts/soak: without panics this test proves too little"
    );
    // The panics that the test causes must not fill the terminal.
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload_as_str().is_some_and(|text| text.contains("a test asked for")) {
            tell(panic);
        }
    }));
    let app = TestApp::start_with(SETTINGS).await;
    let mut businesses = Vec::new();
    for n in 0..BUSINESSES {
        businesses.push(retried(async || app.tenant(&format!("shop-{n}")).await).await);
    }
    println!("{requests} requests to {BUSINESSES} businesses from {WORKERS} clients");
    let (begun, started) = (AtomicUsize::new(0), Instant::now());
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let worker = async |number: usize| {
        let mut random = fastrand::Rng::with_seed(seed + number as u64);
        let mut tally = Tally::default();
        while begun.fetch_add(1, Ordering::Relaxed) < requests {
            let whose = random.usize(..BUSINESSES);
            let other = (whose + 1 + random.usize(..BUSINESSES - 1)) % BUSINESSES;
            one_request(&businesses[whose], &businesses[other], &mut random, &mut tally).await;
        }
        tally
    };
    let disturb = async {
        while begun.load(Ordering::Relaxed) < requests {
            disturb_one(&app).await;
        }
    };
    let (tallies, ()) = tokio::join!(join_all((0..WORKERS).map(worker).collect()), disturb);

    let mut answered: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for tally in tallies {
        for (answer, count) in tally.answered {
            *answered.entry(answer).or_default() += count;
        }
    }
    for ((status, code), count) in &answered {
        println!("{status} {code:<28} {count:>8}");
    }
    println!("{:.0} requests per second", requests as f64 / started.elapsed().as_secs_f64());
    nothing_crossed(&app).await;
    nothing_is_stuck(&app).await;
    println!("no business got a row of another business, no connection is stuck");
}

/// Repeats `work` until it ends without a panic, because setup meets the same panics.
async fn retried<T>(work: impl AsyncFn() -> T) -> T {
    use futures_util::FutureExt;
    loop {
        if let Ok(done) = std::panic::AssertUnwindSafe(work()).catch_unwind().await {
            return done;
        }
    }
}

async fn one_request(
    business: &Business<'_>,
    other: &Business<'_>,
    random: &mut fastrand::Rng,
    tally: &mut Tally,
) {
    let slug = business.tenant.slug.as_str();
    let reply = match random.usize(..12) {
        0..4 => {
            let reply = business.get(&format!("/api/v1/products?limit={}", 1 + random.usize(..100))).await;
            check_list(&reply, slug);
            reply
        }
        4 | 5 => {
            let sku = format!("{slug}-{}", random.u64(..));
            let mut product = a_product(&sku);
            product["name"] = json!(format!("of {slug}"));
            business.post("/api/v1/products", &product).await
        }
        6 | 7 => {
            let levels = business.get("/api/v1/products?limit=1").await;
            check_list(&levels, slug);
            let variant = &levels.body["data"][0]["variants"][0]["id"];
            if !variant.is_string() {
                return;
            }
            business.adjust(variant, if random.bool() { "5" } else { "-3" }).await
        }
        8 => {
            // A product of another business must not be found.
            let theirs = other.get("/api/v1/products?limit=1").await;
            let Some(id) = theirs.body["data"][0]["id"].as_str() else { return };
            let reply = business.get(&format!("/api/v1/products/{id}")).await;
            assert!(reply.status != 200, "a product of {} at {slug}: {reply:?}", other.tenant.slug);
            reply
        }
        9 => {
            let reply = business.with_token(other.token.as_deref()).get("/api/v1/dashboard").await;
            assert!(reply.status != 200, "a token of {} at {slug}: {reply:?}", other.tenant.slug);
            reply
        }
        10 => business.post("/api/v1/products", &json!({"name": 5, "variants": "none"})).await,
        _ => business.get("/api/v1/dashboard").await,
    };
    let is_intended = match reply.status {
        200..500 => true,
        // 500 comes from a panic that the test causes, 503 from a deadline, a lock or an exhausted pool.
        500 => reply.code() == "internal",
        503 => ["deadline_exceeded", "unavailable", "business_changed"].contains(&reply.code()),
        _ => false,
    };
    assert!(is_intended, "{reply:?}");
    *tally.answered.entry((reply.status, reply.code().to_owned())).or_default() += 1;
}

fn check_list(reply: &Reply, slug: &str) {
    for product in reply.body["data"].as_array().map(Vec::as_slice).unwrap_or_default() {
        assert_eq!(product["name"], format!("of {slug}"), "a row of another business");
    }
}

/// Suspends a business for a moment, locks the stock of a business past the deadline, or cuts a connection.
async fn disturb_one(app: &TestApp) {
    let admin = app.database.as_admin().await;
    let number = 1 + fastrand::usize(..BUSINESSES);
    let sql = match fastrand::usize(..3) {
        0 => format!(
            "UPDATE shared.tenants SET status = 'suspended' WHERE number = {number};
             SELECT pg_sleep(0.1);
             UPDATE shared.tenants SET status = 'active' WHERE number = {number}"
        ),
        1 => format!("BEGIN; LOCK TABLE business_{number}.stock_levels; SELECT pg_sleep(0.3); ROLLBACK"),
        _ => "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND usename LIKE '%server' AND query NOT LIKE 'LISTEN%'
               ORDER BY random() LIMIT 1"
            .to_owned(),
    };
    for statement in sql.split(';') {
        let _ = admin.batch_execute(statement).await;
    }
    tokio::time::sleep(Duration::from_millis(fastrand::u64(20..200))).await;
}

/// Reads the tables: each schema must hold only rows of its own business, and its stock levels must be
/// correct.
async fn nothing_crossed(app: &TestApp) {
    let admin = app.database.as_admin().await;
    let mut rows = 0i64;
    for row in admin.query("SELECT slug, 'business_' || number FROM shared.tenants", &[]).await.unwrap() {
        let (slug, schema): (String, String) = (row.get(0), row.get(1));
        let sql =
            format!("SELECT count(*) FILTER (WHERE name <> 'of {slug}'), count(*) FROM {schema}.products");
        let found = admin.query_one(&sql, &[]).await.unwrap();
        assert_eq!(found.get::<_, i64>(0), 0, "rows of another business in {schema}");
        rows += found.get::<_, i64>(1);
        let sql = format!(
            "SELECT count(*) FROM {schema}.stock_levels l
              WHERE l.on_hand <> (SELECT coalesce(sum(m.quantity), 0) FROM {schema}.stock_movements m
                                   WHERE m.variant_id = l.variant_id AND m.location_id = l.location_id)"
        );
        assert_eq!(admin.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0), 0, "wrong levels in {schema}");
    }
    println!("{rows} products checked");
}

async fn nothing_is_stuck(app: &TestApp) {
    let admin = app.database.as_admin().await;
    let open = "SELECT pid, state, left(query, 80) FROM pg_stat_activity
                 WHERE datname = current_database() AND usename LIKE '%server' AND state <> 'idle'";
    for _ in 0..100 {
        let status: Value = {
            let pool = app.running().state().database.pool_status();
            json!({"open": pool.open, "idle": pool.idle, "waiting": pool.waiting})
        };
        let rows = admin.query(open, &[]).await.unwrap();
        if rows.is_empty() && status["open"] == status["idle"] && status["waiting"] == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a connection is stuck: {:?}", admin.query(open, &[]).await.unwrap());
}
