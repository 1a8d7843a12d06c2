//! Low-stock alerts: every change of stock, purchase orders or reorder levels opens and closes them.

use harness::{Business, EVENTS, TestApp, a_product, join_all};
use serde_json::{Value, json};

/// A variant with the reorder level 5 and `quantity` units on hand.
async fn watched(business: &Business<'_>, sku: &str, quantity: &str) -> Value {
    let mut product = a_product(sku);
    product["variants"][0]["reorderLevel"] = json!("5");
    let variant = business.create_product(&product).await["variants"][0]["id"].clone();
    if quantity != "0" {
        assert_eq!(business.adjust(&variant, quantity).await.status, 201);
    }
    variant
}

/// The open alerts as "SKU state covered available incoming arrivesOn", ordered by SKU.
async fn alerts(business: &Business<'_>) -> Vec<String> {
    let mut told = Vec::new();
    for state in ["low", "covered", "out"] {
        let reply = business.get(&format!("/api/v1/alerts/low-stock?state={state}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        for alert in reply.body["data"].as_array().unwrap() {
            let text = |name: &str| alert[name].as_str().unwrap_or("-").to_owned();
            let covered = if alert["covered"] == true { "covered" } else { "open" };
            told.push(format!(
                "{} {} {covered} {} {} {}",
                text("sku"),
                text("state"),
                text("available"),
                text("incoming"),
                text("arrivesOn")
            ));
        }
    }
    told.sort();
    told
}

async fn supplier(business: &Business<'_>, name: &str) -> Value {
    let made = business.post("/api/v1/suppliers", &json!({"name": name})).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["id"].clone()
}

/// A draft purchase order for `quantity` units of a variant.
async fn drafted(business: &Business<'_>, variant: &Value, quantity: &str, day: Option<&str>) -> Value {
    let supplier = supplier(business, &format!("Supplier {}", fastrand::u64(..))).await;
    let lines = json!([{"variantId": variant, "quantity": quantity, "unitCost": "1"}]);
    let body = json!({"supplierId": supplier, "expectedOn": day, "lines": lines});
    let order = business.submit("purchase-orders", &body).await;
    assert_eq!(order.status, 201, "{order:?}");
    order.body
}

async fn bring(business: &Business<'_>, order: &Value, step: &str, status: u16) -> Value {
    let path = format!("purchase-orders/{}/{step}", order["id"].as_str().unwrap());
    let reply = business.submit(&path, &json!({})).await;
    assert_eq!(reply.status, status, "{step}: {reply:?}");
    reply.body
}

#[tokio::test]
async fn an_alert_opens_and_closes_with_the_stock_of_its_variant() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(alerts(&acme).await, Vec::<String>::new());
    let bolt = watched(&acme, "BOLT", "0").await;
    assert_eq!(alerts(&acme).await, ["BOLT out open 0 0 -"], "a new variant has no stock");
    acme.adjust(&bolt, "6").await;
    assert_eq!(alerts(&acme).await, Vec::<String>::new());

    // Reserved stock is not available. After a cancellation it is available again.
    let line = json!([{"variantId": bolt, "quantity": "1"}]);
    let order = acme.submit("orders", &json!({"fulfil": false, "lines": line})).await.body;
    assert_eq!(alerts(&acme).await, ["BOLT low open 5 0 -"]);
    let id = order["id"].as_str().unwrap();
    assert_eq!(acme.submit(&format!("orders/{id}/cancel"), &json!({})).await.status, 200);
    assert_eq!(alerts(&acme).await, Vec::<String>::new());

    let all = json!({"lines": [{"variantId": bolt, "quantity": "6"}]});
    let sold = acme.submit("orders", &all).await.body;
    assert_eq!(alerts(&acme).await, ["BOLT out open 0 0 -"]);
    let back = json!({"reason": "wrong", "lines": [{"lineId": sold["lines"][0]["id"], "quantity": "4"}]});
    let path = format!("orders/{}/returns", sold["id"].as_str().unwrap());
    assert_eq!(acme.submit(&path, &back).await.status, 201);
    assert_eq!(alerts(&acme).await, ["BOLT low open 4 0 -"]);

    // A variant has an alert only if it has a reorder level and is not archived.
    let path = format!("/api/v1/variants/{}", bolt.as_str().unwrap());
    for (change, told) in [
        (json!({"reorderLevel": "3"}), vec![]),
        (json!({"reorderLevel": "4", "sku": "BOLT-2"}), vec!["BOLT-2 low open 4 0 -"]),
        (json!({"reorderLevel": null}), vec![]),
        (json!({"reorderLevel": "10"}), vec!["BOLT-2 low open 4 0 -"]),
        (json!({"archived": true}), vec![]),
        (json!({"archived": false}), vec!["BOLT-2 low open 4 0 -"]),
    ] {
        assert_eq!(acme.patch(&path, &change).await.status, 200, "{change}");
        assert_eq!(alerts(&acme).await, told, "{change}");
    }
    let product = acme.get(&path).await.body["productId"].clone();
    let product = format!("/api/v1/products/{}", product.as_str().unwrap());
    assert_eq!(acme.delete(&product).await.status, 204);
    assert_eq!(alerts(&acme).await, Vec::<String>::new());
    assert_eq!(acme.patch(&product, &json!({"archived": false})).await.status, 200);
    assert_eq!(alerts(&acme).await, ["BOLT-2 low open 4 0 -"]);
}

#[tokio::test]
async fn a_purchase_order_covers_an_alert_until_it_is_overdue_or_closed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = watched(&acme, "BOLT", "2").await;
    let order = drafted(&acme, &bolt, "4", Some("2999-01-31")).await;
    assert_eq!(alerts(&acme).await, ["BOLT low open 2 0 -"], "a draft is not incoming stock");
    bring(&acme, &order, "send", 200).await;
    let covered = ["BOLT covered covered 2 4 2999-01-31"];
    assert_eq!(alerts(&acme).await, covered);
    assert_eq!(
        acme.get("/api/v1/alerts/low-stock").await.body["data"],
        json!([]),
        "a covered alert is not in the default list"
    );
    bring(&acme, &order, "confirm", 200).await;
    assert_eq!(alerts(&acme).await, covered);
    // A variant without available stock is always listed.
    acme.adjust(&bolt, "-2").await;
    assert_eq!(alerts(&acme).await, ["BOLT out open 0 4 2999-01-31"], "4 incoming units do not exceed 5");
    acme.adjust(&bolt, "2").await;

    let path = format!("/api/v1/purchase-orders/{}", order["id"].as_str().unwrap());
    assert_eq!(acme.patch(&path, &json!({"expectedOn": "2020-01-31"})).await.body["overdue"], true);
    assert_eq!(alerts(&acme).await, ["BOLT low open 2 0 -"]);
    acme.patch(&path, &json!({"expectedOn": null})).await;
    assert_eq!(alerts(&acme).await, ["BOLT covered covered 2 4 -"]);
    // A part of the goods arrives. Then the order is closed short.
    let line = &order["lines"][0]["id"];
    let receipts = format!("purchase-orders/{}/receipts", order["id"].as_str().unwrap());
    let one = json!({"lines": [{"lineId": line, "quantity": "1"}]});
    let receipt = acme.submit(&receipts, &one).await.body;
    assert_eq!(alerts(&acme).await, ["BOLT covered covered 3 3 -"]);
    bring(&acme, &order, "close", 200).await;
    assert_eq!(alerts(&acme).await, ["BOLT low open 3 0 -"]);
    assert_eq!(receipt["order"]["receiptState"], "partial");

    // One order is cancelled. Another order is received completely, and then there is enough stock.
    let order = drafted(&acme, &bolt, "9", None).await;
    bring(&acme, &order, "send", 200).await;
    bring(&acme, &order, "cancel", 200).await;
    assert_eq!(alerts(&acme).await, ["BOLT low open 3 0 -"]);
    let order = drafted(&acme, &bolt, "9", None).await;
    bring(&acme, &order, "send", 200).await;
    let receipt = bring(&acme, &order, "receipts", 201).await;
    assert_eq!(alerts(&acme).await, Vec::<String>::new());
    // After the reversal of its receipt, the order waits for its goods again.
    let receipts = format!("purchase-orders/{}/receipts", order["id"].as_str().unwrap());
    assert_eq!(acme.submit(&receipts, &json!({"reverses": receipt["id"]})).await.status, 201);
    assert_eq!(alerts(&acme).await, ["BOLT covered covered 3 9 -"]);
}

#[tokio::test]
async fn an_overdue_purchase_order_no_longer_covers_an_alert() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = watched(&acme, "BOLT", "2").await;
    // The time zone in which each day ends last.
    acme.patch("/api/v1/settings", &json!({"timeZone": "Etc/GMT+12"})).await;
    let admin = app.database.as_admin().await;
    let today: String =
        admin.query_one("SELECT (now() AT TIME ZONE 'Etc/GMT+12')::date::text", &[]).await.unwrap().get(0);
    let order = drafted(&acme, &bolt, "10", Some(&today)).await;
    bring(&acme, &order, "send", 200).await;
    assert_eq!(alerts(&acme).await, [format!("BOLT covered covered 2 10 {today}")]);
    // The time zone in which each day begins first. The expected day is over, and the test need not wait.
    acme.patch("/api/v1/settings", &json!({"timeZone": "Pacific/Kiritimati"})).await;
    assert_eq!(alerts(&acme).await, ["BOLT low open 2 0 -"]);
    let told = &format!("SELECT count(*) FROM {EVENTS} WHERE topic = 'low_stock.changed'");
    let before: i64 = admin.query_one(told, &[]).await.unwrap().get(0);
    // The background review writes the event, once.
    let owner_database = app.onboarding().owner_database();
    let review = async |tx: &tenancy::TenantTx| inventory::alert::review_overdue(tx).await;
    assert_eq!(owner_database.write_tenant(&acme.tenant, review).await.unwrap(), 1);
    assert_eq!(owner_database.write_tenant(&acme.tenant, review).await.unwrap(), 0);
    let after: i64 = admin.query_one(told, &[]).await.unwrap().get(0);
    assert_eq!(after - before, 1);

    // A business that is older than the alerts feature gets its alerts from the review.
    admin.batch_execute("DELETE FROM business_1.low_stock_alerts").await.unwrap();
    assert_eq!(owner_database.write_tenant(&acme.tenant, review).await.unwrap(), 1);
    assert_eq!(alerts(&acme).await, ["BOLT low open 2 0 -"]);
}

#[tokio::test]
async fn each_location_has_its_own_alert_and_an_archived_location_has_none() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = watched(&acme, "BOLT", "20").await;
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    let move_ = async |from: &Value, to: &Value, quantity: &str| {
        let lines = json!([{"variantId": bolt, "quantity": quantity}]);
        let body = json!({"fromLocationId": from, "toLocationId": to, "lines": lines});
        let sent = acme.submit("stock/transfers", &body).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        let path = format!("stock/transfers/{}/receive", sent.body["id"].as_str().unwrap());
        assert_eq!(acme.submit(&path, &json!({})).await.status, 201);
    };
    move_(&main, &shed, "4").await;
    let at = |place: &Value| format!("/api/v1/alerts/low-stock?locationId={}", place.as_str().unwrap());
    let count = async |place: &Value| acme.get(&at(place)).await.body["data"].as_array().unwrap().len();
    assert_eq!((count(&main).await, count(&shed).await), (0, 1));
    // A purchase order for one location does not cover another location.
    let order = drafted(&acme, &bolt, "50", None).await;
    bring(&acme, &order, "send", 200).await;
    assert_eq!(count(&shed).await, 1);
    move_(&shed, &main, "4").await;
    assert_eq!(alerts(&acme).await, ["BOLT out open 0 0 -"]);
    let path = format!("/api/v1/locations/{}", shed.as_str().unwrap());
    assert_eq!(acme.patch(&path, &json!({"archived": true})).await.status, 200);
    assert_eq!(alerts(&acme).await, Vec::<String>::new());
    assert_eq!(acme.patch(&path, &json!({"archived": false})).await.status, 200);
    assert_eq!(alerts(&acme).await, ["BOLT out open 0 0 -"]);
}

#[tokio::test]
async fn reorder_suggestions_are_grouped_by_supplier_and_can_be_ordered() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (bolt, nut, pin) = (
        watched(&acme, "BOLT", "9").await,
        watched(&acme, "NUT", "0").await,
        watched(&acme, "PIN", "1").await,
    );
    let (dear, cheap) = (supplier(&acme, "Dear").await, supplier(&acme, "Cheap").await);
    for (who, variant, cost, minimum) in [
        (&dear, &bolt, "2", "1"),
        (&cheap, &bolt, "3", "1"),
        (&cheap, &bolt, "1.5", "1"),
        (&dear, &nut, "0.25", "100"),
    ] {
        let price = json!({"variantId": variant, "cost": cost, "minimumQuantity": minimum});
        let path = format!("suppliers/{}/prices", who.as_str().unwrap());
        assert_eq!(acme.submit(&path, &price).await.status, 201);
    }
    let sold = json!({"lines": [{"variantId": bolt, "quantity": "7"}]});
    assert_eq!(acme.submit("orders", &sold).await.status, 201);
    let told = acme.get("/api/v1/reports/reorder").await.body;
    assert_eq!(told["more"], false);
    let groups: Vec<String> = told["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let line = &group["lines"][0];
            format!("{} {} {} {}", group["supplier"], line["sku"], line["quantity"], line["unitCost"])
        })
        .collect();
    // BOLT: 5 plus 7 sold minus 2 available. NUT: the minimum quantity. PIN: 5 plus 5 minus 1 available, no
    // supplier.
    assert_eq!(
        groups,
        [r#""Cheap" "BOLT" "10" "1.5""#, r#""Dear" "NUT" "100" "0.25""#, r#"null "PIN" "9" null"#]
    );
    let group = &told["data"][0];
    let body = json!({"supplierId": group["supplierId"], "locationId": group["locationId"], "lines": [{
        "variantId": group["lines"][0]["variantId"], "quantity": group["lines"][0]["quantity"],
        "unitCost": group["lines"][0]["unitCost"]}]});
    let order = acme.submit("purchase-orders", &body).await;
    assert_eq!(order.status, 201, "{order:?}");
    bring(&acme, &order.body, "send", 200).await;
    assert_eq!(acme.get("/api/v1/reports/reorder").await.body["data"].as_array().unwrap().len(), 2);
    let _ = pin;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_agree_with_stock_levels_under_load() {
    let app = TestApp::start().await;
    let acme = &app.tenant("acme").await;
    let mut variants = Vec::new();
    for n in 0..4 {
        variants.push(watched(acme, &format!("SKU-{n}"), "6").await);
    }
    let variants = &variants;
    let mut random = fastrand::Rng::with_seed(5);
    let steps: Vec<(usize, u32)> = (0..60).map(|_| (random.usize(..4), random.u32(..5))).collect();
    let work = steps.into_iter().map(|(at, what)| async move {
        let variant = &variants[at];
        let path = format!("/api/v1/variants/{}", variant.as_str().unwrap());
        match what {
            0 => acme.adjust(variant, "3").await.status,
            1 => acme.patch(&path, &json!({"reorderLevel": fastrand::u32(2..9).to_string()})).await.status,
            2 => {
                let order = drafted(acme, variant, "2", None).await;
                bring(acme, &order, "send", 200).await;
                201
            }
            _ => {
                let lines = json!([{"variantId": variant, "quantity": "2"}]);
                acme.submit("orders", &json!({"lines": lines})).await.status
            }
        }
    });
    for status in join_all(work.collect()).await {
        assert!(matches!(status, 200 | 201 | 409), "{status}");
    }
    let admin = app.database.as_admin().await;
    let wrong = "
        SELECT count(*) FROM business_1.stock_levels s JOIN business_1.variants v ON v.id = s.variant_id
          LEFT JOIN business_1.low_stock_alerts a
            ON a.variant_id = s.variant_id AND a.location_id = s.location_id AND a.closed_at IS NULL
         CROSS JOIN LATERAL (
               SELECT coalesce(sum(quantity - received), 0) AS incoming FROM business_1.purchase_order_lines
                WHERE variant_id = v.id AND purchase_order_id IN (
                      SELECT id FROM business_1.purchase_orders WHERE status = 'SENT')) i
         WHERE (s.on_hand - s.reserved <= v.reorder_level) <> (a.id IS NOT NULL)
            OR a.is_out <> (s.on_hand - s.reserved = 0)
            OR a.is_covered <> (s.on_hand - s.reserved + incoming > v.reorder_level)";
    assert_eq!(admin.query_one(wrong, &[]).await.unwrap().get::<_, i64>(0), 0);
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(admin.query_one(deadlocks, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn the_review_corrects_every_wrong_alert() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (bolt, nut) = (watched(&acme, "BOLT", "2").await, watched(&acme, "NUT", "0").await);
    watched(&acme, "PIN", "9").await;
    let told = alerts(&acme).await;
    assert_eq!(told.len(), 2, "{told:?}");
    let admin = app.database.as_admin().await;
    let review = async |tx: &tenancy::TenantTx| inventory::alert::review_overdue(tx).await;
    let database = &app.running().state().database;
    let of = |variant: &Value| format!("variant_id = '{}'", variant.as_str().unwrap());
    for wrong in [
        // An alert that is missing, two that are wrong, one that is closed too early, and one for enough
        // stock.
        format!("DELETE FROM business_1.low_stock_alerts WHERE {}", of(&bolt)),
        format!("UPDATE business_1.low_stock_alerts SET is_out = false WHERE {}", of(&nut)),
        format!("UPDATE business_1.low_stock_alerts SET is_covered = true WHERE {}", of(&nut)),
        format!("UPDATE business_1.low_stock_alerts SET closed_at = now() WHERE {}", of(&nut)),
        "INSERT INTO business_1.low_stock_alerts
         SELECT gen_random_uuid(), variant_id, location_id, false, false, NULL, now(), now()
           FROM business_1.stock_levels
          WHERE on_hand = 9"
            .to_owned(),
    ] {
        assert_eq!(admin.execute(&wrong, &[]).await.unwrap(), 1, "{wrong}");
        assert_eq!(database.write(&acme.tenant.scope(), review).await.unwrap(), 1, "{wrong}");
        assert_eq!(alerts(&acme).await, told, "{wrong}");
        assert_eq!(database.write(&acme.tenant.scope(), review).await.unwrap(), 0, "{wrong}");
    }
}
