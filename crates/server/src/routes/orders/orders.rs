//! Customers' orders: placed, fulfilled, cancelled, returned.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::Permission;
use inventory::document::Part;
use inventory::fulfilment::{self, Fulfilment, NewFulfilment};
use inventory::order::{self, ChargedTax, NewLine, NewOrder, Order, OrderFilter, OrderLine, OrderStatus};
use inventory::order_return::{self, NewReturn, NewReturnLine, Return, ReturnLine};
use inventory::pricing::Discount;
use inventory::settings::Currency;
use inventory::{
    CustomerId, FulfilmentId, LocationId, OrderId, OrderLineId, ReturnId, VariantId, counter, settings,
};
use serde::{Deserialize, Serialize};
use tenancy::both;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{Cursor, Limit, Money, Note, Percent, Quantity, Reason};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, Json, PathId, Query, may};
use crate::http::lists::{NoParameters, PageView, page_request, search_text};
use crate::http::money::with_currency;
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceOrder {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<OrderId>,
    #[schema(value_type = Option<Uuid>)]
    customer_id: Option<CustomerId>,
    /// The default location unless named.
    #[schema(value_type = Option<Uuid>)]
    location_id: Option<LocationId>,
    /// Whether the goods leave at once (true) or are reserved until they are fulfilled (false); as the settings say when left
    /// out.
    fulfil: Option<bool>,
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<PlaceLine>,
    /// Off the whole order: an amount, or a part of it such as "10%".
    #[schema(value_type = Option<String>, example = "10%")]
    discount: Option<DiscountText>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceLine {
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    #[schema(value_type = String, example = "2")]
    quantity: Quantity,
    /// Another price than the catalogue's; for who may change that one (catalogue.write), with a reason.
    #[schema(value_type = Option<String>)]
    price: Option<Money>,
    #[schema(value_type = Option<String>, max_length = 100)]
    price_reason: Option<Reason>,
    /// Off the line: an amount, or a part of it such as "5%".
    #[schema(value_type = Option<String>, example = "0.50")]
    discount: Option<DiscountText>,
}

/// A discount as clients write it: `"1.50"` or `"10%"`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct DiscountText(Discount);

impl TryFrom<String> for DiscountText {
    type Error = values::DecimalError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(Self(match text.strip_suffix('%') {
            Some(percent) => Discount::Percent(Percent::parse(percent.trim_end())?),
            None => Discount::Amount(Money::parse(&text)?),
        }))
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    #[schema(value_type = Uuid)]
    id: OrderId,
    /// Counts up from 1 without a gap.
    number: i64,
    #[schema(example = "SO-000042")]
    reference: String,
    #[schema(value_type = String, example = "fulfilled")]
    status: OrderStatus,
    #[schema(value_type = Option<Uuid>)]
    customer_id: Option<CustomerId>,
    #[schema(value_type = Uuid)]
    location_id: LocationId,
    #[schema(example = "EUR")]
    currency: String,
    /// Before discounts.
    subtotal: String,
    discount: String,
    /// In or on top of the prices, as the lines' taxes are.
    tax: String,
    /// What was to be paid when it was placed.
    total: String,
    /// What of it is not to be paid after all, or was given back: for what was cancelled or returned.
    credited: String,
    amount_due: String,
    note: Option<String>,
    /// The user's id; null is the platform.
    placed_by: Option<Uuid>,
    lines: Vec<OrderLineView>,
    placed_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderLineView {
    #[schema(value_type = Uuid)]
    id: OrderLineId,
    #[schema(value_type = Uuid)]
    variant_id: VariantId,
    /// SKU and name are those of the moment of the order.
    sku: String,
    name: String,
    #[schema(value_type = String)]
    quantity: Quantity,
    price: String,
    /// What the catalogue asked.
    list_price: String,
    price_reason: Option<String>,
    /// Its own discount and its share of the order's.
    discount: String,
    taxes: Vec<ChargedTaxView>,
    tax: String,
    total: String,
    #[schema(value_type = String)]
    fulfilled: Quantity,
    #[schema(value_type = String)]
    cancelled: Quantity,
    #[schema(value_type = String)]
    returned: Quantity,
    /// Neither fulfilled nor cancelled.
    #[schema(value_type = String)]
    open: Quantity,
    credited: String,
}

#[derive(Serialize, ToSchema)]
pub struct ChargedTaxView {
    #[schema(example = "VAT")]
    name: String,
    #[schema(value_type = String, example = "16")]
    percent: Percent,
    amount: String,
}

impl OrderView {
    fn new(order: Order, currency: &Currency) -> Self {
        let due = order.total.plus(order.credited.negated());
        Self {
            id: order.id,
            number: order.number,
            reference: counter::Counter::Order.reference(order.number),
            status: order.status,
            customer_id: order.customer_id,
            location_id: order.location_id,
            currency: currency.code().to_owned(),
            subtotal: currency.format(order.subtotal),
            discount: currency.format(order.discount),
            tax: currency.format(order.tax),
            total: currency.format(order.total),
            credited: currency.format(order.credited),
            amount_due: currency.format(due),
            note: order.note,
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
        let charged = |tax: ChargedTax| ChargedTaxView {
            name: tax.rate.name,
            percent: tax.rate.percent,
            amount: currency.format(Money::from_decimal(tax.amount)),
        };
        Self {
            id: line.id,
            variant_id: line.variant_id,
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            price: currency.format(line.price),
            list_price: currency.format(line.list_price),
            price_reason: line.price_reason,
            discount: currency.format(line.discount),
            taxes: line.taxes.into_iter().map(charged).collect(),
            tax: currency.format(line.tax),
            total: currency.format(line.total),
            fulfilled: line.fulfilled,
            cancelled: line.cancelled,
            returned: line.returned,
            open,
            credited: currency.format(line.credited),
        }
    }
}

/// Place an order
///
/// The stock of all its lines is taken, or reserved, or that of none: a shortage is a 409 with every short line in
/// `shortages`. Prices are the catalogue's; a price of its own, and more discount than the settings allow, need
/// `catalogue.write`. Needs an Idempotency-Key header.
#[utoipa::path(tag = "orders", request_body = PlaceOrder, responses((status = 201, body = OrderView)))]
#[post("/orders")]
pub async fn place(
    state: web::Data<State>,
    caller: Caller<may::OrdersPlace>,
    request: Idempotency,
    body: Json<PlaceOrder>,
) -> Result<HttpResponse, Problem> {
    let request_hash = once::fingerprint(&request.target, &body.bytes);
    let PlaceOrder { id, customer_id, location_id, fulfil: at_once, lines, discount, note } = body.value;
    let may_set_prices = caller.principal.may(Permission::CatalogueWrite);
    let mut checked = Vec::with_capacity(lines.len());
    for (index, line) in lines.into_iter().enumerate() {
        checked.push(line.checked(index, may_set_prices)?);
    }
    let new = NewOrder {
        id: id.unwrap_or_else(OrderId::new),
        has_chosen_id: id.is_some(),
        customer_id,
        location_id,
        fulfils_at_once: at_once,
        lines: checked,
        discount: discount.map(|text| text.0),
        note,
        may_set_prices,
        request_hash,
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, order::place(tx, &new, actor)).await?;
        let created = |order: Order| {
            let (location, tag) = (format!("/api/v1/orders/{}", order.id), Tag::of_version(order.version));
            Answer::created(location, tag, &OrderView::new(order, &currency))
        };
        match outcome {
            order::Outcome::Placed(order) => created(order),
            order::Outcome::Repeated(order) => Ok(created(order)?.repeated()),
        }
    })
    .await
}

impl PlaceLine {
    /// The server is the authority on prices: another one needs leave and a reason.
    fn checked(self, index: usize, may_override: bool) -> Result<NewLine, Problem> {
        let price = match (self.price, self.price_reason) {
            (None, None) => None,
            (None, Some(_)) => {
                let message = "a reason goes with a price of its own";
                return Err(Problem::invalid(format!("/lines/{index}/price"), "price_missing", message));
            }
            (Some(_), _) if !may_override => {
                let detail = "Your role does not include the permission catalogue.write: leave the price out, and the \
                              catalogue's is taken.";
                return Err(Problem::forbidden("permission_denied", detail));
            }
            (Some(_), None) => {
                let message = "say why the price is not the catalogue's";
                return Err(Problem::invalid(
                    format!("/lines/{index}/priceReason"),
                    "price_reason_missing",
                    message,
                ));
            }
            (Some(price), Some(reason)) => Some((price, reason)),
        };
        Ok(NewLine {
            variant_id: self.variant_id,
            quantity: self.quantity,
            price,
            discount: self.discount.map(|text| text.0),
        })
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListOrders {
    /// reserved, partly_fulfilled, fulfilled or cancelled.
    #[param(value_type = Option<String>)]
    status: Option<OrderStatus>,
    #[param(value_type = Option<Uuid>)]
    customer_id: Option<CustomerId>,
    /// An order's number or reference, or any part of a customer's name.
    #[param(value_type = Option<String>, max_length = 100)]
    q: Option<String>,
    /// Placed at this moment or later.
    from: Option<DateTime<Utc>>,
    /// Placed before this moment.
    until: Option<DateTime<Utc>>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<2>>,
}

/// List orders
///
/// With their lines, the latest first.
#[utoipa::path(tag = "orders", params(ListOrders), responses((status = 200, body = PageView<OrderView>)))]
#[get("/orders")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    Query(query): Query<ListOrders>,
) -> Result<HttpResponse, Problem> {
    let filter = OrderFilter {
        status: query.status,
        customer_id: query.customer_id,
        search: search_text(query.q.as_deref())?,
        from: query.from,
        until: query.until,
    };
    let page = page_request(query.limit, query.cursor);
    let (currency, page) = state
        .database
        .read_snapshot(&caller.scope(), async |tx| {
            both(settings::currency(tx), order::list(tx, &filter, &page)).await
        })
        .await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |order| OrderView::new(order, &currency))))
}

/// Read an order
#[utoipa::path(tag = "orders", responses((status = 200, body = OrderView)), params(("id" = Uuid, Path,)))]
#[get("/orders/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    PathId(id): PathId<OrderId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (currency, order) = state
        .database
        .read_snapshot(&caller.scope(), async |tx| both(settings::currency(tx), order::find(tx, id)).await)
        .await?;
    let order = order.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(request.headers(), Tag::of_version(order.version), &OrderView::new(order, &currency)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelOrder {
    #[schema(value_type = Option<String>, max_length = 100)]
    reason: Option<Reason>,
}

/// Cancel an order
///
/// What of it is still open: its goods are free again, and it need not be paid. What has left comes back by a return.
#[utoipa::path(tag = "orders", request_body = CancelOrder, responses((status = 200, body = OrderView)),
    params(("id" = Uuid, Path,)))]
#[post("/orders/{id}/cancel")]
pub async fn cancel(
    state: web::Data<State>,
    caller: Caller<may::OrdersCancel>,
    PathId(id): PathId<OrderId>,
    request: Idempotency,
    body: Json<CancelOrder>,
) -> Result<HttpResponse, Problem> {
    let actor = caller.actor();
    let reason = body.value.reason.as_ref();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let (currency, order) = with_currency(tx, order::cancel(tx, id, reason, actor)).await?;
        Answer::ok(Tag::of_version(order.version), &OrderView::new(order, &currency))
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FulfilOrder {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<FulfilmentId>,
    /// How much of which lines leaves; all that is open when left out.
    lines: Option<Vec<LinePart>>,
}

/// So much of a line.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinePart {
    #[schema(value_type = Uuid)]
    line_id: OrderLineId,
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FulfilmentView {
    #[schema(value_type = Uuid)]
    id: FulfilmentId,
    lines: Vec<LinePartView>,
    actor: Option<Uuid>,
    fulfilled_at: DateTime<Utc>,
    /// As it is afterwards.
    order: OrderView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinePartView {
    #[schema(value_type = Uuid)]
    line_id: OrderLineId,
    #[schema(value_type = String)]
    quantity: Quantity,
}

impl FulfilmentView {
    fn new(fulfilment: Fulfilment, currency: &Currency) -> Self {
        let part = |part: Part<OrderLineId>| LinePartView { line_id: part.line_id, quantity: part.quantity };
        Self {
            id: fulfilment.id,
            lines: fulfilment.lines.into_iter().map(part).collect(),
            actor: fulfilment.actor_id,
            fulfilled_at: fulfilment.fulfilled_at,
            order: OrderView::new(fulfilment.order, currency),
        }
    }
}

/// Fulfil an order
///
/// All that is open of a reserved order, or part of it; as often as it takes. Needs an Idempotency-Key header.
#[utoipa::path(tag = "orders", request_body = FulfilOrder, responses((status = 201, body = FulfilmentView)),
    params(("id" = Uuid, Path,)))]
#[post("/orders/{id}/fulfil")]
pub async fn fulfil(
    state: web::Data<State>,
    caller: Caller<may::OrdersPlace>,
    PathId(order_id): PathId<OrderId>,
    request: Idempotency,
    body: Json<FulfilOrder>,
) -> Result<HttpResponse, Problem> {
    let request_hash = once::fingerprint(&request.target, &body.bytes);
    let FulfilOrder { id, lines } = body.value;
    if lines.as_ref().is_some_and(Vec::is_empty) {
        let message = "name lines, or leave them out to fulfil all that is open";
        return Err(Problem::invalid("/lines", "invalid_line_count", message));
    }
    let lines = lines.unwrap_or_default().into_iter();
    let new = NewFulfilment {
        id: id.unwrap_or_else(FulfilmentId::new),
        has_chosen_id: id.is_some(),
        order_id,
        lines: lines.map(|part| Part { line_id: part.line_id, quantity: part.quantity }).collect(),
        request_hash,
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, fulfilment::post(tx, &new, actor)).await?;
        let created = |posted: Fulfilment| {
            let (location, tag) =
                (format!("/api/v1/orders/{order_id}"), Tag::of_version(posted.order.version));
            Answer::created(location, tag, &FulfilmentView::new(posted, &currency))
        };
        match outcome {
            fulfilment::Outcome::Posted(posted) => created(posted),
            fulfilment::Outcome::Repeated(posted) => Ok(created(posted)?.repeated()),
        }
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnGoods {
    /// Chosen by the client, so that a repetition is recognised even after its Idempotency-Key has expired.
    #[schema(value_type = Option<Uuid>)]
    id: Option<ReturnId>,
    #[schema(value_type = String, max_length = 100, example = "wrong size")]
    reason: Reason,
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<ReturnPart>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnPart {
    #[schema(value_type = Uuid)]
    line_id: OrderLineId,
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
    /// Whether it can be sold again; true unless said otherwise.
    restock: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnView {
    #[schema(value_type = Uuid)]
    id: ReturnId,
    /// Counts up from 1 without a gap.
    number: i64,
    #[schema(example = "RT-000007")]
    reference: String,
    reason: String,
    /// What the customer gets back.
    refund: String,
    lines: Vec<ReturnLineView>,
    actor: Option<Uuid>,
    returned_at: DateTime<Utc>,
    /// As it is afterwards.
    order: OrderView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnLineView {
    #[schema(value_type = Uuid)]
    line_id: OrderLineId,
    #[schema(value_type = String)]
    quantity: Quantity,
    restocked: bool,
    refund: String,
}

impl ReturnView {
    fn new(posted: Return, currency: &Currency) -> Self {
        let line = |line: ReturnLine| ReturnLineView {
            line_id: line.line_id,
            quantity: line.quantity,
            restocked: line.is_restocked,
            refund: currency.format(line.refund),
        };
        Self {
            id: posted.id,
            number: posted.number,
            reference: counter::Counter::Return.reference(posted.number),
            reason: posted.reason,
            refund: currency.format(posted.refund),
            lines: posted.lines.into_iter().map(line).collect(),
            actor: posted.actor_id,
            returned_at: posted.returned_at,
            order: OrderView::new(posted.order, currency),
        }
    }
}

/// Take goods back
///
/// No more than was fulfilled and not returned yet. Needs an Idempotency-Key header.
#[utoipa::path(tag = "orders", request_body = ReturnGoods, responses((status = 201, body = ReturnView)),
    params(("id" = Uuid, Path,)))]
#[post("/orders/{id}/returns")]
pub async fn take_back(
    state: web::Data<State>,
    caller: Caller<may::OrdersReturn>,
    PathId(order_id): PathId<OrderId>,
    request: Idempotency,
    body: Json<ReturnGoods>,
) -> Result<HttpResponse, Problem> {
    let request_hash = once::fingerprint(&request.target, &body.bytes);
    let ReturnGoods { id, reason, lines } = body.value;
    let line = |line: ReturnPart| NewReturnLine {
        part: Part { line_id: line.line_id, quantity: line.quantity },
        is_restocked: line.restock.unwrap_or(true),
    };
    let new = NewReturn {
        id: id.unwrap_or_else(ReturnId::new),
        has_chosen_id: id.is_some(),
        order_id,
        reason,
        lines: lines.into_iter().map(line).collect(),
        request_hash,
    };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, order_return::post(tx, &new, actor)).await?;
        let created = |posted: Return| {
            let (location, tag) =
                (format!("/api/v1/orders/{order_id}/returns"), Tag::of_version(posted.order.version));
            Answer::created(location, tag, &ReturnView::new(posted, &currency))
        };
        match outcome {
            order_return::Outcome::Posted(posted) => created(posted),
            order_return::Outcome::Repeated(posted) => Ok(created(posted)?.repeated()),
        }
    })
    .await
}

/// List an order's returns
///
/// The first one first; all of them.
#[utoipa::path(tag = "orders", responses((status = 200, body = PageView<ReturnView>)), params(("id" = Uuid, Path,)))]
#[get("/orders/{id}/returns")]
pub async fn list_returns(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    PathId(id): PathId<OrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (currency, returns) = state
        .database
        .read_snapshot(&caller.scope(), async |tx| with_currency(tx, order_return::of_order(tx, id)).await)
        .await?;
    let data = returns.into_iter().map(|posted| ReturnView::new(posted, &currency)).collect();
    Ok(HttpResponse::Ok().json(PageView { data, next_cursor: None }))
}
