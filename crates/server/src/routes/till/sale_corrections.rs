//! Refunds and voids of sales, and approvals for cashiers.

use actix_web::{HttpResponse, post, web};
use chrono::{DateTime, Utc};
use identity::{Permission, UserId};
use inventory::CustomerId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use till::approval::{self, Approval, Approves};
use till::selling::{Back, NewSale};
use till::{RegisterId, SaleId, sale_list, sale_void};
use utoipa::ToSchema;
use values::{ActorId, Amount, Money, NonNegative, Note, Reason};

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::codes::Code;
use crate::http::extract::{Json, PathId};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};
use crate::routes::till::sale_view::{self, SaleView};
use crate::routes::till::sales::{Pay, TakeBack, complete};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "registerId": "01920000-0000-7000-8000-000000000000", "reason": "not needed",
    "payments": [{"method": "cash"}],
}))]
pub struct RefundSale {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<SaleId>,
    /// The register that refunds. It must have an open shift; it need not be the register of the sale.
    register_id: RegisterId,
    /// The customer. Required to pay back to store_credit or on_account. It is not taken from the sale.
    /// Defaults to none.
    customer_id: Option<CustomerId>,
    /// The reason of the refund.
    reason: Reason,
    /// The articles that come back, and amounts that are given back for lines. Not allowed with amount.
    /// Defaults to everything that is left of the sale.
    #[schema(min_items = 1, max_items = 200)]
    returns: Option<Vec<TakeBack>>,
    /// An amount to give back without goods, including taxes. It is divided among the lines by their
    /// remaining totals. Not allowed with returns. Defaults to none.
    amount: Option<Money>,
    /// true: the goods can be sold again. false: they are scrapped. Not allowed with returns or amount.
    /// Defaults to true.
    restock: Option<bool>,
    /// A note on the receipt. Defaults to none.
    note: Option<Note>,
    /// The payments, which are negative. One may leave out its amount: it pays back what is left.
    #[schema(max_items = 20)]
    payments: Vec<Pay>,
}

impl RefundSale {
    /// The returns of the sale.
    fn back(&mut self, sale_id: SaleId) -> Result<Vec<Back>, Problem> {
        match (self.returns.take(), self.amount, self.restock) {
            (None, None, restock) => Ok(vec![Back::Rest { sale_id, is_restocked: restock.unwrap_or(true) }]),
            (None, Some(amount), None) => Ok(vec![Back::Part { sale_id, amount }]),
            (Some(returns), None, None) if !returns.is_empty() => {
                returns.into_iter().enumerate().map(|(index, back)| back.checked(index)).collect()
            }
            _ => {
                let message = "send either returns or amount, or leave both out to refund everything that is \
                               left; restock belongs to each return";
                Err(Problem::invalid("/returns", Code::InvalidValue, message))
            }
        }
    }
}

/// Refund a sale
///
/// Takes articles of a sale back, or gives money back, in the open shift of any register. The refund is a
/// receipt with a number of its own. At most what was sold and has not come back can be refunded. Requires
/// the permission till.approve or an approval, and an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "refundSale", request_body = RefundSale,
    responses((status = 201, body = SaleView)), params(RequiredKey, ("id" = SaleId, Path,)))]
#[post("/sales/{id}/refunds")]
pub async fn refund(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, RefundSale>,
    PathId(sale_id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    let mut body = body;
    let back = body.back(sale_id)?;
    let new = NewSale {
        request: once.requested(body.id, SaleId::new),
        register_id: body.register_id,
        customer_id: body.customer_id,
        lines: Vec::new(),
        discount: None,
        may_set_prices: false,
        refunded: Some(sale_id),
        back,
        may_take_back: once.caller.may(Permission::TillApprove),
        reason: Some(body.reason),
        note: body.note,
        payments: Pay::all(body.payments),
        made_offline: None,
    };
    complete(&state, &once, &new).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VoidSale {
    /// The reason.
    reason: Reason,
}

/// Void a sale
///
/// Undoes a sale in its own shift, while the shift is open. The goods are on hand again, and the payments
/// are in no sum. Give the payments back to the customer. The receipt keeps its number. A refund, an
/// exchange, a sale of which something came back, and a sale whose receipt a fiscal device signs cannot be
/// voided. Requires the permission till.approve, or an approval.
#[utoipa::path(tag = "till", operation_id = "voidSale", request_body = VoidSale,
    responses((status = 200, body = SaleView)), params(("id" = SaleId, Path,)))]
#[post("/sales/{id}/void")]
pub async fn void(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, VoidSale>,
    PathId(id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    let may_void = once.caller.may(Permission::TillApprove);
    once.run(&state.database, Key::Optional, async |tx| {
        let (currency, sale) =
            with_currency(tx, sale_void::void(tx, id, &body.reason, may_void, once.actor())).await?;
        let tag = sale_view::tag(&sale);
        Answer::ok(tag, &SaleView::new(sale, &currency).with_codes(may_void))
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveSale {
    /// The member who approves, with the permission till.approve.
    user_id: UserId,
    /// The PIN of the member.
    #[schema(value_type = String, example = "4071")]
    pin: SecretString,
    /// The action that the member approves.
    approves: Approves,
    /// The largest sum of discounts and price reductions, or the largest amount that is given back.
    /// Required for discount and refund, not allowed for void.
    amount: Option<NonNegative<Money>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalView {
    /// The sale.
    sale_id: SaleId,
    approves: Approves,
    /// The largest discount, or the largest amount that is given back. null for a void.
    #[schema(example = "12.50")]
    amount: Option<Amount>,
    /// The member who approved.
    approved_by: ActorId,
    /// The time at which the approval ends.
    expires_at: DateTime<Utc>,
}

/// Approve a sale by PIN
///
/// A member with the permission till.approve enters the PIN at the till where you are signed in. You stay
/// signed in. The approval is valid for five minutes, for your user and for one id. It is the id of the new
/// sale, of the refund (not of the refunded sale), or of the sale to void. Choose the id before you send
/// the sale or the refund. Requires a session of the app pos that was started with a device name or a PIN.
#[utoipa::path(tag = "till", operation_id = "approveSaleByPin", request_body = ApproveSale,
    responses((status = 200, body = ApprovalView)), params(("id" = SaleId, Path,)))]
#[post("/sales/{id}/approval")]
pub async fn approve(
    state: web::Data<State>,
    caller: Member<may::TillSell>,
    PathId(sale_id): PathId<SaleId>,
    client::From(origin): client::From,
    body: Json<ApproveSale>,
) -> Result<HttpResponse, Problem> {
    let ApproveSale { user_id, pin, approves, amount } = body.value;
    if amount.is_some() == (approves == Approves::Void) {
        let message = "the amount is required for a discount or a refund, and not allowed for a void";
        return Err(Problem::invalid("/amount", Code::MissingField, message));
    }
    let scope = caller.tenant.scope();
    if approves == Approves::Void {
        let found = state.database.read(&scope, async |tx| sale_list::find(tx, sale_id).await).await?;
        found.ok_or_else(Problem::not_found)?;
    }
    let (till, permission) = (&caller.principal, Permission::TillApprove);
    state.sign_in.approve_with_pin(till, user_id, &pin, permission, &origin).await?;
    let approve = async |tx: &TenantTx| {
        let approval = Approval {
            sale_id,
            approves,
            amount: amount.map(NonNegative::get),
            approved_by: ActorId::person(user_id),
            actor_id: ActorId::person(till.user),
            approved_at: tx.now(),
        };
        let insert = async { approval::insert(tx, &approval).await.map_err(Problem::from) };
        let (currency, ()) = with_currency(tx, insert).await?;
        Ok::<_, Problem>(ApprovalView {
            sale_id,
            approves,
            amount: approval.amount.map(|amount| currency.format(amount)),
            approved_by: approval.approved_by,
            expires_at: approval.approved_at + Approval::LIFETIME,
        })
    };
    Ok(HttpResponse::Ok().json(state.database.write(&scope, approve).await?))
}
