//! Six weeks of generated trading: deliveries and orders for each day. At the end the business has one
//! example of everything that a screen can show.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use inventory::adjustment::{self, NewAdjustment};
use inventory::basket::{NewBasket, NewLine};
use inventory::category::{self, NewCategory};
use inventory::count::{self, NewCount};
use inventory::customer::{self, NewCustomer};
use inventory::fulfilment::{self, NewFulfilment};
use inventory::goods_receipt::{self, ArrivedPart, Content, LineName, NewReceipt};
use inventory::options::Options;
use inventory::order::{self, NewOrder, Order, OrderError};
use inventory::order_return::{self, NewReturn, NewReturnLine};
use inventory::own_keys::OwnKeys;
use inventory::pricing::Discount;
use inventory::product::{self, NewProduct};
use inventory::product_kind::ProductKind;
use inventory::purchase_order::{self, NewPurchaseOrder, PurchaseOrder, PurchaseStatus};
use inventory::stock::StockError;
use inventory::supplier::{self, NewSupplier};
use inventory::supplier_price::{self, NewPrice};
use inventory::tax_class::{self, NewTaxClass, Rate, Taxation};
use inventory::transfer::{self, NewTransfer};
use inventory::variant::NewVariant;
use inventory::{
    AdjustmentId, CountId, CustomerId, FulfilmentId, LocationId, OrderId, Part, PurchaseOrderId, ReceiptId,
    Requested, ReturnId, SupplierId, TaxClassId, TransferId, VariantId, location,
};
use tenancy::TenantTx;
use values::{ActorId, Currency, NonNegative, Note, QuantityDecimals, Reason, ShortText, Sku};

use super::shelves::{CUSTOMERS, Item, SUPPLIERS, Shelf};
use super::texts::{money, name, not_negative, percent, positive, quantity, tags_of, variant};
use super::tills::Tills;
use super::{DemoError, data};

const DAYS: u64 = 42;
/// The tills are used for three weeks.
const DAYS_OF_TILLS: u64 = 21;
/// Writes the history of one business into its tables.
pub struct History<'a> {
    tx: &'a TenantTx,
    /// The end of the history.
    now: DateTime<Utc>,
    /// Has a fixed seed, so every run generates the same trading.
    random: fastrand::Rng,
    goods: Vec<Goods>,
    /// The fee for a delivery to the customer.
    delivery: Option<VariantId>,
    suppliers: Vec<SupplierId>,
    customers: Vec<CustomerId>,
    /// The purchase order of which only a part will be delivered.
    short: Option<PurchaseOrder>,
}

/// A variant that the business buys and sells.
struct Goods {
    id: VariantId,
    item: &'static Item,
    supplier: usize,
}

impl<'a> History<'a> {
    pub fn new(tx: &'a TenantTx, now: DateTime<Utc>) -> Self {
        let random = fastrand::Rng::with_seed(7);
        let (goods, suppliers, customers) = (Vec::new(), Vec::new(), Vec::new());
        Self { tx, now, random, goods, delivery: None, suppliers, customers, short: None }
    }

    /// Writes the whole history.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn tell(mut self, shelves: &'static [Shelf], sellers: Vec<ActorId>) -> Result<(), DemoError> {
        self.turn_to(DAYS, 7);
        self.open(shelves).await?;
        let mut tills = Tills::set_up(self.tx, sellers).await?;
        // Cheap goods are bought in large quantities, by order.
        let cheap = money("1")?;
        let is_dear = |goods: &&Goods| money(goods.item.price).is_ok_and(|price| price > cheap);
        let variants: Vec<VariantId> = self.goods.iter().filter(is_dear).map(|goods| goods.id).collect();
        for ago in (1..DAYS).rev() {
            self.turn_to(ago, 8);
            if ago % 3 == 1 {
                self.restock().await?;
            }
            if ago <= DAYS_OF_TILLS {
                tills.open().await?;
            }
            for hour in 0..self.random.u64(2..6) {
                self.turn_to(ago, 9 + 2 * hour);
                self.sell().await?;
                if ago <= DAYS_OF_TILLS {
                    tills.sell(&mut self.random, &variants, &self.customers).await?;
                }
            }
            self.turn_to(ago, 19);
            tills.close(&mut self.random).await?;
            self.close_the_day(ago).await?;
        }
        self.tx.set_now(self.now - TimeDelta::hours(2));
        tills.open().await?;
        for minutes in [100, 80, 60] {
            self.tx.set_now(self.now - TimeDelta::minutes(minutes));
            tills.sell(&mut self.random, &variants, &self.customers).await?;
        }
        self.tx.set_now(self.now - TimeDelta::minutes(40));
        self.wait_for_goods().await?;
        tills.wait(self.goods[0].id).await?;
        self.tx.set_now(self.now);
        Ok(())
    }

    /// Sets the time of the next records: 17 minutes past `hour` (UTC), `days_ago` days ago, but not after
    /// the end of the history.
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

    /// Adds taxes, suppliers with their prices, customers, the catalogue and its opening stock.
    async fn open(&mut self, shelves: &'static [Shelf]) -> Result<(), DemoError> {
        let tx = self.tx;
        let rate = Rate { name: name("VAT")?, percent: percent("16")? };
        let taxation = Taxation { is_inclusive: true, rates: vec![rate] };
        let vat =
            tax_class::insert(tx, &NewTaxClass { name: name("VAT 16%")?, taxation }, ActorId::SYSTEM).await?;
        for (supplier, email, days) in SUPPLIERS {
            let new = NewSupplier {
                own_keys: OwnKeys::default(),
                name: name(supplier)?,
                email: Some(ShortText::parse(email).map_err(data)?),
                phone: None,
                note: None,
                lead_time_days: Some(days),
            };
            self.suppliers.push(supplier::insert(tx, &new, ActorId::SYSTEM).await?);
        }
        for customer in CUSTOMERS {
            let new = NewCustomer {
                own_keys: OwnKeys::default(),
                name: name(customer)?,
                email: None,
                phone: None,
                note: None,
                is_tax_exempt: false,
                credit_limit: NonNegative::default(),
            };
            self.customers.push(customer::insert(tx, &new, ActorId::SYSTEM).await.map_err(data)?);
        }
        let mut categories = BTreeMap::new();
        for shelf in shelves {
            if !categories.contains_key(shelf.category) {
                let new = NewCategory { name: name(shelf.category)?, parent_id: None };
                categories.insert(shelf.category, category::insert(tx, &new, ActorId::SYSTEM).await?);
            }
            let new = NewProduct {
                own_keys: OwnKeys::default(),
                name: name(shelf.name)?,
                kind: ProductKind::Goods,
                category_id: categories.get(shelf.category).copied(),
                tax_class_id: Some(vat),
                description: None,
                option_names: None,
                tags: tags_of(shelf)?,
                quantity_decimals: match shelf.items.iter().any(|item| item.opening_stock.contains('.')) {
                    true => QuantityDecimals::THREE,
                    false => QuantityDecimals::default(),
                },
                variants: shelf.items.iter().map(variant).collect::<Result<_, _>>()?,
            };
            let id = product::insert(tx, &new, ActorId::SYSTEM).await?;
            let stored = product::find(tx, id).await?.ok_or(product::ProductError::NotFound)?;
            for (variant, item) in stored.variants.iter().zip(shelf.items) {
                self.goods.push(Goods { id: variant.id, item, supplier: shelf.supplier });
            }
        }
        self.delivery = Some(self.add_delivery(vat).await?);
        for goods in &self.goods {
            let price = NewPrice {
                variant_id: goods.id,
                supplier_sku: Some(
                    Sku::parse(&format!("{}-{}", goods.supplier + 1, goods.item.sku)).map_err(data)?,
                ),
                cost: not_negative(goods.item.cost)?,
                currency: Currency::parse("EUR").map_err(data)?,
                minimum_quantity: Some(positive("5")?),
                lead_time_days: None,
            };
            supplier_price::set(tx, self.suppliers[goods.supplier], &price, ActorId::SYSTEM).await?;
            let line = adjustment::NewLine {
                article: goods.id.into(),
                quantity: quantity(goods.item.opening_stock)?,
                unit_cost: Some(not_negative(goods.item.cost)?),
            };
            if !line.quantity.is_zero() {
                let opening = NewAdjustment {
                    request: Requested::by_program(AdjustmentId::new()),
                    location_id: None,
                    lines: vec![line],
                    reason: Reason::parse("opening stock").map_err(data)?,
                    note: None,
                };
                adjustment::post(tx, &opening, ActorId::SYSTEM).await?;
            }
        }
        Ok(())
    }

    /// Adds a fee, which has no stock.
    async fn add_delivery(&self, tax_class: TaxClassId) -> Result<VariantId, DemoError> {
        let fee = NewVariant {
            own_keys: OwnKeys::default(),
            sku: Sku::parse("DELIVERY").map_err(data)?,
            barcodes: Vec::new(),
            price: not_negative("6.50")?,
            compare_at_price: None,
            cost: Some(not_negative("4.20")?),
            reorder_level: None,
            target_quantity: None,
            options: Options::new(),
            components: Vec::new(),
        };
        let new = NewProduct {
            own_keys: OwnKeys::default(),
            name: name("Delivery")?,
            kind: ProductKind::Fee,
            category_id: None,
            tax_class_id: Some(tax_class),
            description: None,
            option_names: None,
            tags: Vec::new(),
            quantity_decimals: QuantityDecimals::default(),
            variants: vec![fee],
        };
        let id = product::insert(self.tx, &new, ActorId::SYSTEM).await?;
        let stored = product::find(self.tx, id).await?.ok_or(product::ProductError::NotFound)?;
        Ok(stored.variants[0].id)
    }

    /// Places an order with one to three lines. The order is skipped when there is not enough stock.
    async fn sell(&mut self) -> Result<(), DemoError> {
        let count = self.random.usize(1..=3);
        let mut lines = Vec::new();
        for _ in 0..count {
            let goods = &self.goods[self.random.usize(..self.goods.len())];
            // Cheap goods are sold in larger quantities.
            let most = if money(goods.item.price)? < money("1")? { 40 } else { 3 };
            let quantity = positive(&self.random.u32(1..=most).to_string())?;
            lines.push(NewLine::new(goods.id.into(), quantity));
        }
        if let Some(delivery) = self.delivery.filter(|_| count == 3) {
            lines.push(NewLine::new(delivery.into(), positive("1")?));
        }
        let discount =
            (self.random.u32(..9) == 0).then_some(Discount::percent(percent("10")?).map_err(data)?);
        let buyer = self.random.usize(..2 * self.customers.len());
        let Some(order) = self.place(self.customers.get(buyer).copied(), None, lines, discount).await? else {
            return Ok(());
        };
        if self.random.u32(..14) == 0 {
            let line = &order.lines[0];
            let part = Part { line_id: line.id, quantity: positive("1")? };
            let new = NewReturn {
                location_id: None,
                request: Requested::by_program(ReturnId::new()),
                order_id: order.id,
                reason: Reason::parse("not needed").map_err(data)?,
                lines: vec![NewReturnLine { part, is_restocked: self.random.bool() }],
            };
            order_return::post(self.tx, &new, ActorId::SYSTEM).await?;
        }
        Ok(())
    }

    /// Places an order. Returns `None` when there is not enough stock.
    async fn place(
        &self,
        customer_id: Option<CustomerId>,
        fulfils_at_once: Option<bool>,
        lines: Vec<NewLine>,
        discount: Option<Discount>,
    ) -> Result<Option<Order>, DemoError> {
        let new = NewOrder {
            own_keys: OwnKeys::default(),
            due_on: None,
            request: Requested::by_program(OrderId::new()),
            customer_id,
            location_id: None,
            fulfils_at_once,
            basket: NewBasket { lines, discount, may_set_prices: true },
            note: None,
        };
        match order::place(self.tx, &new, ActorId::SYSTEM).await {
            Ok(outcome) => Ok(Some(outcome.into_document())),
            Err(OrderError::Stock(StockError::Insufficient(_))) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Orders the first seven variants of each supplier, and receives all ordered goods.
    async fn restock(&self) -> Result<(), DemoError> {
        for supplier in 0..self.suppliers.len() {
            let lines = self.some_of(supplier, 7, |item| item.reorder_level)?;
            let order =
                self.order(supplier, lines, None, &[PurchaseStatus::Sent, PurchaseStatus::Confirmed]).await?;
            self.receive(&order, Vec::new(), Some("D-1001")).await?;
        }
        Ok(())
    }

    /// Order lines for the first `count` variants of a supplier. `how_much` returns the quantity of a line.
    fn some_of(
        &self,
        supplier: usize,
        count: usize,
        how_much: impl Fn(&Item) -> &'static str,
    ) -> Result<Vec<purchase_order::NewLine>, DemoError> {
        let of_supplier = self.goods.iter().filter(|goods| goods.supplier == supplier).take(count);
        let line = |goods: &Goods| {
            Ok(purchase_order::NewLine {
                article: goods.id.into(),
                quantity: positive(how_much(goods.item))?,
                unit_cost: not_negative(goods.item.cost)?,
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
            own_keys: OwnKeys::default(),
            request: Requested::by_program(PurchaseOrderId::new()),
            supplier_id: self.suppliers[supplier],
            location_id: None,
            expected_on,
            currency: None,
            exchange_rate: None,
            lines,
            note: None,
        };
        let drafted = purchase_order::draft(self.tx, &new, ActorId::SYSTEM).await?;
        let mut order = drafted.into_document();
        for to in moves {
            order = purchase_order::move_to(self.tx, order.id, *to, ActorId::SYSTEM).await?;
        }
        Ok(order)
    }

    /// Receives the given parts of a purchase order, or all open goods when `parts` is empty.
    async fn receive(
        &self,
        order: &PurchaseOrder,
        parts: Vec<ArrivedPart>,
        delivery_note: Option<&str>,
    ) -> Result<(), DemoError> {
        let number = delivery_note.map(|note| format!("{note}-{}", order.number));
        let delivery_note = number.map(|number| ShortText::parse(&number)).transpose().map_err(data)?;
        let new = NewReceipt {
            request: Requested::by_program(ReceiptId::new()),
            order_id: order.id,
            content: Content::Goods { parts, delivery_note, landed_cost: None },
        };
        goods_receipt::post(self.tx, &new, ActorId::SYSTEM).await?;
        Ok(())
    }

    /// Adds more records on some evenings: purchase orders in every status, transfers and stock counts.
    async fn close_the_day(&mut self, ago: u64) -> Result<(), DemoError> {
        use PurchaseStatus::{Cancelled, ClosedShort, Confirmed, Sent};
        let four = |order: &PurchaseOrder| -> Result<Vec<_>, DemoError> {
            let line = LineName::Line(order.lines[0].id);
            Ok(vec![ArrivedPart { line, quantity: positive("4")?, unit_cost: None }])
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
                    purchase_order::move_to(self.tx, short.id, ClosedShort, ActorId::SYSTEM).await?;
                }
                // This order is overdue, so it does not count as incoming stock for alerts.
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
                let warehouse = location::insert(self.tx, &name("Warehouse")?, ActorId::SYSTEM).await?;
                self.send(default, warehouse).await?;
                self.count().await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds a transfer that has arrived, and a transfer that is in transit.
    async fn send(&self, from: LocationId, to: LocationId) -> Result<(), DemoError> {
        for (at, arrives) in [(0, true), (3, false)] {
            let new = NewTransfer {
                request: Requested::by_program(TransferId::new()),
                from,
                to,
                lines: vec![(self.goods[at].id.into(), positive("5")?)],
                note: Some(Note::parse("for the weekend").map_err(data)?),
            };
            transfer::send(self.tx, &new, ActorId::SYSTEM).await?;
            if arrives {
                let step = transfer::NewStep {
                    request: Requested::by_program(inventory::StepId::new()),
                    transfer_id: new.request.id,
                    kind: transfer::StepKind::Receive(Vec::new()),
                };
                transfer::step(self.tx, &step, ActorId::SYSTEM).await?;
            }
        }
        Ok(())
    }

    /// Adds a posted stock count that found missing units, and an open stock count.
    async fn count(&self) -> Result<(), DemoError> {
        let goods = &self.goods[0];
        let stored = inventory::variant::find(self.tx, goods.id).await?;
        let a_count =
            || NewCount { request: Requested::by_program(CountId::new()), location_id: None, note: None };
        let posted = a_count();
        count::open(self.tx, &posted, ActorId::SYSTEM).await?;
        if let Some(variant) = stored
            && let Ok(counted) = NonNegative::new(variant.available() - quantity("6")?)
        {
            count::count(self.tx, posted.request.id, &[(goods.id.into(), counted)], ActorId::SYSTEM).await?;
            count::post(self.tx, posted.request.id, ActorId::SYSTEM).await?;
        }
        count::open(self.tx, &a_count(), ActorId::SYSTEM).await?;
        Ok(())
    }

    /// Adds orders with reserved stock: an open order, a partly fulfilled order and a cancelled order.
    async fn wait_for_goods(&mut self) -> Result<(), DemoError> {
        for what in ["waits", "partly", "cancelled"] {
            let line = |variant: VariantId, how_much: &str| -> Result<NewLine, DemoError> {
                Ok(NewLine::new(variant.into(), positive(how_much)?))
            };
            let mut lines = vec![line(self.goods[0].id, "3")?, line(self.goods[1].id, "2")?];
            if let Some(delivery) = self.delivery {
                lines.push(line(delivery, "1")?);
            }
            let buyer = self.customers.get(self.random.usize(..self.customers.len())).copied();
            let Some(order) = self.place(buyer, Some(false), lines, None).await? else { continue };
            match what {
                "partly" => {
                    let new = NewFulfilment {
                        location_id: None,
                        request: Requested::by_program(FulfilmentId::new()),
                        order_id: order.id,
                        lines: vec![Part { line_id: order.lines[0].id, quantity: positive("1")? }],
                    };
                    fulfilment::post(self.tx, &new, ActorId::SYSTEM).await?;
                }
                "cancelled" => {
                    let reason = Reason::parse("ordered twice").map_err(data)?;
                    order::cancel(self.tx, order.id, &[], Some(&reason), ActorId::SYSTEM).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
