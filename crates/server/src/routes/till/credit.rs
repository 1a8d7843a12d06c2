//! Vouchers, and the credit of customers.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, NaiveDate, Utc};
use inventory::{CustomerId, settings};
use serde::Serialize;
use tenancy::{TenantTx, all};
use till::account::{self, Credit, CreditKind, CreditMovement, CustomerCredit};
use till::voucher_code::VoucherCode;
use till::{CreditMovementId, SaleId};
use utoipa::ToSchema;
use values::{ActorId, Amount, Currency};

use crate::http::caller::{Caller, may};
use crate::http::extract::{PathId, Query};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoucherView {
    /// The code. It is enough to spend the voucher.
    #[schema(value_type = String, example = "7KQP-2M9X-TA4V-HB3D")]
    code: Option<VoucherCode>,
    /// The amount that is left.
    #[schema(example = "35.00")]
    balance: Amount,
    /// The currency of the balance.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The last day on which the voucher can be spent. null if it does not expire.
    expires_on: Option<NaiveDate>,
    issued_at: DateTime<Utc>,
}

impl VoucherView {
    fn new(voucher: Credit, currency: &Currency) -> Self {
        Self {
            code: voucher.code,
            balance: currency.format(voucher.balance),
            currency: currency.clone(),
            expires_on: voucher.expires_on,
            issued_at: voucher.opened_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditMovementView {
    id: CreditMovementId,
    /// The kind of the account.
    kind: CreditKind,
    /// The change of the balance. For on_account, a positive amount is new debt.
    #[schema(example = "-15.00")]
    amount: Amount,
    /// The balance after the movement.
    #[schema(example = "35.00")]
    balance_after: Amount,
    /// The receipt that changed the balance.
    sale_id: SaleId,
    /// true if the void of the receipt changed the balance.
    voided: bool,
    /// The user or program that posted the movement; null for the platform.
    actor: ActorId,
    moved_at: DateTime<Utc>,
}

impl CreditMovementView {
    fn new(movement: CreditMovement, currency: &Currency) -> Self {
        Self {
            id: movement.id,
            kind: movement.kind,
            amount: currency.format(movement.amount),
            balance_after: currency.format(movement.balance_after),
            sale_id: movement.sale_id,
            voided: movement.is_void,
            actor: movement.actor_id,
            moved_at: movement.moved_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerCreditView {
    /// Money that the business keeps for the customer.
    #[schema(example = "20.00")]
    store_credit: Amount,
    /// Money that the customer owes.
    #[schema(example = "80.00")]
    owed: Amount,
    /// The credit limit: the largest debt that the customer may have.
    #[schema(example = "250.00")]
    credit_limit: Amount,
    /// The credit limit minus the debt; 0 if the debt is larger.
    #[schema(example = "170.00")]
    left: Amount,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
}

impl CustomerCreditView {
    fn new(credit: CustomerCredit, currency: &Currency) -> Self {
        let left = (credit.limit - credit.owed).max(values::Money::ZERO);
        Self {
            store_credit: currency.format(credit.store_credit),
            owed: currency.format(credit.owed),
            credit_limit: currency.format(credit.limit),
            left: currency.format(left),
            currency: currency.clone(),
        }
    }
}

/// List vouchers
///
/// Returns vouchers, newest first, including spent and expired ones. A sale with a negative payment by the
/// method voucher issues a voucher. Requires the permission till.approve, because the code is enough to
/// spend it.
#[utoipa::path(tag = "till", operation_id = "listVouchers", params(Paging),
    responses((status = 200, body = PageView<VoucherView>)))]
#[get("/vouchers")]
pub async fn list_vouchers(
    state: web::Data<State>,
    caller: Caller<may::TillApprove>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let list = async |tx: &TenantTx| all((settings::currency(tx), account::vouchers(tx, &page))).await;
    let (currency, page) = state.database.read_snapshot(&caller.scope(), list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |voucher| VoucherView::new(voucher, &currency))))
}

/// Read a voucher
///
/// Finds a voucher by its code, in any letter case.
#[utoipa::path(tag = "till", operation_id = "readVoucher", responses((status = 200, body = VoucherView)),
    params(("code" = VoucherCode, Path, example = "7KQP-2M9X-TA4V-HB3D")))]
#[get("/vouchers/{code}")]
pub async fn show_voucher(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(code): PathId<VoucherCode>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| with_currency(tx, account::voucher(tx, &code)).await;
    let (currency, voucher) = state.database.read(&caller.scope(), read).await?;
    let voucher = voucher.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(VoucherView::new(voucher, &currency)))
}

/// List the movements of a voucher
///
/// Returns the movements, newest first.
#[utoipa::path(tag = "till", operation_id = "listVoucherMovements",
    responses((status = 200, body = PageView<CreditMovementView>)),
    params(("code" = VoucherCode, Path, example = "7KQP-2M9X-TA4V-HB3D"), Paging))]
#[get("/vouchers/{code}/movements")]
pub async fn list_voucher_movements(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(code): PathId<VoucherCode>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let list = async |tx: &TenantTx| {
        let movements = account::movements_of_voucher(tx, &code, &page);
        all((settings::currency(tx), account::voucher(tx, &code), movements)).await
    };
    let (currency, voucher, page) = state.database.read_snapshot(&caller.scope(), list).await?;
    voucher.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |movement| CreditMovementView::new(movement, &currency))))
}

/// Read the credit of a customer
///
/// Returns the store credit and the debt of the customer. Payments of sales change both.
#[utoipa::path(tag = "till", operation_id = "readCustomerCredit",
    responses((status = 200, body = CustomerCreditView)), params(("id" = CustomerId, Path,)))]
#[get("/customers/{id}/credit")]
pub async fn show_of_customer(
    state: web::Data<State>,
    caller: Caller<may::CustomersRead>,
    PathId(id): PathId<CustomerId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| with_currency(tx, account::of_customer(tx, id)).await;
    let (currency, credit) = state.database.read(&caller.scope(), read).await?;
    let credit = credit.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(CustomerCreditView::new(credit, &currency)))
}

/// List the movements of a customer's credit
///
/// Returns the movements of the store credit and of the debt, newest first.
#[utoipa::path(tag = "till", operation_id = "listCustomerCreditMovements",
    responses((status = 200, body = PageView<CreditMovementView>)),
    params(("id" = CustomerId, Path,), Paging))]
#[get("/customers/{id}/credit/movements")]
pub async fn list_of_customer(
    state: web::Data<State>,
    caller: Caller<may::CustomersRead>,
    PathId(id): PathId<CustomerId>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let list = async |tx: &TenantTx| {
        let movements = account::movements_of_customer(tx, id, &page);
        all((settings::currency(tx), account::of_customer(tx, id), movements)).await
    };
    let (currency, credit, page) = state.database.read_snapshot(&caller.scope(), list).await?;
    credit.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |movement| CreditMovementView::new(movement, &currency))))
}
