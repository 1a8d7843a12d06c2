//! A private PostgreSQL cluster. It listens on loopback only, requires a password, and has a folder of its
//! own.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tenancy::DatabaseUrl;

use crate::output::note;

/// The oldest supported major version of PostgreSQL.
const OLDEST: u32 = 15;

/// A running cluster. It stops when dropped.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    identity: Option<Identity>,
    server: Child,
    port: u16,
    password: String,
    throwaway: bool,
}

/// The user that runs PostgreSQL when this process runs as root, because PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Identity {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Starts the cluster in `folder`, and creates the cluster first if there is none. Its administrator is
    /// `postgres`.
    pub async fn start(folder: &Path, password: &str) -> anyhow::Result<Self> {
        Self::start_in(folder.to_owned(), password, false).await
    }

    /// Starts a cluster that trades durability for speed and is removed when dropped.
    pub async fn start_throwaway(folder: &Path, password: &str) -> anyhow::Result<Self> {
        Self::start_in(folder.to_owned(), password, true).await
    }

    async fn start_in(wanted: PathBuf, password: &str, throwaway: bool) -> anyhow::Result<Self> {
        let programs = find_programs()?;
        let identity = unprivileged_identity()?;
        let folder = usable_folder(wanted, identity)?;
        let data = folder.join("data");
        if !data.exists() {
            note!("creating a PostgreSQL cluster in {}", folder.display());
            initialise(&programs, &folder, identity, password)?;
        }
        stop_leftover(&programs, &data, identity);

        let port = free_port()?;
        let log = folder.join("postgres.log");
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = command(&programs.join("postgres"), identity);
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        // The path of a socket may have about 100 bytes at most. Without a socket, clients still connect by
        // loopback.
        let socket_folder = if throwaway && folder.as_os_str().len() < 80 {
            folder.display().to_string()
        } else {
            String::new()
        };
        let socket_folder = format!("unix_socket_directories={socket_folder}");
        let mut settings = vec!["listen_addresses=127.0.0.1", &socket_folder, "max_connections=300"];
        if throwaway {
            settings.extend([
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "shared_buffers=256MB",
            ]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        // A process group of its own keeps Ctrl-C from PostgreSQL. This process stops PostgreSQL after the
        // server has drained.
        let server = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start PostgreSQL")?;
        let mut cluster =
            Self { programs, folder, identity, server, port, password: password.to_owned(), throwaway };
        cluster.wait_until_ready(&log).await?;
        Ok(cluster)
    }

    /// The administrator's URL.
    pub fn admin_url(&self) -> String {
        self.url("postgres", &self.password, "postgres")
    }

    /// The URL of another login.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    async fn wait_until_ready(&mut self, log: &Path) -> anyhow::Result<()> {
        let url: DatabaseUrl = self.admin_url().parse()?;
        let started = Instant::now();
        loop {
            let problem = match tenancy::probe(&url).await {
                Ok(_) => return Ok(()),
                Err(error) => error.to_string(),
            };
            if problem.contains("password") {
                bail!(
                    "the development database in {} was created with other secrets than those in \
                     .tenantry/secrets.json. If you do not need its data, remove the folder and try again",
                    self.folder.display()
                );
            }
            if self.server.try_wait()?.is_some() || started.elapsed() > Duration::from_secs(60) {
                let last = fs::read_to_string(log).unwrap_or_default();
                let last = last.lines().rev().find(|line| line.contains("FATAL") || line.contains("PANIC"));
                bail!(
                    "PostgreSQL did not start: {}. If you do not need the development data, remove {} and \
                     try again",
                    last.unwrap_or(&problem),
                    self.folder.display()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mode = if self.throwaway { "immediate" } else { "fast" };
        let stopped = command(&self.programs.join("pg_ctl"), self.identity)
            .args(["stop", "-w", "-s", "-m", mode, "-D"])
            .arg(self.folder.join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
        if self.throwaway {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A command that runs as the unprivileged user, in a folder that every user can enter.
fn command(program: &Path, identity: Option<Identity>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C").env_remove("PGDATA").env_remove("PGPORT");
    if let Some(identity) = identity {
        command.uid(identity.uid).gid(identity.gid);
    }
    command
}

/// The folder with the newest PostgreSQL server programs. Searches PATH and the usual folders of Debian,
/// Fedora, Homebrew and Postgres.app.
fn find_programs() -> anyhow::Result<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    for (parent, inner) in [
        ("/usr/lib/postgresql", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "bin"),
    ] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path().join(inner)));
    }
    let entries = fs::read_dir("/usr").into_iter().flatten().flatten();
    folders
        .extend(entries.map(|entry| entry.path()).filter(|path| is_pgsql(path)).map(|path| path.join("bin")));
    folders
        .into_iter()
        .filter(|folder| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file()))
        .filter_map(|folder| Some((major_version(&folder)?, folder)))
        .filter(|(version, _)| *version >= OLDEST)
        .max()
        .map(|(_, folder)| folder)
        .with_context(|| {
            format!(
                "PostgreSQL {OLDEST} or newer is not installed. Run scripts/dev, which installs it, or \
                 install it yourself (Debian: apt-get install postgresql; Fedora: dnf install \
                 postgresql-server postgresql-contrib; macOS: brew install postgresql@16)"
            )
        })
}

fn is_pgsql(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("pgsql-"))
}

fn major_version(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(2)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The user `postgres`, or else `nobody`, when this process runs as root. Otherwise `None`.
fn unprivileged_identity() -> anyhow::Result<Option<Identity>> {
    let id = |args: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(args).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|user| Some(Identity { uid: id(&["-u", user])?, gid: id(&["-g", user])? }))
        .map(Some)
        .context("PostgreSQL refuses to run as root, and there is no user postgres and no user nobody")
}

/// Returns `wanted` if the unprivileged user can reach it. Otherwise returns a folder below /var/lib, and
/// writes the path of that folder to the file `IS-ELSEWHERE` in `wanted`.
fn usable_folder(wanted: PathBuf, identity: Option<Identity>) -> anyhow::Result<PathBuf> {
    let unusable = || format!("cannot create the folder {}", wanted.display());
    fs::create_dir_all(&wanted).with_context(unusable)?;
    let Some(identity) = identity else { return Ok(wanted) };
    let reached = command(Path::new("test"), Some(identity)).arg("-x").arg(&wanted).status();
    if reached.is_ok_and(|status| status.success()) {
        chown(&wanted, Some(identity.uid), Some(identity.gid)).with_context(unusable)?;
        return Ok(wanted);
    }
    // The name holds the path of `wanted`, so each checkout has a folder of its own.
    let name: String =
        wanted.to_string_lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let elsewhere = Path::new("/var/lib").join(format!("tenantry{name}"));
    fs::create_dir_all(&elsewhere)
        .and_then(|()| chown(&elsewhere, Some(identity.uid), Some(identity.gid)))
        .with_context(|| format!("cannot create the folder {}", elsewhere.display()))?;
    fs::write(wanted.join("IS-ELSEWHERE"), format!("{}\n", elsewhere.display()))?;
    Ok(elsewhere)
}

/// Creates the cluster in `data.unfinished` and then renames that folder to `data`. An interruption therefore
/// never leaves an incomplete `data` folder.
fn initialise(
    programs: &Path,
    folder: &Path,
    identity: Option<Identity>,
    password: &str,
) -> anyhow::Result<()> {
    let unfinished = folder.join("data.unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    let password_file = folder.join("password");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&password_file)?;
    writeln!(file, "{password}")?;
    if let Some(identity) = identity {
        chown(&password_file, Some(identity.uid), Some(identity.gid))?;
    }
    let output = command(&programs.join("initdb"), identity)
        .arg("-D")
        .arg(&unfinished)
        .args([
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--pwfile",
        ])
        .arg(&password_file)
        .output()
        .context("cannot run initdb")?;
    fs::remove_file(&password_file)?;
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("initdb failed in {}: {problem}", folder.display());
    }
    fs::rename(&unfinished, folder.join("data"))?;
    Ok(())
}

/// Stops the server that a killed process left running in this folder. Finds that server by the pid file of
/// the folder, and stops no other server.
fn stop_leftover(programs: &Path, data: &Path, identity: Option<Identity>) {
    let pid_file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let pid = pid_file.lines().next().unwrap_or_default();
    // After a power cut, the pid may belong to another process. Only a server of this folder may be stopped.
    let arguments = Command::new("ps").args(["-o", "args=", "-p", pid]).output();
    let is_ours = arguments
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&data.display().to_string()));
    if is_ours {
        let _ = command(&programs.join("pg_ctl"), identity)
            .args(["stop", "-w", "-s", "-m", "fast", "-D"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no port is free on 127.0.0.1")?.local_addr()?.port())
}

/// Writes a file that only its owner can read.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
