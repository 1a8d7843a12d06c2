//! What an administrator does once for an installation: logins, groups, schemas, grants, and the functions that make
//! tenant roles. Running it again changes nothing.

use std::fmt::Write as _;

use crate::connection::connect::{ConnectError, Connector, DatabaseUrl, TlsError};
use crate::connection::error::DbError;
use crate::migration::script::{self, ScriptError};
use crate::names::tenant_names::{BusinessNumber, Installation, PLATFORM_GROUP, SHARED_GROUP, TENANT_GROUP};
use crate::names::tenant_names::{quote_identifier, quote_literal};
use crate::scope::database::{ProbeError, ServerVersion, probe};

const CLUSTER: &str = include_str!("bootstrap/cluster.sql");
const DATABASE: &str = include_str!("bootstrap/database.sql");

/// An installation as later code has to know it.
#[derive(Debug, Clone)]
pub struct Installed {
    pub installation: Installation,
    /// The login of `database.url`, which becomes a member of every tenant role.
    pub server_login: String,
}

impl Installation {
    /// The name of a tenant role, as `shared.make_tenant_role` makes it.
    pub(crate) fn tenant_role(&self, number: BusinessNumber) -> String {
        format!("{}_business_{number}", self.as_str())
    }
}

/// Everything that the bootstrap has to know.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    pub installation: Installation,
    /// The server's login: owns nothing, inherits nothing.
    pub server: DatabaseUrl,
    /// The login that owns the schemas.
    pub owner: DatabaseUrl,
}

/// The bootstrap could not be done; the text names the cure.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error(
        "database.url and database.owner_url name the same login \"{0}\"; the server's must own nothing, so make them two"
    )]
    OneLogin(String),
    #[error("database.url and database.owner_url name different databases (\"{0}\" and \"{1}\")")]
    TwoDatabases(String, String),
    #[error("{0} has no password; the bootstrap needs it to create the login")]
    NoPassword(&'static str),
    #[error("PostgreSQL {found} is too old; version {} or newer is needed", ServerVersion::OLDEST)]
    TooOld { found: ServerVersion },
    #[error(
        "\"{user}\" may not do this: {message}. Give an administrator's URL: a superuser, or a role with CREATEROLE and CREATEDB"
    )]
    Privilege { user: String, message: String },
    #[error("the statement `{statement}` failed")]
    Statement { statement: String, source: DbError },
    #[error("the bootstrap's own SQL cannot be taken apart")]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the login of {setting} cannot sign in after the bootstrap")]
    Login { setting: &'static str, source: ProbeError },
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl Bootstrap {
    /// Checks that the two logins can be what they have to be.
    ///
    /// # Errors
    /// [`BootstrapError::OneLogin`], [`BootstrapError::TwoDatabases`], [`BootstrapError::NoPassword`].
    pub fn check(&self) -> Result<(), BootstrapError> {
        if self.server.user() == self.owner.user() {
            return Err(BootstrapError::OneLogin(self.server.user().to_owned()));
        }
        if self.server.database() != self.owner.database() {
            return Err(BootstrapError::TwoDatabases(
                self.server.database().to_owned(),
                self.owner.database().to_owned(),
            ));
        }
        for (setting, url) in [("database.url", &self.server), ("database.owner_url", &self.owner)] {
            if url.password().is_none() {
                return Err(BootstrapError::NoPassword(setting));
            }
        }
        Ok(())
    }

    pub fn installed(&self) -> Installed {
        Installed { installation: self.installation.clone(), server_login: self.server.user().to_owned() }
    }

    /// The SQL for a DBA who runs it with psql instead. Passwords appear as SCRAM verifiers only.
    ///
    /// # Errors
    /// As [`Bootstrap::check`].
    pub fn script(&self) -> Result<String, BootstrapError> {
        self.check()?;
        let database = self.server.database();
        let mut script = String::from(
            "-- Run with psql as an administrator, connected to any database of the cluster.\n\\set ON_ERROR_STOP on\nBEGIN;\n",
        );
        script.push_str(&self.fill(CLUSTER));
        script.push_str("COMMIT;\n");
        // CREATE DATABASE knows no IF NOT EXISTS; psql's \gexec runs what the query returns.
        let _ = write!(
            script,
            "\nSELECT {} WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {}) \\gexec\n\\connect {}\n",
            quote_literal(&create_database(database)),
            quote_literal(database),
            quote_identifier(database)
        );
        script.push_str("BEGIN;\n");
        script.push_str(&self.fill(DATABASE));
        script.push_str("COMMIT;\n");
        Ok(script)
    }

    /// Does it, as the administrator of `admin`; the database in that URL does not matter.
    ///
    /// # Errors
    /// [`BootstrapError`]; what was done before stays, and running again goes on from there.
    pub async fn run(&self, admin: &DatabaseUrl) -> Result<(), BootstrapError> {
        self.check()?;
        let found = probe(admin).await?;
        if found < ServerVersion::OLDEST {
            return Err(BootstrapError::TooOld { found });
        }
        self.run_script(admin, &self.fill(CLUSTER)).await?;
        self.make_database(admin).await?;
        self.run_script(&admin.with_database(self.server.database()), &self.fill(DATABASE)).await?;
        for (setting, url) in [("database.url", &self.server), ("database.owner_url", &self.owner)] {
            probe(url).await.map_err(|source| BootstrapError::Login { setting, source })?;
        }
        Ok(())
    }

    async fn make_database(&self, admin: &DatabaseUrl) -> Result<(), BootstrapError> {
        const EXISTS: &str = "SELECT FROM pg_database WHERE datname = $1";
        let client = Connector::new(admin, &[])?.connect().await?;
        let statement = create_database(self.server.database());
        let failed = |error| refused(admin, &statement, error);
        if client.query_opt(EXISTS, &[&self.server.database()]).await.map_err(failed)?.is_none() {
            client.batch_execute(&statement).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn run_script(&self, url: &DatabaseUrl, script: &str) -> Result<(), BootstrapError> {
        let mut client = Connector::new(url, &[])?.connect().await?;
        let transaction = client.transaction().await.map_err(|error| refused(url, "BEGIN", error))?;
        // Our own text, taken apart so that an error names its statement.
        for statement in script::statements(script)? {
            transaction.batch_execute(statement).await.map_err(|error| refused(url, statement, error))?;
        }
        transaction.commit().await.map_err(|error| refused(url, "COMMIT", error))
    }

    /// Puts the names into a script, in psql's notation: `:"name"` is an identifier, `:'name'` a literal.
    fn fill(&self, script: &str) -> String {
        let names = [
            ("database", self.server.database().to_owned()),
            ("installation", self.installation.as_str().to_owned()),
            ("server", self.server.user().to_owned()),
            ("owner", self.owner.user().to_owned()),
            ("server_password", verifier(&self.server)),
            ("owner_password", verifier(&self.owner)),
            ("reader", self.installation.reader_role()),
            ("role_maker", self.installation.role_maker()),
            ("tenant_group", TENANT_GROUP.to_owned()),
            ("shared_group", SHARED_GROUP.to_owned()),
            ("platform_group", PLATFORM_GROUP.to_owned()),
        ];
        let mut script = script.to_owned();
        for (name, value) in names {
            script = script
                .replace(&format!(":\"{name}\""), &quote_identifier(&value))
                .replace(&format!(":'{name}'"), &quote_literal(&value));
        }
        script
    }
}

/// A SCRAM-SHA-256 verifier, so that the password itself reaches no log of the server.
fn verifier(url: &DatabaseUrl) -> String {
    postgres_protocol::password::scram_sha_256(url.password().unwrap_or_default())
}

fn create_database(name: &str) -> String {
    format!("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", quote_identifier(name))
}

fn refused(url: &DatabaseUrl, statement: &str, error: tokio_postgres::Error) -> BootstrapError {
    match error.as_db_error() {
        Some(refusal) if *refusal.code() == tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE => {
            BootstrapError::Privilege { user: url.user().to_owned(), message: refusal.message().to_owned() }
        }
        _ => {
            let line =
                statement.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("--"));
            BootstrapError::Statement { statement: line.unwrap_or_default().to_owned(), source: error.into() }
        }
    }
}
