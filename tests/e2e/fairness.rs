//! One business or one client must not use up the capacity of the others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use harness::{TestApp, a_product, until};
use serde_json::json;
use tenancy::{DbError, TenantTx};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooding_business_gets_429_and_the_others_are_served() {
    let app = TestApp::start_with(
        "[database]\nmax_transactions_per_business = 2\nmax_waiting_per_business = 2\n\
         business_wait_timeout_ms = 100",
    )
    .await;
    let (flooder, other) = (app.tenant("flooder").await, app.tenant("other").await);
    let product = flooder.create_product(&a_product("BOLT")).await;
    let id = product["id"].as_str().unwrap();
    // Transactions that change one row wait for each other, so those of the flooding business pile up.
    let admin = app.database.as_admin().await;
    admin.batch_execute("BEGIN; SELECT FROM business_1.products FOR UPDATE").await.unwrap();
    let over = AtomicBool::new(false);
    let (refused, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let flood = async |_: usize| {
        while !over.load(Ordering::Relaxed) {
            let reply = flooder.patch(&format!("/api/v1/products/{id}"), &json!({"name": "x"})).await;
            match reply.status {
                429 => {
                    assert_eq!(reply.code(), "business_busy");
                    assert!(!reply.header("retry-after").is_empty());
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                503 | 200 => {}
                _ => panic!("{reply:?}"),
            }
        }
    };
    let serve = async {
        for _ in 0..100 {
            let reply = other.get("/api/v1/products").await;
            assert_eq!(reply.status, 200, "{reply:?}");
            served.fetch_add(1, Ordering::Relaxed);
        }
        over.store(true, Ordering::Relaxed);
        admin.batch_execute("COMMIT").await.unwrap();
    };
    let floods = harness::join_all((0..12).map(flood).collect());
    tokio::join!(floods, serve);
    assert!(refused.load(Ordering::Relaxed) > 0);
    assert_eq!(served.load(Ordering::Relaxed), 100);
    // After the flood, the business is served again.
    assert_eq!(flooder.get("/api/v1/products").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_over_the_rate_limit_of_one_business_is_served_by_another() {
    let app = TestApp::start_with("[server]\nrequests_per_second = 1\nrequest_burst = 8").await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let mut refused = None;
    for _ in 0..20 {
        let reply = acme.get("/api/v1/locations").await;
        assert_eq!(reply.header("ratelimit-limit"), "8");
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("20 requests must exceed the rate limit");
    assert_eq!((refused.code(), refused.header("ratelimit-remaining")), ("rate_limited", "0"));
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    let fine = zenith.get("/api/v1/locations").await;
    assert_eq!(fine.status, 200, "{fine:?}");
    assert!(fine.header("ratelimit-remaining").parse::<u32>().unwrap() > 0);
    // A client that is not a trusted proxy cannot choose its address.
    let liar = acme.with("x-forwarded-for", "203.0.113.7");
    assert_eq!(liar.get("/api/v1/locations").await.status, 429);
    assert_eq!(app.stranger("acme.localhost").get("/livez").await.status, 200, "probes must not count");
    until("the limit allows a request again", async || acme.get("/api/v1/locations").await.status == 200)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_each_client_has_its_own_rate_limit() {
    let app = TestApp::start_with(
        "[server]\nrequests_per_second = 1\nrequest_burst = 2\n\
         trusted_proxies = [\"127.0.0.1/32\", \"10.0.0.0/8\"]",
    )
    .await;
    app.onboard("acme", "a@acme.test").await;
    let from = |chain: &str| app.stranger("acme.localhost").with("x-forwarded-for", chain);
    for _ in 0..2 {
        assert_eq!(from("203.0.113.7").get("/api/v1/locations").await.status, 401);
    }
    assert_eq!(from("203.0.113.7").get("/api/v1/locations").await.status, 429);
    // Entries that the client itself wrote, before the entries of the proxies, do not count.
    assert_eq!(from("198.51.100.1, 203.0.113.7, 10.1.2.3").get("/api/v1/locations").await.status, 429);
    assert_eq!(from("203.0.113.8").get("/api/v1/locations").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_can_have_its_own_limits() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let staff = app.staff("super_admin").await;
    let path = format!("/api/v1/platform/tenants/{}/limits", acme.tenant.id);
    let bad = staff.send("PUT", &path, Some(&json!({"statementTimeoutMs": 5}))).await;
    assert_eq!((bad.status, bad.code()), (422, "out_of_range"));
    let set = staff.send("PUT", &path, Some(&json!({"statementTimeoutMs": 100, "maxTransactions": 3}))).await;
    assert_eq!(set.status, 200, "{set:?}");
    let database = app.database.pool(8);
    let read = async |tenant: &tenancy::Tenant| {
        let found = database
            .read_shared(tenancy::SharedScope::Platform, async |tx| {
                tenancy::tenant::find_by_id(tx, tenant.id).await
            })
            .await;
        std::sync::Arc::new(found.unwrap().unwrap())
    };
    let sleep = async |tx: &TenantTx| tx.query_one("SELECT pg_sleep(0.3)", &[]).await.map(drop);
    let (limited, free) = (read(&acme.tenant).await, read(&zenith.tenant).await);
    assert_eq!(limited.limits.max_transactions, Some(3));
    let slow: Result<(), DbError> = database.read(&limited.scope(), sleep).await;
    assert_eq!(slow.unwrap_err().sqlstate().unwrap().code(), "57014");
    let slow: Result<(), DbError> = database.read(&free.scope(), sleep).await;
    slow.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_has_its_own_connections_and_borrows_when_they_are_busy() {
    let app = TestApp::start().await;
    let settings = tenancy::PoolSettings { max_connections: 4, pools: 4, ..tenancy::PoolSettings::default() };
    let database = tenancy::Database::new(&app.database.url().parse().unwrap(), &settings).unwrap();
    let tenants = [app.onboard("shop-1", "1@a.test").await, app.onboard("shop-2", "2@a.test").await];
    let backend = async |tenant: &std::sync::Arc<tenancy::Tenant>, hold: bool| -> i32 {
        let pid: Result<i32, DbError> = database
            .read(&tenant.scope(), async |tx| {
                let row = tx.query_one("SELECT pg_backend_pid() AS pid", &[]).await?;
                if hold {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Ok(row.try_get("pid")?)
            })
            .await;
        pid.unwrap()
    };
    let (one, other) = (backend(&tenants[0], false).await, backend(&tenants[1], false).await);
    assert_ne!(one, other);
    for _ in 0..20 {
        assert_eq!(backend(&tenants[0], false).await, one);
        assert_eq!(backend(&tenants[1], false).await, other);
    }
    let mut helped = harness::join_all((0..4).map(|_| backend(&tenants[0], true)).collect()).await;
    helped.sort_unstable();
    helped.dedup();
    assert_eq!(helped.len(), 4, "all four connections must be used");
}
