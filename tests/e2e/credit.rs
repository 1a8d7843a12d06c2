//! Vouchers, store credit and sales on account: a ledger that is never negative, and from which nothing
//! vanishes.

use harness::till::{Cashier, open_shift, refund, register, sell};
use harness::{Business, Client, Reply, TestApp, a_product, join_all};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::orders::made;
use crate::shifts::refused_at;

async fn bolts(business: &Business<'_>) -> Value {
    let variant = business.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&variant, "100").await.status, 201);
    variant
}

/// A receipt that has only payments, for a customer or nobody.
async fn deposit(client: &Client<'_>, register: &Value, customer: &Value, payments: Value) -> Reply {
    let mut body = json!({"registerId": register, "payments": payments});
    if !customer.is_null() {
        body["customerId"] = customer.clone();
    }
    client.submit("sales", &body).await
}

#[tokio::test]
async fn a_voucher_is_sold_and_spent_once_at_ten_registers() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = bolts(&acme).await;
    let mut tills = Vec::new();
    for number in 1..=10 {
        let till = register(&acme, &format!("R{number}")).await;
        open_shift(&acme, &till, "0").await;
        tills.push(till);
    }
    let till = &tills[0];
    let sold = json!([{"method": "cash", "amount": "100"}, {"method": "voucher", "amount": "-50"}]);
    let sold = made(deposit(&acme, till, &Value::Null, sold).await);
    assert_eq!(
        (&sold["kind"], &sold["total"], &sold["change"], &sold["payments"][1]["creditBalance"]),
        (&json!("deposit"), &json!("0.00"), &json!("50.00"), &json!("50.00")),
        "{sold}"
    );
    let code = sold["payments"][1]["voucherCode"].clone();
    let voucher = async |code: &str| acme.get(&format!("/api/v1/vouchers/{code}")).await;
    let text = code.as_str().unwrap();
    assert_eq!(voucher(&text.to_lowercase()).await.body["balance"], "50.00");
    assert_eq!(voucher("UNKNOWN-CODE").await.status, 404);

    // Ten registers spend it at once, 20 each: two of them get it.
    let lines = json!([{"variantId": bolt, "quantity": "2"}]);
    let spend = async |till: &Value| {
        let payments = json!([{"method": "voucher", "amount": "20", "voucherCode": code}]);
        sell(&acme, till, lines.clone(), payments).await
    };
    let replies = join_all(tills.iter().map(spend).collect()).await;
    let paid = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(paid, 2);
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        refused_at(reply, "/payments/0/amount", "insufficient_credit");
    }
    assert_eq!(acme.on_hand(&bolt).await, "96");
    let rest = json!([{"method": "voucher", "amount": "10", "voucherCode": code}, {"method": "cash"}]);
    let last = made(sell(&acme, till, lines.clone(), rest).await);
    assert_eq!(last["payments"][0]["creditBalance"], "0.00");
    let moved = acme.get(&format!("/api/v1/vouchers/{text}/movements")).await.body;
    let amounts: Vec<&Value> =
        moved["data"].as_array().unwrap().iter().map(|movement| &movement["amount"]).collect();
    assert_eq!(amounts, ["-10.00", "-20.00", "-20.00", "50.00"]);

    // A refund puts money back into it; a void takes it out again, and is refused when it was spent.
    let back = json!({"amount": "5", "payments": [{"method": "voucher", "voucherCode": code}]});
    let back = made(refund(&acme, till, &last, back).await);
    assert_eq!(
        (&back["payments"][0]["amount"], &back["payments"][0]["creditBalance"]),
        (&json!("-5.00"), &json!("5.00"))
    );
    let chosen = json!([
        {"method": "cash", "amount": "30"},
        {"method": "voucher", "amount": "-30", "voucherCode": "gift-0042", "expiresOn": "2999-12-31"},
    ]);
    let gift = made(deposit(&acme, till, &Value::Null, chosen).await);
    assert_eq!(gift["payments"][1]["voucherCode"], "GIFT-0042");
    let some = json!([{"method": "voucher", "amount": "10", "voucherCode": "GIFT-0042"}]);
    let one = json!([{"variantId": bolt, "quantity": "1"}]);
    let spent = made(sell(&acme, till, one.clone(), some).await);
    let void = async |sale: &Value| {
        let path = format!("sales/{}/void", sale["id"].as_str().unwrap());
        acme.submit(&path, &json!({"reason": "wrong"})).await
    };
    let refused = void(&gift).await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_credit"), "{refused:?}");
    assert_eq!(void(&spent).await.body["status"], "voided");
    assert_eq!(voucher("GIFT-0042").await.body["balance"], "30.00");
    assert_eq!(void(&gift).await.body["status"], "voided");
    assert_eq!(voucher("GIFT-0042").await.body["balance"], "0.00");

    // Payments that do not fit are refused.
    for (payment, pointer, code) in [
        (json!({"method": "voucher", "amount": "10"}), "/payments/0/voucherCode", "missing_field"),
        (
            json!({"method": "voucher", "amount": "10", "voucherCode": "NO-SUCH"}),
            "/payments/0/voucherCode",
            "not_found",
        ),
        (
            json!({"method": "cash", "amount": "10", "voucherCode": "GIFT-0042"}),
            "/payments/0/voucherCode",
            "missing_field",
        ),
        (json!({"method": "store_credit", "amount": "10"}), "/customerId", "missing_field"),
        (json!({"method": "on_account", "amount": "10"}), "/customerId", "missing_field"),
    ] {
        refused_at(&sell(&acme, till, one.clone(), json!([payment])).await, pointer, code);
    }
    let expired = json!([
        {"method": "cash", "amount": "5"},
        {"method": "voucher", "amount": "-5", "voucherCode": "OLD-0001", "expiresOn": "2020-01-01"},
    ]);
    let expired = deposit(&acme, till, &Value::Null, expired).await;
    refused_at(&expired, "/payments/1/voucherCode", "voucher_expired");
    assert_eq!(voucher("OLD-0001").await.status, 404);
    // Money is not invented: a voucher that nobody pays, and credit that is paid out in cash.
    let free = deposit(&acme, till, &Value::Null, json!([{"method": "voucher", "amount": "-5"}])).await;
    assert_eq!((free.status, &free.body["missing"]), (422, &json!("5")), "{free:?}");
    let cash = json!([{"method": "voucher", "amount": "5", "voucherCode": code}, {"method": "cash"}]);
    let cash = deposit(&acme, till, &Value::Null, cash).await;
    assert_eq!(cash.status, 422, "{cash:?}");
    assert_eq!(acme.patch("/api/v1/settings", &json!({"cashRounding": "1"})).await.status, 200);
    let paid_out = json!([
        {"method": "voucher", "amount": "2", "voucherCode": code}, {"method": "voucher", "amount": "-1"},
        {"method": "cash"},
    ]);
    let paid_out = deposit(&acme, till, &Value::Null, paid_out).await;
    assert_eq!((paid_out.status, paid_out.code()), (422, "overpaid"), "{paid_out:?}");
    assert_eq!(acme.patch("/api/v1/settings", &json!({"cashRounding": "0"})).await.status, 200);
    let listed = acme.get("/api/v1/vouchers?limit=1").await.body;
    assert_eq!(listed["data"][0]["code"], "GIFT-0042", "{listed}");
    let cashier = Cashier::sign_in(&app, &acme, "cashier").await;
    assert_eq!(cashier.get("/api/v1/vouchers").await.status, 403);
    // Without till.approve, nobody reads the codes of sales of before.
    for path in
        ["/api/v1/sales?limit=100".to_owned(), format!("/api/v1/sales/{}", sold["id"].as_str().unwrap())]
    {
        assert!(!cashier.get(&path).await.body.to_string().contains(text), "{path}");
        assert!(acme.get(&path).await.body.to_string().contains(text), "{path}");
    }
    let nobody = json!([{"method": "cash", "amount": "5"}, {"method": "store_credit", "amount": "-5"}]);
    let nobody = deposit(&acme, till, &json!(uuid::Uuid::now_v7()), nobody).await;
    refused_at(&nobody, "/customerId", "not_found");
    let nothing = deposit(&acme, till, &Value::Null, json!([{"method": "voucher"}])).await;
    refused_at(&nothing, "/lines", "invalid_line_count");
    let much = json!([
        {"method": "voucher", "amount": "-9999999999"}, {"method": "voucher", "amount": "-9999999999"},
        {"method": "cash"},
    ]);
    refused_at(&deposit(&acme, till, &Value::Null, much).await, "/payments", "amount_too_large");
    assert_eq!(cashier.get(&format!("/api/v1/vouchers/{text}")).await.status, 200);
}

#[tokio::test]
async fn receipts_with_the_same_vouchers_in_any_order_never_deadlock() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = bolts(&acme).await;
    let mut tills = Vec::new();
    for number in 1..=4 {
        let till = register(&acme, &format!("R{number}")).await;
        open_shift(&acme, &till, "0").await;
        tills.push(till);
    }
    for code in ["GIFT-000A", "GIFT-000B", "GIFT-000C"] {
        let voucher = json!({"method": "voucher", "amount": "-100", "voucherCode": code});
        made(deposit(&acme, &tills[0], &Value::Null, json!([voucher, {"method": "card"}])).await);
    }
    let orders = ["ABC", "CBA", "BCA", "ACB"];
    let spend = async |index: usize| {
        let letters = orders[index % 4].chars();
        let by = |letter| {
            let code = format!("GIFT-000{letter}");
            json!({"method": "voucher", "amount": "2", "voucherCode": code})
        };
        let mut payments: Vec<Value> = letters.map(by).collect();
        payments.push(json!({"method": "cash"}));
        let lines = json!([{"variantId": bolt, "quantity": "1"}]);
        sell(&acme, &tills[index % 4], lines, json!(payments)).await
    };
    for reply in join_all((0..60).map(spend).collect()).await {
        assert!(matches!(reply.status, 201 | 409), "{reply:?}");
    }
    for code in ["GIFT-000A", "GIFT-000B", "GIFT-000C"] {
        assert_eq!(acme.get(&format!("/api/v1/vouchers/{code}")).await.body["balance"], "0.00", "{code}");
    }
    crate::trading::assert_books_hold(&app, &acme).await;
}

#[tokio::test]
async fn a_customer_owes_no_more_than_the_limit_and_keeps_credit() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = bolts(&acme).await;
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let shift = open_shift(&ann, &till, "0").await;
    let new = json!({"name": "Ann", "creditLimit": "50"});
    assert_eq!(ann.post("/api/v1/customers", &new).await.status, 403);
    let customer = made(acme.post("/api/v1/customers", &new).await);
    assert_eq!(customer["creditLimit"], "50.00");
    let id = customer["id"].as_str().unwrap();
    let credit = async || ann.get(&format!("/api/v1/customers/{id}/credit")).await.body;
    let sell_to = async |quantity: &str, payments: Value| {
        let body = json!({
            "registerId": till, "customerId": id, "payments": payments,
            "lines": [{"variantId": bolt, "quantity": quantity}],
        });
        ann.submit("sales", &body).await
    };
    // Eight sales of 10 at once: five of them fit the limit.
    let buy = async |_: usize| sell_to("1", json!([{"method": "on_account"}])).await;
    let replies = join_all((0..8).map(buy).collect()).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 5);
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        refused_at(reply, "/payments/0/amount", "credit_over_limit");
        assert_eq!(reply.body["available"], "0");
    }
    assert_eq!((&credit().await["owed"], &credit().await["left"]), (&json!("50.00"), &json!("0.00")));
    // The debt is paid in part; nobody pays more than is owed.
    let pay =
        |amount: &str| json!([{"method": "on_account", "amount": format!("-{amount}")}, {"method": "cash"}]);
    let much = deposit(&ann, &till, &customer["id"], pay("50.01")).await;
    refused_at(&much, "/payments/0/amount", "insufficient_credit");
    let paid = made(deposit(&ann, &till, &customer["id"], pay("30")).await);
    assert_eq!((&paid["kind"], &paid["payments"][1]["amount"]), (&json!("deposit"), &json!("30.00")));
    assert_eq!(credit().await["left"], "30.00");
    // Change becomes store credit, which pays the next sale.
    let kept = json!([{"method": "cash", "amount": "20"}, {"method": "store_credit"}]);
    let kept = made(sell_to("1", kept).await);
    assert_eq!(kept["payments"][1]["amount"], "-10.00");
    assert_eq!(credit().await["storeCredit"], "10.00");
    let both = json!([{"method": "store_credit", "amount": "10"}, {"method": "on_account"}]);
    let both = made(sell_to("3", both).await);
    assert_eq!(both["payments"][1]["creditBalance"], "40.00", "{both}");
    let none = sell_to("1", json!([{"method": "store_credit"}])).await;
    refused_at(&none, "/payments/0/amount", "insufficient_credit");
    // A refund lowers the debt, and a customer with a debt is not archived.
    let boss = Cashier::sign_in(&app, &acme, "supervisor").await;
    let back = json!({"customerId": id, "payments": [{"method": "on_account"}]});
    let back = made(refund(&boss, &till, &both, back).await);
    assert_eq!(back["payments"][0]["creditBalance"], "10.00", "{back}");
    let path_of_customer = format!("/api/v1/customers/{id}");
    assert_eq!(ann.patch(&path_of_customer, &json!({"phone": "0123"})).await.status, 200);
    assert_eq!(ann.patch(&path_of_customer, &json!({"archived": true})).await.status, 403);
    assert_eq!(ann.send("DELETE", &path_of_customer, None).await.status, 403);
    let archived = acme.send("DELETE", &format!("/api/v1/customers/{id}"), None).await;
    assert_eq!((archived.status, archived.code()), (409, "has_credit"), "{archived:?}");
    made(deposit(&ann, &till, &customer["id"], pay("10")).await);
    assert_eq!(acme.send("DELETE", &format!("/api/v1/customers/{id}"), None).await.status, 204);
    let moved = ann.get(&format!("/api/v1/customers/{id}/credit/movements?limit=100")).await.body;
    let sum = |kind: &str| -> Decimal {
        let of_kind = moved["data"].as_array().unwrap().iter().filter(|movement| movement["kind"] == kind);
        of_kind.map(|movement| movement["amount"].as_str().unwrap().parse::<Decimal>().unwrap()).sum()
    };
    assert_eq!((sum("on_account"), sum("store_credit")), (Decimal::ZERO, Decimal::ZERO), "{moved}");
    // The drawer has the cash of it, and nobody counts the rest: 30 + 20 + 10.
    let path = format!("shifts/{}/close", shift["id"].as_str().unwrap());
    let closed = ann.submit(&path, &json!({"counts": [{"method": "cash", "amount": "60"}]})).await;
    assert_eq!(
        (&closed.body["status"], &closed.body["difference"]),
        (&json!("closed"), &json!("0.00")),
        "{closed:?}"
    );
    let z = ann.get(&format!("/api/v1/shifts/{}/report", shift["id"].as_str().unwrap())).await.body;
    let methods: Vec<(&Value, &Value, &Value)> = z["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (&of["method"], &of["received"], &of["paidBack"]))
        .collect();
    assert_eq!(
        methods,
        [
            (&json!("cash"), &json!("60.00"), &json!("0.00")),
            (&json!("store_credit"), &json!("10.00"), &json!("10.00")),
            (&json!("on_account"), &json!("70.00"), &json!("70.00")),
        ]
    );
}

#[tokio::test]
async fn an_exempt_customer_pays_no_tax_in_sales_and_orders() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    let class = json!({"name": "Standard", "inclusive": true, "rates": rates});
    let class = made(acme.post("/api/v1/tax-classes", &class).await)["id"].clone();
    let mut product = a_product("LAMP");
    (product["taxClassId"], product["variants"][0]["price"]) = (class, json!("11.60"));
    let lamp = acme.create_product(&product).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&lamp, "20").await.status, 201);
    let embassy = made(acme.post("/api/v1/customers", &json!({"name": "Embassy", "taxExempt": true})).await);
    let other = made(acme.post("/api/v1/customers", &json!({"name": "Ann"})).await);
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "0").await;
    let lines = json!([{"variantId": lamp, "quantity": "2"}]);
    let sale = json!({
        "registerId": till, "customerId": embassy["id"], "lines": lines, "payments": [{"method": "card"}],
    });
    let sale = made(acme.submit("sales", &sale).await);
    assert_eq!(
        (&sale["total"], &sale["tax"], &sale["lines"][0]["price"], &sale["lines"][0]["taxes"]),
        (&json!("20.00"), &json!("0.00"), &json!("10.00"), &json!([])),
        "{sale}"
    );
    let body = json!({"customerId": embassy["id"], "fulfil": false, "lines": lines});
    let order = made(acme.submit("orders", &body).await);
    assert_eq!((&order["total"], &order["tax"]), (&json!("20.00"), &json!("0.00")), "{order}");
    // The order goes to somebody who pays taxes: its lines are priced again.
    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let silent = acme.patch(&path, &json!({"customerId": other["id"]})).await;
    refused_at(&silent, "/lines", "missing_field");
    let changed = acme.patch(&path, &json!({"customerId": other["id"], "lines": lines})).await;
    assert_eq!(
        (&changed.body["total"], &changed.body["tax"]),
        (&json!("23.20"), &json!("3.20")),
        "{changed:?}"
    );
    let again = acme.patch(&path, &json!({"customerId": embassy["id"], "lines": lines})).await;
    assert_eq!((&again.body["total"], &again.body["tax"]), (&json!("20.00"), &json!("0.00")), "{again:?}");
    // The exemption ends, and the order was still priced with it.
    let path_of_embassy = format!("/api/v1/customers/{}", embassy["id"].as_str().unwrap());
    assert_eq!(acme.patch(&path_of_embassy, &json!({"taxExempt": false})).await.status, 200);
    let silent = acme.patch(&path, &json!({"customerId": other["id"]})).await;
    refused_at(&silent, "/lines", "missing_field");
    let same = acme.patch(&path, &json!({"lines": lines})).await;
    assert_eq!((&same.body["total"], &same.body["tax"]), (&json!("23.20"), &json!("3.20")), "{same:?}");
}

#[tokio::test]
async fn lines_without_taxes_are_priced_exactly_when_an_order_changes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rates = json!([{"name": "VAT", "percent": "16"}]);
    let class = json!({"name": "Standard", "inclusive": true, "rates": rates});
    let class = made(acme.post("/api/v1/tax-classes", &class).await)["id"].clone();
    let mut nail = a_product("NAIL");
    (nail["taxClassId"], nail["variants"][0]["price"]) = (class, json!("0.99"));
    let nail = acme.create_product(&nail).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&nail, "10001").await.status, 201);
    let embassy = made(acme.post("/api/v1/customers", &json!({"name": "Embassy", "taxExempt": true})).await);
    let lines = |quantity: &str| json!([{"variantId": nail, "quantity": quantity}]);
    let body = json!({"customerId": embassy["id"], "fulfil": false, "lines": lines("10000")});
    let order = made(acme.submit("orders", &body).await);
    assert_eq!(order["total"], "8534.48");
    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let same = acme.patch(&path, &json!({"lines": lines("10000")})).await;
    assert_eq!((&same.body["total"], same.header("etag")), (&json!("8534.48"), "\"1\""), "{same:?}");
    let more = acme.patch(&path, &json!({"lines": lines("10001")})).await;
    assert_eq!(more.body["total"], "8535.34", "{more:?}");
    // An agreed price stays, and so does the price of an article that is archived since.
    let agreed = json!([{
        "variantId": nail, "quantity": "100", "price": "0.58", "priceReason": "many",
    }]);
    let agreed = acme.patch(&path, &json!({"lines": agreed})).await;
    assert_eq!(agreed.body["total"], "50.00", "{agreed:?}");
    let half = acme.patch(&path, &json!({"lines": lines("50")})).await;
    assert_eq!(half.body["total"], "25.00", "{half:?}");
}

#[tokio::test]
async fn the_books_find_whatever_was_changed_behind_the_back_of_the_till() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = bolts(&acme).await;
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "0").await;
    let lines = json!([{"variantId": bolt, "quantity": "2"}]);
    let mut sales = Vec::new();
    for _ in 0..3 {
        sales.push(made(sell(&acme, &till, lines.clone(), json!([{"method": "cash"}])).await));
    }
    made(refund(&acme, &till, &sales[0], json!({"amount": "3"})).await);
    let gift = json!([{"method": "cash", "amount": "5"}, {"method": "voucher", "amount": "-5"}]);
    made(deposit(&acme, &till, &Value::Null, gift).await);
    let books = async || acme.get("/api/v1/stock/ledger").await.body;
    let sound = books().await;
    assert_eq!(
        (&sound["holds"], &sound["receipts"], &sound["credits"], &sound["faults"]),
        (&json!(true), &json!(5), &json!(1), &json!([])),
        "{sound}"
    );
    let admin = app.database.as_admin().await;
    let schema = &acme.tenant.schema;
    let add = |table: &str, column: &str, plus: i32, of: &str| {
        format!("UPDATE {schema}.{table} SET {column} = {column} + {plus} WHERE {of}")
    };
    for (fault, table, column, of) in [
        ("payments", "sale_payments", "amount", "tendered IS NULL AND amount = -3"),
        ("total", "sales", "total", "kind = 'sale'"),
        ("tax", "sales", "tax", "true"),
        ("returns", "sale_lines", "refunded_tax", "true"),
        ("returns", "sale_lines", "returned", "true"),
        ("credit", "credits", "balance", "true"),
        ("credit", "credits", "position", "true"),
        ("credit", "credit_movements", "balance_after", "true"),
        ("numbers", "counters", "next", "kind = 'till_receipt'"),
        ("numbers", "sales", "number", "number = 5"),
    ] {
        admin.batch_execute(&add(table, column, 1, of)).await.unwrap();
        let found = books().await;
        let faults = found["faults"].as_array().unwrap();
        assert_eq!(found["holds"], false, "{table}.{column}");
        assert!(faults.iter().any(|found| found["fault"] == fault), "{table}.{column}: {found}");
        let of = of.replace("-3", "-2").replace("number = 5", "number = 6");
        admin.batch_execute(&add(table, column, -1, &of)).await.unwrap();
        assert_eq!(books().await["holds"], true, "{table}.{column}");
    }
    // A movement of credit that no payment explains.
    let spent = format!(
        "UPDATE {schema}.credits SET balance = 0, position = 2;
         INSERT INTO {schema}.credit_movements
         SELECT gen_random_uuid(), credit_id, 2, -amount, 0, sale_id, false, NULL, now()
           FROM {schema}.credit_movements"
    );
    admin.batch_execute(&spent).await.unwrap();
    assert_eq!(books().await["faults"][0]["fault"], "credit");
    // The last receipt vanishes.
    let last = format!("(SELECT id FROM {schema}.sales WHERE number = 5)");
    let gone = ["credit_movements WHERE sale_id", "sale_payments WHERE sale_id", "sales WHERE id"]
        .map(|of| format!("DELETE FROM {schema}.{of} IN {last};"));
    admin.batch_execute(&gone.concat()).await.unwrap();
    let found = books().await;
    let numbers = found["faults"].as_array().unwrap().iter().find(|found| found["fault"] == "numbers");
    let numbers = numbers.unwrap_or_else(|| panic!("{found}"));
    assert_eq!((&numbers["stored"], &numbers["computed"]), (&json!("5"), &json!("4")), "{numbers}");
}
