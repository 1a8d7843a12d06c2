//! The parts of an order add up: in whatever parts it is fulfilled, cancelled and returned, the sales report
//! shows what the order owes, and nothing is left when everything has come back.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shop, decimal, line, open, returnable, text};
use crate::business::{Business, a_product};

const PRICES: [&str; 6] = ["0.01", "0.99", "3.33", "9.99", "100", "1249.95"];
const QUANTITIES: [&str; 7] = ["0.001", "0.333", "1", "2", "3", "7", "13.75"];
const ROUNDINGS: [&str; 2] = ["half_away_from_zero", "half_even"];

struct Orders<'a, 'app> {
    shop: Shop<'a, 'app>,
    variants: Vec<Value>,
}

/// What the sales report has of one order: the difference to the report before the order.
#[derive(Debug)]
struct Sold {
    total: Decimal,
    refunded: Decimal,
    net: Decimal,
    tax: Decimal,
    cost: Decimal,
    margin: Decimal,
}

/// Places random orders and takes them through random fulfilments, cancellations and returns, while the
/// rounding changes. Panics if the parts do not add up.
pub async fn add_up(business: &Business<'_>, sequences: usize, seed: u64) {
    let mut orders = Orders { shop: Shop::new(business, seed), variants: Vec::new() };
    orders.stock_up().await;
    for sequence in 0..sequences {
        orders.shop.story = vec![format!("sequence {sequence} of seed {seed}")];
        orders.sequence().await;
    }
}

impl Orders<'_, '_> {
    /// A variant of each tax class and price, in stock at costs below a cent and above. Each tax class has a
    /// service and a fee, too.
    async fn stock_up(&mut self) {
        let class = |name: &str, is_inclusive: bool, percents: &[&str]| {
            let rate = |(n, percent)| json!({"name": format!("Tax {n}"), "percent": percent});
            let rates: Vec<Value> = percents.iter().enumerate().map(rate).collect();
            json!({"name": name, "inclusive": is_inclusive, "rates": rates})
        };
        let mut classes = vec![Value::Null];
        for class in [
            class("In the price", true, &["16"]),
            class("Two in the price", true, &["7", "7"]),
            class("On top", false, &["19"]),
            class("Two on top", false, &["5", "9.975"]),
        ] {
            let made = self.shop.business.post("/api/v1/tax-classes", &class).await;
            assert_eq!(made.status, 201, "{made:?}");
            classes.push(made.body["id"].clone());
        }
        for (n, class) in classes.iter().enumerate() {
            for kind in ["service", "fee"] {
                let mut product = a_product(&format!("SKU-{}", Uuid::now_v7()));
                product["taxClassId"] = class.clone();
                product["kind"] = json!(kind);
                product["variants"][0]["price"] = json!(self.shop.one_of(&PRICES));
                product["variants"][0]["cost"] = json!("0.3333");
                let variant = self.shop.variant(product).await;
                self.variants.push(variant);
            }
            for price in PRICES {
                let mut product = a_product(&format!("SKU-{}", Uuid::now_v7()));
                product["taxClassId"] = class.clone();
                product["variants"][0]["price"] = json!(price);
                let variant = self.shop.variant(product).await;
                for (quantity, cost) in [("100000", "0.3333"), ("50000.005", "0.0049")] {
                    let mut body = line(&variant, quantity.parse().unwrap());
                    body["unitCost"] = json!(cost);
                    body["reason"] = json!(format!("opening stock {n}"));
                    assert!(self.shop.post("stock/adjustments", &body).await.is_some());
                }
                self.variants.push(variant);
            }
        }
    }

    async fn sequence(&mut self) {
        let before = self.shop.report("reports/sales").await;
        let Some(order) = self.place().await else { return };
        let path = format!("orders/{}", text(&order["id"]));
        for _ in 0..self.shop.random.usize(1..10) {
            self.step(&path).await;
        }
        // Nothing stays open: the rest leaves or is cancelled.
        let rest = if self.shop.random.bool() { "fulfil" } else { "cancel" };
        self.shop.post(&format!("{path}/{rest}"), &json!({})).await;
        let order = self.shop.report(&path).await;
        let story = self.shop.story.join("\n");
        let sold = self.sold_since(&before).await;
        assert_eq!(sold.net, decimal(&order["amountDue"]), "the net and the amount due: {sold:?}\n{story}");
        assert!(sold.refunded <= sold.total, "more refunded than sold: {sold:?}\n{story}");

        // Everything comes back, also in parts.
        for _ in 0..3 {
            self.shop.take_back(&path, Value::Null).await;
        }
        self.take_all_back(&path).await;
        let order = self.shop.report(&path).await;
        let story = self.shop.story.join("\n");
        let sold = self.sold_since(&before).await;
        assert!(decimal(&order["amountDue"]).is_zero(), "{order}\n{story}");
        let is_nothing = [sold.net, sold.tax, sold.cost, sold.margin].iter().all(Decimal::is_zero);
        assert!(is_nothing, "everything came back: {sold:?}\n{story}");
    }

    async fn place(&mut self) -> Option<Value> {
        let mut lines = Vec::new();
        for _ in 0..self.shop.random.usize(1..5) {
            let quantity = self.shop.one_of(&QUANTITIES).parse().unwrap();
            let mut line = line(self.shop.one_of(&self.variants.clone()), quantity);
            self.discount(&mut line, &["0.01", "0.1", "1"]);
            lines.push(line);
        }
        let mut body = json!({"fulfil": self.shop.random.bool(), "lines": lines});
        self.discount(&mut body, &["0.01", "0.5", "2.22"]);
        self.shop.post("orders", &body).await
    }

    /// Gives a line or an order a discount of an amount, of a percentage, or none.
    fn discount(&mut self, of: &mut Value, amounts: &[&str]) {
        match self.shop.random.u8(..3) {
            0 => of["discount"] = json!(self.shop.one_of(amounts)),
            1 => of["discount"] = json!(self.shop.one_of(&["2.5%", "10%", "33.33%", "100%"])),
            _ => {}
        }
    }

    async fn step(&mut self, path: &str) {
        match self.shop.random.u8(..8) {
            6 => self.refund(path).await,
            7 => self.cancel_part(path).await,
            0 => {
                let rounding = self.shop.one_of(&ROUNDINGS);
                let body = json!({"rounding": rounding});
                let changed = self.shop.business.patch("/api/v1/settings", &body).await;
                assert_eq!(changed.status, 200, "{changed:?}");
                self.shop.story.push(format!("rounding {rounding}"));
            }
            1 | 2 => self.shop.take_back(path, Value::Null).await,
            3 if self.shop.random.u8(..4) == 0 => {
                self.shop.post(&format!("{path}/cancel"), &json!({})).await;
            }
            _ => {
                let order = self.shop.report(path).await;
                let lines = self.shop.parts(&order, open);
                if !lines.is_empty() {
                    self.shop.post(&format!("{path}/fulfil"), &json!({"lines": lines})).await;
                }
            }
        }
    }

    /// Refunds an amount without goods: of the order, or of one of its lines.
    async fn refund(&mut self, path: &str) {
        let amount = self.shop.one_of(&["0.01", "0.03", "1", "7.77"]);
        let mut body = json!({"reason": "scratched", "amount": amount});
        if self.shop.random.bool() {
            let order = self.shop.report(path).await;
            let lines = order["lines"].as_array().unwrap();
            let line = &lines[self.shop.random.usize(..lines.len())]["id"];
            body = json!({"reason": "scratched", "lines": [{"lineId": line, "amount": amount}]});
        }
        self.shop.post(&format!("{path}/refunds"), &body).await;
    }

    async fn cancel_part(&mut self, path: &str) {
        let order = self.shop.report(path).await;
        let lines = self.shop.parts(&order, open);
        if !lines.is_empty() {
            self.shop.post(&format!("{path}/cancel"), &json!({"lines": lines})).await;
        }
    }

    async fn take_all_back(&mut self, path: &str) {
        let order = self.shop.report(path).await;
        let lines = order["lines"].as_array().unwrap().iter();
        let parts: Vec<Value> = lines
            .filter(|line| !returnable(line).is_zero())
            .map(|line| json!({"lineId": line["id"], "quantity": returnable(line).normalize().to_string()}))
            .collect();
        if !parts.is_empty() {
            let body = json!({"reason": "returned", "lines": parts});
            assert!(self.shop.post(&format!("{path}/returns"), &body).await.is_some());
        }
    }

    async fn sold_since(&self, before: &Value) -> Sold {
        let now = self.shop.report("reports/sales").await;
        let of = |member: &str| decimal(&now["total"][member]) - decimal(&before["total"][member]);
        Sold {
            total: of("total"),
            refunded: of("refunded"),
            net: of("net"),
            tax: of("tax"),
            cost: of("cost"),
            margin: of("margin"),
        }
    }
}
