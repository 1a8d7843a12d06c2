//! A PostgreSQL server that hangs, stops, returns, or takes no writes, as its clients see it through the API.

use std::time::{Duration, Instant};

use harness::{Cluster, PASSWORD, Processes, Program, Serving, join_all, until};
use identity::SigningKey;
use serde_json::{Value, json};

struct Shop {
    cluster: Cluster,
    server: Processes,
    http: reqwest::Client,
    url: String,
    token: String,
    _serving: Serving,
}

/// The wait timeout of the servers here.
const WAIT: Duration = Duration::from_millis(2500);

impl Shop {
    async fn start() -> Self {
        let cluster = Cluster::start();
        let key_file = std::env::temp_dir().join(format!("failover-{}.pem", uuid::Uuid::now_v7().simple()));
        std::fs::write(&key_file, SigningKey::generate_pem()).unwrap();
        let program = cluster
            .program("shop_server", "shop_owner", "shops")
            .with("TENANTRY__IDENTITY__SIGNING_KEY_FILE", &key_file.display().to_string())
            .with("TENANTRY__IDENTITY__ISSUER", "http://id.test")
            .with("TENANTRY__DATABASE__WAIT_TIMEOUT_MS", "2500")
            .with("TENANTRY__PROVISIONING__IN_SERVER", "true")
            .with("TENANTRY__SERVER__METRICS_LISTEN", "");
        assert_eq!(program.run(&["db", "init", "--admin-url", &cluster.admin_url]).code, Some(0));
        let create = ["tenant", "create", "acme", "--name", "Acme", "--owner-email", "a@acme.test"];
        let ran = program.run_with_input(&[&create[..], &["--owner-password-stdin"]].concat(), PASSWORD);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let port = harness::free_port();
        let serving = program.serve(port);
        let _ = std::fs::remove_file(key_file);
        let mut shop = Self {
            server: cluster.processes().await,
            cluster,
            // Shorter than the idle timeout of the server. Otherwise the server could close a connection just
            // when the client sends a request on it.
            http: reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(2)).build().unwrap(),
            url: format!("http://127.0.0.1:{port}"),
            token: String::new(),
            _serving: serving,
        };
        let signed_in =
            shop.post("/api/v1/auth/login", &json!({"email": "a@acme.test", "password": PASSWORD})).await;
        shop.token = signed_in.1["accessToken"].as_str().unwrap().to_owned();
        shop
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let request = request.header("host", "acme.localhost").timeout(Duration::from_secs(20));
        let answer = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let key = uuid::Uuid::now_v7().to_string();
        let request = self.http.post(format!("{}{path}", self.url)).header("idempotency-key", key);
        self.send(request.json(body)).await
    }

    /// Writes a category with a name of its own.
    async fn write(&self) -> (u16, Value) {
        let name = uuid::Uuid::now_v7().to_string();
        self.post("/api/v1/categories", &json!({"name": name})).await
    }

    /// Writes this number of categories at the same time.
    async fn writes(&self, count: usize) -> Vec<(u16, Value)> {
        join_all((0..count).map(|_| self.write()).collect()).await
    }

    async fn is_ready(&self) -> bool {
        self.get("/readyz").await.0 == 200
    }

    /// Asserts that a write succeeds within a second from now.
    async fn writes_within_a_second(&self) {
        let back = Instant::now();
        let mut answers = Vec::new();
        while back.elapsed() < Duration::from_secs(1) {
            let answer = self.write().await;
            if answer.0 == 201 {
                // The connections that are left must lead to the same server.
                let answers = self.writes(20).await;
                assert!(answers.iter().all(|(status, _)| *status == 201), "{answers:?}");
                assert!(self.is_ready().await);
                return;
            }
            answers.push(answer);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no write within a second: {answers:?}");
    }
}

fn assert_unavailable(answers: &[(u16, Value)]) {
    for (status, body) in answers {
        assert_eq!((*status, body["code"].as_str()), (503, Some("database_unavailable")), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_server_is_told_within_the_wait_timeout() {
    let shop = Shop::start().await;
    assert_eq!(shop.write().await.0, 201);
    shop.server.stand_still();
    // More requests than the business has turns and places in its queue.
    let hung = Instant::now();
    let answers = shop.writes(60).await;
    let took = hung.elapsed();
    shop_goes_on_after(&shop, async || {
        assert_unavailable(&answers);
        // The machine is busy with other tests, hence the second on top.
        assert!(took < WAIT + Duration::from_secs(1), "{took:?}");
        let (status, body) = shop.get("/readyz").await;
        assert_eq!((status, body["code"].as_str()), (503, Some("database_unavailable")), "{body}");
        // Nobody waits any more.
        let asked = Instant::now();
        assert_unavailable(&[shop.write().await, shop.get("/api/v1/products").await]);
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    })
    .await;
    shop.writes_within_a_second().await;
}

/// Lets the server go on after `check`, also when `check` fails; otherwise the server could not be stopped.
async fn shop_goes_on_after(shop: &Shop, check: impl AsyncFnOnce()) {
    use futures_util::FutureExt as _;
    let checked = std::panic::AssertUnwindSafe(check()).catch_unwind().await;
    shop.server.go_on();
    if let Err(panic) = checked {
        std::panic::resume_unwind(panic);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_succeed_as_soon_as_the_server_is_back() {
    let mut shop = Shop::start().await;
    for signal in ["INT", "QUIT", "TERM"] {
        assert!(shop.writes(20).await.iter().all(|(status, _)| *status == 201));
        shop.server.stop(signal);
        until("the server is gone", async || !shop.is_ready().await).await;
        // With TERM, the server waits for the connections that are open, and one may still write.
        until("no connection is left", async || shop.write().await.0 != 201).await;
        assert_unavailable(&[shop.write().await, shop.get("/api/v1/products").await]);
        shop.server.start_again();
        shop.writes_within_a_second().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_told() {
    let shop = Shop::start().await;
    assert!(shop.writes(20).await.iter().all(|(status, _)| *status == 201));
    let admin = shop.cluster.as_admin("shops").await;
    let set = async |value: &str| {
        admin
            .batch_execute(&format!("ALTER DATABASE shops SET default_transaction_read_only = {value}"))
            .await
            .unwrap();
    };
    // Connections that are open keep their setting, as those to a demoted server do.
    set("on").await;
    admin
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE usename = 'shop_server' AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    until("the server is not ready", async || !shop.is_ready().await).await;
    let (status, body) = shop.write().await;
    assert_eq!((status, body["code"].as_str()), (503, Some("database_unavailable")), "{body}");
    assert!(body["detail"].as_str().unwrap().contains("read-only"), "{body}");
    assert_eq!(shop.get("/api/v1/products").await.0, 200);
    admin.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    set("off").await;
    shop.writes_within_a_second().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_do_not_notice_that_their_connections_were_ended() {
    let shop = Shop::start().await;
    let admin = shop.cluster.as_admin("shops").await;
    for _ in 0..5 {
        assert!(shop.writes(20).await.iter().all(|(status, _)| *status == 201));
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE usename = 'shop_server' AND state = 'idle'";
        admin.batch_execute(ended).await.unwrap();
        let answers = shop.writes(20).await;
        assert!(answers.iter().all(|(status, _)| *status == 201), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_starts_behind_a_pooler_that_shares_connections() {
    let app = harness::TestApp::start().await;
    let pooler = harness::Pooler::start(&app.database.admin_url(), "transaction");
    let direct = app.database.url();
    let (login, rest) = direct.split_once('@').unwrap();
    let (_, database) = rest.split_once('/').unwrap();
    let behind = format!("{login}@127.0.0.1:{}/{database}", pooler.port);
    let served = Program::beside(&app).with("TENANTRY__DATABASE__URL", &behind).run(&["serve"]);
    assert_eq!(served.code, Some(1), "{served:?}");
    for words in ["database.url", "a pooler between Tenantry and PostgreSQL", "connect directly"] {
        assert!(served.err.contains(words), "{served:?}");
    }
    let worked = Program::beside(&app).with("TENANTRY__DATABASE__OWNER_URL", &behind).run(&["job", "run"]);
    assert_eq!(worked.code, Some(1), "{worked:?}");
    assert!(worked.err.contains("database.owner_url: a pooler"), "{worked:?}");
}
