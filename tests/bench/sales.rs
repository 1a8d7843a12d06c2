//! Sales over HTTP are compared with pgbench, which replays the statements of such a sale.

use std::collections::HashMap;
use std::sync::Arc;

use harness::TestDatabase;
use serde_json::{Value, json};
use tenancy::Tenant;

use crate::http::{self, ROUNDS, SECONDS, WARM_UP_SECONDS, median};
use crate::process::Server;
use crate::replay::{self, Script, pgbench};
use crate::report::Report;
use crate::trade::{self, VARIANTS, variant};

/// The lines of a sale.
pub const LINES: usize = 3;

/// A register with an open shift, and the token of its seller.
pub struct Till {
    pub host: String,
    pub token: String,
    pub register: String,
    shift: String,
    series: String,
}

impl Till {
    /// Opens a shift at a new register. `target` is a line of [`http::targets`].
    pub async fn open(port: u16, target: &str, series: &str) -> Self {
        let mut parts = target.split(' ').map(str::to_owned);
        let (host, token) = (parts.next().unwrap(), parts.next().unwrap());
        let post = async |path: &str, body: &Value| -> Value {
            let request = http::request(&reqwest::Client::new(), port, target, "POST", path);
            let key = format!("{path}-{series}");
            let answer = request.header("idempotency-key", key).json(body).send().await.unwrap();
            let (status, answer) = (answer.status(), answer.json::<Value>().await.unwrap());
            assert!(status.is_success(), "{path}: {answer}");
            answer
        };
        let register = json!({"name": format!("Till {series}"), "series": series});
        let register = post("/api/v1/registers", &register).await["id"].as_str().unwrap().to_owned();
        let shift = post("/api/v1/shifts", &json!({"registerId": register, "openingFloat": "0"})).await;
        let (shift, series) = (shift["id"].as_str().unwrap().to_owned(), series.to_owned());
        Self { host, token, register, shift, series }
    }
}

/// Tills as lines for a script of wrk.
pub fn lines_of(tills: &[Till]) -> Vec<String> {
    tills.iter().map(|till| format!("{} {} {}", till.host, till.token, till.register)).collect()
}

/// A cash sale of one unit of each of these variants.
pub fn request(
    client: &reqwest::Client,
    port: u16,
    till: &Till,
    variants: [usize; LINES],
    key: String,
) -> reqwest::RequestBuilder {
    let lines = variants.map(|number| json!({"variantId": variant(number), "quantity": "1"}));
    let body = json!({"registerId": till.register, "lines": lines, "payments": [{"method": "cash"}]});
    client
        .post(format!("http://127.0.0.1:{port}/api/v1/sales"))
        .header("host", &till.host)
        .bearer_auth(&till.token)
        .header("idempotency-key", key)
        .json(&body)
}

/// Runs wrk, which sells three lines for cash at the tills in turn. Returns the sales per second.
pub fn drive(port: u16, tills: &[String], clients: usize, seconds: usize) -> f64 {
    let lua = format!(
        "{submit}
         local part = {part}
         function request()
            local target, lines, first = next_target(), {{}}, math.random({LINES})
            for n = 1, {LINES} do
               local line = (first + n) % {LINES}
               local variant = string.format('00000000-0000-7000-8000-%012d', line * part + math.random(part))
               lines[n] = '{{\"variantId\":\"' .. variant .. '\",\"quantity\":\"1\"}}'
            end
            local body = '{{\"registerId\":\"' .. target.subject .. '\",\"lines\":['
               .. table.concat(lines, ',') .. '],\"payments\":[{{\"method\":\"cash\"}}]}}'
            return submit(target, '/api/v1/sales', body)
         end",
        submit = trade::SUBMIT,
        part = VARIANTS / LINES,
    );
    http::wrk(port, tills, &lua, clients, seconds).0
}

/// Measures sales at eight registers, and at one register, for which all clients compete.
pub async fn measure_all(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let admin = database.as_admin().await;
    let tenant = &tenants[0];
    trade::fill(&admin, &tenant.schema).await;
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
    let server = Server::start(database, "tenantry");
    let target = http::targets(&server, database, &tenants[..1]).await.remove(0);
    let mut tills = Vec::new();
    for number in 0..8 {
        tills.push(Till::open(server.port, &target, &format!("S{number}")).await);
    }
    let url = database.by_socket(&database.url()).await;
    let before = trade::deadlocks(&admin).await;
    for (what, tills, clients, bar) in [
        ("cash sale of three lines, 8 registers, 16 clients", &tills[..], 16, 0.65),
        ("cash sale of three lines, 1 register, 32 clients", &tills[..1], 32, 0.4),
    ] {
        let logged = replay::statements_of(database, &admin, |client, port, number| {
            request(client, port, &tills[0], [1, 2, 3], format!("logged-{clients}-{number}"))
        })
        .await;
        let fixed = trade::fixed_in(&admin, tenant).await;
        let script = |till: &Till| {
            let first = &tills[0];
            let mut same: HashMap<String, String> = fixed.iter().map(|id| (id.clone(), id.clone())).collect();
            same.insert(first.register.clone(), till.register.clone());
            same.insert(first.shift.clone(), till.shift.clone());
            let series = |till: &Till| format!("{}-{}", till.series, chrono::Utc::now().format("%Y"));
            same.insert(series(first), series(till));
            Script::from(replay::documents(&logged, LINES, VARIANTS, &same, false))
        };
        let scripts: Vec<Script> = tills.iter().map(script).collect();
        let lines = lines_of(tills);
        drive(server.port, &lines, clients, WARM_UP_SECONDS);
        // The plans of the first moments are those for empty tables.
        admin.batch_execute("ANALYZE").await.unwrap();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let replayed = pgbench(&url, "", &scripts, clients, SECONDS);
            rounds.push((drive(server.port, &lines, clients, SECONDS), replayed));
        }
        let (sales, replayed) = median(rounds);
        report.ratio(&format!("HTTP {what} / its statements by pgbench"), sales, replayed, "/s", Some(bar));
    }
    let after = trade::deadlocks(&admin).await;
    report.below("deadlocks during these sales", (after - before) as f64, "", Some(1.0));
}
