//! This revision against another one, in one run. Each revision has its own database, which its own binary
//! made, and its own server. Rounds of both alternate, and the report shows the median of the rounds' ratios.
//! Each round starts both servers anew, because one process may be faster than another of the same binary,
//! and each of the two goes first in every second round.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::ServerUrls;
use identity::SigningKey;
use serde_json::{Value, json};

use crate::http::{drive, median};
use crate::is_wanted;
use crate::process::{binary, is_ready};
use crate::report::Report;
use crate::trade::{self, VARIANTS, drive_orders, drive_receipts};

const SHOPS: usize = 20;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 10;
const SECONDS: usize = 3;
const WARM_UP_SECONDS: usize = 1;
const LINES: usize = 3;
const PASSWORD: &str = "correct horse battery";
/// Purchase orders of each business, so that receipts do not all wait for the same one.
const PURCHASES: usize = 10;
/// No median ratio may be below this one.
const LIMIT: f64 = 0.95;

/// A revision with its database and its server. The server is killed when it is dropped.
struct Revision {
    binary: PathBuf,
    urls: ServerUrls,
    key_file: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Revision {
    async fn start(name: &str, binary: PathBuf) -> Self {
        let database = format!("bench_{name}_{}", std::process::id());
        let key_file = std::env::temp_dir().join(format!("{database}.pem"));
        std::fs::write(&key_file, SigningKey::generate_pem()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut revision = Self { binary, urls: ServerUrls::of(&database), key_file, port, server: None };
        revision.run(&["db", "init", "--admin-url", &revision.urls.admin], "");
        for n in 0..SHOPS {
            let slug = format!("shop{n}");
            let owner = ["--owner-email", "owner@shops.test", "--owner-password-stdin"];
            let password = if n == 0 { PASSWORD } else { "" };
            let arguments: Vec<&str> = ["tenant", "create", &slug, "--name", "Shop"]
                .into_iter()
                .chain(owner.into_iter().take(if n == 0 { 3 } else { 2 }))
                .collect();
            revision.run(&arguments, password);
        }
        revision.fill().await;
        revision.serve();
        revision
    }

    /// Starts the server, and waits until it is ready. A server that runs is stopped first.
    fn serve(&mut self) {
        self.stop();
        let listen = format!("127.0.0.1:{}", self.port);
        let mut serve = self.command(&["serve"]);
        self.server = Some(serve.env("TENANTRY__SERVER__LISTEN", listen).spawn().unwrap());
        let started = Instant::now();
        while !is_ready(self.port) {
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(30), "{} does not become ready", self.binary.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = (server.kill(), server.wait());
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("TENANTRY__")) {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .env("TENANTRY__DATABASE__URL", &self.urls.server)
            .env("TENANTRY__DATABASE__OWNER_URL", &self.urls.owner)
            .env("TENANTRY__SERVER__METRICS_LISTEN", "")
            .env("TENANTRY__SERVER__REQUESTS_PER_SECOND", "0")
            .env("TENANTRY__SERVER__PUBLIC_SCHEME", "http")
            .env("TENANTRY__IDENTITY__ISSUER", "http://bench")
            .env("TENANTRY__IDENTITY__SIGNING_KEY_FILE", &self.key_file)
            .env("TENANTRY__IDENTITY__PASSWORD_KEY", "a password key of the benchmark, long")
            .env("TENANTRY__IDENTITY__BCRYPT_COST", "4")
            .env("TENANTRY__IDENTITY__ACCESS_TOKEN_TTL_S", "3600")
            .env("TENANTRY__LOG__FILTER", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], input: &str) {
        let mut child = self.command(arguments).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{} {arguments:?} failed", self.binary.display());
    }

    /// Gives each business the same variants, so that one script of orders serves all of them.
    async fn fill(&self) {
        let admin = self.urls.as_admin().await;
        let schemas = admin
            .query("SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^business_[0-9]+$'", &[])
            .await
            .unwrap();
        for row in &schemas {
            trade::fill(&admin, row.get::<_, String>(0)).await;
        }
        admin.batch_execute("RESET search_path").await.unwrap();
        admin.batch_execute("VACUUM ANALYZE").await.unwrap();
    }

    /// One line for each business: its host, a token, and the id of one of its variants.
    async fn targets(&self) -> Vec<String> {
        let client = reqwest::Client::new();
        let mut lines = Vec::new();
        for n in 0..SHOPS {
            let host = format!("shop{n}.localhost");
            let body = json!({"email": "owner@shops.test", "password": PASSWORD});
            let url = format!("http://127.0.0.1:{}/api/v1/auth/login", self.port);
            let answer = client.post(url).header("host", &host).json(&body).send().await.unwrap();
            let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            let token = answer["accessToken"].as_str().unwrap();
            lines.push(format!("{host} {token} {}", trade::variant(1)));
        }
        lines
    }

    /// Sends `PURCHASES` purchase orders of three lines at each target, to be received one piece at a time.
    /// Returns a target for each of them.
    async fn purchases(&self, targets: &[String]) -> Vec<String> {
        let client = reqwest::Client::new();
        let mut purchases = Vec::new();
        for (shop, target) in targets.iter().enumerate() {
            let [host, token, _] = target.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let post = async |path: &str, body: Value| -> Value {
                let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
                let key = format!("{shop}-{}", uuid::Uuid::now_v7());
                let request = client.post(url).header("host", host).bearer_auth(token);
                let answer = request.header("idempotency-key", key).json(&body).send().await.unwrap();
                let answer = answer.error_for_status().unwrap().bytes().await.unwrap();
                serde_json::from_slice(&answer).unwrap()
            };
            let supplier = post("suppliers", json!({"name": "Supplier"})).await;
            for n in 0..PURCHASES {
                let line = |line| {
                    let variant = trade::variant(n * LINES + line + 1);
                    json!({"variantId": variant, "quantity": "1000000", "unitCost": "4"})
                };
                let lines: Vec<Value> = (0..LINES).map(line).collect();
                let order =
                    post("purchase-orders", json!({"supplierId": supplier["id"], "lines": lines})).await;
                let path = format!("purchase-orders/{}", order["id"].as_str().unwrap());
                post(&format!("{path}/send"), json!({})).await;
                let lines = order["lines"].as_array().unwrap();
                let lines: Vec<Value> =
                    lines.iter().map(|line| json!({"lineId": line["id"], "quantity": "1"})).collect();
                let receipt = json!({"lines": lines});
                purchases.push(format!("{host} {token} /api/v1/{path}/receipts;{receipt}"));
            }
        }
        purchases
    }
}

impl Drop for Revision {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Compares this revision with the binary `other` of another revision.
pub async fn measure_all(report: &mut Report, other: &Path) {
    let mut this = Revision::start("this", binary("tenantry")).await;
    let mut that = Revision::start("other", other.to_owned()).await;
    let targets = [this.targets().await, that.targets().await];
    for (part, what, path) in [
        ("list", "product list of 50 with variants and stock", "/api/v1/products"),
        ("variant", "one variant", "/api/v1/variants/VARIANT"),
        ("dashboard", "dashboard", "/api/v1/dashboard"),
    ] {
        if is_wanted(part) {
            compare(report, what, [&mut this, &mut that], &targets, |port, targets, seconds| {
                drive(port, targets, path, CONNECTIONS, seconds).0
            });
        }
    }
    if is_wanted("receipts") {
        this.serve();
        that.serve();
        let purchases = [this.purchases(&targets[0]).await, that.purchases(&targets[1]).await];
        compare(
            report,
            "receipts of 3 lines",
            [&mut this, &mut that],
            &purchases,
            |port, targets, seconds| drive_receipts(port, targets, CONNECTIONS, seconds),
        );
    }
    if is_wanted("orders") {
        compare(report, "orders of 3 lines", [&mut this, &mut that], &targets, |port, targets, seconds| {
            drive_orders(port, targets, LINES, VARIANTS, CONNECTIONS, seconds)
        });
    }
}

fn compare(
    report: &mut Report,
    what: &str,
    revisions: [&mut Revision; 2],
    targets: &[Vec<String>; 2],
    drive: impl Fn(u16, &[String], usize) -> f64,
) {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut rates = [0.0; 2];
        for at in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            revisions[at].serve();
            drive(revisions[at].port, &targets[at], WARM_UP_SECONDS);
            rates[at] = drive(revisions[at].port, &targets[at], SECONDS);
            revisions[at].stop();
        }
        rounds.push((rates[0], rates[1]));
    }
    let (one, other) = median(rounds);
    report.ratio(&format!("{what}: this revision / the other"), one, other, "/s", Some(LIMIT));
}
