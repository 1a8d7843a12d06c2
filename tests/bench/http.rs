//! HTTP: the handlers are compared with their SQL alone, run by pgbench, and their SQL in scoped transactions
//! with the same SQL without scopes. The last measurement shows how a flood of requests to one business
//! affects another business.

use std::process::Command;
use std::sync::Arc;

use harness::TestDatabase;
use serde_json::{Value, json};
use tenancy::Tenant;

use crate::fleet::PASSWORD;
use crate::isolation;
use crate::process::Server;
use crate::replay;
use crate::report::Report;

const PRODUCTS: usize = 200;
const CONNECTIONS: usize = 16;
pub const ROUNDS: usize = 3;
pub const SECONDS: usize = 4;
/// Time for each connection to plan the statements of each business. The benchmark measures a server that has
/// been running for a while.
pub const WARM_UP_SECONDS: usize = 10;

/// Adds products with two variants each, barcodes and stock.
async fn fill(database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let admin = database.as_admin().await;
    for tenant in tenants {
        let sql = format!(
            "SET search_path = {}, extensions;
             INSERT INTO products (id, name, option_names, created_at, updated_at)
             SELECT gen_random_uuid(), 'Product ' || n, '{{Size}}', now(), now()
               FROM generate_series(1, {PRODUCTS}) n;
             INSERT INTO variants (id, product_id, sku, sku_key, price, cost, options, created_at, updated_at)
             SELECT gen_random_uuid(), p.id, p.name || '-' || size, lower(p.name || '-' || size), 12.5, 4,
                    jsonb_build_object('Size', size), now(), now()
               FROM products p, unnest(ARRAY['S', 'L']) size;
             INSERT INTO barcodes (code, variant_id, created_at)
             SELECT md5(id::text), id, now() FROM variants;
             INSERT INTO stock_levels (variant_id, location_id, on_hand, reserved, position, updated_at)
             SELECT v.id, l.id, 7, 0, 1, now() FROM variants v, locations l",
            tenant.schema
        );
        admin.batch_execute(&sql).await.unwrap();
    }
    admin.batch_execute("RESET search_path").await.unwrap();
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
}

/// A GET or POST request with the host and the token of a line of [`targets`].
pub fn request(
    client: &reqwest::Client,
    port: u16,
    target: &str,
    method: &str,
    path: &str,
) -> reqwest::RequestBuilder {
    let mut parts = target.split(' ');
    let (host, token) = (parts.next().unwrap(), parts.next().unwrap());
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    client.request(method, format!("http://127.0.0.1:{port}{path}")).header("host", host).bearer_auth(token)
}

/// One line for each business: its host, a token, and the id of one of its variants.
pub async fn targets(server: &Server, database: &TestDatabase, tenants: &[Arc<Tenant>]) -> Vec<String> {
    let http = reqwest::Client::new();
    let admin = database.as_admin().await;
    let mut lines = Vec::new();
    for tenant in tenants {
        let host = format!("{}.localhost", tenant.slug);
        let url = format!("http://127.0.0.1:{}/api/v1/auth/login", server.port);
        let body = json!({"email": "owner@shops.test", "password": PASSWORD});
        let answer = http.post(url).header("host", &host).json(&body).send().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let token = answer["accessToken"].as_str().unwrap();
        let schema = &tenant.schema;
        let variant: uuid::Uuid =
            admin.query_one(&format!("SELECT id FROM {schema}.variants LIMIT 1"), &[]).await.unwrap().get(0);
        lines.push(format!("{host} {token} {variant}"));
    }
    lines
}

/// Runs wrk, which sends GET requests for a path to the businesses in turn. Returns the requests per second
/// and the 99th percentile of the response time in milliseconds.
pub fn drive(port: u16, targets: &[String], path: &str, connections: usize, seconds: usize) -> (f64, f64) {
    let lua = format!(
        "local requests, turn = {{}}, 0
         function init(args)
            for n, target in ipairs(targets) do
               local path = string.gsub('{path}', 'VARIANT', target.subject)
               requests[n] = wrk.format('GET', path,
                  {{Host = target.host, authorization = target.authorization}})
            end
            turn = math.random(#requests)
         end
         function request()
            turn = turn % #requests + 1
            return requests[turn]
         end"
    );
    wrk(port, targets, &lua, connections, seconds)
}

/// Runs wrk with a Lua script. The script gets the lines of `targets` as tables with the fields `host`,
/// `authorization` and `subject`.
pub fn wrk(port: u16, targets: &[String], lua: &str, connections: usize, seconds: usize) -> (f64, f64) {
    let folder = std::env::temp_dir();
    let list = folder.join(format!("tenantry-bench-{port}-{connections}.targets"));
    let script = folder.join(format!("tenantry-bench-{port}-{connections}.lua"));
    std::fs::write(&list, targets.join("\n")).unwrap();
    let read = format!(
        "local targets = {{}}
         for line in io.lines('{}') do
            local host, token, subject = line:match('(%S+) (%S+) (%S+)')
            targets[#targets + 1] = {{host = host, authorization = 'Bearer ' .. token, subject = subject}}
         end
         ",
        list.display()
    );
    std::fs::write(&script, read + lua).unwrap();
    let output = Command::new("wrk")
        .args(["-t2", &format!("-c{connections}"), &format!("-d{seconds}s"), "--latency", "-s"])
        .arg(&script)
        .arg(format!("http://127.0.0.1:{port}"))
        .output()
        .expect("wrk is missing; scripts/bench installs it");
    let text = String::from_utf8(output.stdout).unwrap();
    let _ = (std::fs::remove_file(list), std::fs::remove_file(script));
    let field = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    assert_eq!(field("Non-2xx or 3xx responses:"), None, "requests were refused: {text}");
    let per_second = field("Requests/sec:").and_then(|text| text.parse().ok()).unwrap_or(0.0);
    (per_second, field("99%").map_or(0.0, milliseconds))
}

fn milliseconds(text: &str) -> f64 {
    let number = |unit: &str| text.strip_suffix(unit).and_then(|text| text.parse::<f64>().ok());
    number("us")
        .map(|us| us / 1000.0)
        .or_else(|| number("ms"))
        .or_else(|| number("s").map(|s| s * 1000.0))
        .unwrap_or(0.0)
}

pub fn median(mut rounds: Vec<(f64, f64)>) -> (f64, f64) {
    rounds.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
    rounds[rounds.len() / 2]
}

pub async fn measure_all(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let tenants = &tenants[..tenants.len().min(100)];
    fill(database, tenants).await;
    let server = Server::start(database, "tenantry");
    let targets = targets(&server, database, tenants).await;
    let variant = targets[0].rsplit(' ').next().unwrap().to_owned();
    let admin = database.as_admin().await;

    let url = database.by_socket(&database.owner_url()).await;
    let search_path = format!("{},extensions", tenants[0].schema);
    for (what, path, bar) in [
        ("product list of 50 with variants and stock", "/api/v1/products", 0.65),
        ("one variant", "/api/v1/variants/VARIANT", 0.4),
        ("dashboard", "/api/v1/dashboard", 0.6),
    ] {
        drive(server.port, &targets, path, CONNECTIONS, WARM_UP_SECONDS);
        let logged = replay::statements_of(database, &admin, |client, port, _| {
            request(client, port, &targets[0], "GET", &path.replace("VARIANT", &variant))
        })
        .await;
        let statements = replay::literal_queries(&logged);
        isolation::measure(
            report,
            &format!("SQL of {what}, 100 businesses"),
            database,
            tenants,
            &statements,
            bar,
        )
        .await;
        let script = [replay::queries(&logged)];
        let rounds = (0..ROUNDS)
            .map(|_| {
                let bare = replay::pgbench(&url, &search_path, &script, CONNECTIONS, SECONDS);
                (drive(server.port, &targets, path, CONNECTIONS, SECONDS).0, bare)
            })
            .collect();
        let (scoped, bare) = median(rounds);
        report.ratio(
            &format!("HTTP {what}, 100 businesses, 16 connections / its SQL by pgbench"),
            scoped,
            bare,
            "/s",
            None,
        );
    }
    report.below("server after these requests, resident memory", server.resident(), "MiB", None);

    // One business gets a flood of requests on 64 connections, beside another business with 2 connections.
    let (flooder, other) = (&targets[..1], &targets[1..2]);
    let (_, alone) = drive(server.port, other, "/api/v1/products", 2, SECONDS);
    let flood = {
        let (port, flooder) = (server.port, flooder.to_vec());
        std::thread::spawn(move || drive(port, &flooder, "/api/v1/products", 64, SECONDS + 2))
    };
    std::thread::sleep(std::time::Duration::from_secs(1));
    let (_, beside) = drive(server.port, other, "/api/v1/products", 2, SECONDS);
    flood.join().unwrap();
    report.growth(
        "p99 of one business beside another's flood of 64 connections / alone",
        beside,
        alone,
        "ms",
        None,
    );
}
