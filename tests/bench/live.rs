//! Live events: the time from the answer of a sale to its arrival at the clients, the memory of a client, the
//! share of the throughput that is left with events, and the statements of a server at rest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::{TestDatabase, until};
use serde_json::Value;
use tenancy::Tenant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::http::{self, median};
use crate::process::Server;
use crate::report::Report;
use crate::sales::{self, Till};
use crate::{replay, trade};

/// The clients that listen, spread over the businesses.
const LISTENERS: usize = 1_000;
const SELLERS: usize = 16;
const SECONDS: usize = 10;
/// The rounds with and without events, and the seconds of each of their four turns. Many short turns, because
/// the speed of the machine drifts by more than the events cost.
const ROUNDS: usize = 9;
const TURN_SECONDS: usize = 2;

/// The moments at which clients got the event of each sale.
type Arrivals = Arc<Mutex<HashMap<String, Vec<Instant>>>>;

/// Starts a client that listens until its task is aborted. Returns when the stream has begun.
async fn listen(port: u16, till: &Till, arrivals: Arrivals) -> JoinHandle<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET /api/v1/events?topics=sale.* HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        till.host, till.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 16 * 1024];
    let length = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..length].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
    tokio::spawn(async move {
        let mut text = String::new();
        while let Ok(length) = stream.read(&mut buffer).await
            && length > 0
        {
            let now = Instant::now();
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
            while let Some((line, rest)) = text.split_once('\n') {
                if let Some(id) = line.split_once("\"saleId\":\"").and_then(|(_, rest)| rest.get(..36)) {
                    arrivals.lock().unwrap().entry(id.to_owned()).or_default().push(now);
                }
                text = rest.to_owned();
            }
        }
    })
}

/// Sells at a steady rate, and returns the moment of each answer, by the id of the sale.
async fn sell_steadily(
    port: u16,
    tills: &[Till],
    per_second: f64,
    seconds: usize,
) -> HashMap<String, Instant> {
    let client = reqwest::Client::new();
    let answers: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let count = (per_second * seconds as f64) as usize;
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
    let mut sales = Vec::with_capacity(count);
    for number in 0..count {
        ticks.tick().await;
        let variants = [1, 140, 270].map(|first| first + number % 130);
        let key = uuid::Uuid::now_v7().to_string();
        let request = sales::request(&client, port, &tills[number % tills.len()], variants, key);
        let answers = answers.clone();
        sales.push(tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            let (moment, status) = (Instant::now(), answer.status());
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(status, 201, "{answer}");
            answers.lock().unwrap().insert(answer["id"].as_str().unwrap().to_owned(), moment);
        }));
    }
    for sale in sales {
        sale.await.unwrap();
    }
    std::mem::take(&mut answers.lock().unwrap())
}

/// The percentile of the values.
fn percentile(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * hundredths / 100]
}

pub async fn measure_all(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let admin = database.as_admin().await;
    idle(report, database, &admin).await;
    for tenant in tenants {
        trade::fill(&admin, &tenant.schema).await;
    }
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
    let server =
        Server::start_with(database, "tenantry", &[("TENANTRY__EVENTS__MAX_STREAMS_PER_USER", "2000")]);
    let targets = http::targets(&server, database, tenants).await;
    let mut tills = Vec::new();
    for target in &targets {
        tills.push(Till::open(server.port, target, "L1").await);
    }
    let lines = sales::lines_of(&tills);
    autovacuum(&admin, false).await;
    sales::drive(server.port, &lines, SELLERS, http::WARM_UP_SECONDS);
    // The plans of the first moments are those for empty tables.
    admin.batch_execute("ANALYZE").await.unwrap();
    sales::drive(server.port, &lines, SELLERS, http::WARM_UP_SECONDS);
    cost(report, &admin, &server, &tills).await;

    let limit = sales::drive(server.port, &lines, SELLERS, SECONDS);
    let before = server.resident();
    let arrivals = Arrivals::default();
    let mut listeners = Vec::new();
    for number in 0..LISTENERS {
        listeners.push(listen(server.port, &tills[number % tills.len()], arrivals.clone()).await);
    }
    let answered = sell_steadily(server.port, &tills, limit / 2.0, SECONDS * 2).await;
    let expected = answered.len() * LISTENERS / tills.len();
    let count = |arrivals: &Arrivals| arrivals.lock().unwrap().values().map(Vec::len).sum::<usize>();
    until("the events arrive", async || count(&arrivals) >= expected).await;
    let memory = (server.resident() - before) * 1024.0 / LISTENERS as f64;
    let arrived = std::mem::take(&mut *arrivals.lock().unwrap());
    let mut times = Vec::new();
    for (sale, answered) in &answered {
        let arrived = arrived.get(sale).map_or(&[][..], Vec::as_slice);
        assert_eq!(arrived.len(), LISTENERS / tills.len(), "clients got the event of {sale}");
        times.extend(
            arrived.iter().map(|arrived| arrived.saturating_duration_since(*answered).as_secs_f64() * 1e3),
        );
    }
    println!("{} sales, {:.0} a second, {} events at clients", answered.len(), limit / 2.0, times.len());
    let what = "from the answer of a sale to 1,000 clients of 100 businesses, at half of the limit";
    report.below(&format!("time {what}, median"), percentile(&mut times, 50), "ms", None);
    report.below(&format!("time {what}, p99"), percentile(&mut times, 99), "ms", Some(150.0));
    report.below("memory of a client that listens", memory, "KiB", Some(64.0));
    listeners.iter().for_each(JoinHandle::abort);
    autovacuum(&admin, true).await;
}

/// Turns autovacuum on or off. It analyses growing tables again and again, and PostgreSQL then plans all
/// statements anew. This would disturb the measurement.
async fn autovacuum(admin: &tokio_postgres::Client, is_on: bool) {
    let set = if is_on { "ALTER SYSTEM RESET autovacuum" } else { "ALTER SYSTEM SET autovacuum = off" };
    admin.batch_execute(set).await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
}

/// The share of the throughput of sales that is left with events, while somebody listens at each business.
async fn cost(report: &mut Report, admin: &tokio_postgres::Client, server: &Server, tills: &[Till]) {
    // Without events, the outbox stays empty: the relay and the clients have nothing to do.
    const WITHOUT: &str = "
        CREATE FUNCTION public.leave_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER leave_out BEFORE INSERT ON shared.outbox
            FOR EACH ROW EXECUTE FUNCTION public.leave_out()";
    const WITH: &str = "DROP TRIGGER leave_out ON shared.outbox; DROP FUNCTION public.leave_out()";
    let lines = sales::lines_of(tills);
    let mut listeners = Vec::new();
    for till in tills {
        listeners.push(listen(server.port, till, Arrivals::default()).await);
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        // The tables grow meanwhile, so the order changes in the middle of a round.
        let mut sold = [0.0; 4];
        for (turn, is_with) in [true, false, false, true].into_iter().enumerate() {
            if !is_with {
                admin.batch_execute(WITHOUT).await.unwrap();
            }
            sold[turn] = sales::drive(server.port, &lines, SELLERS, TURN_SECONDS);
            if !is_with {
                admin.batch_execute(WITH).await.unwrap();
            }
        }
        rounds.push((sold[0] + sold[3], sold[1] + sold[2]));
    }
    let (with, without) = median(rounds);
    let what = "sales with events, 100 clients listen / without events";
    report.ratio(what, with / 2.0, without / 2.0, "/s", Some(0.9));
    listeners.iter().for_each(JoinHandle::abort);
}

/// The statements of a server at rest.
async fn idle(report: &mut Report, database: &TestDatabase, admin: &tokio_postgres::Client) {
    let (rest, time) = (Duration::from_secs(10), Duration::from_secs(60));
    let asked = replay::statements_of_idle_server(database, admin, rest, time).await;
    report.below("statements of an idle server", asked as f64 / time.as_secs_f64(), "/s", Some(4.0));
}
