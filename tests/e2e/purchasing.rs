//! Orders to suppliers: received in parts, and never more than was ordered.

use harness::{Business, Reply, TestApp, a_product, join_all};
use serde_json::{Value, json};
use uuid::Uuid;

/// A supplier, a variant, and a sent order of so much of it.
async fn ordered(business: &Business<'_>, quantity: &str) -> (Value, Value, Value) {
    let supplier =
        business.post("/api/v1/suppliers", &json!({"name": format!("Supplier {}", Uuid::now_v7())})).await;
    assert_eq!(supplier.status, 201, "{supplier:?}");
    let product = business.create_product(&a_product(&format!("SKU-{}", Uuid::now_v7()))).await;
    let variant = product["variants"][0]["id"].clone();
    let body = json!({"supplierId": supplier.body["id"], "lines": [{"variantId": variant, "quantity": quantity, "unitCost": "2.50"}]});
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
async fn goods_come_in_parts_and_stock_changes_with_the_receipt_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (supplier, bolt, order) = ordered(&acme, "10").await;
    assert_eq!(acme.on_hand(&bolt).await, "0");
    assert_eq!((&order["total"], &order["receiptState"]), (&json!("25.00"), &json!("none")));
    let receipts = format!("purchase-orders/{}/receipts", id(&order));
    let line = &order["lines"][0]["id"];
    let part = json!({"deliveryNote": "D-1", "lines": [{"lineId": line, "quantity": "1"}, {"lineId": line, "quantity": "3"}]});
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

    // What came in is worth what it cost.
    let ledger = acme.get(&format!("/api/v1/stock/movements?variantId={}", bolt.as_str().unwrap())).await;
    assert_eq!(
        (&ledger.body["data"][0]["kind"], &ledger.body["data"][0]["unitCost"]),
        (&json!("purchase"), &json!("2.5"))
    );
    // A wrong receipt is taken back, once, and its delivery note can be booked anew.
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
        let price = json!({"variantId": bolt, "cost": cost, "supplierSku": "B-8", "minimumQuantity": "100", "leadTimeDays": 7});
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
async fn an_order_moves_only_where_it_may() {
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
    // Of which part has come, it is closed short and not cancelled.
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
        {"variantId": variant, "quantity": "1", "unitCost": "1"}, {"variantId": variant, "quantity": "1", "unitCost": "1"}]});
    assert_eq!(acme.submit("purchase-orders", &twice).await.code(), "ordered_twice");
    // What the supplier charges on top is rounded for each line, and in the total.
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
    let nobody = json!({"supplierId": Uuid::now_v7(), "lines": [{"variantId": variant, "quantity": "1", "unitCost": "1"}]});
    assert_eq!(acme.submit("purchase-orders", &nobody).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ordered_is_received_exactly_once() {
    let app = TestApp::start().await;
    let acme = &app.tenant("acme").await;
    // Eight receive all seven at once, each with a key of its own.
    let (_, bolt, order) = ordered(acme, "7").await;
    let receipts = &format!("purchase-orders/{}/receipts", id(&order));
    let all = &json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "7"}]});
    let statuses =
        join_all((0..8).map(|_| async move { acme.submit(receipts, all).await.status }).collect()).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    assert_eq!(acme.on_hand(&bolt).await, "7");

    // The same receipt twenty times at once: once.
    let (_, nut, order) = ordered(acme, "20").await;
    let receipts = &format!("purchase-orders/{}/receipts", id(&order));
    let one = &json!({"id": Uuid::now_v7(), "lines": [{"lineId": order["lines"][0]["id"], "quantity": "5"}]});
    let replies: Vec<Reply> =
        join_all((0..20).map(|_| async move { acme.submit(receipts, one).await }).collect()).await;
    assert!(
        replies.iter().all(|reply| reply.status == 201 && reply.body["number"] == replies[0].body["number"])
    );
    assert_eq!(acme.on_hand(&nut).await, "5");

    // Receiving against cancelling: either all is here, or nothing is.
    for _ in 0..5 {
        let (_, washer, order) = ordered(acme, "3").await;
        let path = &format!("purchase-orders/{}", id(&order));
        let (receipts, cancel, nothing) = (format!("{path}/receipts"), format!("{path}/cancel"), json!({}));
        let (received, cancelled) =
            tokio::join!(acme.submit(&receipts, &nothing), acme.submit(&cancel, &nothing));
        assert_ne!(received.status == 201, cancelled.status == 200, "{received:?} {cancelled:?}");
        assert_eq!(acme.on_hand(&washer).await, if received.status == 201 { "3" } else { "0" });
    }
    // A tolerance lets more come, and no more than that.
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
