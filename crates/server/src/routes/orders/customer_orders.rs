//! Orders of customers: placed, listed, read, cancelled.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, NaiveDate, Utc};
use identity::Permission;
use inventory::basket::{NewBasket, NewLine};
use inventory::counter::Counter;
use inventory::order::{self, NewOrder, Order, OrderFilter, OrderLine, OrderStatus, Owing};
use inventory::own_keys::OwnKeys;
use inventory::payment::PaymentStatus;
use inventory::product_kind::ProductKind;
use inventory::{CustomerId, LocationId, OrderId, OrderLineId, Part, VariantId, settings};
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use utoipa::{IntoParams, ToSchema};
use values::{
    ActorId, Amount, Barcode, Currency, Day, ExternalId, ExternalSource, Metadata, Moment, Money, Name,
    NonNegative, Note, Positive, Quantity, Reason, SearchQuery, Sku,
};

use crate::http::article::article;
use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::PathId;
use crate::http::listed::{Listed, Picks};
use crate::http::lists::{PageView, Paging};
use crate::http::money::with_currency;
use crate::http::own_keys::OwnKeysView;
use crate::http::prices::{BundleView, ChargedTaxView, DiscountText, agreed_price};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Once, RequiredKey, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceOrder {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<OrderId>,
    /// Defaults to no customer.
    customer_id: Option<CustomerId>,
    /// The location that the goods leave. Defaults to the default location of the business.
    location_id: Option<LocationId>,
    /// true: the goods leave now. false: the goods are reserved until the order is fulfilled. Defaults to the
    /// setting fulfilsAtOnce.
    fulfil: Option<bool>,
    /// The articles that the customer buys.
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<PlaceLine>,
    /// A discount on the whole order, after the discounts on the lines. Fees have no part in it. Defaults to
    /// no discount.
    discount: Option<DiscountText>,
    /// The day until which the order must be paid. Defaults to none.
    due_on: Option<Day>,
    /// A note on the order. Defaults to none.
    note: Option<Note>,
    /// The id of the order in another program. It must be unique for each externalSource. Defaults to none.
    external_id: Option<ExternalId>,
    /// The program of the externalId, such as shopify. Defaults to `default`.
    external_source: Option<ExternalSource>,
    /// Notes of that program. Defaults to none.
    metadata: Option<Metadata>,
}

impl PlaceOrder {
    pub(super) fn into_new<P>(self, once: &Once<P>, may_set_prices: bool) -> Result<NewOrder, Problem> {
        let lines = self.lines.into_iter().enumerate();
        let lines = lines.map(|(index, line)| line.checked(index, may_set_prices));
        Ok(NewOrder {
            request: once.requested(self.id, OrderId::new),
            customer_id: self.customer_id,
            location_id: self.location_id,
            fulfils_at_once: self.fulfil,
            basket: NewBasket {
                lines: lines.collect::<Result<_, _>>()?,
                discount: self.discount.map(|text| text.0),
                may_set_prices,
            },
            due_on: self.due_on.map(Day::date),
            note: self.note,
            own_keys: OwnKeys::new(self.external_id, self.external_source, self.metadata)?,
        })
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "variantId": "01920000-0000-7000-8000-000000000000", "quantity": "2", "price": "9.50",
    "priceReason": "last pieces", "discount": "10%",
}))]
pub struct PlaceLine {
    /// The variant. Exactly one of variantId, sku and barcode is required.
    variant_id: Option<VariantId>,
    /// The SKU of the variant.
    sku: Option<Sku>,
    /// A barcode of the variant.
    barcode: Option<Barcode>,
    /// The quantity in sale units, greater than zero.
    quantity: Positive<Quantity>,
    /// The price of one unit, instead of the list price. Requires the permission catalogue.write and a
    /// priceReason. Defaults to the list price.
    price: Option<NonNegative<Money>>,
    /// The reason for another price. Required with price.
    price_reason: Option<Reason>,
    /// A discount on the line. Defaults to no discount.
    discount: Option<DiscountText>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    id: OrderId,
    /// The sequential number: it starts at 1 and has no gaps.
    number: i64,
    /// The number as it is printed on documents.
    #[schema(example = "SO-000042")]
    reference: String,
    status: OrderStatus,
    customer_id: Option<CustomerId>,
    /// The location that the goods leave.
    location_id: LocationId,
    /// The currency of all amounts of the order.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The sum of quantity times price over all lines, before discounts.
    subtotal: Amount,
    /// The sum of all discounts, of the lines and of the order.
    discount: Amount,
    /// The sum of all taxes. The tax class of each product decides whether they are included in the prices or
    /// added to them.
    tax: Amount,
    /// The amount due when the order was placed, including taxes.
    total: Amount,
    /// The part of the total that was cancelled or refunded.
    credited: Amount,
    /// The total minus the credited amount.
    amount_due: Amount,
    /// The sum of the payments, minus what was paid back.
    paid: Amount,
    /// The amount due minus the paid amount. Negative if it is to be paid back.
    balance: Amount,
    payment_status: PaymentStatus,
    /// The day until which the order must be paid. null if none was agreed.
    due_on: Option<NaiveDate>,
    /// Whether that day has passed in the time zone of the business, and something is left to pay.
    overdue: bool,
    note: Option<Note>,
    #[serde(flatten)]
    own_keys: OwnKeysView,
    /// The user or program that placed the order; null for the platform.
    placed_by: ActorId,
    lines: Vec<OrderLineView>,
    placed_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderLineView {
    id: OrderLineId,
    variant_id: VariantId,
    /// The kind of the product: whether the line has goods that leave the stock.
    kind: ProductKind,
    /// The SKU when the order was placed.
    sku: Sku,
    /// The name of the product when the order was placed.
    name: Name,
    /// The ordered quantity, in sale units.
    quantity: Quantity,
    /// The price of one unit.
    price: Amount,
    /// The list price of one unit when the order was placed.
    list_price: Amount,
    /// The reason for a price other than the list price.
    price_reason: Option<Reason>,
    /// The discount on the line plus the line's share of the discount on the order.
    discount: Amount,
    /// The taxes of the line, one entry for each rate.
    taxes: Vec<ChargedTaxView>,
    /// The sum of the taxes of the line.
    tax: Amount,
    /// The amount due for the line, including discounts and taxes.
    total: Amount,
    /// The quantity that has left, in sale units, including returned goods.
    fulfilled: Quantity,
    /// The quantity that was cancelled, in sale units.
    cancelled: Quantity,
    /// The quantity that came back, in sale units.
    returned: Quantity,
    /// The quantity that is neither fulfilled nor cancelled, in sale units.
    open: Quantity,
    /// The part of the total that was cancelled or refunded.
    credited: Amount,
    /// The bundle to which the line belongs. The line's price is then a share of the bundle's price. null
    /// if the article was ordered on its own.
    bundle: Option<BundleView>,
}

impl OrderView {
    pub(super) fn new(order: Order, currency: &Currency) -> Self {
        Self {
            id: order.id,
            number: order.number,
            reference: Counter::Order.reference(order.number),
            status: order.status,
            customer_id: order.customer_id,
            location_id: order.location_id,
            currency: currency.clone(),
            subtotal: currency.format(order.subtotal),
            discount: currency.format(order.discount),
            tax: currency.format(order.tax),
            total: currency.format(order.total),
            credited: currency.format(order.credited),
            amount_due: currency.format(order.total - order.credited),
            paid: currency.format(order.paid),
            balance: currency.format(order.balance()),
            payment_status: order.payment_status(),
            due_on: order.due_on,
            overdue: order.is_overdue,
            note: order.note,
            own_keys: order.own_keys.into(),
            placed_by: order.placed_by,
            lines: order.lines.into_iter().map(|line| OrderLineView::new(line, currency)).collect(),
            placed_at: order.placed_at,
            updated_at: order.updated_at,
        }
    }
}

impl OrderLineView {
    fn new(line: OrderLine, currency: &Currency) -> Self {
        let open = line.open();
        Self {
            id: line.id,
            variant_id: line.variant_id,
            kind: line.kind,
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            price: currency.format(line.price),
            list_price: currency.format(line.list_price),
            price_reason: line.price_reason,
            discount: currency.format(line.discount),
            taxes: ChargedTaxView::all(line.taxes.0, currency),
            tax: currency.format(line.tax),
            total: currency.format(line.total),
            fulfilled: line.fulfilled,
            cancelled: line.cancelled,
            returned: line.returned,
            open,
            credited: currency.format(line.credited),
            bundle: line.bundle.map(|bundle| bundle.0.into()),
        }
    }
}

/// Place an order
///
/// Takes or reserves the stock of all lines, or of none. If stock is missing, the answer is 409, and
/// shortages lists every short variant. Prices come from the catalogue. Another price, or a discount above
/// the limit in the settings, requires the permission catalogue.write. Requires an Idempotency-Key header.
#[utoipa::path(tag = "orders", operation_id = "placeOrder", params(RequiredKey), request_body = PlaceOrder,
    responses((status = 201, body = OrderView)))]
#[post("/orders")]
pub async fn place(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::OrdersPlace, PlaceOrder>,
) -> Result<HttpResponse, Problem> {
    let new = body.into_new(&once, once.caller.may(Permission::CatalogueWrite))?;
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, order::place(tx, &new, once.actor())).await?;
        Answer::to(outcome, |order| {
            let (location, tag) = (format!("/api/v1/orders/{}", order.id), Tag::of_version(order.version));
            Answer::created(location, tag, &OrderView::new(order, &currency))
        })
    })
    .await
}

impl PlaceLine {
    pub(super) fn checked(self, index: usize, may_set_prices: bool) -> Result<NewLine, Problem> {
        let at = format!("/lines/{index}");
        let needed = (!may_set_prices).then_some("catalogue.write");
        Ok(NewLine {
            article: article(&at, self.variant_id, self.sku, self.barcode)?,
            quantity: self.quantity,
            label_amount: None,
            price: agreed_price(&at, self.price, self.price_reason, needed)?,
            discount: self.discount.map(|text| text.0),
            note: None,
        })
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListOrders {
    /// Returns only orders with this status. Defaults to all.
    status: Option<OrderStatus>,
    /// Returns only orders of this customer. Defaults to all.
    customer_id: Option<CustomerId>,
    /// The number or the reference of an order, or a part of the name of a customer. The search ignores upper
    /// and lower case.
    #[param(max_length = 100)]
    q: Option<SearchQuery>,
    /// Returns only orders of which something is left to pay. Defaults to all.
    owing: Option<Owing>,
    /// Returns only orders placed at this time or later.
    from: Option<Moment>,
    /// Returns only orders placed before this time.
    until: Option<Moment>,
}

/// List orders
///
/// Returns orders with their lines, newest first.
#[utoipa::path(tag = "orders", operation_id = "listOrders", params(ListOrders, Picks, Paging),
    responses((status = 200, body = PageView<OrderView>)))]
#[get("/orders")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    listed: Listed<ListOrders>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope();
    let (query, page) = match listed {
        Listed::Page { query, page } => (query, page.request()?),
        Listed::Changes(changes) => {
            let changed = changes.settled(&state.database, &scope).await?;
            let read = async |tx: &TenantTx| with_currency(tx, order::changed(tx, &changed)).await;
            let (currency, page) = state.database.read_snapshot(&scope, read).await?;
            return Ok(
                HttpResponse::Ok().json(PageView::new(page, |record| OrderView::new(record, &currency)))
            );
        }
        Listed::Named(named) => {
            let read = async |tx: &TenantTx| with_currency(tx, order::named(tx, &named)).await;
            let (currency, found) = state.database.read_snapshot(&scope, read).await?;
            return Ok(
                HttpResponse::Ok().json(PageView::whole(found, |order| OrderView::new(order, &currency)))
            );
        }
    };
    let filter = OrderFilter {
        status: query.status,
        customer_id: query.customer_id,
        search: query.q.and_then(SearchQuery::text),
        owing: query.owing,
        from: query.from.map(Moment::time),
        until: query.until.map(Moment::time),
    };
    let (currency, page) = state
        .database
        .read_snapshot(&scope, async |tx| {
            all((settings::currency(tx), order::list(tx, &filter, &page))).await
        })
        .await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |order| OrderView::new(order, &currency))))
}

/// Read an order
///
/// Returns an order with its lines, its totals and the state of its payment.
#[utoipa::path(tag = "orders", operation_id = "readOrder", responses((status = 200, body = OrderView)),
    params(("id" = OrderId, Path,)))]
#[get("/orders/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    PathId(id): PathId<OrderId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &tenancy::TenantTx| all((settings::currency(tx), order::find(tx, id))).await;
    let (currency, order) = state.database.read_snapshot(&caller.scope(), read).await?;
    let order = order.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(order.version), &OrderView::new(order, &currency)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelOrder {
    /// The reason of the cancellation. Defaults to none.
    reason: Option<Reason>,
    /// The quantities to cancel. Requires an Idempotency-Key header. Defaults to everything that is open.
    #[schema(min_items = 1)]
    lines: Option<Vec<CancelLine>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelLine {
    /// The line of the order.
    line_id: OrderLineId,
    /// The quantity to cancel, in sale units, greater than zero.
    quantity: Positive<Quantity>,
}

/// Cancel an order
///
/// Cancels everything that is still open, or a part of it: the reserved stock is released, and the amount is
/// credited. Post a return for goods that have already left.
#[utoipa::path(tag = "orders", operation_id = "cancelOrder", request_body = CancelOrder,
    responses((status = 200, body = OrderView)), params(("id" = OrderId, Path,)))]
#[post("/orders/{id}/cancel")]
pub async fn cancel(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::OrdersCancel, CancelOrder>,
    PathId(id): PathId<OrderId>,
) -> Result<HttpResponse, Problem> {
    if body.lines.as_ref().is_some_and(Vec::is_empty) {
        let message = "at least one line is required; leave lines out to cancel everything that is open";
        return Err(Problem::invalid("/lines", Code::InvalidLineCount, message));
    }
    // To cancel everything twice is to cancel it once; a part would be cancelled again.
    let key = if body.lines.is_some() { Key::Required } else { Key::Optional };
    let part = |line: CancelLine| Part { line_id: line.line_id, quantity: line.quantity };
    let parts: Vec<_> = body.lines.unwrap_or_default().into_iter().map(part).collect();
    once.run(&state.database, key, async |tx| {
        let cancel = order::cancel(tx, id, &parts, body.reason.as_ref(), once.actor());
        let (currency, order) = with_currency(tx, cancel).await?;
        Answer::ok(Tag::of_version(order.version), &OrderView::new(order, &currency))
    })
    .await
}
