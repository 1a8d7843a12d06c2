//! Changes of orders.

use actix_web::{HttpResponse, patch, web};
use identity::Permission;
use inventory::order_change::{self, OrderChange};
use inventory::own_keys::OwnKeysChange;
use inventory::{CustomerId, OrderId};
use serde::Deserialize;
use tenancy::TenantTx;
use utoipa::ToSchema;
use values::{Day, ExternalId, ExternalSource, MetadataPatch, Note};

use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::money::with_currency;
use crate::http::prices::DiscountText;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::orders::customer_orders::{OrderView, PlaceLine};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeOrder {
    /// null removes the customer. Allowed only before a part of the order is fulfilled or cancelled. Requires
    /// lines if only one of the two customers is tax-exempt; no customer is not tax-exempt.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    customer_id: Option<Option<CustomerId>>,
    /// null removes the note.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    note: Option<Option<Note>>,
    /// The day until which the order must be paid. null removes the day.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    due_on: Option<Option<Day>>,
    /// The id of the order in another program. null removes it with its externalSource.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_id: Option<Option<ExternalId>>,
    /// The program of the externalId. null means `default`.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_source: Option<Option<ExternalSource>>,
    /// Changes of the notes of that program. null removes all notes.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    metadata: Option<Option<MetadataPatch>>,
    /// The new lines. They replace all present lines and their discounts. A variant that the order has
    /// already keeps its price and its taxes, unless the tax exemption changes. Allowed only before a part of
    /// the order is fulfilled or cancelled.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, min_items = 1, max_items = 200)]
    lines: Option<Vec<PlaceLine>>,
    /// A discount on the whole order, after the discounts on the lines. Fees have no part in it. Allowed only
    /// with lines. Defaults to no discount.
    discount: Option<DiscountText>,
}

/// Change an order
///
/// Changes the lines and the customer before a part of the order is fulfilled or cancelled, and the note and
/// the day of payment at any time, as well as externalId and metadata. The body is a JSON Merge Patch (RFC
/// 7396): a field that is left out stays unchanged, and null removes a value. If stock is missing for the
/// new lines, the answer is 409 with shortages, and nothing changes.
#[utoipa::path(tag = "orders", operation_id = "changeOrder", request_body = ChangeOrder,
    responses((status = 200, body = OrderView)), params(("id" = OrderId, Path,)))]
#[patch("/orders/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::OrdersPlace>,
    PathId(id): PathId<OrderId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeOrder>,
) -> Result<HttpResponse, Problem> {
    let ChangeOrder { customer_id, note, due_on, external_id, external_source, metadata, lines, discount } =
        body.value;
    if discount.is_some() && lines.is_none() {
        let message = "a discount is allowed only with lines; send all lines, too";
        return Err(Problem::invalid("/discount", Code::InvalidLineCount, message));
    }
    let may_set_prices = caller.may(Permission::CatalogueWrite);
    let checked = |lines: Vec<PlaceLine>| {
        lines.into_iter().enumerate().map(|(index, line)| line.checked(index, may_set_prices)).collect()
    };
    let change = OrderChange {
        customer_id,
        note,
        due_on: due_on.map(|day| day.map(Day::date)),
        own_keys: OwnKeysChange { external_id, external_source, metadata },
        lines: lines.map(checked).transpose()?,
        discount: discount.map(|text| text.0),
        may_set_prices,
        if_version,
    };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| with_currency(tx, order_change::update(tx, id, &change, actor)).await;
    let (currency, order) = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(Tag::of_version(order.version), &OrderView::new(order, &currency)))
}
