//! Payments by mobile money to till numbers that no business has, for the platform's staff.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use platform::received_payment::{self, UnclaimedPayment};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx, TenantId, tenant};
use till::MobilePaymentId;
use utoipa::ToSchema;
use values::{Amount, Currency};

use crate::http::caller::{Staff, may};
use crate::http::extract::{Json, PathId};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnclaimedPaymentView {
    id: MobilePaymentId,
    /// The provider.
    #[schema(example = "mpesa")]
    provider: String,
    /// The number of the transaction at the provider.
    #[schema(example = "SKU7Q2M9XT")]
    transaction_id: String,
    /// The till number that was paid.
    #[schema(example = "522533")]
    till_number: String,
    /// The amount.
    #[schema(example = "450.00")]
    amount: Amount,
    /// The currency of the amount.
    #[schema(example = "KES")]
    #[schema(value_type = Currency)]
    currency: String,
    /// The time of the payment, by the clock of the provider.
    paid_at: DateTime<Utc>,
    /// The time of the report.
    received_at: DateTime<Utc>,
}

impl From<UnclaimedPayment> for UnclaimedPaymentView {
    fn from(payment: UnclaimedPayment) -> Self {
        let currency = Currency::parse(&payment.currency);
        Self {
            id: payment.id,
            provider: payment.provider,
            transaction_id: payment.transaction_id,
            till_number: payment.till_number,
            amount: currency
                .map_or_else(|_| payment.amount.plain(), |currency| currency.format(payment.amount)),
            currency: payment.currency,
            paid_at: payment.paid_at,
            received_at: payment.received_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"tenantId": "01920000-0000-7000-8000-000000000000"}))]
pub struct AssignUnclaimedPayment {
    /// The business that gets the payment.
    tenant_id: TenantId,
}

/// List unclaimed payments
///
/// Returns the payments by mobile money to till numbers that no business had, newest first.
#[utoipa::path(tag = "platform", operation_id = "listUnclaimedPayments", params(Paging),
    responses((status = 200, body = PageView<UnclaimedPaymentView>)))]
#[get("/platform/unclaimed-payments")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &SharedTx| received_payment::unclaimed(tx, &page).await;
    let page = state.database.read_shared(SharedScope::Platform, read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, UnclaimedPaymentView::from)))
}

/// Assign an unclaimed payment
///
/// Gives the payment to a business. There, the payment confirms the sale with its number, or is open.
#[utoipa::path(tag = "platform", operation_id = "assignUnclaimedPayment",
request_body = AssignUnclaimedPayment,
    responses((status = 200, body = UnclaimedPaymentView)), params(("id" = MobilePaymentId, Path,)))]
#[post("/platform/unclaimed-payments/{id}/assign")]
pub async fn assign(
    state: web::Data<State>,
    staff: Staff<may::TenantsWrite>,
    PathId(id): PathId<MobilePaymentId>,
    body: Json<AssignUnclaimedPayment>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(&staff)?;
    let find = async |tx: &SharedTx| tenant::find_by_id(tx, body.value.tenant_id).await;
    let tenant = state.database.read_shared(SharedScope::Platform, find).await?;
    let tenant = tenant.ok_or_else(|| Problem::not_found_at("/tenantId", "there is no such business"))?;
    let payment = operator.assign_payment(id, &tenant).await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(UnclaimedPaymentView::from(payment)))
}
