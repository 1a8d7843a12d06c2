//! Articles without stock: services and fees are sold, fulfilled, returned and reported, and no stock moves.

use harness::{Business, Reply, TestApp, a_product, join_all};
use serde_json::{Value, json};

use crate::orders::{made, stocked};

/// A new service or fee at 10.00, which costs 4 in the catalogue.
async fn without_stock(business: &Business<'_>, kind: &str, sku: &str) -> Value {
    let mut product = a_product(sku);
    product["kind"] = json!(kind);
    let product = business.create_product(&product).await;
    assert_eq!(product["kind"], kind);
    product["variants"][0]["id"].clone()
}

fn line(variant: &Value, quantity: &str) -> Value {
    json!({"variantId": variant, "quantity": quantity})
}

fn refused(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.code())
}

/// Sold, returned, net, cost and margin of the report on sales.
async fn sales(business: &Business<'_>) -> String {
    let total = business.get("/api/v1/reports/sales").await.body["total"].clone();
    ["sold", "returned", "net", "cost", "margin"]
        .map(|name| total[name].as_str().unwrap().to_owned())
        .join(" ")
}

#[tokio::test]
async fn a_service_is_sold_fulfilled_in_parts_cancelled_and_returned_without_stock() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let repair = without_stock(&acme, "service", "REPAIR").await;

    // At once, together with goods.
    let lines = json!([line(&bolt, "1"), line(&repair, "1.5")]);
    let order = made(acme.submit("orders", &json!({"fulfil": true, "lines": lines})).await);
    assert_eq!(
        (&order["lines"][0]["kind"], &order["lines"][1]["kind"]),
        (&json!("goods"), &json!("service"))
    );
    assert_eq!(sales(&acme).await, "2.5 0 25.00 10.00 15.00");

    // Later, in parts: nothing is reserved.
    let later = json!({"fulfil": false, "lines": [line(&repair, "1000")]});
    let order = made(acme.submit("orders", &later).await);
    let path = format!("orders/{}", order["id"].as_str().unwrap());
    let part = |quantity: &str| json!([{"lineId": order["lines"][0]["id"], "quantity": quantity}]);
    let half = acme.submit(&format!("{path}/fulfil"), &json!({"lines": part("400")})).await;
    assert_eq!(made(half)["order"]["status"], "partly_fulfilled");
    let rest = acme.submit(&format!("{path}/cancel"), &json!({"lines": part("500")})).await;
    assert_eq!(rest.status, 200, "{rest:?}");
    made(acme.submit(&format!("{path}/fulfil"), &json!({})).await);
    assert_eq!(sales(&acme).await, "502.5 0 5025.00 2010.00 3015.00");

    // It comes back in parts: it is neither restocked nor scrapped.
    let mut lines = part("499");
    lines[0]["restock"] = json!(true);
    let back = json!({"reason": "unhappy", "lines": lines});
    let back = made(acme.submit(&format!("{path}/returns"), &back).await);
    assert_eq!((&back["refund"], &back["lines"][0]["restocked"]), (&json!("4990.00"), &json!(false)));
    let back = json!({"reason": "unhappy", "lines": part("1")});
    made(acme.submit(&format!("{path}/returns"), &back).await);
    assert_eq!(sales(&acme).await, "502.5 500 25.00 10.00 15.00");
    let scrapped = acme.get("/api/v1/reports/adjustments").await.body["total"]["movements"].clone();

    // Stock knows nothing of all this.
    let opening = 1;
    assert_eq!(scrapped, opening);
    let levels = acme.get("/api/v1/stock").await.body;
    assert_eq!(levels["data"].as_array().unwrap().len(), 1, "{levels}");
    let of_repair = format!("/api/v1/stock/movements?variantId={}", repair.as_str().unwrap());
    assert_eq!(acme.get(&of_repair).await.body["data"], json!([]));
    let variant = acme.get(&format!("/api/v1/variants/{}", repair.as_str().unwrap())).await.body;
    assert_eq!((&variant["kind"], &variant["onHand"]), (&json!("service"), &json!("0")));
    let ledger = acme.get("/api/v1/stock/ledger").await.body;
    assert_eq!((&ledger["holds"], &ledger["levels"]), (&json!(true), &json!(1)), "{ledger}");
    let dashboard = acme.get("/api/v1/dashboard").await.body;
    assert_eq!((&dashboard["totalItems"], &dashboard["totalStock"]), (&json!(2), &json!("4")));
    let sold: Vec<_> = dashboard["topVariants"].as_array().unwrap().iter().map(|top| &top["sold"]).collect();
    assert_eq!(sold, ["1.5", "1"]);
    let stock = acme.get("/api/v1/reports/stock?by=variant").await.body;
    assert_eq!(stock["data"].as_array().unwrap().len(), 1, "{stock}");
}

#[tokio::test]
async fn orders_with_services_are_changed_exchanged_and_sent_from_another_location() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let repair = without_stock(&acme, "service", "REPAIR").await;
    let delivery = without_stock(&acme, "fee", "DELIVERY").await;
    let shed = made(acme.submit("locations", &json!({"name": "Shed"})).await)["id"].clone();

    let order = json!({"fulfil": false, "lines": [line(&bolt, "1"), line(&repair, "1")]});
    let order = made(acme.submit("orders", &order).await);
    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let changed = json!({"lines": [line(&bolt, "2"), line(&delivery, "1"), line(&repair, "3")]});
    let changed = acme.patch(&path, &changed).await;
    assert_eq!((changed.status, &changed.body["total"]), (200, &json!("60.00")), "{changed:?}");
    let only = acme.patch(&path, &json!({"lines": [line(&repair, "2"), line(&delivery, "1")]})).await;
    assert_eq!(only.body["total"], "30.00", "{only:?}");

    let path = path.trim_start_matches("/api/v1/");
    let elsewhere = made(acme.submit(&format!("{path}/fulfil"), &json!({"locationId": shed})).await);
    assert_eq!(elsewhere["order"]["status"], "fulfilled");
    let by_location = acme.get("/api/v1/reports/sales?by=location").await.body;
    assert_eq!((&by_location["data"][0]["key"], &by_location["data"][0]["net"]), (&shed, &json!("30.00")));

    let repaired = &elsewhere["order"]["lines"][0]["id"];
    let exchange = json!({
        "return": {"reason": "wrong", "lines": [{"lineId": repaired, "quantity": "2"}]},
        "order": {"fulfil": true, "lines": [line(&bolt, "1"), line(&repair, "1")]},
    });
    let exchanged = made(acme.submit(&format!("{path}/exchanges"), &exchange).await);
    assert_eq!(exchanged["order"]["total"], "20.00");
    assert_eq!(acme.on_hand(&bolt).await, "4");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn an_archived_service_comes_back_and_is_not_sold() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let repair = without_stock(&acme, "service", "REPAIR").await;
    let lines = json!([line(&repair, "2")]);
    let order = made(acme.submit("orders", &json!({"fulfil": true, "lines": lines})).await);
    let variant = format!("/api/v1/variants/{}", repair.as_str().unwrap());
    assert_eq!(acme.patch(&variant, &json!({"archived": true})).await.status, 200);
    assert_eq!(refused(&acme.submit("orders", &json!({"lines": lines})).await), (409, "variant_archived"));
    let back = json!({"reason": "x", "lines": [{"lineId": order["lines"][0]["id"], "quantity": "1"}]});
    let back = acme.submit(&format!("orders/{}/returns", order["id"].as_str().unwrap()), &back).await;
    assert_eq!(made(back)["refund"], "10.00");
}

#[tokio::test]
async fn a_part_of_a_service_has_no_more_decimals_than_the_product() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut repair = a_product("REPAIR");
    repair["kind"] = json!("service");
    repair["quantityDecimals"] = json!(1);
    let repair = acme.create_product(&repair).await;
    let product = format!("/api/v1/products/{}", repair["id"].as_str().unwrap());
    let lines = json!([line(&repair["variants"][0]["id"], "1.5")]);
    let order = made(acme.submit("orders", &json!({"fulfil": false, "lines": lines})).await);
    let path = format!("orders/{}", order["id"].as_str().unwrap());
    let fewer = acme.patch(&product, &json!({"quantityDecimals": 0})).await;
    assert_eq!(refused(&fewer), (409, "quantities_in_use"));
    let part = json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "0.25"}]});
    for step in ["fulfil", "cancel"] {
        let reply = acme.submit(&format!("{path}/{step}"), &part).await;
        assert_eq!(refused(&reply), (422, "too_many_decimals"), "{step}: {reply:?}");
    }
    made(acme.submit(&format!("{path}/fulfil"), &json!({})).await);
    assert_eq!(acme.patch(&product, &json!({"quantityDecimals": 0})).await.status, 200);
}

#[tokio::test]
async fn amounts_of_services_that_no_book_can_hold_are_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut product = a_product("FREE");
    product["kind"] = json!("service");
    product["variants"][0]["price"] = json!("0");
    product["variants"][0]["cost"] = json!("9999999999");
    let free = acme.create_product(&product).await["variants"][0]["id"].clone();
    let lines = json!([line(&free, "99999999999"), line(&free, "99999999999")]);
    let reply = acme.submit("orders", &json!({"fulfil": false, "lines": lines})).await;
    assert_eq!(refused(&reply), (422, "quantity_too_large"), "{reply:?}");
    let lines = json!([line(&free, "20000")]);
    let reply = acme.submit("orders", &json!({"fulfil": true, "lines": lines})).await;
    assert_eq!(refused(&reply), (422, "amount_too_large"), "{reply:?}");
    let order = made(acme.submit("orders", &json!({"fulfil": false, "lines": lines})).await);
    let path = format!("orders/{}/fulfil", order["id"].as_str().unwrap());
    let part = json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "9000"}]});
    made(acme.submit(&path, &part).await);
    let reply = acme.submit(&path, &part).await;
    assert_eq!(refused(&reply), (422, "amount_too_large"), "{reply:?}");
}

#[tokio::test]
async fn fees_give_no_room_for_discounts_on_goods() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let staff = app.member_of(&acme.tenant, "STAFF").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let deposit = without_stock(&acme, "fee", "DEPOSIT").await;
    assert_eq!(acme.patch("/api/v1/settings", &json!({"discountLimitPercent": "10"})).await.status, 200);
    let lines = json!([line(&bolt, "1"), line(&deposit, "90")]);
    for (discount, status) in [("1.00", 201), ("1.01", 403), ("12%", 403), ("10%", 201)] {
        let reply = staff.submit("orders", &json!({"discount": discount, "lines": lines})).await;
        assert_eq!(reply.status, status, "{discount}: {reply:?}");
    }
    let mut waived = lines.clone();
    waived[1]["discount"] = json!("10.01%");
    assert_eq!(
        refused(&staff.submit("orders", &json!({"lines": waived})).await),
        (403, "discount_over_limit")
    );
}

#[tokio::test]
async fn kinds_are_listed_and_reported() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let repair = without_stock(&acme, "service", "REPAIR").await;
    let delivery = without_stock(&acme, "fee", "DELIVERY").await;
    let lines = json!([line(&bolt, "1"), line(&repair, "2"), line(&delivery, "3")]);
    made(acme.submit("orders", &json!({"fulfil": true, "lines": lines})).await);
    for (query, names) in [
        ("kind=fee", vec!["Product DELIVERY"]),
        ("kind=service&q=REPAIR", vec!["Product REPAIR"]),
        ("kind=service&q=BOLT", vec![]),
        ("kind=goods", vec!["Product BOLT"]),
    ] {
        let listed = acme.get(&format!("/api/v1/products?{query}")).await.body["data"].clone();
        let found: Vec<_> = listed.as_array().unwrap().iter().map(|product| &product["name"]).collect();
        assert_eq!(found, names, "{query}");
    }
    assert_eq!(refused(&acme.get("/api/v1/products?kind=thing").await), (400, "invalid_query"));
    let report = acme.get("/api/v1/reports/sales?by=kind").await.body["data"].clone();
    let rows: Vec<_> = report.as_array().unwrap().iter().map(|row| (&row["key"], &row["sold"])).collect();
    assert_eq!(
        rows,
        [(&json!("fee"), &json!("3")), (&json!("service"), &json!("2")), (&json!("goods"), &json!("1"))]
    );
    let top = acme.get("/api/v1/dashboard").await.body["topVariants"].clone();
    let top: Vec<_> = top.as_array().unwrap().iter().map(|row| row["variantId"].clone()).collect();
    assert_eq!(top, [repair, bolt], "fees sell with everything, and say nothing about the trade");
}

#[tokio::test]
async fn a_discount_on_the_order_leaves_fees_out() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let repair = without_stock(&acme, "service", "REPAIR").await;
    let delivery = without_stock(&acme, "fee", "DELIVERY").await;
    let lines = json!([line(&bolt, "1"), line(&delivery, "1"), line(&repair, "1")]);
    let order = made(acme.submit("orders", &json!({"discount": "10%", "lines": lines})).await);
    let totals: Vec<_> = order["lines"].as_array().unwrap().iter().map(|line| &line["total"]).collect();
    assert_eq!(totals, ["9.00", "10.00", "9.00"]);
    assert_eq!(order["total"], "28.00");
    let more = json!({"discount": "20.01", "lines": lines});
    assert_eq!(refused(&acme.submit("orders", &more).await), (422, "discount_too_large"));
}

#[tokio::test]
async fn whatever_moves_stock_refuses_an_article_without_stock() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let repair = without_stock(&acme, "service", "REPAIR").await;
    let main = acme.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let shed = made(acme.submit("locations", &json!({"name": "Shed"})).await)["id"].clone();
    let supplier = made(acme.submit("suppliers", &json!({"name": "Bolts & Co"})).await)["id"].clone();
    let count = made(acme.submit("stock/counts", &json!({})).await)["id"].clone();
    let counted = format!("stock/counts/{}/lines", count.as_str().unwrap());
    let back = format!("suppliers/{}/returns", supplier.as_str().unwrap());
    let bought = json!([{"variantId": repair, "quantity": "1", "unitCost": "1"}]);
    for (path, body) in [
        ("stock/adjustments", json!({"variantId": repair, "quantity": "1", "reason": "found"})),
        ("stock/adjustments", json!({"sku": "repair", "quantity": "-1", "reason": "lost"})),
        ("stock/revaluations", json!({"variantId": repair, "unitCost": "1", "reason": "wrong"})),
        (
            "stock/transfers",
            json!({"fromLocationId": main, "toLocationId": shed, "lines": [line(&repair, "1")]}),
        ),
        (counted.as_str(), json!({"lines": [{"variantId": repair, "counted": "1"}]})),
        ("purchase-orders", json!({"supplierId": supplier, "lines": bought})),
        (
            format!("suppliers/{}/prices", supplier.as_str().unwrap()).as_str(),
            json!({"variantId": repair, "cost": "1"}),
        ),
        (back.as_str(), json!({"reason": "broken", "lines": [line(&repair, "1")]})),
    ] {
        let reply = acme.submit(path, &body).await;
        assert_eq!(refused(&reply), (422, "not_stocked"), "{path}: {reply:?}");
    }
    let variant = format!("/api/v1/variants/{}", repair.as_str().unwrap());
    for (path, body) in [
        (variant.clone(), json!({"reorderLevel": "5"})),
        (variant.clone(), json!({"targetQuantity": "5"})),
        (format!("{variant}/locations/{}", main.as_str().unwrap()), json!({"kept": true})),
    ] {
        let reply = acme.patch(&path, &body).await;
        assert_eq!(refused(&reply), (422, "not_stocked"), "{path}: {reply:?}");
    }
    let mut product = a_product("OTHER");
    product["kind"] = json!("fee");
    product["variants"][0]["reorderLevel"] = json!("5");
    assert_eq!(refused(&acme.submit("products", &product).await), (422, "not_stocked"));
    assert_eq!(acme.patch(&variant, &json!({"reorderLevel": null, "price": "11"})).await.status, 200);
    assert_eq!(acme.get("/api/v1/stock").await.body["data"], json!([]));
}

#[tokio::test]
async fn orders_of_one_service_wait_for_no_other_and_for_its_archiving() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let repair = without_stock(&acme, "service", "REPAIR").await;
    let body = json!({"fulfil": false, "lines": [line(&repair, "1")]});
    let order = async || made(acme.submit("orders", &body).await);
    let path = format!("/api/v1/variants/{}", repair.as_str().unwrap());
    let placed = join_all((0..8).map(|_| order()).collect()).await;
    let held = acme.patch(&path, &json!({"archived": true})).await;
    assert_eq!(refused(&held), (409, "documents_under_way"), "{held:?}");
    for order in &placed {
        let path = format!("orders/{}/cancel", order["id"].as_str().unwrap());
        assert_eq!(acme.submit(&path, &json!({})).await.status, 200);
    }
    // Whichever comes first, no open order has an archived variant.
    let archive = async { acme.patch(&path, &json!({"archived": true})).await };
    let orders = join_all((0..4).map(|_| acme.submit("orders", &body)).collect());
    let (archived, replies) = tokio::join!(archive, orders);
    let is_archived = archived.status == 200;
    for reply in replies {
        match is_archived {
            true => assert_eq!(refused(&reply), (409, "variant_archived"), "{reply:?}"),
            false => assert!(matches!(reply.status, 201 | 409), "{reply:?}"),
        }
    }
}
