//! The cost of isolation: statements in scoped transactions are compared with the same prepared statements
//! without a scope, in one run.
//!
//! Both sides use a Unix socket and have the same number of clients. The scoped side has the pools of a server
//! with default settings. The machine is noisy, so rounds of both sides alternate, and the
//! report shows the median of the rounds' ratios.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use harness::TestDatabase;
use tenancy::{Database, DbError, PoolSettings, Tenant, TenantTx};
use tokio_postgres::{Client, NoTls, Statement};

use crate::http::{WARM_UP_SECONDS, median};
use crate::report::Report;

const BUSINESSES: usize = 100;
const THREADS: usize = 2;
const CLIENTS: usize = 16;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1500);

/// 60 categories with the same ids in each business.
const FILL: &str = "
    INSERT INTO categories (id, name, created_at, updated_at)
    SELECT ('00000000-0000-7000-8000-0000000000' || n)::uuid, 'Category ' || n, $1, $1
      FROM generate_series(10, 69) AS n";
const ONE: &str = "
    SELECT id, name, parent_id, version FROM categories WHERE id = '00000000-0000-7000-8000-000000000040'";
const PAGE: &str = "
    SELECT id, name, parent_id, archived_at, version, created_at, updated_at
      FROM categories ORDER BY id DESC LIMIT 50";

/// Compares a query of one row and a query of one page, for one business and for many.
pub async fn measure_all(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let tenants = &tenants[..BUSINESSES];
    let pool = database.pool(2);
    for tenant in tenants {
        pool.write(&tenant.scope(), async |tx| tx.execute(FILL, &[&tx.now()]).await).await.unwrap();
    }
    database.as_admin().await.batch_execute("VACUUM ANALYZE").await.unwrap();
    for (what, query, tenants, bar) in [
        ("one row, one business", ONE, &tenants[..1], 0.55),
        ("page of 50 rows, one business", PAGE, &tenants[..1], 0.65),
        ("one row, 100 businesses", ONE, tenants, 0.45),
        ("page of 50 rows, 100 businesses", PAGE, tenants, 0.55),
    ] {
        measure(report, what, database, tenants, &[query], bar).await;
    }
}

/// Runs statements in scoped transactions of the businesses, one business after the other. Compares them with
/// the same statements in one schema, without a scope.
pub async fn measure(
    report: &mut Report,
    what: &str,
    database: &TestDatabase,
    tenants: &[Arc<Tenant>],
    statements: &[&'static str],
    bar: f64,
) {
    let bare_url = database.by_socket(&database.owner_url()).await;
    let url = database.by_socket(&database.url()).await;
    let bare: Vec<Bare> =
        join_all((0..CLIENTS).map(|_| Bare::open(&bare_url, &tenants[0], statements))).await;
    let settings = PoolSettings { max_transactions_per_business: CLIENTS, ..PoolSettings::default() };
    let pools = Database::new(&url.parse().unwrap(), &settings).unwrap();
    let next = AtomicUsize::new(0);
    let scoped = async |_| {
        let turn = next.fetch_add(1, Ordering::Relaxed) % tenants.len();
        let work = async |tx: &TenantTx| try_join_all(statements.iter().map(|sql| tx.query(sql, &[]))).await;
        let rows: Result<_, DbError> = pools.read(&tenants[turn].scope(), work).await;
        assert!(!rows.unwrap().is_empty());
    };
    // Each connection plans the statements of each business.
    per_second(Duration::from_secs(WARM_UP_SECONDS as u64), scoped);
    let rounds = (0..ROUNDS).map(|_| {
        let without = per_second(ROUND, async |client| bare[client].request().await);
        (per_second(ROUND, scoped), without)
    });
    let (scoped, bare) = median(rounds.collect());
    report.ratio(&format!("scoped / bare: {what}"), scoped, bare, "/s", Some(bar));
}

/// A connection with prepared statements in one fixed schema. Its speed is the upper limit. As with a
/// server's connections, its socket belongs to another thread than its client.
struct Bare {
    client: Client,
    statements: Vec<Statement>,
}

impl Bare {
    async fn open(url: &str, tenant: &Tenant, statements: &[&str]) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {}, extensions", tenant.schema)).await.unwrap();
        let statements = try_join_all(statements.iter().map(|sql| client.prepare(sql))).await.unwrap();
        Self { client, statements }
    }

    async fn request(&self) {
        let rows = try_join_all(self.statements.iter().map(|statement| self.client.query(statement, &[])));
        assert!(!rows.await.unwrap().is_empty());
    }
}

/// Lets all clients repeat `request`, which gets the client's number. Returns the requests per second.
fn per_second(duration: Duration, request: impl AsyncFn(usize) + Sync) -> f64 {
    let (is_over, requests) = (AtomicBool::new(false), AtomicU64::new(0));
    let client = async |number| {
        while !is_over.load(Ordering::Relaxed) {
            request(number).await;
            requests.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            threads.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(join_all((thread..CLIENTS).step_by(THREADS).map(client)));
            });
        }
        // The first requests open connections and plan statements.
        std::thread::sleep(Duration::from_millis(700));
        let (before, started) = (requests.load(Ordering::Relaxed), Instant::now());
        std::thread::sleep(duration);
        let counted = requests.load(Ordering::Relaxed) - before;
        is_over.store(true, Ordering::Relaxed);
        counted as f64 / started.elapsed().as_secs_f64()
    })
}
