//! Bundles: sold at one price, and in all other respects their components.

use harness::till::{open_shift, refund, register, sell, sell_units};
use harness::{Business, TestApp, a_product};
use serde_json::{Value, json};

use crate::orders::{assert_books_hold, level, made, stocked};
use crate::shifts::refused;

/// A bundle at a price, of components with quantities.
async fn bundle(business: &Business<'_>, sku: &str, price: &str, components: &[(&Value, &str)]) -> Value {
    let components: Vec<Value> = components
        .iter()
        .map(|(variant, quantity)| json!({"variantId": variant, "quantity": quantity}))
        .collect();
    let product = json!({
        "name": format!("Set {sku}"), "kind": "bundle",
        "variants": [{"sku": sku, "price": price, "components": components}],
    });
    made(business.post("/api/v1/products", &product).await)["variants"][0].clone()
}

async fn priced(business: &Business<'_>, sku: &str, price: &str, tax_class: Option<&Value>) -> Value {
    let mut product = a_product(sku);
    (product["variants"][0]["price"], product["taxClassId"]) = (json!(price), json!(tax_class));
    let variant = business.create_product(&product).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&variant, "100").await.status, 201);
    variant
}

async fn tax_class(business: &Business<'_>, name: &str, percent: &str) -> Value {
    let rates = json!([{"name": name, "percent": percent}]);
    let class = json!({"name": name, "inclusive": true, "rates": rates});
    made(business.post("/api/v1/tax-classes", &class).await)["id"].clone()
}

/// One field of each line.
fn of_lines(document: &Value, field: &str) -> Vec<Value> {
    document["lines"].as_array().unwrap().iter().map(|line| line[field].clone()).collect()
}

#[tokio::test]
async fn a_bundle_is_sold_at_its_price_and_leaves_as_its_components() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (full, reduced) = (tax_class(&acme, "VAT", "20").await, tax_class(&acme, "Reduced", "5").await);
    let wine = priced(&acme, "WINE", "12", Some(&full)).await;
    let cheese = priced(&acme, "CHEESE", "6", Some(&reduced)).await;
    let card = priced(&acme, "CARD", "0", None).await;
    let gift = bundle(&acme, "GIFT", "15", &[(&wine, "1"), (&cheese, "2"), (&card, "1")]).await;
    assert_eq!((&gift["onHand"], &gift["available"]), (&json!("0"), &json!("50")), "{gift}");
    assert_eq!(gift["components"][1]["sku"], "CHEESE");
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "100").await;

    let lines = json!([
        {"variantId": gift["id"], "quantity": "3", "discount": "10%", "note": "with a ribbon"},
        {"variantId": wine, "quantity": "1"},
    ]);
    let sale = made(sell(&acme, &till, lines, json!([{"method": "cash"}])).await);
    // 45.00 by 12 and 12: 22.50 each; and of the discount of 4.50, 2.25 each.
    assert_eq!(of_lines(&sale, "total"), ["20.25", "20.25", "0.00", "12.00"], "{sale}");
    assert_eq!(of_lines(&sale, "quantity"), ["3", "6", "3", "1"]);
    assert_eq!(of_lines(&sale, "price"), ["7.50", "3.75", "0.00", "12.00"]);
    assert_eq!(of_lines(&sale, "tax"), ["3.37", "0.96", "0.00", "2.00"]);
    assert_eq!(of_lines(&sale, "note"), [json!("with a ribbon"), Value::Null, Value::Null, Value::Null]);
    assert_eq!((&sale["subtotal"], &sale["total"]), (&json!("57.00"), &json!("52.50")));
    let of_gift = json!({
        "number": 1, "variantId": gift["id"], "sku": "GIFT", "name": "Set GIFT", "quantity": "3",
    });
    let bundles = of_lines(&sale, "bundle");
    assert_eq!(bundles, [of_gift.clone(), of_gift.clone(), of_gift, Value::Null]);
    assert_eq!((acme.on_hand(&wine).await, acme.on_hand(&cheese).await), ("96".into(), "94".into()));
    let path = format!("/api/v1/sales/{}", sale["id"].as_str().unwrap());
    assert_eq!(acme.get(&path).await.body["lines"], sale["lines"]);

    // A part of it comes back, and then the rest.
    let part = json!({"returns": [{"lineId": sale["lines"][1]["id"], "quantity": "2"}]});
    let back = made(refund(&acme, &till, &sale, part).await);
    assert_eq!(back["total"], "-6.75", "{back}");
    let rest = made(refund(&acme, &till, &sale, json!({})).await);
    assert_eq!(rest["total"], "-45.75", "{rest}");
    let gift = acme.get(&format!("/api/v1/variants/{}", gift["id"].as_str().unwrap())).await;
    assert_eq!(gift.body["available"], "50");
    assert_books_hold(&app, &acme).await;
}

#[tokio::test]
async fn whatever_the_price_of_a_bundle_it_is_shared_out_to_the_cent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (one, other) = (priced(&acme, "ONE", "0.35", None).await, priced(&acme, "OTHER", "10", None).await);
    let (free, gratis) = (priced(&acme, "FREE", "0", None).await, priced(&acme, "GRATIS", "0", None).await);
    let third = priced(&acme, "THIRD", "10", None).await;
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "100").await;
    for (sku, price, quantity, components, totals) in [
        // Dearer than its parts, cheaper, of parts without a price, of one part, and for nothing.
        ("A", "99.99", "1", vec![(&one, "3"), (&other, "1")], vec!["9.50", "90.49"]),
        ("B", "0.01", "7", vec![(&other, "1"), (&third, "1")], vec!["0.04", "0.03"]),
        ("C", "5", "1", vec![(&free, "1"), (&gratis, "4")], vec!["2.50", "2.50"]),
        ("D", "17.01", "3", vec![(&other, "6")], vec!["51.03"]),
        ("E", "0", "2", vec![(&other, "1"), (&one, "1")], vec!["0.00", "0.00"]),
        ("F", "10", "1", vec![(&other, "1"), (&third, "1"), (&free, "1")], vec!["5.00", "5.00", "0.00"]),
    ] {
        let set = bundle(&acme, sku, price, &components).await;
        let sale = made(sell_units(&acme, &till, &set["id"], quantity).await);
        assert_eq!(of_lines(&sale, "total"), totals, "{sku}: {sale}");
    }

    // Another price with a reason, an amount off, and a discount that is too large, which names its own line.
    let set = bundle(&acme, "G", "30", &[(&other, "1"), (&third, "2")]).await;
    let agreed = json!([{
        "variantId": set["id"], "quantity": "2", "price": "20", "priceReason": "damaged",
        "discount": "1.01",
    }]);
    let order = made(acme.submit("orders", &json!({"lines": agreed})).await);
    assert_eq!(of_lines(&order, "total"), ["12.99", "26.00"]);
    assert_eq!(of_lines(&order, "listPrice"), ["10.00", "10.00"]);
    assert_eq!(of_lines(&order, "priceReason"), ["damaged", "damaged"]);
    let lines = json!([
        {"variantId": set["id"], "quantity": "1"}, {"variantId": other, "quantity": "1"},
        {"variantId": other, "quantity": "1"},
        {"variantId": third, "quantity": "1", "discount": "10.01"},
    ]);
    let reply = acme.submit("orders", &json!({"lines": lines})).await;
    assert_eq!(reply.body["errors"][0]["pointer"], "/lines/3/discount", "{reply:?}");
    let lines = json!([
        {"variantId": other, "quantity": "1"}, {"variantId": set["id"], "quantity": "1", "discount": "31"},
    ]);
    let reply = acme.submit("orders", &json!({"lines": lines})).await;
    assert_eq!(reply.body["errors"][0]["pointer"], "/lines/1/discount", "{reply:?}");
    assert_books_hold(&app, &acme).await;
}

#[tokio::test]
async fn a_customer_without_taxes_gets_the_same_discount_on_a_bundle() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let full = tax_class(&acme, "VAT", "16").await;
    let (lamp, book) =
        (priced(&acme, "LAMP", "58", Some(&full)).await, priced(&acme, "BOOK", "58", None).await);
    let one = bundle(&acme, "ONE", "116", &[(&lamp, "2")]).await;
    let both = bundle(&acme, "BOTH", "116", &[(&lamp, "1"), (&book, "1")]).await;
    let embassy = json!({"name": "Embassy", "taxExempt": true});
    let embassy = made(acme.post("/api/v1/customers", &embassy).await)["id"].clone();
    let total = async |set: &Value, discount: &str| {
        let lines = json!([{"variantId": set["id"], "quantity": "1", "discount": discount}]);
        let order = json!({"customerId": embassy, "fulfil": false, "lines": lines});
        made(acme.submit("orders", &order).await)["total"].clone()
    };
    for (set, discount, expected) in [
        (&one, "0", "100.00"),
        (&one, "10%", "90.00"),
        (&one, "90%", "10.00"),
        (&both, "104", "4.00"),
        (&both, "100%", "0.00"),
    ] {
        assert_eq!(total(set, discount).await, expected, "{discount}");
    }
    // Amounts that no column holds are refused.
    for (price, quantity, of_bundle) in
        [("9999999999", "99999999999", "100000000"), ("1", "0.001", "20000000")]
    {
        let huge = priced(&acme, &format!("HUGE-{quantity}"), price, None).await;
        let set = bundle(&acme, &format!("SET-{quantity}"), of_bundle, &[(&huge, quantity)]).await;
        let lines = json!([{"variantId": set["id"], "quantity": "1"}]);
        let reply = acme.submit("orders", &json!({"fulfil": false, "lines": lines})).await;
        refused(&reply, 422, "amount_too_large");
    }
}

#[tokio::test]
async fn an_order_keeps_its_bundles_as_they_were_ordered() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let full = tax_class(&acme, "VAT", "20").await;
    let wine = priced(&acme, "WINE", "12", Some(&full)).await;
    let (cheese, jam) = (priced(&acme, "CHEESE", "6", None).await, priced(&acme, "JAM", "4", None).await);
    let gift = bundle(&acme, "GIFT", "15", &[(&wine, "1"), (&cheese, "1")]).await;
    let line = |quantity: &str| json!({"variantId": gift["id"], "quantity": quantity});
    let reserve = json!({"fulfil": false, "lines": [line("2")]});
    let order = made(acme.submit("orders", &reserve).await);
    assert_eq!(of_lines(&order, "total"), ["20.00", "10.00"]);
    assert_eq!(level(&acme, &wine).await.1, "2");

    // The catalogue changes in every way.
    let path = format!("/api/v1/variants/{}", gift["id"].as_str().unwrap());
    let other = json!({"price": "40", "components": [{"sku": "jam", "quantity": "3"}]});
    assert_eq!(acme.patch(&path, &other).await.body["components"][0]["variantId"], jam);
    let wine_path = format!("/api/v1/variants/{}", wine.as_str().unwrap());
    assert_eq!(acme.patch(&wine_path, &json!({"price": "100"})).await.status, 200);
    assert_eq!(
        acme.patch(&format!("/api/v1/variants/{}", cheese.as_str().unwrap()), &json!({"price": "1"}))
            .await
            .status,
        200
    );

    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let same = acme.patch(&path, &json!({"lines": [line("2")]})).await;
    assert_eq!((same.status, &same.body["lines"]), (200, &order["lines"]), "{same:?}");
    let more = acme.patch(&path, &json!({"lines": [line("3"), {"variantId": jam, "quantity": "1"}]})).await;
    assert_eq!(of_lines(&more.body, "total"), ["30.00", "15.00", "4.00"], "{more:?}");
    assert_eq!(of_lines(&more.body, "tax"), ["5.00", "0.00", "0.00"]);
    assert_eq!((level(&acme, &wine).await.1, level(&acme, &cheese).await.1), ("3".into(), "3".into()));
    let fewer = acme.patch(&path, &json!({"lines": [line("1")]})).await;
    assert_eq!(fewer.body["total"], "15.00");
    // A new order has the bundle of today.
    let today = made(acme.submit("orders", &json!({"fulfil": false, "lines": [line("1")]})).await);
    assert_eq!(
        (of_lines(&today, "sku"), of_lines(&today, "total")),
        (vec![json!("JAM")], vec![json!("40.00")])
    );
    let fulfilled =
        acme.submit(&format!("orders/{}/fulfil", order["id"].as_str().unwrap()), &json!({})).await;
    assert_eq!(fulfilled.status, 201, "{fulfilled:?}");
    assert_eq!(acme.on_hand(&wine).await, "99");
    assert_books_hold(&app, &acme).await;
}

#[tokio::test]
async fn a_bundle_that_cannot_be_sold_is_refused_where_it_is_wrong() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let nut = json!({"name": "Nut", "variants": [{"sku": "NUT", "price": "1"}]});
    acme.create_product(&nut).await;
    let mut fee = a_product("FEE");
    (fee["kind"], fee["variants"][0]["sku"]) = (json!("fee"), json!("FEE"));
    let fee = acme.create_product(&fee).await["variants"][0]["id"].clone();
    let set = bundle(&acme, "SET", "5", &[(&bolt, "2")]).await;
    let class = tax_class(&acme, "VAT", "20").await;
    let one = |variant: &Value| json!([{"variantId": variant, "quantity": "1"}]);
    let twice = json!([{"sku": "bolt", "quantity": "1"}, {"variantId": bolt, "quantity": "1"}]);
    let many = vec![json!({"variantId": bolt, "quantity": "1"}); 51];
    for (field, value, code, pointer) in [
        ("components", json!([]), "invalid_components", "/variants/0/components"),
        ("components", json!(many), "invalid_components", "/variants/0/components"),
        ("components", one(&fee), "invalid_components", "/variants/0/components/0/variantId"),
        ("components", one(&set["id"]), "invalid_components", "/variants/0/components/0/variantId"),
        ("components", twice, "invalid_components", "/variants/0/components/1/variantId"),
        ("components", one(&json!(uuid::Uuid::now_v7())), "not_found", "/variants/0/components/0/variantId"),
        (
            "components",
            json!([{"sku": "NONE", "quantity": "1"}]),
            "not_found",
            "/variants/0/components/0/sku",
        ),
        ("components", json!([{"quantity": "1"}]), "article_not_named", "/variants/0/components/0/variantId"),
        (
            "components",
            json!([{"sku": "NUT", "quantity": "0.5"}]),
            "too_many_decimals",
            "/variants/0/components/0/quantity",
        ),
        ("cost", json!("1"), "not_for_bundles", "/variants/0/cost"),
        ("reorderLevel", json!("1"), "not_stocked", "/variants/0/reorderLevel"),
    ] {
        let mut variant = json!({"sku": "NEW", "price": "1", "components": one(&bolt)});
        variant[field] = value;
        let new = json!({"name": "New", "kind": "bundle", "variants": [variant]});
        let reply = acme.post("/api/v1/products", &new).await;
        let error = &reply.body["errors"][0];
        assert_eq!(
            (&error["code"], &error["pointer"]),
            (&json!(code), &json!(pointer)),
            "{field}: {reply:?}"
        );
    }
    for (field, value) in [("taxClassId", class), ("quantityDecimals", json!(1))] {
        let variant = json!({"sku": "NEW", "price": "1", "components": one(&bolt)});
        let mut new = json!({"name": "New", "kind": "bundle", "variants": [variant]});
        new[field] = value;
        refused(&acme.post("/api/v1/products", &new).await, 422, "not_for_bundles");
    }
    let goods = json!({"name": "New", "variants": [{"sku": "NEW", "price": "1", "components": one(&bolt)}]});
    refused(&acme.post("/api/v1/products", &goods).await, 422, "invalid_components");

    // A bundle has no stock to be counted, moved, bought or reordered.
    refused(&acme.adjust(&set["id"], "1").await, 422, "not_stocked");
    let half = json!({"lines": [{"variantId": set["id"], "quantity": "0.5"}]});
    refused(&acme.submit("orders", &half).await, 422, "too_many_decimals");
    // Too little of a component: the shortage names the component.
    let three = json!({"lines": [{"variantId": set["id"], "quantity": "3"}]});
    let short = acme.submit("orders", &three).await;
    assert_eq!((short.status, &short.body["shortages"][0]["variantId"]), (409, &bolt), "{short:?}");
    assert_eq!(
        (&short.body["shortages"][0]["requested"], acme.on_hand(&bolt).await),
        (&json!("6"), "5".into())
    );

    // A component is archived: the bundle says so, and cannot be sold.
    let path = format!("/api/v1/variants/{}", bolt.as_str().unwrap());
    assert_eq!(acme.patch(&path, &json!({"archived": true})).await.status, 200);
    let shown = acme.get(&format!("/api/v1/variants/{}", set["id"].as_str().unwrap())).await;
    assert_eq!(shown.body["components"][0]["archived"], true);
    let one = json!({"lines": [{"variantId": set["id"], "quantity": "1"}]});
    refused(&acme.submit("orders", &one).await, 409, "variant_archived");
    assert_eq!(acme.patch(&path, &json!({"archived": false})).await.status, 200);

    // Components that make too many lines.
    let mut parts = Vec::new();
    for number in 0..21 {
        parts.push(stocked(&acme, &format!("P{number}"), "20").await);
    }
    let parts: Vec<(&Value, &str)> = parts.iter().map(|part| (part, "1")).collect();
    let large = bundle(&acme, "LARGE", "5", &parts).await;
    let lines: Vec<Value> = (0..10)
        .map(|number| json!({"variantId": large["id"], "quantity": "1", "note": format!("{number}")}))
        .collect();
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "100").await;
    let reply = sell(&acme, &till, json!(lines), json!([{"method": "cash"}])).await;
    refused(&reply, 422, "invalid_line_count");
    assert_books_hold(&app, &acme).await;
}
