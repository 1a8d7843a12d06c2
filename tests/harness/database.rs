//! One database per test, cloned from a template that holds the `shared` schema and no business.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use platform::migrations;
use tenancy::bootstrap::Bootstrap;
use tenancy::migrations::Migrations;
use tenancy::{Database, DatabaseUrl, Installation, Installed, OwnerDatabase, PoolSettings};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

const SERVER_LOGIN: &str = "tenantry_test_server";
const OWNER_LOGIN: &str = "tenantry_test_owner";
const LOGIN_PASSWORD: &str = "test-login-password";

/// A database with the `shared` schema. The database and its roles are dropped at the end of the test.
pub struct TestDatabase {
    pub name: String,
    bootstrap: Bootstrap,
}

fn admin_url() -> String {
    std::env::var("TENANTRY_TEST_ADMIN_URL").unwrap_or_else(|_| {
        panic!("the tests need PostgreSQL: run scripts/test, or `tenantry dev run -- cargo nextest run`")
    })
}

fn url_of(login: &str, password: &str, database: &str) -> String {
    let admin = tokio_postgres::Config::from_str(&admin_url()).unwrap();
    let port = admin.get_ports().first().copied().unwrap_or(5432);
    format!("postgres://{login}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
}

fn bootstrap_of(database: &str) -> Bootstrap {
    Bootstrap {
        installation: Installation::parse(database).unwrap(),
        server: url_of(SERVER_LOGIN, LOGIN_PASSWORD, database).parse().unwrap(),
        owner: url_of(OWNER_LOGIN, LOGIN_PASSWORD, database).parse().unwrap(),
    }
}

/// The URLs of a database that a program under test creates, for its logins and for the administrator.
pub struct ServerUrls {
    pub server: String,
    pub owner: String,
    pub admin: String,
    database: String,
}

impl ServerUrls {
    pub fn of(database: &str) -> Self {
        Self {
            server: url_of(SERVER_LOGIN, LOGIN_PASSWORD, database),
            owner: url_of(OWNER_LOGIN, LOGIN_PASSWORD, database),
            admin: admin_url(),
            database: database.to_owned(),
        }
    }

    pub async fn as_admin(&self) -> Client {
        connect_admin(&self.database).await
    }
}

/// A connection for checks and changes that the API does not offer.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn connect_admin(database: &str) -> Client {
    let mut config = tokio_postgres::Config::from_str(&admin_url()).unwrap();
    let (client, connection) = config.dbname(database).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl TestDatabase {
    pub async fn new() -> Self {
        let template = template().await;
        let name = format!("tt_{}", Uuid::now_v7().simple());
        let admin = connect_admin("postgres").await;
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
            .await
            .unwrap();
        // A clone loses the grants on the database itself, and it needs roles with its own name.
        let bootstrap = bootstrap_of(&name);
        bootstrap.run(&admin_url().parse().unwrap()).await.unwrap();
        Self { name, bootstrap }
    }

    pub fn url(&self) -> String {
        url_of(SERVER_LOGIN, LOGIN_PASSWORD, &self.name)
    }

    pub fn owner_url(&self) -> String {
        url_of(OWNER_LOGIN, LOGIN_PASSWORD, &self.name)
    }

    /// The same URL through the Unix socket of PostgreSQL, if PostgreSQL has one.
    pub async fn by_socket(&self, url: &str) -> String {
        let sql = "SELECT current_setting('unix_socket_directories')";
        let folder: String = self.as_admin().await.query_one(sql, &[]).await.unwrap().get(0);
        if folder.starts_with('/') {
            url.replace("127.0.0.1", &folder.replace('/', "%2F"))
        } else {
            url.to_owned()
        }
    }

    pub fn admin_url(&self) -> String {
        admin_url()
    }

    pub fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }

    /// A plain connection as the server's login, without any scope.
    pub async fn as_server(&self) -> Client {
        connect(&self.url()).await
    }

    /// A plain connection as the owner's login.
    pub async fn as_owner(&self) -> Client {
        connect(&self.owner_url()).await
    }

    /// A connection to this database as the administrator of PostgreSQL.
    pub async fn as_admin(&self) -> Client {
        connect_admin(&self.name).await
    }

    /// A connection pool of the server's login.
    pub fn pool(&self, max_connections: usize) -> Database {
        let settings = PoolSettings {
            max_connections,
            // Domain tests run many transactions of one business at the same time, on purpose.
            max_transactions_per_business: max_connections,
            max_waiting_per_business: 10_000,
            business_wait_timeout: std::time::Duration::from_secs(30),
            ..PoolSettings::default()
        };
        Database::new(&self.url().parse::<DatabaseUrl>().unwrap(), &settings).unwrap()
    }

    /// Waits until a statement on this database waits for a lock.
    pub async fn until_a_lock_is_awaited(&self) {
        self.until_activity("wait_event_type = 'Lock'", true).await;
    }

    /// Waits until two statements wait for a lock.
    pub async fn until_two_locks_are_awaited(&self) {
        const BOTH: &str = "
            (SELECT count(*) FROM pg_stat_activity a
              WHERE a.datname = current_database() AND a.wait_event_type = 'Lock') = 2";
        self.until_activity(BOTH, true).await;
    }

    pub async fn until_no_lock_is_awaited(&self) {
        self.until_activity("wait_event_type = 'Lock'", false).await;
    }

    /// Waits until no transaction is open on this database.
    pub async fn until_no_transaction_is_open(&self) {
        self.until_activity("xact_start IS NOT NULL AND pid <> pg_backend_pid()", false).await;
    }

    /// Waits until the rows of pg_stat_activity that match `condition` exist, or until none exists.
    async fn until_activity(&self, condition: &str, wanted: bool) {
        let admin = self.as_admin().await;
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND {condition})"
        );
        let found = async || admin.query_one(&sql, &[]).await.unwrap().get::<_, bool>(0) == wanted;
        crate::until(condition, found).await;
    }

    pub fn owner_database(&self) -> Arc<OwnerDatabase> {
        self.provisioner_with(migrations::of_tenant().unwrap())
    }

    /// The owner's database as another release uses it, with these migrations of business schemas.
    pub fn provisioner_with(&self, tenant: Migrations) -> Arc<OwnerDatabase> {
        let installed = Installed {
            installation: self.bootstrap.installation.clone(),
            server_login: SERVER_LOGIN.to_owned(),
        };
        let url = self.owner_url().parse().unwrap();
        let shared = migrations::of_shared().unwrap();
        Arc::new(OwnerDatabase::new(&url, 8, installed, tenant, shared).unwrap())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = self.name.clone();
        // The runtime of the test may be shutting down, so this thread has its own runtime.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(remove(&name));
        });
        let _ = removed.join();
    }
}

async fn remove(name: &str) {
    let admin = connect_admin("postgres").await;
    let _ = admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    let roles = admin
        .query("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", &[&format!("{name}_")])
        .await;
    for row in roles.unwrap_or_default() {
        let role: String = row.get(0);
        let _ = admin.batch_execute(&format!("DROP ROLE IF EXISTS {role}")).await;
    }
}

/// The name of the template database, which is created once for all test processes, under a file lock.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            // Each content has its own template.
            let mut content = DefaultHasher::new();
            bootstrap_of("x")
                .script()
                .unwrap()
                .lines()
                .filter(|line| !line.contains("SCRAM"))
                .for_each(|line| line.hash(&mut content));
            for file in
                std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations_shared")).unwrap()
            {
                std::fs::read(file.unwrap().path()).unwrap().hash(&mut content);
            }
            let name = format!("tt_template_{:016x}", content.finish());
            let lock = File::create(std::env::temp_dir().join("tenantry-test-template.lock")).unwrap();
            lock.lock().unwrap();
            let admin = connect_admin("postgres").await;
            sweep(&admin, &name).await;
            let exists =
                admin.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.unwrap();
            if exists.is_none() {
                let building = format!("{name}_new");
                remove(&building).await;
                let bootstrap = bootstrap_of(&building);
                bootstrap.run(&admin_url().parse().unwrap()).await.unwrap();
                let owner_database = OwnerDatabase::new(
                    &bootstrap.owner,
                    1,
                    bootstrap.installed(),
                    migrations::of_tenant().unwrap(),
                    migrations::of_shared().unwrap(),
                )
                .unwrap();
                owner_database.migrate_shared().await.unwrap();
                drop(owner_database);
                // Each clone has a role maker of its own.
                let revoke = format!("REVOKE ALL ON SCHEMA shared FROM {building}_role_maker");
                connect_admin(&building).await.batch_execute(&revoke).await.unwrap();
                // A database can be a template only while no connection to it is open.
                admin
                    .batch_execute(&format!(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{building}'"
                    ))
                    .await
                    .unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                admin.batch_execute(&format!("ALTER DATABASE {building} RENAME TO {name}")).await.unwrap();
            }
            name
        })
        .await
}

/// Removes the leftovers of crashed runs: databases older than an hour, and templates with other content.
async fn sweep(admin: &Client, template: &str) {
    let rows = admin.query("SELECT datname FROM pg_database WHERE datname LIKE 'tt\\_%'", &[]).await.unwrap();
    for row in rows {
        let name: String = row.get(0);
        let is_old = match name
            .strip_prefix("tt_")
            .and_then(|id| Uuid::try_parse(id).ok())
            .and_then(|id| id.get_timestamp())
        {
            Some(made) => {
                let now =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
                made.to_unix().0 + 3600 < now
            }
            None => name != template,
        };
        if is_old {
            remove(&name).await;
        }
    }
}
