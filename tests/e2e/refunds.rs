//! Refunds without goods, and exchanges.

use harness::{Business, TestApp, a_product};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::orders::{made, stocked};

/// Net, refunded, tax and returned quantity of the report on sales.
async fn sales(business: &Business<'_>) -> String {
    let total = business.get("/api/v1/reports/sales").await.body["total"].clone();
    format!("{} {} {} {}", total["net"], total["refunded"], total["tax"], total["returned"]).replace('"', "")
}

#[tokio::test]
async fn a_part_of_the_price_is_refunded_and_the_customer_keeps_the_goods() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "25"}]);
    let class = json!({"name": "Standard", "inclusive": true, "rates": rates});
    let class = made(acme.post("/api/v1/tax-classes", &class).await)["id"].clone();
    let mut product = a_product("BOLT");
    product["taxClassId"] = class;
    let bolt = acme.create_product(&product).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "20").await.status, 201);
    let nut = stocked(&acme, "NUT", "20").await;
    let lines = json!([{"variantId": bolt, "quantity": "2"}, {"variantId": nut, "quantity": "1"}]);
    let order = made(acme.submit("orders", &json!({"lines": lines})).await);
    assert_eq!(sales(&acme).await, "30.00 0.00 4.00 0");
    let path = format!("orders/{}", order["id"].as_str().unwrap());
    let refunds = format!("{path}/refunds");
    let body = json!({"id": Uuid::now_v7(), "reason": "scratched", "amount": "3"});
    let first = made(acme.submit(&refunds, &body).await);
    assert_eq!((&first["amount"], &first["order"]["amountDue"]), (&json!("3.00"), &json!("27.00")));
    assert_eq!(acme.submit(&refunds, &body).await.body["order"]["amountDue"], "27.00", "a repeated request");
    assert_eq!(sales(&acme).await, "27.00 3.00 3.60 0");
    let nut_line = &order["lines"][1]["id"];
    let of_line =
        |amount: &str| json!({"reason": "scratched", "lines": [{"lineId": nut_line, "amount": amount}]});
    for (body, status, code) in [
        (of_line("9.01"), 409, "refund_too_large"),
        (json!({"reason": "x", "amount": "27.01"}), 409, "refund_too_large"),
        (json!({"reason": "x", "amount": "0"}), 422, "not_positive"),
        (json!({"reason": "x", "amount": "0.001"}), 422, "too_many_decimals"),
        (json!({"reason": "x"}), 422, "invalid_line_count"),
        (json!({"reason": "x", "amount": "1", "lines": []}), 422, "invalid_line_count"),
        (json!({"reason": "x", "lines": [{"lineId": Uuid::now_v7(), "amount": "1"}]}), 404, "not_found"),
    ] {
        let refused = acme.submit(&refunds, &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}: {refused:?}");
    }
    made(acme.submit(&refunds, &of_line("9")).await);
    // What is left is refunded with the goods, and nothing of it twice.
    let all = json!({"reason": "broken", "lines": [
        {"lineId": order["lines"][0]["id"], "quantity": "2"}, {"lineId": nut_line, "quantity": "1"}]});
    let back = made(acme.submit(&format!("{path}/returns"), &all).await);
    assert_eq!((&back["refund"], &back["order"]["amountDue"]), (&json!("18.00"), &json!("0.00")));
    assert_eq!(sales(&acme).await, "0.00 30.00 0.00 3");
}

#[tokio::test]
async fn goods_are_exchanged_completely_or_not_at_all() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let small = stocked(&acme, "SMALL", "1").await;
    let large = stocked(&acme, "LARGE", "1").await;
    let order = made(acme.submit("orders", &json!({"lines": [{"variantId": small, "quantity": "1"}]})).await);
    let path = format!("orders/{}/exchanges", order["id"].as_str().unwrap());
    let exchange = |variant: &Value, quantity: &str| {
        json!({
            "return": {"reason": "wrong size",
                       "lines": [{"lineId": order["lines"][0]["id"], "quantity": "1"}]},
            "order": {"lines": [{"variantId": variant, "quantity": quantity}], "discount": "1"},
        })
    };
    let refused = acme.submit(&path, &exchange(&large, "2")).await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_stock"), "{refused:?}");
    assert_eq!(acme.on_hand(&small).await, "0", "nothing came back");
    let wrong = acme.submit(&path, &exchange(&json!(Uuid::now_v7()), "1")).await;
    assert_eq!(wrong.body["errors"][0]["pointer"], "/order/lines/0/variantId", "{wrong:?}");
    let done = made(acme.submit(&path, &exchange(&large, "1")).await);
    assert_eq!((&done["difference"], &done["return"]["refund"]), (&json!("-1.00"), &json!("10.00")));
    assert_eq!((acme.on_hand(&small).await, acme.on_hand(&large).await), ("1".to_owned(), "0".to_owned()));
    let again = acme.submit(&path, &exchange(&small, "1")).await;
    assert_eq!(
        again.body["errors"][0]["pointer"], "/return/lines/0/quantity",
        "it came back already: {again:?}"
    );
    // What comes back can be sold in the same exchange.
    let order = made(acme.submit("orders", &json!({"lines": [{"variantId": small, "quantity": "1"}]})).await);
    let path = format!("orders/{}/exchanges", order["id"].as_str().unwrap());
    let same = json!({
        "return": {"reason": "broken box", "lines": [{"lineId": order["lines"][0]["id"], "quantity": "1"}]},
        "order": {"lines": [{"variantId": small, "quantity": "1"}]},
    });
    assert_eq!(made(acme.submit(&path, &same).await)["difference"], "0.00");

    // A repeated exchange has no second effect. With one id alone, it could not be recognised as a whole.
    assert_eq!(acme.adjust(&small, "5").await.status, 201);
    let order = made(acme.submit("orders", &json!({"lines": [{"variantId": small, "quantity": "1"}]})).await);
    let path = format!("orders/{}/exchanges", order["id"].as_str().unwrap());
    let mut body = exchange(&small, "1");
    body["return"]["lines"][0]["lineId"] = order["lines"][0]["id"].clone();
    for document in ["return", "order"] {
        let mut one = body.clone();
        one[document]["id"] = json!(Uuid::now_v7());
        let refused = acme.submit(&path, &one).await;
        assert_eq!((refused.status, refused.code()), (422, "missing_field"), "{refused:?}");
    }
    for document in ["return", "order"] {
        body[document]["id"] = json!(Uuid::now_v7());
    }
    let first = made(acme.submit(&path, &body).await);
    let again = acme.submit(&path, &body).await;
    assert_eq!((again.status, &again.body, again.header("idempotent-replayed")), (201, &first, "true"));
    assert_eq!(acme.get("/api/v1/orders").await.body["data"].as_array().unwrap().len(), 6);
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}
