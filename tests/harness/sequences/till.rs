//! The drawer of a till adds up: cash, card and credit are what the receipts say, and a shift that is counted
//! to the cent closes without a difference.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shop, decimal, text};
use crate::business::{Business, a_product};
use crate::till::{open_shift, register};

const PRICES: [&str; 6] = ["0.01", "0.99", "3.33", "10", "17.35", "1234.56"];
const STEPS: [&str; 4] = ["0", "0.05", "0.1", "1"];
const FLOAT: &str = "1000000";

struct Till<'a, 'app> {
    shop: Shop<'a, 'app>,
    register: Value,
    customer: Value,
    variants: Vec<Value>,
    /// Bundles of some of the variants.
    bundles: Vec<Value>,
    /// The receipts of the shift, with their lines as they were sold.
    receipts: Vec<Value>,
    /// Sales of earlier shifts, too.
    sales: Vec<Value>,
    step: Decimal,
}

/// Runs random sequences of sales, refunds, exchanges, deposits and voids, each in a shift of its own. Panics
/// if the drawer does not add up after one of them.
pub async fn adds_up(business: &Business<'_>, sequences: usize, seed: u64) {
    let rates = json!([{"name": "VAT", "percent": "16"}, {"name": "City", "percent": "2.5"}]);
    let class = json!({"name": "Both", "inclusive": false, "rates": rates});
    let class = business.post("/api/v1/tax-classes", &class).await.body["id"].clone();
    let customer = json!({"name": "Ann", "creditLimit": "5000"});
    let customer = business.post("/api/v1/customers", &customer).await.body["id"].clone();
    let mut shop = Shop::new(business, seed);
    let (mut variants, mut bundles) = (Vec::new(), Vec::new());
    for price in PRICES {
        let mut product = a_product(&format!("SKU-{}", Uuid::now_v7()));
        product["variants"][0]["price"] = json!(price);
        if shop.random.bool() {
            product["taxClassId"] = class.clone();
        }
        let variant = shop.variant(product).await;
        assert_eq!(business.adjust(&variant, "100000").await.status, 201);
        variants.push(variant);
    }
    for (price, parts) in [("24.99", [("1", 2), ("0.5", 4)]), ("0.07", [("3", 0), ("2", 3)])] {
        let part = |(quantity, of): (&str, usize)| json!({"variantId": variants[of], "quantity": quantity});
        let bundle =
            json!({"sku": format!("SKU-{}", Uuid::now_v7()), "price": price, "components": parts.map(part)});
        bundles.push(shop.variant(json!({"name": "Set", "kind": "bundle", "variants": [bundle]})).await);
    }
    let register = register(business, "SEQ").await;
    let mut till = Till {
        shop,
        register,
        customer,
        variants,
        bundles,
        receipts: Vec::new(),
        sales: Vec::new(),
        step: Decimal::ZERO,
    };
    till.issue_vouchers().await;
    for sequence in 0..sequences {
        till.shop.story = vec![format!("sequence {sequence} of seed {seed}")];
        till.work().await;
    }
    let books = business.get("/api/v1/stock/ledger").await.body;
    assert_eq!(books["holds"], true, "{books}");
}

impl Till<'_, '_> {
    async fn issue_vouchers(&mut self) {
        let shift = open_shift(self.shop.business, &self.register, FLOAT).await;
        for number in 0..20 {
            let voucher = json!({
                "method": "voucher", "voucherCode": format!("GIFT-{number:04}"), "amount": "-100",
            });
            let body = json!({"registerId": self.register, "payments": [voucher, {"method": "card"}]});
            let issued = self.shop.post("sales", &body).await.unwrap();
            self.note(issued);
        }
        self.close(&shift).await;
    }

    async fn work(&mut self) {
        let step = *self.shop.one_of(&STEPS);
        self.step = step.parse().unwrap();
        let set = self.shop.business.patch("/api/v1/settings", &json!({"cashRounding": step})).await;
        assert_eq!(set.status, 200, "{set:?}");
        let shift = open_shift(self.shop.business, &self.register, FLOAT).await;
        self.receipts.clear();
        for _ in 0..self.shop.random.usize(3..12) {
            match self.shop.random.u8(..10) {
                0..5 => self.sell(false).await,
                5 => self.sell(true).await,
                6 | 7 => self.refund().await,
                8 => self.deposit().await,
                _ => self.void().await,
            }
        }
        self.close(&shift).await;
    }

    fn payments(&mut self) -> Value {
        let voucher = format!("GIFT-{:04}", self.shop.random.u16(..20));
        let some = *self.shop.one_of(&["0.5", "2", "7.77", "40"]);
        match self.shop.random.u8(..10) {
            0..3 => json!([{"method": "cash"}]),
            3 => json!([{"method": "cash", "amount": "100000"}]),
            4 => json!([{"method": "card"}]),
            5 => json!([{"method": "card", "amount": some}, {"method": "cash"}]),
            6 => json!([{"method": "voucher", "voucherCode": voucher, "amount": some}, {"method": "cash"}]),
            7 => json!([{"method": "store_credit"}]),
            8 => json!([{"method": "on_account", "amount": some}, {"method": "cash"}]),
            _ => json!([{"method": "cash", "amount": some}, {"method": "card"}]),
        }
    }

    async fn sell(&mut self, exchanges: bool) {
        let mut lines = Vec::new();
        for _ in 0..self.shop.random.usize(1..4) {
            let (articles, quantities) = match self.shop.random.u8(..4) {
                0 => (self.bundles.clone(), ["1", "2", "3", "7"]),
                _ => (self.variants.clone(), ["0.001", "0.333", "1", "3"]),
            };
            let variant = self.shop.one_of(&articles).clone();
            let quantity = *self.shop.one_of(&quantities);
            let discount = *self.shop.one_of(&["0", "10%", "0.01"]);
            lines.push(json!({"variantId": variant, "quantity": quantity, "discount": discount}));
        }
        let mut body = json!({
            "registerId": self.register, "customerId": self.customer, "lines": lines,
            "payments": self.payments(),
        });
        if exchanges {
            let Some(returns) = self.returns().await else { return };
            (body["returns"], body["reason"]) = (json!(returns), json!("exchanged"));
        }
        if let Some(sale) = self.shop.post("sales", &body).await {
            self.sales.push(sale["id"].clone());
            self.note(sale);
        }
    }

    /// Some lines of a sale of before, in units or in money.
    async fn returns(&mut self) -> Option<Vec<Value>> {
        if self.sales.is_empty() {
            return None;
        }
        let id = self.shop.one_of(&self.sales.clone()).clone();
        let sale = self.shop.report(&format!("sales/{}", text(&id))).await;
        let left = |line: &Value| decimal(&line["quantity"]) - decimal(&line["returned"]);
        let mut parts = self.shop.parts(&sale, left);
        for part in &mut parts {
            match self.shop.random.u8(..3) {
                0 => {
                    part.as_object_mut().unwrap().remove("quantity");
                    part["amount"] = json!(self.shop.one_of(&["0.01", "1", "5.55"]));
                }
                _ => part["restock"] = json!(self.shop.random.bool()),
            }
        }
        (!parts.is_empty()).then_some(parts)
    }

    async fn refund(&mut self) {
        let Some(returns) = self.returns().await else { return };
        let id = self.shop.one_of(&self.sales.clone()).clone();
        let some = *self.shop.one_of(&["-0.5", "-2", "-7.77"]);
        let payments = match self.shop.random.u8(..5) {
            0 => json!([{"method": "card"}]),
            1 => json!([{"method": "store_credit", "amount": some}, {"method": "cash"}]),
            2 => json!([{"method": "voucher"}]),
            3 => json!([{"method": "on_account"}]),
            _ => json!([{"method": "cash"}]),
        };
        let mut body = json!({"registerId": self.register, "reason": "back", "payments": payments});
        body["customerId"] = self.customer.clone();
        // The lines of another sale are refused, everything that is left of this one is not.
        let path = match self.shop.random.bool() {
            true => {
                body["returns"] = json!(returns);
                "sales".to_owned()
            }
            false => format!("sales/{}/refunds", text(&id)),
        };
        if let Some(refund) = self.shop.post(&path, &body).await {
            self.note(refund);
        }
    }

    async fn deposit(&mut self) {
        let code = format!("GIFT-{:04}", self.shop.random.u16(..20));
        let amount = *self.shop.one_of(&["-0.49", "-3.33", "-50"]);
        let into = match self.shop.random.u8(..3) {
            0 => json!({"method": "voucher", "voucherCode": code, "amount": amount}),
            1 => json!({"method": "store_credit", "amount": amount}),
            _ => json!({"method": "on_account", "amount": amount}),
        };
        let payments = json!([into, {"method": self.shop.one_of(&["cash", "card"])}]);
        let body = json!({"registerId": self.register, "customerId": self.customer, "payments": payments});
        if let Some(deposit) = self.shop.post("sales", &body).await {
            self.note(deposit);
        }
    }

    async fn void(&mut self) {
        let Some(last) = self.receipts.last().cloned() else { return };
        let path = format!("sales/{}/void", text(&last["id"]));
        if self.shop.post(&path, &json!({"reason": "wrong"})).await.is_some() {
            self.receipts.pop();
            self.sales.retain(|id| *id != last["id"]);
        }
    }

    /// Notes a receipt, whose payments must be its total with its rounding, which is less than the step.
    fn note(&mut self, receipt: Value) {
        let paid = receipt["payments"].as_array().unwrap();
        let paid: Decimal = paid.iter().map(|payment| decimal(&payment["amount"])).sum();
        let (total, rounding) = (decimal(&receipt["total"]), decimal(&receipt["rounding"]));
        let is_sound = paid == total + rounding && (rounding.is_zero() || rounding.abs() < self.step);
        assert!(is_sound, "{receipt}\n{}", self.shop.story.join("\n"));
        self.receipts.push(receipt);
    }

    fn taken(&self, method: &str) -> Decimal {
        let payments = self.receipts.iter().flat_map(|receipt| receipt["payments"].as_array().unwrap());
        payments
            .filter(|payment| payment["method"] == method)
            .map(|payment| decimal(&payment["amount"]))
            .sum()
    }

    async fn close(&mut self, shift: &Value) {
        let path = format!("shifts/{}", text(&shift["id"]));
        let report = self.shop.report(&format!("{path}/report")).await;
        let sum =
            |field: &str| -> Decimal { self.receipts.iter().map(|receipt| decimal(&receipt[field])).sum() };
        for field in ["subtotal", "discount", "returned", "tax", "total", "rounding"] {
            let told = decimal(&report["receipts"][field]);
            assert_eq!(told, sum(field), "{field}: {report}\n{}", self.shop.story.join("\n"));
        }
        let by_rate = report["receipts"]["taxes"].as_array().unwrap();
        let by_rate: Decimal = by_rate.iter().map(|tax| decimal(&tax["tax"])).sum();
        assert_eq!(by_rate, sum("tax"), "{report}");
        let cash = FLOAT.parse::<Decimal>().unwrap() + self.taken("cash");
        let counts = json!({"counts": [
            {"method": "cash", "amount": cash.to_string()},
            {"method": "card", "amount": self.taken("card").to_string()},
        ]});
        let closed = self.shop.post(&format!("{path}/close"), &counts).await.unwrap();
        assert_eq!(closed["status"], "closed", "{closed}\n{}", self.shop.story.join("\n"));
    }
}
