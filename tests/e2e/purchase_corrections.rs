//! What happens after goods were ordered: costs as invoiced, landed cost, receipts that are reversed in part,
//! goods that go back to the supplier, costs that are corrected, and suggestions that become purchase orders.

use harness::{Business, TestApp, a_product};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::orders::made;

struct Shop<'a> {
    acme: Business<'a>,
    supplier: Value,
    bolt: Value,
    nut: Value,
}

async fn shop(app: &TestApp) -> Shop<'_> {
    let acme = app.tenant("acme").await;
    let supplier = made(acme.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await)["id"].clone();
    let bolt = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    let nut = acme.create_product(&a_product("NUT")).await["variants"][0]["id"].clone();
    Shop { acme, supplier, bolt, nut }
}

impl Shop<'_> {
    /// A sent purchase order for bolts at 2 and nuts at 1, with more fields.
    async fn ordered(&self, bolts: &str, nuts: &str, more: Value) -> Value {
        let mut body = json!({"supplierId": self.supplier, "lines": [
            {"variantId": self.bolt, "quantity": bolts, "unitCost": "2"},
            {"variantId": self.nut, "quantity": nuts, "unitCost": "1"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let order = made(self.acme.submit("purchase-orders", &body).await);
        let sent = self.acme.submit(&format!("purchase-orders/{}/send", id(&order)), &json!({})).await;
        assert_eq!(sent.status, 200, "{sent:?}");
        order
    }

    async fn receive(&self, order: &Value, body: Value) -> Value {
        made(self.acme.submit(&format!("purchase-orders/{}/receipts", id(order)), &body).await)
    }

    /// On hand and cost of a variant, as "10 for 20.00".
    async fn stock(&self, variant: &Value) -> String {
        let report = self.acme.get("/api/v1/reports/stock?by=variant").await.body;
        let row = report["data"].as_array().unwrap().iter().find(|row| row["key"] == *variant);
        row.map_or("0".to_owned(), |row| format!("{} for {}", row["onHand"], row["cost"]).replace('"', ""))
    }

    async fn holds(&self) {
        assert_eq!(self.acme.get("/api/v1/stock/ledger").await.body["holds"], true);
    }
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

#[tokio::test]
async fn goods_arrive_at_the_invoiced_cost_and_with_their_share_of_the_landed_cost() {
    let app = TestApp::start().await;
    let shop = shop(&app).await;
    let order = shop.ordered("30", "30", json!({})).await;
    let (bolts, nuts) = (&order["lines"][0]["id"], &order["lines"][1]["id"]);
    // 10 at 2.50 and 10 at the ordered 2, and 10 nuts at 1: 55 in all. 11 of freight are a fifth of that.
    let receipt = shop
        .receive(
            &order,
            json!({"landedCost": "11", "lines": [
                {"lineId": bolts, "quantity": "10", "unitCost": "2.50"}, {"sku": "bolt", "quantity": "10"},
                {"variantId": shop.nut, "quantity": "10"}]}),
        )
        .await;
    let told: Vec<String> = receipt["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| format!("{} {} {}", line["unitCost"], line["landedCost"], line["value"]).replace('"', ""))
        .collect();
    assert_eq!(told, ["2.5 5 30", "null 4 24", "null 2 12"]);
    assert_eq!(shop.stock(&shop.bolt).await, "20 for 54.00");
    assert_eq!(shop.stock(&shop.nut).await, "10 for 12.00");
    // A cost that cannot be divided evenly is divided completely.
    let thirds = shop
        .receive(
            &order,
            json!({"landedCost": "0.10", "lines": [
                {"lineId": bolts, "quantity": "1", "unitCost": "0"},
                {"lineId": nuts, "quantity": "2", "unitCost": "0"}]}),
        )
        .await;
    let shares: Vec<&Value> =
        thirds["lines"].as_array().unwrap().iter().map(|line| &line["landedCost"]).collect();
    assert_eq!(shares, ["0.03333333", "0.06666667"]);
    let path = format!("purchase-orders/{}/receipts", id(&order));
    for (line, status, code) in [
        (json!({"quantity": "1"}), 422, "article_not_named"),
        (json!({"lineId": bolts, "sku": "BOLT", "quantity": "1"}), 422, "article_not_named"),
        (json!({"sku": "PIN", "quantity": "1"}), 404, "not_found"),
        (json!({"lineId": bolts, "quantity": "1", "unitCost": "-1"}), 422, "negative"),
        (json!({"sku": "BOLT", "quantity": "10"}), 409, "more_than_left"),
    ] {
        let refused = shop.acme.submit(&path, &json!({"lines": [line]})).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{line}: {refused:?}");
    }
    // Another currency: the invoice is converted, the landed cost is the business's own.
    let order = shop.ordered("1", "1", json!({"currency": "USD", "exchangeRate": "0.5"})).await;
    let receipt = shop
        .receive(
            &order,
            json!({"landedCost": "3", "lines": [{"sku": "BOLT", "quantity": "1", "unitCost": "4"}]}),
        )
        .await;
    assert_eq!(receipt["lines"][0]["value"], "5");
    shop.holds().await;
}

#[tokio::test]
async fn costs_beyond_the_books_are_refused_and_an_unknown_article_is_named_by_its_line() {
    let app = TestApp::start().await;
    let shop = shop(&app).await;
    let most = "99999999990";
    let lines = |cost: &str| {
        json!([{"variantId": shop.bolt, "quantity": most, "unitCost": cost},
               {"variantId": shop.nut, "quantity": most, "unitCost": cost}])
    };
    let order = made(
        shop.acme.submit("purchase-orders", &json!({"supplierId": shop.supplier, "lines": lines("0")})).await,
    );
    let path = format!("purchase-orders/{}", id(&order));
    assert_eq!(shop.acme.submit(&format!("{path}/send"), &json!({})).await.status, 200);
    let receipts = format!("{path}/receipts");
    let body = json!({"lines": lines("9999999999"), "landedCost": "9999999999"});
    let refused = shop.acme.submit(&receipts, &body).await;
    assert_eq!((refused.status, refused.code()), (422, "amount_too_large"), "{refused:?}");
    let body = json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "1"},
                                {"sku": "NONE", "quantity": "1"}]});
    let refused = shop.acme.submit(&receipts, &body).await;
    assert_eq!(refused.body["errors"][0]["pointer"], "/lines/1/sku", "{refused:?}");
    shop.holds().await;
}

#[tokio::test]
async fn a_receipt_is_reversed_in_parts_and_takes_exactly_what_it_brought() {
    let app = TestApp::start().await;
    let shop = shop(&app).await;
    let order = shop.ordered("3", "3", json!({})).await;
    let bolts = &order["lines"][0]["id"];
    let brought = json!({"deliveryNote": "D-1", "landedCost": "1", "lines": [
        {"lineId": bolts, "quantity": "2", "unitCost": "3.3333"}, {"lineId": bolts, "quantity": "1"}]});
    let receipt = shop.receive(&order, brought.clone()).await;
    let reverse = json!({"reverses": receipt["id"], "lines": [{"lineId": bolts, "quantity": "1"}]});
    let back = shop.receive(&order, reverse.clone()).await;
    assert_eq!(back["lines"][0]["quantity"], "-1");
    let list = shop.acme.get(&format!("/api/v1/purchase-orders/{}/receipts", id(&order))).await.body;
    assert_eq!(
        (&list["data"][0]["reversed"], &list["data"][0]["lines"][0]["reversed"]),
        (&json!(false), &json!("1"))
    );
    let again = json!({"deliveryNote": "d-1", "lines": [{"lineId": bolts, "quantity": "1"}]});
    let path = format!("purchase-orders/{}/receipts", id(&order));
    assert_eq!(
        shop.acme.submit(&path, &again).await.code(),
        "delivery_note_booked",
        "a part of it still stands"
    );
    for (body, code) in [
        (json!({"reverses": receipt["id"], "lines": [{"lineId": bolts, "quantity": "3"}]}), "more_than_left"),
        (json!({"reverses": receipt["id"], "lines": []}), "invalid_line_count"),
        (
            json!({"reverses": receipt["id"], "lines": [{"sku": "BOLT", "quantity": "1"}]}),
            "article_not_named",
        ),
        (json!({"reverses": back["id"]}), "not_found"),
    ] {
        assert_eq!(shop.acme.submit(&path, &body).await.code(), code, "{body}");
    }
    shop.receive(&order, json!({"reverses": receipt["id"]})).await;
    assert_eq!(shop.stock(&shop.bolt).await, "0");
    let stock = shop.acme.get("/api/v1/reports/stock").await.body;
    assert_eq!(stock["total"]["cost"], "0.00");
    assert_eq!(shop.acme.submit(&path, &json!({"reverses": receipt["id"]})).await.code(), "receipt_reversed");
    shop.receive(&order, again).await;
    shop.holds().await;
}

#[tokio::test]
async fn goods_go_back_to_the_supplier_at_what_the_supplier_credits() {
    let app = TestApp::start().await;
    let shop = shop(&app).await;
    let order = shop.ordered("10", "10", json!({})).await;
    shop.receive(&order, json!({})).await;
    let path = format!("suppliers/{}/returns", shop.supplier.as_str().unwrap());
    let body = json!({"id": Uuid::now_v7(), "reason": "rusty", "note": "box 3", "lines": [
        {"sku": "bolt", "quantity": "2", "unitCost": "1.50"}, {"variantId": shop.nut, "quantity": "4"}]});
    let first = made(shop.acme.submit(&path, &body).await);
    assert_eq!((&first["reference"], &first["currency"]), (&json!("VR-000001"), &json!("EUR")));
    assert_eq!((&first["lines"][0]["value"], &first["lines"][1]["value"]), (&json!("3"), &json!("4")));
    let again = shop.acme.submit(&path, &body).await;
    assert_eq!((again.status, &again.body), (201, &first), "a repeated request changes nothing");
    assert_eq!(shop.stock(&shop.bolt).await, "8 for 17.00", "the supplier credits less than they cost");
    assert_eq!(shop.stock(&shop.nut).await, "6 for 6.00");
    let list = shop.acme.get(&format!("/api/v1/{path}")).await.body;
    assert_eq!(list["data"], json!([first]));
    let short = json!({"reason": "rusty", "lines": [{"sku": "BOLT", "quantity": "9"}]});
    let refused = shop.acme.submit(&path, &short).await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_stock"), "{refused:?}");
    let unknown = format!("suppliers/{}/returns", Uuid::now_v7());
    assert_eq!(shop.acme.submit(&unknown, &short).await.status, 404);
    assert_eq!(
        shop.acme.submit(&path, &json!({"reason": "rusty", "lines": []})).await.code(),
        "invalid_line_count"
    );
    let movement = shop.acme.get("/api/v1/stock/movements").await.body["data"][0].clone();
    assert_eq!(
        (&movement["kind"], &movement["source"]["type"]),
        (&json!("purchase"), &json!("supplier_return"))
    );
    shop.holds().await;
}

#[tokio::test]
async fn a_wrong_cost_is_corrected_with_a_reason() {
    let app = TestApp::start().await;
    let shop = shop(&app).await;
    let order = shop.ordered("10", "10", json!({})).await;
    shop.receive(&order, json!({})).await;
    made(shop.acme.submit("orders", &json!({"lines": [{"variantId": shop.bolt, "quantity": "4"}]})).await);
    let body = json!({"id": Uuid::now_v7(), "sku": "bolt", "unitCost": "2.3333", "reason": "wrong invoice"});
    let first = made(shop.acme.submit("stock/revaluations", &body).await);
    assert_eq!(
        (&first["onHand"], &first["valueBefore"], &first["valueAfter"], &first["currency"]),
        (&json!("6"), &json!("12"), &json!("13.9998"), &json!("EUR"))
    );
    assert_eq!(shop.acme.submit("stock/revaluations", &body).await.body, first);
    assert_eq!(shop.acme.get(&format!("/api/v1/stock/revaluations/{}", id(&first))).await.body, first);
    assert_eq!(shop.stock(&shop.bolt).await, "6 for 14.00");
    let report = shop.acme.get("/api/v1/reports/adjustments").await.body;
    let row = &report["data"][0];
    assert_eq!(
        (&row["kind"], &row["reason"], &row["value"]),
        (&json!("revaluation"), &json!("wrong invoice"), &json!("2.00"))
    );
    // Stock of unknown cost gets one.
    let mut pin = a_product("PIN");
    pin["variants"][0]["cost"] = Value::Null;
    let pin = shop.acme.create_product(&pin).await["variants"][0]["id"].clone();
    assert_eq!(shop.acme.adjust(&pin, "5").await.status, 201);
    let known = json!({"variantId": pin, "unitCost": "3", "reason": "found the invoice"});
    let known = made(shop.acme.submit("stock/revaluations", &known).await);
    assert_eq!((&known["valueBefore"], &known["valueAfter"]), (&Value::Null, &json!("15")));
    let shed = made(shop.acme.post("/api/v1/locations", &json!({"name": "Shed"})).await)["id"].clone();
    for (body, status, code) in [
        (json!({"sku": "BOLT", "locationId": shed, "unitCost": "1", "reason": "x"}), 409, "nothing_on_hand"),
        (json!({"sku": "NONE", "unitCost": "1", "reason": "x"}), 404, "not_found"),
        (json!({"variantId": Uuid::now_v7(), "unitCost": "1", "reason": "x"}), 404, "not_found"),
        (json!({"sku": "BOLT", "unitCost": "-1", "reason": "x"}), 422, "negative"),
        (json!({"sku": "BOLT", "unitCost": "1"}), 422, "missing_field"),
    ] {
        let refused = shop.acme.submit("stock/revaluations", &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}: {refused:?}");
    }
    shop.holds().await;
}

#[tokio::test]
async fn a_suggestion_becomes_a_purchase_order_in_one_call() {
    let app = TestApp::start().await;
    let shop = shop(&app).await;
    for (variant, cost, currency) in [(&shop.bolt, "2", "EUR"), (&shop.nut, "1", "USD")] {
        let level = json!({"reorderLevel": "5", "targetQuantity": "12"});
        let path = format!("/api/v1/variants/{}", variant.as_str().unwrap());
        assert_eq!(shop.acme.patch(&path, &level).await.status, 200);
        let price = json!({"variantId": variant, "cost": cost, "currency": currency, "leadTimeDays": 7});
        made(
            shop.acme.submit(&format!("suppliers/{}/prices", shop.supplier.as_str().unwrap()), &price).await,
        );
    }
    let body = json!({"id": Uuid::now_v7(), "supplierId": shop.supplier});
    let order = made(shop.acme.submit("purchase-orders/suggested", &body).await);
    assert_eq!((&order["status"], &order["currency"]), (&json!("DRAFT"), &json!("EUR")));
    let line = &order["lines"][0];
    assert_eq!(
        (&line["sku"], &line["quantity"], &line["unitCost"]),
        (&json!("BOLT"), &json!("12"), &json!("2"))
    );
    assert!(order["expectedOn"].is_string());
    let again = shop.acme.submit("purchase-orders/suggested", &body).await;
    assert_eq!((again.status, &again.body), (201, &order), "a repeated request changes nothing");
    let dollars = json!({"supplierId": shop.supplier, "currency": "USD"});
    assert_eq!(shop.acme.submit("purchase-orders/suggested", &dollars).await.code(), "invalid_exchange_rate");
    let dollars = json!({"supplierId": shop.supplier, "currency": "USD", "exchangeRate": "0.9"});
    let order = made(shop.acme.submit("purchase-orders/suggested", &dollars).await);
    assert_eq!((&order["lines"][0]["sku"], &order["exchangeRate"]), (&json!("NUT"), &json!("0.9")));
    let sent = shop.acme.submit(&format!("purchase-orders/{}/send", id(&order)), &json!({})).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let refused = shop.acme.submit("purchase-orders/suggested", &dollars).await;
    assert_eq!((refused.status, refused.code()), (409, "nothing_suggested"), "{refused:?}");
}

#[tokio::test]
async fn an_order_is_cancelled_in_part() {
    let app = TestApp::start().await;
    let shop = shop(&app).await;
    assert_eq!(shop.acme.adjust(&shop.bolt, "10").await.status, 201);
    let lines = json!([{"variantId": shop.bolt, "quantity": "3", "discount": "1"}]);
    let order = made(shop.acme.submit("orders", &json!({"fulfil": false, "lines": lines})).await);
    let path = format!("orders/{}/cancel", id(&order));
    let lines = json!([{"lineId": order["lines"][0]["id"], "quantity": "1"}]);
    let part = json!({"reason": "changed their mind", "lines": lines});
    let refused = shop.acme.post(&format!("/api/v1/{path}"), &part).await;
    assert_eq!(refused.code(), "idempotency_key_required");
    let cancelled = shop.acme.submit(&path, &part).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("reserved")), "{cancelled:?}");
    assert_eq!(
        (&cancelled.body["credited"], &cancelled.body["amountDue"]),
        (&json!("9.67"), &json!("19.33"))
    );
    let too_many = json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "3"}]});
    assert_eq!(shop.acme.submit(&path, &too_many).await.code(), "more_than_left");
    let fulfil = format!("orders/{}/fulfil", id(&order));
    let one = json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "1"}]});
    made(shop.acme.submit(&fulfil, &one).await);
    let rest = shop.acme.submit(&path, &json!({})).await;
    assert_eq!(
        (&rest.body["status"], &rest.body["amountDue"]),
        (&json!("fulfilled"), &json!("9.67")),
        "{rest:?}"
    );
    shop.holds().await;
}
