//! A PostgreSQL server of its own, for a test that breaks what all databases of a server share.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

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

    /// The server's processes, and the first of them alone.
    pub async fn processes(&self) -> Processes {
        let admin = self.as_admin("postgres").await;
        let sql = "SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1),
                          current_setting('data_directory')";
        let row = admin.query_one(sql, &[]).await.unwrap();
        let (pid, data): (String, String) = (row.get(0), row.get(1));
        let proc = PathBuf::from("/proc").join(&pid);
        let command = std::fs::read(proc.join("cmdline")).unwrap();
        let words = command.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        Processes {
            program: std::fs::read_link(proc.join("exe")).unwrap(),
            arguments: words.skip(1).map(|word| String::from_utf8(word.to_vec()).unwrap()).collect(),
            user: std::fs::metadata(&data).unwrap().uid(),
            group: std::fs::metadata(&data).unwrap().gid(),
            folder: PathBuf::from(data),
            pid,
        }
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

/// The processes of a PostgreSQL server, to be stopped and started again.
pub struct Processes {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    user: u32,
    group: u32,
    pid: String,
}

impl Processes {
    /// Makes all processes stand still, as on a machine whose disk hangs.
    pub fn stand_still(&self) {
        self.signal_all("STOP");
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        self.signal_all("CONT");
    }

    /// Stops the server: INT ends its connections, TERM waits for their clients, QUIT is a crash.
    pub fn stop(&self, signal: &str) {
        kill(signal, [self.pid.as_str()]);
    }

    /// Starts the server that was stopped, as soon as it has ended. Returns when it accepts connections.
    pub fn start_again(&mut self) {
        let pid_file = self.folder.join("postmaster.pid");
        while pid_file.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).uid(self.user).gid(self.group).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.pid = command.spawn().unwrap().id().to_string();
        let is_ready =
            || std::fs::read_to_string(&pid_file).is_ok_and(|text| text.trim_end().ends_with("ready"));
        while !is_ready() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn signal_all(&self, signal: &str) {
        let children = Command::new("pgrep").args(["-P", &self.pid]).output().unwrap().stdout;
        let children = String::from_utf8(children).unwrap();
        kill(signal, std::iter::once(self.pid.as_str()).chain(children.lines()));
    }
}

fn kill<'a>(signal: &str, pids: impl IntoIterator<Item = &'a str>) {
    let _ = Command::new("kill").arg(format!("-{signal}")).args(pids).status().unwrap();
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
