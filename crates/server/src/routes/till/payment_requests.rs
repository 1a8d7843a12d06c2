//! Requests to pay by mobile money, which the provider shows on telephones.

use std::cell::RefCell;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::Outcome;
use platform::open_request;
use platform::till_number::{self, TillNumber};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx, TenantTx};
use till::payment_request::{self, NewPaymentRequest, PaymentRequest};
use till::payment_request_status::PaymentRequestStatus;
use till::phone::Phone;
use till::provider::{AskedPayment, MobileMoney};
use till::{MobilePaymentId, PaymentRequestId, RegisterId};
use utoipa::{IntoParams, ToSchema};
use values::{ActorId, Amount, Currency, Money};

use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::PathId;
use crate::http::lists::{List, PageView, Paging};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Once, RequiredKey, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "registerId": "01920000-0000-7000-8000-000000000000", "phone": "+254712345678", "amount": "450",
}))]
pub struct RequestPayment {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<PaymentRequestId>,
    /// The register that waits for the payment.
    register_id: RegisterId,
    /// The telephone of the customer.
    #[schema(example = "+254712345678")]
    phone: Phone,
    /// The amount, greater than zero. M-Pesa accepts only whole amounts.
    amount: Money,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequestView {
    id: PaymentRequestId,
    /// The register that waits for the payment.
    register_id: RegisterId,
    /// The telephone of the customer.
    #[schema(example = "+254712345678")]
    phone: Phone,
    /// The requested amount. The amount of the payment may differ.
    #[schema(example = "450.00")]
    amount: Amount,
    /// The currency of the amount.
    #[schema(example = "KES")]
    currency: Currency,
    status: PaymentRequestStatus,
    /// The provider's reason why there is no payment. null unless the status is declined or failed.
    #[schema(example = "Request cancelled by user")]
    reason: Option<String>,
    /// The payment. Send this id in a payment of the sale. null until the provider reports the payment.
    mobile_payment_id: Option<MobilePaymentId>,
    /// The user or program that sent the request; null for the platform.
    requested_by: ActorId,
    requested_at: DateTime<Utc>,
    /// The time at which the status becomes expired if nothing is reported. A payment that is reported later
    /// still counts.
    expires_at: DateTime<Utc>,
    /// The time at which the outcome was stored. null before.
    ended_at: Option<DateTime<Utc>>,
}

impl PaymentRequestView {
    fn new(request: PaymentRequest, currency: &Currency) -> Self {
        Self {
            id: request.id,
            register_id: request.register_id,
            phone: request.phone,
            amount: currency.format(request.amount),
            currency: currency.clone(),
            status: request.status,
            reason: request.reason,
            mobile_payment_id: request.mobile_payment_id,
            requested_by: request.requested_by,
            requested_at: request.requested_at,
            expires_at: request.expires_at,
            ended_at: request.ended_at,
        }
    }
}

/// The present state of a request, which changes with the clock, too.
fn tag(request: &PaymentRequest) -> Tag {
    let has_expired = request.status == PaymentRequestStatus::Expired;
    let has_payment = request.mobile_payment_id.is_some();
    Tag::with_shown(request.version, i64::from(has_expired) + 2 * i64::from(has_payment))
}

/// Ask a customer to pay by mobile money
///
/// Shows a request to pay on the telephone of the customer. The customer confirms the amount with a PIN. The
/// response does not wait for the customer. Read the request to pay again, or wait for the event
/// payment_request.ended. Then complete the sale with the mobilePaymentId. Requires the till number of the
/// business, and an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "requestPayment",
    params(RequiredKey), request_body = RequestPayment,
    responses((status = 201, body = PaymentRequestView)))]
#[post("/payment-requests")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, RequestPayment>,
) -> Result<HttpResponse, Problem> {
    let mobile_money = state.mobile_money.as_ref().ok_or_else(|| {
        Problem::new(Code::MobileMoneyOff, "This installation has no provider of mobile money.")
    })?;
    let new = NewPaymentRequest {
        request: once.requested(body.id, PaymentRequestId::new),
        register_id: body.register_id,
        phone: body.phone,
        amount: body.amount,
    };
    let till_number = prepare(&state, &once, new.request.id).await?;
    let stored: RefCell<Option<PaymentRequest>> = RefCell::default();
    let answer = once
        .run(&state.database, Key::Required, async |tx| {
            let insert = payment_request::insert(tx, &new, &mobile_money.currency, once.actor());
            let (currency, outcome) = with_currency(tx, insert).await?;
            if let Outcome::Posted(request) = &outcome {
                stored.replace(Some(request.clone()));
            }
            Answer::to(outcome, |request| {
                let (location, tag) = (location(&request), tag(&request));
                Answer::created(location, tag, &PaymentRequestView::new(request, &currency))
            })
        })
        .await?;
    match stored.take() {
        Some(request) => ask(&state, &once, mobile_money, till_number, request).await,
        None => as_it_is_now(&state, &once, answer).await,
    }
}

/// Answers a repeated request. The stored answer is of the time before the provider was asked.
async fn as_it_is_now<P>(
    state: &State,
    once: &Once<P>,
    stored: HttpResponse,
) -> Result<HttpResponse, Problem> {
    let location = stored.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let id = location.and_then(|location| location.rsplit('/').next()?.parse().ok());
    let Some(id): Option<PaymentRequestId> = id else { return Ok(stored) };
    let find = async |tx: &TenantTx| with_currency(tx, payment_request::find(tx, id)).await;
    let (currency, request) = state.database.read(&once.caller.scope(), find).await?;
    let Some(request) = request else { return Ok(stored) };
    let mut response = answered(request, &currency);
    for (name, value) in stored.headers() {
        if !response.headers().contains_key(name) {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    Ok(response)
}

fn answered(request: PaymentRequest, currency: &Currency) -> HttpResponse {
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, location(&request)));
    response.insert_header((header::ETAG, tag(&request).to_string()));
    response.json(PaymentRequestView::new(request, currency))
}

fn location(request: &PaymentRequest) -> String {
    format!("/api/v1/payment-requests/{}", request.id)
}

/// Reads the till number, and notes that the outcome of the request must be found out.
async fn prepare<P>(state: &State, once: &Once<P>, id: PaymentRequestId) -> Result<TillNumber, Problem> {
    let tenant = once.caller.tenant.id;
    let prepare = async |tx: &SharedTx| {
        let kept = till_number::find(tx, tenant).await?;
        if kept.is_some() {
            open_request::insert(tx, tenant, id).await?;
        }
        Ok::<_, tenancy::DbError>(kept)
    };
    let kept = state.database.write_shared(SharedScope::Tenant(tenant), prepare).await?;
    let kept = kept.ok_or_else(|| Problem::new(Code::NoTillNumber, "The business has no till number."))?;
    Ok(kept.number)
}

/// Asks the provider, after the commit, and answers with the request as it is then.
async fn ask<P>(
    state: &State,
    once: &Once<P>,
    mobile_money: &MobileMoney,
    till_number: TillNumber,
    request: PaymentRequest,
) -> Result<HttpResponse, Problem> {
    let (id, tenant) = (request.id, &once.caller.tenant);
    let asked = AskedPayment {
        till_number: till_number.as_str().to_owned(),
        phone: request.phone,
        amount: request.amount,
        payee: tenant.name.clone(),
        callback: mobile_money.callbacks.of_request(tenant.id, id),
    };
    let answer = mobile_money.provider.ask(&asked).await;
    if let Err(error) = &answer {
        tracing::warn!(payment_request.id = %id, "a customer was not asked to pay: {error}");
    }
    let note = async |tx: &TenantTx| {
        payment_request::note_answer(tx, id, &answer).await?;
        with_currency(tx, payment_request::find(tx, id)).await
    };
    let (currency, request) = state.database.write(&once.caller.scope(), note).await?;
    let request = request.ok_or_else(Problem::not_found)?;
    Ok(answered(request, &currency))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct RequestFilter {
    /// Only requests to pay of this register.
    register_id: Option<RegisterId>,
}

/// List requests to pay
///
/// Returns the requests to pay, newest first.
#[utoipa::path(tag = "till", operation_id = "listPaymentRequests", params(RequestFilter, Paging),
    responses((status = 200, body = PageView<PaymentRequestView>)))]
#[get("/payment-requests")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    List { query: filter, page }: List<RequestFilter>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let list =
        async |tx: &TenantTx| with_currency(tx, payment_request::list(tx, filter.register_id, &page)).await;
    let (currency, page) = state.database.read(&caller.scope(), list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |request| PaymentRequestView::new(request, &currency))))
}

/// Read a request to pay
///
/// Returns a request to pay that a telephone shows or has answered.
#[utoipa::path(tag = "till", operation_id = "readPaymentRequest",
    responses((status = 200, body = PaymentRequestView)), params(("id" = PaymentRequestId, Path,)))]
#[get("/payment-requests/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<PaymentRequestId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let find = async |tx: &TenantTx| with_currency(tx, payment_request::find(tx, id)).await;
    let (currency, found) = state.database.read(&caller.scope(), find).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, tag(&found), &PaymentRequestView::new(found, &currency)))
}
