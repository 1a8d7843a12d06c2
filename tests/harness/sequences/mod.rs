//! Random sequences of documents, and what must be true after each of them. The seed is printed when a check
//! fails, so that the sequence can be repeated.

pub mod parts;
pub mod till;
pub mod value;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::app::Reply;
use crate::business::Business;

/// Random choices, and requests of one business.
struct Shop<'a, 'app> {
    business: &'a Business<'app>,
    random: fastrand::Rng,
    /// The requests since the sequence began, for the message of a check that fails.
    story: Vec<String>,
}

impl<'a, 'app> Shop<'a, 'app> {
    fn new(business: &'a Business<'app>, seed: u64) -> Self {
        Self { business, random: fastrand::Rng::with_seed(seed), story: Vec::new() }
    }

    fn one_of<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.random.usize(..values.len())]
    }

    /// Posts a document. Returns the answer if the document was accepted; a conflict is an answer, too.
    async fn post(&mut self, path: &str, body: &Value) -> Option<Value> {
        let Reply { status, body: told, .. } = self.business.submit(path, body).await;
        self.story.push(format!("{status} {path} {body}"));
        assert!(matches!(status, 200 | 201 | 409 | 422), "{told}\n{}", self.story.join("\n"));
        matches!(status, 200 | 201).then_some(told)
    }

    async fn report(&self, path: &str) -> Value {
        let reply = self.business.get(&format!("/api/v1/{path}")).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.body
    }

    /// A new product with one variant. Returns the id of the variant.
    async fn variant(&mut self, product: Value) -> Value {
        self.business.create_product(&product).await["variants"][0]["id"].clone()
    }

    /// A part of a quantity: all of it, or a random share with three decimals.
    fn part_of(&mut self, quantity: Decimal) -> Decimal {
        let thousandths = (quantity * Decimal::ONE_THOUSAND).trunc();
        let thousandths = u64::try_from(thousandths).unwrap().max(1);
        let whole = thousandths % 1000 == 0 && thousandths > 1000 && self.random.bool();
        match self.random.u8(..3) {
            0 => quantity,
            _ if whole => Decimal::from(self.random.u64(1..=thousandths / 1000)),
            _ => Decimal::new(i64::try_from(self.random.u64(1..=thousandths)).unwrap(), 3),
        }
    }

    /// Parts of some lines of a document.
    fn parts(&mut self, document: &Value, left: impl Fn(&Value) -> Decimal) -> Vec<Value> {
        let mut parts = Vec::new();
        for line in document["lines"].as_array().unwrap() {
            let left = left(line);
            if left.is_zero() || self.random.u8(..3) == 0 {
                continue;
            }
            let quantity = self.part_of(left).normalize().to_string();
            parts.push(json!({"lineId": line["id"], "quantity": quantity}));
        }
        parts
    }

    /// Returns some of the goods of an order that are out, each restocked or scrapped, to `location`, or to
    /// that of the order.
    async fn take_back(&mut self, path: &str, location: Value) {
        let order = self.report(path).await;
        let mut parts = self.parts(&order, returnable);
        for part in &mut parts {
            part["restock"] = json!(self.random.bool());
        }
        if !parts.is_empty() {
            let body = json!({"locationId": location, "reason": "returned", "lines": parts});
            self.post(&format!("{path}/returns"), &body).await;
        }
    }
}

/// The quantity of an order's line that is neither fulfilled nor cancelled.
fn open(line: &Value) -> Decimal {
    decimal(&line["quantity"]) - decimal(&line["fulfilled"]) - decimal(&line["cancelled"])
}

/// The quantity of an order's line that is out.
fn returnable(line: &Value) -> Decimal {
    decimal(&line["fulfilled"]) - decimal(&line["returned"])
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("{value} is not an amount")).parse().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

/// One line of a document.
fn line(variant: &Value, quantity: Decimal) -> Value {
    json!({"variantId": variant, "quantity": quantity.normalize().to_string()})
}
