//! The settings of a business.

use actix_web::{HttpRequest, HttpResponse, get, patch, web};
use inventory::settings::{self, OperatorAccess, Settings, SettingsChange};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{Origin, Percent, Reason, Rounding, TimeZone};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, Query};
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::recent::require_recent;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeSettings {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    rounding: Option<Rounding>,
    /// Whether an order is fulfilled when it is placed. An order may override this setting with its field
    /// fulfil.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    fulfils_at_once: Option<bool>,
    /// The discount limit: the largest discount on an order, in percent, for members without the permission
    /// catalogue.write.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    discount_limit_percent: Option<Percent>,
    /// The time zone of the business, as a name of the IANA time zone database. It determines when a day
    /// begins and ends.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    time_zone: Option<TimeZone>,
    /// The over-receipt tolerance: the quantity that may be received beyond the ordered quantity, in percent
    /// of the line.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    over_receipt_percent: Option<Percent>,
    /// The reasons that an adjustment may have. If the list is empty, any reason is allowed.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    adjustment_reasons: Option<Vec<Reason>>,
    /// The origins whose web pages may call the API of this business in a browser (CORS), at most 20. The
    /// operator of the platform may allow further origins for all businesses.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    cors_origins: Option<Vec<Origin>>,
    /// The actions that the staff of the platform may take when they act as a member of this business: full,
    /// read_only or none. The change takes effect at once. Each such request is in the authentication events.
    /// Only a member who has just given the password can change this, and no program.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    operator_access: Option<OperatorAccess>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// The currency of all amounts. It cannot be changed.
    #[schema(example = "EUR")]
    currency: String,
    /// The number of decimals in amounts of the currency.
    currency_decimals: u32,
    rounding: Rounding,
    /// Whether an order is fulfilled when it is placed. An order may override this setting with its field
    /// fulfil.
    fulfils_at_once: bool,
    /// The discount limit: the largest discount on an order, in percent, for members without the permission
    /// catalogue.write.
    discount_limit_percent: Percent,
    /// The time zone of the business, as a name of the IANA time zone database. It determines when a day
    /// begins and ends.
    time_zone: TimeZone,
    /// The over-receipt tolerance: the quantity that may be received beyond the ordered quantity, in percent
    /// of the line.
    over_receipt_percent: Percent,
    /// The reasons that an adjustment may have. If the list is empty, any reason is allowed.
    adjustment_reasons: Vec<Reason>,
    /// The origins whose web pages may call the API of this business in a browser (CORS).
    cors_origins: Vec<Origin>,
    /// The actions that the staff of the platform may take when they act as a member of this business.
    operator_access: OperatorAccess,
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
            cors_origins: settings.cors_origins,
            operator_access: settings.operator_access,
        }
    }
}

/// Read the settings
#[utoipa::path(tag = "business", operation_id = "readSettings",
    responses((status = 200, body = SettingsView)))]
#[get("/settings")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    request: HttpRequest,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let settings = state.database.read(&caller.scope(), async |tx| settings::read(tx).await).await?;
    Ok(etag::respond(&request, Tag::of_version(settings.version), &SettingsView::from(settings)))
}

/// Change the settings
///
/// A setting that is left out stays unchanged. The currency cannot change, because stored amounts would
/// change their meaning.
#[utoipa::path(tag = "business", operation_id = "changeSettings", request_body = ChangeSettings,
    responses((status = 200, body = SettingsView)))]
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
        cors_origins,
        operator_access,
    } = body.value;
    if operator_access.is_some() {
        // Neither the staff nor a program decides what the staff may do.
        require_recent(caller.require_member()?)?;
    }
    let change = SettingsChange {
        rounding,
        fulfils_at_once,
        discount_limit: discount_limit_percent,
        time_zone,
        over_receipt: over_receipt_percent,
        adjustment_reasons,
        cors_origins,
        operator_access,
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
