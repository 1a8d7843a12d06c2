//! Reports of sales, adjustments and stock, correct to the cent in every grouping.

use harness::{Business, TestApp, a_product};
use serde_json::{Value, json};

/// Trades at a business. It sells bolts, which have a tax and a category, and nuts, which are fulfilled in
/// part. One unit of each is returned.
async fn trade(acme: &Business<'_>) {
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    let class = json!({"name": "VAT", "inclusive": true, "rates": rates});
    let class = acme.post("/api/v1/tax-classes", &class).await.body["id"].clone();
    let category = acme.post("/api/v1/categories", &json!({"name": "Fixings"})).await.body["id"].clone();
    let mut bolt = a_product("BOLT");
    bolt["taxClassId"] = class;
    bolt["categoryId"] = category;
    bolt["variants"][0]["price"] = json!("11.60");
    let mut nut = a_product("NUT");
    nut["name"] = json!("=HYPERLINK(\"http://evil.test\")");
    let mut variants = Vec::new();
    for product in [bolt, nut] {
        let variant = acme.create_product(&product).await["variants"][0]["id"].clone();
        assert_eq!(acme.adjust(&variant, "20").await.status, 201);
        variants.push(variant);
    }
    let (bolt, nut) = (&variants[0], &variants[1]);
    let customer = acme.post("/api/v1/customers", &json!({"name": "Ann Smith"})).await.body["id"].clone();
    let post = async |path: String, body: Value| -> Value {
        let reply = acme.submit(&path, &body).await;
        assert!(matches!(reply.status, 200 | 201), "{path}: {reply:?}");
        reply.body
    };
    let id = |document: &Value| document["id"].as_str().unwrap().to_owned();
    let lines = json!([{"variantId": bolt, "quantity": "2"}]);
    let bolts =
        post("orders".into(), json!({"customerId": customer, "discount": "10%", "lines": lines})).await;
    let lines = json!([{"variantId": nut, "quantity": "4"}]);
    let nuts = post("orders".into(), json!({"fulfil": false, "lines": lines})).await;
    let one = json!([{"lineId": nuts["lines"][0]["id"], "quantity": "1"}]);
    for _ in 0..2 {
        post(format!("orders/{}/fulfil", id(&nuts)), json!({"lines": one})).await;
    }
    post(format!("orders/{}/cancel", id(&nuts)), json!({})).await;
    for (order, restock) in [(&bolts, true), (&nuts, false)] {
        let line = json!({"lineId": order["lines"][0]["id"], "quantity": "1", "restock": restock});
        post(format!("orders/{}/returns", id(order)), json!({"reason": "broken", "lines": [line]})).await;
    }
    let count = id(&post("stock/counts".into(), json!({})).await);
    let counted = json!({"lines": [{"variantId": nut, "counted": "17"}]});
    post(format!("stock/counts/{count}/lines"), counted).await;
    post(format!("stock/counts/{count}/post"), json!({})).await;
}

async fn read(business: &Business<'_>, query: &str) -> Value {
    let reply = business.get(&format!("/api/v1/reports/{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    reply.body
}

/// Some fields of a row, as text.
fn told(row: &Value, members: &[&str]) -> String {
    let text = |name: &&str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
    members.iter().map(text).collect::<Vec<_>>().join(" ")
}

const SALES: [&str; 9] =
    ["sold", "returned", "discount", "total", "refunded", "net", "tax", "cost", "margin"];

#[tokio::test]
async fn the_sales_report_has_returns_taxes_and_costs_in_every_grouping() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    trade(&acme).await;
    let report = read(&acme, "sales?by=category").await;
    assert_eq!(report["total"]["orders"], 2);
    assert_eq!(told(&report["total"], &SALES), "4 2 2.32 40.88 20.44 20.44 1.44 8.00 11.00");
    let rows = report["data"].as_array().unwrap();
    assert_eq!(told(&rows[0], &["name"]), "Fixings");
    assert_eq!(told(&rows[0], &SALES), "2 1 2.32 20.88 10.44 10.44 1.44 4.00 5.00");
    assert_eq!(told(&rows[1], &["key", "name"]), "null null");
    assert_eq!(told(&rows[1], &SALES), "2 1 0.00 20.00 10.00 10.00 0.00 4.00 6.00");

    // The orders have the same total.
    let admin = app.database.as_admin().await;
    let due = "SELECT sum(total - credited)::text FROM business_1.orders";
    assert_eq!(admin.query_one(due, &[]).await.unwrap().get::<_, String>(0), "20.4400");
    let me = acme.get("/api/v1/auth/me").await.body["user"]["id"].clone();
    for (by, key, count) in [
        ("day", report["to"].clone(), 1),
        ("hour", Value::Null, 1),
        ("variant", Value::Null, 2),
        ("customer", Value::Null, 2),
        ("seller", me, 1),
        ("location", acme.get("/api/v1/locations").await.body["data"][0]["id"].clone(), 1),
    ] {
        let of = read(&acme, &format!("sales?by={by}")).await;
        assert_eq!(of["total"], report["total"], "{by}");
        let rows = of["data"].as_array().unwrap();
        assert_eq!(rows.len(), count, "{by}: {of}");
        assert!(key.is_null() || rows[0]["key"] == key, "{by}: {of}");
        let net: f64 = rows.iter().map(|row| row["net"].as_str().unwrap().parse::<f64>().unwrap()).sum();
        assert!((net - 20.44).abs() < 0.001, "{by}: {of}");
    }
    // In Havana the clocks go from 01:00 back to 00:00 on this night. Both hours belong to the same day.
    let twice = |moment: &str| format!("UPDATE business_1.stock_movements SET occurred_at = '{moment}'");
    acme.patch("/api/v1/settings", &json!({"timeZone": "America/Havana"})).await;
    for moment in ["2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z"] {
        admin.batch_execute(&twice(moment)).await.unwrap();
        for (day, net) in [("2026-10-31", "0.00"), ("2026-11-01", "20.44"), ("2026-11-02", "0.00")] {
            let report = read(&acme, &format!("sales?from={day}&to={day}")).await;
            assert_eq!(report["total"]["net"], net, "{moment} {day}");
        }
    }
    acme.patch("/api/v1/settings", &json!({"timeZone": "Etc/UTC"})).await;
    // Half an hour before midnight in UTC is the next day in Nairobi.
    admin
        .batch_execute("UPDATE business_1.stock_movements SET occurred_at = '2026-01-31T23:30:00Z'")
        .await
        .unwrap();
    let january = "sales?from=2026-01-31&to=2026-01-31";
    assert_eq!(read(&acme, january).await["total"]["net"], "20.44");
    acme.patch("/api/v1/settings", &json!({"timeZone": "Africa/Nairobi"})).await;
    assert_eq!(read(&acme, january).await["total"]["net"], "0.00");
    let hours = read(&acme, "sales?from=2026-02-01&to=2026-02-01&by=hour").await;
    assert_eq!(told(&hours["data"][0], &["key", "net"]), "02 20.44");
}

#[tokio::test]
async fn adjustments_and_stock_are_reported_at_cost() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    trade(&acme).await;
    let adjusted = read(&acme, "adjustments").await;
    let members = ["kind", "reason", "movements", "added", "removed", "value"];
    assert_eq!(told(&adjusted["total"], &members), "null null 4 40 2 152.00");
    let rows: Vec<String> =
        adjusted["data"].as_array().unwrap().iter().map(|row| told(row, &members)).collect();
    assert_eq!(
        rows,
        ["adjustment broken 1 0 1 -4.00", "count null 1 0 1 -4.00", "adjustment test 2 40 0 160.00"]
    );

    let dashboard = acme.get("/api/v1/dashboard").await.body;
    for (by, expected) in [
        ("category", vec!["Fixings null 19 76.00 220.40", "null null 17 68.00 170.00"]),
        ("location", vec!["Main null 36 144.00 390.40"]),
        (
            "variant",
            vec!["Product BOLT BOLT 19 76.00 220.40", "=HYPERLINK(\"http://evil.test\") NUT 17 68.00 170.00"],
        ),
    ] {
        let report = read(&acme, &format!("stock?by={by}")).await;
        let members = ["name", "sku", "onHand", "cost", "value"];
        let rows: Vec<String> =
            report["data"].as_array().unwrap().iter().map(|row| told(row, &members)).collect();
        assert_eq!(rows, expected, "{by}");
        assert_eq!(
            told(&report["total"], &["onHand", "cost", "value"]),
            told(&dashboard, &["totalStock", "inventoryCost", "inventoryValue"])
        );
    }
}

#[tokio::test]
async fn the_parts_of_an_order_add_up_to_its_amount_due() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    let class = json!({"name": "VAT", "inclusive": false, "rates": rates});
    let class = acme.post("/api/v1/tax-classes", &class).await.body["id"].clone();
    let mut lines = Vec::new();
    for (sku, price) in [("A", "3.33"), ("B", "0.01"), ("C", "7.77"), ("D", "0.05")] {
        let mut product = a_product(sku);
        product["taxClassId"] = class.clone();
        product["variants"][0]["price"] = json!(price);
        let variant = acme.create_product(&product).await["variants"][0]["id"].clone();
        acme.adjust(&variant, "100").await;
        lines.push(json!({"variantId": variant, "quantity": "3", "discount": "3%"}));
    }
    let total = async || {
        let report = read(&acme, "sales?by=variant").await;
        let sum: f64 = report["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["net"].as_str().unwrap().parse::<f64>().unwrap())
            .sum();
        let net: f64 = report["total"]["net"].as_str().unwrap().parse().unwrap();
        assert!((net - sum).abs() < 0.001, "rows do not add up: {report}");
        report["total"].clone()
    };
    // Two of three units are fulfilled, one by one. The third is cancelled.
    let order = acme.submit("orders", &json!({"fulfil": false, "lines": lines})).await.body;
    let path = format!("orders/{}", order["id"].as_str().unwrap());
    let parts = |quantity: &str| -> Vec<Value> {
        let line = |line: &Value| json!({"lineId": line["id"], "quantity": quantity});
        order["lines"].as_array().unwrap().iter().map(line).collect()
    };
    for _ in 0..2 {
        let left = acme.submit(&format!("{path}/fulfil"), &json!({"lines": parts("1")})).await;
        assert_eq!(left.status, 201, "{left:?}");
    }
    let cancelled = acme.submit(&format!("{path}/cancel"), &json!({})).await.body;
    assert_eq!(total().await["net"], cancelled["amountDue"]);
    // The two units are returned in three steps: 0.5, 0.5 and 1.
    for quantity in ["0.5", "0.5", "1"] {
        let back = json!({"reason": "x", "lines": parts(quantity)});
        let back = acme.submit(&format!("{path}/returns"), &back).await;
        assert_eq!(back.status, 201, "{back:?}");
        assert_eq!(total().await["net"], back.body["order"]["amountDue"]);
    }
    let nothing = total().await;
    assert_eq!(
        told(&nothing, &["sold", "returned", "net", "tax", "cost", "margin"]),
        "8 8 0.00 0.00 0.00 0.00"
    );
}

#[tokio::test]
async fn a_return_has_the_cost_of_the_units_that_are_not_yet_returned() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = json!({"name": "Pin", "variants": [{"sku": "PIN", "price": "10.00"}]});
    let pin = acme.create_product(&product).await["variants"][0]["id"].clone();
    let put = async |quantity: &str, cost: &str| {
        let body = json!({"variantId": pin, "quantity": quantity, "unitCost": cost, "reason": "found"});
        assert_eq!(acme.submit("stock/adjustments", &body).await.status, 201);
    };
    put("2", "3").await;
    let lines = json!([{"variantId": pin, "quantity": "2"}]);
    let order = acme.submit("orders", &json!({"fulfil": false, "lines": lines})).await.body;
    let path = format!("orders/{}", order["id"].as_str().unwrap());
    let one = json!([{"lineId": order["lines"][0]["id"], "quantity": "1"}]);
    for dearer in [true, false] {
        acme.submit(&format!("{path}/fulfil"), &json!({"lines": one})).await;
        let back = acme.submit(&format!("{path}/returns"), &json!({"reason": "x", "lines": one})).await;
        assert_eq!(back.status, 201, "{back:?}");
        if dearer {
            put("100", "10").await;
        }
    }
    let report = read(&acme, "sales").await;
    assert_eq!(told(&report["total"], &["sold", "returned", "net", "cost", "margin"]), "2 2 0.00 0.00 0.00");
}

#[tokio::test]
async fn a_return_of_goods_that_were_sold_without_a_cost_has_no_cost() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = json!({"name": "Pin", "variants": [{"sku": "PIN", "price": "10.00"}]});
    let pin = acme.create_product(&product).await["variants"][0]["id"].clone();
    acme.adjust(&pin, "10").await;
    let lines = json!([{"variantId": pin, "quantity": "2"}]);
    let order = acme.submit("orders", &json!({"lines": lines})).await.body;
    let variant = format!("/api/v1/variants/{}", pin.as_str().unwrap());
    assert_eq!(acme.patch(&variant, &json!({"cost": "5.00"})).await.status, 200);
    for restock in [true, false] {
        let line = json!({"lineId": order["lines"][0]["id"], "quantity": "1", "restock": restock});
        let returns = format!("orders/{}/returns", order["id"].as_str().unwrap());
        let back = acme.submit(&returns, &json!({"reason": "bent", "lines": [line]})).await;
        assert_eq!(back.status, 201, "{back:?}");
    }
    let report = read(&acme, "sales").await;
    assert_eq!(told(&report["total"], &["net", "cost", "margin"]), "0.00 0.00 0.00");
}

#[tokio::test]
async fn a_report_is_available_as_csv_and_is_empty_without_any_trade() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    trade(&acme).await;
    let table = async |business: &Business<'_>, query: &str| -> String {
        let reply = business.get(&format!("/api/v1/reports/{query}")).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/csv; charset=utf-8"));
        reply.body.as_str().unwrap().to_owned()
    };
    let stock = table(&acme, "stock?by=variant&format=csv").await;
    let lines: Vec<&str> = stock.split("\r\n").collect();
    assert_eq!(lines[0], r#""key","name","sku","onHand","cost","value""#);
    assert!(lines[1].ends_with(r#","Product BOLT","BOLT",19,76.00,220.40"#), "{lines:?}");
    assert!(
        lines[2].contains(r#","'=HYPERLINK(""http://evil.test"")","NUT","#),
        "a formula must be escaped: {lines:?}"
    );
    assert_eq!(lines[3..], [""]);
    let adjusted = table(&acme, "adjustments?format=csv").await;
    assert_eq!(adjusted.split("\r\n").nth(1), Some(r#""adjustment","broken",1,0,1,-4.00,"","","""#));
    let nothing = table(&zenith, "adjustments?format=csv").await;
    assert_eq!(
        nothing,
        "\"kind\",\"reason\",\"movements\",\"added\",\"removed\",\"value\",\"key\",\"name\",\"sku\"\r\n"
    );

    let nothing = read(&zenith, "sales?from=2026-01-01&to=2026-01-31").await;
    assert_eq!((&nothing["data"], &nothing["more"]), (&json!([]), &json!(false)));
    assert_eq!(told(&nothing["total"], &SALES), "0 0 0.00 0.00 0.00 0.00 0.00 0.00 0.00");
    let staff = app.member_of(&acme.tenant, "STAFF").await;
    assert_eq!(staff.get("/api/v1/reports/sales").await.status, 403);
    for (query, told) in [
        ("sales?from=2026-02-01&to=2026-01-31", "parameter from"),
        ("sales?from=2024-01-01&to=2025-01-01", "366 days"),
        ("sales?from=-4713-11-24", "parameter from"),
        ("sales?to=%2B262142-12-31", "parameter to"),
        ("sales?by=decade", "parameter by"),
        ("adjustments?from=2026-02-30", "parameter from"),
        ("stock?format=xml", "parameter format"),
    ] {
        let refused = acme.get(&format!("/api/v1/reports/{query}")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_query"), "{query}: {refused:?}");
        assert!(refused.body["detail"].as_str().unwrap().contains(told), "{query}: {refused:?}");
    }
}

#[tokio::test]
async fn sales_at_the_till_are_in_every_grouping_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    let class = json!({"name": "VAT", "inclusive": true, "rates": rates});
    let class = acme.post("/api/v1/tax-classes", &class).await.body["id"].clone();
    let mut bolt = a_product("BOLT");
    (bolt["taxClassId"], bolt["variants"][0]["price"]) = (class, json!("11.60"));
    let bolt = acme.create_product(&bolt).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "20").await.status, 201);
    let customer = acme.post("/api/v1/customers", &json!({"name": "Ann Smith"})).await.body["id"].clone();
    let till = harness::till::register(&acme, "R1").await;
    harness::till::open_shift(&acme, &till, "0").await;
    let sale = json!({
        "registerId": till, "customerId": customer, "payments": [{"method": "cash"}], "discount": "10%",
        "lines": [{"variantId": bolt, "quantity": "2"}],
    });
    let sale = acme.submit("sales", &sale).await.body;
    let back = json!({
        "customerId": customer, "returns": [{"lineId": sale["lines"][0]["id"], "quantity": "1"}],
    });
    assert_eq!(harness::till::refund(&acme, &till, &sale, back).await.status, 201);
    // Another member refunds, and names no customer: both belong to the sale.
    let boss = harness::till::Cashier::sign_in(&app, &acme, "supervisor").await;
    assert_eq!(harness::till::refund(&boss, &till, &sale, json!({"amount": "1"})).await.status, 201);
    let wrong = harness::till::sell_units(&acme, &till, &bolt, "5").await.body;
    let path = format!("sales/{}/void", wrong["id"].as_str().unwrap());
    assert_eq!(acme.submit(&path, &json!({"reason": "wrong"})).await.status, 200);
    let expected = "2 1 2.32 20.88 11.44 9.44 1.30 4.00 4.14";
    for by in [
        "day", "week", "month", "hour", "variant", "product", "kind", "supplier", "taxRate", "category",
        "customer", "seller", "location",
    ] {
        let report = read(&acme, &format!("sales?by={by}")).await;
        assert_eq!(told(&report["total"], &SALES), expected, "{by}");
        assert_eq!(report["total"]["orders"], 3, "{by}");
        assert_eq!(told(&report["data"][0], &SALES), expected, "{by}: {report}");
        assert_eq!(report["data"].as_array().unwrap().len(), 1, "{by}: {report}");
    }
    let by_rate = read(&acme, "sales?by=taxRate").await;
    assert_eq!(by_rate["data"][0]["key"], "VAT 16%", "{by_rate}");
    let by_customer = read(&acme, "sales?by=customer").await;
    assert_eq!(by_customer["data"][0]["name"], "Ann Smith", "{by_customer}");
}
