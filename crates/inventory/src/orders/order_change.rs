//! Changing an order before its goods leave: its lines and its customer; and at any time its note and the day
//! until which it must be paid.

use chrono::NaiveDate;
use futures_util::TryFutureExt as _;
use serde_json::{Value, json};
use tenancy::{TenantTx, all, outbox};
use values::{ActorId, IfVersion, Note, Quantity};

use crate::business::settings;
use crate::ids::{CustomerId, OrderId, VariantId};
use crate::orders::basket::{self, Basket, MAX_LINES, NewBasket, NewLine};
use crate::orders::customer::{self, Buyer};
use crate::orders::order::{Order, OrderError};
use crate::orders::order_line::OrderLine;
use crate::orders::order_list::{find, lock};
use crate::orders::placing;
use crate::orders::pricing::Discount;
use crate::records::audit::{Action, Subject};
use crate::records::edit::Edit;
use crate::records::event::{Event, OrderChanged};
use crate::records::own_keys::{self, OwnKeysChange};
use crate::statuses::OrderStatus;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, decide};

/// The fields to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct OrderChange {
    /// The new customer; `Some(None)` means a sale without a named customer.
    pub customer_id: Option<Option<CustomerId>>,
    /// The new note; `Some(None)` removes it.
    pub note: Option<Option<Note>>,
    /// The new day until which the order must be paid; `Some(None)` removes it.
    pub due_on: Option<Option<NaiveDate>>,
    /// Changes of the key and the notes of a program elsewhere.
    pub own_keys: OwnKeysChange,
    /// All lines that the order has from now on. A variant that the order has already keeps its price and its
    /// taxes, unless the tax exemption changes.
    pub lines: Option<Vec<NewLine>>,
    /// A discount on the whole order, with new lines only.
    pub discount: Option<Discount>,
    /// Whether the actor may set prices. If so, the discount limit does not apply.
    pub may_set_prices: bool,
    /// Change the order only if it has this version.
    pub if_version: IfVersion,
}

/// Changes an order, with the row locked. A change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn update(
    tx: &TenantTx,
    id: OrderId,
    change: &OrderChange,
    actor: ActorId,
) -> Result<Order, OrderError> {
    const UPDATE: &str = "
        UPDATE orders
           SET customer_id = $2, note = $3, due_on = $4, version = version + 1, updated_at = $5, own_keys = $6
         WHERE id = $1";
    let stored = lock(tx, id).await?.ok_or(OrderError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    let customer_id = *edit.field("customerId", &stored.customer_id, change.customer_id.as_ref());
    let note = edit.field("note", &stored.note, change.note.as_ref());
    let own_keys = stored.own_keys.edited(&mut edit, &change.own_keys)?;
    let due_on = edit.field("dueOn", &stored.due_on, change.due_on.as_ref());
    if customer_id != stored.customer_id || change.lines.is_some() {
        let buyer = customer::buyer(tx, customer_id).await?.ok_or(OrderError::UnknownCustomer)?;
        if customer_id != stored.customer_id {
            check_new_customer(tx, &stored, customer_id, buyer, change)?;
        }
        if let Some(lines) = &change.lines {
            replace_lines(tx, &stored, (lines, buyer), change, &mut edit, actor).await?;
        }
    }
    if edit.is_empty() {
        return Ok(stored);
    }
    let event = Event::OrderChanged(OrderChanged { order_id: id, status: stored.status });
    let params: tenancy::Params<'_> = &[&id, &customer_id, note, due_on, &tx.now(), &own_keys];
    let update = async { tx.execute(UPDATE, params).await.map_err(own_keys::on_write::<OrderError>) };
    let record = edit.record(Action::OrderChanged, Subject::Order(id));
    all((update, record.err_into(), outbox::write(tx, &event).err_into())).await?;
    find(tx, id).await?.ok_or(OrderError::NotFound)
}

/// Refuses a new customer where the order cannot go to another one as it is.
fn check_new_customer(
    tx: &TenantTx,
    stored: &Order,
    customer: Option<CustomerId>,
    buyer: Buyer,
    change: &OrderChange,
) -> Result<(), OrderError> {
    check_untouched(stored)?;
    // An order of one customer that goes to another one is a new sale.
    if stored.customer_id.is_some() && customer.is_some() {
        tx.tenant().licence.check_selling(tx.now())?;
    }
    if buyer.is_archived {
        return Err(OrderError::ArchivedCustomer);
    }
    if stored.is_tax_exempt != buyer.is_tax_exempt && change.lines.is_none() {
        return Err(OrderError::OtherTaxes);
    }
    Ok(())
}

/// Refuses an order of which a part has left or was cancelled.
fn check_untouched(order: &Order) -> Result<(), OrderError> {
    let is_cancelled = order.lines.iter().any(|line| !line.cancelled.is_zero());
    if order.status != OrderStatus::Reserved || is_cancelled {
        Err(OrderError::Touched(order.status))
    } else {
        Ok(())
    }
}

/// Gives an order other lines, with other reserved stock and another total.
async fn replace_lines(
    tx: &TenantTx,
    stored: &Order,
    (lines, buyer): (&[NewLine], Buyer),
    change: &OrderChange,
    edit: &mut Edit<'_>,
    actor: ActorId,
) -> Result<(), OrderError> {
    const DELETE: &str = "DELETE FROM order_lines WHERE order_id = $1";
    const SAVE: &str = "
        UPDATE orders SET subtotal = $2, discount = $3, tax = $4, total = $5, is_tax_exempt = $6
         WHERE id = $1";
    check_untouched(stored)?;
    if lines.is_empty() || lines.len() > MAX_LINES {
        return Err(OrderError::LineCount);
    }
    let variants = basket::variants(tx, lines).await?;
    let (terms, mut articles) = all((settings::terms(tx), basket::articles(tx, variants))).await?;
    let mut lines = lines.to_vec();
    let is_exempt = buyer.is_tax_exempt;
    if stored.is_tax_exempt == is_exempt {
        keep_prices(&mut lines, articles.variants(), &stored.lines);
        articles.keep(&stored.lines, is_exempt);
    }
    let new = NewBasket { lines, discount: change.discount, may_set_prices: change.may_set_prices };
    let Basket { subtotal, discount, tax, total, lines } = new.price(&articles, &terms, buyer)?;
    let lines: Vec<OrderLine> =
        lines.into_iter().map(|line| OrderLine::new(stored.id, line, false)).collect();
    let (from, to) = (shown(&stored.lines), shown(&lines));
    if from == to && stored.is_tax_exempt == is_exempt {
        return Ok(());
    }
    edit.note("lines", from, to);
    edit.amount("total", Some(stored.total), Some(Some(total)));
    let postings = moved(stored, &lines);
    // An order may become smaller without a licence, but to add to an order is to sell.
    if total > stored.total || postings.iter().any(|posting| posting.reserved > Quantity::ZERO) {
        tx.tenant().licence.check_selling(tx.now())?;
    }
    let decided = decide(tx, &postings).await?;
    let delete = async { tx.execute(DELETE, &[&stored.id]).await };
    let save =
        async { tx.execute(SAVE, &[&stored.id, &subtotal, &discount, &tax, &total, &is_exempt]).await };
    let write = decided.write(tx, Source::Order(stored.id), actor);
    all((write, delete, save, placing::insert_lines(tx, stored.id, &lines))).await?;
    Ok(())
}

/// Variants that the order has already keep the prices that were agreed, in the order of their lines, unless
/// the request has other ones.
fn keep_prices(lines: &mut [NewLine], variants: &[VariantId], stored: &[OrderLine]) {
    let mut stored: Vec<&OrderLine> = stored.iter().collect();
    stored.dedup_by(|one, other| one.bundle.is_some() && one.bundle_number() == other.bundle_number());
    for (line, variant) in lines.iter_mut().zip(variants) {
        let Some(at) = stored.iter().position(|kept| kept.ordered() == *variant) else { continue };
        let agreed = stored.remove(at).agreed_price();
        line.price = line.price.take().or(agreed);
    }
}

/// The postings that reserve more or less of each variant. They have the difference alone: an order may
/// become smaller although a count has found less than is reserved.
fn moved(stored: &Order, lines: &[OrderLine]) -> Vec<Posting> {
    let mut postings: Vec<Posting> = Vec::new();
    let released = stored.lines.iter().map(|line| (line, -line.open()));
    for (line, reserved) in released.chain(lines.iter().map(|line| (line, line.quantity))) {
        match postings.iter_mut().find(|posting| posting.variant_id == line.variant_id) {
            Some(posting) => posting.reserved += reserved,
            None => postings.push(Posting {
                kind: Kind::Sale,
                variant_id: line.variant_id,
                has_stock: line.kind.has_stock(),
                location_id: stored.location_id,
                quantity: Quantity::ZERO,
                reserved,
                cost: Cost::Average,
                reason: None,
                line_id: line.id.into(),
            }),
        }
    }
    postings.retain(|posting| !posting.reserved.is_zero());
    postings
}

/// Lines as the audit log shows them, and as two orders are compared.
fn shown(lines: &[OrderLine]) -> Vec<Value> {
    let line = |line: &OrderLine| {
        let (id, quantity): (VariantId, Quantity) = (line.variant_id, line.quantity);
        let mut shown = vec![json!(id), json!(quantity)];
        shown.extend([line.price, line.discount, line.total].map(|amount| json!(amount.plain())));
        shown.extend(line.bundle.as_ref().map(|bundle| json!(bundle.0.variant_id)));
        Value::Array(shown)
    };
    lines.iter().map(line).collect()
}
