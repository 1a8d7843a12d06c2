//! Customers' orders: placed whole or not at all, then fulfilled, cancelled and returned in parts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{DbError, TenantTx, both, outbox};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::business::settings::{self, Terms};
use crate::catalogue::tax_class::{Rate, Taxation};
use crate::ids::{CustomerId, LocationId, OrderId, OrderLineId, VariantId};
use crate::orders::pricing::{self, Discount, Priced, PricedLine, PricingError};
use crate::records::audit::{self, Subject};
use crate::records::counter::{self, Counter, taken_number};
use crate::records::document::{self, PartError};
use crate::stock::location;
use crate::stock::movement::Kind;
use crate::stock::posting::{self as stock, Decided, Posting, Source, StockError, UnitCost};
use values::{Cursor, Page, PageRequest, number_key};
use values::{Money, Percent, Quantity};
use values::{Note, Reason, SearchText};

/// An order to be placed.
#[derive(Debug, Clone)]
pub struct NewOrder {
    pub id: OrderId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    pub customer_id: Option<CustomerId>,
    /// The default location unless named.
    pub location_id: Option<LocationId>,
    /// Whether the goods leave at once; as the settings say unless given.
    pub fulfils_at_once: Option<bool>,
    pub lines: Vec<NewLine>,
    /// Off all of it, after the lines' own discounts.
    pub discount: Option<Discount>,
    pub note: Option<Note>,
    /// Whether whoever places it may set prices, and so is not bound by the limit of discounts.
    pub may_set_prices: bool,
    /// Tells a repetition from another order with the same id.
    pub request_hash: Vec<u8>,
}

/// A line of an order to be placed.
#[derive(Debug, Clone)]
pub struct NewLine {
    pub variant_id: VariantId,
    pub quantity: Quantity,
    /// Another price than the catalogue's, and why.
    pub price: Option<(Money, Reason)>,
    pub discount: Option<Discount>,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Its goods are promised, and still here.
    Reserved,
    PartlyFulfilled,
    /// All that was not cancelled has left.
    Fulfilled,
    /// Nothing of it will leave.
    Cancelled,
}

impl OrderStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::PartlyFulfilled => "partly_fulfilled",
            Self::Fulfilled => "fulfilled",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_column(text: &str) -> Self {
        match text {
            "reserved" => Self::Reserved,
            "partly_fulfilled" => Self::PartlyFulfilled,
            "fulfilled" => Self::Fulfilled,
            // The CHECK of the column leaves only this one.
            _ => Self::Cancelled,
        }
    }

    /// What lines like these make of their order.
    pub(crate) fn of(lines: &[OrderLine]) -> Self {
        let is_open = lines.iter().any(|line| !line.open().is_zero());
        let has_left = lines.iter().any(|line| !line.fulfilled.is_zero());
        match (is_open, has_left) {
            (true, false) => Self::Reserved,
            (true, true) => Self::PartlyFulfilled,
            (false, true) => Self::Fulfilled,
            (false, false) => Self::Cancelled,
        }
    }
}

/// A stored order with its lines.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: OrderId,
    pub number: i64,
    pub customer_id: Option<CustomerId>,
    pub location_id: LocationId,
    pub status: OrderStatus,
    /// Before discounts.
    pub subtotal: Money,
    pub discount: Money,
    /// In or on top of the prices, as the lines' taxes are.
    pub tax: Money,
    /// What was to be paid when it was placed.
    pub total: Money,
    /// What of it is not to be paid after all, or was given back.
    pub credited: Money,
    pub note: Option<String>,
    pub placed_by: Option<Uuid>,
    pub version: i32,
    pub placed_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub lines: Vec<OrderLine>,
}

/// A line of a stored order.
#[derive(Debug, Clone)]
pub struct OrderLine {
    pub id: OrderLineId,
    pub variant_id: VariantId,
    /// As they were when the order was placed.
    pub sku: String,
    pub name: String,
    pub quantity: Quantity,
    pub price: Money,
    /// What the catalogue asked.
    pub list_price: Money,
    pub price_reason: Option<String>,
    /// Its own and its share of the order's.
    pub discount: Money,
    pub taxes: Vec<ChargedTax>,
    pub tax: Money,
    pub total: Money,
    pub fulfilled: Quantity,
    pub cancelled: Quantity,
    pub returned: Quantity,
    pub credited: Money,
    /// The average cost of one unit of what has left and not come back.
    pub unit_cost: Option<Money>,
}

impl OrderLine {
    /// Neither fulfilled nor cancelled.
    pub fn open(&self) -> Quantity {
        let open = self.quantity.as_decimal() - self.fulfilled.as_decimal() - self.cancelled.as_decimal();
        Quantity::from_decimal(open)
    }

    /// Fulfilled and not returned.
    pub fn returnable(&self) -> Quantity {
        Quantity::from_decimal(self.fulfilled.as_decimal() - self.returned.as_decimal())
    }

    /// What leaves with so much of the line: what is left of its total, tax and discount, less what is left of them after it,
    /// each rounded. So the parts add up, and what is cancelled of the rest is worth that rest.
    pub(crate) fn share_of(&self, quantity: Quantity, terms: &Terms) -> LineShare {
        let left = self.quantity.plus(self.fulfilled.negated());
        let after = left.plus(quantity.negated());
        let share = |amount: Money| self.part_of(amount, left, terms) - self.part_of(amount, after, terms);
        LineShare { total: share(self.total), tax: share(self.tax), discount: share(self.discount) }
    }

    /// The tax in what so much less of the line takes off its total.
    pub(crate) fn tax_credit_for(&self, quantity: Quantity, terms: &Terms) -> Decimal {
        let gone = self.cancelled.plus(self.returned);
        self.part_of(self.tax, gone.plus(quantity), terms) - self.part_of(self.tax, gone, terms)
    }

    /// What so much less of the line takes off its total: what all that is gone is worth, in proportion, less what was taken
    /// off before. So it does not matter in how many parts it goes.
    pub(crate) fn credit_for(&self, quantity: Quantity, terms: &Terms) -> Money {
        let gone = self.cancelled.plus(self.returned).plus(quantity);
        let (total, credited) = (self.total.as_decimal(), self.credited.as_decimal());
        let worth = self.part_of(self.total, gone, terms);
        Money::from_decimal((worth.min(total) - credited).max(Decimal::ZERO))
    }

    /// What of an amount of the line is so much of its quantity's, rounded.
    fn part_of(&self, amount: Money, quantity: Quantity, terms: &Terms) -> Decimal {
        terms.round(amount.as_decimal() * quantity.as_decimal() / self.quantity.as_decimal())
    }
}

/// What a part of a line comes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineShare {
    pub total: Decimal,
    pub tax: Decimal,
    pub discount: Decimal,
}

/// A tax with what it charged on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargedTax {
    #[serde(flatten)]
    pub rate: Rate,
    pub amount: Decimal,
}

/// Whether an order was placed now or had been before.
#[derive(Debug)]
pub enum Outcome {
    Placed(Order),
    /// The same order under the same client-chosen id: nothing was changed again.
    Repeated(Order),
}

/// An order was not placed or changed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("there is no such order")]
    NotFound,
    #[error("an order has 1 to {MAX_LINES} lines")]
    LineCount,
    #[error("a quantity is more than zero")]
    Quantity { index: usize },
    #[error("there is no such variant")]
    UnknownVariant { index: usize },
    #[error("the variant is archived, so it cannot be sold")]
    Archived { index: usize },
    #[error("a price cannot be negative")]
    NegativePrice { index: usize },
    #[error("a discount is an amount that is not negative, or 0 to 100 percent")]
    Discount { index: Option<usize> },
    #[error("no more than {0} % is taken off an order; let somebody place it who may set prices")]
    DiscountLimit(Percent),
    #[error("there is no such customer")]
    UnknownCustomer,
    #[error("there is no such location")]
    UnknownLocation,
    /// Of a line that is to be fulfilled or returned.
    #[error(transparent)]
    Part(#[from] PartError),
    #[error("nothing of the order is open: it is {}", .0.as_str())]
    NothingOpen(OrderStatus),
    #[error("another order has the id {0} already")]
    IdTaken(Uuid),
    #[error(transparent)]
    Pricing(#[from] PricingError),
    #[error(transparent)]
    Stock(#[from] StockError),
    #[error("an order query failed")]
    Db(#[from] DbError),
}

/// An order has no more lines than this.
pub const MAX_LINES: usize = 200;

/// What the catalogue says of a variant that is sold.
struct Sold {
    sku: String,
    name: String,
    price: Money,
    is_archived: bool,
    taxation: Option<Taxation>,
}

/// Places an order: takes or reserves the stock of all its lines, or of none.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn place(tx: &TenantTx, new: &NewOrder, actor: Option<Uuid>) -> Result<Outcome, OrderError> {
    check(new)?;
    if new.has_chosen_id {
        let claim = async { document::claim(tx, new.id.as_uuid()).await.map_err(OrderError::from) };
        if let ((), Some(outcome)) = both(claim, repeated(tx, new)).await? {
            return Ok(outcome);
        }
    }
    let terms = async { settings::terms(tx).await.map_err(OrderError::from) };
    let place = async { location::find_or_default(tx, new.location_id).await.map_err(OrderError::from) };
    let ((terms, place), sold) = both(both(terms, place), find_sold(tx, &new.lines)).await?;
    let location = place.ok_or(OrderError::UnknownLocation)?;
    let order = price(new, &terms, &sold, location, actor, tx.now())?;

    let at_once = order.status == OrderStatus::Fulfilled;
    let postings: Vec<Posting> = order
        .lines
        .iter()
        .map(|line| Posting {
            kind: Kind::Sale,
            variant_id: line.variant_id,
            location_id: location,
            quantity: if at_once { line.quantity.negated() } else { Quantity::ZERO },
            reserved: if at_once { Quantity::ZERO } else { line.quantity },
            unit_cost: UnitCost::Average,
            reason: None,
            line_id: line.id.as_uuid(),
        })
        .collect();
    let decided = stock::decide(tx, &postings).await?;
    let order = store(tx, order, &decided, &new.request_hash, actor).await?;
    Ok(Outcome::Placed(order))
}

fn check(new: &NewOrder) -> Result<(), OrderError> {
    if new.lines.is_empty() || new.lines.len() > MAX_LINES {
        return Err(OrderError::LineCount);
    }
    let is_allowed = |discount: &Option<Discount>| match discount {
        None => true,
        Some(Discount::Amount(amount)) => !amount.is_negative(),
        Some(Discount::Percent(percent)) => percent.is_share(),
    };
    for (index, line) in new.lines.iter().enumerate() {
        if line.quantity.is_negative() || line.quantity.is_zero() {
            return Err(OrderError::Quantity { index });
        }
        if line.price.as_ref().is_some_and(|(price, _)| price.is_negative()) {
            return Err(OrderError::NegativePrice { index });
        }
        if !is_allowed(&line.discount) {
            return Err(OrderError::Discount { index: Some(index) });
        }
    }
    if is_allowed(&new.discount) { Ok(()) } else { Err(OrderError::Discount { index: None }) }
}

/// The order that has the chosen id already, when it is this very one.
async fn repeated(tx: &TenantTx, new: &NewOrder) -> Result<Option<Outcome>, OrderError> {
    const HASH: &str = "SELECT request_hash FROM orders WHERE id = $1";
    let Some(row) = tx.query_opt(HASH, &[&new.id.as_uuid()]).await? else { return Ok(None) };
    let hash: &[u8] = row.try_get("request_hash").map_err(DbError::from)?;
    if hash != new.request_hash {
        return Err(OrderError::IdTaken(new.id.as_uuid()));
    }
    Ok(find(tx, new.id).await?.map(Outcome::Repeated))
}

async fn find_sold(tx: &TenantTx, lines: &[NewLine]) -> Result<HashMap<VariantId, Sold>, OrderError> {
    const SOLD: &str = "
        SELECT v.id, v.sku, p.name, v.price, v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL AS is_archived,
               t.is_inclusive, t.rates
          FROM variants v
          JOIN products p ON p.id = v.product_id
          LEFT JOIN tax_classes t ON t.id = p.tax_class_id
         WHERE v.id = ANY ($1)";
    let ids: Vec<Uuid> = lines.iter().map(|line| line.variant_id.as_uuid()).collect();
    let rows = tx.query(SOLD, &[&ids]).await?;
    let read = |row: &Row| -> Result<(VariantId, Sold), DbError> {
        let rates: Option<Json<Vec<Rate>>> = row.try_get("rates")?;
        let is_inclusive: Option<bool> = row.try_get("is_inclusive")?;
        Ok((
            VariantId::from_uuid(row.try_get("id")?),
            Sold {
                sku: row.try_get("sku")?,
                name: row.try_get("name")?,
                price: Money::from_decimal(row.try_get("price")?),
                is_archived: row.try_get("is_archived")?,
                taxation: is_inclusive
                    .zip(rates)
                    .map(|(is_inclusive, rates)| Taxation::from_columns(is_inclusive, rates)),
            },
        ))
    };
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// The order as it will be, but for its number and what its goods cost. The server is the authority on prices.
fn price(
    new: &NewOrder,
    terms: &Terms,
    sold: &HashMap<VariantId, Sold>,
    location_id: LocationId,
    actor: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Order, OrderError> {
    let mut found = Vec::with_capacity(new.lines.len());
    for (index, line) in new.lines.iter().enumerate() {
        let sold = sold.get(&line.variant_id).ok_or(OrderError::UnknownVariant { index })?;
        if sold.is_archived {
            return Err(OrderError::Archived { index });
        }
        found.push((line, sold));
    }
    let to_price: Vec<pricing::Line<'_>> = found
        .iter()
        .map(|(line, sold)| pricing::Line {
            quantity: line.quantity,
            price: line.price.as_ref().map_or(sold.price, |(price, _)| *price),
            discount: line.discount,
            taxation: sold.taxation.as_ref(),
        })
        .collect();
    let priced = pricing::price(&to_price, new.discount, terms.rounding, terms.currency.decimals())?;
    if !new.may_set_prices && priced.discount > most_off(&priced, terms) {
        return Err(OrderError::DiscountLimit(terms.discount_limit));
    }
    let at_once = new.fulfils_at_once.unwrap_or(terms.fulfils_at_once);
    let lines = found.iter().zip(&to_price).zip(priced.lines).map(|(((line, sold), asked), priced)| {
        let PricedLine { discount, taxes, tax, total, .. } = priced;
        OrderLine {
            id: OrderLineId::new(),
            variant_id: line.variant_id,
            sku: sold.sku.clone(),
            name: sold.name.clone(),
            quantity: line.quantity,
            price: asked.price,
            list_price: sold.price,
            price_reason: line.price.as_ref().map(|(_, reason)| reason.to_string()),
            discount: Money::from_decimal(discount),
            taxes: taxes.into_iter().map(|(rate, amount)| ChargedTax { rate, amount }).collect(),
            tax: Money::from_decimal(tax),
            total: Money::from_decimal(total),
            fulfilled: if at_once { line.quantity } else { Quantity::ZERO },
            cancelled: Quantity::ZERO,
            returned: Quantity::ZERO,
            credited: Money::ZERO,
            unit_cost: None,
        }
    });
    Ok(Order {
        id: new.id,
        number: 0,
        customer_id: new.customer_id,
        location_id,
        status: if at_once { OrderStatus::Fulfilled } else { OrderStatus::Reserved },
        subtotal: Money::from_decimal(priced.subtotal),
        discount: Money::from_decimal(priced.discount),
        tax: Money::from_decimal(priced.tax),
        total: Money::from_decimal(priced.total),
        credited: Money::ZERO,
        note: new.note.as_ref().map(ToString::to_string),
        placed_by: actor,
        version: 1,
        placed_at: now,
        updated_at: now,
        lines: lines.collect(),
    })
}

/// The most that whoever may not set prices takes off: the limit's part of all of it, or of each line, where rounding makes more
/// of those.
fn most_off(priced: &Priced, terms: &Terms) -> Decimal {
    let of_lines: Decimal = priced.lines.iter().map(|line| terms.most_off(line.gross)).sum();
    of_lines.max(terms.most_off(priced.subtotal))
}

/// Writes the order and all that comes with it in one flight, the number at its end.
async fn store(
    tx: &TenantTx,
    mut order: Order,
    decided: &Decided,
    request_hash: &[u8],
    actor: Option<Uuid>,
) -> Result<Order, OrderError> {
    const INSERT: &str = concat!(
        "INSERT INTO orders (id, number, customer_id, location_id, status, subtotal, discount, tax, total, note,
                             request_hash, placed_by, placed_at, updated_at)
         SELECT $1, ",
        taken_number!("order"),
        ", $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12
         RETURNING number"
    );
    if order.status == OrderStatus::Fulfilled {
        for (line, posted) in order.lines.iter_mut().zip(&decided.posted) {
            line.unit_cost = posted.unit_cost;
        }
    }
    let source = Source { kind: "order", id: order.id.as_uuid() };
    let subject = Subject { kind: "order", id: order.id.as_uuid() };
    let placed = json!({"status": {"to": order.status.as_str()}, "total": {"to": order.total.as_decimal()}});
    let told = json!({"orderId": order.id, "status": order.status.as_str()});
    let insert = async {
        let customer = order.customer_id.map(CustomerId::as_uuid);
        let row = tx
            .query_one(
                INSERT,
                &[
                    &order.id.as_uuid(),
                    &customer,
                    &order.location_id.as_uuid(),
                    &order.status.as_str(),
                    &order.subtotal.as_decimal(),
                    &order.discount.as_decimal(),
                    &order.tax.as_decimal(),
                    &order.total.as_decimal(),
                    &order.note,
                    &request_hash,
                    &order.placed_by,
                    &order.placed_at,
                ],
            )
            .await?;
        Ok(row.try_get("number")?)
    };
    let stock = decided.write(tx, source, actor);
    let told = both(
        audit::record(tx, actor, "order.placed", subject, &placed),
        outbox::write(tx, "order.placed", &told),
    );
    let numbered = both(counter::take(tx, Counter::Order), insert);
    let written: Result<_, DbError> =
        both(both(stock, told), both(numbered, insert_lines(tx, order.id, &order.lines))).await;
    let (_, (((), number), ())) = written.map_err(|error| match error.constraint() {
        Some("orders_customer_id_fkey") => OrderError::UnknownCustomer,
        Some("orders_pkey") => OrderError::IdTaken(order.id.as_uuid()),
        _ => error.into(),
    })?;
    order.number = number;
    Ok(order)
}

async fn insert_lines(tx: &TenantTx, order: OrderId, lines: &[OrderLine]) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO order_lines (id, order_id, position, variant_id, sku, name, quantity, price, list_price, price_reason,
                                 discount, taxes, tax, total, fulfilled, unit_cost)
        SELECT id, $1, position, variant_id, sku, name, quantity, price, list_price, price_reason, discount, taxes, tax,
               total, fulfilled, unit_cost
          FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::numeric[], $8::numeric[],
                      $9::numeric[], $10::text[], $11::numeric[], $12::jsonb[], $13::numeric[], $14::numeric[],
                      $15::numeric[], $16::numeric[])
               AS new (id, position, variant_id, sku, name, quantity, price, list_price, price_reason, discount, taxes,
                       tax, total, fulfilled, unit_cost)";
    fn column<'a, T>(lines: &'a [OrderLine], value: impl Fn(&'a OrderLine) -> T) -> Vec<T> {
        lines.iter().map(value).collect()
    }
    let positions: Vec<i16> = (1..).take(lines.len()).collect();
    tx.execute(
        INSERT,
        &[
            &order.as_uuid(),
            &column(lines, |line| line.id.as_uuid()),
            &positions,
            &column(lines, |line| line.variant_id.as_uuid()),
            &column(lines, |line| line.sku.as_str()),
            &column(lines, |line| line.name.as_str()),
            &column(lines, |line| line.quantity.as_decimal()),
            &column(lines, |line| line.price.as_decimal()),
            &column(lines, |line| line.list_price.as_decimal()),
            &column(lines, |line| line.price_reason.as_deref()),
            &column(lines, |line| line.discount.as_decimal()),
            &column(lines, |line| Json(&line.taxes)),
            &column(lines, |line| line.tax.as_decimal()),
            &column(lines, |line| line.total.as_decimal()),
            &column(lines, |line| line.fulfilled.as_decimal()),
            &column(lines, |line| line.unit_cost.map(Money::as_decimal)),
        ],
    )
    .await
    .map(drop)
}

macro_rules! order_columns {
    () => {
        "id, number, customer_id, location_id, status, subtotal, discount, tax, total, credited, note, placed_by,
         version, placed_at, updated_at"
    };
}

const LINES: &str = "
    SELECT id, order_id, variant_id, sku, name, quantity, price, list_price, price_reason, discount, taxes, tax, total,
           fulfilled, cancelled, returned, credited, unit_cost
      FROM order_lines
     WHERE order_id = ANY ($1)
     ORDER BY order_id, position";

impl Order {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let money = |column: &str| row.try_get(column).map(Money::from_decimal);
        Ok(Self {
            id: OrderId::from_uuid(row.try_get("id")?),
            number: row.try_get("number")?,
            customer_id: row.try_get::<_, Option<_>>("customer_id")?.map(CustomerId::from_uuid),
            location_id: LocationId::from_uuid(row.try_get("location_id")?),
            status: OrderStatus::from_column(row.try_get("status")?),
            subtotal: money("subtotal")?,
            discount: money("discount")?,
            tax: money("tax")?,
            total: money("total")?,
            credited: money("credited")?,
            note: row.try_get("note")?,
            placed_by: row.try_get("placed_by")?,
            version: row.try_get("version")?,
            placed_at: row.try_get("placed_at")?,
            updated_at: row.try_get("updated_at")?,
            lines: Vec::new(),
        })
    }
}

impl OrderLine {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let money = |column: &str| row.try_get(column).map(Money::from_decimal);
        let quantity = |column: &str| row.try_get(column).map(Quantity::from_decimal);
        let taxes: Json<Vec<ChargedTax>> = row.try_get("taxes")?;
        Ok(Self {
            id: OrderLineId::from_uuid(row.try_get("id")?),
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            quantity: quantity("quantity")?,
            price: money("price")?,
            list_price: money("list_price")?,
            price_reason: row.try_get("price_reason")?,
            discount: money("discount")?,
            taxes: taxes.0,
            tax: money("tax")?,
            total: money("total")?,
            fulfilled: quantity("fulfilled")?,
            cancelled: quantity("cancelled")?,
            returned: quantity("returned")?,
            credited: money("credited")?,
            unit_cost: row.try_get::<_, Option<_>>("unit_cost")?.map(Money::from_decimal),
        })
    }
}

/// Gives orders their lines: one query, whatever their number.
async fn with_lines(tx: &TenantTx, mut orders: Vec<Order>) -> Result<Vec<Order>, DbError> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id.as_uuid()).collect();
    let mut lines: HashMap<Uuid, Vec<OrderLine>> = HashMap::new();
    for row in tx.query(LINES, &[&ids]).await? {
        lines.entry(row.try_get("order_id")?).or_default().push(OrderLine::from_row(&row)?);
    }
    for order in &mut orders {
        order.lines = lines.remove(&order.id.as_uuid()).unwrap_or_default();
    }
    Ok(orders)
}

/// The order with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: OrderId) -> Result<Option<Order>, DbError> {
    const FIND: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE id = $1");
    both_of_one(tx, id, FIND).await
}

/// The same, with its row locked until the transaction ends; read under the lock.
pub(crate) async fn lock(tx: &TenantTx, id: OrderId) -> Result<Option<Order>, DbError> {
    const LOCK: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE id = $1 FOR NO KEY UPDATE");
    both_of_one(tx, id, LOCK).await
}

async fn both_of_one(tx: &TenantTx, id: OrderId, sql: &'static str) -> Result<Option<Order>, DbError> {
    let ids = [id.as_uuid()];
    let order =
        async { tx.query_opt(sql, &[&id.as_uuid()]).await?.as_ref().map(Order::from_row).transpose() };
    let lines = async { tx.query(LINES, &[&ids.as_slice()]).await };
    let (order, lines) = both(order, lines).await?;
    let Some(mut order) = order else { return Ok(None) };
    order.lines = lines.iter().map(OrderLine::from_row).collect::<Result<_, _>>()?;
    Ok(Some(order))
}

/// Which orders a list holds.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    pub status: Option<OrderStatus>,
    pub customer_id: Option<CustomerId>,
    /// An order's number, or any part of a customer's name.
    pub search: Option<SearchText>,
    /// Placed at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Placed before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// An order's place in a list: the moment and the number, as a cursor holds them.
fn place_of(order: &Order) -> [Uuid; 2] {
    let moment = u128::from(order.placed_at.timestamp_micros().unsigned_abs());
    [Uuid::from_u128(moment), number_key(order.number)]
}

fn place_in(cursor: Cursor<2>) -> (DateTime<Utc>, i64) {
    let [moment, number] = cursor.key();
    let moment = i64::try_from(moment.as_u128()).ok().and_then(DateTime::from_timestamp_micros);
    (moment.unwrap_or(DateTime::UNIX_EPOCH), i64::try_from(number.as_u128()).unwrap_or(i64::MAX))
}

/// A page of orders with their lines, the latest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &OrderFilter,
    page: &PageRequest<2>,
) -> Result<Page<Order, 2>, DbError> {
    macro_rules! orders_where {
        ($condition:literal) => {
            concat!(
                "SELECT ",
                order_columns!(),
                " FROM orders
                 WHERE (placed_at, number) < ($1, $2) AND placed_at >= $3 AND placed_at < $4 ",
                $condition,
                " ORDER BY placed_at DESC, number DESC LIMIT $5"
            )
        };
    }
    // A text for each way in, because a statement has one plan.
    const ALL: &str = orders_where!("");
    const OF_STATUS: &str = orders_where!("AND status = $6");
    const OF_CUSTOMER: &str = orders_where!("AND customer_id = $6 AND ($7::text IS NULL OR status = $7)");
    const NUMBERED: &str = orders_where!(
        "AND number = $6 AND ($7::text IS NULL OR status = $7) AND ($8::uuid IS NULL OR customer_id = $8)"
    );
    const SEARCH: &str = orders_where!(
        "AND customer_id IN (SELECT id FROM customers WHERE name ILIKE $6) AND ($7::text IS NULL OR status = $7)"
    );
    const SEARCH_OF_CUSTOMER: &str = orders_where!(
        "AND customer_id = (SELECT id FROM customers WHERE id = $8 AND name ILIKE $6)
         AND ($7::text IS NULL OR status = $7)"
    );
    // No order is beyond these.
    let (earliest, latest) = (DateTime::UNIX_EPOCH, tx.now() + chrono::TimeDelta::days(1));
    let (moment, number) = page.after.map_or((latest, i64::MAX), place_in);
    let (from, until) =
        (filter.from.unwrap_or(earliest).max(earliest), filter.until.unwrap_or(latest).max(earliest));
    let limit = page.limit.and_one();
    let status = filter.status.map(OrderStatus::as_str);
    let customer = filter.customer_id.map(CustomerId::as_uuid);
    let typed_number: Option<i64> = filter.search.as_ref().and_then(|text| {
        let text = text.as_str();
        text.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '-').parse().ok()
    });
    let rows = match (&filter.search, typed_number, filter.customer_id, status) {
        (_, Some(wanted), ..) => {
            tx.query(NUMBERED, &[&moment, &number, &from, &until, &limit, &wanted, &status, &customer])
                .await?
        }
        (Some(text), _, Some(_), _) => {
            let pattern = text.pattern();
            tx.query(
                SEARCH_OF_CUSTOMER,
                &[&moment, &number, &from, &until, &limit, &pattern, &status, &customer],
            )
            .await?
        }
        (Some(text), ..) => {
            tx.query(SEARCH, &[&moment, &number, &from, &until, &limit, &text.pattern(), &status]).await?
        }
        (None, _, Some(customer), _) => {
            let customer = customer.as_uuid();
            tx.query(OF_CUSTOMER, &[&moment, &number, &from, &until, &limit, &customer, &status]).await?
        }
        (None, _, None, Some(status)) => {
            tx.query(OF_STATUS, &[&moment, &number, &from, &until, &limit, &status]).await?
        }
        (None, _, None, None) => tx.query(ALL, &[&moment, &number, &from, &until, &limit]).await?,
    };
    let orders = rows.iter().map(Order::from_row).collect::<Result<Vec<_>, _>>()?;
    let page = page.page(orders, place_of);
    Ok(Page { data: with_lines(tx, page.data).await?, next: page.next })
}

/// What a step changed of an order, to be written in one flight with it.
pub(crate) async fn save(tx: &TenantTx, order: &Order) -> Result<(), DbError> {
    const SAVE: &str = "
        UPDATE orders SET status = $2, credited = $3, version = version + 1, updated_at = $4 WHERE id = $1";
    const SAVE_LINES: &str = "
        UPDATE order_lines l
           SET fulfilled = new.fulfilled, cancelled = new.cancelled, returned = new.returned, credited = new.credited,
               unit_cost = new.unit_cost
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[])
               AS new (id, fulfilled, cancelled, returned, credited, unit_cost)
         WHERE l.id = new.id";
    let of = |value: fn(&OrderLine) -> Decimal| -> Vec<Decimal> { order.lines.iter().map(value).collect() };
    let ids: Vec<Uuid> = order.lines.iter().map(|line| line.id.as_uuid()).collect();
    let fulfilled = of(|line| line.fulfilled.as_decimal());
    let cancelled = of(|line| line.cancelled.as_decimal());
    let returned = of(|line| line.returned.as_decimal());
    let credited = of(|line| line.credited.as_decimal());
    let costs: Vec<Option<Decimal>> =
        order.lines.iter().map(|line| line.unit_cost.map(Money::as_decimal)).collect();
    let head = async {
        let (status, credited) = (order.status.as_str(), order.credited.as_decimal());
        tx.execute(SAVE, &[&order.id.as_uuid(), &status, &credited, &tx.now()]).await
    };
    let lines =
        async { tx.execute(SAVE_LINES, &[&ids, &fulfilled, &cancelled, &returned, &credited, &costs]).await };
    both(head, lines).await.map(drop)
}

/// Cancels what of an order is open: its goods are promised to nobody any more, and it need not be paid.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn cancel(
    tx: &TenantTx,
    id: OrderId,
    reason: Option<&Reason>,
    actor: Option<Uuid>,
) -> Result<Order, OrderError> {
    let terms = async { settings::terms(tx).await.map_err(OrderError::from) };
    let locked = async { lock(tx, id).await.map_err(OrderError::from) };
    let (terms, order) = both(terms, locked).await?;
    let mut order = order.ok_or(OrderError::NotFound)?;
    let was = order.status;
    let mut postings = Vec::new();
    for line in order.lines.iter_mut().filter(|line| !line.open().is_zero()) {
        let open = line.open();
        postings.push(Posting {
            kind: Kind::Sale,
            variant_id: line.variant_id,
            location_id: order.location_id,
            quantity: Quantity::ZERO,
            reserved: open.negated(),
            unit_cost: UnitCost::Average,
            reason: None,
            line_id: line.id.as_uuid(),
        });
        let credit = line.credit_for(open, &terms);
        line.credited = line.credited.plus(credit);
        line.cancelled = line.cancelled.plus(open);
        order.credited = order.credited.plus(credit);
    }
    if postings.is_empty() {
        return Err(OrderError::NothingOpen(was));
    }
    order.status = OrderStatus::of(&order.lines);
    let decided = stock::decide(tx, &postings).await?;
    let changes = json!({
        "status": {"from": was.as_str(), "to": order.status.as_str()},
        "reason": {"to": reason.map(Reason::as_str)},
    });
    finish(
        tx,
        &mut order,
        Source { kind: "order", id: id.as_uuid() },
        &decided,
        "order.cancelled",
        &changes,
        actor,
    )
    .await?;
    Ok(order)
}

/// Writes a step of an order: stock, lines, audit and outbox in one flight.
pub(crate) async fn finish(
    tx: &TenantTx,
    order: &mut Order,
    source: Source,
    decided: &Decided,
    action: &'static str,
    changes: &serde_json::Value,
    actor: Option<Uuid>,
) -> Result<(), DbError> {
    let subject = Subject { kind: "order", id: order.id.as_uuid() };
    let told = json!({"orderId": order.id, "status": order.status.as_str()});
    let tell = both(audit::record(tx, actor, action, subject, changes), outbox::write(tx, action, &told));
    both(both(decided.write(tx, source, actor), save(tx, order)), tell).await?;
    order.version += 1;
    order.updated_at = tx.now();
    Ok(())
}
