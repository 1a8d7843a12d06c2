//! Payments of orders, and changes of orders before their goods leave.

use harness::{Business, TestApp, a_product, join_all};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::orders::{made, stocked};

async fn ordered(business: &Business<'_>, body: Value) -> Value {
    made(business.submit("orders", &body).await)
}

fn path(order: &Value, step: &str) -> String {
    format!("orders/{}{step}", order["id"].as_str().unwrap())
}

/// Paid, balance and status of an order.
fn paid(order: &Value) -> String {
    format!("{} {} {}", order["paid"], order["balance"], order["paymentStatus"]).replace('"', "")
}

#[tokio::test]
async fn an_order_is_paid_in_parts_and_paid_back_after_a_return() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let order = ordered(&acme, json!({"lines": [{"variantId": bolt, "quantity": "3"}]})).await;
    assert_eq!(paid(&order), "0.00 30.00 unpaid");
    let pay = async |amount: &str| {
        let body = json!({"method": "card", "amount": amount, "reference": "T-1"});
        acme.submit(&path(&order, "/payments"), &body).await
    };
    let first = made(pay("10").await);
    assert_eq!(
        (&first["amount"], &first["method"], &first["reference"]),
        (&json!("10.00"), &json!("card"), &json!("T-1"))
    );
    assert_eq!(paid(&first["order"]), "10.00 20.00 partly_paid");
    for (amount, status, code) in [
        ("20.01", 409, "payment_too_large"),
        ("-10.01", 409, "payment_too_large"),
        ("0", 422, "zero_amount"),
        ("1.001", 422, "too_many_decimals"),
    ] {
        let refused = pay(amount).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{amount}: {refused:?}");
    }
    assert_eq!(paid(&made(pay("20").await)["order"]), "30.00 0.00 paid");
    let back = json!({"reason": "broken", "lines": [{"lineId": order["lines"][0]["id"], "quantity": "1"}]});
    let back = made(acme.submit(&path(&order, "/returns"), &back).await);
    assert_eq!(paid(&back["order"]), "30.00 -10.00 overpaid");
    assert_eq!(paid(&made(pay("-10").await)["order"]), "20.00 0.00 paid");
    let list = acme.get(&format!("/api/v1/{}", path(&order, "/payments"))).await.body;
    let amounts: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|of| &of["amount"]).collect();
    assert_eq!(amounts, ["10.00", "20.00", "-10.00"]);
    let unknown = format!("orders/{}/payments", Uuid::now_v7());
    assert_eq!(acme.submit(&unknown, &json!({"method": "cash", "amount": "1"})).await.status, 404);
    let same = json!({"id": Uuid::now_v7(), "method": "cash", "amount": "1"});
    let order = ordered(&acme, json!({"lines": [{"variantId": bolt, "quantity": "1"}]})).await;
    let first = made(acme.submit(&path(&order, "/payments"), &same).await);
    let again = acme.submit(&path(&order, "/payments"), &same).await;
    assert_eq!(
        (again.status, &again.body["id"], &again.body["order"]["paid"]),
        (201, &first["id"], &json!("1.00"))
    );
}

#[tokio::test]
async fn orders_that_owe_and_orders_that_are_overdue_are_listed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let ann = made(acme.post("/api/v1/customers", &json!({"name": "Ann"})).await)["id"].clone();
    let lines = json!([{"variantId": bolt, "quantity": "1"}]);
    for more in [
        json!({"dueOn": "2026-01-01", "customerId": ann}),
        json!({"dueOn": "2999-01-01"}),
        json!({}),
        json!({"dueOn": "2026-01-01"}),
    ] {
        let mut body = json!({"lines": lines});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let order = ordered(&acme, body).await;
        assert_eq!(order["overdue"], json!(more["dueOn"] == "2026-01-01"), "{order}");
        if order["number"] == 4 {
            let payment = json!({"method": "cash", "amount": "10"});
            let payment = made(acme.submit(&path(&order, "/payments"), &payment).await);
            assert_eq!(payment["order"]["overdue"], false);
        }
    }
    let listed = async |query: &str| -> Vec<i64> {
        let list = acme.get(&format!("/api/v1/orders?{query}")).await;
        assert_eq!(list.status, 200, "{list:?}");
        list.body["data"].as_array().unwrap().iter().map(|order| order["number"].as_i64().unwrap()).collect()
    };
    let ann = ann.as_str().unwrap();
    for (query, found) in [
        ("owing=due", vec![3, 2, 1]),
        ("owing=overdue", vec![1]),
        ("owing=due&q=ann", vec![1]),
        ("owing=overdue&q=2", vec![]),
        ("owing=due&q=2", vec![2]),
        ("owing=due&status=reserved", vec![]),
        (&format!("owing=due&customerId={ann}"), vec![1]),
        (&format!("owing=due&q=ann&customerId={ann}"), vec![1]),
    ] {
        assert_eq!(listed(query).await, found, "{query}");
    }
    assert_eq!(acme.get("/api/v1/orders?owing=never").await.status, 400);
}

#[tokio::test]
async fn payments_at_the_same_time_never_exceed_the_amount_due() {
    let app = TestApp::start().await;
    let acme = &app.tenant("acme").await;
    let bolt = stocked(acme, "BOLT", "100").await;
    let order = ordered(acme, json!({"lines": [{"variantId": bolt, "quantity": "5"}]})).await;
    let to = &path(&order, "/payments");
    let pay = (0..20).map(|_| async move {
        let reply = acme.submit(to, &json!({"method": "mobile_money", "amount": "7"})).await;
        assert!(matches!(reply.status, 201 | 409), "{reply:?}");
        reply.status
    });
    let accepted = join_all(pay.collect()).await.into_iter().filter(|status| *status == 201).count();
    assert_eq!(accepted, 7);
    let order = acme.get(&format!("/api/v1/{}", path(&order, ""))).await.body;
    assert_eq!(paid(&order), "49.00 1.00 partly_paid");
}

#[tokio::test]
async fn an_order_is_changed_before_its_goods_leave() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "10"}]);
    let class = json!({"name": "Standard", "inclusive": false, "rates": rates});
    let class = made(acme.post("/api/v1/tax-classes", &class).await)["id"].clone();
    let mut product = a_product("BOLT");
    product["taxClassId"] = class.clone();
    let product = acme.create_product(&product).await;
    let bolt = product["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "10").await.status, 201);
    let nut = stocked(&acme, "NUT", "5").await;
    let body = json!({"fulfil": false, "note": "first", "lines": [{"variantId": bolt, "quantity": "4"}]});
    let order = ordered(&acme, body).await;
    assert_eq!(order["total"], "44.00");
    let at = format!("/api/v1/{}", path(&order, ""));

    // Since then the price has risen, and the tax has changed. What was agreed stays.
    let variant = format!("/api/v1/variants/{}", bolt.as_str().unwrap());
    assert_eq!(acme.patch(&variant, &json!({"price": "99.00"})).await.status, 200);
    let rates = json!({"rates": [{"name": "VAT", "percent": "50"}], "inclusive": true});
    assert_eq!(
        acme.patch(&format!("/api/v1/tax-classes/{}", class.as_str().unwrap()), &rates).await.status,
        200
    );
    let lines =
        json!([{"sku": "bolt", "quantity": "2"}, {"variantId": nut, "quantity": "5", "discount": "10%"}]);
    let changed = acme.patch(&at, &json!({"lines": lines, "note": null, "dueOn": "2999-01-01"})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let changed = changed.body;
    assert_eq!(
        (&changed["total"], &changed["tax"], &changed["note"], &changed["dueOn"]),
        (&json!("67.00"), &json!("2.00"), &Value::Null, &json!("2999-01-01"))
    );
    let reserved = |variant: &Value| {
        let (acme, variant) = (&acme, variant.as_str().unwrap().to_owned());
        async move { acme.get(&format!("/api/v1/variants/{variant}")).await.body["reserved"].clone() }
    };
    assert_eq!((reserved(&bolt).await, reserved(&nut).await), (json!("2"), json!("5")));
    let same = acme.patch(&at, &json!({"lines": lines})).await;
    assert_eq!(same.header("etag"), "\"2\"", "nothing changes");
    let too_many = json!({"lines": [{"variantId": nut, "quantity": "6"}]});
    let refused = acme.patch(&at, &too_many).await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_stock"), "{refused:?}");
    assert_eq!((reserved(&bolt).await, reserved(&nut).await), (json!("2"), json!("5")));
    for (body, status, code) in [
        (json!({"lines": []}), 422, "invalid_line_count"),
        (json!({"discount": "1"}), 422, "invalid_line_count"),
        (json!({"customerId": Uuid::now_v7()}), 404, "not_found"),
        (json!({"lines": [{"sku": "NONE", "quantity": "1"}]}), 404, "not_found"),
    ] {
        let refused = acme.patch(&at, &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}: {refused:?}");
    }
    assert_eq!(acme.with("if-match", "\"1\"").patch(&at, &json!({"note": "x"})).await.status, 412);
    let ann = made(acme.post("/api/v1/customers", &json!({"name": "Ann"})).await)["id"].clone();
    assert_eq!(acme.patch(&at, &json!({"customerId": ann})).await.body["customerId"], ann);

    let one = json!({"lines": [{"lineId": changed["lines"][0]["id"], "quantity": "1"}]});
    made(acme.submit(&path(&order, "/fulfil"), &one).await);
    for body in [json!({"customerId": null}), json!({"lines": [{"variantId": bolt, "quantity": "1"}]})] {
        let refused = acme.patch(&at, &body).await;
        assert_eq!((refused.status, refused.code()), (409, "wrong_status"), "{body}: {refused:?}");
    }
    assert_eq!(acme.patch(&at, &json!({"note": "late"})).await.body["note"], "late");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
    let log = acme.get(&format!("/api/v1/audit?subjectId={}", order["id"].as_str().unwrap())).await.body;
    let totals: Vec<&Value> =
        log["data"].as_array().unwrap().iter().map(|entry| &entry["changes"]["total"]["to"]).collect();
    assert!(totals.contains(&&json!("67")), "{log}");
}

#[tokio::test]
async fn a_change_keeps_each_line_s_taxes_and_price_and_may_always_reserve_less() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.member_of(&acme.tenant, "STAFF").await;
    let rates = json!([{"name": "VAT", "percent": "10"}]);
    let class = json!({"name": "Standard", "inclusive": false, "rates": rates});
    let mut product = a_product("BOLT");
    product["taxClassId"] = made(acme.post("/api/v1/tax-classes", &class).await)["id"].clone();
    let bolt = acme.create_product(&product).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "10").await.status, 201);
    let at = |order: &Value| format!("/api/v1/{}", path(order, ""));

    // A tax that came to nothing is still on top of the price.
    let free = json!({"variantId": bolt, "quantity": "1", "discount": "100%"});
    let order = ordered(&acme, json!({"fulfil": false, "lines": [free]})).await;
    let changed = acme.patch(&at(&order), &json!({"lines": [{"variantId": bolt, "quantity": "1"}]})).await;
    assert_eq!((&changed.body["total"], &changed.body["tax"]), (&json!("11.00"), &json!("1.00")));

    // Of two lines of one variant, each keeps its own price.
    let lines = json!([{"variantId": bolt, "quantity": "1", "price": "5", "priceReason": "damaged"},
                       {"variantId": bolt, "quantity": "1"}]);
    let order = ordered(&acme, json!({"fulfil": false, "lines": lines})).await;
    let lines = json!([{"variantId": bolt, "quantity": "1"}, {"variantId": bolt, "quantity": "2"}]);
    let changed = staff.patch(&at(&order), &json!({"lines": lines})).await;
    assert_eq!((changed.status, &changed.body["total"]), (200, &json!("27.50")), "{changed:?}");

    // A count finds less than is reserved. The order may become smaller, and not larger.
    let count = made(acme.submit("stock/counts", &json!({})).await);
    let count = format!("stock/counts/{}", count["id"].as_str().unwrap());
    let counted = json!({"lines": [{"variantId": bolt, "counted": "2"}]});
    assert_eq!(acme.submit(&format!("{count}/lines"), &counted).await.status, 200);
    assert_eq!(acme.submit(&format!("{count}/post"), &json!({})).await.status, 200);
    let less = acme.patch(&at(&order), &json!({"lines": [{"variantId": bolt, "quantity": "2"}]})).await;
    assert_eq!(less.status, 200, "{less:?}");
    let more = acme.patch(&at(&order), &json!({"lines": [{"variantId": bolt, "quantity": "3"}]})).await;
    assert_eq!((more.status, more.code()), (409, "insufficient_stock"), "{more:?}");

    // Cancelling a part of a free line touches the order, too.
    assert_eq!(acme.adjust(&bolt, "20").await.status, 201);
    let free = json!({"variantId": bolt, "quantity": "10", "discount": "100%"});
    let order = ordered(&acme, json!({"fulfil": false, "lines": [free]})).await;
    let part = json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "4"}]});
    assert_eq!(acme.submit(&path(&order, "/cancel"), &part).await.status, 200);
    let refused = acme.patch(&at(&order), &json!({"lines": [{"variantId": bolt, "quantity": "9"}]})).await;
    assert_eq!((refused.status, refused.code()), (409, "wrong_status"), "{refused:?}");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn staff_change_no_prices_and_a_change_competes_with_a_fulfilment() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "100").await;
    let staff = app.member_of(&acme.tenant, "STAFF").await;
    let line = json!({"variantId": bolt, "quantity": "1", "price": "4", "priceReason": "last ones"});
    let order = ordered(&acme, json!({"fulfil": false, "lines": [line]})).await;
    let at = format!("/api/v1/{}", path(&order, ""));
    let kept = staff.patch(&at, &json!({"lines": [{"variantId": bolt, "quantity": "2"}]})).await;
    assert_eq!((kept.status, &kept.body["total"]), (200, &json!("8.00")), "the agreed price stays: {kept:?}");
    let refused = staff.patch(&at, &json!({"lines": [line]})).await;
    assert_eq!((refused.status, refused.code()), (403, "permission_denied"), "{refused:?}");
    let refused =
        staff.patch(&at, &json!({"discount": "50%", "lines": [{"variantId": bolt, "quantity": "2"}]})).await;
    assert_eq!((refused.status, refused.code()), (403, "discount_over_limit"), "{refused:?}");

    let mut work = Vec::new();
    for _ in 0..12 {
        let order =
            ordered(&acme, json!({"fulfil": false, "lines": [{"variantId": bolt, "quantity": "2"}]})).await;
        work.push(order);
    }
    let acme = &acme;
    let bolt = &bolt;
    let work = work.iter().flat_map(|order| {
        let change = async move {
            let body = json!({"lines": [{"variantId": bolt, "quantity": "3"}]});
            acme.patch(&format!("/api/v1/{}", path(order, "")), &body).await.status
        };
        let fulfil = async move { acme.submit(&path(order, "/fulfil"), &json!({})).await.status };
        [Box::pin(change) as std::pin::Pin<Box<dyn Future<Output = u16> + '_>>, Box::pin(fulfil)]
    });
    for status in join_all(work.collect()).await {
        assert!(matches!(status, 200 | 201 | 409), "{status}");
    }
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}
