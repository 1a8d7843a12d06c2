//! Sales at the registers: priced by the server, paid to the cent, numbered without a gap, and each in one
//! shift.

use std::collections::BTreeMap;

use harness::till::{Cashier, open_shift, register, sell, sell_units};
use harness::{Business, Client, Reply, TestApp, a_product, join_all};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::orders::made;
use crate::shifts::{refused, refused_at};

/// A variant with stock, of a product of its own.
async fn stocked(business: &Business<'_>, sku: &str, quantity: &str) -> Value {
    let variant = business.create_product(&a_product(sku)).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&variant, quantity).await.status, 201);
    variant
}

async fn close(client: &Client<'_>, shift: &Value, counts: Value) -> Reply {
    let path = format!("shifts/{}/close", shift["id"].as_str().unwrap());
    client.submit(&path, &json!({"counts": counts})).await
}

async fn report(client: &Client<'_>, shift: &Value) -> Value {
    client.get(&format!("/api/v1/shifts/{}/report", shift["id"].as_str().unwrap())).await.body
}

#[tokio::test]
async fn a_sale_takes_stock_and_payments_and_a_number() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    let class = json!({"name": "Standard", "inclusive": true, "rates": rates});
    let class = made(acme.post("/api/v1/tax-classes", &class).await)["id"].clone();
    let bolt = stocked(&acme, "BOLT", "10").await;
    let mut taxed = a_product("LAMP");
    (taxed["taxClassId"], taxed["variants"][0]["price"]) = (class, json!("11.60"));
    taxed["variants"][0]["barcodes"] = json!(["4006381333931"]);
    let lamp = acme.create_product(&taxed).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&lamp, "3").await.status, 201);
    let service =
        json!({"name": "Repair", "kind": "service", "variants": [{"sku": "REPAIR", "price": "30"}]});
    acme.create_product(&service).await;
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    refused(&sell_units(&ann, &till, &bolt, "1").await, 409, "no_open_shift");
    let shift = open_shift(&ann, &till, "100").await;

    let lines = json!([
        {"variantId": bolt, "quantity": "1.5", "note": "cut to 15 cm"},
        {"barcode": "4006381333931", "quantity": "2", "discount": "10%"},
        {"sku": "repair", "quantity": "1"},
    ]);
    let payments = json!([
        {"method": "card", "amount": "20", "reference": "AUTH 77"},
        {"method": "mobile_money", "amount": "10", "reference": "QX12"},
        {"method": "cash", "amount": "50"},
    ]);
    let id = json!(Uuid::now_v7());
    let body = json!({
        "id": id, "registerId": till, "lines": lines, "payments": payments, "note": "gift wrapped",
    });
    let sale = made(ann.submit("sales", &body).await);
    // 15 + 23.20 - 2.32 + 30
    assert_eq!(
        (&sale["subtotal"], &sale["discount"], &sale["total"], &sale["tax"], &sale["change"]),
        (&json!("68.20"), &json!("2.32"), &json!("65.88"), &json!("2.88"), &json!("14.12")),
        "{sale}"
    );
    let year = chrono::Utc::now().format("%Y").to_string();
    assert_eq!(
        (&sale["kind"], &sale["status"], &sale["reference"], &sale["shiftId"], &sale["soldBy"]),
        (&json!("sale"), &json!("completed"), &json!(format!("R1-{year}-000001")), &shift["id"], &ann.user),
        "{sale}"
    );
    assert_eq!(sale["lines"][0]["note"], "cut to 15 cm");
    let paid: Vec<(&Value, &Value, &Value)> = sale["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|paid| (&paid["amount"], &paid["tendered"], &paid["reference"]))
        .collect();
    assert_eq!(
        paid,
        [
            (&json!("20.00"), &Value::Null, &json!("AUTH 77")),
            (&json!("10.00"), &Value::Null, &json!("QX12")),
            (&json!("35.88"), &json!("50.00"), &Value::Null),
        ]
    );
    assert_eq!((acme.on_hand(&bolt).await.as_str(), acme.on_hand(&lamp).await.as_str()), ("8.5", "1"));

    // The same sale again has no second effect, with the same key or with the same id alone.
    let again = ann.submit("sales", &body).await;
    assert_eq!((again.status, &again.body, again.header("idempotent-replayed")), (201, &sale, "true"));
    let mut other = body.clone();
    other["note"] = json!("another note");
    refused(&ann.submit("sales", &other).await, 409, "id_taken");
    assert_eq!(acme.on_hand(&bolt).await, "8.5");

    // It is read and found by each of its marks.
    let path = format!("/api/v1/sales/{}", id.as_str().unwrap());
    assert_eq!(ann.get(&path).await.body, sale);
    let second = made(sell_units(&ann, &till, &bolt, "1").await);
    let found = async |query: &str| -> Vec<Value> {
        let reply = ann.get(&format!("/api/v1/sales?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        reply.body["data"].as_array().unwrap().iter().map(|row| row["number"].clone()).collect()
    };
    let (shift_id, till_id) = (shift["id"].as_str().unwrap(), till.as_str().unwrap());
    for (query, numbers) in [
        (String::new(), json!([2, 1])),
        ("method=card".to_owned(), json!([1])),
        ("method=cash".to_owned(), json!([2, 1])),
        (format!("reference=r1-{year}-1"), json!([1])),
        (format!("reference=R1-{year}-000002"), json!([2])),
        (format!("reference=R2-{year}-000002"), json!([])),
        (format!("shiftId={shift_id}&limit=1"), json!([2])),
        (format!("registerId={till_id}&status=completed"), json!([2, 1])),
        (format!("registerId={till_id}&status=voided"), json!([])),
        (format!("soldBy={}", ann.user.as_str().unwrap()), json!([2, 1])),
        (format!("customerId={}", Uuid::now_v7()), json!([])),
        ("until=2020-01-01T00:00:00Z".to_owned(), json!([])),
    ] {
        assert_eq!(json!(found(&query).await), numbers, "{query}");
    }
    for odd in ["R1", "R1%00-5", "R1-x", "-", "R1-99999999999999999999"] {
        refused(&ann.get(&format!("/api/v1/sales?reference={odd}")).await, 400, "invalid_query");
    }

    // The ledger and the log have it.
    let moved = acme.get(&format!("/api/v1/stock/movements?variantId={}", lamp.as_str().unwrap())).await.body;
    assert_eq!(
        (&moved["data"][0]["kind"], &moved["data"][0]["source"]["type"], &moved["data"][0]["source"]["id"]),
        (&json!("sale"), &json!("sale"), &id),
        "{moved}"
    );
    let log = acme.get(&format!("/api/v1/audit?subjectId={}", id.as_str().unwrap())).await.body;
    assert_eq!(log["data"][0]["action"], "sale.completed", "{log}");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);

    // The shift is closed to the cent: 100 + 35.88 + 10 in cash.
    let x = report(&acme, &shift).await;
    assert_eq!(
        (&x["receipts"]["sales"], &x["receipts"]["total"], &x["receipts"]["taxes"]),
        (
            &json!(2),
            &json!("75.88"),
            &json!([{"name": "VAT", "percent": "16", "net": "18.00", "tax": "2.88"}])
        ),
        "{x}"
    );
    assert_eq!((&x["receipts"]["first"], &x["receipts"]["last"]), (&sale["reference"], &second["reference"]));
    let counts = json!([
        {"method": "cash", "amount": "145.88"}, {"method": "card", "amount": "20"},
        {"method": "mobile_money", "amount": "10"},
    ]);
    let closed = close(&ann, &shift, counts).await;
    assert_eq!((&closed.body["status"], &closed.body["difference"]), (&json!("closed"), &json!("0.00")));
    refused(&sell_units(&ann, &till, &bolt, "1").await, 409, "no_open_shift");
}

#[tokio::test]
async fn a_sale_that_is_refused_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let shift = open_shift(&ann, &till, "0").await;
    let line = json!({"variantId": bolt, "quantity": "2"});
    let with = |field: &str, value: Value| {
        let mut line = line.clone();
        line[field] = value;
        json!([line])
    };
    let cash = json!([{"method": "cash"}]);
    let pay = |method: &str, amount: &str| json!([{"method": method, "amount": amount}]);
    for (lines, payments, status, code, member) in [
        (json!([line]), json!([]), 422, "underpaid", json!({"missing": "20"})),
        (json!([line]), pay("cash", "19.99"), 422, "underpaid", json!({"missing": "0.01"})),
        (json!([line]), pay("card", "21"), 422, "overpaid", json!({"surplus": "1"})),
        (with("quantity", json!("6")), cash.clone(), 409, "insufficient_stock", json!({})),
        (with("quantity", json!("0.0001")), cash.clone(), 422, "invalid_value", json!({})),
        (with("price", json!("1")), cash.clone(), 422, "price_reason_missing", json!({})),
        (
            with("discount", json!("50%")),
            cash.clone(),
            403,
            "approval_required",
            json!({"approval": {"approves": "discount", "amount": "10"}}),
        ),
        (with("discount", json!("20.01")), cash.clone(), 422, "discount_too_large", json!({})),
        (json!([]), cash.clone(), 422, "invalid_line_count", json!({})),
        (json!([{"sku": "NONE", "quantity": "1"}]), cash.clone(), 404, "not_found", json!({})),
    ] {
        let reply = sell(&ann, &till, lines.clone(), payments.clone()).await;
        refused(&reply, status, code);
        for (name, value) in member.as_object().unwrap() {
            assert_eq!(&reply.body[name], value, "{reply:?}");
        }
    }
    refused_at(
        &sell(&ann, &till, json!([line]), json!([{"method": "cash", "amount": "0.001"}])).await,
        "/payments/0/amount",
        "too_many_decimals",
    );
    let nowhere = json!({"registerId": Uuid::now_v7(), "lines": [line], "payments": cash});
    refused_at(&ann.submit("sales", &nowhere).await, "/registerId", "not_found");
    let nobody = json!({"registerId": till, "customerId": Uuid::now_v7(), "lines": [line], "payments": cash});
    refused_at(&ann.submit("sales", &nobody).await, "/customerId", "not_found");
    assert_eq!(acme.on_hand(&bolt).await, "5");
    assert_eq!(ann.get("/api/v1/sales").await.body["data"], json!([]));

    // A supervisor sets a price, with its reason. The first receipt has the number 1.
    let boss = Cashier::sign_in(&app, &acme, "supervisor").await;
    let priced = json!([{"variantId": bolt, "quantity": "2", "price": "7", "priceReason": "last pieces"}]);
    let sale = made(sell(&boss, &till, priced, cash.clone()).await);
    assert_eq!((&sale["total"], &sale["number"]), (&json!("14.00"), &json!(1)), "{sale}");
    assert_eq!(made(sell(&boss, &till, with("discount", json!("50%")), cash).await)["number"], 2);
    assert_eq!(report(&acme, &shift).await["methods"][0]["received"], "24.00");
    // A member without a role of the till sells nothing.
    let reader = acme.api_key("Reader", &["till.read"]).await;
    let reader = acme.with_token(Some(&reader));
    refused(&sell_units(&reader, &till, &bolt, "1").await, 403, "permission_denied");
}

#[tokio::test]
async fn cash_is_rounded_and_the_books_show_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(acme.patch("/api/v1/settings", &json!({"cashRounding": "0.05"})).await.status, 200);
    let mut nut = a_product("NUT");
    nut["variants"][0]["price"] = json!("3.33");
    let nut = acme.create_product(&nut).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&nut, "9").await.status, 201);
    let till = register(&acme, "R1").await;
    let shift = open_shift(&acme, &till, "0").await;
    let lines = json!([{"variantId": nut, "quantity": "1"}]);
    let in_cash = made(sell(&acme, &till, lines.clone(), json!([{"method": "cash", "amount": "5"}])).await);
    assert_eq!(
        (&in_cash["total"], &in_cash["rounding"], &in_cash["change"], &in_cash["payments"][0]["amount"]),
        (&json!("3.33"), &json!("0.02"), &json!("1.65"), &json!("3.35")),
        "{in_cash}"
    );
    let by_card = made(sell(&acme, &till, lines.clone(), json!([{"method": "card"}])).await);
    assert_eq!((&by_card["rounding"], &by_card["payments"][0]["amount"]), (&json!("0.00"), &json!("3.33")));
    let both = json!([{"method": "card", "amount": "1.01"}, {"method": "cash"}]);
    let both = made(sell(&acme, &till, lines, both).await);
    assert_eq!((&both["rounding"], &both["payments"][1]["amount"]), (&json!("-0.02"), &json!("2.30")));
    let x = report(&acme, &shift).await;
    assert_eq!(
        (&x["receipts"]["total"], &x["receipts"]["rounding"], &x["methods"][0]["expected"]),
        (&json!("9.99"), &json!("0.00"), &json!("5.65")),
        "{x}"
    );
    // Nobody counted the card: it counts as nothing.
    let closed = close(&acme, &shift, json!([{"method": "cash", "amount": "5.65"}])).await;
    assert_eq!(closed.body["difference"], "-4.34", "{closed:?}");
}

#[tokio::test]
async fn receipts_are_numbered_for_each_register_and_fiscal_year_without_a_gap() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "30").await;
    let (one, two) = (register(&acme, "R1").await, register(&acme, "R2").await);
    let mut shifts = Vec::new();
    for till in [&one, &two] {
        shifts.push(open_shift(&acme, till, "0").await);
    }
    // Two of three sales are refused, because they find too little stock.
    let sell_one = async |index: usize| {
        let till = if index.is_multiple_of(2) { &one } else { &two };
        let quantity = if index.is_multiple_of(3) { "1" } else { "1000" };
        sell_units(&acme, till, &bolt, quantity).await
    };
    let replies = join_all((0..60).map(sell_one).collect()).await;
    let mut numbers: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for sale in replies.iter().filter(|reply| reply.status == 201).map(|reply| &reply.body) {
        let series = sale["series"].as_str().unwrap().to_owned();
        numbers.entry(series).or_default().push(sale["number"].as_i64().unwrap());
    }
    let year = chrono::Utc::now().format("%Y").to_string().parse::<i32>().unwrap();
    for (series, mut of_series) in numbers.clone() {
        of_series.sort_unstable();
        assert_eq!(of_series, (1..=10).collect::<Vec<i64>>(), "{series}");
    }
    assert_eq!(numbers.len(), 2, "{numbers:?}");
    // A fiscal year that begins next month began last year.
    let month = chrono::Utc::now().format("%m").to_string().parse::<u32>().unwrap();
    let next = json!({"fiscalYearStartsIn": month % 12 + 1});
    assert_eq!(acme.patch("/api/v1/settings", &next).await.body["fiscalYearStartsIn"], month % 12 + 1);
    let expected = if month == 12 { year } else { year - 1 };
    let sale = made(sell_units(&acme, &one, &bolt, "1").await);
    assert_eq!(sale["reference"], format!("R1-{expected}-{:06}", if month == 12 { 11 } else { 1 }));
    let thirteenth = acme.patch("/api/v1/settings", &json!({"fiscalYearStartsIn": 13})).await;
    refused_at(&thirteenth, "/fiscalYearStartsIn", "out_of_range");
}

#[tokio::test]
async fn each_sale_is_in_the_report_of_one_shift_while_shifts_close() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "1000").await;
    let till = register(&acme, "R1").await;
    let (mut sold, mut reported) = (Decimal::ZERO, Decimal::ZERO);
    let mut numbers = Vec::new();
    for _ in 0..6 {
        let shift = open_shift(&acme, &till, "0").await;
        let sell = async |index: u64| {
            tokio::time::sleep(std::time::Duration::from_millis(index * 3)).await;
            sell_units(&acme, &till, &bolt, "1").await
        };
        let closing = async {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            close(&acme, &shift, json!([{"method": "cash", "amount": "0"}])).await
        };
        let (replies, counted) = tokio::join!(join_all((0..16).map(sell).collect()), closing);
        assert_eq!(counted.status, 200, "{counted:?}");
        for reply in replies {
            if reply.status == 201 {
                assert_eq!(reply.body["shiftId"], shift["id"]);
                sold += reply.body["total"].as_str().unwrap().parse::<Decimal>().unwrap();
                numbers.push(reply.body["number"].as_i64().unwrap());
            } else {
                refused(&reply, 409, "no_open_shift");
            }
        }
        if counted.body["status"] == "counted" {
            let path = format!("shifts/{}/close", shift["id"].as_str().unwrap());
            let closed = acme.submit(&path, &json!({"reason": "the test counts nothing"})).await;
            assert_eq!(closed.body["status"], "closed", "{closed:?}");
        }
        let z = report(&acme, &shift).await;
        reported += z["receipts"]["total"].as_str().unwrap().parse::<Decimal>().unwrap();
        assert_eq!(z["receipts"]["total"], z["methods"][0]["expected"], "{z}");
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<i64>>());
    assert_eq!(sold, reported);
    assert!(!sold.is_zero());
}

#[tokio::test]
async fn a_parked_sale_is_recalled_by_one_register() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "5").await;
    let (one, two) = (register(&acme, "R1").await, register(&acme, "R2").await);
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let line = json!({
        "variantId": bolt, "sku": null, "barcode": null, "quantity": "1.5", "price": null,
        "priceReason": null, "discount": "5%", "note": "blue",
    });
    let park = json!({
        "id": Uuid::now_v7(), "registerId": one, "label": "Mr Smith", "lines": [line], "discount": "0.5",
    });
    let parked = made(ann.submit("parked-sales", &park).await);
    assert_eq!((&parked["lines"][0], &parked["discount"]), (&line, &json!("0.5")), "{parked}");
    assert_eq!(ann.submit("parked-sales", &park).await.header("idempotent-replayed"), "true");
    assert_eq!(acme.on_hand(&bolt).await, "5");
    let waiting = async || acme.get("/api/v1/parked-sales").await.body["data"].as_array().unwrap().len();
    assert_eq!(waiting().await, 1);
    let path = format!("parked-sales/{}/recall", parked["id"].as_str().unwrap());
    let replies = join_all((0..6).map(async |_: usize| acme.submit(&path, &json!({})).await).collect()).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        refused(reply, 409, "wrong_status");
    }
    assert_eq!(waiting().await, 0);
    // It is sold at the other register as it was parked, and can still be read.
    open_shift(&ann, &two, "0").await;
    let recalled = ann.get(&format!("/api/v1/{}", path.replace("/recall", ""))).await.body;
    let mut sale = json!({"registerId": two, "payments": [{"method": "cash"}]});
    (sale["lines"], sale["discount"]) = (recalled["lines"].clone(), recalled["discount"].clone());
    assert_eq!(made(ann.submit("sales", &sale).await)["total"], "13.75");
    let nowhere = json!({"registerId": Uuid::now_v7(), "lines": [line]});
    refused_at(&ann.submit("parked-sales", &nowhere).await, "/registerId", "not_found");
    let empty = json!({"registerId": one, "lines": []});
    refused_at(&ann.submit("parked-sales", &empty).await, "/lines", "invalid_line_count");
}

#[tokio::test]
async fn the_label_of_a_scale_has_the_quantity_or_the_amount() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut cheese = a_product("12345");
    cheese["variants"][0]["price"] = json!("7.99");
    let cheese = acme.create_product(&cheese).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&cheese, "10").await.status, 201);
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "0").await;
    let patterns = json!({"labelPatterns": ["21IIIIIQQ.QQQC", "02IIIIIAAA.AAC"]});
    assert_eq!(acme.patch("/api/v1/settings", &patterns).await.status, 200);
    let scan = async |lines: Value| sell(&acme, &till, lines, json!([{"method": "cash"}])).await;
    // 0.452 kg at 7.99, and two pieces of cheese of 3.40 each.
    let by_weight = made(scan(json!([{"barcode": "2112345004525"}])).await);
    assert_eq!(
        (&by_weight["lines"][0]["quantity"], &by_weight["total"]),
        (&json!("0.452"), &json!("3.61")),
        "{by_weight}"
    );
    let label = json!({"barcode": "0212345003404"});
    let by_amount = made(scan(json!([label, label])).await);
    // A piece is not sold for the amount of a label that is not its price.
    let piece = json!({
        "name": "Cake", "quantityDecimals": 0, "variants": [{"sku": "54321", "price": "100"}],
    });
    let piece = acme.create_product(&piece).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&piece, "3").await.status, 201);
    refused_at(&scan(json!([{"barcode": "0254321000014"}])).await, "/lines/0/price", "invalid_value");
    let lines: Vec<(&Value, &Value)> = by_amount["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (&line["quantity"], &line["total"]))
        .collect();
    assert_eq!(lines, [(&json!("0.426"), &json!("3.40")), (&json!("0.426"), &json!("3.40"))], "{by_amount}");
    assert_eq!(acme.on_hand(&cheese).await, "8.696");
    let mut twice = label.clone();
    twice["quantity"] = json!("2");
    refused_at(&scan(json!([twice])).await, "/lines/0/quantity", "invalid_value");
    let mut dear = label.clone();
    (dear["price"], dear["priceReason"]) = (json!("9"), json!("better cheese"));
    refused_at(&scan(json!([dear])).await, "/lines/0/price", "invalid_value");
    refused_at(&scan(json!([{"variantId": cheese}])).await, "/lines/0/quantity", "missing_field");
    refused_at(&scan(json!([{"barcode": "4006381333931"}])).await, "/lines/0/quantity", "missing_field");
    let unknown = json!([{"barcode": "2199999004522", "quantity": "1"}]);
    refused_at(&scan(unknown).await, "/lines/0/barcode", "not_found");
    // A label counts in a refund with its amount.
    let back = json!({
        "registerId": till, "reason": "old", "payments": [{"method": "cash"}],
        "returns": [{"lineId": by_amount["lines"][0]["id"], "quantity": "0.426"}],
    });
    let path = format!("sales/{}/refunds", by_amount["id"].as_str().unwrap());
    assert_eq!(made(acme.submit(&path, &back).await)["total"], "-3.40");
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}
