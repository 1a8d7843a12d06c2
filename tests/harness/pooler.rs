//! PgBouncer in front of the PostgreSQL server of the tests.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::Config;

/// A running pooler that accepts every login without a password. It stops when it is dropped.
pub struct Pooler {
    child: Child,
    folder: PathBuf,
    pub port: u16,
}

impl Pooler {
    /// Starts a pooler in front of the server of `url`. `mode` is `session`, `transaction` or `statement`.
    pub fn start(url: &str, mode: &str) -> Self {
        let config: Config = url.parse().unwrap();
        let port = crate::free_port();
        let folder = std::env::temp_dir().join(format!("tenantry-pooler-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let settings = format!(
            "[databases]
             * = host=127.0.0.1 port={} user={} password={}
             [pgbouncer]
             listen_addr = 127.0.0.1
             listen_port = {port}
             unix_socket_dir =
             auth_type = any
             pool_mode = {mode}
             ignore_startup_parameters = extra_float_digits,options
             logfile = {}/log
             ",
            config.get_ports()[0],
            config.get_user().unwrap(),
            String::from_utf8_lossy(config.get_password().unwrap()),
            folder.display(),
        );
        let file = folder.join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        // Debian installs pgbouncer in /usr/sbin, which may be missing from PATH. pgbouncer refuses to run as
        // root.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("pgbouncer");
        command.env("PATH", path).arg("--quiet").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.args(["--user", "nobody"]);
        }
        let child = command.spawn().expect("pgbouncer is missing; scripts/test installs it");
        let pooler = Self { child, folder, port };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(pooler.folder.join("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(10), "the pooler does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        pooler
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
