//! Orders over HTTP are compared with pgbench, which replays the statements of such an order. Search, lists
//! and the dashboard of a large business are compared with their SQL alone.

use std::collections::HashMap;
use std::sync::Arc;

use harness::TestDatabase;
use harness::volume::{self, LARGE};
use serde_json::{Value, json};
use tenancy::Tenant;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::http::{self, ROUNDS, SECONDS, WARM_UP_SECONDS, median};
use crate::process::Server;
use crate::replay::{self, Script, pgbench};
use crate::report::Report;

const BUSINESSES: usize = 50;
/// The number of variants of each business. Each line of an order of `n` lines takes one of its own `VARIANTS
/// / n` variants.
pub const VARIANTS: usize = 400;
const HOT: usize = 50;

pub fn variant(number: usize) -> Uuid {
    Uuid::parse_str(&format!("00000000-0000-7000-8000-{number:012}")).unwrap()
}

/// Adds variants whose ids can be computed, with enough stock for the whole run.
pub async fn fill(admin: &Client, schema: impl std::fmt::Display) {
    // `--against` also fills the schemas of an earlier release, whose levels have an average cost, and whose
    // SKUs have no keys.
    const COST: &str = "
        SELECT CASE WHEN count(*) > 0 THEN 'value' ELSE 'average_cost' END FROM information_schema.columns
         WHERE table_name = 'stock_levels' AND column_name = 'value'";
    let column: String = admin.query_one(COST, &[]).await.unwrap().get(0);
    let cost = if column == "value" { "40000000000" } else { "4" };
    const HAS_KEYS: &str = "
        SELECT EXISTS (SELECT FROM information_schema.columns
                        WHERE table_name = 'variants' AND column_name = 'sku_key')";
    let has_keys: bool = admin.query_one(HAS_KEYS, &[]).await.unwrap().get(0);
    let (keys, key) = if has_keys { (", sku_key", ", 't-' || lower(name)") } else { ("", "") };
    let sql = format!(
        "SET search_path = {}, extensions;
         INSERT INTO products (id, name, option_names, created_at, updated_at)
         SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Thing ' || n, '{{}}',
                now(), now()
           FROM generate_series(1, {VARIANTS}) n ON CONFLICT DO NOTHING;
         INSERT INTO variants (id, product_id, sku, price, cost, options, created_at, updated_at{keys})
         SELECT id, id, 'T-' || name, 12.5, 4, '{{}}', now(), now(){key} FROM products
          WHERE name LIKE 'Thing %' ON CONFLICT DO NOTHING;
         INSERT INTO stock_levels (variant_id, location_id, on_hand, reserved, position, {column}, updated_at)
         SELECT v.id, l.id, 10000000000, 0, 0, {cost}, now()
           FROM variants v, locations l WHERE v.sku LIKE 'T-%' ON CONFLICT DO NOTHING",
        schema
    );
    admin.batch_execute(&sql).await.unwrap();
    admin.batch_execute("RESET search_path").await.unwrap();
}

/// The part of a Lua script that posts a document to the targets in turn, each under a key of its own.
pub const SUBMIT: &str = "
    local threads, count, turn = 0, 0, 0
    function setup(thread)
       threads = threads + 1
       thread:set('key', os.time() .. '-' .. threads .. '-')
       thread:set('seed', threads)
    end
    function init()
       math.randomseed(seed)
       turn = math.random(#targets)
    end
    function next_target()
       count, turn = count + 1, turn % #targets + 1
       return targets[turn]
    end
    function submit(target, path, body)
       local headers = {Host = target.host, authorization = target.authorization,
                        ['content-type'] = 'application/json', ['idempotency-key'] = key .. count}
       return wrk.format('POST', path, headers, body)
    end";

/// Runs wrk, which places orders of `lines` lines, in random order, at the businesses in turn. Returns the
/// orders per second.
pub fn drive_orders(
    port: u16,
    targets: &[String],
    lines: usize,
    variants: usize,
    clients: usize,
    seconds: usize,
) -> f64 {
    let lua = format!(
        "{SUBMIT}
         local part = {part}
         function request()
            local order, first = {{}}, math.random({lines})
            for n = 1, {lines} do
               local line = (first + n) % {lines}
               local variant = string.format('00000000-0000-7000-8000-%012d', line * part + math.random(part))
               order[n] = '{{\"variantId\":\"' .. variant .. '\",\"quantity\":\"1\"}}'
            end
            local lines = '{{\"lines\":[' .. table.concat(order, ',') .. ']}}'
            return submit(next_target(), '/api/v1/orders', lines)
         end",
        part = variants / lines,
    );
    http::wrk(port, targets, &lua, clients, seconds).0
}

/// Runs wrk, which receives goods of purchase orders in turn. The subject of each target is the path of its
/// receipts and one receipt, with `;` between them. Returns the receipts per second.
pub fn drive_receipts(port: u16, targets: &[String], clients: usize, seconds: usize) -> f64 {
    let lua = format!(
        "{SUBMIT}
         function request()
            local target = next_target()
            return submit(target, target.subject:match('(.*);(.*)'))
         end"
    );
    http::wrk(port, targets, &lua, clients, seconds).0
}

pub async fn deadlocks(admin: &Client) -> i64 {
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    admin.query_one(sql, &[]).await.unwrap().get(0)
}

/// The ids and names that differ between businesses in the statements of an order. Each map leads from the
/// first business's values to the values of one business.
async fn differences(admin: &Client, tenants: &[Arc<Tenant>]) -> Vec<HashMap<String, String>> {
    let mut all = Vec::new();
    for tenant in tenants {
        all.push(fixed_in(admin, tenant).await);
    }
    all.iter().map(|of| all[0].iter().cloned().zip(of.iter().cloned()).collect()).collect()
}

/// The ids and names in the statements of a document that are the same in every document of the business.
pub async fn fixed_in(admin: &Client, tenant: &Tenant) -> [String; 5] {
    let location = format!("SELECT id FROM {}.locations WHERE is_default", tenant.schema);
    let location: Uuid = admin.query_one(&location, &[]).await.unwrap().get(0);
    let owner: Uuid = admin.query_one("SELECT id FROM shared.users LIMIT 1", &[]).await.unwrap().get(0);
    let (schema, role) = (tenant.schema.quoted(), tenant.role.quoted());
    [tenant.id.to_string(), location.to_string(), schema, role, owner.to_string()]
}

/// Measures orders at many businesses, and orders at one business with few variants that all clients buy.
pub async fn measure_all(report: &mut Report, database: &TestDatabase, tenants: &[Arc<Tenant>]) {
    let tenants = &tenants[..BUSINESSES];
    let admin = database.as_admin().await;
    for tenant in tenants {
        fill(&admin, &tenant.schema).await;
    }
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
    let server = Server::start(database, "tenantry");
    let targets = http::targets(&server, database, tenants).await;
    let differences = differences(&admin, tenants).await;
    let url = database.by_socket(&database.url()).await;
    let before = deadlocks(&admin).await;
    for (what, lines, variants, businesses, clients, bar) in [
        ("order of two lines, 50 businesses, 16 clients", 2, VARIANTS, BUSINESSES, 16, 0.5),
        ("order of five lines, 50 hot variants, 32 clients", 5, HOT, 1, 32, 0.4),
    ] {
        let body: Vec<Value> =
            (0..lines).map(|line| json!({"variantId": variant(line + 1), "quantity": "1"})).collect();
        let body = json!({"lines": body});
        let logged = replay::statements_of(database, &admin, |client, port, n| {
            let key = format!("logged-{lines}-{n}");
            http::request(client, port, &targets[0], "POST", "/api/v1/orders")
                .header("idempotency-key", key)
                .json(&body)
        })
        .await;
        let scripts = |in_one_flight| -> Vec<Script> {
            let of = |same| Script::from(replay::documents(&logged, lines, variants, same, in_one_flight));
            differences[..businesses].iter().map(of).collect()
        };
        let (one_by_one, in_one_flight) = (scripts(false), scripts(true));
        let targets = &targets[..businesses];
        drive_orders(server.port, targets, lines, variants, clients, WARM_UP_SECONDS);
        let mut rounds = Vec::new();
        let mut flights = Vec::new();
        for _ in 0..ROUNDS {
            let replayed = pgbench(&url, "", &one_by_one, clients, SECONDS);
            let orders = drive_orders(server.port, targets, lines, variants, clients, SECONDS);
            rounds.push((orders, replayed));
            flights.push((orders, pgbench(&url, "", &in_one_flight, clients, SECONDS)));
        }
        let (orders, replayed) = median(rounds);
        report.ratio(&format!("HTTP {what} / its statements by pgbench"), orders, replayed, "/s", Some(bar));
        let (orders, flight) = median(flights);
        report.ratio(&format!("HTTP {what} / the same in one pipeline"), orders, flight, "/s", None);
    }
    report.below("deadlocks during these orders", (deadlocks(&admin).await - before) as f64, "", Some(1.0));
}

/// Measures lists, search and dashboard of a business with 10,000 variants, 500,000 stock movements and
/// 200,000 order lines.
pub async fn large_business(report: &mut Report, database: &TestDatabase) {
    let admin = &database.as_admin().await;
    let tenant = crate::fleet::onboard_one(database, "large").await;
    volume::fill(admin, tenant.schema.as_str(), &LARGE).await;
    let server = Server::start(database, "tenantry");
    let (url, search_path) =
        (database.by_socket(&database.owner_url()).await, format!("{},extensions", tenant.schema));
    let target = http::targets(&server, database, std::slice::from_ref(&tenant)).await;
    for (what, path, clients, bar) in [
        ("name search in 10,000 variants, 8 clients", "/api/v1/products?q=7a9", 8, 2.0),
        ("list page in 10,000 variants, 8 clients", "/api/v1/products", 8, 2.0),
        ("dashboard of 500,000 movements, 4 clients", "/api/v1/dashboard", 4, 1.3),
    ] {
        let logged = replay::statements_of(database, admin, |client, port, _| {
            http::request(client, port, &target[0], "GET", path)
        })
        .await;
        let script = replay::queries(&logged);
        http::drive(server.port, &target, path, clients, 2);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let sql = pgbench(&url, &search_path, std::slice::from_ref(&script), clients, SECONDS);
            rounds.push((sql, http::drive(server.port, &target, path, clients, SECONDS).0));
        }
        let (sql, served) = median(rounds);
        let milliseconds = |per_second: f64| clients as f64 * 1000.0 / per_second;
        report.growth(
            &format!("HTTP {what} / its SQL alone"),
            milliseconds(served),
            milliseconds(sql),
            "ms",
            Some(bar),
        );
    }
}
