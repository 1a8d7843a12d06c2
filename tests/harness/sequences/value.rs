//! The value of goods is conserved: what was bought is the cost of sales, the stock on hand, the goods in
//! transit, and what was written off.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shop, decimal, line, open, text};
use crate::business::{Business, a_product};

const COSTS: [&str; 10] =
    ["0", "0.0001", "0.0033", "0.0099", "0.37", "1", "2.5", "3.3333", "19.99", "1234.5678"];
const QUANTITIES: [&str; 10] = ["0.001", "0.333", "1", "2", "3", "7", "12.5", "97", "1000", "99999.999"];

/// What one sequence works on.
struct Goods {
    variants: Vec<Value>,
    /// An article without stock, which is sold beside them.
    service: Value,
    /// Purchase orders that were sent.
    purchases: Vec<Value>,
    /// Receipts that were not reversed, with their purchase orders and costs.
    receipts: Vec<(Value, Value, Decimal)>,
    orders: Vec<Value>,
    transfers: Vec<Value>,
}

struct Trade<'a, 'app> {
    shop: Shop<'a, 'app>,
    locations: Vec<Value>,
    supplier: Value,
    /// What all receipts cost, without those that were reversed.
    bought: Decimal,
}

/// Runs random sequences of receipts, sales, returns, transfers, counts, adjustments, corrections of costs
/// and reversals. Panics if the value is not conserved after one of them.
pub async fn is_conserved(business: &Business<'_>, sequences: usize, seed: u64) {
    let shed = business.post("/api/v1/locations", &json!({"name": "Shed"})).await;
    assert_eq!(shed.status, 201, "{shed:?}");
    let locations = business.get("/api/v1/locations").await.body["data"].as_array().unwrap().clone();
    let supplier =
        business.post("/api/v1/suppliers", &json!({"name": "Bolts & Co"})).await.body["id"].clone();
    let mut trade = Trade {
        shop: Shop::new(business, seed),
        locations: locations.iter().map(|location| location["id"].clone()).collect(),
        supplier,
        bought: Decimal::ZERO,
    };
    for sequence in 0..sequences {
        trade.shop.story = vec![format!("sequence {sequence} of seed {seed}")];
        let mut goods = trade.new_goods().await;
        trade.buy(&mut goods).await;
        for _ in 0..trade.shop.random.usize(3..16) {
            trade.step(&mut goods).await;
        }
        trade.check().await;
    }
}

impl Trade<'_, '_> {
    async fn new_goods(&mut self) -> Goods {
        let mut variants = Vec::new();
        for _ in 0..2 {
            let mut product = a_product(&format!("SKU-{}", Uuid::now_v7()));
            product["variants"][0]["price"] = json!("9.99");
            product["variants"][0]["cost"] = match self.shop.random.bool() {
                true => Value::Null,
                false => json!(self.shop.one_of(&COSTS)),
            };
            variants.push(self.shop.variant(product).await);
        }
        // Its cost is no cost of goods.
        let mut service = a_product(&format!("SKU-{}", Uuid::now_v7()));
        service["kind"] = json!("service");
        service["variants"][0]["cost"] = Value::Null;
        let service = self.shop.variant(service).await;
        Goods {
            variants,
            service,
            purchases: Vec::new(),
            receipts: Vec::new(),
            orders: Vec::new(),
            transfers: Vec::new(),
        }
    }

    fn some_line(&mut self, goods: &Goods) -> Value {
        let quantity = self.shop.one_of(&QUANTITIES).parse().unwrap();
        line(self.shop.one_of(&goods.variants), quantity)
    }

    async fn step(&mut self, goods: &mut Goods) {
        match self.shop.random.u8(..17) {
            0 => self.buy(goods).await,
            1 | 2 => self.receive(goods).await,
            3 => self.reverse(goods).await,
            4 | 5 => self.sell(goods).await,
            6 => self.fulfil_or_cancel(goods).await,
            7 | 8 => self.take_back(goods).await,
            9 => self.adjust(goods).await,
            10 => self.send_transfer(goods).await,
            11 | 12 => self.end_transfer(goods).await,
            13 => self.revalue(goods).await,
            14 | 15 => self.send_back_to_supplier(goods).await,
            _ => self.count(goods).await,
        }
    }

    async fn buy(&mut self, goods: &mut Goods) {
        let lines: Vec<Value> = goods
            .variants
            .iter()
            .map(|variant| {
                let quantity = self.shop.one_of(&QUANTITIES);
                json!({"variantId": variant, "quantity": quantity, "unitCost": self.shop.one_of(&COSTS)})
            })
            .collect();
        let location = self.shop.one_of(&self.locations.clone()).clone();
        let body = json!({"supplierId": self.supplier, "locationId": location, "lines": lines});
        let Some(order) = self.shop.post("purchase-orders", &body).await else { return };
        let sent = format!("purchase-orders/{}/send", text(&order["id"]));
        if let Some(order) = self.shop.post(&sent, &json!({})).await {
            goods.purchases.push(order);
            self.receive(goods).await;
        }
    }

    async fn receive(&mut self, goods: &mut Goods) {
        if goods.purchases.is_empty() {
            return;
        }
        let path = format!("purchase-orders/{}", text(&self.shop.one_of(&goods.purchases).clone()["id"]));
        let order = self.shop.report(&path).await;
        let lines = order["lines"].as_array().unwrap();
        let cost_of = |id: &Value| decimal(&lines.iter().find(|line| line["id"] == *id).unwrap()["unitCost"]);
        let body = self.some_parts(&order, |line| decimal(&line["quantity"]) - decimal(&line["received"]));
        if let Some(receipt) = self.shop.post(&format!("{path}/receipts"), &body).await {
            let came = receipt["lines"].as_array().unwrap();
            let cost = came.iter().map(|line| decimal(&line["quantity"]) * cost_of(&line["lineId"])).sum();
            self.bought += cost;
            goods.receipts.push((receipt["id"].clone(), order["id"].clone(), cost));
        }
    }

    /// A body that names parts of some lines, or no lines: then everything is meant.
    fn some_parts(&mut self, document: &Value, left: impl Fn(&Value) -> Decimal) -> Value {
        let parts = self.shop.parts(document, left);
        if parts.is_empty() || self.shop.random.bool() { json!({}) } else { json!({"lines": parts}) }
    }

    async fn reverse(&mut self, goods: &mut Goods) {
        if goods.receipts.is_empty() {
            return;
        }
        let at = self.shop.random.usize(..goods.receipts.len());
        let (receipt, order, cost) = goods.receipts[at].clone();
        let path = format!("purchase-orders/{}/receipts", text(&order));
        if self.shop.post(&path, &json!({"reverses": receipt})).await.is_some() {
            self.bought -= cost;
            goods.receipts.remove(at);
        }
    }

    async fn sell(&mut self, goods: &mut Goods) {
        let mut lines: Vec<Value> =
            (0..self.shop.random.usize(1..3)).map(|_| self.some_line(goods)).collect();
        if self.shop.random.bool() {
            lines.push(line(&goods.service, Decimal::ONE));
        }
        let location = self.shop.one_of(&self.locations.clone()).clone();
        let body = json!({"locationId": location, "fulfil": self.shop.random.bool(), "lines": lines});
        goods.orders.extend(self.shop.post("orders", &body).await);
    }

    async fn fulfil_or_cancel(&mut self, goods: &mut Goods) {
        if goods.orders.is_empty() {
            return;
        }
        let order = self.shop.one_of(&goods.orders).clone();
        let path = format!("orders/{}", text(&order["id"]));
        if self.shop.random.u8(..4) == 0 {
            self.shop.post(&format!("{path}/cancel"), &json!({})).await;
            return;
        }
        let order = self.shop.report(&path).await;
        let mut body = self.some_parts(&order, open);
        body["locationId"] = self.shop.one_of(&self.locations.clone()).clone();
        self.shop.post(&format!("{path}/fulfil"), &body).await;
    }

    async fn take_back(&mut self, goods: &mut Goods) {
        if !goods.orders.is_empty() {
            let path = format!("orders/{}", text(&self.shop.one_of(&goods.orders).clone()["id"]));
            let location = self.shop.one_of(&self.locations.clone()).clone();
            self.shop.take_back(&path, location).await;
        }
    }

    async fn adjust(&mut self, goods: &mut Goods) {
        let mut body = self.some_line(goods);
        let is_loss = self.shop.random.bool();
        if is_loss {
            body["quantity"] = json!(format!("-{}", text(&body["quantity"])));
        } else if self.shop.random.bool() {
            body["unitCost"] = json!(self.shop.one_of(&COSTS));
        }
        body["locationId"] = self.shop.one_of(&self.locations.clone()).clone();
        body["reason"] = json!("found or lost");
        self.shop.post("stock/adjustments", &body).await;
    }

    async fn revalue(&mut self, goods: &mut Goods) {
        let body = json!({
            "variantId": self.shop.one_of(&goods.variants), "unitCost": self.shop.one_of(&COSTS),
            "locationId": self.shop.one_of(&self.locations.clone()), "reason": "wrong",
        });
        self.shop.post("stock/revaluations", &body).await;
    }

    async fn send_back_to_supplier(&mut self, goods: &mut Goods) {
        let mut line = self.some_line(goods);
        if self.shop.random.bool() {
            line["unitCost"] = json!(self.shop.one_of(&COSTS));
        }
        let location = self.shop.one_of(&self.locations.clone()).clone();
        let body = json!({"locationId": location, "reason": "broken", "lines": [line]});
        let path = format!("suppliers/{}/returns", text(&self.supplier));
        if let Some(back) = self.shop.post(&path, &body).await {
            let value = &back["lines"][0]["value"];
            self.bought -= if value.is_null() { Decimal::ZERO } else { decimal(value) };
        }
    }

    async fn send_transfer(&mut self, goods: &mut Goods) {
        let (from, to) = match self.shop.random.bool() {
            true => (0, 1),
            false => (1, 0),
        };
        let body = json!({
            "fromLocationId": self.locations[from], "toLocationId": self.locations[to],
            "lines": [self.some_line(goods)],
        });
        goods.transfers.extend(self.shop.post("stock/transfers", &body).await);
    }

    async fn end_transfer(&mut self, goods: &mut Goods) {
        if goods.transfers.is_empty() {
            return self.send_transfer(goods).await;
        }
        let transfer = self.shop.one_of(&goods.transfers).clone();
        let path = format!("stock/transfers/{}", text(&transfer["id"]));
        if self.shop.random.u8(..4) == 0 {
            self.shop.post(&format!("{path}/send-back"), &json!({})).await;
            return;
        }
        let transfer = self.shop.report(&path).await;
        let mut body = self.some_parts(&transfer, |line| decimal(&line["inTransit"]));
        if self.shop.random.u8(..3) == 0 {
            body["reason"] = json!("lost");
            self.shop.post(&format!("{path}/write-off"), &body).await;
        } else {
            self.shop.post(&format!("{path}/receive"), &body).await;
        }
    }

    async fn count(&mut self, goods: &mut Goods) {
        let location = self.shop.one_of(&self.locations.clone()).clone();
        let Some(count) = self.shop.post("stock/counts", &json!({"locationId": location})).await else {
            return;
        };
        let counted = self.some_line(goods);
        let lines = json!({"lines": [{"variantId": counted["variantId"], "counted": counted["quantity"]}]});
        let path = format!("stock/counts/{}", text(&count["id"]));
        self.shop.post(&format!("{path}/lines"), &lines).await;
        self.shop.post(&format!("{path}/post"), &json!({})).await;
    }

    /// Compares the figures of the reports with what was bought. Each of the four is rounded to the currency.
    async fn check(&self) {
        let sales = self.shop.report("reports/sales").await;
        let stock = self.shop.report("reports/stock").await;
        let adjusted = self.shop.report("reports/adjustments").await;
        let ledger = self.shop.report("stock/ledger").await;
        let story = self.shop.story.join("\n");
        assert_eq!(ledger["holds"], true, "{ledger}\n{story}");
        let (sold, written_off) = (decimal(&sales["total"]["cost"]), -decimal(&adjusted["total"]["value"]));
        let (on_hand, in_transit) = (decimal(&stock["total"]["cost"]), decimal(&stock["inTransit"]["cost"]));
        let found = sold + on_hand + in_transit + written_off;
        let difference = (self.bought - found).abs();
        assert!(
            difference <= Decimal::new(2, 2),
            "bought for {}; sold {sold}, on hand {on_hand}, in transit {in_transit}, written off \
             {written_off}: {difference} too much or too little\n{story}",
            self.bought
        );
    }
}
