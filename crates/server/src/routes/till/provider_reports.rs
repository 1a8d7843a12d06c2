//! The reports of the provider of mobile money, at the address of the platform. A report is stored before
//! it is acknowledged, and then delivered to its business.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web};
use platform::received_payment::{self, Undelivered};
use serde_json::Value;
use tenancy::{DbError, SharedScope, SharedTx, TenantId, TenantScope, TenantTx, chain, tenant};
use till::provider::{MobileMoney, ReportError, ReportedPayment, RequestOutcome};
use till::{PaymentRequestId, payment_matching, payment_request};

use crate::http::codes::Code;
use crate::http::extract::Json;
use crate::http::host_owner::HostOwner;
use crate::http::problem::Problem;
use crate::http::state::State;

/// Mobile money, at the address of the platform alone.
fn mobile_money<'a>(state: &'a State, host_owner: &HostOwner) -> Result<&'a MobileMoney, Problem> {
    match host_owner.tenant() {
        Some(_) => Err(Problem::not_found()),
        None => state.mobile_money.as_ref().ok_or_else(Problem::not_found),
    }
}

fn unreadable(error: &ReportError) -> Problem {
    Problem::new(Code::InvalidReport, error.to_string())
}

/// Receive the provider's report of a payment
///
/// For the provider of mobile money, which gets this address with `tenantry mobile-money register`. The
/// body is that of the provider. A repeated report changes nothing.
#[utoipa::path(tag = "mobile-money", operation_id = "receivePayment", request_body = Value, security(()),
    responses((status = 200, body = Value)), params(("token" = String, Path,)))]
#[post("/mobile-money/payments/{token}")]
pub async fn report_payment(
    state: web::Data<State>,
    host_owner: HostOwner,
    token: web::Path<String>,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let mobile_money = mobile_money(&state, &host_owner)?;
    if !mobile_money.callbacks.is_of_payments(&token) {
        return Err(Problem::not_found());
    }
    let reported = mobile_money.provider.read_payment(&body.value).map_err(|error| unreadable(&error))?;
    receive(&state, mobile_money, &reported, None).await?;
    Ok(HttpResponse::Ok().json(mobile_money.provider.acknowledgement()))
}

/// Receive the provider's report of an outcome
///
/// For the provider of mobile money, which gets this address with the request. The body is that of the
/// provider. A repeated report changes nothing.
#[utoipa::path(tag = "mobile-money", operation_id = "receivePaymentOutcome",
request_body = Value, security(()),
    responses((status = 200, body = Value)),
    params(("business" = TenantId, Path,), ("id" = PaymentRequestId, Path,), ("token" = String, Path,)))]
#[post("/mobile-money/requests/{business}/{id}/{token}")]
pub async fn report_outcome(
    state: web::Data<State>,
    host_owner: HostOwner,
    path: web::Path<(TenantId, PaymentRequestId, String)>,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let mobile_money = mobile_money(&state, &host_owner)?;
    let (tenant, request, token) = path.into_inner();
    if !mobile_money.callbacks.is_of_request(tenant, request, &token) {
        return Err(Problem::not_found());
    }
    let outcome = mobile_money.provider.read_outcome(&body.value).map_err(|error| unreadable(&error))?;
    match &outcome {
        RequestOutcome::Paid(Some(reported)) => {
            receive(&state, mobile_money, reported, Some((tenant, request))).await?;
        }
        // Lost if the business cannot be reached: a job asks the provider again.
        outcome => {
            let scope = scope_of(&state, tenant).await?.ok_or_else(Problem::not_found)?;
            let note = async |tx: &TenantTx| payment_request::note_outcome(tx, request, outcome).await;
            state.database.write(&scope, note).await?;
        }
    }
    Ok(HttpResponse::Ok().json(mobile_money.provider.acknowledgement()))
}

/// Stores a payment, and delivers it to its business. If that fails, a job delivers it later.
async fn receive(
    state: &State,
    mobile_money: &MobileMoney,
    reported: &ReportedPayment,
    answered: Option<(TenantId, PaymentRequestId)>,
) -> Result<(), Problem> {
    let scope = answered.map_or(SharedScope::Public, |(tenant, _)| SharedScope::Tenant(tenant));
    let store = async |tx: &SharedTx| received_payment::store(tx, mobile_money, reported, answered).await;
    let Some(stored) = state.database.write_shared(scope, store).await? else { return Ok(()) };
    let transaction = &reported.transaction_id;
    let Some(tenant) = stored.tenant else {
        let till = &stored.payment.till_number;
        tracing::warn!(transaction, till, "no business has the till number of a payment");
        return Ok(());
    };
    if let Err(error) = deliver(state, tenant, &stored).await {
        tracing::warn!(transaction, error = %chain(&error), "a payment is delivered to its business later");
    }
    Ok(())
}

async fn deliver(state: &State, tenant: TenantId, waiting: &Undelivered) -> Result<(), DbError> {
    let Some(scope) = scope_of(state, tenant).await? else { return Ok(()) };
    let receive = async |tx: &TenantTx| payment_matching::receive(tx, &waiting.payment).await;
    state.database.write(&scope, receive).await?;
    let note = async |tx: &SharedTx| received_payment::note_delivery(tx, waiting).await;
    state.database.write_shared(SharedScope::Tenant(tenant), note).await
}

async fn scope_of(state: &State, id: TenantId) -> Result<Option<TenantScope>, DbError> {
    let find = async |tx: &SharedTx| tenant::find_by_id(tx, id).await;
    let tenant = state.database.read_shared(SharedScope::Tenant(id), find).await?;
    Ok(tenant.map(|tenant| Arc::new(tenant).scope()))
}
