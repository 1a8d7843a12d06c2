//! `tenantry dev`: runs everything on a developer's machine with one command, in a folder of the checkout.

use std::fs::{self, File, TryLockError};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use identity::{Password, SigningKey};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use server::State;
use settings::Sources;
use tenancy::TenantSlug;
use tenancy::fleet::RunOptions;
use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::{Cluster, write_secret};
use crate::commands::{db, migrate, seed, serve};
use crate::context::{self, DEV_FOLDER, dev_settings};
use crate::failure;
use crate::output::note;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenantry dev                                  serve http://business1.localhost:8080 with demo data\n  \
    tenantry dev run -- cargo nextest run         run tests with a throwaway PostgreSQL\n\n\
    If TENANTRY__DATABASE__URL and TENANTRY__DATABASE__OWNER_URL are set, tenantry dev uses that PostgreSQL\n\
    server and starts none.\n\
    While tenantry dev runs, other tenantry commands in the same checkout use its database.")]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The port of the API on 127.0.0.1.
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

#[derive(Subcommand)]
enum Action {
    /// Run a command with a throwaway PostgreSQL, which is removed afterwards. TENANTRY_TEST_ADMIN_URL holds
    /// the URL of its administrator.
    Run {
        /// The folder for PostgreSQL's files. It defaults to .tenantry in the current folder.
        #[arg(long)]
        folder: Option<PathBuf>,
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Some(Action::Run { folder, command }) => run_with_throwaway(folder, &command).await,
        None => develop(args.port).await,
    }
}

/// The secrets of a checkout. They are created once and kept, because the database stores the matching logins
/// and password hashes.
#[derive(Serialize, Deserialize)]
struct Secrets {
    admin_password: String,
    server_password: String,
    owner_password: String,
    password_key: String,
}

impl Secrets {
    fn load_or_make(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("secrets.json");
        if path.exists() {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            return serde_json::from_str(&text).with_context(|| {
                format!("{} is damaged; remove {} and try again", path.display(), folder.display())
            });
        }
        let secrets = Self {
            admin_password: random(),
            server_password: random(),
            owner_password: random(),
            password_key: random() + &random(),
        };
        write_secret(&path, &serde_json::to_string_pretty(&secrets)?)?;
        Ok(secrets)
    }
}

fn random() -> String {
    Password::generate().secret().expose_secret().to_owned()
}

/// The port of the metrics: 9090 beside 8080. Near the end of the range, any free port.
fn metrics_port(port: u16) -> u16 {
    port.checked_add(1010).unwrap_or(0)
}

async fn develop(port: u16) -> anyhow::Result<ExitCode> {
    let checkout = std::env::current_dir()?;
    let folder = checkout.join(DEV_FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let _lock = lock(&folder)?;
    // This check runs before anything is created. The server itself would report a used port only at the end.
    for (wanted, what) in [(port, ""), (metrics_port(port), ", which is for the metrics,")] {
        if let Err(error) = TcpListener::bind(("127.0.0.1", wanted)) {
            bail!(
                "port {wanted}{what} cannot be used ({error}); stop the program that uses it, or choose \
                 another port: scripts/dev --port {}",
                port ^ 1
            );
        }
    }
    let secrets = Secrets::load_or_make(&folder)?;
    let key_file = folder.join("signing-key.pem");
    if !key_file.exists() {
        write_secret(&key_file, &SigningKey::generate_pem())?;
    }

    // From here on, Ctrl-C and SIGTERM end the start in good order. Otherwise PostgreSQL would keep running.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let cluster = match std::env::var_os("TENANTRY__DATABASE__URL") {
        Some(_) => None,
        None => {
            note!("starting PostgreSQL");
            let place = folder.join("postgres");
            tokio::select! {
                started = Cluster::start(&place, &secrets.admin_password) => Some(started?),
                _ = terminate.recv() => return Ok(ExitCode::from(failure::INTERRUPTED)),
                _ = interrupt.recv() => return Ok(ExitCode::from(failure::INTERRUPTED)),
            }
        }
    };
    let settings_file = SettingsFile::write(&checkout, &key_file, port, &secrets, cluster.as_ref())?;
    let running = tokio::select! {
        prepared = prepare(&checkout, settings_file.path(), cluster.as_ref()) => Some(prepared?),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    if let Some(running) = running {
        serve::until_stopped(running).await?;
    }
    if cluster.is_some() {
        note!("stopping PostgreSQL");
    }
    drop(cluster);
    Ok(ExitCode::SUCCESS)
}

/// Prepares and migrates the database, adds the demo data, and starts the server.
async fn prepare(
    checkout: &Path,
    settings_file: &Path,
    cluster: Option<&Cluster>,
) -> anyhow::Result<server::app::Running> {
    let sources = Sources {
        environment: "development".to_owned(),
        folder: checkout.join("config"),
        more: vec![settings_file.to_owned()],
    };
    let settings = context::load(&sources)?;
    settings::logging::start(&settings.log)?;
    if let Some(cluster) = cluster {
        db::init(&settings, &cluster.admin_url().parse()?).await?;
    }
    // A business that cannot be migrated does not stop the start: the developer needs the running database to
    // find the cause, and the server serves the other businesses.
    migrate::migrate(&settings, &RunOptions::default()).await?;
    if seed::seed(&settings).await? {
        note!("created the demo data");
    }
    let running = server::app::start(State::new(settings.clone())?)?;
    note!();
    seed::print_logins(&settings);
    let docs = settings.address_of(&TenantSlug::parse("business1")?);
    note!("\nAPI documentation with forms to try it: {docs}/docs   (Ctrl-C stops everything)\n");
    Ok(running)
}

/// Locks the checkout, because only one `tenantry dev` may run in it.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("tenantry dev already runs in this checkout; stop it with Ctrl-C, or use another checkout")
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The settings file by which other commands in the checkout find the database. Removed when dropped.
struct SettingsFile(PathBuf);

#[derive(Serialize)]
struct DevSettings {
    server: DevServer,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<DevDatabase>,
    identity: DevIdentity,
    mail: DevMail,
}

#[derive(Serialize)]
struct DevMail {
    folder: PathBuf,
}

#[derive(Serialize)]
struct DevServer {
    listen: String,
    metrics_listen: String,
    public_port: u16,
}

#[derive(Serialize)]
struct DevDatabase {
    url: String,
    owner_url: String,
}

#[derive(Serialize)]
struct DevIdentity {
    issuer: String,
    signing_key_file: PathBuf,
    password_key: String,
}

impl SettingsFile {
    fn write(
        checkout: &Path,
        key_file: &Path,
        port: u16,
        secrets: &Secrets,
        cluster: Option<&Cluster>,
    ) -> anyhow::Result<Self> {
        let settings = DevSettings {
            server: DevServer {
                listen: format!("127.0.0.1:{port}"),
                metrics_listen: format!("127.0.0.1:{}", metrics_port(port)),
                public_port: port,
            },
            database: cluster.map(|cluster| DevDatabase {
                url: cluster.url("tenantry_server", &secrets.server_password, "tenantry"),
                owner_url: cluster.url("tenantry_owner", &secrets.owner_password, "tenantry"),
            }),
            identity: DevIdentity {
                issuer: format!("http://id.localhost:{port}"),
                signing_key_file: key_file.to_owned(),
                password_key: secrets.password_key.clone(),
            },
            mail: DevMail { folder: checkout.join(DEV_FOLDER).join("mails") },
        };
        let path = dev_settings(checkout);
        write_secret(&path, &toml::to_string(&settings)?)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SettingsFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

async fn run_with_throwaway(folder: Option<PathBuf>, command: &[String]) -> anyhow::Result<ExitCode> {
    let folder = std::path::absolute(folder.unwrap_or_else(|| DEV_FOLDER.into()))?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    sweep_throwaways(&folder);
    let place = folder.join(format!("throwaway-{}", std::process::id()));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let cluster = Cluster::start_throwaway(&place, &random()).await?;
    let (program, arguments) = command.split_first().context("no command was given")?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("TENANTRY_TEST_ADMIN_URL", cluster.admin_url())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let status = tokio::select! {
        status = child.wait() => Some(status?),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    let code = match status {
        Some(status) => u8::try_from(status.code().unwrap_or(1)).unwrap_or(1),
        None => {
            let _ = child.kill().await;
            failure::INTERRUPTED
        }
    };
    drop(cluster);
    let _ = fs::remove_dir_all(&place);
    Ok(ExitCode::from(code))
}

/// Removes the folders of killed runs, whose process no longer exists.
fn sweep_throwaways(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix("throwaway-")) else { continue };
        let is_gone = !Path::new("/proc").join(pid).exists() && Path::new("/proc").exists();
        let has_server = entry.path().join("data/postmaster.pid").exists();
        if is_gone && !has_server {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
