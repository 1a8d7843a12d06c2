//! The profile of a business: its names, its address, its numbers.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, put, web};
use inventory::profile::{self, Profile, ProfileChange};
use platform::till_number::{self, Before, TillNumber};
use serde::{Deserialize, Serialize};
use tenancy::TenantSlug;
use tenancy::{SharedScope, SharedTx, TenantTx};
use utoipa::ToSchema;
use values::{Email, Name, Note, ShortText};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, Query};
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeBusiness {
    /// The name in the register of companies.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    legal_name: Option<Option<Name>>,
    /// The name over the door.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    trading_name: Option<Option<Name>>,
    /// The person who owns the business.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    owner_name: Option<Option<Name>>,
    /// The email of the business.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    email: Option<Option<Email>>,
    /// The telephone number of the business.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    phone: Option<Option<ShortText>>,
    /// The postal address, with line breaks.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    address: Option<Option<Note>>,
    /// The number by which the tax office knows the business.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    tax_number: Option<Option<ShortText>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileOfBusinessView {
    /// The first label of the address of the business.
    #[schema(example = "acme")]
    #[schema(value_type = TenantSlug)]
    slug: String,
    /// The name under which the operator of the platform keeps the business.
    #[schema(example = "Acme Ltd")]
    name: String,
    /// The name in the register of companies; null if it is not known.
    #[schema(example = "Acme Trading Ltd")]
    legal_name: Option<Name>,
    /// The name over the door; null if it is not known.
    #[schema(example = "Acme")]
    trading_name: Option<Name>,
    /// The person who owns the business; null if it is not known.
    #[schema(example = "Ann Smith")]
    owner_name: Option<Name>,
    /// The email of the business; null if it is not known.
    email: Option<Email>,
    /// The telephone number of the business; null if it is not known.
    phone: Option<ShortText>,
    /// The postal address, with line breaks; null if it is not known.
    address: Option<Note>,
    /// The number by which the tax office knows the business; null if it is not known.
    #[schema(example = "P051234567A")]
    tax_number: Option<ShortText>,
    /// The till number; null if the business has none.
    #[schema(example = "522533")]
    till_number: Option<TillNumber>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetTillNumber {
    /// The number to which customers pay by mobile money.
    #[schema(example = "522533")]
    till_number: TillNumber,
}

async fn view<P>(
    state: &State,
    caller: &Caller<P>,
    profile: Profile,
) -> Result<(Tag, ProfileOfBusinessView), Problem> {
    let scope = caller.scope();
    let tenant = scope.tenant();
    let find = async |tx: &SharedTx| till_number::find(tx, tenant.id).await;
    let kept = state.database.read_shared(SharedScope::Tenant(tenant.id), find).await?;
    // The number changes without a change of the profile.
    let changes = kept.as_ref().map_or(0, |kept| kept.set_at.timestamp_micros());
    let view = ProfileOfBusinessView {
        slug: tenant.slug.to_string(),
        name: tenant.name.clone(),
        legal_name: profile.legal_name,
        trading_name: profile.trading_name,
        owner_name: profile.owner_name,
        email: profile.email,
        phone: profile.phone,
        address: profile.address,
        tax_number: profile.tax_number,
        till_number: kept.map(|kept| kept.number),
    };
    Ok((Tag::with_shown(profile.version, changes), view))
}

/// Read the profile of the business
///
/// Returns the names, the address and the till number of the business. Receipts show them.
#[utoipa::path(tag = "business", operation_id = "readBusinessProfile",
    responses((status = 200, body = ProfileOfBusinessView)))]
#[get("/business")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    request: HttpRequest,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let profile = state.database.read(&caller.scope(), async |tx| profile::read(tx).await).await?;
    let (tag, view) = view(&state, &caller, profile).await?;
    Ok(etag::respond(&request, tag, &view))
}

/// Change the profile of the business
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value. The slug and the name belong to the operator of the platform.
#[utoipa::path(tag = "business", operation_id = "changeBusinessProfile", request_body = ChangeBusiness,
    responses((status = 200, body = ProfileOfBusinessView)))]
#[patch("/business")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeBusiness>,
) -> Result<HttpResponse, Problem> {
    let ChangeBusiness { legal_name, trading_name, owner_name, email, phone, address, tax_number } =
        body.value;
    let change =
        ProfileChange { legal_name, trading_name, owner_name, email, phone, address, tax_number, if_version };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        profile::update(tx, &change, actor).await?;
        Ok::<_, Problem>(profile::read(tx).await?)
    };
    let profile = state.database.write(&caller.scope(), work).await?;
    let (tag, view) = view(&state, &caller, profile).await?;
    Ok(etag::changed(tag, &view))
}

/// Set the till number
///
/// The number to which customers pay by mobile money. No two businesses of the platform have the same.
#[utoipa::path(tag = "business", operation_id = "setTillNumber", request_body = SetTillNumber,
    responses((status = 204, description = "Set")))]
#[put("/business/till-number")]
pub async fn set_till_number(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    body: Json<SetTillNumber>,
) -> Result<HttpResponse, Problem> {
    change_till_number(&state, &caller, Some(body.value.till_number)).await
}

/// Remove the till number
///
/// Another business may take the number then.
#[utoipa::path(tag = "business", operation_id = "removeTillNumber",
    responses((status = 204, description = "Removed")))]
#[delete("/business/till-number")]
pub async fn remove_till_number(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
) -> Result<HttpResponse, Problem> {
    change_till_number(&state, &caller, None).await
}

async fn change_till_number(
    state: &State,
    caller: &Caller<may::SettingsWrite>,
    number: Option<TillNumber>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope();
    let tenant = scope.tenant().id;
    let set = async |tx: &SharedTx| till_number::set(tx, tenant, number.as_ref()).await;
    let changed = state.database.write_shared(SharedScope::Tenant(tenant), set).await?;
    if let Some(Before(before)) = changed {
        let actor = caller.actor();
        let record = async |tx: &TenantTx| {
            profile::record_till_number(tx, before.as_ref(), number.as_ref(), actor).await
        };
        state.database.write(&scope, record).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}
