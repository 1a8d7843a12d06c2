//! Six weeks of trading, made up: deliveries and orders day by day, and at the end one of everything that a screen can show.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use inventory::adjustment::{self, NewAdjustment};
use inventory::category::{self, NewCategory};
use inventory::count::{self, NewCount};
use inventory::customer::{self, NewCustomer};
use inventory::document::Part;
use inventory::fulfilment::{self, NewFulfilment};
use inventory::goods_receipt::{self, Arrival, NewReceipt};
use inventory::order::{self, NewLine, NewOrder, Order, OrderError};
use inventory::order_return::{self, NewReturn, NewReturnLine};
use inventory::pricing::Discount;
use inventory::product::{self, NewProduct};
use inventory::purchase_order::{self, NewPurchaseOrder, PurchaseOrder, PurchaseStatus};
use inventory::settings::Currency;
use inventory::stock::StockError;
use inventory::supplier::{self, NewPrice, SupplierChange};
use inventory::tax_class::{self, NewTaxClass, Rate, Taxation};
use inventory::transfer::{self, NewTransfer};
use inventory::variant::{NewVariant, Options};
use inventory::{
    AdjustmentId, CountId, CustomerId, FulfilmentId, LocationId, OrderId, PurchaseOrderId, ReceiptId,
    ReturnId, SupplierId, TransferId, VariantId, location,
};
use tenancy::TenantTx;
use values::{Barcode, Money, Name, Note, OptionText, Percent, ProductTag, Quantity, Reason, ShortText, Sku};

use super::shelves::{Item, Shelf};
use super::{DemoError, data};

const DAYS: u64 = 42;
const SUPPLIERS: [(&str, &str, i16); 2] =
    [("Northern Wholesale", "orders@northern.example", 4), ("Brandt & Sons", "sales@brandt.example", 9)];
const CUSTOMERS: [&str; 6] = [
    "Amina Odhiambo",
    "Jonas Weber",
    "Riverside School",
    "Hill Street Builders",
    "Marta Silva",
    "Café Aroma",
];

/// One business's history on its way into its tables.
pub struct History<'a> {
    tx: &'a TenantTx,
    /// The end of the history.
    now: DateTime<Utc>,
    /// The same trade each time.
    random: fastrand::Rng,
    goods: Vec<Goods>,
    suppliers: Vec<SupplierId>,
    customers: Vec<CustomerId>,
    /// The order of which part will come and no more.
    short: Option<PurchaseOrder>,
}

/// A variant that is traded.
struct Goods {
    id: VariantId,
    item: &'static Item,
    supplier: usize,
}

impl<'a> History<'a> {
    pub fn new(tx: &'a TenantTx, now: DateTime<Utc>) -> Self {
        let random = fastrand::Rng::with_seed(7);
        let (goods, suppliers, customers) = (Vec::new(), Vec::new(), Vec::new());
        Self { tx, now, random, goods, suppliers, customers, short: None }
    }

    /// Tells all of it.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn tell(mut self, shelves: &'static [Shelf]) -> Result<(), DemoError> {
        self.turn_to(DAYS, 7);
        self.open(shelves).await?;
        for ago in (1..DAYS).rev() {
            self.turn_to(ago, 8);
            if ago % 14 == 0 {
                self.restock().await?;
            }
            for hour in 0..self.random.u64(2..6) {
                self.turn_to(ago, 9 + 2 * hour);
                self.sell().await?;
            }
            self.close_the_day(ago).await?;
        }
        self.tx.set_now(self.now - TimeDelta::minutes(40));
        self.wait_for_goods().await?;
        self.tx.set_now(self.now);
        Ok(())
    }

    /// Goes on at an hour so many days ago.
    fn turn_to(&self, days_ago: u64, hour: u64) {
        let midnight = self.day(-(days_ago as i64)).and_time(chrono::NaiveTime::MIN).and_utc();
        let minutes = TimeDelta::minutes(60 * hour as i64 + 17);
        self.tx.set_now((midnight + minutes).min(self.now));
    }

    fn day(&self, from_now: i64) -> NaiveDate {
        let days = Days::new(from_now.unsigned_abs());
        let today = self.now.date_naive();
        if from_now < 0 { today - days } else { today + days }
    }

    /// Taxes, suppliers with their prices, customers, the catalogue and its opening stock.
    async fn open(&mut self, shelves: &'static [Shelf]) -> Result<(), DemoError> {
        let tx = self.tx;
        let rate = Rate { name: "VAT".to_owned(), percent: percent("16")? };
        let taxation = Taxation { is_inclusive: true, rates: vec![rate] };
        let vat = tax_class::insert(tx, &NewTaxClass { name: name("VAT 16%")?, taxation }, None).await?;
        for (supplier, email, days) in SUPPLIERS {
            let new = SupplierChange {
                name: Some(name(supplier)?),
                email: Some(Some(ShortText::parse(email).map_err(data)?)),
                lead_time_days: Some(Some(days)),
                ..SupplierChange::default()
            };
            self.suppliers.push(supplier::insert(tx, &new, None).await?);
        }
        for customer in CUSTOMERS {
            let new = NewCustomer { name: name(customer)?, email: None, phone: None, note: None };
            self.customers.push(customer::insert(tx, &new, None).await?);
        }
        let mut categories = BTreeMap::new();
        for shelf in shelves {
            if !categories.contains_key(shelf.category) {
                let new = NewCategory { name: name(shelf.category)?, parent_id: None };
                categories.insert(shelf.category, category::insert(tx, &new).await?);
            }
            let new = NewProduct {
                name: name(shelf.name)?,
                category_id: categories.get(shelf.category).copied(),
                tax_class_id: Some(vat),
                description: None,
                option_names: None,
                tags: tags_of(shelf)?,
                variants: shelf.items.iter().map(variant).collect::<Result<_, _>>()?,
            };
            let id = product::insert(tx, &new, None).await?;
            let stored = product::find(tx, id).await?.ok_or(product::ProductError::NotFound)?;
            for (variant, item) in stored.variants.iter().zip(shelf.items) {
                self.goods.push(Goods { id: variant.id, item, supplier: shelf.supplier });
            }
        }
        for goods in &self.goods {
            let price = NewPrice {
                variant_id: goods.id,
                supplier_sku: Some(
                    Sku::parse(&format!("{}-{}", goods.supplier + 1, goods.item.sku)).map_err(data)?,
                ),
                cost: money(goods.item.cost)?,
                currency: Currency::parse("EUR").map_err(data)?,
                minimum_quantity: Some(quantity("5")?),
                lead_time_days: None,
            };
            supplier::set_price(tx, self.suppliers[goods.supplier], &price, None).await?;
            let opening = NewAdjustment {
                id: AdjustmentId::new(),
                has_chosen_id: false,
                variant_id: goods.id,
                location_id: None,
                quantity: quantity(goods.item.opening_stock)?,
                unit_cost: Some(money(goods.item.cost)?),
                reason: Reason::parse("opening stock").map_err(data)?,
                note: None,
            };
            if !opening.quantity.is_zero() {
                adjustment::post(tx, &opening, None).await?;
            }
        }
        Ok(())
    }

    /// An order of one to three lines; what there is not enough of is not sold.
    async fn sell(&mut self) -> Result<(), DemoError> {
        let count = self.random.usize(1..=3);
        let mut lines = Vec::new();
        for _ in 0..count {
            let goods = &self.goods[self.random.usize(..self.goods.len())];
            // What is cheap goes by the dozen.
            let most = if money(goods.item.price)? < money("1")? { 40 } else { 3 };
            let line = NewLine {
                variant_id: goods.id,
                quantity: quantity(&self.random.u32(1..=most).to_string())?,
                price: None,
                discount: None,
            };
            lines.push(line);
        }
        let discount = (self.random.u32(..9) == 0).then_some(Discount::Percent(percent("10")?));
        let buyer = self.random.usize(..2 * self.customers.len());
        let Some(order) = self.place(self.customers.get(buyer).copied(), None, lines, discount).await? else {
            return Ok(());
        };
        if self.random.u32(..14) == 0 {
            let line = &order.lines[0];
            let part = Part { line_id: line.id, quantity: quantity("1")? };
            let new = NewReturn {
                id: ReturnId::new(),
                has_chosen_id: false,
                order_id: order.id,
                reason: Reason::parse("not needed").map_err(data)?,
                lines: vec![NewReturnLine { part, is_restocked: self.random.bool() }],
                request_hash: Vec::new(),
            };
            order_return::post(self.tx, &new, None).await?;
        }
        Ok(())
    }

    /// `None` when there is not enough of something.
    async fn place(
        &self,
        customer_id: Option<CustomerId>,
        fulfils_at_once: Option<bool>,
        lines: Vec<NewLine>,
        discount: Option<Discount>,
    ) -> Result<Option<Order>, DemoError> {
        let new = NewOrder {
            id: OrderId::new(),
            has_chosen_id: false,
            customer_id,
            location_id: None,
            fulfils_at_once,
            lines,
            discount,
            note: None,
            may_set_prices: true,
            request_hash: Vec::new(),
        };
        match order::place(self.tx, &new, None).await {
            Ok(order::Outcome::Placed(order) | order::Outcome::Repeated(order)) => Ok(Some(order)),
            Err(OrderError::Stock(StockError::Insufficient(_))) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Each supplier brings what sells most, all of it.
    async fn restock(&self) -> Result<(), DemoError> {
        for supplier in 0..self.suppliers.len() {
            let lines = self.some_of(supplier, 4, |item| item.reorder_level)?;
            let order =
                self.order(supplier, lines, None, &[PurchaseStatus::Sent, PurchaseStatus::Confirmed]).await?;
            self.receive(&order, Vec::new(), Some("D-1001")).await?;
        }
        Ok(())
    }

    /// The first so many variants of a supplier, with how much of each.
    fn some_of(
        &self,
        supplier: usize,
        count: usize,
        how_much: impl Fn(&Item) -> &'static str,
    ) -> Result<Vec<purchase_order::NewLine>, DemoError> {
        let of_supplier = self.goods.iter().filter(|goods| goods.supplier == supplier).take(count);
        let line = |goods: &Goods| {
            Ok(purchase_order::NewLine {
                variant_id: goods.id,
                quantity: quantity(how_much(goods.item))?,
                unit_cost: money(goods.item.cost)?,
                tax_percent: percent("16")?,
            })
        };
        of_supplier.map(line).collect()
    }

    async fn order(
        &self,
        supplier: usize,
        lines: Vec<purchase_order::NewLine>,
        expected_on: Option<NaiveDate>,
        moves: &[PurchaseStatus],
    ) -> Result<PurchaseOrder, DemoError> {
        let new = NewPurchaseOrder {
            id: PurchaseOrderId::new(),
            has_chosen_id: false,
            supplier_id: self.suppliers[supplier],
            location_id: None,
            expected_on,
            lines,
            note: None,
            request_hash: Vec::new(),
        };
        let (purchase_order::Outcome::Drafted(mut order) | purchase_order::Outcome::Repeated(mut order)) =
            purchase_order::draft(self.tx, &new, None).await?;
        for to in moves {
            order = purchase_order::bring_to(self.tx, order.id, *to, None).await?;
        }
        Ok(order)
    }

    /// So much of which lines of an order comes; all that is open when there are none.
    async fn receive(
        &self,
        order: &PurchaseOrder,
        parts: Vec<Part<inventory::PurchaseOrderLineId>>,
        delivery_note: Option<&str>,
    ) -> Result<(), DemoError> {
        let number = delivery_note.map(|note| format!("{note}-{}", order.number));
        let delivery_note = number.map(|number| ShortText::parse(&number)).transpose().map_err(data)?;
        let new = NewReceipt {
            id: ReceiptId::new(),
            has_chosen_id: false,
            order_id: order.id,
            what: Arrival::Goods { parts, delivery_note },
            request_hash: Vec::new(),
        };
        goods_receipt::post(self.tx, &new, None).await?;
        Ok(())
    }

    /// What else happens on some evenings: orders to suppliers in every state, goods under way and counted.
    async fn close_the_day(&mut self, ago: u64) -> Result<(), DemoError> {
        use PurchaseStatus::{Cancelled, ClosedShort, Confirmed, Sent};
        let four = |order: &PurchaseOrder| -> Result<Vec<_>, DemoError> {
            Ok(vec![Part { line_id: order.lines[0].id, quantity: quantity("4")? }])
        };
        self.turn_to(ago, 20);
        match ago {
            12 => {
                let short = self.order(1, self.some_of(1, 2, |_| "10")?, Some(self.day(-8)), &[Sent]).await?;
                self.short = Some(short);
                let lines = self.some_of(0, 1, |_| "50")?;
                self.order(0, lines, Some(self.day(-3)), &[Sent, Cancelled]).await?;
            }
            8 => {
                if let Some(short) = self.short.take() {
                    self.receive(&short, four(&short)?, Some("D-1107")).await?;
                    purchase_order::bring_to(self.tx, short.id, ClosedShort, None).await?;
                }
                // Overdue, so it covers nothing.
                self.order(1, self.some_of(1, 3, |_| "12")?, Some(self.day(-2)), &[Sent]).await?;
            }
            2 => {
                let lines = self.some_of(0, 3, |_| "150")?;
                let partial = self.order(0, lines, Some(self.day(5)), &[Sent, Confirmed]).await?;
                self.receive(&partial, four(&partial)?, None).await?;
                self.order(1, self.some_of(1, 2, |_| "20")?, None, &[]).await?;
            }
            1 => {
                let default = location::find_or_default(self.tx, None)
                    .await?
                    .ok_or(location::LocationError::NotFound)?;
                let warehouse = location::insert(self.tx, &name("Warehouse")?, None).await?;
                self.send(default, warehouse).await?;
                self.count().await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A transfer that has arrived, and one that is under way.
    async fn send(&self, from: LocationId, to: LocationId) -> Result<(), DemoError> {
        for (at, arrives) in [(0, true), (3, false)] {
            let new = NewTransfer {
                id: TransferId::new(),
                has_chosen_id: false,
                from,
                to,
                lines: vec![(self.goods[at].id, quantity("5")?)],
                note: Some(Note::parse("for the weekend").map_err(data)?),
                request_hash: Vec::new(),
            };
            transfer::send(self.tx, &new, None).await?;
            if arrives {
                let step = transfer::NewStep {
                    id: inventory::StepId::new(),
                    has_chosen_id: false,
                    transfer_id: new.id,
                    kind: transfer::StepKind::Receive(Vec::new()),
                    request_hash: Vec::new(),
                };
                transfer::step(self.tx, &step, None).await?;
            }
        }
        Ok(())
    }

    /// A posted count that found some pieces less, and one that is open.
    async fn count(&self) -> Result<(), DemoError> {
        let goods = &self.goods[0];
        let stored = inventory::variant::find(self.tx, goods.id).await?;
        let a_count = || NewCount { id: CountId::new(), has_chosen_id: false, location_id: None, note: None };
        let posted = a_count();
        count::open(self.tx, &posted, None).await?;
        if let Some(variant) = stored.filter(|variant| variant.available() > Quantity::ZERO) {
            let level = variant.available().plus(quantity("-6")?);
            if !level.is_negative() {
                count::count(self.tx, posted.id, &[(goods.id, level)], None).await?;
                count::post(self.tx, posted.id, None).await?;
            }
        }
        count::open(self.tx, &a_count(), None).await?;
        Ok(())
    }

    /// Reserved orders: one that waits, one of which part has left, one that was cancelled.
    async fn wait_for_goods(&mut self) -> Result<(), DemoError> {
        for what in ["waits", "partly", "cancelled"] {
            let line = |goods: &Goods, how_much: &str| -> Result<NewLine, DemoError> {
                Ok(NewLine {
                    variant_id: goods.id,
                    quantity: quantity(how_much)?,
                    price: None,
                    discount: None,
                })
            };
            let lines = vec![line(&self.goods[0], "3")?, line(&self.goods[1], "2")?];
            let buyer = self.customers.get(self.random.usize(..self.customers.len())).copied();
            let Some(order) = self.place(buyer, Some(false), lines, None).await? else { continue };
            match what {
                "partly" => {
                    let new = NewFulfilment {
                        id: FulfilmentId::new(),
                        has_chosen_id: false,
                        order_id: order.id,
                        lines: vec![Part { line_id: order.lines[0].id, quantity: quantity("1")? }],
                        request_hash: Vec::new(),
                    };
                    fulfilment::post(self.tx, &new, None).await?;
                }
                "cancelled" => {
                    let reason = Reason::parse("ordered twice").map_err(data)?;
                    order::cancel(self.tx, order.id, Some(&reason), None).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a shop would look for, whatever the category.
fn tags_of(shelf: &Shelf) -> Result<Vec<ProductTag>, DemoError> {
    let tags: &[&str] = match shelf.category {
        "Garden" => &["outdoor", "season"],
        "Paint" => &["indoor"],
        _ => &[],
    };
    tags.iter().map(|tag| ProductTag::parse(tag).map_err(data)).collect()
}

fn variant(item: &Item) -> Result<NewVariant, DemoError> {
    let mut options = Options::new();
    if !item.size.is_empty() {
        options.insert(OptionText::parse("Size").map_err(data)?, OptionText::parse(item.size).map_err(data)?);
    }
    Ok(NewVariant {
        sku: Sku::parse(item.sku).map_err(data)?,
        barcodes: vec![Barcode::parse(item.barcode).map_err(data)?],
        price: money(item.price)?,
        compare_at_price: None,
        cost: Some(money(item.cost)?),
        reorder_level: Some(quantity(item.reorder_level)?),
        options,
    })
}

fn name(text: &str) -> Result<Name, DemoError> {
    Name::parse(text).map_err(data)
}

fn money(text: &str) -> Result<Money, DemoError> {
    Money::parse(text).map_err(data)
}

fn quantity(text: &str) -> Result<Quantity, DemoError> {
    Quantity::parse(text).map_err(data)
}

fn percent(text: &str) -> Result<Percent, DemoError> {
    Percent::parse(text).map_err(data)
}
