//! The release binary, as a server and as a command, and the memory of processes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::TestDatabase;
use identity::SigningKey;

use crate::report::Report;

/// The path of another binary of this build: target/release/deps/bench-... -> target/release/NAME
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(|deps| deps.parent()).unwrap().join(name)
}

/// A command with the settings that every process of the benchmark uses.
pub fn command(database: &TestDatabase, name: &str) -> Command {
    let mut command = Command::new(binary(name));
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("TENANTRY__")) {
        command.env_remove(variable);
    }
    command
        .current_dir(std::env::temp_dir())
        .env("TENANTRY__DATABASE__URL", database.url())
        .env("TENANTRY__DATABASE__OWNER_URL", database.owner_url())
        .env("TENANTRY__SERVER__METRICS_LISTEN", "")
        .env("TENANTRY__SERVER__REQUESTS_PER_SECOND", "0")
        .env("TENANTRY__SERVER__PUBLIC_SCHEME", "http")
        .env("TENANTRY__IDENTITY__ISSUER", "http://bench")
        .env("TENANTRY__IDENTITY__SIGNING_KEY_FILE", key_file(database))
        .env("TENANTRY__IDENTITY__PASSWORD_KEY", "a password key of the benchmark, long")
        .env("TENANTRY__IDENTITY__BCRYPT_COST", "4")
        .env("TENANTRY__IDENTITY__ACCESS_TOKEN_TTL_S", "3600")
        .env("TENANTRY__LOG__FILTER", "error")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn key_file(database: &TestDatabase) -> PathBuf {
    let path = std::env::temp_dir().join(format!("{}.pem", database.name));
    if !path.exists() {
        std::fs::write(&path, SigningKey::generate_pem()).unwrap();
    }
    path
}

/// A running server. It is killed when it is dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn start(database: &TestDatabase, name: &str) -> Self {
        Self::start_with(database, name, &[])
    }

    /// Starts a server with further settings.
    pub fn start_with(database: &TestDatabase, name: &str, settings: &[(&str, &str)]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command(database, name)
            .arg("serve")
            .env("TENANTRY__SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .envs(settings.iter().copied())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let started = Instant::now();
        while !is_ready(port) {
            assert!(started.elapsed() < Duration::from_secs(30), "{name} does not become ready");
            std::thread::sleep(Duration::from_millis(1));
        }
        server
    }

    /// The resident memory in MiB.
    pub fn resident(&self) -> f64 {
        status_of(self.child.id(), "VmRSS:")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A field of `/proc/<pid>/status`, in MiB.
pub fn status_of(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0");
    value.trim().trim_end_matches(" kB").parse().unwrap_or(0.0) / 1024.0
}

/// Runs a command to its end. Returns the seconds, the peak memory in MiB, and the output.
pub fn run(database: &TestDatabase, arguments: &[&str]) -> (f64, f64, String) {
    let started = Instant::now();
    let mut child = command(database, "tenantry").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut most: f64 = 0.0;
    let mut output = child.stdout.take().unwrap();
    let status = loop {
        most = most.max(status_of(child.id(), "VmHWM:"));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert!(status.success(), "{arguments:?} failed");
    (seconds, most, text.trim().to_owned())
}

/// Measures the milliseconds from exec until the server is ready, and the resident memory a second later.
pub fn start_up(report: &mut Report, database: &TestDatabase) {
    let mut best = (f64::MAX, 0.0);
    for _ in 0..5 {
        let started = Instant::now();
        let server = Server::start(database, "tenantry");
        let ready = started.elapsed().as_secs_f64() * 1000.0;
        std::thread::sleep(Duration::from_secs(1));
        if ready < best.0 {
            best = (ready, server.resident());
        }
    }
    report.below("time from exec to the first 200 of /readyz (best of 5)", best.0, "ms", Some(200.0));
    report.below("idle server, resident memory", best.1, "MiB", Some(40.0));
}

pub fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let sent = stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    sent.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}
