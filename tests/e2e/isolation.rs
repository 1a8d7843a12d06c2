//! Isolation that holds even if the code does not choose a tenant.

use harness::{TestApp, a_product};
use tenancy::{SharedScope, TenantId};
use tokio_postgres::Client;
use uuid::Uuid;

async fn sqlstate(client: &Client, sql: &str) -> String {
    match client.batch_execute(sql).await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.code().unwrap().code().to_owned(),
    }
}

#[tokio::test]
async fn without_a_scope_the_server_s_login_sees_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let schema = acme.tenant.schema.as_str();
    let server = app.database.as_server().await;
    for (sql, code) in [
        ("SELECT * FROM products".to_owned(), "42P01"),
        (format!("SELECT * FROM {schema}.products"), "42501"),
        (format!("INSERT INTO {schema}.categories VALUES ()"), "42601"),
        (format!("DELETE FROM {schema}.products"), "42501"),
        ("SELECT * FROM shared.tenants".to_owned(), "42501"),
        ("SELECT * FROM shared.users".to_owned(), "42501"),
        ("SELECT shared.find_credentials('a', 'inventory', NULL)".to_owned(), "42501"),
        ("SELECT shared.make_tenant_role(99)".to_owned(), "42501"),
        ("CREATE TABLE mine (id int)".to_owned(), "3F000"),
        ("CREATE TABLE shared.mine (id int)".to_owned(), "42501"),
        (format!("CREATE TABLE {schema}.mine (id int)"), "42501"),
        ("CREATE TEMP TABLE products (id int)".to_owned(), "42501"),
        ("CREATE SCHEMA mine".to_owned(), "42501"),
        ("CREATE ROLE mine".to_owned(), "42501"),
        (format!("SET ROLE {}", "postgres"), "42501"),
    ] {
        assert_eq!(sqlstate(&server, &sql).await, code, "{sql}");
    }
}

#[tokio::test]
async fn a_tenant_s_role_reaches_its_own_schema_alone() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let server = app.database.as_server().await;
    let scope = format!(
        "BEGIN; SET LOCAL ROLE \"{}\"; SET LOCAL search_path = {}, extensions, pg_temp;",
        acme.tenant.role.as_str(),
        acme.tenant.schema
    );
    let other = &zenith.tenant.schema;
    for (sql, code) in [
        ("SELECT * FROM products".to_owned(), "ok"),
        (format!("SELECT * FROM {other}.products"), "42501"),
        (format!("INSERT INTO {other}.categories (id) VALUES (NULL)"), "42501"),
        (format!("SET search_path = {other}; SELECT * FROM products"), "42P01"),
        (format!("SET LOCAL ROLE \"{}\"; SELECT 1", acme.tenant.role.as_str()), "ok"),
        ("SELECT * FROM shared.tenants".to_owned(), "42501"),
        ("SELECT * FROM shared.users".to_owned(), "42501"),
        ("SELECT shared.find_tenant('x', 'zenith')".to_owned(), "42501"),
        ("CREATE TABLE mine (id int)".to_owned(), "42501"),
        ("CREATE TEMP TABLE products (id int)".to_owned(), "42501"),
        ("DROP TABLE products".to_owned(), "42501"),
        ("ALTER TABLE products ADD COLUMN x int".to_owned(), "42501"),
        // The stock ledger, its documents and the history of migrations are append-only.
        ("UPDATE stock_movements SET quantity = 1".to_owned(), "42501"),
        ("DELETE FROM stock_movements".to_owned(), "42501"),
        ("TRUNCATE stock_movements".to_owned(), "42501"),
        ("DELETE FROM stock_adjustments".to_owned(), "42501"),
        ("UPDATE migrations SET checksum = ''".to_owned(), "42501"),
        ("INSERT INTO migrations VALUES (99)".to_owned(), "42501"),
    ] {
        assert_eq!(sqlstate(&server, &format!("{scope} {sql}; ROLLBACK")).await, code, "{sql}");
        server.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn a_temporary_table_never_hides_a_business_s_own() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.create_product(&a_product("BOLT")).await;
    // Only an administrator can grant TEMP again. Even then the business's own table is found first.
    let admin = app.database.as_admin().await;
    admin
        .batch_execute(&format!("GRANT TEMP ON DATABASE {} TO tenantry_test_server", app.database.name))
        .await
        .unwrap();
    let server = app.database.as_server().await;
    server.batch_execute("CREATE TEMP TABLE products (id int)").await.unwrap();
    server
        .batch_execute(&format!(
            "BEGIN; SET LOCAL ROLE \"{}\"; SET LOCAL search_path = {}, extensions, pg_temp",
            acme.tenant.role.as_str(),
            acme.tenant.schema
        ))
        .await
        .unwrap();
    let rows: i64 =
        server.query_one("SELECT count(*) FROM products WHERE name <> ''", &[]).await.unwrap().get(0);
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn the_shared_schema_shows_only_the_rows_of_the_scope() {
    const TENANTS: &str = "SELECT count(*) FROM shared.tenants";
    const MEMBERSHIPS: &str = "SELECT count(*) FROM shared.memberships";
    const ROLES: &str = "SELECT count(*) FROM shared.membership_roles";
    const USERS: &str = "SELECT count(*) FROM shared.users";
    let app = TestApp::start().await;
    let (acme, _zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let me = acme.get("/api/v1/auth/me").await.body["user"]["id"].as_str().unwrap().parse::<Uuid>().unwrap();
    let database = app.database.pool(2);
    let count = async |scope: SharedScope, sql: &'static str| -> i64 {
        database.read_shared(scope, async |tx| tx.query_one(sql, &[]).await).await.unwrap().get(0)
    };
    for sql in [TENANTS, MEMBERSHIPS, ROLES, USERS] {
        assert_eq!(count(SharedScope::Public, sql).await, 0, "no rows without a scope: {sql}");
        assert_eq!(count(SharedScope::Platform, sql).await, 2, "{sql}");
        assert_eq!(count(SharedScope::Tenant(TenantId::from(Uuid::now_v7())), sql).await, 0, "{sql}");
    }
    let own = SharedScope::Tenant(acme.tenant.id);
    assert_eq!(
        (count(own, TENANTS).await, count(own, MEMBERSHIPS).await, count(own, ROLES).await),
        (1, 1, 1)
    );
    assert_eq!(count(SharedScope::User(me), USERS).await, 1);
    // No scope may read this column.
    const HASHES: &str = "SELECT password_hash FROM shared.users";
    let refused = database.read_shared(SharedScope::Platform, async |tx| tx.query(HASHES, &[]).await).await;
    assert_eq!(refused.unwrap_err().sqlstate().unwrap().code(), "42501");
    // The scope ends with its transaction. The same connection shows no rows afterwards.
    for _ in 0..4 {
        assert_eq!(count(SharedScope::Public, TENANTS).await, 0);
    }
}

#[tokio::test]
async fn every_shared_table_with_a_tenant_or_a_user_has_row_level_security() {
    let app = TestApp::start().await;
    let rows = app
        .database
        .as_admin()
        .await
        .query(
            "SELECT DISTINCT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relnamespace = 'shared'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity
                AND (a.attname IN ('tenant_id', 'user_id', 'membership_id')
                     OR c.relname IN ('tenants', 'users'))",
            &[],
        )
        .await
        .unwrap();
    assert!(rows.is_empty(), "{:?}", rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_business_schema_can_be_sharded_and_copied() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = app.database.as_admin().await;
    let schema = acme.tenant.schema.as_str();
    let found = async |what: &str, sql: &str| {
        let rows = admin.query(sql, &[&schema]).await.unwrap();
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(names.is_empty(), "{what}: {names:?}");
    };
    found(
        "a table without a primary key",
        "SELECT c.relname::text FROM pg_class c
          WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'
            AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)",
    )
    .await;
    found(
        "a trigger",
        "SELECT t.tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
          WHERE c.relnamespace = $1::text::regnamespace AND NOT t.tgisinternal",
    )
    .await;
    found(
        "a type in the schema",
        "SELECT t.typname::text FROM pg_type t
          WHERE t.typnamespace = $1::text::regnamespace AND t.typtype IN ('e', 'd')",
    )
    .await;
    found(
        "a sequence",
        "SELECT c.relname::text FROM pg_class c
          WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'S'",
    )
    .await;
    found(
        "a foreign key to another schema",
        "SELECT k.conname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
          WHERE k.connamespace = $1::text::regnamespace AND c.relnamespace <> k.connamespace",
    )
    .await;
    found(
        "a constraint whose name ends in a number",
        "SELECT k.conname::text FROM pg_constraint k
          WHERE k.connamespace = $1::text::regnamespace AND k.conname ~ '_[0-9]+$'",
    )
    .await;
    found(
        "a table whose name is also in shared",
        "SELECT c.relname::text FROM pg_class c
           JOIN pg_class s ON s.relname = c.relname AND s.relnamespace = 'shared'::regnamespace
          WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND s.relkind = 'r'",
    )
    .await;
    found(
        "a foreign key without an index",
        "SELECT k.conname::text FROM pg_constraint k
          WHERE k.connamespace = $1::text::regnamespace AND k.contype = 'f'
            AND k.conname <> 'categories_parent_id_fkey' AND k.conname NOT LIKE 'stock_adjustments_location%'
            AND NOT EXISTS (SELECT FROM pg_index i
                             WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1])",
    )
    .await;
    // A table may refer to itself, but foreign keys must not form a longer cycle.
    found(
        "a cycle of foreign keys",
        "WITH RECURSIVE edge AS (SELECT conrelid, confrelid FROM pg_constraint
                                  WHERE connamespace = $1::text::regnamespace AND contype = 'f'
                                    AND conrelid <> confrelid),
              walk AS (SELECT conrelid AS start, confrelid AS at FROM edge
                        UNION SELECT w.start, e.confrelid FROM walk w JOIN edge e ON e.conrelid = w.at)
         SELECT start::regclass::text FROM walk WHERE start = at",
    )
    .await;
}

#[tokio::test]
async fn no_login_can_make_roles() {
    let app = TestApp::start().await;
    let rows = app
        .database
        .as_admin()
        .await
        .query(
            "SELECT rolname::text FROM pg_roles
              WHERE rolname LIKE 'tenantry%'
                AND (rolcreaterole AND rolcanlogin OR rolsuper OR rolbypassrls OR rolcreatedb)",
            &[],
        )
        .await
        .unwrap();
    assert!(rows.is_empty());
    // The owner can create tenant roles only through the function, and no other roles.
    let owner = app.database.as_owner().await;
    assert_eq!(sqlstate(&owner, "CREATE ROLE mine").await, "42501");
    assert_eq!(sqlstate(&owner, "SELECT shared.make_tenant_role(0)").await, "22023");
    assert_eq!(sqlstate(&owner, "SELECT shared.make_tenant_role(77)").await, "ok");
    assert_eq!(sqlstate(&owner, "SELECT shared.drop_tenant_role(77)").await, "ok");
}

#[tokio::test]
async fn the_reader_role_reads_and_does_not_write() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.create_product(&a_product("BOLT")).await;
    let admin = app.database.as_admin().await;
    admin.batch_execute(&format!("SET ROLE \"{}_reader\"", app.database.name)).await.unwrap();
    let schema = &acme.tenant.schema;
    assert_eq!(sqlstate(&admin, &format!("SELECT * FROM {schema}.products")).await, "ok");
    assert_eq!(sqlstate(&admin, &format!("DELETE FROM {schema}.products")).await, "42501");
    assert_eq!(sqlstate(&admin, "SELECT * FROM shared.users").await, "42501");
}
