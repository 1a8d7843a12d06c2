//! A PostgreSQL server of its own, for a test that breaks what all databases of a server share.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use tokio_postgres::{Client, NoTls};

use crate::program::Program;

/// A server with one installation in it. It stops when it is dropped.
pub struct Cluster {
    holder: Child,
    /// The URL of its administrator.
    pub admin_url: String,
}

impl Cluster {
    pub fn start() -> Self {
        let hold = "echo \"$TENANTRY_TEST_ADMIN_URL\"; read end";
        let mut holder = Program::bare().command(&["dev", "run", "--", "sh", "-c", hold]).spawn().unwrap();
        let mut admin_url = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut admin_url).unwrap();
        let admin_url = admin_url.trim().to_owned();
        assert!(admin_url.starts_with("postgres://"), "the server does not start");
        Self { holder, admin_url }
    }

    /// The URL of a login and a database of this server.
    pub fn url(&self, login: &str, database: &str) -> String {
        let (_, rest) = self.admin_url.split_once('@').unwrap();
        let (host, rest) = rest.split_once('/').unwrap();
        let (_, options) = rest.split_once('?').unwrap_or((rest, ""));
        format!("postgres://{login}@{host}/{database}?{options}")
    }

    /// The URL of the administrator in a database.
    pub fn admin_url_of(&self, database: &str) -> String {
        let (login, _) = self.admin_url.trim_start_matches("postgres://").split_once('@').unwrap();
        self.url(login, database)
    }

    pub async fn as_admin(&self, database: &str) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.admin_url_of(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// The program with logins and a database of these names on this server.
    pub fn program(&self, server: &str, owner: &str, database: &str) -> Program {
        Program::bare()
            .with("TENANTRY__DATABASE__URL", &self.url(&format!("{server}:a-password"), database))
            .with("TENANTRY__DATABASE__OWNER_URL", &self.url(&format!("{owner}:a-password"), database))
            .with("TENANTRY__IDENTITY__PASSWORD_KEY", "a password key of the tests, long enough")
            .with("TENANTRY__IDENTITY__BCRYPT_COST", "4")
            .with("TENANTRY__LOG__FILTER", "error")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The shell reads the end of its input and ends, and then the server stops.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Takes a membership away, whoever granted it.
pub async fn end_membership(admin: &Client, role: &str, member: &str) {
    let sql = format!(
        "SET allow_system_table_mods = on;
         DELETE FROM pg_auth_members WHERE roleid = '{role}'::regrole AND member = '{member}'::regrole;
         RESET allow_system_table_mods"
    );
    admin.batch_execute(&sql).await.unwrap();
}
