//! A register whose shifts are closed while clients sell at it. Sales are refunded at two registers at once,
//! and voided, and vouchers pay for more than they hold.
//!
//! At the end each Z report is the sum of the sales of its shift, and the numbers of the reports have no
//! gap. The books say whether something was taken back or spent twice.

use std::cell::RefCell;

use harness::Business;
use harness::till::{open_shift, register};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::trading::{Soak, id, take};

/// The codes of the vouchers. Each holds 100.
const VOUCHERS: [&str; 4] = ["GIFT-0001", "GIFT-0002", "GIFT-0003", "GIFT-0004"];

/// A register, and what the clients know of it.
pub struct Counter {
    register: Value,
    /// The shift that was opened last.
    shift: RefCell<Value>,
    closed: RefCell<Vec<Value>>,
    /// Sales that may be refunded or voided.
    sold: RefCell<Vec<Value>>,
}

impl Counter {
    /// Opens a shift, and sells the vouchers.
    pub async fn open(business: &Business<'_>) -> Self {
        let register = register(business, "T3").await;
        let shift = open_shift(business, &register, "0").await;
        for code in VOUCHERS {
            let voucher = json!({"method": "voucher", "voucherCode": code, "amount": "-100"});
            let body = json!({"registerId": register, "payments": [voucher, {"method": "cash"}]});
            assert_eq!(business.submit("sales", &body).await.status, 201);
        }
        Self { register, shift: RefCell::new(shift), closed: RefCell::default(), sold: RefCell::default() }
    }
}

impl Soak<'_> {
    /// One deed at the counter of a business.
    pub async fn at_the_counter(&self, number: usize, random: &mut fastrand::Rng) {
        let counter = &self.shops[number].counter;
        match random.u32(..10) {
            0..6 => self.sell_at_the_counter(number, random).await,
            6 | 7 => {
                let Some(sale) = take(&counter.sold, random) else { return };
                self.refund_twice(number, &sale, random).await;
            }
            8 => {
                let Some(sale) = take(&counter.sold, random) else { return };
                let path = format!("sales/{}/void", id(&sale));
                self.post(number, &path, &json!({"reason": "wrong article"}), random).await;
            }
            _ => self.change_shifts(number, random).await,
        }
    }

    async fn sell_at_the_counter(&self, number: usize, random: &mut fastrand::Rng) {
        let shop = &self.shops[number];
        let quantity = random.u32(1..4);
        let line = shop.line(quantity, random);
        let payments = if random.u32(..3) == 0 {
            let code = random.choice(VOUCHERS).unwrap();
            json!([{"method": "voucher", "voucherCode": code, "amount": "10"}, {"method": "cash"}])
        } else {
            json!([{"method": "cash"}])
        };
        let body = json!({
            "id": Uuid::now_v7(), "registerId": shop.counter.register, "lines": [line], "payments": payments,
        });
        if let Some(sale) = self.post(number, "sales", &body, random).await {
            self.keep(number, format!("sales/{}", id(&sale)), &sale);
            shop.counter.sold.borrow_mut().push(sale);
        }
    }

    /// Two registers refund a sale in whole.
    async fn refund_twice(&self, number: usize, sale: &Value, random: &mut fastrand::Rng) {
        let shop = &self.shops[number];
        let path = format!("sales/{}/refunds", id(sale));
        let body = |register: &Value| {
            json!({"id": Uuid::now_v7(), "registerId": register, "reason": "broken",
                   "payments": [{"method": "cash"}]})
        };
        let (here, there) = (body(&shop.counter.register), body(&shop.register));
        let mut others = random.fork();
        let (here, there) = tokio::join!(
            self.post(number, &path, &here, random),
            self.post(number, &path, &there, &mut others)
        );
        assert!(here.is_none() || there.is_none(), "refunded twice: {sale}");
        for refund in here.iter().chain(&there) {
            self.keep(number, format!("sales/{}", id(refund)), refund);
        }
    }

    /// Closes the open shift, without a look at what the drawer should hold, and opens the next one.
    async fn change_shifts(&self, number: usize, random: &mut fastrand::Rng) {
        let counter = &self.shops[number].counter;
        let shift = counter.shift.borrow().clone();
        let path = format!("shifts/{}/close", id(&shift));
        let counts = json!({"counts": [{"method": "cash", "amount": "50"}]});
        let Some(counted) = self.post(number, &path, &counts, random).await else { return };
        if counted["status"] != "closed" {
            let reason = json!({"reason": "nobody looked"});
            let explained = self.post(number, &path, &reason, random).await;
            assert!(explained.is_some_and(|shift| shift["status"] == "closed"), "{counted}");
        }
        counter.closed.borrow_mut().push(shift);
        let next = json!({"id": Uuid::now_v7(), "registerId": counter.register, "openingFloat": "0"});
        let opened = self.post(number, "shifts", &next, random).await;
        counter.shift.replace(opened.expect("the register has no open shift"));
    }
}

impl Counter {
    /// Panics if a Z report is not the sum of its sales, or if a number is missing.
    pub async fn verify(&self, business: &Business<'_>, admin: &Client) {
        let schema = &business.tenant.schema;
        let closed = self.closed.take();
        let mut numbers = Vec::new();
        for shift in &closed {
            let report = business.get(&format!("/api/v1/shifts/{}/report", id(shift))).await.body;
            let sql = format!(
                "SELECT coalesce(sum(total), 0) FROM {schema}.sales
                  WHERE shift_id = '{}' AND voided_at IS NULL",
                id(shift)
            );
            let sum: Decimal = admin.query_one(&sql, &[]).await.unwrap().get(0);
            let total: Decimal = report["receipts"]["total"].as_str().unwrap().parse().unwrap();
            assert_eq!(total, sum, "{report}");
            numbers.push(report["number"].as_u64().unwrap());
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(1..=closed.len() as u64), "the numbers of the Z reports have a gap");
        println!("{}: {} shifts are the sums of their sales", business.host, closed.len());
    }
}
