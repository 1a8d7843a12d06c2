//! Programs in other languages, which are samples for their authors, and tests of what they get from us.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program of the folder `clients` that listens on this machine. It ends with the value.
pub struct Sample {
    child: Child,
    /// Its address, without a slash at the end.
    pub address: String,
}

impl Sample {
    /// Starts a program in Python or in JavaScript, as its file name says.
    pub fn start(file: &str, arguments: &[&str]) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let clients = here.join("clients");
        let mut program = if file.ends_with(".py") {
            let python = here.join("../target/python/bin/python");
            assert!(python.exists(), "run scripts/test once: it installs {}", python.display());
            let mut program = Command::new(python);
            program.env("PYTHONPATH", clients.join("local"));
            program
        } else {
            assert!(
                clients.join("node_modules").exists(),
                "run scripts/test once: it installs packages of Node"
            );
            let mut program = Command::new("node");
            program.arg("--require").arg(clients.join("local/names.cjs"));
            program
        };
        let mut child = program
            .arg(clients.join(file))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "{file} has ended");
        Self { child, address: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
