//! Trading for minutes at two servers that are killed and restarted, with a PostgreSQL that crashes and
//! recovers. Clients behave well: each chooses the id of a document, and repeats a request with its
//! idempotency key until it gets a response.
//!
//! At the end every acknowledged document exists with its number, the stock ledger is correct, no document
//! number is missing or used twice, no deadlock has happened, and every event was heard in its order
//! (`hearing.rs`).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::till::{open_shift, register};
use harness::{Business, Mpesa, Program, Serving, TestApp, a_product, free_port, join_all};
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::counter::Counter;
use crate::hearing::Hearing;
use crate::tills::Tills;
use crate::verdict::deadlocks_of;

const BUSINESSES: usize = 4;
const VARIANTS: usize = 30;
const CLIENTS: usize = 24;
const SETTINGS: &str = "
    [identity]
    access_token_ttl_s = 3600
    [webhooks]
    any_network = true
    [log]
    filter = \"off\"
";
/// The longest time for which a client repeats a request, through kills and crashes.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Shop<'a> {
    pub business: Business<'a>,
    variants: Vec<Value>,
    /// A fee, which has no stock and is in every second order.
    fee: Value,
    main: Value,
    shed: Value,
    supplier: Value,
    /// A register with an open shift.
    pub register: Value,
    pub tills: Tills,
    pub counter: Counter,
    /// A client and a receiver of the events.
    pub hearing: Hearing,
    /// Documents that are ready for their next step, by kind.
    reserved: RefCell<Vec<Value>>,
    fulfilled: RefCell<Vec<Value>>,
    sent: RefCell<Vec<Value>>,
    on_order: RefCell<Vec<Value>>,
}

/// An acknowledged document: its business, its path, and its number.
pub struct Acknowledged {
    pub shop: usize,
    pub path: String,
    pub number: Value,
}

pub struct Soak<'a> {
    pub shops: Vec<Shop<'a>>,
    pub ports: [u16; 2],
    pub mpesa: Mpesa,
    http: reqwest::Client,
    pub acknowledged: RefCell<Vec<Acknowledged>>,
    tally: RefCell<BTreeMap<(String, u16), usize>>,
    until: Instant,
}

/// Runs for this number of minutes.
pub async fn soak(minutes: usize) {
    let simulator = std::env::current_exe().unwrap().with_file_name("mpesa-simulator");
    let mpesa = Mpesa::start(simulator.to_str().unwrap());
    let app = TestApp::start_with(&format!("{SETTINGS}\n{}", mpesa.settings("EUR"))).await;
    mpesa.report_to(&app).await;
    let admin = app.database.as_admin().await;
    // An acknowledged document must survive a crash. The throwaway PostgreSQL turns synchronous_commit off.
    let name = &app.database.name;
    admin.batch_execute(&format!("ALTER DATABASE {name} SET synchronous_commit = on")).await.unwrap();
    let mut shops = Vec::new();
    for n in 0..BUSINESSES {
        shops.push(Shop::open(app.tenant(&format!("shop-{n}")).await, n).await);
    }
    let seed = fastrand::u64(..);
    println!("{minutes} minutes, {CLIENTS} clients, {BUSINESSES} businesses, seed {seed}");
    let soak = Soak {
        shops,
        ports: [free_port(), free_port()],
        mpesa,
        http: reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap(),
        acknowledged: RefCell::default(),
        tally: RefCell::default(),
        until: Instant::now() + Duration::from_secs(60 * minutes as u64),
    };
    let deadlocks = Cell::new(0);
    let clients = (0..CLIENTS).map(|number| soak.trade(seed + number as u64));
    let hearing = soak.shops.iter().map(|shop| shop.hearing.listen(&shop.business, soak.ports));
    let trading = async { tokio::join!(join_all(clients.collect()), soak.disturb(&app, &deadlocks)) };
    tokio::select! {
        _ = trading => {}
        _ = join_all(hearing.collect()) => unreachable!("listens for ever"),
    }
    for ((what, status), count) in soak.tally.borrow().iter() {
        println!("{what:<28} {status} {count:>8}");
    }
    soak.verify(&app, deadlocks.get()).await;
}

impl<'a> Shop<'a> {
    async fn open(business: Business<'a>, number: usize) -> Self {
        let mut variants = Vec::new();
        for n in 0..VARIANTS {
            let mut product = a_product(&format!("SKU-{n}"));
            product["variants"][0]["reorderLevel"] = json!("20");
            let variant = business.create_product(&product).await["variants"][0]["id"].clone();
            assert_eq!(business.adjust(&variant, "100").await.status, 201);
            variants.push(variant);
        }
        let mut fee = a_product("DELIVERY");
        fee["kind"] = json!("fee");
        let fee = business.create_product(&fee).await["variants"][0]["id"].clone();
        let main = business.get("/api/v1/locations").await.body["data"][0]["id"].clone();
        let shed = business.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
        let supplier =
            business.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await.body["id"].clone();
        let register = register(&business, "T1").await;
        open_shift(&business, &register, "100").await;
        let tills = Tills::open(&business, number).await;
        let counter = Counter::open(&business).await;
        let hearing = Hearing::begin(&business).await;
        Self {
            business,
            variants,
            fee,
            main,
            shed,
            supplier,
            register,
            tills,
            counter,
            hearing,
            reserved: RefCell::default(),
            fulfilled: RefCell::default(),
            sent: RefCell::default(),
            on_order: RefCell::default(),
        }
    }

    /// A line with a random variant.
    pub fn line(&self, quantity: u32, random: &mut fastrand::Rng) -> Value {
        json!({"variantId": random.choice(&self.variants).unwrap(), "quantity": quantity.to_string()})
    }

    /// One to five lines with random variants. A variant may occur twice.
    fn lines(&self, random: &mut fastrand::Rng, more: &Value) -> Value {
        let line = |random: &mut fastrand::Rng| {
            let mut line = self.line(random.u32(1..4), random);
            line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            line
        };
        (0..random.usize(1..=5)).map(|_| line(random)).collect()
    }
}

/// Removes a random document and returns it.
pub fn take(from: &RefCell<Vec<Value>>, random: &mut fastrand::Rng) -> Option<Value> {
    let mut from = from.borrow_mut();
    let at = (0..from.len()).nth(random.usize(..from.len().max(1)))?;
    Some(from.swap_remove(at))
}

pub fn id(document: &Value) -> &str {
    document["id"].as_str().unwrap()
}

impl Soak<'_> {
    async fn trade(&self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        while Instant::now() < self.until {
            let number = random.usize(..BUSINESSES);
            self.one_deed(number, &mut random).await;
        }
    }

    async fn one_deed(&self, number: usize, random: &mut fastrand::Rng) {
        let shop = &self.shops[number];
        let nothing = json!({});
        match random.usize(..30) {
            0..5 => {
                let at_once = random.bool();
                let mut lines = shop.lines(random, &nothing);
                if random.bool() {
                    let fee = json!({"variantId": shop.fee, "quantity": "1"});
                    lines.as_array_mut().unwrap().push(fee);
                }
                let body = json!({"id": Uuid::now_v7(), "fulfil": at_once, "lines": lines});
                if let Some(order) = self.post(number, "orders", &body, random).await {
                    self.keep(number, format!("orders/{}", id(&order)), &order);
                    if at_once { &shop.fulfilled } else { &shop.reserved }.borrow_mut().push(order);
                }
            }
            5 | 6 => {
                let Some(order) = take(&shop.reserved, random) else { return };
                let step = if random.u32(..4) == 0 { "cancel" } else { "fulfil" };
                let path = format!("orders/{}/{step}", id(&order));
                if self.post(number, &path, &nothing, random).await.is_some() && step == "fulfil" {
                    shop.fulfilled.borrow_mut().push(order);
                }
            }
            7 => {
                let Some(order) = take(&shop.fulfilled, random) else { return };
                let line =
                    json!({"lineId": order["lines"][0]["id"], "quantity": "1", "restock": random.bool()});
                let body = json!({"id": Uuid::now_v7(), "reason": "broken", "lines": [line]});
                self.post(number, &format!("orders/{}/returns", id(&order)), &body, random).await;
            }
            8 | 9 => {
                let quantity = random.i32(-3..12);
                let body = json!({
                    "id": Uuid::now_v7(), "variantId": random.choice(&shop.variants),
                    "quantity": quantity.to_string(), "reason": "found",
                });
                if quantity != 0
                    && let Some(made) = self.post(number, "stock/adjustments", &body, random).await
                {
                    self.keep(number, format!("stock/adjustments/{}", id(&made)), &made);
                }
            }
            10 => {
                let (from, to) =
                    if random.bool() { (&shop.main, &shop.shed) } else { (&shop.shed, &shop.main) };
                let body = json!({
                    "id": Uuid::now_v7(), "fromLocationId": from, "toLocationId": to,
                    "lines": shop.lines(random, &nothing),
                });
                if let Some(sent) = self.post(number, "stock/transfers", &body, random).await {
                    self.keep(number, format!("stock/transfers/{}", id(&sent)), &sent);
                    shop.sent.borrow_mut().push(sent);
                }
            }
            11 => {
                let Some(sent) = take(&shop.sent, random) else { return };
                let step = if random.u32(..3) == 0 { "send-back" } else { "receive" };
                self.post(number, &format!("stock/transfers/{}/{step}", id(&sent)), &nothing, random).await;
            }
            12 => {
                let body = json!({"id": Uuid::now_v7()});
                let Some(count) = self.post(number, "stock/counts", &body, random).await else { return };
                self.keep(number, format!("stock/counts/{}", id(&count)), &count);
                let counted = json!({"lines": [{
                    "variantId": random.choice(&shop.variants), "counted": random.u32(20..60).to_string(),
                }]});
                let path = format!("stock/counts/{}", id(&count));
                if self.post(number, &format!("{path}/lines"), &counted, random).await.is_some() {
                    self.post(number, &format!("{path}/post"), &nothing, random).await;
                }
            }
            13 => {
                let body = json!({"id": Uuid::now_v7(), "supplierId": shop.supplier, "lines": [
                    {"variantId": random.choice(&shop.variants), "quantity": random.u32(5..40).to_string(),
                     "unitCost": "2.5"}]});
                let Some(order) = self.post(number, "purchase-orders", &body, random).await else { return };
                self.keep(number, format!("purchase-orders/{}", id(&order)), &order);
                if self
                    .post(number, &format!("purchase-orders/{}/send", id(&order)), &nothing, random)
                    .await
                    .is_some()
                {
                    shop.on_order.borrow_mut().push(order);
                }
            }
            14 | 15 => {
                let body = json!({
                    "id": Uuid::now_v7(), "registerId": shop.register, "lines": shop.lines(random, &nothing),
                    "payments": [{"method": "cash"}],
                });
                if let Some(sale) = self.post(number, "sales", &body, random).await {
                    self.keep(number, format!("sales/{}", id(&sale)), &sale);
                }
            }
            16..22 => self.at_the_till(number, random).await,
            22..28 => self.at_the_counter(number, random).await,
            _ => {
                let Some(order) = take(&shop.on_order, random) else { return };
                let line = &order["lines"][0];
                // A part of the goods, or all goods that are still open.
                let body = match random.bool() {
                    true => json!({"id": Uuid::now_v7(), "lines": [{"lineId": line["id"], "quantity": "2"}]}),
                    false => json!({"id": Uuid::now_v7()}),
                };
                let path = format!("purchase-orders/{}/receipts", id(&order));
                let received = self.post(number, &path, &body, random).await;
                if received.is_some_and(|receipt| receipt["order"]["status"] == "SENT") {
                    shop.on_order.borrow_mut().push(order);
                }
            }
        }
    }

    pub fn keep(&self, shop: usize, path: String, document: &Value) {
        self.acknowledged.borrow_mut().push(Acknowledged { shop, path, number: document["number"].clone() });
    }

    /// Posts with one idempotency key until a response arrives, at either server, and sometimes twice at the
    /// same time. Returns `None` if the request was refused.
    pub async fn post(
        &self,
        shop: usize,
        path: &str,
        body: &Value,
        random: &mut fastrand::Rng,
    ) -> Option<Value> {
        let key = Uuid::now_v7().to_string();
        let started = Instant::now();
        let kind: String =
            path.split('/').filter(|part| Uuid::parse_str(part).is_err()).collect::<Vec<_>>().join("/");
        loop {
            assert!(started.elapsed() < PATIENCE, "{path}: no response");
            let port = self.ports[random.usize(..2)];
            let sent = match random.u32(..10) {
                0 => {
                    let other = self.ports[random.usize(..2)];
                    let (one, other) = tokio::join!(
                        self.send(port, shop, path, &key, body),
                        self.send(other, shop, path, &key, body)
                    );
                    if let (Some((201, one)), Some((201, other))) = (&one, &other) {
                        // The customer may have answered meanwhile.
                        let part = if kind == "payment-requests" { "/id" } else { "" };
                        let (one, other) = (one.pointer(part), other.pointer(part));
                        assert_eq!(one, other, "one key, two responses: {path}");
                    }
                    one.or(other)
                }
                _ => self.send(port, shop, path, &key, body).await,
            };
            let Some((status, answer)) = sent else {
                tokio::time::sleep(Duration::from_millis(random.u64(20..200))).await;
                continue;
            };
            *self.tally.borrow_mut().entry((kind.clone(), status)).or_default() += 1;
            match status {
                200 | 201 => return Some(answer),
                // Try again: the first request is still running, the business is busy, or PostgreSQL is
                // recovering.
                409 if answer["code"] == "request_in_progress" => {}
                429 | 503 => {}
                404 | 409 | 422 => return None,
                _ => panic!("{path}: {status} {answer}"),
            }
            tokio::time::sleep(Duration::from_millis(random.u64(20..200))).await;
        }
    }

    /// Returns `None` if no response arrived.
    async fn send(
        &self,
        port: u16,
        shop: usize,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let business = &self.shops[shop].business;
        let answer = self
            .http
            .post(format!("http://127.0.0.1:{port}/api/v1/{path}"))
            .header("host", &business.host)
            .bearer_auth(business.token.as_deref().unwrap())
            .header("idempotency-key", key)
            .json(body)
            .send()
            .await
            .ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    /// Kills and restarts a server, or crashes PostgreSQL, every few seconds.
    async fn disturb(&self, app: &TestApp, deadlocks: &Cell<i64>) {
        let program = self.program(app);
        let mut servers: Vec<Serving> = self.ports.iter().map(|port| program.serve(*port)).collect();
        let (mut kills, mut crashes) = (0, 0);
        while Instant::now() < self.until {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(2000..8000))).await;
            if fastrand::u32(..3) == 0 {
                crashes += 1;
                let admin = app.database.as_admin().await;
                // A crash deletes the statistics.
                deadlocks.set(deadlocks.get() + deadlocks_of(&admin).await);
                crash(&admin).await;
                while !is_up(app).await {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            } else {
                kills += 1;
                let at = fastrand::usize(..2);
                servers[at].signal("KILL");
                let _ = servers[at].wait();
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1500))).await;
                servers[at] = program.serve(self.ports[at]);
            }
        }
        println!("servers killed {kills} times, PostgreSQL crashed {crashes} times");
        // Clients that wait for a response must still get it.
        while self.is_waiting() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(servers);
    }

    /// Whether a client may still wait for a response after the end of the run.
    fn is_waiting(&self) -> bool {
        Instant::now() < self.until + PATIENCE / 4
    }

    /// The servers send webhooks and settle payments, too.
    pub fn program(&self, app: &TestApp) -> Program {
        let program = Program::beside(app)
            .with("TENANTRY__SERVER__REQUESTS_PER_SECOND", "0")
            .with("TENANTRY__PROVISIONING__IN_SERVER", "true")
            .with("TENANTRY__JOBS__IN_SERVER", "true")
            .with("TENANTRY__WEBHOOKS__ANY_NETWORK", "true");
        self.mpesa.used_by(program, "EUR")
    }
}

/// Kills the backend of this connection. PostgreSQL then ends all other backends and recovers, as after a
/// crash.
async fn crash(admin: &Client) {
    let pid: i32 = admin.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    tokio::time::sleep(Duration::from_millis(200)).await;
}

async fn is_up(app: &TestApp) -> bool {
    let connected = tokio_postgres::connect(&app.database.url(), tokio_postgres::NoTls).await;
    connected.is_ok()
}
