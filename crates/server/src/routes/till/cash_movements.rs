//! Cash that is put into the drawer of a shift or taken out, but not for a sale.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use inventory::settings;
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use till::cash_movement::{self, CashMovement, NewCashMovement};
use till::{CashMovementId, ShiftId, shift};
use utoipa::ToSchema;
use values::{ActorId, Amount, Currency, Money, Reason};

use crate::http::caller::{Caller, may};
use crate::http::etag::Tag;
use crate::http::extract::PathId;
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"amount": "-20.00", "reason": "paid the courier"}))]
pub struct MoveCash {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<CashMovementId>,
    /// The amount, not zero. Positive if cash is put in, negative if it is taken out.
    amount: Money,
    /// The reason of the movement.
    reason: Reason,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CashMovementView {
    id: CashMovementId,
    /// The shift of the movement.
    shift_id: ShiftId,
    /// The amount. Negative if cash was taken out.
    #[schema(example = "-20.00")]
    amount: Amount,
    /// The reason of the movement.
    reason: Reason,
    /// The user or program that posted the movement; null for the platform.
    actor: ActorId,
    moved_at: DateTime<Utc>,
}

impl CashMovementView {
    fn new(movement: CashMovement, currency: &Currency) -> Self {
        Self {
            id: movement.id,
            shift_id: movement.shift_id,
            amount: currency.format(movement.amount),
            reason: movement.reason,
            actor: movement.actor_id,
            moved_at: movement.moved_at,
        }
    }
}

/// Put cash in or take it out
///
/// Posts cash that moves, but not for a sale, such as change from the bank or money that goes into the safe.
/// The shift must be open. The amount is not compared with what the drawer should hold, because that would
/// tell it to the cashier. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "moveCash", request_body = MoveCash,
    responses((status = 201, body = CashMovementView)), params(RequiredKey, ("id" = ShiftId, Path,)))]
#[post("/shifts/{id}/cash-movements")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, MoveCash>,
    PathId(shift_id): PathId<ShiftId>,
) -> Result<HttpResponse, Problem> {
    let MoveCash { id, amount, reason } = body;
    let new = NewCashMovement { request: once.requested(id, CashMovementId::new), shift_id, amount, reason };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, cash_movement::post(tx, &new, once.actor())).await?;
        Answer::to(outcome, |movement| {
            let location = format!("/api/v1/shifts/{shift_id}/cash-movements");
            Answer::created(location, Tag::of_version(1), &CashMovementView::new(movement, &currency))
        })
    })
    .await
}

/// List the movements of cash of a shift
///
/// Returns the movements, oldest first. Sales and refunds are not among them.
#[utoipa::path(tag = "till", operation_id = "listCashMovements",
    responses((status = 200, body = PageView<CashMovementView>)),
    params(("id" = ShiftId, Path,), Paging))]
#[get("/shifts/{id}/cash-movements")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<ShiftId>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &TenantTx| {
        all((settings::currency(tx), shift::find(tx, id), cash_movement::list(tx, id, &page))).await
    };
    let (currency, shift, page) = state.database.read_snapshot(&caller.scope(), read).await?;
    shift.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |movement| CashMovementView::new(movement, &currency))))
}
