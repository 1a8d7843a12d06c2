//! The bootstrap of an installation, which an administrator runs once. The bootstrap creates the logins,
//! groups, schemas and grants, and the functions that create tenant roles. Running the bootstrap again adds
//! what is missing. An existing login keeps its password.

use std::fmt::Write as _;

use crate::connection::connect::{ConnectError, DatabaseUrl, TlsError};
use crate::connection::connector::Connector;
use crate::connection::error::DbError;
use crate::connection::probe::{ProbeError, ServerVersion, probe};
use crate::migration::script::{self, ScriptError};
use crate::names::database::Installed;
use crate::names::database::{Installation, PLATFORM_GROUP, SHARED_GROUP, TENANT_GROUP};
use crate::names::quoting::{quote_identifier, quote_literal};

const CLUSTER: &str = include_str!("bootstrap/cluster.sql");
const DATABASE: &str = include_str!("bootstrap/database.sql");

const GROUPS: &str = const_format::formatcp!("{TENANT_GROUP}, {SHARED_GROUP}, {PLATFORM_GROUP}");

/// The input of the bootstrap.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The name of the installation to create.
    pub installation: Installation,
    /// The server's login, which owns nothing and inherits nothing.
    pub server: DatabaseUrl,
    /// The login that owns the schemas.
    pub owner: DatabaseUrl,
}

/// The bootstrap failed.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Both URLs have the same login. The text is the name of the login.
    #[error(
        "database.url and database.owner_url name the same login \"{0}\"; \
         the server's login must own nothing, so use two different logins"
    )]
    OneLogin(String),
    /// The two URLs name different databases. The server's database comes first.
    #[error(
        "database.url and database.owner_url name different databases (\"{0}\" and \"{1}\"); \
         both must name the same database"
    )]
    TwoDatabases(String, String),
    /// The URL of one login has no password. Contains the name of the setting.
    #[error("{0} has no password; the bootstrap needs the password to create the login")]
    NoPassword(&'static str),
    /// The server is older than [`ServerVersion::OLDEST`]. Nothing has been created.
    #[error("PostgreSQL {found} is too old; version {} or newer is required", ServerVersion::OLDEST)]
    TooOld {
        /// The version of the server.
        found: ServerVersion,
    },
    /// PostgreSQL refused a statement of the bootstrap, because the login may not run it.
    #[error(
        "the login \"{user}\" lacks a privilege: {message}; use the URL of an administrator: \
         a superuser, or a role with CREATEROLE and CREATEDB"
    )]
    Privilege {
        /// The name of the login.
        user: String,
        /// PostgreSQL's message, such as `permission denied to create role`.
        message: String,
    },
    /// The administrator made none of the groups that all installations of the cluster share, and may not add
    /// members to them. PostgreSQL has had this rule since version 16.
    #[error(
        "{message}: another administrator made the groups that all installations of this server share; \
         ask that one, or a superuser, to run `GRANT {} TO {} WITH ADMIN OPTION`",
        GROUPS,
        quote_identifier(user)
    )]
    Groups {
        /// The name of the login.
        user: String,
        /// PostgreSQL's message, such as `permission denied to grant role`.
        message: String,
    },
    /// The database or a login was prepared in a way that the bootstrap cannot use. Nothing has been changed.
    #[error("{message}; {hint}")]
    Unusable {
        /// The problem.
        message: String,
        /// The solution.
        hint: String,
    },
    /// A statement failed for any reason other than a missing privilege.
    #[error("the statement `{statement}` failed")]
    Statement {
        /// The first line of the statement.
        statement: String,
        /// The error of PostgreSQL or of the connection.
        source: DbError,
    },
    /// The SQL files of the program are malformed. The administrator cannot repair this error.
    #[error("the bootstrap's own SQL cannot be split into statements")]
    Script(#[from] ScriptError),
    /// A URL requires TLS that cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The administrator's login could connect at first, but not for a later step.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The bootstrap has ended, but a login that it created cannot connect.
    #[error("the login of {setting} cannot sign in after the bootstrap")]
    Login {
        /// The setting that holds the URL of the login.
        setting: &'static str,
        /// The error of the first connection.
        source: ProbeError,
    },
    /// The administrator's login cannot connect to the server, or cannot read its version.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl Bootstrap {
    /// Checks that the two URLs name two different logins with passwords, and the same database.
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

    /// Returns the names that [`OwnerDatabase`](crate::OwnerDatabase) needs after the bootstrap.
    pub fn installed(&self) -> Installed {
        Installed { installation: self.installation.clone(), server_login: self.server.user().to_owned() }
    }

    /// Returns the SQL for a DBA who runs it with psql. Passwords appear only as SCRAM verifiers.
    ///
    /// # Errors
    /// The errors of [`Bootstrap::check`].
    pub fn script(&self) -> Result<String, BootstrapError> {
        self.check()?;
        let database = self.server.database();
        let mut script = String::from(
            "-- Run with psql as an administrator, connected to any database of the cluster.\n\
             \\set ON_ERROR_STOP on\nBEGIN;\n",
        );
        script.push_str(&self.fill(CLUSTER));
        script.push_str("COMMIT;\n");
        // CREATE DATABASE has no IF NOT EXISTS. psql's \gexec runs the statement that the query returns.
        let _ = write!(
            script,
            "\nSELECT {} WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {}) \\gexec\n\
             \\connect {}\n",
            quote_literal(&create_database(database)),
            quote_literal(database),
            quote_identifier(database)
        );
        script.push_str("BEGIN;\n");
        script.push_str(&self.fill(DATABASE));
        script.push_str("COMMIT;\n");
        Ok(script)
    }

    /// Runs the bootstrap with the administrator's login in `admin`. The URL may name any existing database
    /// of the cluster.
    ///
    /// # Errors
    /// [`BootstrapError`]. The finished steps remain, and another run continues after them.
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
        // The SQL is our own. It is split so that an error can name the statement that failed.
        for statement in script::statements(script)? {
            transaction.batch_execute(statement).await.map_err(|error| refused(url, statement, error))?;
        }
        transaction.commit().await.map_err(|error| refused(url, "COMMIT", error))
    }

    /// Inserts the names into a script. The notation is that of psql: `:"name"` is an identifier, `:'name'` a
    /// literal.
    fn fill(&self, script: &str) -> String {
        let script = fill_names(script, &self.installed(), self.owner.user());
        let more = [
            ("database", self.server.database().to_owned()),
            ("server_password", verifier(&self.server)),
            ("owner_password", verifier(&self.owner)),
        ];
        more.into_iter().fold(script, |script, (name, value)| fill_name(&script, name, &value))
    }
}

fn fill_names(script: &str, installed: &Installed, owner: &str) -> String {
    let installation = &installed.installation;
    let names = [
        ("installation", installation.as_str()),
        ("server", &installed.server_login),
        ("owner", owner),
        ("reader", &installation.reader_role()),
        ("role_maker", &installation.role_maker()),
        ("tenant_group", TENANT_GROUP),
        ("shared_group", SHARED_GROUP),
        ("platform_group", PLATFORM_GROUP),
    ];
    names.into_iter().fold(script.to_owned(), |script, (name, value)| fill_name(&script, name, value))
}

fn fill_name(script: &str, name: &str, value: &str) -> String {
    script
        .replace(&format!(":\"{name}\""), &quote_identifier(value))
        .replace(&format!(":'{name}'"), &quote_literal(value))
}

/// The bodies of the two functions that make and drop the role of a business, as the bootstrap stores them.
pub(crate) fn role_functions(installed: &Installed, owner: &str) -> Vec<String> {
    let script = fill_names(DATABASE, installed, owner);
    script.split("$function$").skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns a SCRAM-SHA-256 verifier, so that the password itself never appears in a log of the PostgreSQL
/// server.
fn verifier(url: &DatabaseUrl) -> String {
    postgres_protocol::password::scram_sha_256(url.password().unwrap_or_default())
}

fn create_database(name: &str) -> String {
    format!("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", quote_identifier(name))
}

fn refused(url: &DatabaseUrl, statement: &str, error: tokio_postgres::Error) -> BootstrapError {
    match error.as_db_error() {
        Some(refusal) if *refusal.code() == tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE => {
            let (user, message) = (url.user().to_owned(), refusal.message().to_owned());
            match [TENANT_GROUP, SHARED_GROUP, PLATFORM_GROUP].iter().any(|group| message.contains(group)) {
                true => BootstrapError::Groups { user, message },
                false => BootstrapError::Privilege { user, message },
            }
        }
        // Our own SQL raises this.
        Some(refusal) if *refusal.code() == tokio_postgres::error::SqlState::RAISE_EXCEPTION => {
            let hint = refusal.hint().unwrap_or_default().to_owned();
            BootstrapError::Unusable { message: refusal.message().to_owned(), hint }
        }
        _ => {
            let line =
                statement.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("--"));
            BootstrapError::Statement { statement: line.unwrap_or_default().to_owned(), source: error.into() }
        }
    }
}
