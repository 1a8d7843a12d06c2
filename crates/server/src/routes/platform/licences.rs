//! Plans, and the licences of businesses, for the platform's staff.

use actix_web::{HttpResponse, delete, get, put, web};
use platform::licence::Until;
use platform::plan::{self, NewPlan, Plan};
use serde::{Deserialize, Serialize};
use tenancy::{DbError, PlanKey, PlanLimits, SharedScope, SharedTx, Tenant, TenantId, tenant};
use utoipa::ToSchema;
use values::{Moment, Name};

use crate::http::caller::{Staff, may};
use crate::http::codes::Code;
use crate::http::extract::{Json, PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::business::licence::{LicenceView, PlanLimitsView};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// The key, which never changes.
    #[schema(example = "basic")]
    key: PlanKey,
    /// The name, as people see it.
    #[schema(example = "Basic")]
    name: Name,
    /// The days of one term; null: a licence has no end.
    #[schema(example = 365)]
    term_days: Option<i32>,
    /// The days after the end of a licence on which a business may still sell.
    #[schema(example = 14)]
    grace_days: i32,
    #[serde(flatten)]
    limits: PlanLimitsView,
    /// Whether a new business gets the plan. Exactly one plan is the default.
    is_default: bool,
    /// The number of businesses that have the plan.
    businesses: i64,
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        Self {
            key: plan.key,
            name: plan.name,
            term_days: plan.term_days,
            grace_days: plan.grace_days,
            limits: plan.limits.into(),
            is_default: plan.is_default,
            businesses: plan.businesses,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Basic", "termDays": 365, "graceDays": 14, "maxMembers": 5}))]
pub struct SavePlan {
    /// The name, as people see it.
    name: Name,
    /// The days of one term, 1 to 3660. Defaults to null: a licence has no end.
    #[schema(minimum = 1, maximum = 3660)]
    term_days: Option<i32>,
    /// The days after the end of a licence on which a business may still sell, 0 to 366. Defaults to 0.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 366)]
    grace_days: i32,
    /// The largest number of members who are active or invited. Defaults to null: no limit.
    #[schema(minimum = 1)]
    max_members: Option<i32>,
    /// The largest number of locations that are not archived. Defaults to null: no limit.
    #[schema(minimum = 1)]
    max_locations: Option<i32>,
    /// The largest number of products that are not archived. Defaults to null: no limit.
    #[schema(minimum = 1)]
    max_products: Option<i32>,
    /// The largest number of registers that are not archived. Defaults to null: no limit.
    #[schema(minimum = 1)]
    max_registers: Option<i32>,
    /// true makes the plan the one that new businesses get, instead of the present one. Defaults to false.
    #[serde(default)]
    is_default: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"plan": "basic", "validUntil": "2027-11-30T00:00:00Z"}))]
pub struct GrantLicence {
    /// The key of the plan.
    plan: PlanKey,
    /// The end of the licence, in the future; null: no end. Must be sent.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    valid_until: Option<Option<Moment>>,
}

/// List the plans
///
/// Returns all plans, by their keys.
#[utoipa::path(tag = "platform", operation_id = "listPlans",
    responses((status = 200, body = PageView<PlanView>)))]
#[get("/platform/plans")]
pub async fn list_plans(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let plans = state.database.read_shared(SharedScope::Platform, async |tx| plan::list(tx).await).await?;
    let data = plans.into_iter().map(PlanView::from).collect();
    Ok(HttpResponse::Ok().json(PageView { data, next_cursor: None }))
}

/// Store a plan
///
/// Stores a new plan, or replaces the plan with this key. Licences of the plan keep their ends. The limits
/// and the days of grace apply to them at once.
#[utoipa::path(tag = "platform", operation_id = "savePlan", request_body = SavePlan,
    responses((status = 200, body = PlanView)), params(("key" = PlanKey, Path,)))]
#[put("/platform/plans/{key}")]
pub async fn save_plan(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(key): PathId<PlanKey>,
    body: Json<SavePlan>,
) -> Result<HttpResponse, Problem> {
    let SavePlan {
        name,
        term_days,
        grace_days,
        max_members,
        max_locations,
        max_products,
        max_registers,
        is_default,
    } = body.value;
    let limits = PlanLimits { max_members, max_locations, max_products, max_registers };
    let new = NewPlan { key, name, term_days, grace_days, limits, is_default };
    let plan = state.operator(&staff)?.save_plan(&new).await?;
    Ok(HttpResponse::Ok().json(PlanView::from(plan)))
}

/// Remove a plan
///
/// The plan that new businesses get, and a plan that a business has, cannot be removed.
#[utoipa::path(tag = "platform", operation_id = "removePlan", responses((status = 204)),
    params(("key" = PlanKey, Path,)))]
#[delete("/platform/plans/{key}")]
pub async fn remove_plan(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(key): PathId<PlanKey>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.remove_plan(&key).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Get the licence of a business
///
/// Returns the plan of a business, its limits and the day on which the licence ends.
#[utoipa::path(tag = "platform", operation_id = "readLicenceOfBusiness",
    responses((status = 200, body = LicenceView)), params(("id" = TenantId, Path,)))]
#[get("/platform/tenants/{id}/licence")]
pub async fn show(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    PathId(id): PathId<TenantId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    show_now(&state, id).await
}

async fn show_now(state: &State, id: TenantId) -> Result<HttpResponse, Problem> {
    let find = async |tx: &SharedTx| {
        let view =
            |tenant: Tenant| LicenceView::new(&tenant.licence, state.settings.licence.required, tx.now());
        Ok::<_, DbError>(tenant::find_by_id(tx, id).await?.map(view))
    };
    let found = state.database.read_shared(SharedScope::Platform, find).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(Problem::not_found)?))
}

/// Grant a licence to a business
///
/// Gives the business a plan, and the licence an end. All servers let the business sell at once. The same
/// again changes nothing.
#[utoipa::path(tag = "platform", operation_id = "grantLicence", request_body = GrantLicence,
    responses((status = 200, body = LicenceView)), params(("id" = TenantId, Path,)))]
#[put("/platform/tenants/{id}/licence")]
pub async fn grant(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
    body: Json<GrantLicence>,
) -> Result<HttpResponse, Problem> {
    let GrantLicence { plan, valid_until } = body.value;
    let message = "send the end of the licence; null means that it has no end";
    let until = match valid_until {
        None => return Err(Problem::invalid("/validUntil", Code::MissingField, message)),
        Some(None) => Until::NoEnd,
        Some(Some(moment)) => Until::Moment(moment.time()),
    };
    state.operator(&staff)?.grant_licence(id, Some(&plan), until).await?;
    show_now(&state, id).await
}

/// Revoke the licence of a business
///
/// If this installation requires licences, no server lets the business sell from now on.
#[utoipa::path(tag = "platform", operation_id = "revokeLicence",
    responses((status = 200, body = LicenceView)), params(("id" = TenantId, Path,)))]
#[delete("/platform/tenants/{id}/licence")]
pub async fn revoke(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.revoke_licence(id).await?;
    show_now(&state, id).await
}
