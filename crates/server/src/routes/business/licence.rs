//! The licence of a business, as the business sees it.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tenancy::{DbError, Licence, PlanKey, PlanLimits, Standing, TenantTx};
use utoipa::ToSchema;

use crate::http::caller::{Caller, may};
use crate::http::extract::Query;
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenceView {
    /// The key of the plan.
    #[schema(example = "basic")]
    plan: PlanKey,
    /// The name of the plan.
    #[schema(example = "Basic")]
    plan_name: String,
    /// Whether the licence lets the business sell at the moment.
    standing: Standing,
    /// The end of the licence; null if it has no end.
    valid_until: Option<DateTime<Utc>>,
    /// The moment from which the business may not sell: the end, and the days of grace. null if there is
    /// none.
    sells_until: Option<DateTime<Utc>>,
    /// Whether a business of this installation needs a valid licence to sell. If not, standing and the two
    /// moments restrict nothing.
    is_required: bool,
    limits: PlanLimitsView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanLimitsView {
    /// The largest number of members who are active or invited; null: no limit.
    max_members: Option<i32>,
    /// The largest number of locations that are not archived; null: no limit.
    max_locations: Option<i32>,
    /// The largest number of products that are not archived; null: no limit.
    max_products: Option<i32>,
    /// The largest number of registers that are not archived; null: no limit.
    max_registers: Option<i32>,
}

impl From<PlanLimits> for PlanLimitsView {
    fn from(limits: PlanLimits) -> Self {
        let PlanLimits { max_members, max_locations, max_products, max_registers } = limits;
        Self { max_members, max_locations, max_products, max_registers }
    }
}

impl LicenceView {
    pub fn new(licence: &Licence, is_required: bool, now: DateTime<Utc>) -> Self {
        Self {
            plan: licence.plan.clone(),
            plan_name: licence.plan_name.clone(),
            standing: licence.standing(now),
            valid_until: licence.valid_until,
            sells_until: licence.sells_until(),
            is_required,
            limits: licence.limits.into(),
        }
    }
}

/// Get the licence of the business
///
/// A business whose licence has ended, with its days of grace, may not place orders: such requests get 402.
/// Everything else goes on: to read, to export, to fulfil, to take back and to receive. The operator of the
/// platform renews a licence, and the business sells again at once.
#[utoipa::path(tag = "business", operation_id = "readLicence", responses((status = 200, body = LicenceView)))]
#[get("/licence")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let licence = &caller.tenant.licence;
    let now = async |tx: &TenantTx| Ok::<_, DbError>(tx.now());
    let now = state.database.read(&caller.scope(), now).await?;
    Ok(HttpResponse::Ok().json(LicenceView::new(licence, licence.is_required, now)))
}
