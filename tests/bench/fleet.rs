//! Onboarding with new and with spare schemas, migration of a thousand schemas, and the memory of PostgreSQL
//! backends that serve thousands of businesses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::TestDatabase;
use identity::{Hasher, PasswordKey, PasswordKeys, PasswordPolicy};
use platform::{Actor, NewMember, Onboarding, OnboardingRequest, migrations};
use secrecy::SecretString;
use tenancy::fleet::RunOptions;
use tenancy::{Database, DbError, PoolSettings, Tenant, TenantSlug, TenantTx};
use values::Currency;
use values::Email;
use values::Name;

use crate::process::{self, Server, status_of};
use crate::report::Report;

pub const PASSWORD: &str = "correct horse battery";
const FIRST: usize = 100;
const MANY: usize = 1000;

fn onboarding(database: &TestDatabase) -> Onboarding {
    let secret = SecretString::from("a password key of the benchmark, long");
    Onboarding::new(
        database.owner_database(),
        Hasher::new(PasswordKeys { current: PasswordKey::new(&secret).ok().unwrap(), former: vec![] }, 4, 2),
    )
}

/// Onboards a business. All businesses have one owner, so only the first onboarding hashes a password.
async fn onboard(onboarding: &Onboarding, slug: &str, first: bool) -> Arc<Tenant> {
    let password = PasswordPolicy::for_demo().check(&SecretString::from(PASSWORD), &[]).unwrap();
    let new = OnboardingRequest {
        slug: TenantSlug::parse(slug).unwrap(),
        name: Name::parse("Shop").unwrap(),
        currency: Currency::default(),
        owner: NewMember::owner(Email::parse("owner@shops.test").unwrap(), None, first.then_some(password)),
    };
    onboarding.create(&new, &Actor::named("bench")).await.unwrap().tenant
}

/// Onboards one more business with the same owner.
pub async fn onboard_one(database: &TestDatabase, slug: &str) -> Arc<Tenant> {
    onboard(&onboarding(database), slug, false).await
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Onboards a hundred businesses, half with a new schema and half with a spare schema.
pub async fn onboard_first(report: &mut Report, database: &TestDatabase) -> Vec<Arc<Tenant>> {
    let onboarding = onboarding(database);
    let mut tenants = vec![onboard(&onboarding, "shop-0", true).await];
    let mut timed = async |range: std::ops::Range<usize>| {
        let mut durations = Vec::new();
        for n in range {
            let started = Instant::now();
            tenants.push(onboard(&onboarding, &format!("shop-{n}"), false).await);
            durations.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        median(durations)
    };
    let cold = timed(1..FIRST / 2).await;
    onboarding.owner_database().fill_spares(FIRST).await.unwrap();
    let spare = timed(FIRST / 2..FIRST).await;
    report.below("onboarding without the password hash, new schema (median)", cold, "ms", Some(150.0));
    report.below("onboarding without the password hash, spare schema (median)", spare, "ms", Some(15.0));
    tenants
}

pub async fn measure_all(report: &mut Report, database: &TestDatabase) {
    let onboarding = Arc::new(onboarding(database));
    // Read again, because another part may have restored one of the businesses into another schema.
    let owner_database = onboarding.owner_database();
    let tenants = owner_database.write_shared(async |tx| tenancy::tenant::all(tx).await).await.unwrap();
    let small = tenants.iter().find(|tenant| tenant.slug.as_str() == "shop-99").unwrap();
    let folder = std::env::temp_dir().join(format!("{}-small", database.name));
    let back_up = async || {
        let mut best = f64::MAX;
        for _ in 0..10 {
            let started = Instant::now();
            platform::backup::create(onboarding.owner_database(), small, &folder).await.unwrap();
            best = best.min(started.elapsed().as_secs_f64() * 1000.0);
        }
        best
    };
    let among_few = back_up().await;

    // Onboard a thousand businesses while other businesses run queries.
    let over = Arc::new(AtomicBool::new(false));
    let load = {
        let (over, tenants) = (over.clone(), tenants.clone());
        let server = database.pool(4);
        tokio::spawn(async move {
            const DASHBOARD: &str = "SELECT count(*), coalesce(sum(on_hand), 0) FROM stock_levels";
            let work = async |offset: usize| {
                let mut turn = offset;
                while !over.load(Ordering::Relaxed) {
                    let scope = tenants[turn % tenants.len()].scope();
                    let read: Result<(), DbError> = server
                        .read(&scope, async |tx: &TenantTx| tx.query(DASHBOARD, &[]).await.map(drop))
                        .await;
                    read.unwrap();
                    turn += 1;
                }
            };
            tokio::join!(work(0), work(25), work(50), work(75));
        })
    };
    let started = Instant::now();
    let onboard_some = |from: usize| {
        let onboarding = onboarding.clone();
        async move {
            for n in (from..MANY).step_by(4) {
                onboard(&onboarding, &format!("many-{n}"), false).await;
            }
        }
    };
    tokio::join!(onboard_some(0), onboard_some(1), onboard_some(2), onboard_some(3));
    let seconds = started.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    load.await.unwrap();
    report.below("1,000 businesses onboarded, one owner, beside a busy server", seconds, "s", Some(180.0));

    let among_many = back_up().await;
    report.growth(
        "backup of a small business, among 1,100 schemas / among 100",
        among_many,
        among_few,
        "ms",
        Some(2.0),
    );
    report.below(
        "backup of a small business among 1,100 schemas (best of 10)",
        among_many,
        "ms",
        Some(100.0),
    );
    let _ = std::fs::remove_dir_all(folder);

    let best_no_op = (0..3).map(|_| process::run(database, &["migrate", "run"]).0).fold(f64::MAX, f64::min);
    report.below("`migrate run` with nothing to do, 1,100 schemas", best_no_op, "s", Some(1.0));
    let files = migrations::of_tenant().unwrap();
    let files = files.and("V0900__colour.sql", "ALTER TABLE products ADD COLUMN colour text").unwrap();
    let newer = database.provisioner_with(files);
    let started = Instant::now();
    let done = newer.migrate_fleet(&RunOptions::default(), |_| ()).await.unwrap();
    assert_eq!(done.failed, 0);
    let seconds = started.elapsed().as_secs_f64();
    report.below("one added column in 1,100 schemas, 4 jobs", seconds, "s", Some(10.0));

    memory(report, database, &newer).await;
}

/// Queries two thousand businesses through a pool of a server's size. The memory of the backends must not
/// grow without limit.
async fn memory(report: &mut Report, database: &TestDatabase, owner_database: &tenancy::OwnerDatabase) {
    const TOUCH: &str = "
        SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM variants)
             + (SELECT count(*) FROM barcodes)
             + (SELECT count(*) FROM categories) + (SELECT count(*) FROM stock_levels)
             + (SELECT count(*) FROM stock_movements) + (SELECT count(*) FROM locations) AS rows";
    owner_database.fill_spares(900).await.unwrap();
    let mut tenants = owner_database.write_shared(async |tx| tenancy::tenant::all(tx).await).await.unwrap();
    for n in tenants.len()..2000 {
        let new = tenancy::NewTenant {
            slug: TenantSlug::parse(&format!("visited-{n}")).unwrap(),
            name: "Visited".into(),
            id: None,
        };
        let made: Result<_, tenancy::ProvisionError> =
            owner_database.create(&new, async |_| Ok(()), async |_, _| Ok(())).await;
        tenants.push(made.unwrap().0);
    }
    let settings = PoolSettings { max_connections: 8, pools: 4, ..PoolSettings::default() };
    let pool = Database::new(&database.url().parse().unwrap(), &settings).unwrap();
    let admin = database.as_admin().await;
    let biggest = async || {
        let sql =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE '%server'";
        let rows = admin.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| private(row.get::<_, i32>(0).unsigned_abs())).fold(0.0, f64::max)
    };
    let mut peaks = Vec::new();
    for (at, tenant) in tenants.iter().take(2000).enumerate() {
        let read: Result<(), DbError> =
            pool.read(&tenant.scope(), async |tx: &TenantTx| tx.query(TOUCH, &[]).await.map(drop)).await;
        read.unwrap();
        if at % 100 == 99 {
            peaks.push(biggest().await);
        }
    }
    let half = peaks.len() / 2;
    let first = peaks[..half].iter().copied().fold(0.0, f64::max);
    let second = peaks[half..].iter().copied().fold(0.0, f64::max);
    let what = "largest backend, second 1,000 businesses / first 1,000";
    report.growth(what, second, first, "MiB", Some(1.15));
    let server = Server::start(database, "tenantry");
    std::thread::sleep(Duration::from_secs(1));
    report.below("server with 2,000 businesses, resident memory", server.resident(), "MiB", None);
}

/// The private memory of a process, in MiB. It leaves out shared buffers, which all backends share.
fn private(pid: u32) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let sum: f64 = rollup
        .lines()
        .filter_map(|line| {
            line.strip_prefix("Private_Dirty:").or_else(|| line.strip_prefix("Private_Clean:"))
        })
        .filter_map(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .sum();
    if sum > 0.0 { sum / 1024.0 } else { status_of(pid, "RssAnon:") }
}
