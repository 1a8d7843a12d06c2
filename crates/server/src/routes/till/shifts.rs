//! Shifts at the registers.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::{Permission, UserId};
use inventory::payment::PaymentMethod;
use inventory::settings;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use till::shift::{self, Need, NewShift, Shift, ShiftCount, ShiftFilter, ShiftStatus};
use till::shift_close::{self, Counted, NewClose, NewCount, Step};
use till::shift_report::{self, DenominationReport, ShiftReport};
use till::{RegisterId, ShiftId};
use utoipa::{IntoParams, ToSchema};
use values::{ActorId, Amount, Currency, Moment, Money, NonNegative, Positive, Reason};

use crate::http::caller::{Caller, Member, may, role_lacks};
use crate::http::client;
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::{Json, PathId, Query};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenShift {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<ShiftId>,
    /// The register. It must have no other shift that is not closed.
    register_id: RegisterId,
    /// The cash in the drawer at the beginning.
    opening_float: NonNegative<Money>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"counts": [
    {"method": "cash", "denominations": [{"value": "50", "count": 2}, {"value": "0.50", "count": 7}]},
    {"method": "card", "amount": "230.40"}
]}))]
pub struct CloseShift {
    /// The counted amounts, of which one must be cash. A method that is left out counts as zero, but
    /// vouchers that are left out are not counted. Required by the first request, and not allowed in
    /// others.
    #[schema(min_items = 1)]
    counts: Option<Vec<CountMethod>>,
    /// The reason of the difference, after the drawer was counted.
    reason: Option<Reason>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveDifference {
    /// The member who approves, with the permission till.approve.
    user_id: UserId,
    /// The PIN of the member.
    #[schema(value_type = String, example = "4071")]
    pin: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountMethod {
    /// The method of payment.
    method: PaymentMethod,
    /// The counted amount. Negative if more was paid back than received; cash is never negative. Exactly
    /// one of amount and denominations is required.
    amount: Option<Money>,
    /// The notes and coins that were counted, of cash.
    #[schema(min_items = 1, max_items = 50)]
    denominations: Option<Vec<CountDenomination>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountDenomination {
    /// The value of one note or coin.
    value: Positive<Money>,
    /// How many there are.
    #[schema(maximum = 1_000_000)]
    count: u32,
}

impl CountMethod {
    fn into_new(self, index: usize) -> Result<NewCount, Problem> {
        let counted = match (self.amount, self.denominations) {
            (Some(amount), None) => Counted::Amount(amount),
            (None, Some(pieces)) if !pieces.is_empty() => {
                Counted::Denominations(pieces.into_iter().map(|piece| (piece.value, piece.count)).collect())
            }
            _ => {
                let message = "exactly one of amount and denominations is required";
                return Err(Problem::invalid(format!("/counts/{index}/amount"), Code::MissingField, message));
            }
        };
        Ok(NewCount { method: self.method, counted })
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShiftView {
    id: ShiftId,
    /// The register of the shift.
    register_id: RegisterId,
    status: ShiftStatus,
    /// The conditions that are missing before a counted shift can be closed. Meet them with other requests.
    needs: Vec<Need>,
    /// Whether the shift is not closed, though the day of the business on which it was opened is over.
    overdue: bool,
    /// The cash in the drawer at the beginning.
    #[schema(example = "150.00")]
    opening_float: Amount,
    /// The user or program that opened the shift; null for the platform.
    opened_by: ActorId,
    opened_at: DateTime<Utc>,
    /// The counted amounts. Empty before the count.
    counts: Vec<ShiftCountView>,
    /// The sum of the differences. null before the count.
    #[schema(example = "-1.50")]
    difference: Option<Amount>,
    /// The reason of the difference.
    difference_reason: Option<Reason>,
    /// The member who approved the difference.
    approved_by: Option<ActorId>,
    /// The user or program that counted the drawer. null before.
    counted_by: Option<ActorId>,
    counted_at: Option<DateTime<Utc>>,
    /// The number of the Z report, consecutive for each register. null before the close.
    z_number: Option<i64>,
    /// The user or program that closed the shift. null before.
    closed_by: Option<ActorId>,
    closed_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShiftCountView {
    /// The method of payment.
    method: PaymentMethod,
    /// The amount that was counted.
    #[schema(example = "103.50")]
    counted: Amount,
    /// The amount that should have been there.
    #[schema(example = "105.00")]
    expected: Amount,
    /// The counted amount less the expected one.
    #[schema(example = "-1.50")]
    difference: Amount,
    /// The notes and coins, if they were counted one by one.
    denominations: Vec<DenominationReport>,
}

impl ShiftCountView {
    fn new(count: ShiftCount, currency: &Currency) -> Self {
        Self {
            method: count.method,
            counted: currency.format(count.counted),
            expected: currency.format(count.expected),
            difference: currency.format(count.difference()),
            denominations: count
                .denominations
                .0
                .into_iter()
                .map(|denomination| DenominationReport::new(denomination, currency))
                .collect(),
        }
    }
}

impl ShiftView {
    fn new(shift: Shift, currency: &Currency) -> Self {
        Self {
            id: shift.id,
            register_id: shift.register_id,
            status: shift.status,
            needs: shift.needs(),
            overdue: shift.is_overdue,
            opening_float: currency.format(shift.opening_float),
            opened_by: shift.opened_by,
            opened_at: shift.opened_at,
            difference: (!shift.counts.is_empty()).then(|| currency.format(shift.difference())),
            counts: shift.counts.into_iter().map(|count| ShiftCountView::new(count, currency)).collect(),
            difference_reason: shift.difference_reason,
            approved_by: shift.approved_by,
            counted_by: shift.counted_by,
            counted_at: shift.counted_at,
            z_number: shift.z_number,
            closed_by: shift.closed_by,
            closed_at: shift.closed_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListShifts {
    /// Returns only shifts of this register. Defaults to all.
    register_id: Option<RegisterId>,
    /// Returns only shifts with this status. Defaults to all.
    status: Option<ShiftStatus>,
    /// Returns only shifts opened at this time or later.
    from: Option<Moment>,
    /// Returns only shifts opened before this time.
    until: Option<Moment>,
}

/// List shifts
///
/// Returns shifts, newest first.
#[utoipa::path(tag = "till", operation_id = "listShifts", params(ListShifts, Paging),
    responses((status = 200, body = PageView<ShiftView>)))]
#[get("/shifts")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    List { query, page }: List<ListShifts>,
) -> Result<HttpResponse, Problem> {
    let ListShifts { register_id, status, from, until } = query;
    let (from, until) = (from.map(Moment::time), until.map(Moment::time));
    let filter = ShiftFilter { register_id, status, from, until };
    let page = page.request()?;
    let list = async |tx: &TenantTx| all((settings::currency(tx), shift::list(tx, &filter, &page))).await;
    let (currency, page) = state.database.read_snapshot(&caller.scope(), list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |shift| ShiftView::new(shift, &currency))))
}

/// Open a shift
///
/// Begins the work at a register, with the counted cash in its drawer. A register has one shift that is not
/// closed. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "openShift", params(RequiredKey), request_body = OpenShift,
    responses((status = 201, body = ShiftView)))]
#[post("/shifts")]
pub async fn open(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, OpenShift>,
) -> Result<HttpResponse, Problem> {
    let OpenShift { id, register_id, opening_float } = body;
    let new = NewShift { request: once.requested(id, ShiftId::new), register_id, opening_float };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, outcome) = with_currency(tx, shift::open(tx, &new, once.actor())).await?;
        Answer::to(outcome, |shift| {
            let (location, tag) = (format!("/api/v1/shifts/{}", shift.id), Tag::of_version(shift.version));
            Answer::created(location, tag, &ShiftView::new(shift, &currency))
        })
    })
    .await
}

/// Read a shift
///
/// Returns a shift with the counts of its drawer, if it is closed.
#[utoipa::path(tag = "till", operation_id = "readShift", responses((status = 200, body = ShiftView)),
    params(("id" = ShiftId, Path,)))]
#[get("/shifts/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<ShiftId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| all((settings::currency(tx), shift::find(tx, id))).await;
    let (currency, shift) = state.database.read_snapshot(&caller.scope(), read).await?;
    let shift = shift.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(shift.version), &ShiftView::new(shift, &currency)))
}

/// Close a shift
///
/// The first request counts the drawer, without knowing what should be in it. The counts are stored before
/// the difference is shown, and cannot be changed. Without a difference, the shift is closed. Otherwise needs
/// lists what is missing. Another request gives the reason; if your role includes till.approve, it approves
/// the difference, too. A closed shift has a Z report. A shift that somebody else has opened requires the
/// permission till.approve. Requires an Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "closeShift", request_body = CloseShift,
    responses((status = 200, body = ShiftView)), params(RequiredKey, ("id" = ShiftId, Path,)))]
#[post("/shifts/{id}/close")]
pub async fn close(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, CloseShift>,
    PathId(shift_id): PathId<ShiftId>,
) -> Result<HttpResponse, Problem> {
    let step = match (body.counts, body.reason) {
        (None, reason) => Step::Explain(reason),
        (Some(counts), None) => {
            let counts = counts.into_iter().enumerate().map(|(index, count)| count.into_new(index));
            Step::Count(counts.collect::<Result<_, _>>()?)
        }
        (Some(_), Some(_)) => {
            let message = "send the reason with a later request, when the difference is known";
            return Err(Problem::invalid("/reason", Code::InvalidValue, message));
        }
    };
    let may_close_others = once.caller.may(Permission::TillApprove);
    let may_approve = may_close_others && once.caller.person().is_some();
    let new = NewClose { shift_id, step, may_close_others, may_approve };
    once.run(&state.database, Key::Required, async |tx| {
        let (currency, shift) = with_currency(tx, shift_close::close(tx, &new, once.actor())).await?;
        Answer::ok(Tag::of_version(shift.version), &ShiftView::new(shift, &currency))
    })
    .await
}

/// Approve the difference of a shift by PIN
///
/// A member with the permission till.approve enters the PIN at the till where you are signed in; nobody is
/// signed in or out. The drawer must be counted and the reason given. The shift is closed. Your session must
/// be one of the app pos that was started with the name of a device, or with a PIN there.
#[utoipa::path(tag = "till", operation_id = "approveShiftByPin", request_body = ApproveDifference,
    responses((status = 200, body = ShiftView)), params(("id" = ShiftId, Path,)))]
#[post("/shifts/{id}/approval")]
pub async fn approve(
    state: web::Data<State>,
    caller: Member<may::TillSell>,
    PathId(id): PathId<ShiftId>,
    client::From(origin): client::From,
    body: Json<ApproveDifference>,
) -> Result<HttpResponse, Problem> {
    let ApproveDifference { user_id, pin } = body.value;
    let scope = caller.tenant.scope();
    let found = state.database.read(&scope, async |tx| shift::find(tx, id).await).await?;
    found.ok_or_else(Problem::not_found)?;
    let (till, permission) = (&caller.principal, Permission::TillApprove);
    state.sign_in.approve_with_pin(till, user_id, &pin, permission, &origin).await?;
    let (approver, actor) = (ActorId::person(user_id), ActorId::person(till.user));
    let approve =
        async |tx: &TenantTx| with_currency(tx, shift_close::approve(tx, id, approver, actor)).await;
    let (currency, shift) = state.database.write(&scope, approve).await?;
    Ok(etag::changed(Tag::of_version(shift.version), &ShiftView::new(shift, &currency)))
}

/// Read the report of a shift
///
/// While the shift is not closed, this is an X report, which shows what the drawer should hold: it requires
/// the permission till.approve, so that cashiers count without knowing it. Afterwards it is the Z report, as
/// it was written at the close. It never changes.
#[utoipa::path(tag = "till", operation_id = "readShiftReport",
    responses((status = 200, body = ShiftReport)), params(("id" = ShiftId, Path,)))]
#[get("/shifts/{id}/report")]
pub async fn report(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<ShiftId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| shift_report::read(tx, id).await;
    let report = state.database.read_snapshot(&caller.scope(), read).await?;
    let (status, report) = report.ok_or_else(Problem::not_found)?;
    if status != ShiftStatus::Closed && !caller.may(Permission::TillApprove) {
        return Err(role_lacks(Permission::TillApprove));
    }
    Ok(HttpResponse::Ok().json(report))
}
