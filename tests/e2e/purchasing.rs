//! Purchase orders: goods are received in parts, and never more than was ordered plus the tolerance.

use harness::{Business, Reply, TestApp, a_product, join_all};
use serde_json::{Value, json};
use uuid::Uuid;

/// A supplier, a variant, and a sent purchase order for `quantity` units of the variant.
async fn ordered(business: &Business<'_>, quantity: &str) -> (Value, Value, Value) {
    let supplier =
        business.post("/api/v1/suppliers", &json!({"name": format!("Supplier {}", Uuid::now_v7())})).await;
    assert_eq!(supplier.status, 201, "{supplier:?}");
    let product = business.create_product(&a_product(&format!("SKU-{}", Uuid::now_v7()))).await;
    let variant = product["variants"][0]["id"].clone();
    let body = json!({
        "supplierId": supplier.body["id"],
        "lines": [{"variantId": variant, "quantity": quantity, "unitCost": "2.50"}],
    });
    let order = business.submit("purchase-orders", &body).await;
    assert_eq!((order.status, &order.body["status"]), (201, &json!("DRAFT")), "{order:?}");
    let sent = business.submit(&format!("purchase-orders/{}/send", id(&order.body)), &json!({})).await;
    assert_eq!(sent.body["status"], "SENT", "{sent:?}");
    (supplier.body["id"].clone(), variant, sent.body)
}

fn id(document: &Value) -> &str {
    document["id"].as_str().unwrap()
}

#[tokio::test]
async fn goods_are_received_in_parts_and_only_a_receipt_changes_stock() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (supplier, bolt, order) = ordered(&acme, "10").await;
    assert_eq!(acme.on_hand(&bolt).await, "0");
    assert_eq!((&order["total"], &order["receiptState"]), (&json!("25.00"), &json!("none")));
    let receipts = format!("purchase-orders/{}/receipts", id(&order));
    let line = &order["lines"][0]["id"];
    let part = json!({
        "deliveryNote": "D-1",
        "lines": [{"lineId": line, "quantity": "1"}, {"lineId": line, "quantity": "3"}],
    });
    let first = acme.submit(&receipts, &part).await;
    assert_eq!((first.status, &first.body["number"]), (201, &json!(1)), "{first:?}");
    assert_eq!(
        (&first.body["order"]["receiptState"], &first.body["order"]["status"]),
        (&json!("partial"), &json!("SENT"))
    );
    assert_eq!(acme.on_hand(&bolt).await, "4");
    let again = json!({"deliveryNote": "D-1", "lines": [{"lineId": line, "quantity": "1"}]});
    assert_eq!(acme.submit(&receipts, &again).await.code(), "delivery_note_booked");
    let more = json!({"lines": [{"lineId": line, "quantity": "7"}]});
    assert_eq!(acme.submit(&receipts, &more).await.code(), "more_than_left");

    // The movement has the unit cost of the purchase order.
    let ledger = acme.get(&format!("/api/v1/stock/movements?variantId={}", bolt.as_str().unwrap())).await;
    assert_eq!(
        (&ledger.body["data"][0]["kind"], &ledger.body["data"][0]["unitCost"]),
        (&json!("purchase"), &json!("2.5"))
    );
    // A wrong receipt can be reversed once. Its delivery note can then be booked again.
    let back = json!({"reverses": first.body["id"]});
    let reversed = acme.submit(&receipts, &back).await;
    assert_eq!((reversed.status, acme.on_hand(&bolt).await.as_str()), (201, "0"), "{reversed:?}");
    assert_eq!(acme.submit(&receipts, &back).await.code(), "receipt_reversed");
    assert_eq!(acme.submit(&receipts, &json!({"reverses": reversed.body["id"]})).await.status, 404);
    let anew = acme.submit(&receipts, &json!({"deliveryNote": "D-1"})).await;
    assert_eq!(
        (&anew.body["order"]["status"], acme.on_hand(&bolt).await.as_str()),
        (&json!("RECEIVED"), "10")
    );
    assert_eq!(acme.submit(&receipts, &json!({})).await.code(), "wrong_status");
    assert_eq!(acme.get(&format!("/api/v1/{receipts}")).await.body["data"].as_array().unwrap().len(), 3);

    let prices = format!("suppliers/{}/prices", supplier.as_str().unwrap());
    for cost in ["2.50", "2.375"] {
        let price = json!({
            "variantId": bolt, "cost": cost, "supplierSku": "B-8", "minimumQuantity": "100",
            "leadTimeDays": 7,
        });
        assert_eq!(acme.submit(&prices, &price).await.status, 201);
    }
    let told = acme.get(&format!("/api/v1/{prices}?variantId={}", bolt.as_str().unwrap())).await;
    assert_eq!(
        (&told.body["data"][0]["cost"], &told.body["data"][1]["cost"]),
        (&json!("2.375"), &json!("2.5"))
    );
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn a_purchase_order_refuses_changes_that_its_status_does_not_allow() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, variant, order) = ordered(&acme, "5").await;
    let path = format!("purchase-orders/{}", id(&order));
    let refused = acme.submit(&format!("{path}/send"), &json!({})).await;
    assert_eq!(
        (refused.code(), &refused.body["allowed"]),
        ("illegal_move", &json!(["CONFIRMED", "CANCELLED"]))
    );
    let lines = json!({"lines": [{"variantId": variant, "quantity": "6", "unitCost": "1"}]});
    assert_eq!(acme.patch(&format!("/api/v1/{path}"), &lines).await.code(), "lines_frozen");
    let late = acme.patch(&format!("/api/v1/{path}"), &json!({"expectedOn": "2020-01-31"})).await;
    assert_eq!(
        (&late.body["overdue"], &late.body["expectedOn"]),
        (&json!(true), &json!("2020-01-31")),
        "{late:?}"
    );
    assert_eq!(acme.submit(&format!("{path}/confirm"), &json!({})).await.body["status"], "CONFIRMED");
    let one = json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "1"}]});
    assert_eq!(acme.submit(&format!("{path}/receipts"), &one).await.status, 201);
    // A partly received order can be closed short, but it cannot be cancelled.
    let refused = acme.submit(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((refused.code(), &refused.body["allowed"]), ("illegal_move", &json!(["CLOSED_SHORT"])));
    let closed = acme.submit(&format!("{path}/close"), &json!({})).await;
    assert_eq!((&closed.body["status"], &closed.body["overdue"]), (&json!("CLOSED_SHORT"), &json!(false)));
    assert_eq!(acme.submit(&format!("{path}/receipts"), &json!({})).await.code(), "wrong_status");
    for (status, count) in [("CLOSED_SHORT", 1), ("SENT", 0)] {
        let listed = acme.get(&format!("/api/v1/purchase-orders?status={status}")).await;
        assert_eq!(listed.body["data"].as_array().unwrap().len(), count, "{status}");
    }
    let twice = json!({"supplierId": order["supplierId"], "lines": [
        {"variantId": variant, "quantity": "1", "unitCost": "1"},
        {"variantId": variant, "quantity": "1", "unitCost": "1"}]});
    assert_eq!(acme.submit("purchase-orders", &twice).await.code(), "ordered_twice");
    // The supplier's tax is rounded for each line and added to the total.
    let taxed = acme
        .submit(
            "purchase-orders",
            &json!({"supplierId": order["supplierId"], "lines": [
        {"variantId": variant, "quantity": "3", "unitCost": "1.115", "taxPercent": "16"}]}),
        )
        .await;
    assert_eq!(
        (&taxed.body["subtotal"], &taxed.body["tax"], &taxed.body["total"], &taxed.body["lines"][0]["tax"]),
        (&json!("3.35"), &json!("0.54"), &json!("3.89"), &json!("0.54")),
        "{taxed:?}"
    );
    let too_much =
        json!({"lines": [{"variantId": variant, "quantity": "1", "unitCost": "1", "taxPercent": "101"}]});
    let path = format!("/api/v1/purchase-orders/{}", id(&taxed.body));
    assert_eq!(acme.patch(&path, &too_much).await.code(), "invalid_tax");
    let nobody = json!({
        "supplierId": Uuid::now_v7(), "lines": [{"variantId": variant, "quantity": "1", "unitCost": "1"}],
    });
    assert_eq!(acme.submit("purchase-orders", &nobody).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordered_goods_are_received_exactly_once() {
    let app = TestApp::start().await;
    let acme = &app.tenant("acme").await;
    // Eight requests receive all seven units at the same time, each with its own key.
    let (_, bolt, order) = ordered(acme, "7").await;
    let receipts = &format!("purchase-orders/{}/receipts", id(&order));
    let all = &json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "7"}]});
    let statuses =
        join_all((0..8).map(|_| async move { acme.submit(receipts, all).await.status }).collect()).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    assert_eq!(acme.on_hand(&bolt).await, "7");

    // The same receipt is sent twenty times at the same time. It takes effect once.
    let (_, nut, order) = ordered(acme, "20").await;
    let receipts = &format!("purchase-orders/{}/receipts", id(&order));
    let one = &json!({"id": Uuid::now_v7(), "lines": [{"lineId": order["lines"][0]["id"], "quantity": "5"}]});
    let replies: Vec<Reply> =
        join_all((0..20).map(|_| async move { acme.submit(receipts, one).await }).collect()).await;
    assert!(
        replies.iter().all(|reply| reply.status == 201 && reply.body["number"] == replies[0].body["number"])
    );
    assert_eq!(acme.on_hand(&nut).await, "5");

    // A receipt and a cancellation compete. Either all goods are received, or none.
    for _ in 0..5 {
        let (_, washer, order) = ordered(acme, "3").await;
        let path = &format!("purchase-orders/{}", id(&order));
        let (receipts, cancel, nothing) = (format!("{path}/receipts"), format!("{path}/cancel"), json!({}));
        let (received, cancelled) =
            tokio::join!(acme.submit(&receipts, &nothing), acme.submit(&cancel, &nothing));
        assert_ne!(received.status == 201, cancelled.status == 200, "{received:?} {cancelled:?}");
        assert_eq!(acme.on_hand(&washer).await, if received.status == 201 { "3" } else { "0" });
    }
    // The over-receipt tolerance allows more units than ordered, up to its limit.
    acme.patch("/api/v1/settings", &json!({"overReceiptPercent": "10"})).await;
    let (_, pin, order) = ordered(acme, "10").await;
    let receipts = format!("purchase-orders/{}/receipts", id(&order));
    let of = |quantity: &str| json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": quantity}]});
    assert_eq!(acme.submit(&receipts, &of("11.001")).await.code(), "more_than_left");
    assert_eq!(acme.submit(&receipts, &of("11")).await.body["order"]["status"], "RECEIVED");
    assert_eq!(acme.on_hand(&pin).await, "11");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let count: i64 = app.database.as_admin().await.query_one(deadlocks, &[]).await.unwrap().get(0);
    assert_eq!((count, acme.get("/api/v1/stock/ledger").await.body["holds"].clone()), (0, json!(true)));
}

/// Sells one unit and returns its unit cost.
async fn cost_of_next(business: &Business<'_>, variant: &Value) -> Value {
    let sold = json!({"lines": [{"variantId": variant, "quantity": "1"}]});
    let order = business.submit("orders", &sold).await;
    assert_eq!(order.status, 201, "{order:?}");
    let path = format!("/api/v1/stock/movements?variantId={}", variant.as_str().unwrap());
    business.get(&path).await.body["data"][0]["unitCost"].clone()
}

#[tokio::test]
async fn a_reversed_receipt_takes_exactly_what_it_brought() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, bolt, order) = ordered(&acme, "10").await;
    // 10 units at the cost 4, then 10 units at 2.50.
    acme.adjust(&bolt, "10").await;
    let receipts = format!("purchase-orders/{}/receipts", id(&order));
    let received = acme.submit(&receipts, &json!({})).await;
    let staff = app.member_of(&acme.tenant, "STAFF").await;
    let back = json!({"reverses": received.body["id"]});
    assert_eq!(staff.submit(&receipts, &back).await.status, 403, "staff must not reverse a receipt");
    assert_eq!(acme.submit(&receipts, &back).await.status, 201);
    assert_eq!(cost_of_next(&acme, &bolt).await, "4");

    let received = acme.submit(&receipts, &json!({})).await;
    assert_eq!(cost_of_next(&acme, &bolt).await, "3.2105", "9 units at 4 and 10 units at 2.50");
    assert_eq!(acme.submit(&receipts, &json!({"reverses": received.body["id"]})).await.status, 201);
    // One unit was sold for 3.2105 since. The 8 units that stay cost 61 - 3.2105 - 25.
    assert_eq!(cost_of_next(&acme, &bolt).await, "4.0987");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn a_reversed_receipt_removes_its_wrong_cost_even_after_later_receipts() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (supplier, bolt, _) = ordered(&acme, "1").await;
    let found = json!({"variantId": bolt, "quantity": "10", "unitCost": "1", "reason": "opening stock"});
    assert_eq!(acme.submit("stock/adjustments", &found).await.status, 201);
    let buy = async |quantity: &str, cost: &str| {
        let line = json!({"variantId": bolt, "quantity": quantity, "unitCost": cost});
        let body = json!({"supplierId": supplier, "lines": [line]});
        let order = acme.submit("purchase-orders", &body).await.body;
        acme.submit(&format!("purchase-orders/{}/send", id(&order)), &json!({})).await;
        let receipts = format!("purchase-orders/{}/receipts", id(&order));
        let received = acme.submit(&receipts, &json!({})).await;
        assert_eq!(received.status, 201, "{received:?}");
        (receipts, json!({"reverses": received.body["id"]}))
    };
    let (wrong, wrong_back) = buy("10", "100").await;
    let (right, right_back) = buy("5", "1").await;
    assert_eq!(acme.submit(&right, &right_back).await.status, 201);
    buy("5", "1").await;
    assert_eq!(acme.submit(&wrong, &wrong_back).await.status, 201);
    assert_eq!(cost_of_next(&acme, &bolt).await, "1");
    // A quantity with three zeros too many. The average cost of such a quantity needs more digits than cents.
    let (wrong, wrong_back) = buy("30000000", "2.3457").await;
    assert_eq!(acme.submit(&wrong, &wrong_back).await.status, 201);
    assert_eq!(cost_of_next(&acme, &bolt).await, "1");
    assert_eq!(acme.adjust(&bolt, "-13").await.status, 201);
    // At an empty stock level, a reversed receipt leaves no average cost. The next goods get the variant's
    // own cost.
    let (wrong, wrong_back) = buy("10", "100").await;
    assert_eq!(acme.submit(&wrong, &wrong_back).await.status, 201);
    acme.adjust(&bolt, "3").await;
    assert_eq!(cost_of_next(&acme, &bolt).await, "4");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn goods_for_an_archived_location_are_refused_with_the_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (supplier, bolt, _) = ordered(&acme, "1").await;
    let shed = acme.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    let line = json!([{"variantId": bolt, "quantity": "3", "unitCost": "1"}]);
    let body = json!({"supplierId": supplier, "locationId": shed, "lines": line});
    let order = acme.submit("purchase-orders", &body).await.body;
    acme.submit(&format!("purchase-orders/{}/send", id(&order)), &json!({})).await;
    let path = format!("/api/v1/locations/{}", shed.as_str().unwrap());
    assert_eq!(acme.patch(&path, &json!({"archived": true})).await.code(), "documents_under_way");
    // An earlier release archived it all the same.
    let archive = "UPDATE business_1.locations SET archived_at = now() WHERE name = 'Shed'";
    app.database.as_admin().await.execute(archive, &[]).await.unwrap();
    let receipts = format!("purchase-orders/{}/receipts", id(&order));
    let refused = acme.submit(&receipts, &json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "location_archived"), "{refused:?}");
    assert_eq!(acme.patch(&path, &json!({"archived": false})).await.status, 200);
    assert_eq!(acme.submit(&receipts, &json!({})).await.body["order"]["status"], "RECEIVED");
}

#[tokio::test]
async fn the_taxes_and_the_expected_day_of_a_draft_can_be_changed_within_limits() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (supplier, bolt, _) = ordered(&acme, "1").await;
    let lines = |tax: &str, quantity: &str, cost: &str| {
        json!([
            {"variantId": bolt, "quantity": quantity, "unitCost": cost, "taxPercent": tax},
        ])
    };
    let draft = json!({"supplierId": supplier, "lines": lines("0", "10", "1.00")});
    let order = acme.submit("purchase-orders", &draft).await.body;
    let path = format!("/api/v1/purchase-orders/{}", id(&order));
    let taxed = acme.patch(&path, &json!({"lines": lines("16", "10", "1.00")})).await.body;
    assert_eq!(
        (&taxed["subtotal"], &taxed["tax"], &taxed["total"]),
        (&json!("10.00"), &json!("1.60"), &json!("11.60"))
    );
    for day in ["1999-12-31", "+10000-01-01", "-4713-11-24", "-262143-01-01"] {
        let refused = acme.patch(&path, &json!({"expectedOn": day})).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid_day"), "{day}: {refused:?}");
    }
    assert_eq!(acme.patch(&path, &json!({"expectedOn": "2999-02-29"})).await.code(), "invalid_day");
    // The largest quantity, with a tolerance of 100 percent, still fits into the database.
    acme.patch("/api/v1/settings", &json!({"overReceiptPercent": "100"})).await;
    let most = acme.patch(&path, &json!({"lines": lines("0", "99999999999.999", "0")})).await;
    assert_eq!(most.status, 200, "{most:?}");
    let refused = acme.patch("/api/v1/settings", &json!({"overReceiptPercent": "2.505"})).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/overReceiptPercent")));
    let price = json!({"variantId": bolt, "cost": "1", "minimumQuantity": "-1"});
    let refused = acme.submit(&format!("suppliers/{}/prices", supplier.as_str().unwrap()), &price).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/minimumQuantity")));
}

#[tokio::test]
async fn a_purchase_order_that_becomes_overdue_no_longer_matches_its_cached_response() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, _, order) = ordered(&acme, "1").await;
    // These two time zones never have the same day.
    let (west, east) = ("Etc/GMT+12", "Pacific/Kiritimati");
    assert_eq!(acme.patch("/api/v1/settings", &json!({"timeZone": west})).await.status, 200);
    let path = format!("/api/v1/purchase-orders/{}", id(&order));
    let today = format!("SELECT (now() AT TIME ZONE '{west}')::date::text");
    let today: String = app.database.as_admin().await.query_one(&today, &[]).await.unwrap().get(0);
    let dated = acme.patch(&path, &json!({"expectedOn": today})).await;
    assert_eq!(dated.body["overdue"], false, "{dated:?}");
    let read = acme.get(&path).await;
    let known = acme.with("if-none-match", read.header("etag"));
    assert_eq!(known.get(&path).await.status, 304);
    assert_eq!(acme.patch("/api/v1/settings", &json!({"timeZone": east})).await.status, 200);
    let now = known.get(&path).await;
    assert_eq!((now.status, &now.body["overdue"]), (200, &json!(true)));
    // The order itself has not changed, so the same ETag still allows an edit.
    let changed = acme.with("if-match", read.header("etag")).patch(&path, &json!({"note": "late"})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
}

#[tokio::test]
async fn a_purchase_order_has_one_currency_and_goods_are_converted_when_they_arrive() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (supplier, bolt, _) = ordered(&acme, "1").await;
    let body = |more: Value| {
        let lines = json!([{"variantId": bolt, "quantity": "4", "unitCost": "0.3333", "taxPercent": "10"}]);
        let mut body = json!({"supplierId": supplier, "lines": lines});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, code) in [
        (json!({"currency": "USD"}), "invalid_exchange_rate"),
        (json!({"currency": "EUR", "exchangeRate": "2"}), "invalid_exchange_rate"),
        (json!({"exchangeRate": "2"}), "invalid_exchange_rate"),
        (json!({"currency": "USD", "exchangeRate": "0"}), "not_positive"),
        (json!({"currency": "ABC", "exchangeRate": "2"}), "invalid_value"),
    ] {
        let refused = acme.submit("purchase-orders", &body(more.clone())).await;
        assert_eq!((refused.status, refused.code()), (422, code), "{more}: {refused:?}");
    }
    // Amounts of the purchase order have the decimals of its currency.
    let yen =
        acme.submit("purchase-orders", &body(json!({"currency": "JPY", "exchangeRate": "0.0061"}))).await;
    assert_eq!((&yen.body["currency"], &yen.body["total"]), (&json!("JPY"), &json!("1")), "{yen:?}");
    let order =
        acme.submit("purchase-orders", &body(json!({"currency": "USD", "exchangeRate": "0.92"}))).await;
    let told = |name: &str| order.body[name].as_str().unwrap().to_owned();
    assert_eq!(
        (told("currency"), told("exchangeRate"), told("subtotal"), told("total")),
        ("USD".into(), "0.92".into(), "1.33".into(), "1.46".into())
    );
    let path = format!("purchase-orders/{}", id(&order.body));
    acme.submit(&format!("{path}/send"), &json!({})).await;

    // Each receipt is converted at the rate of its day. A reversal takes back what its receipt brought.
    let receipts = format!("{path}/receipts");
    let line = &order.body["lines"][0]["id"];
    let one = json!({"lines": [{"lineId": line, "quantity": "1"}]});
    let first = acme.submit(&receipts, &one).await.body;
    assert_eq!((&first["currency"], &first["lines"][0]["value"]), (&json!("EUR"), &json!("0.306636")));
    let changed = acme.patch(&format!("/api/v1/{path}"), &json!({"exchangeRate": "0.5"})).await;
    assert_eq!(changed.body["exchangeRate"], "0.5", "{changed:?}");
    let second = acme.submit(&receipts, &one).await.body;
    assert_eq!(second["lines"][0]["value"], "0.16665");
    let back = acme.submit(&receipts, &json!({"reverses": first["id"]})).await.body;
    assert_eq!(back["lines"][0]["value"], "-0.306636");
    let stock = acme.get("/api/v1/reports/stock").await.body;
    assert_eq!((&stock["total"]["onHand"], &stock["total"]["cost"]), (&json!("1"), &json!("0.17")));
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn a_reversal_leaves_a_purchase_order_received_if_enough_has_arrived() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.patch("/api/v1/settings", &json!({"overReceiptPercent": "5"})).await;
    let (_, _, order) = ordered(&acme, "100").await;
    let receipts = format!("purchase-orders/{}/receipts", id(&order));
    let line = &order["lines"][0]["id"];
    let part = |quantity: &str| json!({"lines": [{"lineId": line, "quantity": quantity}]});
    let few = acme.submit(&receipts, &part("3")).await.body;
    assert_eq!(acme.submit(&receipts, &part("102")).await.body["order"]["status"], "RECEIVED");
    let back = acme.submit(&receipts, &json!({"reverses": few["id"]})).await;
    assert_eq!((back.status, &back.body["order"]["status"]), (201, &json!("RECEIVED")), "{back:?}");
}
