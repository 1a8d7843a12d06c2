//! What isolation costs: scoped transactions against the same prepared statement without any scope, in one run.
//!
//! Both sides go through a Unix socket and use two threads with four connections each, as two server workers would. Rounds alternate, and the median
//! of the rounds' ratios is told, because the machine is noisy.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::TestDatabase;
use identity::{Email, Hasher, PasswordKey, SigningKey};
use inventory::{Currency, Name};
use platform::{Actor, NewBusiness, NewMember, Onboarding};
use tenancy::{Database, DbError, PoolSettings, Tenant, TenantSlug, TenantTx};
use tokio_postgres::NoTls;
use uuid::Uuid;

const BUSINESSES: usize = 100;
const ROWS: usize = 60;
const THREADS: usize = 2;
const CONNECTIONS_PER_THREAD: usize = 4;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(1500);

const ONE: &str = "SELECT id, name, parent_id, version FROM categories WHERE id = $1";
const PAGE: &str = "
    SELECT id, name, parent_id, archived_at, version, created_at, updated_at FROM categories ORDER BY id DESC LIMIT 50";
const FILL: &str = "
    INSERT INTO categories (id, name, created_at, updated_at)
    SELECT id, 'Category ' || n, $2, $2 FROM unnest($1::uuid[]) WITH ORDINALITY AS new (id, n)";

struct Shop {
    tenant: Arc<Tenant>,
    key: Uuid,
}

#[derive(Clone, Copy, PartialEq)]
enum Query {
    One,
    Page,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (database, shops, creation) = runtime.block_on(prepare());
    // As pgbench does: the network's cost would be the same three times over.
    let by_socket = |url: String| runtime.block_on(database.by_socket(&url));
    let (url, owner_url) = (by_socket(database.url()), by_socket(database.owner_url()));
    println!("{:<58} {:>10} {:>10} {:>7} {:>6}", "", "scoped/s", "bare/s", "ratio", "bar");
    let mut missed = 0;
    for (query, businesses, bar) in [
        (Query::One, 1, 0.55),
        (Query::Page, 1, 0.65),
        (Query::One, BUSINESSES, 0.45),
        (Query::Page, BUSINESSES, 0.55),
    ] {
        let mut rounds: Vec<(f64, f64)> = (0..ROUNDS)
            .map(|_| {
                let bare = measure(|stop, count| bare(&owner_url, &shops[0], query, stop, count));
                let scoped = measure(|stop, count| scoped(&url, &shops, businesses, query, stop, count));
                (scoped, bare)
            })
            .collect();
        rounds.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
        let (scoped, bare) = rounds[ROUNDS / 2];
        let what = match query {
            Query::One => "one row",
            Query::Page => "page of 50 rows",
        };
        let whose = if businesses == 1 {
            "one business".to_owned()
        } else {
            format!("{businesses} businesses taking turns")
        };
        missed += usize::from(scoped / bare < bar);
        println!(
            "{:<58} {scoped:>10.0} {bare:>10.0} {:>7.2} {bar:>6}",
            format!("{what}, {whose}, 8 connections"),
            scoped / bare
        );
    }
    println!();
    let told = |what: &str, value: f64, unit: &str, bar: f64| {
        println!("{what:<58} {value:>10.1} {unit:<4} {:>21}", format!("below {bar}"));
        usize::from(value >= bar)
    };
    missed += told(
        &format!("onboarding, {} tables, without the password hash (median)", creation.tables),
        creation.median_ms,
        "ms",
        150.0,
    );
    let (ready_ms, resident_mib) = start_up(&database);
    missed += told("exec to the first 200 of /readyz (best of 5)", ready_ms, "ms", 200.0);
    missed += told("server at rest, resident", resident_mib, "MiB", 40.0);
    drop(database);
    if missed > 0 {
        eprintln!("{missed} of the bars were missed");
        std::process::exit(1);
    }
}

struct Creation {
    median_ms: f64,
    tables: i64,
}

async fn prepare() -> (TestDatabase, Vec<Shop>, Creation) {
    let database = TestDatabase::new().await;
    let secret = secrecy::SecretString::from("a password key of the benchmark, long");
    let hasher = Hasher::new(PasswordKey::new(&secret).unwrap(), 4, 2);
    let onboarding = Onboarding::new(database.provisioner(), hasher);
    let pool = database.pool(2);
    let mut shops = Vec::new();
    let mut durations = Vec::new();
    for n in 0..BUSINESSES {
        // One owner for all: the user exists, so nothing is hashed.
        let new = NewBusiness {
            slug: TenantSlug::parse(&format!("shop-{n}")).unwrap(),
            name: Name::parse("Shop").unwrap(),
            currency: Currency::default(),
            owner: NewMember {
                email: Email::parse("owner@shops.test").unwrap(),
                full_name: None,
                password: None,
                role: "OWNER".into(),
            },
        };
        let started = Instant::now();
        let tenant = onboarding.create(&new, &Actor::named("bench")).await.unwrap().tenant;
        durations.push(started.elapsed().as_secs_f64() * 1000.0);
        let keys: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
        pool.write(&tenant.scope(), async |tx| tx.execute(FILL, &[&keys, &tx.now()]).await).await.unwrap();
        shops.push(Shop { tenant, key: keys[ROWS / 2] });
    }
    durations.sort_by(f64::total_cmp);
    let admin = database.as_admin().await;
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
    let tables =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'business_1'::regnamespace AND relkind = 'r'";
    let tables = admin.query_one(tables, &[]).await.unwrap().get(0);
    (database, shops, Creation { median_ms: durations[BUSINESSES / 2], tables })
}

/// Runs `work` on each thread for a round and returns how often per second it counted.
fn measure<F, W>(work: F) -> f64
where
    F: Fn(Arc<AtomicBool>, Arc<AtomicU64>) -> W + Sync,
    W: Future<Output = ()>,
{
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut per_second = 0.0;
    std::thread::scope(|threads| {
        for _ in 0..THREADS {
            let (stop, count, work) = (stop.clone(), count.clone(), &work);
            threads.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(work(stop, count));
            });
        }
        // Connections are opened and statements planned before it counts.
        std::thread::sleep(Duration::from_millis(700));
        let (before, started) = (count.load(Ordering::Relaxed), Instant::now());
        std::thread::sleep(ROUND);
        per_second = (count.load(Ordering::Relaxed) - before) as f64 / started.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
    });
    per_second
}

/// One prepared statement in one fixed schema, each query a transaction of its own: the ceiling.
async fn bare(url: &str, shop: &Shop, query: Query, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) {
    let connection = async || {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {}", shop.tenant.schema)).await.unwrap();
        let statement = client.prepare(if query == Query::One { ONE } else { PAGE }).await.unwrap();
        while !stop.load(Ordering::Relaxed) {
            let rows = match query {
                Query::One => client.query(&statement, &[&shop.key]).await.unwrap(),
                Query::Page => client.query(&statement, &[]).await.unwrap(),
            };
            assert!(!rows.is_empty());
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(connection(), connection(), connection(), connection());
}

/// The same through `Database::read`, the businesses in turn.
async fn scoped(
    url: &str,
    shops: &[Shop],
    businesses: usize,
    query: Query,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) {
    let settings = PoolSettings { max_connections: CONNECTIONS_PER_THREAD, ..PoolSettings::default() };
    let database = Database::new(&url.parse().unwrap(), &settings).unwrap();
    let scopes: Vec<_> = shops[..businesses].iter().map(|shop| (shop.tenant.scope(), shop.key)).collect();
    let next = AtomicU64::new(0);
    let client = async || {
        while !stop.load(Ordering::Relaxed) {
            let turn = next.fetch_add(1, Ordering::Relaxed) as usize % businesses;
            let (scope, key) = &scopes[turn];
            let work = async |tx: &TenantTx| match query {
                Query::One => tx.query(ONE, &[key]).await,
                Query::Page => tx.query(PAGE, &[]).await,
            };
            let rows: Result<_, DbError> = database.read(scope, work).await;
            assert!(!rows.unwrap().is_empty());
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(client(), client(), client(), client());
}

/// Starts the release binary: milliseconds until it is ready, and its resident memory a second later.
fn start_up(database: &TestDatabase) -> (f64, f64) {
    // target/release/deps/bench-... -> target/release/tenantry
    let own = std::env::current_exe().unwrap();
    let binary: PathBuf = own.parent().and_then(|deps| deps.parent()).unwrap().join("tenantry");
    let key = std::env::temp_dir().join(format!("{}.pem", database.name));
    std::fs::write(&key, SigningKey::generate_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut best = (f64::MAX, 0.0);
    for _ in 0..5 {
        let started = Instant::now();
        let mut server = Command::new(&binary)
            .arg("serve")
            .env("TENANTRY__DATABASE__URL", database.url())
            .env("TENANTRY__SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("TENANTRY__SERVER__METRICS_LISTEN", "127.0.0.1:0")
            .env("TENANTRY__IDENTITY__ISSUER", "http://bench")
            .env("TENANTRY__IDENTITY__SIGNING_KEY_FILE", &key)
            .env("TENANTRY__IDENTITY__PASSWORD_KEY", "a password key of the benchmark, long")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !is_ready(port) {
            assert!(started.elapsed() < Duration::from_secs(30), "the server does not become ready");
            std::thread::sleep(Duration::from_millis(1));
        }
        let ready = started.elapsed().as_secs_f64() * 1000.0;
        std::thread::sleep(Duration::from_secs(1));
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        let resident: f64 = resident.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
        if ready < best.0 {
            best = (ready, resident / 1024.0);
        }
        server.kill().unwrap();
        server.wait().unwrap();
    }
    let _ = std::fs::remove_file(key);
    best
}

fn is_ready(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let sent = stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    sent.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}
