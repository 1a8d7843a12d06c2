//! The pool leaks nothing between transactions, even after errors, panics, timeouts and dropped futures.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use harness::{TestApp, TestDatabase, drop_after_polls, end_membership, join_all, until};
use tenancy::{Database, DbError, PoolSettings, Tenant, TenantTx};
use uuid::Uuid;

const INSERT: &str =
    "INSERT INTO categories (id, name, name_key, created_at, updated_at) VALUES ($1, $2, $2, $3, $3)";
const NAMES: &str = "SELECT name FROM categories ORDER BY name";
const SLEEP: &str = "SELECT pg_sleep(5)";
const FAIL: &str = "SELECT 1 / (SELECT 0)";

async fn insert(tx: &TenantTx, name: &str) -> Result<(), DbError> {
    tx.execute(INSERT, &[&Uuid::now_v7(), &name, &tx.now()]).await.map(drop)
}

async fn names(database: &Database, tenant: &Arc<Tenant>) -> BTreeSet<String> {
    let rows = database.read(&tenant.scope(), async |tx| tx.query(NAMES, &[]).await).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Asserts that every backend of the pool is idle and outside a transaction.
async fn assert_all_idle(database: &TestDatabase) {
    let admin = database.as_admin().await;
    let sql = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND usename = 'tenantry_test_server' AND state <> 'idle'";
    for _ in 0..200 {
        let busy: i64 = admin.query_one(sql, &[]).await.unwrap().get(0);
        if busy == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a connection stays busy");
}

#[tokio::test]
async fn a_future_dropped_at_any_poll_commits_nothing() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let zenith = app.onboard("zenith", "z@zenith.test").await;
    // The pool has one connection. The next transaction would commit anything that is left open on it.
    let database = app.database.pool(1);
    let mut dropped = 0;
    for polls in 1.. {
        let scope = acme.scope();
        let work = database.write(&scope, async |tx| {
            insert(tx, &format!("lost {polls}")).await?;
            tx.query(NAMES, &[]).await?;
            insert(tx, &format!("lost too {polls}")).await?;
            Err::<(), DbError>(DbError::Abandoned)
        });
        let ended = drop_after_polls(work, polls).await.is_some();
        database.write(&zenith.scope(), async |tx| insert(tx, &format!("kept {polls}")).await).await.unwrap();
        database.write(&acme.scope(), async |tx| insert(tx, &format!("kept {polls}")).await).await.unwrap();
        if ended && dropped > 0 {
            break;
        }
        dropped += 1;
        assert!(polls < 200, "the work never ends");
    }
    assert!(dropped >= 4, "dropped at {dropped} points only");
    for tenant in [&acme, &zenith] {
        assert!(names(&database, tenant).await.iter().all(|name| name.starts_with("kept")));
    }
    assert_all_idle(&app.database).await;
}

#[tokio::test]
async fn a_connection_is_opened_completely_although_its_caller_has_given_up() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(1);
    let scope = acme.scope();
    let given_up = drop_after_polls(database.read(&scope, async |tx| tx.query(NAMES, &[]).await), 1).await;
    assert!(given_up.is_none(), "the read ended before it could be given up");
    for _ in 0..200 {
        if database.pool_status().idle == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connection was discarded: {:?}", database.pool_status());
}

#[tokio::test]
async fn a_write_dropped_at_any_poll_is_stored_completely_or_not_at_all() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(1);
    for polls in 1..200 {
        let scope = acme.scope();
        let work = database.write(&scope, async |tx| {
            insert(tx, &format!("{polls} first")).await?;
            insert(tx, &format!("{polls} second")).await
        });
        let ended = drop_after_polls(work, polls).await;
        let stored = names(&database, &acme).await;
        let (first, second) =
            (stored.contains(&format!("{polls} first")), stored.contains(&format!("{polls} second")));
        assert_eq!(first, second, "half a transaction after {polls} polls");
        if let Some(outcome) = ended {
            outcome.unwrap();
            assert!(first, "an acknowledged write must be stored");
            return;
        }
    }
    panic!("the work never ends");
}

#[tokio::test]
async fn a_statement_abandoned_in_flight_is_cancelled_and_its_connection_closed() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(1);
    let scope = acme.scope();
    let slow = database.write(&scope, async |tx| {
        insert(tx, "lost").await?;
        tx.query(SLEEP, &[]).await.map(drop)
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), slow).await.is_err());
    let started = std::time::Instant::now();
    database.write(&acme.scope(), async |tx| insert(tx, "kept").await).await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "the next transaction must not wait for the abandoned statement"
    );
    assert_eq!(names(&database, &acme).await, BTreeSet::from(["kept".to_owned()]));
    assert_all_idle(&app.database).await;
}

#[tokio::test]
async fn abandoning_a_statement_inside_a_transaction_ends_the_transaction() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(1);
    let outcome = database
        .write(&acme.scope(), async |tx| {
            insert(tx, "lost").await?;
            let _ = tokio::time::timeout(Duration::from_millis(100), tx.query(SLEEP, &[])).await;
            insert(tx, "lost too").await
        })
        .await;
    assert!(matches!(outcome, Err(DbError::Abandoned)), "{outcome:?}");
    assert!(names(&database, &acme).await.is_empty());
}

#[tokio::test]
async fn errors_and_panics_roll_back() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(1);
    let failed = database
        .write(&acme.scope(), async |tx| {
            insert(tx, "lost").await?;
            tx.query(FAIL, &[]).await.map(drop)
        })
        .await;
    assert_eq!(failed.unwrap_err().sqlstate().unwrap().code(), "22012");

    let swallowed = database
        .write(&acme.scope(), async |tx| {
            insert(tx, "lost").await?;
            let _ = tx.query(FAIL, &[]).await;
            Ok::<_, DbError>(())
        })
        .await;
    assert!(
        matches!(swallowed, Err(DbError::Failed)),
        "a swallowed error must not look like a commit: {swallowed:?}"
    );

    let scope = acme.scope();
    let panics = database.write(&scope, async |tx| {
        insert(tx, "lost").await?;
        if tx.tenant().slug.as_str() == "acme" {
            panic!("on purpose");
        }
        Ok::<_, DbError>(())
    });
    let mut panics = Box::pin(panics);
    let caught = std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| panics.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(_)) => Poll::Ready(false),
            Err(_) => Poll::Ready(true),
        }
    })
    .await;
    drop(panics);
    assert!(caught);
    assert!(names(&database, &acme).await.is_empty());
    assert_all_idle(&app.database).await;
}

#[tokio::test]
async fn a_read_stores_nothing() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(1);
    // Debug builds refuse the write. Release builds roll it back.
    let written = database.read(&acme.scope(), async |tx| insert(tx, "lost").await).await;
    assert_eq!(written.unwrap_err().sqlstate().unwrap().code(), "25006");
    assert!(names(&database, &acme).await.is_empty());
}

#[tokio::test]
async fn businesses_in_parallel_never_see_each_other_s_rows() {
    let app = TestApp::start().await;
    let mut tenants = Vec::new();
    for n in 0..4 {
        tenants.push(app.onboard(&format!("shop{n}"), &format!("o{n}@shop.test")).await);
    }
    // There are fewer connections than businesses, and each connection often discards its prepared
    // statements.
    let settings = PoolSettings {
        max_connections: 3,
        max_statements_per_connection: 2.try_into().unwrap(),
        max_businesses_per_connection: 3,
        wait_timeout: Duration::from_secs(30),
        ..PoolSettings::default()
    };
    let database = Database::new(&app.database.url().parse().unwrap(), &settings).unwrap();
    let work = (0..400_usize).map(|n| {
        let (database, tenant) = (&database, &tenants[n % tenants.len()]);
        async move {
            let slug = tenant.slug.to_string();
            let scope = tenant.scope();
            let work = database.write(&scope, async |tx| {
                insert(tx, &format!("{slug} {n}")).await?;
                let rows = tx.query(NAMES, &[]).await?;
                let foreign: Vec<String> = rows
                    .iter()
                    .map(|row| row.get(0))
                    .filter(|name: &String| !name.starts_with(&slug))
                    .collect();
                assert!(foreign.is_empty(), "{slug} sees {foreign:?}");
                if n % 5 == 0 { Err(DbError::Abandoned) } else { Ok(()) }
            });
            let _ = drop_after_polls(work, if n % 3 == 0 { n % 11 + 1 } else { usize::MAX }).await;
        }
    });
    // All transactions run at the same time, on one thread.
    join_all(work.collect()).await;
    for tenant in &tenants {
        let stored = names(&database, tenant).await;
        assert!(!stored.is_empty() && stored.iter().all(|name| name.starts_with(tenant.slug.as_str())));
        assert!(
            stored.iter().all(|name| name.rsplit(' ').next().unwrap().parse::<usize>().unwrap() % 5 != 0)
        );
    }
    assert_all_idle(&app.database).await;
}

#[tokio::test]
async fn prepared_statements_survive_a_migration() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(3);
    const ALL: &str = "SELECT * FROM categories";
    let read = async || {
        database.read(&acme.scope(), async |tx| tx.query(ALL, &[]).await.map(|rows| rows.len())).await
    };
    // Every connection plans the statement.
    let (a, b, c) = tokio::join!(read(), read(), read());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let owner = app.database.as_owner().await;
    for column in ["x1", "x2", "x3"] {
        owner
            .batch_execute(&format!("ALTER TABLE {}.categories ADD COLUMN {column} int", acme.schema))
            .await
            .unwrap();
        for _ in 0..5 {
            read().await.expect("a statement on a changed table must be planned again");
        }
        let (a, b, c) = tokio::join!(read(), read(), read());
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
    }
}

#[tokio::test]
async fn a_full_pool_refuses_after_its_timeout_and_recovers() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let settings = PoolSettings {
        max_connections: 1,
        wait_timeout: Duration::from_millis(100),
        ..PoolSettings::default()
    };
    let database = Database::new(&app.database.url().parse().unwrap(), &settings).unwrap();
    let scope = acme.scope();
    let hog = database.read(&scope, async |tx| {
        tx.query("SELECT pg_sleep(0.6)", &[]).await?;
        Ok::<_, DbError>(())
    });
    let late = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        database.ping().await
    };
    let (hogged, refused) = tokio::join!(hog, late);
    hogged.unwrap();
    let refused = refused.unwrap_err();
    assert!(matches!(refused, DbError::Exhausted(_)) && refused.is_unavailable(), "{refused:?}");
    database.ping().await.unwrap();
}

#[tokio::test]
async fn broken_connections_are_replaced() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(acme.get("/api/v1/products").await.status, 200);
    let admin = app.database.as_admin().await;
    const BREAK: &str = "
        SELECT coalesce(array_agg(pid) FILTER (WHERE pg_terminate_backend(pid)), '{}') FROM pg_stat_activity
         WHERE datname = current_database() AND usename = 'tenantry_test_server'";
    let broken: Vec<i32> = admin.query_one(BREAK, &[]).await.unwrap().get(0);
    assert!(!broken.is_empty(), "the test must break a connection");
    const LEFT: &str = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)";
    let is_broken = async || admin.query_one(LEFT, &[&broken]).await.unwrap().get::<_, i64>(0) == 0;
    until("the connections are broken", is_broken).await;
    for _ in 0..20 {
        assert_eq!(acme.get("/api/v1/products").await.status, 200);
    }
}

#[tokio::test]
async fn a_connection_that_is_refused_a_role_is_not_used_again() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(1);
    const PID: &str = "SELECT pg_backend_pid()";
    let pid = async || {
        let row = database.read(&acme.scope(), async |tx| tx.query_one(PID, &[]).await).await?;
        Ok::<i32, DbError>(row.get(0))
    };
    let before = pid().await.unwrap();
    assert_eq!(pid().await.unwrap(), before);
    // A backend may refuse a new role for a while, because it caches the list of roles. The end of the
    // membership causes the same refusal.
    let admin = app.database.as_admin().await;
    let role = acme.role.quoted();
    end_membership(&admin, &role, "tenantry_test_server").await;
    let refused = pid().await.unwrap_err();
    assert_eq!(refused.sqlstate().map(|code| code.code()), Some("42501"), "{refused:?}");
    admin.batch_execute(&format!("GRANT {role} TO tenantry_test_server")).await.unwrap();
    assert_ne!(pid().await.unwrap(), before);
}

#[tokio::test]
async fn all_statements_of_a_snapshot_see_the_same_data() {
    let app = TestApp::start().await;
    let acme = app.onboard("acme", "a@acme.test").await;
    let database = app.database.pool(2);
    let both = async |tx: &TenantTx| {
        let before = tx.query(NAMES, &[]).await?.len();
        database
            .write(&acme.scope(), async |tx| insert(tx, &format!("new {}", Uuid::now_v7())).await)
            .await?;
        Ok::<_, DbError>((before, tx.query(NAMES, &[]).await?.len()))
    };
    assert_eq!(database.read_snapshot(&acme.scope(), both).await.unwrap(), (0, 0));
    assert_eq!(database.read(&acme.scope(), both).await.unwrap(), (1, 2));
}
