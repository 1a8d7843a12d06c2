//! Random sequences of documents, after each of which the books must add up.

use std::process::Stdio;

use harness::sequences::{parts, till, value};
use harness::{Program, TestApp, TestDatabase};
use platform::migrations;
use tenancy::{NewTenant, ProvisionError, TenantSlug, TenantTx};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

const SEQUENCES: usize = 100;

#[tokio::test]
async fn the_value_of_goods_is_conserved() {
    let app = TestApp::start().await;
    value::is_conserved(&app.tenant("acme").await, SEQUENCES, 12).await;
}

#[tokio::test]
async fn the_parts_of_an_order_add_up() {
    let app = TestApp::start().await;
    parts::add_up(&app.tenant("acme").await, SEQUENCES, 12).await;
}

#[tokio::test]
async fn the_drawer_of_a_till_adds_up() {
    let app = TestApp::start().await;
    till::adds_up(&app.tenant("acme").await, SEQUENCES, 12).await;
}

/// What a new business of that release starts with.
pub const OLD_DEFAULTS: [&str; 2] = [
    "INSERT INTO settings (id, currency, currency_decimals, time_zone, updated_at)
     VALUES (1, 'USD', 2, 'UTC', now())",
    "INSERT INTO locations (id, name, is_default, created_at, updated_at)
     VALUES ('00000000-0000-7000-8000-000000000001', 'Main', true, now(), now())",
];
const OLD_BOOKS: &str = include_str!("old_books.sql");

/// Runs `tests/model/month.py`, which keeps the books a second time.
#[tokio::test]
async fn an_independent_model_agrees_with_every_figure_of_a_month() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = app.database.as_admin().await;
    let schema = &acme.tenant.schema;
    let older = [
        ("stock_movements", "occurred_at"),
        ("unstocked_sales", "occurred_at"),
        ("order_refunds", "refunded_at"),
    ]
    .map(|(table, moment)| format!("UPDATE {schema}.{table} SET {moment} = {moment} - interval '1 day';"))
    .concat();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/model/month.py");
    let mut month = Command::new("python3")
        .args(["-B", model, "--url", &format!("http://127.0.0.1:{}", app.port())])
        .args(["--host", &acme.host, "--token", acme.token.as_deref().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python3 is missing; scripts/test installs it");
    let (mut input, output) = (month.stdin.take().unwrap(), month.stdout.take().unwrap());
    let mut lines = BufReader::new(output).lines();
    let mut told = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line == "end of day" {
            admin.batch_execute(&older).await.unwrap();
            input.write_all(b"\n").await.unwrap();
        } else {
            told.push_str(&line);
            told.push('\n');
        }
    }
    assert!(month.wait().await.unwrap().success(), "{told}");
    assert!(told.starts_with("all figures agree"), "{told}");
}

#[tokio::test]
async fn an_older_business_gets_values_and_the_difference_is_booked_once() {
    let database = TestDatabase::new().await;
    let old = database.provisioner_with(migrations::of_tenant().unwrap().up_to(17));
    let new = NewTenant { slug: TenantSlug::parse("shop").unwrap(), name: "Shop".to_owned(), id: None };
    let seed = async |tx: &TenantTx| {
        for sql in OLD_DEFAULTS {
            tx.execute(sql, &[]).await?;
        }
        Ok(())
    };
    let made: Result<_, ProvisionError> = old.create(&new, seed, async |_, _| Ok(())).await;
    made.unwrap();
    let admin = database.as_admin().await;
    admin.batch_execute(OLD_BOOKS).await.unwrap();
    let program = Program::on(&database);
    let ran = program.run(&["migrate", "run"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verified = program.run(&["ledger", "verify", "--all"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");

    let told = async |sql: &str| -> Vec<String> {
        let rows = admin.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    // 4 units cost 5.33333333, and their movements 5.3332.
    let booked = "SELECT quantity || ' ' || value || ' ' || balance_after || ' ' || position
                    FROM stock_movements WHERE kind = 'revaluation'";
    assert_eq!(told(booked).await, ["0.000 0.00013333 4.000 6"]);
    let in_transit = "SELECT sent_value || ' ' || transit_value FROM stock_transfer_lines";
    assert_eq!(told(in_transit).await, ["2.66660000 1.33330000"]);
    // Nothing is owed of what was sold before payments were kept.
    let paid = "SELECT concat_ws(' ', o.status, o.total - o.credited - o.paid, p.amount, p.method)
                  FROM orders o LEFT JOIN order_payments p ON p.order_id = o.id ORDER BY o.number";
    assert_eq!(told(paid).await, ["fulfilled 0.0000 6.6600 other", "partly_fulfilled 7.4900"]);
    let lines = "SELECT concat_ws(' ', cost, out_total, out_tax, open_total, open_tax)
                   FROM order_lines l JOIN orders o ON o.id = l.order_id ORDER BY o.number";
    assert_eq!(
        told(lines).await,
        ["2.66660000 6.6600 0.6600 0.0000 0.0000", "2.66660000 5.0000 0.5000 2.4900 0.2500"]
    );
}
