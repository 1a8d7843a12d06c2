//! Words that a later release wrote: each is an error that says so, and is never read as a known word.

use std::collections::BTreeSet;

use harness::{PASSWORD, TestApp, a_product};
use identity::member_backup;
use serde_json::json;
use tenancy::{DbError, SharedScope, jobs, tenant};

/// Each closed set of a business schema, with an address that reads it.
const OF_A_BUSINESS: [(&str, &str, &str); 28] = [
    ("products", "kind", "/api/v1/products"),
    ("credits", "kind", "/api/v1/vouchers"),
    ("offline_sales", "status", "/api/v1/offline-sales"),
    ("order_lines", "kind", "/api/v1/orders"),
    ("order_payments", "method", "/api/v1/orders/ORDER/payments"),
    ("orders", "status", "/api/v1/orders"),
    ("payment_requests", "status", "/api/v1/payment-requests"),
    ("purchase_orders", "status", "/api/v1/purchase-orders"),
    ("receipt_issues", "format", "/api/v1/sales/SALE/receipt"),
    ("receipt_issues", "width", "/api/v1/sales/SALE/receipt"),
    ("sale_lines", "kind", "/api/v1/sales"),
    ("sale_payments", "method", "/api/v1/sales"),
    ("sales", "kind", "/api/v1/sales"),
    ("stock_transfers", "status", "/api/v1/stock/transfers"),
    ("stock_count_lines", "refusal", "/api/v1/stock/counts/COUNT"),
    ("stock_counts", "status", "/api/v1/stock/counts"),
    ("stock_movements", "kind", "/api/v1/stock/movements"),
    ("saved_reports", "mail_every", "/api/v1/saved-reports"),
    ("saved_reports", "mail_format", "/api/v1/saved-reports"),
    ("saved_reports", "period", "/api/v1/saved-reports"),
    ("saved_reports", "report", "/api/v1/saved-reports"),
    ("settings", "mobile_money", "/api/v1/settings"),
    ("settings", "negative_sales", "/api/v1/settings"),
    ("settings", "operator_access", "/api/v1/settings"),
    ("settings", "printer_width", "/api/v1/settings"),
    ("settings", "rounding", "/api/v1/settings"),
    ("shift_counts", "method", "/api/v1/shifts"),
    ("shifts", "status", "/api/v1/shifts"),
];

/// Closed sets that the program writes or compares in SQL and never reads.
const NEVER_READ: [&str; 8] = [
    "mails.state",
    "signing_keys.algorithm",
    "signing_keys.state",
    "schemas.state",
    "sale_approvals.approves",
    "stock_transfer_steps.kind",
    "unstocked_sales.kind",
    "user_logins.kind",
];

/// The closed sets of the `shared` schema that the test reads one by one.
const SHARED: [&str; 7] = [
    "jobs.state",
    "memberships.status",
    "tenants.status",
    "users.status",
    "webhook_deliveries.kind",
    "webhook_deliveries.outcome",
    "webhook_endpoints.status",
];

#[tokio::test]
async fn a_word_of_a_later_release_is_an_error_in_every_column() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = app.database.as_admin().await;
    let schema = acme.tenant.schema.as_str();
    const CLOSED_SETS: &str = r"
        SELECT DISTINCT r.relname || '.' || a.attname
          FROM pg_constraint c
          JOIN pg_class r ON r.oid = c.conrelid
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
         WHERE c.contype = 'c' AND cardinality(c.conkey) = 1 AND a.atttypid = 'text'::regtype
           AND r.relnamespace::regnamespace::text IN ($1, 'shared')
           AND pg_get_constraintdef(c.oid) LIKE '%ANY (ARRAY[%'";
    let stored = admin.query(CLOSED_SETS, &[&schema]).await.unwrap();
    let stored: BTreeSet<String> = stored.iter().map(|row| row.get(0)).collect();
    let known: BTreeSet<String> = OF_A_BUSINESS
        .iter()
        .map(|(table, column, _)| format!("{table}.{column}"))
        .chain(NEVER_READ.iter().chain(&SHARED).map(ToString::to_string))
        .collect();
    assert_eq!(stored, known, "add each closed set to this test");

    let product = acme.create_product(&a_product("BOLT")).await;
    let bolt = &product["variants"][0]["id"];
    assert_eq!(acme.adjust(bolt, "10").await.status, 201);
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    let supplier = acme.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await.body["id"].clone();
    let line = json!([{"variantId": bolt, "quantity": "1"}]);
    let bought = json!([{"variantId": bolt, "quantity": "1", "unitCost": "1"}]);
    for (path, body) in [
        ("orders", json!({"lines": line})),
        ("purchase-orders", json!({"supplierId": supplier, "lines": bought})),
        ("stock/transfers", json!({"fromLocationId": main, "toLocationId": shed, "lines": line})),
        ("stock/counts", json!({})),
    ] {
        assert_eq!(acme.submit(path, &body).await.status, 201, "{path}");
    }
    let count = acme.get("/api/v1/stock/counts").await.body["data"][0]["id"].as_str().unwrap().to_owned();
    let counted = json!({"lines": [{"variantId": bolt, "counted": "1"}]});
    assert_eq!(acme.submit(&format!("stock/counts/{count}/lines"), &counted).await.status, 200);
    let order = acme.get("/api/v1/orders").await.body["data"][0]["id"].as_str().unwrap().to_owned();
    let payment = json!({"method": "cash", "amount": "1"});
    assert_eq!(acme.submit(&format!("orders/{order}/payments"), &payment).await.status, 201);
    let register = harness::till::register(&acme, "R1").await;
    let shift = harness::till::open_shift(&acme, &register, "10").await;
    let sale = harness::till::sell_units(&acme, &register, bolt, "1").await.body["id"].clone();
    let sale = sale.as_str().unwrap();
    let print = acme.submit(&format!("sales/{sale}/receipt/prints"), &json!({"format": "text"})).await;
    assert_eq!(print.status, 201, "{print:?}");
    harness::till::set_till_number(&acme, "522533").await;
    let request = json!({"registerId": register, "phone": "+254712345678", "amount": "1"});
    assert_eq!(acme.submit("payment-requests", &request).await.status, 201);
    let offline = json!({
        "id": uuid::Uuid::now_v7(), "registerId": register, "reference": "OFF-1",
        "soldAt": chrono::Utc::now(),
        "lines": [{"variantId": bolt, "quantity": "1"}], "payments": [{"method": "cash"}], "total": "10",
    });
    let offline = acme.submit("offline-sales", &offline).await;
    assert_eq!(offline.status, 201, "{offline:?}");
    let saved = json!({"name": "Stock", "report": "stock"});
    assert_eq!(acme.post("/api/v1/saved-reports", &saved).await.status, 201);
    let gift = json!({
        "registerId": register,
        "payments": [{"method": "cash", "amount": "5"}, {"method": "voucher", "amount": "-5"}],
    });
    assert_eq!(acme.submit("sales", &gift).await.status, 201);
    let close = json!({"counts": [{"method": "cash", "amount": "9"}]});
    let close = acme.submit(&format!("shifts/{}/close", shift["id"].as_str().unwrap()), &close).await;
    assert_eq!(close.body["status"], "counted", "{close:?}");
    let write_word = async |schema: &str, table: &str, column: &str| {
        let sql = format!(
            "ALTER TABLE {schema}.{table} DROP CONSTRAINT {table}_{column}_check;
             -- Without triggers: a later release has its own.
             SET session_replication_role = replica;
             UPDATE {schema}.{table} SET {column} = 'of_a_later_release';
             RESET session_replication_role"
        );
        admin.batch_execute(&sql).await.unwrap();
    };
    for (table, column, path) in OF_A_BUSINESS {
        write_word(schema, table, column).await;
        let reply =
            acme.get(&path.replace("COUNT", &count).replace("ORDER", &order).replace("SALE", sale)).await;
        assert_eq!((reply.status, reply.code()), (503, "newer_release"), "{table}.{column}: {reply:?}");
        assert!(!reply.header("retry-after").is_empty());
    }

    let owner_database = app.database.owner_database();
    let job = platform::job_kinds::verify_ledgers("the test".to_owned());
    owner_database.write_shared(async |tx| jobs::insert(tx, &job).await).await.unwrap();
    write_word("shared", "jobs", "state").await;
    let database = app.database.pool(1);
    let listed = database
        .read_shared(SharedScope::Platform, async |tx| jobs::list(tx, None, None, None, 10).await)
        .await;
    assert!(matches!(listed, Err(DbError::NewerData(_))), "{listed:?}");

    let hook = acme.post("/api/v1/webhooks", &json!({"url": "https://hooks.invalid/"})).await.body;
    let hook = format!("/api/v1/webhooks/{}", hook["id"].as_str().unwrap());
    assert_eq!(acme.post(&format!("{hook}/test"), &json!({})).await.body["outcome"], "unreachable");
    for (table, column, path) in [
        ("webhook_deliveries", "kind", format!("{hook}/deliveries")),
        ("webhook_deliveries", "outcome", format!("{hook}/deliveries")),
        ("webhook_endpoints", "status", hook.clone()),
    ] {
        write_word("shared", table, column).await;
        let reply = acme.get(&path).await;
        assert_eq!((reply.status, reply.code()), (503, "newer_release"), "{table}.{column}: {reply:?}");
    }

    let sign_in = json!({"email": format!("owner@{}.test", acme.tenant.slug), "password": PASSWORD});
    write_word("shared", "users", "status").await;
    let reply = acme.post("/api/v1/auth/login", &sign_in).await;
    assert_eq!((reply.status, reply.code()), (503, "newer_release"), "{reply:?}");

    // Sign-in requires the word `active`, so every other word gives no access. Backups read the word.
    write_word("shared", "memberships", "status").await;
    let id = acme.tenant.id;
    let members = owner_database.write_shared(async |tx| member_backup::list(tx, id).await).await;
    assert!(matches!(members, Err(DbError::NewerData(_))), "{members:?}");

    write_word("shared", "tenants", "status").await;
    let slug = acme.tenant.slug.clone();
    let found = database.read_shared(SharedScope::Platform, async |tx| tenant::find(tx, &slug).await).await;
    assert!(matches!(found, Err(DbError::NewerData(_))), "{found:?}");
}
