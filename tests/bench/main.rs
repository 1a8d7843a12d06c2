//! Benchmarks of isolation, HTTP, onboarding, migrations, backups and memory. Speeds are measured as ratios
//! within one run. `scripts/bench` builds the binaries and starts a PostgreSQL for this program.

mod against;
mod archive;
mod fleet;
mod http;
mod isolation;
mod live;
mod process;
mod replay;
mod report;
mod sales;
mod sign_in;
mod trade;

use harness::TestDatabase;

use crate::report::Report;

fn main() -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut report = Report::default();
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench.json"));
    if let Some(other) = std::env::var_os("TENANTRY_BENCH_AGAINST") {
        runtime.block_on(against::measure_all(&mut report, std::path::Path::new(&other)));
        return exit_code(report.finish(path));
    }
    let database = runtime.block_on(TestDatabase::new());
    // From few businesses to many, because some costs grow with PostgreSQL's system catalogue.
    let tenants = runtime.block_on(fleet::onboard_first(&mut report, &database));
    if is_wanted("isolation") {
        runtime.block_on(isolation::measure_all(&mut report, &database, &tenants));
    }
    if is_wanted("start") {
        process::start_up(&mut report, &database);
    }
    if is_wanted("http") {
        runtime.block_on(http::measure_all(&mut report, &database, &tenants));
    }
    if is_wanted("sign_in") {
        runtime.block_on(sign_in::measure_all(&mut report, &database, &tenants));
    }
    if is_wanted("trade") {
        runtime.block_on(trade::measure_all(&mut report, &database, &tenants));
    }
    if is_wanted("sales") {
        runtime.block_on(sales::measure_all(&mut report, &database, &tenants));
    }
    if is_wanted("live") {
        runtime.block_on(live::measure_all(&mut report, &database, &tenants));
    }
    if is_wanted("large") {
        runtime.block_on(trade::large_business(&mut report, &database));
    }
    if is_wanted("archive") {
        runtime.block_on(archive::measure_all(&mut report, &database, &tenants));
    }
    if is_wanted("fleet") {
        runtime.block_on(fleet::measure_all(&mut report, &database));
    }
    drop(database);
    exit_code(report.finish(path))
}

/// Whether this part is measured: all are, unless TENANTRY_BENCH names some.
fn is_wanted(part: &str) -> bool {
    let only = std::env::var("TENANTRY_BENCH").unwrap_or_default();
    only.is_empty() || only.split(',').any(|name| name == part)
}

fn exit_code(met: bool) -> std::process::ExitCode {
    if met { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
