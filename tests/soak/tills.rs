//! Customers pay by mobile money, and tills send what they sold without a connection, while servers are
//! killed and PostgreSQL crashes. The provider repeats a report until it gets an answer, and sends others
//! more than once; tills do the same.
//!
//! At the end each payment is there once, no payment was spent twice, each request to pay has ended, and each
//! sale of a till counts once.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use harness::Business;
use harness::till::{open_shift, register, set_till_number};
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::trading::{Soak, id, take};
use crate::verdict::count;

/// The time in which every request to pay ends: the till waits for three minutes, and the provider is asked
/// once more after that.
const END_OF_REQUESTS: Duration = Duration::from_secs(300);
/// The last digits of telephones, by what their owners do: they pay, refuse, pay without a report, pay with
/// many reports, pay less, and pay before the provider answers.
const OWNERS: [&str; 6] = ["00", "01", "02", "05", "06", "08"];

/// The tills of a business, and what the clients know of them.
pub struct Tills {
    till_number: String,
    /// A register with an open shift that was offline.
    offline: Value,
    opened_at: DateTime<Utc>,
    /// The number of offline sales so far.
    references: Cell<u32>,
    /// The ids of the offline sales that a till may forget, because it got an answer.
    sent: RefCell<Vec<Value>>,
    held: RefCell<Vec<Value>>,
    /// The transactions that were reported, with their amounts.
    reported: RefCell<Vec<(String, u32)>>,
    requests: RefCell<Vec<Value>>,
}

impl Tills {
    /// Opens the tills of the business with this number in the run.
    pub async fn open(business: &Business<'_>, number: usize) -> Self {
        let till_number = format!("52253{number}");
        set_till_number(business, &till_number).await;
        let review = json!({"negativeSales": "review"});
        assert_eq!(business.patch("/api/v1/settings", &review).await.status, 200);
        let offline = register(business, "T2").await;
        open_shift(business, &offline, "100").await;
        Self {
            till_number,
            offline,
            opened_at: Utc::now(),
            references: Cell::new(0),
            sent: RefCell::default(),
            held: RefCell::default(),
            reported: RefCell::default(),
            requests: RefCell::default(),
        }
    }
}

impl Soak<'_> {
    /// One deed at the tills of a business.
    pub async fn at_the_till(&self, number: usize, random: &mut fastrand::Rng) {
        match random.u32(..10) {
            0..3 => self.sell_for_a_reported_payment(number, random).await,
            3 => self.ask_for_a_payment(number, random).await,
            4 => self.sell_for_an_asked_payment(number, random).await,
            5..9 => self.send_an_offline_sale(number, random).await,
            _ => self.decide_about_a_held_sale(number, random).await,
        }
    }

    /// A customer pays to the till number, and the cashier enters the transaction: before, after or while the
    /// provider reports it.
    async fn sell_for_a_reported_payment(&self, number: usize, random: &mut fastrand::Rng) {
        let tills = &self.shops[number].tills;
        let quantity = random.u32(1..4);
        let transaction = Uuid::now_v7().simple().to_string().to_uppercase();
        let mut others = random.fork();
        let report = async |random: &mut fastrand::Rng| {
            tokio::time::sleep(Duration::from_millis(random.u64(..40))).await;
            self.report(tills, &transaction, 10 * quantity, random).await;
        };
        let paid = json!({"method": "mobile_money", "reference": transaction.to_lowercase()});
        tokio::join!(self.sell_units(number, quantity, &paid, random), report(&mut others));
        tills.reported.borrow_mut().push((transaction, 10 * quantity));
    }

    /// Reports a payment until a server answers.
    async fn report(&self, tills: &Tills, transaction: &str, amount: u32, random: &mut fastrand::Rng) {
        let payment = json!({
            "tillNumber": tills.till_number, "amount": amount.to_string(), "transactionId": transaction,
            "times": random.u32(1..4),
        });
        loop {
            self.choose_server(random).await;
            let reported = self.mpesa.simulate("payment", payment.clone()).await;
            let statuses = reported["statuses"].as_array().unwrap();
            if statuses.contains(&json!(200)) {
                return;
            }
            let is_fault = |status: &Value| !["0", "429", "503"].contains(&status.to_string().as_str());
            assert!(!statuses.iter().any(is_fault), "{reported}");
            tokio::time::sleep(Duration::from_millis(random.u64(20..200))).await;
        }
    }

    /// Lets the provider report to one of the servers.
    async fn choose_server(&self, random: &mut fastrand::Rng) {
        self.mpesa.simulate("server", json!({"port": self.ports[random.usize(..2)]})).await;
    }

    async fn sell_units(
        &self,
        number: usize,
        quantity: u32,
        paid: &Value,
        random: &mut fastrand::Rng,
    ) -> Option<Value> {
        let shop = &self.shops[number];
        let line = shop.line(quantity, random);
        let body = json!({
            "id": Uuid::now_v7(), "registerId": shop.register, "lines": [line], "payments": [paid],
        });
        let sale = self.post(number, "sales", &body, random).await?;
        self.keep(number, format!("sales/{}", id(&sale)), &sale);
        Some(sale)
    }

    async fn ask_for_a_payment(&self, number: usize, random: &mut fastrand::Rng) {
        let shop = &self.shops[number];
        let owner = random.choice(OWNERS).unwrap();
        let body = json!({
            "id": Uuid::now_v7(), "registerId": shop.register, "amount": (10 * random.u32(2..5)).to_string(),
            "phone": format!("+2547{:06}{owner}", random.u32(..1_000_000)),
        });
        self.choose_server(random).await;
        if let Some(request) = self.post(number, "payment-requests", &body, random).await {
            self.keep(number, format!("payment-requests/{}", id(&request)), &request);
            shop.tills.requests.borrow_mut().push(request);
        }
    }

    /// Two registers spend the payment of a request, each in whole.
    async fn sell_for_an_asked_payment(&self, number: usize, random: &mut fastrand::Rng) {
        let shop = &self.shops[number];
        let Some(request) = take(&shop.tills.requests, random) else { return };
        let path = format!("/api/v1/payment-requests/{}", id(&request));
        let now = shop.business.get(&path).await;
        let Some(payment) = now.body["mobilePaymentId"].as_str() else {
            // The customer has not answered, or PostgreSQL recovers.
            if now.status != 200 || now.body["status"] == "pending" {
                shop.tills.requests.borrow_mut().push(request);
            }
            return;
        };
        // The customer may have paid 10 less than the till asked for, but at least 10.
        let asked: f64 = request["amount"].as_str().unwrap().parse().unwrap();
        let quantity = if asked > 20.0 { 2 } else { 1 };
        let paid = json!({"method": "mobile_money", "mobilePaymentId": payment});
        let mut others = random.fork();
        tokio::join!(
            self.sell_units(number, quantity, &paid, random),
            self.sell_units(number, quantity, &paid, &mut others)
        );
    }

    async fn send_an_offline_sale(&self, number: usize, random: &mut fastrand::Rng) {
        let shop = &self.shops[number];
        let tills = &shop.tills;
        tills.references.set(tills.references.get() + 1);
        let quantity = random.u32(1..6);
        let age = (Utc::now() - tills.opened_at).num_milliseconds();
        let sold_at = tills.opened_at + TimeDelta::milliseconds(random.i64(0..=age));
        let line = shop.line(quantity, random);
        let sale = json!({
            "id": Uuid::now_v7(), "registerId": tills.offline, "soldAt": sold_at, "lines": [line],
            "reference": format!("OFF-{}", tills.references.get()), "payments": [{"method": "cash"}],
            "total": (10 * quantity).to_string(),
        });
        // A till that does not know whether it has sent a sale sends it with another key.
        let mut answers = Vec::new();
        for _ in 0..random.u32(1..3) {
            let answer = self.post(number, "offline-sales", &sale, random).await;
            answers.push(answer.unwrap_or_else(|| panic!("an offline sale is refused: {sale}")));
        }
        for answer in &answers {
            assert_eq!(answer["id"], sale["id"], "{answer}");
        }
        self.keep(number, format!("offline-sales/{}", id(&sale)), &answers[0]);
        if answers[0]["status"] == "held" {
            tills.held.borrow_mut().push(sale.clone());
        }
        tills.sent.borrow_mut().push(sale);
    }

    /// Completes a sale that was held, or discards one that cannot be completed.
    async fn decide_about_a_held_sale(&self, number: usize, random: &mut fastrand::Rng) {
        let Some(held) = take(&self.shops[number].tills.held, random) else { return };
        let path = format!("offline-sales/{}", id(&held));
        let completed = self.post(number, &format!("{path}/complete"), &json!({}), random).await;
        if completed.is_none() && random.bool() {
            let reason = json!({"reason": "the customer brought it back"});
            self.post(number, &format!("{path}/discard"), &reason, random).await;
        } else if completed.is_none() {
            self.shops[number].tills.held.borrow_mut().push(held);
        }
    }
}

impl Tills {
    /// Waits until every request to pay has ended and every payment has reached the business. Panics if
    /// something is missing or counts twice.
    pub async fn verify(&self, business: &Business<'_>, admin: &Client) {
        let (schema, tenant) = (&business.tenant.schema, business.tenant.id);
        let open = format!(
            "SELECT (SELECT count(*) FROM {schema}.payment_requests WHERE status = 'pending')
                  + (SELECT count(*) FROM shared.open_payment_requests WHERE tenant_id = '{tenant}')
                  + (SELECT count(*) FROM shared.received_payments
                      WHERE tenant_id = '{tenant}' AND delivered_at IS NULL)"
        );
        let all_end = async {
            while count(admin, &open).await > 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let ended = tokio::time::timeout(END_OF_REQUESTS, all_end).await;
        assert!(ended.is_ok(), "requests to pay do not end, or payments are not delivered");
        let reported = self.reported.take();
        for (transaction, amount) in &reported {
            let sql = format!(
                "SELECT count(*) FROM {schema}.mobile_payments
                  WHERE transaction_id = '{transaction}' AND amount = {amount}"
            );
            assert_eq!(count(admin, &sql).await, 1, "{transaction}");
        }
        let mut completed = 0;
        for sale in &self.sent.take() {
            let sql = format!(
                "SELECT status FROM {schema}.offline_sales WHERE id = '{}' AND reference = '{}'",
                id(sale),
                sale["reference"].as_str().unwrap()
            );
            let status: String = admin.query_one(&sql, &[]).await.unwrap().get(0);
            completed += u32::from(status == "completed");
        }
        for (what, sql) in [
            (
                "reported payments of sales that do not confirm them",
                format!(
                    "SELECT count(*) FROM {schema}.sale_payments p
                       JOIN {schema}.mobile_payments m ON m.transaction_id = upper(p.reference)
                       LEFT JOIN {schema}.mobile_payment_uses u ON u.sale_payment_id = p.id
                      WHERE p.method = 'mobile_money' AND u.id IS NULL"
                ),
            ),
            (
                "payments that are spent twice",
                format!(
                    "SELECT count(*) FROM {schema}.mobile_payments m
                      WHERE used > amount OR used <> coalesce((
                        SELECT sum(u.amount) FROM {schema}.mobile_payment_uses u
                         WHERE u.mobile_payment_id = m.id AND u.released_at IS NULL), 0)"
                ),
            ),
            (
                "requests with two payments, or with one although the customer has refused",
                format!(
                    "SELECT count(*) FROM (
                       SELECT r.id FROM {schema}.payment_requests r
                         JOIN {schema}.mobile_payments m ON m.request_id = r.id
                        GROUP BY r.id
                       HAVING count(*) > 1 OR r.status <> 'paid' OR r.phone LIKE '%01') AS wrong"
                ),
            ),
            (
                "offline sales that do not count once",
                format!(
                    "SELECT count(*) FROM {schema}.offline_sales o
                      WHERE (o.status = 'completed') <> (1 = (
                        SELECT count(*) FROM {schema}.sales s
                         WHERE s.id = o.id AND s.offline_reference = o.reference))"
                ),
            ),
        ] {
            assert_eq!(count(admin, &sql).await, 0, "{what}");
        }
        println!("{}: {} payments are there, {completed} offline sales count", business.host, reported.len());
    }
}
