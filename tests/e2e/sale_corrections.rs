//! Refunds, exchanges and voids of sales: never more than was sold, and the books add up.

use harness::till::{Cashier, open_shift, refund, register, sell, sell_units};
use harness::{Business, TestApp, a_product, join_all};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::orders::made;
use crate::shifts::{refused, refused_at};

async fn stocked(business: &Business<'_>, sku: &str, price: &str, quantity: &str) -> Value {
    let mut product = a_product(sku);
    product["variants"][0]["price"] = json!(price);
    let variant = business.create_product(&product).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&variant, quantity).await.status, 201);
    variant
}

fn amount(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

async fn holds(business: &Business<'_>) {
    assert_eq!(business.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn a_sale_is_refunded_in_part_and_whole_at_any_register() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "16"}, {"name": "City", "percent": "3"}]);
    let class = json!({"name": "Standard", "inclusive": false, "rates": rates});
    let class = made(acme.post("/api/v1/tax-classes", &class).await)["id"].clone();
    let mut product = a_product("BOLT");
    product["taxClassId"] = class;
    product["variants"][0]["price"] = json!("3.33");
    let bolt = acme.create_product(&product).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "10").await.status, 201);
    let (one, two) = (register(&acme, "R1").await, register(&acme, "R2").await);
    let boss = Cashier::sign_in(&app, &acme, "supervisor").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let first = open_shift(&ann, &one, "50").await;
    let second = open_shift(&boss, &two, "50").await;
    let lines = json!([{"variantId": bolt, "quantity": "3", "discount": "0.50"}]);
    let sale = made(sell(&ann, &one, lines, json!([{"method": "card"}])).await);
    assert_eq!((&sale["total"], &sale["tax"]), (&json!("11.29"), &json!("1.80")), "{sale}");
    let line = &sale["lines"][0]["id"];

    refused(&refund(&ann, &one, &sale, json!({})).await, 403, "approval_required");
    // One unit is scrapped, and one restocked, at another register and in cash.
    let parts = json!({"returns": [
        {"lineId": line, "quantity": "1", "restock": false}, {"lineId": line, "quantity": "1"},
    ]});
    let back = made(refund(&boss, &two, &sale, parts).await);
    assert_eq!(
        (&back["kind"], &back["shiftId"], &back["number"], &back["total"], &back["returned"]),
        (&json!("refund"), &second["id"], &json!(1), &json!("-7.53"), &json!("7.53")),
        "{back}"
    );
    let paid = &back["payments"][0];
    assert_eq!(
        (&paid["method"], &paid["amount"], &paid["tendered"]),
        (&json!("cash"), &json!("-7.53"), &Value::Null)
    );
    assert_eq!(
        (&back["returns"][0]["restocked"], &back["returns"][1]["restocked"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(acme.on_hand(&bolt).await, "8");
    // A part of the money for the last unit; then the unit with what is left of its money.
    let money = made(refund(&boss, &one, &sale, json!({"amount": "1.00"})).await);
    assert_eq!(money["returns"][0]["quantity"], "0");
    refused_at(&refund(&boss, &one, &sale, json!({"amount": "2.77"})).await, "/amount", "refund_too_large");
    let last = made(refund(&boss, &one, &sale, json!({})).await);
    assert_eq!((&last["total"], &last["returns"][0]["quantity"]), (&json!("-2.76"), &json!("1")), "{last}");
    let now = acme.get(&format!("/api/v1/sales/{}", sale["id"].as_str().unwrap())).await.body;
    assert_eq!(
        (&now["lines"][0]["returned"], &now["lines"][0]["refunded"]),
        (&json!("3"), &json!("11.29")),
        "{now}"
    );
    // Everything came back, and so did the tax of each rate.
    refused(&refund(&boss, &one, &sale, json!({})).await, 409, "refund_too_large");
    for (at, charged) in sale["lines"][0]["taxes"].as_array().unwrap().iter().enumerate() {
        let returns = [&back, &money, &last].into_iter().flat_map(|of| of["returns"].as_array().unwrap());
        let given_back: Decimal = returns.map(|back| amount(&back["taxes"][at]["amount"])).sum();
        assert_eq!(given_back, amount(&charged["amount"]), "{charged}");
    }
    let x = acme.get(&format!("/api/v1/shifts/{}/report", first["id"].as_str().unwrap())).await.body;
    assert_eq!(
        (&x["receipts"]["sales"], &x["receipts"]["refunds"], &x["receipts"]["total"]),
        (&json!(1), &json!(2), &json!("7.53")),
        "{x}"
    );
    assert_eq!(
        (&x["methods"][0]["paidBack"], &x["methods"][0]["expected"], &x["methods"][1]["received"]),
        (&json!("3.76"), &json!("46.24"), &json!("11.29")),
        "{x}"
    );
    holds(&acme).await;
    // Lines of another sale, and quantities beyond the rest, are refused.
    let other = made(sell_units(&ann, &one, &bolt, "2").await);
    let wrong = json!({"returns": [{"lineId": line, "quantity": "1"}]});
    refused_at(&refund(&boss, &one, &other, wrong).await, "/returns/0/lineId", "not_found");
    let line = &other["lines"][0]["id"];
    let twice =
        json!({"returns": [{"lineId": line, "quantity": "1"}, {"lineId": line, "quantity": "1.001"}]});
    refused_at(&refund(&boss, &one, &other, twice).await, "/returns/1/quantity", "more_than_left");
    let much = json!({"returns": [{"lineId": line, "amount": "99"}]});
    refused_at(&refund(&boss, &one, &other, much).await, "/returns/0/amount", "refund_too_large");
    let exact = json!({"amount": "1", "payments": [{"method": "card", "amount": "-2"}]});
    let exact = refund(&boss, &one, &other, exact).await;
    assert_eq!((exact.code(), &exact.body["payBack"]), ("not_paid_back", &json!("1")), "{exact:?}");
    holds(&acme).await;
}

#[tokio::test]
async fn an_exchange_is_one_receipt_with_one_difference() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let small = stocked(&acme, "SMALL", "10", "1").await;
    let large = stocked(&acme, "LARGE", "12", "1").await;
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "0").await;
    let sale = made(sell_units(&acme, &till, &small, "1").await);
    let exchange = |article: &Value, payments: Value| {
        json!({
            "registerId": till, "reason": "too small", "lines": [{"variantId": article, "quantity": "1"}],
            "returns": [{"lineId": sale["lines"][0]["id"], "quantity": "1"}], "payments": payments,
        })
    };
    let mut silent = exchange(&large, json!([{"method": "cash"}]));
    silent.as_object_mut().unwrap().remove("reason");
    refused_at(&acme.submit("sales", &silent).await, "/reason", "missing_field");
    let short = acme.submit("sales", &exchange(&large, json!([]))).await;
    assert_eq!((short.status, &short.body["missing"]), (422, &json!("2")), "{short:?}");
    let done =
        made(acme.submit("sales", &exchange(&large, json!([{"method": "cash", "amount": "5"}]))).await);
    assert_eq!(
        (&done["kind"], &done["subtotal"], &done["returned"], &done["total"], &done["change"]),
        (&json!("exchange"), &json!("12.00"), &json!("10.00"), &json!("2.00"), &json!("3.00")),
        "{done}"
    );
    assert_eq!((acme.on_hand(&small).await.as_str(), acme.on_hand(&large).await.as_str()), ("1", "0"));
    let again = acme.submit("sales", &exchange(&small, json!([]))).await;
    refused_at(&again, "/returns/0/quantity", "more_than_left");
    // The returned goods can be sold in the same receipt, and the difference can be paid back.
    let back = json!({
        "registerId": till, "reason": "too large after all", "lines": [{"sku": "SMALL", "quantity": "1"}],
        "returns": [{"lineId": done["lines"][0]["id"], "quantity": "1"}], "payments": [{"method": "card"}],
    });
    assert_eq!(made(acme.submit("sales", &back).await)["payments"][0]["amount"], "-2.00");
    holds(&acme).await;
}

#[tokio::test]
async fn parallel_refunds_never_give_more_back_than_was_sold() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "7.77", "20").await;
    let nut = stocked(&acme, "NUT", "1.10", "20").await;
    let (one, two) = (register(&acme, "R1").await, register(&acme, "R2").await);
    for till in [&one, &two] {
        open_shift(&acme, till, "100").await;
    }
    let lines = json!([{"variantId": bolt, "quantity": "5"}, {"variantId": nut, "quantity": "3"}]);
    let sale = made(sell(&acme, &one, lines, json!([{"method": "cash"}])).await);
    let (of_bolt, of_nut) = (&sale["lines"][0]["id"], &sale["lines"][1]["id"]);
    let ways = [
        json!({"returns": [{"lineId": of_bolt, "quantity": "2"}]}),
        json!({"returns": [{"lineId": of_nut, "quantity": "2"}, {"lineId": of_bolt, "quantity": "1"}]}),
        json!({"amount": "9"}),
        json!({"returns": [{"lineId": of_bolt, "amount": "5"}]}),
        json!({"returns": [{"lineId": of_nut, "quantity": "1", "restock": false}]}),
    ];
    let give = async |index: usize| {
        let till = if index.is_multiple_of(2) { &one } else { &two };
        refund(&acme, till, &sale, ways[index % ways.len()].clone()).await
    };
    let replies = join_all((0..20).map(give).collect()).await;
    let mut given: Decimal = Decimal::ZERO;
    for reply in &replies {
        match reply.status {
            201 => given += amount(&reply.body["returned"]),
            _ => assert!(matches!(reply.status, 409 | 422), "{reply:?}"),
        }
    }
    let now = acme.get(&format!("/api/v1/sales/{}", sale["id"].as_str().unwrap())).await.body;
    let refunded: Decimal =
        now["lines"].as_array().unwrap().iter().map(|line| amount(&line["refunded"])).sum();
    assert_eq!(given, refunded, "{now}");
    assert!(given <= amount(&sale["total"]) && !given.is_zero());
    for (line, sold) in now["lines"].as_array().unwrap().iter().zip(["5", "3"]) {
        assert!(amount(&line["returned"]) <= amount(&json!(sold)), "{line}");
    }
    holds(&acme).await;
}

#[tokio::test]
async fn a_sale_is_voided_in_its_shift_and_keeps_its_number() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "10", "5").await;
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let boss = Cashier::sign_in(&app, &acme, "supervisor").await;
    let shift = open_shift(&ann, &till, "0").await;
    let void = async |client: &Cashier<'_>, sale: &Value| {
        let path = format!("sales/{}/void", sale["id"].as_str().unwrap());
        client.submit(&path, &json!({"reason": "wrong article"})).await
    };
    let sale = made(sell_units(&ann, &till, &bolt, "2").await);
    refused(&void(&ann, &sale).await, 403, "approval_required");
    let (one, other) = tokio::join!(void(&boss, &sale), void(&boss, &sale));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
    let now = acme.get(&format!("/api/v1/sales/{}", sale["id"].as_str().unwrap())).await.body;
    assert_eq!(
        (&now["status"], &now["voidReason"], &now["voidedBy"], &now["reference"]),
        (&json!("voided"), &json!("wrong article"), &boss.user, &sale["reference"]),
        "{now}"
    );
    assert_eq!(acme.on_hand(&bolt).await, "5");
    refused(&refund(&boss, &till, &sale, json!({})).await, 409, "wrong_status");
    let next = made(sell_units(&ann, &till, &bolt, "1").await);
    assert_eq!(next["number"], 2);
    // A sale of which something came back is not voided, nor is a refund, nor a sale of an earlier shift.
    let back = made(refund(&boss, &till, &next, json!({"amount": "1"})).await);
    refused(&void(&boss, &next).await, 409, "has_returns");
    refused(&void(&boss, &back).await, 409, "has_returns");
    let kept = made(sell_units(&ann, &till, &bolt, "1").await);
    let x = acme.get(&format!("/api/v1/shifts/{}/report", shift["id"].as_str().unwrap())).await.body;
    assert_eq!(
        (&x["receipts"]["voids"], &x["receipts"]["sales"], &x["receipts"]["total"]),
        (&json!(1), &json!(2), &json!("19.00")),
        "{x}"
    );
    let path = format!("shifts/{}/close", shift["id"].as_str().unwrap());
    let counts = json!({"counts": [{"method": "cash", "amount": "19"}]});
    assert_eq!(ann.submit(&path, &counts).await.body["status"], "closed");
    open_shift(&ann, &till, "0").await;
    refused(&void(&boss, &kept).await, 409, "no_open_shift");
    // A void and a refund at once: one of them wins.
    for _ in 0..5 {
        let sale = made(sell_units(&ann, &till, &bolt, "1").await);
        let (voided, refunded) = tokio::join!(void(&boss, &sale), refund(&boss, &till, &sale, json!({})));
        assert_ne!(voided.status == 200, refunded.status == 201, "{voided:?} {refunded:?}");
    }
    holds(&acme).await;
}

#[tokio::test]
async fn a_member_approves_by_pin_for_one_sale_of_one_cashier() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "10", "20").await;
    let till = register(&acme, "R1").await;
    let boss = Cashier::sign_in(&app, &acme, "supervisor").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let bea = Cashier::sign_in(&app, &acme, "cashier").await;
    boss.set_pin("4071").await;
    bea.set_pin("8802").await;
    open_shift(&ann, &till, "100").await;
    let approve = async |at: &Cashier<'_>, sale: &Value, approves: &str, amount: Value| {
        let path = format!("/api/v1/sales/{}/approval", sale.as_str().unwrap());
        let mut body = json!({"userId": boss.user, "pin": "4071", "approves": approves});
        if !amount.is_null() {
            body["amount"] = amount;
        }
        at.post(&path, &body).await
    };
    let sale_of = |id: &Value, discount: &str| {
        json!({
            "id": id, "registerId": till, "payments": [{"method": "cash"}],
            "lines": [{"variantId": bolt, "quantity": "2", "discount": discount}],
        })
    };
    // The cashier learns what must be approved, and repeats the sale after the approval.
    let id = json!(Uuid::now_v7());
    let asked = ann.submit("sales", &sale_of(&id, "25%")).await;
    refused(&asked, 403, "approval_required");
    assert_eq!(asked.body["approval"], json!({"approves": "discount", "amount": "5"}), "{asked:?}");
    let wrong = json!({"userId": boss.user, "pin": "0000", "approves": "discount", "amount": "5"});
    let path = format!("/api/v1/sales/{}/approval", id.as_str().unwrap());
    refused(&ann.post(&path, &wrong).await, 401, "pin_wrong");
    let cashier = json!({"userId": bea.user, "pin": "8802", "approves": "discount", "amount": "5"});
    refused(&ann.post(&path, &cashier).await, 403, "permission_denied");
    refused_at(&approve(&ann, &id, "discount", Value::Null).await, "/amount", "missing_field");
    refused_at(&approve(&ann, &id, "void", json!("1")).await, "/amount", "missing_field");
    let approved = approve(&ann, &id, "discount", json!("5")).await;
    assert_eq!(
        (approved.status, &approved.body["approvedBy"], &approved.body["amount"]),
        (200, &boss.user, &json!("5.00")),
        "{approved:?}"
    );
    // It is good for no larger discount, no other sale, no other cashier and no refund.
    refused(&ann.submit("sales", &sale_of(&id, "5.01")).await, 403, "approval_required");
    refused(&ann.submit("sales", &sale_of(&json!(Uuid::now_v7()), "5")).await, 403, "approval_required");
    refused(&bea.submit("sales", &sale_of(&id, "5")).await, 403, "approval_required");
    let sale = made(ann.submit("sales", &sale_of(&id, "25%")).await);
    assert_eq!((&sale["approvedBy"], &sale["total"]), (&boss.user, &json!("15.00")), "{sale}");
    // Another price is a discount, too.
    let id = json!(Uuid::now_v7());
    let mut cheap = sale_of(&id, "0");
    cheap["lines"][0] = json!({"variantId": bolt, "quantity": "2", "price": "9", "priceReason": "dent"});
    let asked = ann.submit("sales", &cheap).await;
    assert_eq!(asked.body["approval"], json!({"approves": "discount", "amount": "2"}), "{asked:?}");
    assert_eq!(approve(&ann, &id, "discount", json!("2")).await.status, 200);
    assert_eq!(made(ann.submit("sales", &cheap).await)["total"], "18.00");

    // A refund has the id of its own receipt.
    let back = json!(Uuid::now_v7());
    let asked = refund(&ann, &till, &sale, json!({"id": back, "amount": "4"})).await;
    assert_eq!(asked.body["approval"], json!({"approves": "refund", "amount": "4"}), "{asked:?}");
    assert_eq!(approve(&ann, &back, "refund", json!("4")).await.status, 200);
    refused(
        &refund(&ann, &till, &sale, json!({"id": back, "amount": "4.01"})).await,
        403,
        "approval_required",
    );
    let done = made(refund(&ann, &till, &sale, json!({"id": back, "amount": "4"})).await);
    assert_eq!(done["approvedBy"], boss.user);
    refused(&refund(&ann, &till, &sale, json!({"amount": "4"})).await, 403, "approval_required");

    // A void, and an approval that is too old.
    let sale = made(sell_units(&ann, &till, &bolt, "1").await);
    assert_eq!(approve(&ann, &sale["id"], "void", Value::Null).await.status, 200);
    let admin = app.database.as_admin().await;
    let schema = &acme.tenant.schema;
    let age = |minutes: i32| {
        format!("UPDATE {schema}.sale_approvals SET approved_at = now() - interval '{minutes} minutes'")
    };
    let path = format!("sales/{}/void", sale["id"].as_str().unwrap());
    admin.batch_execute(&age(6)).await.unwrap();
    refused(&ann.submit(&path, &json!({"reason": "wrong"})).await, 403, "approval_required");
    admin.batch_execute(&age(4)).await.unwrap();
    assert_eq!(ann.submit(&path, &json!({"reason": "wrong"})).await.body["status"], "voided");
    // Away from a till, nobody enters a PIN.
    let away = json!({"userId": boss.user, "pin": "4071", "approves": "void"});
    refused(
        &acme.post(&format!("/api/v1/{}", path.replace("void", "approval")), &away).await,
        403,
        "no_till",
    );
    holds(&acme).await;
}

#[tokio::test]
async fn a_shift_that_paid_back_by_card_is_closed_to_the_cent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "10", "5").await;
    let till = register(&acme, "R1").await;
    let close = async |shift: &Value, card: &str| {
        let counts = json!([{"method": "cash", "amount": "0"}, {"method": "card", "amount": card}]);
        let path = format!("shifts/{}/close", shift["id"].as_str().unwrap());
        acme.submit(&path, &json!({"counts": counts})).await.body
    };
    let first = open_shift(&acme, &till, "0").await;
    let lines = json!([{"variantId": bolt, "quantity": "2"}]);
    let sale = made(sell(&acme, &till, lines, json!([{"method": "card"}])).await);
    assert_eq!(close(&first, "20").await["status"], "closed");
    let second = open_shift(&acme, &till, "0").await;
    made(refund(&acme, &till, &sale, json!({"payments": [{"method": "card"}]})).await);
    let closed = close(&second, "-20").await;
    assert_eq!((&closed["status"], &closed["difference"]), (&json!("closed"), &json!("0.00")), "{closed}");
}
