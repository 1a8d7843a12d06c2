//! The real binary, run as an operator runs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::app::TestApp;
use crate::database::TestDatabase;

/// The exit code and the output of a run of the binary.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The binary, and the environment variables that it runs with.
pub struct Program {
    variables: Vec<(String, String)>,
}

fn binary() -> PathBuf {
    // target/debug/deps/e2e-... and target/debug/soak -> target/debug/tenantry
    let tests = std::env::current_exe().unwrap();
    let mut folders = tests.ancestors().skip(1).take(2).map(|folder| folder.join("tenantry"));
    let path = folders.find(|path| path.is_file()).unwrap_or_default();
    assert!(path.is_file(), "tenantry is missing; run scripts/test, or `cargo build` first");
    path
}

impl Program {
    /// The binary with the database and the keys of this app.
    pub fn beside(app: &TestApp) -> Self {
        let identity = &app.settings.identity;
        let key_file = identity.signing_key_file.as_ref().unwrap().display().to_string();
        Self::on(&app.database)
            .with("TENANTRY__IDENTITY__SIGNING_KEY_FILE", &key_file)
            .with("TENANTRY__IDENTITY__ISSUER", "http://id.test")
    }

    /// The binary with this database.
    pub fn on(database: &TestDatabase) -> Self {
        Self::bare()
            .with("TENANTRY__DATABASE__URL", &database.url())
            .with("TENANTRY__DATABASE__OWNER_URL", &database.owner_url())
            .with("TENANTRY__IDENTITY__PASSWORD_KEY", "a password key of the tests, long enough")
            .with("TENANTRY__IDENTITY__BCRYPT_COST", "4")
            .with("TENANTRY__LOG__FILTER", "error")
            .with("TENANTRY__SERVER__LISTEN", "127.0.0.1:0")
            .with("TENANTRY__SERVER__METRICS_LISTEN", "")
    }

    /// The binary without any configuration.
    pub fn bare() -> Self {
        Self { variables: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a script from `scripts/`, which runs the binary.
    pub fn run_script(&self, name: &str, arguments: &[&str]) -> Ran {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name);
        let mut command = self.command_of(&script.canonicalize().unwrap(), arguments);
        command.env("TENANTRY", binary());
        ended(command.spawn().unwrap())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&binary(), arguments)
    }

    fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(std::env::temp_dir());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TENANTRY")) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a line of shell, in which `$tenantry` is the binary.
    pub fn run_shell(&self, line: &str) -> Ran {
        let mut command = self.command_of(Path::new("/bin/bash"), &["-c", line]);
        command.env("tenantry", binary());
        ended(command.spawn().unwrap())
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        ended(child)
    }

    /// Starts a command that is going to be interrupted.
    pub fn start(&self, arguments: &[&str]) -> Started {
        Started { child: self.command(arguments).spawn().unwrap() }
    }

    /// Starts `serve` on this port and waits until it accepts connections.
    pub fn serve(&self, port: u16) -> Serving {
        let mut command = self.command(&["serve"]);
        command.env("TENANTRY__SERVER__LISTEN", format!("127.0.0.1:{port}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let serving = Serving { child: command.spawn().unwrap() };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        serving
    }
}

/// Waits until the process has ended.
fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running command.
pub struct Started {
    child: Child,
}

impl Started {
    /// Sends a signal by name, such as INT.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until the command has ended.
    pub fn ended(self) -> Ran {
        ended(self.child)
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// A running `tenantry serve`. It is killed when it is dropped.
pub struct Serving {
    child: Child,
}

impl Serving {
    /// Sends a signal by name, such as TERM.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for the end. Returns the exit code, or `None` if a signal ended the process.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
