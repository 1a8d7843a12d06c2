//! The cost of isolation: scoped transactions are compared with the same prepared statement without a scope,
//! in one run.
//!
//! Both sides use a Unix socket, and two threads with four connections each, as two server workers would. The
//! machine is noisy, so rounds of both sides alternate, and the report shows the median of the rounds'
//! ratios.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use harness::TestDatabase;
use tenancy::{Database, DbError, PoolSettings, Tenant, TenantTx};
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::http::median;
use crate::report::Report;

const BUSINESSES: usize = 100;
const ROWS: usize = 60;
const THREADS: usize = 2;
const CONNECTIONS_PER_THREAD: usize = 4;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1200);

const ONE: &str = "SELECT id, name, parent_id, version FROM categories WHERE id = $1";
const PAGE: &str = "
    SELECT id, name, parent_id, archived_at, version, created_at, updated_at
      FROM categories ORDER BY id DESC LIMIT 50";
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

/// Compares scoped transactions with bare statements.
pub fn measure_all(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let shops = runtime.block_on(prepare(database, tenants));
    // As pgbench connects. A network would only add the same cost to every measurement.
    let by_socket = |url: String| runtime.block_on(database.by_socket(&url));
    let (url, owner_url) = (by_socket(database.url()), by_socket(database.owner_url()));
    for (query, businesses, bar) in [
        (Query::One, 1, 0.55),
        (Query::Page, 1, 0.65),
        (Query::One, BUSINESSES, 0.45),
        (Query::Page, BUSINESSES, 0.55),
    ] {
        let rounds = (0..ROUNDS)
            .map(|_| {
                let bare = measure(|stop, count| bare(&owner_url, &shops[0], query, stop, count));
                let scoped = measure(|stop, count| scoped(&url, &shops, businesses, query, stop, count));
                (scoped, bare)
            })
            .collect();
        let (scoped, bare) = median(rounds);
        let what = match query {
            Query::One => "one row",
            Query::Page => "page of 50 rows",
        };
        let whose = if businesses == 1 { "one business" } else { "100 businesses in turn" };
        report.ratio(&format!("scoped / bare: {what}, {whose}"), scoped, bare, "/s", Some(bar));
    }
}

/// Compares a request's statements in scoped transactions of the businesses in turn with the same statements
/// on connections without a scope, which see one schema.
pub async fn measure_statements(
    report: &mut Report,
    what: &str,
    database: &TestDatabase,
    tenants: &[Arc<Tenant>],
    statements: &[&'static str],
    bar: Option<f64>,
) {
    let (url, owner_url) =
        (database.by_socket(&database.url()).await, database.by_socket(&database.owner_url()).await);
    let rounds = (0..ROUNDS)
        .map(|_| {
            let bare =
                measure(|stop, count| bare_statements(&owner_url, &tenants[0], statements, stop, count));
            let scoped = measure(|stop, count| scoped_statements(&url, tenants, statements, stop, count));
            (scoped, bare)
        })
        .collect();
    let (scoped, bare) = median(rounds);
    report.ratio(&format!("scoped / bare: SQL of {what}, 100 businesses"), scoped, bare, "/s", bar);
}

async fn bare_statements(
    url: &str,
    tenant: &Tenant,
    statements: &[&'static str],
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) {
    let connection = async || {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {}, extensions", tenant.schema)).await.unwrap();
        let prepared = try_join_all(statements.iter().map(|sql| client.prepare(sql))).await.unwrap();
        while !stop.load(Ordering::Relaxed) {
            try_join_all(prepared.iter().map(|statement| client.query(statement, &[]))).await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(connection(), connection(), connection(), connection());
}

async fn scoped_statements(
    url: &str,
    tenants: &[Arc<Tenant>],
    statements: &[&'static str],
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) {
    let settings = PoolSettings { max_connections: CONNECTIONS_PER_THREAD, ..PoolSettings::default() };
    let database = Database::new(&url.parse().unwrap(), &settings).unwrap();
    let next = AtomicU64::new(0);
    let client = async || {
        while !stop.load(Ordering::Relaxed) {
            let turn = next.fetch_add(1, Ordering::Relaxed) as usize % tenants.len();
            let work =
                async |tx: &TenantTx| try_join_all(statements.iter().map(|sql| tx.query(sql, &[]))).await;
            let rows: Result<_, DbError> = database.read(&tenants[turn].scope(), work).await;
            rows.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(client(), client(), client(), client());
}

async fn prepare(database: &TestDatabase, tenants: &[Arc<Tenant>]) -> Vec<Shop> {
    let pool = database.pool(2);
    let mut shops = Vec::new();
    for tenant in &tenants[..BUSINESSES] {
        let keys: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
        pool.write(&tenant.scope(), async |tx| tx.execute(FILL, &[&keys, &tx.now()]).await).await.unwrap();
        shops.push(Shop { tenant: tenant.clone(), key: keys[ROWS / 2] });
    }
    database.as_admin().await.batch_execute("VACUUM ANALYZE").await.unwrap();
    shops
}

/// Runs `work` on each thread for a round. Returns the number of queries per second.
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
        // Connections are opened and statements are planned before the measurement starts.
        std::thread::sleep(Duration::from_millis(700));
        let (before, started) = (count.load(Ordering::Relaxed), Instant::now());
        std::thread::sleep(ROUND);
        per_second = (count.load(Ordering::Relaxed) - before) as f64 / started.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
    });
    per_second
}

/// The upper limit: one prepared statement in one fixed schema, with one transaction for each query.
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

/// The same queries through `Database::read`, for the businesses in turn.
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
