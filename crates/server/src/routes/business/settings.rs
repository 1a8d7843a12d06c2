//! A business's settings.

use actix_web::{HttpRequest, HttpResponse, get, patch, web};
use inventory::pricing::Rounding;
use inventory::settings::{self, Settings, SettingsChange};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{Percent, Reason, ShortText};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, IfMatch, Json, Query, may};
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeSettings {
    /// half_away_from_zero or half_even.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, example = "half_even")]
    rounding: Option<Rounding>,
    /// Whether an order is fulfilled when it is placed, unless it says otherwise.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    fulfils_at_once: Option<bool>,
    /// How much a role without catalogue.write takes off an order at most, in percent of what its prices come to.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, example = "10")]
    discount_limit_percent: Option<Percent>,
    /// A name of the IANA time zone database: where the business's days begin and end.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, example = "Africa/Nairobi")]
    time_zone: Option<ShortText>,
    /// How much more than ordered a goods receipt may bring, in percent of the line.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, example = "5")]
    over_receipt_percent: Option<Percent>,
    /// The reasons that an adjustment may give; any when there are none.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<Vec<String>>, example = json!(["damaged", "lost", "found"]))]
    adjustment_reasons: Option<Vec<Reason>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    #[schema(example = "EUR")]
    currency: String,
    /// The decimals that amounts are told with.
    currency_decimals: u32,
    #[schema(value_type = String, example = "half_away_from_zero")]
    rounding: Rounding,
    fulfils_at_once: bool,
    #[schema(value_type = String)]
    discount_limit_percent: Percent,
    #[schema(example = "Africa/Nairobi")]
    time_zone: String,
    #[schema(value_type = String)]
    over_receipt_percent: Percent,
    adjustment_reasons: Vec<String>,
}

impl From<Settings> for SettingsView {
    fn from(settings: Settings) -> Self {
        Self {
            currency: settings.terms.currency.code().to_owned(),
            currency_decimals: settings.terms.currency.decimals(),
            rounding: settings.terms.rounding,
            fulfils_at_once: settings.terms.fulfils_at_once,
            discount_limit_percent: settings.terms.discount_limit,
            time_zone: settings.time_zone,
            over_receipt_percent: settings.over_receipt,
            adjustment_reasons: settings.adjustment_reasons,
        }
    }
}

/// Read the settings
#[utoipa::path(tag = "business", responses((status = 200, body = SettingsView)))]
#[get("/settings")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    request: HttpRequest,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let settings = state.database.read(&caller.scope(), async |tx| settings::read(tx).await).await?;
    Ok(etag::respond(request.headers(), Tag::of_version(settings.version), &SettingsView::from(settings)))
}

/// Change the settings
///
/// The currency stays as it is: amounts would mean something else.
#[utoipa::path(tag = "business", request_body = ChangeSettings, responses((status = 200, body = SettingsView)))]
#[patch("/settings")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeSettings>,
) -> Result<HttpResponse, Problem> {
    let ChangeSettings {
        rounding,
        fulfils_at_once,
        discount_limit_percent,
        time_zone,
        over_receipt_percent,
        adjustment_reasons,
    } = body.value;
    let change = SettingsChange {
        rounding,
        fulfils_at_once,
        discount_limit: discount_limit_percent,
        time_zone,
        over_receipt: over_receipt_percent,
        adjustment_reasons,
        if_version,
    };
    let actor = caller.actor();
    let work = async |tx: &tenancy::TenantTx| {
        settings::update(tx, &change, actor).await?;
        Ok::<_, Problem>(settings::read(tx).await?)
    };
    let settings = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(Tag::of_version(settings.version), &SettingsView::from(settings)))
}
