//! Receipts: chained, printed, mailed and signed.

use harness::TestApp;
use harness::till::{open_shift, refund, register, sell_units};
use serde_json::{Value, json};

use crate::orders::{made, stocked};

#[tokio::test]
async fn a_changed_or_missing_receipt_is_found() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = app.database.as_admin().await;
    let bolt = stocked(&acme, "BOLT", "1000").await;
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "100").await;
    let mut sales = Vec::new();
    for _ in 0..12 {
        sales.push(made(sell_units(&acme, &till, &bolt, "1").await));
    }
    made(refund(&acme, &till, &sales[2], json!({})).await);
    let path = format!("sales/{}/void", sales[3]["id"].as_str().unwrap());
    assert_eq!(acme.submit(&path, &json!({"reason": "mistyped"})).await.status, 200);
    let (schema, second) = (acme.tenant.schema.as_str(), sales[1]["id"].as_str().unwrap());
    let change = async |sql: &str| {
        // Without triggers and foreign keys, as somebody works who wants to hide something.
        let sql = sql.replace("$schema", schema).replace("$id", second);
        let sql = format!("SET session_replication_role = replica; {sql}; RESET session_replication_role");
        admin.batch_execute(&sql).await.unwrap();
    };
    let faults = async || -> Vec<(String, String)> {
        let faults = acme.get("/api/v1/stock/ledger").await.body["faults"].clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let of = |fault: &Value| (text(&fault["fault"]), text(&fault["subject"]));
        faults.as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(faults().await, []);
    let series = sales[0]["series"].as_str().unwrap();
    let chain = |number: usize| vec![("chain".to_owned(), format!("{series}-{number:06}"))];
    for (number, changed, back) in [
        (2, "sales SET note = 'x' WHERE id = '$id'", "sales SET note = NULL WHERE id = '$id'"),
        (
            2,
            "sales SET sold_at = sold_at - interval '1 day' WHERE id = '$id'",
            "sales SET sold_at = sold_at + interval '1 day' WHERE id = '$id'",
        ),
        (
            2,
            "sale_lines SET name = name || 's' WHERE sale_id = '$id'",
            "sale_lines SET name = left(name, -1) WHERE sale_id = '$id'",
        ),
        (
            2,
            "sale_payments SET method = 'card' WHERE sale_id = '$id'",
            "sale_payments SET method = 'cash' WHERE sale_id = '$id'",
        ),
        (
            13,
            "sale_returns SET is_restocked = NOT is_restocked",
            "sale_returns SET is_restocked = NOT is_restocked",
        ),
        (
            4,
            "sales SET void_reason = 'stolen' WHERE number = 4",
            "sales SET void_reason = 'mistyped' WHERE number = 4",
        ),
    ] {
        change(&format!("UPDATE $schema.{changed}")).await;
        let found = faults().await;
        assert_eq!(found, chain(number), "{changed}");
        change(&format!("UPDATE $schema.{back}")).await;
        assert_eq!(faults().await, []);
    }

    // A receipt that vanishes with all its parts, and one that forgets its hash.
    let vanish = ["sale_lines WHERE sale_id", "sale_payments WHERE sale_id", "sales WHERE id"]
        .map(|from| format!("DELETE FROM $schema.{from} = (SELECT id FROM $schema.sales WHERE number = 8)"));
    change(&vanish.join(";")).await;
    let found = faults().await;
    let numbers = ("numbers".to_owned(), series.to_owned());
    assert_eq!(found, [vec![numbers], chain(9)].concat());
    change("UPDATE $schema.sales SET chain_hash = NULL WHERE number = 12").await;
    assert!(faults().await.contains(&chain(12)[0]));
}
