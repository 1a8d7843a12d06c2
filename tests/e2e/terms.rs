//! Taxes, settings and locations of a business, and its audit log.

use harness::{TestApp, a_product};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn taxes_follow_the_tax_class_and_stay_unchanged_on_a_placed_order() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let class = async |name: &str, inclusive: bool, rates: Value| {
        let body = json!({"name": name, "inclusive": inclusive, "rates": rates});
        acme.post("/api/v1/tax-classes", &body).await
    };
    let vat = class("VAT", true, json!([{"name": "VAT", "percent": "16"}])).await;
    let sales =
        class("Sales", false, json!([{"name": "State", "percent": "5"}, {"name": "City", "percent": "2.5"}]))
            .await;
    assert_eq!((vat.status, sales.status), (201, 201), "{vat:?} {sales:?}");
    for (rates, code) in [
        (json!([]), "invalid_rates"),
        (json!([{"name": "A", "percent": "101"}]), "invalid_rates"),
        (json!([{"name": " ", "percent": "1"}]), "invalid_value"),
    ] {
        assert_eq!(class("Bad", true, rates).await.code(), code);
    }
    assert_eq!(class("VAT", true, json!([{"name": "VAT", "percent": "8"}])).await.code(), "duplicate_name");

    let mut lines = Vec::new();
    for (sku, class) in [("IN", &vat.body["id"]), ("ON-TOP", &sales.body["id"])] {
        let mut product = a_product(sku);
        product["taxClassId"] = class.clone();
        let product = acme.create_product(&product).await;
        assert_eq!(&product["taxClassId"], class);
        acme.adjust(&product["variants"][0]["id"], "10").await;
        lines.push(json!({"variantId": product["variants"][0]["id"], "quantity": "1"}));
    }
    let place = async || {
        let client = acme.with("idempotency-key", &Uuid::now_v7().to_string());
        client.post("/api/v1/orders", &json!({"lines": lines})).await.body
    };
    let order = place().await;
    // 10.00 includes a tax of 1.38. The other 10.00 gets taxes of 0.50 and 0.25 on top.
    assert_eq!((&order["tax"], &order["total"]), (&json!("2.13"), &json!("20.75")), "{order}");
    assert_eq!(
        order["lines"][1]["taxes"],
        json!([
            {"name": "State", "percent": "5", "amount": "0.50"},
            {"name": "City", "percent": "2.5", "amount": "0.25"},
        ])
    );
    let path = format!("/api/v1/tax-classes/{}", vat.body["id"].as_str().unwrap());
    let changed = acme.patch(&path, &json!({"rates": [{"name": "VAT", "percent": "8"}]})).await;
    assert_eq!(changed.body["rates"][0]["percent"], "8", "{changed:?}");
    assert_eq!(place().await["tax"], "1.49");
    let stored = acme.get(&format!("/api/v1/orders/{}", order["id"].as_str().unwrap())).await;
    assert_eq!(stored.body, order);
    let mut unknown = a_product("X");
    unknown["taxClassId"] = json!(Uuid::now_v7());
    assert_eq!(acme.post("/api/v1/products", &unknown).await.status, 404);
}

#[tokio::test]
async fn prices_have_a_history_and_every_change_has_an_actor() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let manager = app.member_of(&acme.tenant, "MANAGER").await;
    let mut product = a_product("BOLT");
    product["variants"][0]["compareAtPrice"] = json!("12.00");
    product["variants"][0]["barcodes"] = json!(["4006381333932", "OUR-OWN-1"]);
    let product = acme.create_product(&product).await;
    let variant = &product["variants"][0];
    assert_eq!(variant["compareAtPrice"], "12.00");
    // A mistyped GTIN is accepted with a warning. A code of the business's own gets no warning.
    assert_eq!(variant["warnings"].as_array().unwrap().len(), 1);
    assert!(variant["warnings"][0].as_str().unwrap().contains("4006381333932 should be 1"), "{variant}");

    let path = format!("/api/v1/variants/{}", variant["id"].as_str().unwrap());
    let change = json!({"price": "11.00", "compareAtPrice": null, "reorderLevel": "5"});
    assert_eq!(manager.patch(&path, &change).await.body["compareAtPrice"], Value::Null);
    // The same change again changes nothing.
    let same = manager.patch(&path, &change).await;
    assert_eq!(same.header("etag"), manager.get(&path).await.header("etag"));
    let prices = acme.get(&format!("{path}/prices")).await.body["data"].clone();
    let told: Vec<_> =
        prices.as_array().unwrap().iter().map(|row| (&row["price"], &row["compareAtPrice"])).collect();
    assert_eq!(told, [(&json!("11.00"), &json!(null)), (&json!("10.00"), &json!("12.00"))]);

    let of_variant = acme.get(&format!("/api/v1/audit?subjectId={}", variant["id"].as_str().unwrap())).await;
    let entry = &of_variant.body["data"][0];
    assert_eq!(
        entry["changes"],
        json!({
            "price": {"from": "10", "to": "11"}, "compareAtPrice": {"from": "12", "to": null},
            "reorderLevel": {"from": null, "to": "5"},
        })
    );
    let me = manager.get("/api/v1/auth/me").await;
    assert_eq!(entry["actor"], me.body["user"]["id"], "{me:?}");
    let adjusted = acme.adjust(&variant["id"], "3").await.body;
    let of_document =
        acme.get(&format!("/api/v1/audit?subjectId={}", adjusted["id"].as_str().unwrap())).await;
    let entry = &of_document.body["data"][0];
    assert_eq!(
        (&entry["action"], &entry["changes"]["lines"]["to"][0]["balanceAfter"]),
        (&json!("stock.adjusted"), &json!("3")),
        "{of_document:?}"
    );
    let all = acme.get("/api/v1/audit").await;
    let actions: Vec<_> =
        all.body["data"].as_array().unwrap().iter().map(|row| row["action"].clone()).collect();
    assert_eq!(actions, ["stock.adjusted", "variant.changed", "product.created"]);
    assert_eq!(manager.get("/api/v1/audit").await.status, 403);
}

#[tokio::test]
async fn settings_control_orders_and_adjustments() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = acme.create_product(&a_product("BOLT")).await;
    let variant = &product["variants"][0]["id"];
    acme.adjust(variant, "10").await;
    let before = acme.get("/api/v1/settings").await;
    assert_eq!((&before.body["fulfilsAtOnce"], &before.body["timeZone"]), (&json!(true), &json!("UTC")));
    let change = json!({
        "fulfilsAtOnce": false, "timeZone": "Africa/Nairobi", "adjustmentReasons": ["damaged", "found"],
    });
    let changed = acme.with("if-match", before.header("etag")).patch("/api/v1/settings", &change).await;
    assert_eq!((changed.status, &changed.body["timeZone"]), (200, &json!("Africa/Nairobi")), "{changed:?}");
    let stale = acme.with("if-match", before.header("etag")).patch("/api/v1/settings", &change).await;
    assert_eq!(stale.status, 412);
    for (change, code) in [
        (json!({"timeZone": "Mars/Olympus"}), "unknown_time_zone"),
        (json!({"overReceiptPercent": "101"}), "out_of_range"),
        (json!({"adjustmentReasons": ["lost", "lost"]}), "invalid_reasons"),
        (json!({"rounding": "up"}), "invalid_value"),
        (json!({"currency": "USD"}), "unknown_field"),
    ] {
        let refused = acme.patch("/api/v1/settings", &change).await;
        assert_eq!((refused.status, refused.code()), (422, code), "{change}");
    }
    let keyed = || acme.with("idempotency-key", &Uuid::now_v7().to_string());
    let order =
        keyed().post("/api/v1/orders", &json!({"lines": [{"variantId": variant, "quantity": "1"}]})).await;
    assert_eq!(order.body["status"], "reserved");
    let other = acme.adjust(variant, "-1").await;
    assert_eq!((other.status, other.code()), (422, "unknown_reason"));
    assert!(other.body["errors"][0]["message"].as_str().unwrap().contains("damaged, found"), "{other:?}");
    let known = json!({"variantId": variant, "quantity": "-1", "reason": "damaged"});
    assert_eq!(keyed().post("/api/v1/stock/adjustments", &known).await.status, 201);
}

#[tokio::test]
async fn only_an_empty_location_can_be_archived() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let product = acme.create_product(&a_product("BOLT")).await;
    let variant = &product["variants"][0]["id"];
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await;
    assert_eq!(shed.status, 201, "{shed:?}");
    assert_eq!(acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.code(), "duplicate_name");
    let path = format!("/api/v1/locations/{}", shed.body["id"].as_str().unwrap());
    let put = async |quantity: &str, cost: Value| {
        let body = json!({
            "variantId": variant, "locationId": shed.body["id"], "quantity": quantity, "reason": "test",
            "unitCost": cost,
        });
        acme.with("idempotency-key", &Uuid::now_v7().to_string())
            .post("/api/v1/stock/adjustments", &body)
            .await
    };
    assert_eq!(put("2", json!("4.00")).await.status, 201);
    assert_eq!(put("1", json!("7.00")).await.status, 201);
    assert_eq!(acme.patch(&path, &json!({"archived": true})).await.code(), "location_not_empty");
    assert_eq!(put("-3", json!(null)).await.status, 201);
    // The removed units have the average cost of the added units.
    let last = acme.get(&format!("/api/v1/stock/movements?variantId={}", variant.as_str().unwrap())).await;
    assert_eq!(last.body["data"][0]["unitCost"], "5");
    assert_eq!(acme.patch(&path, &json!({"archived": true})).await.body["archived"], true);
    assert_eq!(put("1", json!(null)).await.status, 404);
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let main = format!("/api/v1/locations/{}", main.as_str().unwrap());
    assert_eq!(acme.patch(&main, &json!({"archived": true})).await.code(), "default_location");
    assert_eq!(acme.patch(&path, &json!({"archived": false, "name": "Barn"})).await.body["name"], "Barn");
}
