//! How a location reorders a variant.

use actix_web::{HttpRequest, HttpResponse, get, patch, web};
use inventory::reordering::{self, ReorderingChange};
use inventory::{LocationId, VariantId};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::ToSchema;
use values::{NonNegative, Quantity};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReorderingView {
    variant_id: VariantId,
    location_id: LocationId,
    /// Whether the location keeps the variant. Low stock opens an alert only there. A location keeps a
    /// variant as soon as it has had stock of the variant.
    kept: bool,
    /// The location's own reorder level, in sale units. null: the reorder level of the variant.
    reorder_level: Option<Quantity>,
    /// The stock that a reorder restores at the location, in sale units. null: the target of the variant.
    target_quantity: Option<Quantity>,
}

async fn read(
    tx: &TenantTx,
    (variant_id, location_id): (VariantId, LocationId),
) -> Result<(Tag, ReorderingView), Problem> {
    let stored = reordering::find(tx, variant_id, location_id).await?;
    let view = ReorderingView {
        variant_id,
        location_id,
        kept: stored.is_kept,
        reorder_level: stored.reorder_level,
        target_quantity: stored.target_quantity,
    };
    // The first stock at a location changes `kept` and no version.
    Ok((Tag::with_shown(stored.version, stored.is_kept.into()), view))
}

/// Read how a location reorders a variant
///
/// Returns the reorder level and the target quantity that apply at one location.
#[utoipa::path(tag = "stock", operation_id = "readReordering",
    responses((status = 200, body = ReorderingView)),
    params(("id" = VariantId, Path,), ("locationId" = LocationId, Path,)))]
#[get("/variants/{id}/locations/{locationId}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(key): PathId<(VariantId, LocationId)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (tag, view) = state.database.read(&caller.scope(), async |tx| read(tx, key).await).await?;
    Ok(etag::respond(&request, tag, &view))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeReordering {
    /// false: the location does not keep the variant, so low stock opens no alert there.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    kept: Option<bool>,
    /// The location's own reorder level, in sale units. null: the reorder level of the variant.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    reorder_level: Option<Option<NonNegative<Quantity>>>,
    /// The stock that a reorder restores at the location, in sale units. null: the target of the variant. A
    /// target below the reorder level counts as the reorder level.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    target_quantity: Option<Option<NonNegative<Quantity>>>,
}

/// Change how a location reorders a variant
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value. A location that gets its first reorder level or target of a variant keeps the variant from then on.
#[utoipa::path(tag = "stock", operation_id = "changeReordering", request_body = ChangeReordering,
    responses((status = 200, body = ReorderingView)),
    params(("id" = VariantId, Path,), ("locationId" = LocationId, Path,)))]
#[patch("/variants/{id}/locations/{locationId}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(key): PathId<(VariantId, LocationId)>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeReordering>,
) -> Result<HttpResponse, Problem> {
    let ChangeReordering { kept: is_kept, reorder_level, target_quantity } = body.value;
    let change = ReorderingChange { is_kept, reorder_level, target_quantity, if_version };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        reordering::update(tx, key.0, key.1, &change, actor).await?;
        read(tx, key).await
    };
    let (tag, view) = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(tag, &view))
}
