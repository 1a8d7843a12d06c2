//! Placing an order: it takes or reserves the stock of all its lines, or of none.

use std::collections::HashMap;

use chrono::NaiveDate;
use const_format::concatcp;
use rust_decimal::Decimal;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use tokio_postgres::types::Json;
use values::{
    ActorId, Currency, Money, Name, NonNegative, Note, Positive, Quantity, QuantityDecimals, Reason, Sku,
};

use crate::business::settings::{self, Terms};
use crate::catalogue::product_kind::ProductKind;
use crate::catalogue::tax_class::{Rate, Taxation};
use crate::column;
use crate::ids::{CustomerId, LocationId, OrderId, OrderLineId, VariantId};
use crate::orders::customer;
use crate::orders::order::{Order, OrderError};
use crate::orders::order_line::{ChargedTax, OrderLine};
use crate::orders::order_list;
use crate::orders::pricing::{self, Discount, PricedLine};
use crate::records::audit::{self, Action, Subject};
use crate::records::counter::{self, Counter};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::records::event::{Event, OrderChanged};
use crate::statuses::OrderStatus;
use crate::stock::article::{self, ArticleName};
use crate::stock::decided::Decided;
use crate::stock::location;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, StockError, decide};

/// An order to be placed.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// The id of the new order, and the fingerprint that recognises a repeated request.
    pub request: Requested<OrderId>,
    /// The customer who buys; `None` for a sale without a named customer.
    pub customer_id: Option<CustomerId>,
    /// Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// Whether the order is fulfilled at once. Defaults to the business's setting.
    pub fulfils_at_once: Option<bool>,
    /// 1 to [`MAX_LINES`] lines; several lines may sell the same variant.
    pub lines: Vec<NewLine>,
    /// A discount on the whole order, after the discounts of the lines.
    pub discount: Option<Discount>,
    /// The day until which the order must be paid.
    pub due_on: Option<NaiveDate>,
    /// A note about the order for staff.
    pub note: Option<Note>,
    /// Whether the actor may set prices. If so, the discount limit does not apply.
    pub may_set_prices: bool,
}

/// A line of an order to be placed.
#[derive(Debug, Clone)]
pub struct NewLine {
    /// The variant to sell; it and its product must not be archived.
    pub article: ArticleName,
    /// The quantity to sell, in sale units.
    pub quantity: Positive<Quantity>,
    /// Another price of one unit than the list price, with the reason. [`place`] does not check whether the
    /// actor may set prices; the caller must check it.
    pub price: Option<(NonNegative<Money>, Reason)>,
    /// A discount on this line alone, taken off before the discount of the order.
    pub discount: Option<Discount>,
}

/// The largest number of lines of an order.
pub const MAX_LINES: usize = 200;

/// What the catalogue has of a variant that is sold.
pub(super) struct Sold {
    id: VariantId,
    kind: ProductKind,
    sku: Sku,
    name: Name,
    price: Money,
    is_archived: bool,
    quantity_decimals: QuantityDecimals,
    is_inclusive: Option<bool>,
    rates: Option<Json<Vec<Rate>>>,
}

tenancy::from_row!(Sold { id, kind, sku, name, price, is_archived, quantity_decimals, is_inclusive, rates });

impl Sold {
    /// Takes the names, the list price and the taxes from a line of an order that has the variant already.
    pub(super) fn keep(&mut self, line: &OrderLine) {
        (self.sku, self.name, self.price) = (line.sku.clone(), line.name.clone(), line.list_price);
        self.is_archived = false;
        let rates: Vec<Rate> = line.taxes.0.iter().map(|charged| charged.rate.clone()).collect();
        self.is_inclusive = line.includes_tax().or(self.is_inclusive).filter(|_| !rates.is_empty());
        self.rates = (!rates.is_empty()).then_some(Json(rates));
    }

    fn taxation(&self) -> Option<Taxation> {
        let rates = self.rates.as_ref().map(|rates| rates.0.clone());
        self.is_inclusive.zip(rates).map(|(is_inclusive, rates)| Taxation { is_inclusive, rates })
    }
}

/// An order that has its prices, and is not stored yet: it has no number.
pub(super) struct PricedOrder {
    location_id: LocationId,
    status: OrderStatus,
    pub subtotal: Money,
    pub discount: Money,
    pub tax: Money,
    pub total: Money,
    pub lines: Vec<OrderLine>,
}

/// Places an order: sets its prices, takes or reserves the stock of all lines or of none, and stores it. A
/// repeated request gets the order as it is now, and changes nothing.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn place(tx: &TenantTx, new: &NewOrder, actor: ActorId) -> Result<Outcome<Order>, OrderError> {
    if new.lines.is_empty() || new.lines.len() > MAX_LINES {
        return Err(OrderError::LineCount);
    }
    document::once(tx, &new.request, find_repeated(tx, &new.request), place_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, request: &Requested<OrderId>) -> Result<Option<Order>, OrderError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM orders WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<OrderError>(tx, request.id, IS_SAME, params).await? {
        Ok(order_list::find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

async fn place_new(tx: &TenantTx, new: &NewOrder, actor: ActorId) -> Result<Order, OrderError> {
    tx.tenant().licence.check_selling(tx.now())?;
    let variants = article::find(tx, new.lines.iter().map(|line| &line.article)).await?;
    let location = location::find_or_default(tx, new.location_id);
    let sold = find_sold(tx, &variants);
    let customer = customer::is_archived(tx, new.customer_id);
    let (terms, location, sold, is_archived) = all((settings::terms(tx), location, sold, customer)).await?;
    if is_archived {
        return Err(OrderError::ArchivedCustomer);
    }
    let location_id = location.ok_or(OrderError::UnknownLocation)?;
    check_decimals(new, &terms.currency)?;
    let mut order = price(new, &variants, &terms, &sold, location_id)?;
    let is_at_once = order.status == OrderStatus::Fulfilled;
    let posting = |line: &OrderLine| Posting {
        kind: Kind::Sale,
        variant_id: line.variant_id,
        has_stock: line.kind.has_stock(),
        location_id,
        quantity: if is_at_once { -line.quantity } else { Quantity::ZERO },
        reserved: if is_at_once { Quantity::ZERO } else { line.quantity },
        cost: Cost::Average,
        reason: None,
        line_id: line.id.into(),
    };
    let postings: Vec<Posting> = order.lines.iter().map(posting).collect();
    let decided = decide(tx, &postings).await?;
    if is_at_once {
        for (line, posted) in order.lines.iter_mut().zip(&decided.posted) {
            line.cost = posted.cost;
        }
    }
    store(tx, new, order, &decided, actor).await
}

pub(super) async fn find_sold(tx: &TenantTx, ids: &[VariantId]) -> Result<HashMap<VariantId, Sold>, DbError> {
    const SOLD: &str = "
        SELECT v.id, p.kind, v.sku, p.name, v.price,
               v.archived_at IS NOT NULL OR p.archived_at IS NOT NULL AS is_archived,
               p.quantity_decimals, t.is_inclusive, t.rates
          FROM variants v
          JOIN products p ON p.id = v.product_id
          LEFT JOIN tax_classes t ON t.id = p.tax_class_id
         WHERE v.id = ANY ($1)";
    Ok(tx.rows::<Sold>(SOLD, &[&ids]).await?.into_iter().map(|sold| (sold.id, sold)).collect())
}

/// Prices the order. The server decides prices, not the client.
pub(super) fn price(
    new: &NewOrder,
    variants: &[VariantId],
    terms: &Terms,
    sold: &HashMap<VariantId, Sold>,
    location_id: LocationId,
) -> Result<PricedOrder, OrderError> {
    let lines = merged(&new.lines, variants);
    let mut found = Vec::with_capacity(lines.len());
    for (index, line) in &lines {
        let index = *index;
        let sold = sold.get(&variants[index]).ok_or(OrderError::UnknownVariant { index })?;
        if sold.is_archived {
            return Err(OrderError::Archived { index });
        }
        if line.quantity.get() > Quantity::MAX {
            return Err(StockError::TooMuch { variant_id: sold.id }.into());
        }
        let decimals = sold.quantity_decimals;
        if !decimals.allows(line.quantity.get()) {
            return Err(OrderError::QuantityTooFine { index, decimals });
        }
        found.push((line, sold));
    }
    let taxations: Vec<Option<Taxation>> = found.iter().map(|(_, sold)| sold.taxation()).collect();
    let to_price: Vec<pricing::Line<'_>> = found
        .iter()
        .zip(&taxations)
        .map(|((line, sold), taxation)| pricing::Line {
            quantity: line.quantity.get(),
            price: line.price.as_ref().map_or(sold.price, |(price, _)| price.get()),
            discount: line.discount,
            is_fee: sold.kind == ProductKind::Fee,
            taxation: taxation.as_ref(),
        })
        .collect();
    let priced = pricing::price(&to_price, new.discount, terms.rounding, terms.currency.decimals())?;
    let (fees, others): (Vec<_>, Vec<_>) = priced.lines.iter().zip(&to_price).partition(|(_, of)| of.is_fee);
    if !new.may_set_prices && [fees, others].iter().any(|lines| exceeds_limit(lines, terms)) {
        return Err(OrderError::DiscountLimit(terms.discount_limit));
    }
    let is_at_once = new.fulfils_at_once.unwrap_or(terms.fulfils_at_once);
    let asked = found.iter().zip(&to_price).zip(&taxations);
    let lines = asked.zip(priced.lines).map(|((((line, sold), asked), taxation), priced)| {
        let PricedLine { discount, taxes, tax, total, .. } = priced;
        OrderLine {
            id: OrderLineId::new(),
            order_id: new.request.id,
            variant_id: sold.id,
            kind: sold.kind,
            sku: sold.sku.clone(),
            name: sold.name.clone(),
            quantity: asked.quantity,
            price: asked.price,
            list_price: sold.price,
            price_reason: line.price.as_ref().map(|(_, reason)| reason.clone()),
            discount: Money::from_decimal(discount),
            taxes: Json(taxes.into_iter().map(|(rate, amount)| ChargedTax { rate, amount }).collect()),
            includes_tax: taxation.as_ref().map(|taxation| taxation.is_inclusive),
            tax: Money::from_decimal(tax),
            total: Money::from_decimal(total),
            fulfilled: if is_at_once { asked.quantity } else { Quantity::ZERO },
            cancelled: Quantity::ZERO,
            returned: Quantity::ZERO,
            credited: Money::ZERO,
            cost: None,
            open_total: if is_at_once { Money::ZERO } else { Money::from_decimal(total) },
            open_tax: if is_at_once { Money::ZERO } else { Money::from_decimal(tax) },
            open_discount: if is_at_once { Money::ZERO } else { Money::from_decimal(discount) },
            out_total: if is_at_once { Money::from_decimal(total) } else { Money::ZERO },
            out_tax: if is_at_once { Money::from_decimal(tax) } else { Money::ZERO },
        }
    });
    Ok(PricedOrder {
        location_id,
        status: if is_at_once { OrderStatus::Fulfilled } else { OrderStatus::Reserved },
        subtotal: Money::from_decimal(priced.subtotal),
        discount: Money::from_decimal(priced.discount),
        tax: Money::from_decimal(priced.tax),
        total: Money::from_decimal(priced.total),
        lines: lines.collect(),
    })
}

/// The lines of the order, each with the position of its first line in the request. Lines of the same variant
/// at the same price and the same discount become one line, so that it is rounded once. Their amounts of
/// discount are added up.
fn merged(lines: &[NewLine], variants: &[VariantId]) -> Vec<(usize, NewLine)> {
    let mut merged: Vec<(usize, NewLine)> = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let same = |(at, other): &&mut (usize, NewLine)| {
            variants[*at] == variants[index] && other.price == line.price
        };
        let before = merged.iter_mut().filter(same).find_map(|(_, other)| {
            let discount = Discount::together(other.discount, line.discount)?;
            Some((other, discount))
        });
        match before {
            Some((other, discount)) => {
                // A sum beyond the largest quantity is refused as too much.
                other.quantity = other.quantity.plus(line.quantity);
                other.discount = discount;
            }
            None => merged.push((index, line.clone())),
        }
    }
    merged
}

/// Refuses amounts of the request that are finer than the currency.
pub(super) fn check_decimals(new: &NewOrder, currency: &Currency) -> Result<(), OrderError> {
    let check = |index, field, amount: Option<Money>| match amount.map(|amount| currency.check(amount)) {
        Some(Err(reason)) => Err(OrderError::TooFine { index, field, reason }),
        _ => Ok(()),
    };
    for (index, line) in new.lines.iter().enumerate() {
        check(Some(index), "price", line.price.as_ref().map(|(price, _)| price.get()))?;
        check(Some(index), "discount", line.discount.and_then(Discount::as_amount))?;
    }
    check(None, "discount", new.discount.and_then(Discount::as_amount))
}

/// Whether the discounts on lines exceed what staff who may not set prices may give: the limit of their sum,
/// or the sum of the limits of each, where rounding makes that more. Fees are no part of the sum for other
/// lines, because a discount on the order leaves them out.
fn exceeds_limit(lines: &[(&PricedLine, &pricing::Line<'_>)], terms: &Terms) -> bool {
    let sum = |of: &dyn Fn(&PricedLine) -> Decimal| lines.iter().map(|(line, _)| of(line)).sum::<Decimal>();
    let of_each = sum(&|line| terms.discount_limit_of(line.gross));
    sum(&|line| line.discount) > of_each.max(terms.discount_limit_of(sum(&|line| line.gross)))
}

/// Writes the order and everything that belongs to it in one flight. The number is taken in the last step.
async fn store(
    tx: &TenantTx,
    new: &NewOrder,
    order: PricedOrder,
    decided: &Decided,
    actor: ActorId,
) -> Result<Order, OrderError> {
    let id = new.request.id;
    let placed = json!({"status": {"to": order.status}, "total": {"to": order.total.plain()}});
    let event = Event::OrderPlaced(OrderChanged { order_id: id, status: order.status });
    let written = all((
        decided.write(tx, Source::Order(id), actor),
        audit::record(tx, actor, Action::OrderPlaced, Subject::Order(id), &placed),
        outbox::write(tx, &event),
        insert(tx, new, &order, actor),
        insert_lines(tx, id, &order.lines),
    ));
    let ((), (), (), number, ()) = written.await.map_err(|error| match error.constraint() {
        Some("orders_customer_id_fkey") => OrderError::UnknownCustomer,
        Some("orders_pkey") => IdTaken(id.into()).into(),
        _ => error.into(),
    })?;
    let PricedOrder { location_id, status, subtotal, discount, tax, total, lines } = order;
    let is_overdue = match new.due_on {
        Some(day) => day < settings::today(tx).await? && total.is_positive(),
        None => false,
    };
    Ok(Order {
        id,
        number,
        customer_id: new.customer_id,
        location_id,
        status,
        subtotal,
        discount,
        tax,
        total,
        credited: Money::ZERO,
        paid: Money::ZERO,
        due_on: new.due_on,
        is_overdue,
        note: new.note.clone(),
        placed_by: actor,
        version: 1,
        placed_at: tx.now(),
        updated_at: tx.now(),
        lines,
    })
}

async fn insert(tx: &TenantTx, new: &NewOrder, order: &PricedOrder, actor: ActorId) -> Result<i64, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO orders (id, number, customer_id, location_id, status, subtotal, discount, tax, total,
                             note, request_hash, placed_by, placed_at, updated_at, due_on)
         SELECT $2, ",
        counter::TAKEN,
        ", $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14
         RETURNING number"
    );
    let params: tenancy::Params<'_> = &[
        &Counter::Order,
        &new.request.id,
        &new.customer_id,
        &order.location_id,
        &order.status,
        &order.subtotal,
        &order.discount,
        &order.tax,
        &order.total,
        &new.note,
        &new.request.fingerprint,
        &actor,
        &tx.now(),
        &new.due_on,
    ];
    counter::insert_numbered(tx, Counter::Order, INSERT, params).await
}

pub(super) async fn insert_lines(tx: &TenantTx, order: OrderId, lines: &[OrderLine]) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO order_lines (id, order_id, position, variant_id, sku, name, quantity, price, list_price,
                                 price_reason, discount, taxes, includes_tax, tax, total, fulfilled, cost,
                                 kind)
        SELECT id, $1, position, variant_id, sku, name, quantity, price, list_price, price_reason, discount,
               taxes, includes_tax, tax, total, fulfilled, cost, kind
          FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::numeric[],
                      $8::numeric[], $9::numeric[], $10::text[], $11::numeric[], $12::jsonb[],
                      $13::boolean[], $14::numeric[], $15::numeric[], $16::numeric[], $17::numeric[],
                      $18::text[])
               AS new (id, position, variant_id, sku, name, quantity, price, list_price, price_reason,
                       discount, taxes, includes_tax, tax, total, fulfilled, cost, kind)";
    let positions: Vec<i16> = (1..).take(lines.len()).collect();
    let params: tenancy::Params<'_> = &[
        &order,
        &column(lines, |line| line.id),
        &positions,
        &column(lines, |line| line.variant_id),
        &column(lines, |line| &line.sku),
        &column(lines, |line| &line.name),
        &column(lines, |line| line.quantity),
        &column(lines, |line| line.price),
        &column(lines, |line| line.list_price),
        &column(lines, |line| line.price_reason.as_ref()),
        &column(lines, |line| line.discount),
        &column(lines, |line| &line.taxes),
        &column(lines, |line| line.includes_tax),
        &column(lines, |line| line.tax),
        &column(lines, |line| line.total),
        &column(lines, |line| line.fulfilled),
        &column(lines, |line| line.cost),
        &column(lines, |line| line.kind),
    ];
    tx.execute(INSERT, params).await.map(drop)
}
