//! Mobile money, with a simulator of M-Pesa that is a program of its own: payments are reported twice,
//! late, in any order, with other amounts and by forgers, and count once.

use std::time::Duration;

use harness::till::{Cashier, open_shift, register, sell, set_till_number};
use harness::{Business, Client, Mpesa, Reply, TestApp, a_product, join_all, until};
use platform::payment_settling;
use serde_json::{Value, json};

use crate::orders::made;
use crate::shifts::{refused, refused_at};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mpesa-simulator");

/// A server that uses the simulator.
async fn start() -> (Mpesa, TestApp) {
    let mpesa = Mpesa::start(PROGRAM);
    let app = TestApp::start_with(&mpesa.settings("EUR")).await;
    mpesa.report_to(&app).await;
    (mpesa, app)
}

/// A business with a till number and an open register, which sells bolts for 10. Returns the register and the
/// variant.
async fn shop(business: &Business<'_>, till_number: &str) -> (Value, Value) {
    set_till_number(business, till_number).await;
    let bolt = business.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&bolt, "1000").await.status, 201);
    let till = register(business, "R1").await;
    open_shift(business, &till, "0").await;
    (till, bolt)
}

async fn ask(client: &Client<'_>, till: &Value, amount: &str, phone: &str) -> Reply {
    client.submit("payment-requests", &json!({"registerId": till, "amount": amount, "phone": phone})).await
}

/// Asks a customer, and waits for the end of the request.
async fn outcome(client: &Client<'_>, till: &Value, amount: &str, phone: &str) -> Value {
    let asked = made(ask(client, till, amount, phone).await);
    let path = format!("/api/v1/payment-requests/{}", asked["id"].as_str().unwrap());
    for _ in 0..500 {
        let now = client.get(&path).await.body;
        if now["status"] != "pending" {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the request does not end");
}

async fn payments(client: &Client<'_>, query: &str) -> Vec<Value> {
    let reply = client.get(&format!("/api/v1/mobile-payments?{query}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["data"].as_array().unwrap().clone()
}

async fn payment(client: &Client<'_>, transaction: &str) -> Value {
    let mut found = payments(client, &format!("transactionId={transaction}")).await;
    assert_eq!(found.len(), 1, "{transaction}");
    found.remove(0)
}

/// Sells bolts, paid in whole by mobile money as `with` says.
async fn sell_bolts(client: &Client<'_>, shop: &(Value, Value), quantity: &str, with: Value) -> Reply {
    let mut paid = json!({"method": "mobile_money"});
    paid.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    let lines = json!([{"variantId": shop.1, "quantity": quantity}]);
    sell(client, &shop.0, lines, json!([paid])).await
}

async fn act(client: &Client<'_>, payment: &Value, what: &str, body: Value) -> Reply {
    client.submit(&format!("mobile-payments/{}/{what}", payment["id"].as_str().unwrap()), &body).await
}

/// The sum of the uses is what the payments say, and so are all other books.
async fn books_hold(business: &Business<'_>) {
    let path = "/api/v1/stock/ledger";
    let books = business.get(path).await;
    assert_eq!(books.status, 200, "{books:?}");
    assert_eq!(books.body["faults"], json!([]), "{books:?}");
}

#[tokio::test]
async fn a_request_on_a_telephone_pays_a_sale() {
    let (_mpesa, app) = start().await;
    let acme = app.tenant("acme").await;
    let shop = shop(&acme, "522533").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let till = &shop.0;
    let paid = outcome(&ann, till, "30", "+254 712 345 600").await;
    assert_eq!((&paid["status"], &paid["phone"]), (&json!("paid"), &json!("+254712345600")), "{paid}");
    let id = paid["mobilePaymentId"].clone();
    let sale = made(sell_bolts(&ann, &shop, "3", json!({"mobilePaymentId": id})).await);
    let of_sale = &sale["payments"][0];
    assert_eq!((&of_sale["mobilePaymentId"], &of_sale["amount"]), (&id, &json!("30.00")), "{sale}");
    let transaction = of_sale["reference"].as_str().unwrap();
    let used = payment(&ann, transaction).await;
    assert_eq!(
        (&used["status"], &used["left"], &used["payer"]),
        (&json!("used"), &json!("0.00"), &json!("254712345600"))
    );
    assert_eq!(used["uses"][0]["saleId"], sale["id"], "{used}");
    // The money is spent, whichever way it is named.
    for with in [json!({"mobilePaymentId": id}), json!({"reference": transaction.to_lowercase()})] {
        let again = sell_bolts(&ann, &shop, "1", with).await;
        refused(&again, 409, "payment_too_small");
        refused_at(&again, "/payments/0/amount", "payment_too_small");
        assert_eq!(again.body["available"], "0");
    }

    // Customers refuse, pay less, do not exist, or answer before the provider does.
    let declined = outcome(&ann, till, "30", "+254712345601").await;
    assert_eq!(
        (&declined["status"], &declined["reason"]),
        (&json!("declined"), &json!("Request cancelled by user"))
    );
    let less = outcome(&ann, till, "30", "+254712345606").await;
    assert_eq!(less["status"], "paid");
    let open = payments(&ann, "status=open").await;
    assert_eq!(
        (&open[0]["amount"], &open[0]["paymentRequestId"]),
        (&json!("20.00"), &less["id"]),
        "{open:?}"
    );
    let failed = made(ask(&ann, till, "30", "+254712345607").await);
    assert_eq!(failed["status"], "failed", "{failed}");
    assert_eq!(made(ask(&ann, till, "30.50", "+254712345600").await)["status"], "failed");
    assert_eq!(made(ask(&ann, till, "30", "+254712345608").await)["status"], "paid");
    // The outcome comes five times, and as a payment to the till number.
    let often = outcome(&ann, till, "40", "+254712345605").await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let of_request = payments(&ann, "").await;
        let count = of_request.iter().filter(|one| one["paymentRequestId"] == often["id"]).count();
        assert_eq!(count, 1, "{of_request:?}");
    }
    // A telephone shows one request at a time, and a repeated request is not sent again.
    let asleep = made(ask(&ann, till, "30", "+254712345604").await);
    assert_eq!(asleep["status"], "pending");
    refused(&ask(&ann, till, "30", "+254712345604").await, 409, "payment_request_pending");
    let listed =
        ann.get(&format!("/api/v1/payment-requests?registerId={}", till.as_str().unwrap())).await.body;
    assert_eq!(listed["data"][0]["id"], asleep["id"]);
    let chosen =
        json!({"id": uuid::Uuid::now_v7(), "registerId": till, "amount": "5", "phone": "+254712345610"});
    for _ in 0..2 {
        assert_eq!(ann.submit("payment-requests", &chosen).await.status, 201);
    }
    for (body, status, code) in [
        (json!({"registerId": till, "amount": "0", "phone": "+254712345600"}), 422, "not_positive"),
        (json!({"registerId": till, "amount": "0.001", "phone": "+254712345600"}), 422, "too_many_decimals"),
        (json!({"registerId": till, "amount": "5", "phone": "0712345600"}), 422, "invalid_value"),
        (json!({"registerId": id, "amount": "5", "phone": "+254712345600"}), 404, "not_found"),
    ] {
        refused(&ann.submit("payment-requests", &body).await, status, code);
    }
    books_hold(&acme).await;
}

#[tokio::test]
async fn a_reported_payment_counts_once_and_reaches_its_business_alone() {
    let (mpesa, app) = start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let (_, of_zenith) = (shop(&acme, "522533").await, shop(&zenith, "600700").await);
    let report = json!({"tillNumber": "522533", "amount": "75.50", "times": 50, "account": "table 4"});
    let reported = mpesa.simulate("payment", report).await;
    assert_eq!(reported["statuses"], json!(vec![200; 50]));
    let transaction = reported["transactionId"].as_str().unwrap();
    let one = payment(&acme, transaction).await;
    assert_eq!(
        (&one["amount"], &one["status"], &one["account"], &one["payerName"], &one["tillNumber"]),
        (&json!("75.50"), &json!("open"), &json!("table 4"), &json!("AMINA"), &json!("522533"))
    );
    let history = acme.get("/api/v1/events/history?topics=mobile_payment.*").await.body;
    // A report with another amount changes nothing.
    let other = json!({"tillNumber": "522533", "amount": "7550", "transactionId": transaction});
    mpesa.simulate("payment", other).await;
    assert_eq!(payment(&acme, transaction).await["amount"], "75.50");
    assert!(history["data"].as_array().unwrap().len() <= 1, "{history}");

    // Nobody else sees it, or spends it.
    assert_eq!(payments(&zenith, "").await, Vec::<Value>::new());
    let stolen = sell_bolts(&zenith, &of_zenith, "1", json!({"mobilePaymentId": one["id"]})).await;
    refused(&stolen, 404, "not_found");
    let path = format!("/api/v1/mobile-payments/{}", one["id"].as_str().unwrap());
    assert_eq!(zenith.get(&path).await.status, 404);

    // A forger knows the form of a report, but no token.
    let platform = app.stranger("admin.localhost");
    let forged = json!({
        "TransID": "FORGED1", "TransTime": "20261127102115", "TransAmount": "500",
        "BusinessShortCode": "522533",
    });
    let address = app.settings.mobile_money().unwrap().unwrap().callbacks.of_payments();
    let known = address.rsplit_once("/api").unwrap().1;
    for (host, path) in [
        ("admin.localhost", format!("/api{known}x")),
        ("admin.localhost", "/api/v1/mobile-money/payments/x".to_owned()),
        (acme.host.as_str(), format!("/api{known}")),
    ] {
        refused(&platform.on(host).post(&path, &forged).await, 404, "not_found");
    }
    refused(&platform.post(&format!("/api{known}"), &json!({"TransID": "X"})).await, 400, "invalid_report");
    assert_eq!(payments(&acme, "transactionId=FORGED1").await, Vec::<Value>::new());
    let request = uuid::Uuid::now_v7();
    let mobile_money = app.settings.mobile_money().unwrap().unwrap();
    let token = mobile_money.callbacks.of_request(acme.tenant.id, till_id(request));
    let token = token.rsplit('/').next().unwrap();
    let outcome = json!({"Body": {"stkCallback": {"ResultCode": 1, "ResultDesc": "no"}}});
    for (business, token) in [(zenith.tenant.id, token), (acme.tenant.id, "x")] {
        let path = format!("/api/v1/mobile-money/requests/{business}/{request}/{token}");
        refused(&platform.post(&path, &outcome).await, 404, "not_found");
    }

    // Nobody has the till number: the operator assigns the payment.
    let lost = mpesa.pay("999999", "12").await;
    let staff = app.staff("super_admin").await;
    let unclaimed = staff.get("/api/v1/platform/unclaimed-payments").await.body;
    let row = &unclaimed["data"][0];
    assert_eq!((&row["transactionId"], &row["tillNumber"]), (&json!(lost), &json!("999999")), "{unclaimed}");
    let assign = format!("/api/v1/platform/unclaimed-payments/{}/assign", row["id"].as_str().unwrap());
    let to = json!({"tenantId": acme.tenant.id});
    assert_eq!(staff.post(&assign, &to).await.status, 200);
    refused(&staff.post(&assign, &to).await, 404, "not_found");
    settle(&app).await;
    assert_eq!(payment(&acme, &lost).await["status"], "open");
    books_hold(&acme).await;
}

fn till_id(id: uuid::Uuid) -> till::PaymentRequestId {
    id.to_string().parse().unwrap()
}

/// Runs the job that delivers payments and asks for outcomes, as if all of it were due.
async fn settle(app: &TestApp) -> payment_settling::Settled {
    let owner = app.database.as_owner().await;
    owner
        .batch_execute(
            "UPDATE shared.received_payments SET due_at = due_at - interval '1 day';
             UPDATE shared.open_payment_requests SET due_at = due_at - interval '1 day'",
        )
        .await
        .unwrap();
    let mobile_money = app.settings.mobile_money().unwrap().unwrap();
    payment_settling::settle(app.onboarding().owner_database(), &mobile_money).await.unwrap()
}

#[tokio::test]
async fn a_number_that_a_cashier_enters_is_confirmed_in_either_order() {
    let (mpesa, app) = start().await;
    let acme = app.tenant("acme").await;
    let shop = shop(&acme, "522533").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    let unconfirmed = async || acme.get("/api/v1/unconfirmed-payments").await.body["data"].clone();
    // The payment is reported first.
    let first = mpesa.pay("522533", "20").await;
    let sale = made(sell_bolts(&ann, &shop, "2", json!({"reference": first.to_lowercase()})).await);
    assert_eq!(sale["payments"][0]["mobilePaymentId"], payment(&acme, &first).await["id"]);
    assert_eq!(unconfirmed().await, json!([]));
    // The payment is reported later.
    let sale = made(sell_bolts(&ann, &shop, "3", json!({"reference": "late0001"})).await);
    assert_eq!(sale["payments"][0]["mobilePaymentId"], Value::Null);
    assert_eq!(unconfirmed().await[0]["saleId"], sale["id"]);
    let path = format!("/api/v1/sales/{}", sale["id"].as_str().unwrap());
    let before = acme.get(&path).await.header("etag").to_owned();
    let late = json!({"tillNumber": "522533", "amount": "30", "transactionId": "LATE0001"});
    mpesa.simulate("payment", late).await;
    let after = acme.get(&path).await;
    let confirmed = payment(&acme, "LATE0001").await;
    assert_eq!(after.body["payments"][0]["mobilePaymentId"], confirmed["id"]);
    assert_eq!((&confirmed["status"], &confirmed["uses"][0]["usedBy"]), (&json!("used"), &Value::Null));
    assert_ne!(after.header("etag"), before);
    // Both at the same moment: the one finds the other.
    let race = async |number: usize| {
        let transaction = format!("RACE{number:04}");
        let report = json!({"tillNumber": "522533", "amount": "10", "transactionId": transaction});
        let with = json!({"reference": transaction});
        let (_, sold) = tokio::join!(mpesa.simulate("payment", report), sell_bolts(&ann, &shop, "1", with));
        assert_eq!(sold.status, 201, "{sold:?}");
        assert_eq!(payment(&acme, &transaction).await["status"], "used");
    };
    for round in 0..8 {
        join_all((0..5).map(|number| race(5 * round + number)).collect()).await;
    }
    assert_eq!(unconfirmed().await, json!([]));

    // What does not fit is left to a member: less was paid than the sale says.
    let wrong = made(sell_bolts(&ann, &shop, "5", json!({"reference": "TYPO"})).await);
    let little = mpesa.pay("522533", "49").await;
    let little = payment(&acme, &little).await;
    let to_sale = json!({"saleId": wrong["id"]});
    refused(&act(&ann, &little, "assign", to_sale.clone()).await, 403, "permission_denied");
    let refusal = act(&acme, &little, "assign", to_sale.clone()).await;
    refused(&refusal, 409, "payment_too_small");
    assert_eq!(refusal.body["available"], "49");
    let right = mpesa.pay("522533", "60").await;
    let right = payment(&acme, &right).await;
    let assigned = act(&acme, &right, "assign", to_sale.clone()).await;
    assert_eq!((assigned.status, &assigned.body["left"]), (200, &json!("10.00")), "{assigned:?}");
    refused(&act(&acme, &little, "assign", to_sale.clone()).await, 409, "nothing_to_confirm");
    // A void gives the money back: to the customer, or to another sale.
    let void = format!("sales/{}/void", wrong["id"].as_str().unwrap());
    assert_eq!(acme.submit(&void, &json!({"reason": "wrong article"})).await.status, 200);
    let released = payment(&acme, right["transactionId"].as_str().unwrap()).await;
    assert_eq!((&released["left"], &released["uses"]), (&json!("60.00"), &json!([])), "{released}");
    refused(&act(&acme, &released, "assign", to_sale).await, 409, "wrong_status");
    // A payment that belongs to nothing is dismissed, and can be opened again.
    let dismissed = act(&acme, &little, "dismiss", json!({"reason": "sent back"})).await;
    assert_eq!((dismissed.status, &dismissed.body["status"]), (200, &json!("dismissed")), "{dismissed:?}");
    let spent = sell_bolts(&ann, &shop, "1", json!({"mobilePaymentId": little["id"]})).await;
    refused(&spent, 409, "wrong_status");
    refused(&act(&acme, &little, "dismiss", json!({"reason": "again"})).await, 409, "wrong_status");
    assert_eq!(act(&acme, &little, "reopen", json!({})).await.body["status"], "open");
    refused(&act(&acme, &little, "reopen", json!({})).await, 409, "wrong_status");

    // An order is paid as far as the payment goes.
    let lines = json!([{"variantId": shop.1, "quantity": "5"}]);
    let order = made(acme.submit("orders", &json!({"lines": lines})).await);
    let to_order = json!({"orderId": order["id"]});
    assert_eq!(act(&acme, &little, "assign", to_order.clone()).await.body["status"], "used");
    let rest = act(&acme, &released, "assign", to_order.clone()).await.body;
    assert_eq!((&rest["left"], &rest["uses"][0]["orderId"]), (&json!("59.00"), &order["id"]), "{rest}");
    refused(&act(&acme, &released, "assign", to_order).await, 409, "nothing_to_confirm");
    let order = acme.get(&format!("/api/v1/orders/{}", order["id"].as_str().unwrap())).await.body;
    assert_eq!(order["paymentStatus"], "paid", "{order}");
    books_hold(&acme).await;
}

#[tokio::test]
async fn a_payment_is_spent_once_at_ten_registers() {
    let (mpesa, app) = start().await;
    let acme = app.tenant("acme").await;
    let shop = shop(&acme, "522533").await;
    let mut tills = vec![shop.0.clone()];
    for number in 2..=10 {
        let till = register(&acme, &format!("R{number}")).await;
        open_shift(&acme, &till, "0").await;
        tills.push(till);
    }
    let transaction = mpesa.pay("522533", "50").await;
    let reported = payment(&acme, &transaction).await;
    let lines = json!([{"variantId": shop.1, "quantity": "2"}]);
    let spend = async |(index, till): (usize, &Value)| {
        let paid = match index % 2 {
            0 => json!([{"method": "mobile_money", "mobilePaymentId": reported["id"]}]),
            _ => json!([{"method": "mobile_money", "reference": transaction}]),
        };
        sell(&acme, till, lines.clone(), paid).await
    };
    let replies = join_all(tills.iter().enumerate().map(spend).collect()).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 2);
    assert!(replies.iter().all(|reply| reply.status == 201 || reply.code() == "payment_too_small"));
    assert_eq!(payment(&acme, &transaction).await["left"], "10.00");
    // Two payments of one sale may name it, too.
    let lines = json!([{"variantId": shop.1, "quantity": "1"}]);
    let twice = json!([
        {"method": "mobile_money", "mobilePaymentId": reported["id"], "amount": "4"},
        {"method": "mobile_money", "mobilePaymentId": reported["id"]},
    ]);
    assert_eq!(sell(&acme, &tills[0], lines.clone(), twice).await.status, 201);
    for (paid, code) in [
        (json!({"method": "card", "mobilePaymentId": reported["id"]}), "invalid_value"),
        (
            json!({"method": "mobile_money", "mobilePaymentId": reported["id"], "reference": "X"}),
            "invalid_value",
        ),
    ] {
        let refusal = sell(&acme, &tills[0], lines.clone(), json!([paid])).await;
        refused(&refusal, 422, code);
        refused_at(&refusal, "/payments/0/mobilePaymentId", code);
    }
    books_hold(&acme).await;
}

#[tokio::test]
async fn a_business_may_accept_confirmed_payments_alone() {
    let (mpesa, app) = start().await;
    let acme = app.tenant("acme").await;
    let shop = shop(&acme, "522533").await;
    let settings = acme.patch("/api/v1/settings", &json!({"mobileMoney": "confirmed"})).await;
    assert_eq!((settings.status, &settings.body["mobileMoney"]), (200, &json!("confirmed")));
    for with in [json!({}), json!({"reference": "SOON0001"})] {
        let refusal = sell_bolts(&acme, &shop, "1", with).await;
        refused(&refusal, 409, "payment_not_reported");
        refused_at(&refusal, "/payments/0/reference", "payment_not_reported");
    }
    let soon = json!({"tillNumber": "522533", "amount": "10", "transactionId": "SOON0001"});
    mpesa.simulate("payment", soon).await;
    let sale = made(sell_bolts(&acme, &shop, "1", json!({"reference": "SOON0001"})).await);
    // Money that is paid back needs no report.
    let back = json!({
        "registerId": shop.0, "reason": "broken",
        "payments": [{"method": "mobile_money", "reference": "OUT1"}],
    });
    let refund = acme.submit(&format!("sales/{}/refunds", sale["id"].as_str().unwrap()), &back).await;
    assert_eq!(refund.status, 201, "{refund:?}");
}

#[tokio::test]
async fn outcomes_that_are_not_reported_are_asked_for() {
    let (mpesa, app) = start().await;
    let acme = app.tenant("acme").await;
    let shop = shop(&acme, "522533").await;
    let ask = async |phone: &str| made(ask(&acme, &shop.0, "30", phone).await)["id"].clone();
    let (paid, refused) = (ask("+254712345602").await, ask("+254712345603").await);
    let (asleep, answered) = (ask("+254712345604").await, ask("+254712345600").await);
    let status = async |id: &Value| {
        let path = format!("/api/v1/payment-requests/{}", id.as_str().unwrap());
        acme.get(&path).await.body["status"].clone()
    };
    until("the customer answers", async || status(&answered).await != "pending").await;
    assert_eq!(settle(&app).await.ended, 2);
    assert_eq!((status(&paid).await, status(&refused).await), (json!("paid"), json!("declined")));
    assert_eq!(status(&asleep).await, "pending");
    // Only a final result ends a request.
    let busy = ask("+254712345609").await;
    assert_eq!(settle(&app).await.ended, 0);
    assert_eq!(status(&busy).await, "pending");
    // After three minutes, the till stops waiting.
    let role = &acme.tenant.schema;
    let sql = format!("UPDATE {role}.payment_requests SET expires_at = expires_at - interval '3 minutes'");
    app.database.as_owner().await.batch_execute(&sql).await.unwrap();
    assert_eq!(status(&asleep).await, "expired");
    settle(&app).await;
    assert_eq!(settle(&app).await.next, None);
    // The customer pays after all, by the report of a payment to the till number.
    let reported = mpesa.pay("522533", "30").await;
    assert_eq!(payment(&acme, &reported).await["status"], "open");
}

#[tokio::test]
async fn a_payment_reaches_a_business_that_was_in_maintenance_or_restored() {
    let (mpesa, app) = start().await;
    let acme = app.tenant("acme").await;
    let _shop = shop(&acme, "522533").await;
    let before = mpesa.pay("522533", "10").await;
    let owner_database = app.onboarding().owner_database();
    let maintenance = owner_database.begin_maintenance(acme.tenant.id).await.unwrap();
    let meanwhile = mpesa.pay("522533", "20").await;
    settle(&app).await;
    maintenance.end().await.unwrap();
    acme.until(200).await;
    assert_eq!(payment(&acme, &meanwhile).await["amount"], "20.00");

    // A restored business does not have the payments since its backup, until they are delivered again.
    let schema = &acme.tenant.schema;
    let sql = format!("DELETE FROM {schema}.mobile_payments WHERE transaction_id = '{meanwhile}'");
    let owner = app.database.as_owner().await;
    owner.batch_execute(&sql).await.unwrap();
    owner_database
        .write_shared(async |tx: &tenancy::SharedTx| {
            platform::received_payment::deliver_again(tx, acme.tenant.id).await
        })
        .await
        .unwrap();
    assert_eq!(settle(&app).await.delivered, 2);
    assert_eq!(payment(&acme, &meanwhile).await["amount"], "20.00");
    assert_eq!(payment(&acme, &before).await["amount"], "10.00");
}

#[tokio::test]
async fn mobile_money_needs_a_provider_a_till_number_and_one_currency() {
    let app = TestApp::start_with("[mobile_money]\nprovider = \"\"").await;
    let acme = app.tenant("acme").await;
    let till = register(&acme, "R1").await;
    refused(&ask(&acme, &till, "5", "+254712345600").await, 409, "mobile_money_off");
    let mpesa = Mpesa::start(PROGRAM);
    let app = TestApp::start_with(&mpesa.settings("KES")).await;
    mpesa.report_to(&app).await;
    let acme = app.tenant("acme").await;
    let till = register(&acme, "R1").await;
    refused(&ask(&acme, &till, "5", "+254712345600").await, 409, "no_till_number");
    set_till_number(&acme, "522533").await;
    refused(&ask(&acme, &till, "5", "+254712345600").await, 409, "other_currency");
    // A payment in another currency is shown, and confirms nothing.
    let reported = mpesa.pay("522533", "500").await;
    let shilling = payment(&acme, &reported).await;
    assert_eq!(shilling["currency"], "KES");
    let bolt = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "10").await.status, 201);
    open_shift(&acme, &till, "0").await;
    let sale = sell_bolts(&acme, &(till, bolt), "1", json!({"mobilePaymentId": shilling["id"]})).await;
    refused(&sale, 409, "other_currency");
}
