//! Several servers, and the command line, on one database.

use std::time::{Duration, Instant};

use harness::{Program, SecondServer, TestApp, a_product, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_notices_a_change_by_another_process_within_a_second() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.create_product(&a_product("BOLT")).await;
    let second = SecondServer::start(&app);
    let token = acme.token.clone().unwrap();
    assert_eq!(second.status("acme.localhost", &token).await, 200);
    assert_eq!(second.status("later.localhost", &token).await, 404);
    let program = Program::beside(&app);
    let both = async |wanted: u16| {
        let changed = Instant::now();
        loop {
            let here = acme.get("/api/v1/products").await.status;
            let there = second.status("acme.localhost", &token).await;
            if (here, there) == (wanted, wanted) {
                break;
            }
            assert!(
                changed.elapsed() < Duration::from_secs(1),
                "after a second: {here} at one server, {there} at the other"
            );
        }
    };
    for (command, status) in [("suspend", 403), ("resume", 200), ("archive", 410), ("unarchive", 200)] {
        assert_eq!(program.run(&["tenant", command, "acme"]).code, Some(0));
        both(status).await;
    }
    // A business that was requested before it existed is served as soon as it is created.
    app.onboard("later", "o@later.test").await;
    let made = Instant::now();
    while second.status("later.localhost", &token).await != 401 {
        assert!(made.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_listens_again_after_its_listening_connection_breaks() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(acme.get("/api/v1/products").await.status, 200);
    let listening = async |wanted: bool| {
        for _ in 0..200 {
            if app.running().state().resolver.is_listening() == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("listening never became {wanted}");
    };
    listening(true).await;
    let admin = app.database.as_admin().await;
    for _ in 0..2 {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND query LIKE 'LISTEN tenantry_registry%'
                       AND pid <> pg_backend_pid()";
        assert_eq!(admin.query(kill, &[]).await.unwrap().len(), 1);
        // The change happens while the server does not listen. The server still notices it within a second.
        admin.batch_execute("UPDATE shared.tenants SET status = 'suspended'").await.unwrap();
        let changed = Instant::now();
        while acme.get("/api/v1/products").await.status != 403 {
            assert!(changed.elapsed() < Duration::from_secs(1));
        }
        listening(true).await;
        admin.batch_execute("UPDATE shared.tenants SET status = 'active'").await.unwrap();
        let changed = Instant::now();
        while acme.get("/api/v1/products").await.status != 200 {
            assert!(changed.elapsed() < Duration::from_secs(1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_businesses_are_served_while_the_registry_cannot_be_read() {
    let app = TestApp::start_with("[tenancy]\ncache_known_ms = 100").await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let admin = app.database.as_admin().await;
    // Notices arrive in order. After this one, the server has received the notices of their creation.
    for (status, answered) in [("suspended", 403), ("active", 200)] {
        admin.execute("UPDATE shared.tenants SET status = $1", &[&status]).await.unwrap();
        until(status, async || zenith.get("/api/v1/products").await.status == answered).await;
    }
    for business in [&acme, &zenith] {
        assert_eq!(business.get("/api/v1/products").await.status, 200);
    }
    admin.batch_execute("REVOKE USAGE ON SCHEMA shared FROM tenantry_shared").await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(acme.get("/api/v1/products").await.status, 200);
        assert_eq!(zenith.get("/api/v1/products").await.status, 200);
    }
    let unknown = app.stranger("nobody.localhost").get("/api/v1/products").await;
    assert_eq!((unknown.status, unknown.code()), (503, "unavailable"), "{unknown:?}");
    admin.batch_execute("GRANT USAGE ON SCHEMA shared TO tenantry_shared").await.unwrap();
    assert_eq!(app.stranger("nobody.localhost").get("/api/v1/products").await.code(), "unknown_host");
    // A change of the registry takes effect again.
    admin.batch_execute("UPDATE shared.tenants SET status = 'suspended' WHERE slug = 'acme'").await.unwrap();
    let changed = Instant::now();
    while acme.get("/api/v1/products").await.status != 403 {
        assert!(changed.elapsed() < Duration::from_secs(1));
    }
}
