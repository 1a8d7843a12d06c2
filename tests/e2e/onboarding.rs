//! Onboarding creates a business completely or not at all.

use harness::{Program, TestApp, TestDatabase};
use serde_json::{Value, json};

#[tokio::test]
async fn a_new_business_can_be_used_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(acme.get("/api/v1/products").await.body, json!({"data": [], "nextCursor": null}));
    let locations = acme.get("/api/v1/locations").await.body;
    assert_eq!(locations["data"][0]["name"], "Main");
    assert_eq!(locations["data"][0]["isDefault"], true);
}

#[tokio::test]
async fn platform_staff_onboard_a_business_over_http() {
    let app = TestApp::start().await;
    let staff = app.staff("super_admin").await;
    // A request before the business exists, so that the server has cached the host as unknown.
    assert_eq!(app.stranger("acme.localhost").get("/api/v1/products").await.code(), "unknown_host");
    let body = json!({"slug": "acme", "name": "Acme Ltd", "owner": {"email": "Ann@Acme.test"}});
    let made = staff.post("/api/v1/platform/tenants", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["owner"]["email"], "ann@acme.test");
    let password = &made.body["owner"]["password"];
    let login = app
        .stranger("acme.localhost")
        .post(
            "/api/v1/auth/login",
            &json!({
                "email": "ann@acme.test", "password": password, "newPassword": "kijani mlima nyota saba",
            }),
        )
        .await;
    assert_eq!(login.status, 200, "{login:?}");
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(staff.get(&format!("/api/v1/platform/tenants/{id}")).await.body["slug"], "acme");
    assert_eq!(staff.get("/api/v1/platform/tenants").await.body["data"][0]["slug"], "acme");
}

#[tokio::test]
async fn an_existing_user_becomes_owner_and_keeps_the_password() {
    let app = TestApp::start().await;
    let first = app.tenant("acme").await;
    let staff = app.staff("super_admin").await;
    let with_password = json!({
        "slug": "zenith", "name": "Z",
        "owner": {"email": "owner@acme.test", "password": "a new password 1"},
    });
    let refused = staff.post("/api/v1/platform/tenants", &with_password).await;
    assert_eq!((refused.status, refused.code()), (409, "user_exists"));
    let without = json!({"slug": "zenith", "name": "Z", "owner": {"email": "OWNER@acme.test"}});
    let made = staff.post("/api/v1/platform/tenants", &without).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["owner"]["password"], Value::Null);
    let login = json!({"email": "owner@acme.test", "password": harness::PASSWORD});
    assert_eq!(app.stranger("zenith.localhost").post("/api/v1/auth/login", &login).await.status, 200);
    // The token of one business is refused at the other business, although the user is the same.
    assert_eq!(first.on("zenith.localhost").get("/api/v1/products").await.code(), "token_wrong_business");
}

#[tokio::test]
async fn of_several_onboardings_for_one_slug_only_one_succeeds() {
    let app = TestApp::start().await;
    let staff = app.staff("super_admin").await;
    let request = |n: usize| {
        let body = json!({"slug": "acme", "name": "Acme", "owner": {"email": format!("owner{n}@acme.test")}});
        let staff = &staff;
        async move { staff.post("/api/v1/platform/tenants", &body).await }
    };
    let (a, b, c) = tokio::join!(request(1), request(2), request(3));
    let mut answers =
        [(a.status, a.code().to_owned()), (b.status, b.code().to_owned()), (c.status, c.code().to_owned())];
    answers.sort();
    assert_eq!(answers[0].0, 201);
    assert!(answers[1..].iter().all(|answer| *answer == (409, "slug_taken".to_owned())), "{answers:?}");
    let owner = app.database.as_owner().await;
    let schemas: i64 = owner
        .query_one("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'business\\_%'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(schemas, 1);
    let users: i64 = app
        .database
        .as_admin()
        .await
        .query_one("SELECT count(*) FROM shared.user_logins WHERE value LIKE 'owner%'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(users, 1, "a refused onboarding must leave no user behind");
}

#[tokio::test]
async fn invalid_input_is_reported_with_its_field() {
    let app = TestApp::start().await;
    let staff = app.staff("super_admin").await;
    for (body, status, pointer) in [
        (json!({"slug": "AC", "name": "A", "owner": {"email": "a@b.c"}}), 422, "/slug"),
        (json!({"slug": "admin", "name": "A", "owner": {"email": "a@b.c"}}), 422, "/slug"),
        (json!({"slug": "acme", "name": "", "owner": {"email": "a@b.c"}}), 422, "/name"),
        (json!({"slug": "acme", "name": "A", "owner": {"email": "a"}}), 422, "/owner/email"),
        (
            json!({"slug": "acme", "name": "A", "owner": {"email": "a@b.c", "password": "short"}}),
            422,
            "/owner/password",
        ),
        (
            json!({"slug": "acme", "name": "A", "currency": "euro", "owner": {"email": "a@b.c"}}),
            422,
            "/currency",
        ),
        (json!({"slug": "acme", "name": "A"}), 422, "/owner"),
        (json!({"slug": "acme", "name": 5, "owner": {"email": "a@b.c"}}), 400, "/name"),
    ] {
        let reply = staff.post("/api/v1/platform/tenants", &body).await;
        assert_eq!(
            (reply.status, reply.body["errors"][0]["pointer"].as_str()),
            (status, Some(pointer)),
            "{body}: {reply:?}"
        );
    }
}

#[tokio::test]
async fn support_staff_can_read_businesses_but_not_onboard_them() {
    let app = TestApp::start().await;
    let support = app.staff("support").await;
    assert_eq!(support.get("/api/v1/platform/tenants").await.status, 200);
    let body = json!({"slug": "acme", "name": "Acme", "owner": {"email": "a@b.test"}});
    assert_eq!(support.post("/api/v1/platform/tenants", &body).await.code(), "permission_denied");
}

#[tokio::test]
async fn a_server_without_the_owner_s_login_refuses_to_onboard() {
    let app = TestApp::start_with("[provisioning]\nin_server = false").await;
    let staff = app.staff("super_admin").await;
    let body = json!({"slug": "acme", "name": "Acme", "owner": {"email": "a@b.test"}});
    let reply = staff.post("/api/v1/platform/tenants", &body).await;
    assert_eq!((reply.status, reply.code()), (409, "provisioning_elsewhere"));
}

/// The numbers of businesses, schemas, roles and users, which a killed onboarding must not leave behind.
async fn traces(database: &TestDatabase) -> (i64, i64, i64, i64) {
    let admin = database.as_admin().await;
    let count = async |sql: &str| -> i64 { admin.query_one(sql, &[]).await.unwrap().get(0) };
    (
        count("SELECT count(*) FROM shared.tenants").await,
        count("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'business\\_%'").await,
        count("SELECT count(*) FROM pg_roles WHERE rolname LIKE current_database() || '\\_business\\_%'")
            .await,
        count("SELECT count(*) FROM shared.users").await,
    )
}

#[tokio::test]
async fn killing_onboarding_at_any_point_leaves_nothing_and_trying_again_works() {
    let database = TestDatabase::new().await;
    let create = ["tenant", "create", "acme", "--name", "Acme", "--owner-email", "ann@acme.test"];
    for point in
        ["after_registry", "after_role", "after_schema", "after_migrations", "after_seed", "before_commit"]
    {
        let ran = Program::on(&database).with("TENANTRY_FAILPOINT", point).run(&create);
        assert_eq!(ran.code, None, "{point}: killed by a signal: {ran:?}");
        // PostgreSQL notices the broken connection a moment later.
        let mut left = traces(&database).await;
        for _ in 0..100 {
            if left == (0, 0, 0, 0) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            left = traces(&database).await;
        }
        assert_eq!(left, (0, 0, 0, 0), "{point}");
    }
    // After the commit the business exists, even if the process is killed.
    let ran = Program::on(&database).with("TENANTRY_FAILPOINT", "after_commit").run(&create);
    assert_eq!(ran.code, None, "{ran:?}");
    assert_eq!(traces(&database).await, (1, 1, 1, 1));
    let again = Program::on(&database).run(&create);
    assert_eq!(again.code, Some(4), "{again:?}");
    assert!(again.err.contains("acme") && again.err.contains("taken"), "{again:?}");
}

#[tokio::test]
async fn each_new_business_takes_its_own_spare_schema_or_a_new_one_when_none_is_left() {
    let app = TestApp::start().await;
    let owner_database = app.onboarding().owner_database();
    assert_eq!(owner_database.fill_spares(6).await.unwrap(), 6);
    assert_eq!(owner_database.fill_spares(6).await.unwrap(), 0, "there are enough spare schemas");
    let slugs: Vec<String> = (1..=9).map(|n| format!("shop-{n}")).collect();
    let onboard = async |slug: &String| app.onboard(slug, &format!("owner@{slug}.test")).await;
    let made = harness::join_all(slugs.iter().map(onboard).collect()).await;
    let mut numbers: Vec<i64> = made.iter().map(|tenant| tenant.number.get()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 9, "no two businesses may share a schema");
    assert_eq!(
        numbers.iter().filter(|number| **number <= 6).count(),
        6,
        "the spare schemas must be used: {numbers:?}"
    );
    // A spare schema holds the same initial data as a new schema.
    for tenant in &made {
        let shop = app.member_of(tenant, "STAFF").await;
        assert_eq!(shop.get("/api/v1/locations").await.body["data"][0]["name"], "Main");
        assert_eq!(shop.get("/api/v1/dashboard").await.body["totalStock"], "0");
    }
}

#[tokio::test]
async fn a_refused_onboarding_returns_its_spare_schema() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let owner_database = app.onboarding().owner_database();
    owner_database.fill_spares(1).await.unwrap();
    let staff = app.staff("super_admin").await;
    let taken = json!({"slug": "acme", "name": "A", "owner": {"email": "x@y.test"}});
    assert_eq!(staff.post("/api/v1/platform/tenants", &taken).await.code(), "slug_taken");
    assert_eq!(owner_database.fill_spares(1).await.unwrap(), 0, "the spare schema must still exist");
    // The refused onboarding does not wait for its ROLLBACK. Until the ROLLBACK has run, other onboardings
    // skip the schema.
    app.database.until_no_transaction_is_open().await;
    let next = app.tenant("zenith").await;
    assert_eq!(next.tenant.number.get(), acme.tenant.number.get() + 1);
}
