//! Suggested purchase orders for stock that is low.

use actix_web::{HttpResponse, get, post, web};
use inventory::reorder::{self, Source, SuggestedLine, Suggestion, Suggestions};
use inventory::reorder_draft::{self, NewDraft};
use inventory::{LocationId, PurchaseOrderId, SupplierId, VariantId};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use values::{Amount, Currency, ExchangeRate, Positive, Quantity, Sku};

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};
use crate::routes::purchasing::purchase_orders::{PurchaseOrderView, tag};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReorderView {
    /// The suggested purchase orders.
    data: Vec<SuggestionView>,
    /// Whether there are more than 1000 lines, of which the report has 1000. Order these first, and read the
    /// report again.
    more: bool,
}

/// A suggested purchase order: one supplier, one location, one currency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestionView {
    /// The suggested supplier. null for variants without a price of a supplier that is not archived.
    supplier_id: Option<SupplierId>,
    /// The name of the supplier.
    #[schema(example = "Bolts & Co")]
    supplier: Option<String>,
    /// The location that needs the goods.
    location_id: LocationId,
    /// The currency of the supplier's prices, and of the purchase order to draft. null without a supplier.
    #[schema(example = "EUR")]
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
    lines: Vec<SuggestedLineView>,
}

values::words! {
    /// From where the goods of a suggested line come.
    pub enum ReorderSource {
        /// From the supplier.
        Purchase = "purchase",
        /// From another location.
        Transfer = "transfer",
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestedLineView {
    variant_id: VariantId,
    #[schema(example = "BOLT-M8")]
    sku: Sku,
    /// The name of the product.
    #[schema(example = "Hex bolt")]
    name: String,
    /// The stock on hand minus the reserved stock at the location, in sale units.
    available: Quantity,
    /// The quantity on its way to the location, in sale units: ordered from suppliers, not received and not
    /// overdue, or in transit from other locations.
    incoming: Quantity,
    /// The reorder level of the variant at the location, in sale units. Zero if it has none.
    reorder_level: Quantity,
    /// The stock that a reorder restores, in sale units. null: the reorder level plus the sales of 30 days.
    target_quantity: Option<Quantity>,
    /// The quantity sold at the location in the last 30 days, minus the quantity returned, in sale units.
    sold: Quantity,
    /// Whether to buy the goods or to transfer them. If another location has only a part of what is needed,
    /// the variant has two lines: one to transfer and one to buy.
    source: ReorderSource,
    /// The location to transfer the goods from: the one that has the most above its own target. null for a
    /// line to buy.
    from_location_id: Option<LocationId>,
    /// The suggested quantity, in sale units. It brings available and incoming stock to targetQuantity.
    /// Without a target, it brings them to the reorder level plus the sales of 30 days, or to twice the
    /// reorder level if that is more. It is rounded up to whole units, and is at least 1. A quantity to buy
    /// is at least minimumQuantity.
    quantity: Quantity,
    /// The supplier's price for one unit, in currency. null without a supplier price.
    #[schema(example = "0.12")]
    unit_cost: Option<Amount>,
    /// The currency of the supplier's price.
    #[schema(example = "EUR")]
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
    /// The supplier's code for the variant.
    #[schema(example = "HB-M8-100")]
    supplier_sku: Option<Sku>,
    /// The smallest quantity that the supplier sells, in sale units. null for no minimum.
    minimum_quantity: Option<Quantity>,
    /// The number of days from sending the purchase order to the arrival of the goods: that of the supplier's
    /// price, or else that of the supplier. null if unknown.
    #[schema(example = 7)]
    lead_time_days: Option<i16>,
}

impl From<Suggestion> for SuggestionView {
    fn from(suggestion: Suggestion) -> Self {
        let (supplier_id, supplier) = suggestion.supplier.unzip();
        let lines: Vec<_> = suggestion.lines.into_iter().map(SuggestedLineView::from).collect();
        let currency = lines.first().and_then(|line| line.currency.clone());
        Self { supplier_id, supplier, location_id: suggestion.location_id, currency, lines }
    }
}

impl From<SuggestedLine> for SuggestedLineView {
    fn from(line: SuggestedLine) -> Self {
        let price = line.price.as_ref();
        Self {
            variant_id: line.variant_id,
            available: line.available,
            incoming: line.incoming,
            reorder_level: line.reorder_level,
            target_quantity: line.target_quantity,
            sold: line.sold,
            source: match line.source {
                Source::Purchase => ReorderSource::Purchase,
                Source::Transfer(_) => ReorderSource::Transfer,
            },
            from_location_id: match line.source {
                Source::Purchase => None,
                Source::Transfer(location) => Some(location),
            },
            quantity: line.quantity,
            unit_cost: price.map(|price| price.cost.plain()),
            currency: price.map(|price| price.currency.clone()),
            supplier_sku: price.and_then(|price| price.supplier_sku.clone()),
            minimum_quantity: price.and_then(|price| price.minimum_quantity),
            lead_time_days: price.and_then(|price| price.lead_time_days),
            sku: line.sku,
            name: line.name,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Reorder {
    /// Returns only suggestions for this location. Defaults to all locations.
    location_id: Option<LocationId>,
}

/// Suggest purchase orders
///
/// Suggests quantities for variants whose stock is low or out and not covered by incoming stock. For each
/// variant, the supplier with the lowest price in the currency of the business is suggested, or, without such
/// a price, the supplier with the lowest price in any currency. The suggestions are grouped by supplier,
/// location and currency. To draft a purchase order from a group, send its `supplierId`, its `locationId`
/// and its `currency` to `/api/v1/purchase-orders/suggested`, and the `exchangeRate` if the currency is not
/// that of the business. To transfer the goods of a line with the source `transfer`, send its
/// `fromLocationId`, the `locationId` of the group as `toLocationId`, and the
/// `variantId` and the `quantity` of the line.
#[utoipa::path(tag = "insight", operation_id = "suggestPurchaseOrders", params(Reorder),
    responses((status = 200, body = ReorderView)))]
#[get("/reports/reorder")]
pub async fn suggest(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    Query(query): Query<Reorder>,
) -> Result<HttpResponse, Problem> {
    let suggest = async |tx: &TenantTx| reorder::suggest(tx, query.location_id).await;
    let Suggestions { suggestions, has_more: more } = state.database.read(&caller.scope(), suggest).await?;
    let data = suggestions.into_iter().map(SuggestionView::from).collect();
    Ok(HttpResponse::Ok().json(ReorderView { data, more }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "supplierId": "01920000-0000-7000-8000-000000000000",
    "locationId": "01920000-0000-7000-8000-000000000000",
}))]
pub struct DraftSuggestion {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<PurchaseOrderId>,
    /// The supplier of the suggestion.
    supplier_id: SupplierId,
    /// The location that needs the goods. Defaults to the default location of the business.
    location_id: Option<LocationId>,
    /// The currency of the suggestion. Defaults to that of the first suggestion of the supplier for the
    /// location.
    #[schema(example = "EUR")]
    currency: Option<Currency>,
    /// The price of one unit of the currency in the currency of the business. Required if the currencies
    /// differ.
    exchange_rate: Option<Positive<ExchangeRate>>,
}

/// Draft a purchase order from a suggestion
///
/// Drafts one purchase order of all goods that are suggested to be bought from the supplier for the location.
/// It is expected when the goods with the longest lead time arrive. Requires an Idempotency-Key header.
#[utoipa::path(tag = "purchasing", operation_id = "draftSuggestedPurchaseOrder",
    params(RequiredKey), request_body = DraftSuggestion,
    responses((status = 201, body = PurchaseOrderView)))]
#[post("/purchase-orders/suggested")]
pub async fn draft(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::PurchasingWrite, DraftSuggestion>,
) -> Result<HttpResponse, Problem> {
    let DraftSuggestion { id, supplier_id, location_id, currency, exchange_rate } = body;
    let request = once.requested(id, PurchaseOrderId::new);
    let new = NewDraft { request, supplier_id, location_id, currency, exchange_rate };
    once.run(&state.database, Key::Required, async |tx| {
        Answer::to(reorder_draft::draft(tx, &new, once.actor()).await?, |order| {
            let location = format!("/api/v1/purchase-orders/{}", order.id);
            Answer::created(location, tag(&order), &PurchaseOrderView::new(order))
        })
    })
    .await
}
