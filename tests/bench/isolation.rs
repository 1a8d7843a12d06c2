//! The cost of isolation: statements in scoped transactions are compared with the same prepared statements
//! without a scope, in one run.
//!
//! Both sides use a Unix socket, and two threads with four connections each, as two server workers would. The
//! machine is noisy, so rounds of both sides alternate, and the report shows the median of the rounds'
//! ratios.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use harness::TestDatabase;
use tenancy::{Database, DbError, PoolSettings, Tenant, TenantTx};
use tokio_postgres::{Client, NoTls, Statement};

use crate::http::{WARM_UP_SECONDS, median};
use crate::report::Report;

const BUSINESSES: usize = 100;
const THREADS: usize = 2;
const CONNECTIONS_PER_THREAD: usize = 4;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1500);

/// 60 categories with the same ids in each business.
const FILL: &str = "
    INSERT INTO categories (id, name, name_key, created_at, updated_at)
    SELECT ('00000000-0000-7000-8000-0000000000' || n)::uuid, 'Category ' || n, 'category ' || n, $1, $1
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
        ("one row, 100 businesses", ONE, tenants, 0.4),
        ("page of 50 rows, 100 businesses", PAGE, tenants, 0.5),
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
    let start = Barrier::new(THREADS);
    let rounds = std::thread::scope(|threads| {
        let worker = || worker(&bare_url, &url, tenants, statements, &start);
        let workers: Vec<_> = (0..THREADS).map(|_| threads.spawn(worker)).collect();
        let rounds: Vec<Vec<_>> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        let sum = |round: usize| {
            rounds.iter().map(|of| of[round]).fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        };
        (0..ROUNDS).map(sum).collect()
    });
    let (scoped, bare) = median(rounds);
    report.ratio(&format!("scoped / bare: {what}"), scoped, bare, "/s", Some(bar));
}

/// Measures on one thread. Returns the requests per second of each round, with scopes and without.
#[tokio::main(flavor = "current_thread")]
async fn worker(
    bare_url: &str,
    url: &str,
    tenants: &[Arc<Tenant>],
    statements: &[&'static str],
    start: &Barrier,
) -> Vec<(f64, f64)> {
    let bare = (0..CONNECTIONS_PER_THREAD).map(|_| Bare::open(bare_url, &tenants[0], statements));
    let bare: Vec<Bare> = join_all(bare).await;
    let settings = PoolSettings {
        max_connections: CONNECTIONS_PER_THREAD,
        pools: 1,
        // Enough for all statements of all businesses.
        max_statements_per_connection: NonZeroUsize::MIN.saturating_add(tenants.len() * statements.len()),
        ..PoolSettings::default()
    };
    let database = Database::new(&url.parse().unwrap(), &settings).unwrap();
    let next = Cell::new(0);
    let scoped = async |_| {
        let tenant = &tenants[next.replace(next.get() + 1) % tenants.len()];
        let work = async |tx: &TenantTx| try_join_all(statements.iter().map(|sql| tx.query(sql, &[]))).await;
        let rows: Result<_, DbError> = database.read(&tenant.scope(), work).await;
        assert!(!rows.unwrap().is_empty());
    };
    // Each connection plans the statements of each business.
    per_second(Duration::from_secs(WARM_UP_SECONDS as u64), scoped).await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        start.wait();
        let without = per_second(ROUND, async |client| bare[client].request().await).await;
        start.wait();
        rounds.push((per_second(ROUND, scoped).await, without));
    }
    rounds
}

/// A connection with prepared statements in one fixed schema. Its speed is the upper limit.
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

/// Lets the clients of this thread repeat `request`, which gets the client's number. Returns the requests per
/// second.
async fn per_second(duration: Duration, request: impl AsyncFn(usize)) -> f64 {
    let (started, requests) = (Instant::now(), Cell::new(0_u32));
    let client = async |number| {
        while started.elapsed() < duration {
            request(number).await;
            requests.set(requests.get() + 1);
        }
    };
    join_all((0..CONNECTIONS_PER_THREAD).map(client)).await;
    f64::from(requests.get()) / started.elapsed().as_secs_f64()
}
