//! Registers: the tills of the business.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use inventory::LocationId;
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use till::RegisterId;
use till::register::{self, NewRegister, Register, RegisterChange, Series};
use utoipa::{IntoParams, ToSchema};
use values::Name;

use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Front till", "series": "R1"}))]
pub struct CreateRegister {
    /// The name of the register. It must be unique in the business.
    name: Name,
    /// The text with which the numbers of its documents begin. It must be unique in the business, and cannot
    /// be changed.
    series: Series,
    /// The location from whose stock the register sells. Defaults to the default location.
    location_id: Option<LocationId>,
    /// The fiscal device that signs the receipts of the register. The setting till.fiscal_devices of the
    /// server must contain it. Defaults to no device.
    #[schema(max_length = 40, example = json!(null))]
    fiscal_device: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeRegister {
    /// The name of the register. It must be unique in the business.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// The location from whose stock the register sells from now on.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    location_id: Option<LocationId>,
    /// The new fiscal device, one of till.fiscal_devices. It signs later receipts only. null removes it.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(max_length = 40, example = json!(null))]
    fiscal_device: Option<Option<String>>,
    /// true archives the register. false restores it.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListRegisters {
    /// Whether archived registers are listed, too. Defaults to false.
    #[serde(default)]
    archived: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterView {
    id: RegisterId,
    /// The name of the register. It is unique in the business.
    #[schema(example = "Front till")]
    name: Name,
    /// The text with which the numbers of its documents begin.
    #[schema(example = "R1")]
    series: Series,
    /// The location from whose stock the register sells.
    location_id: LocationId,
    /// The fiscal device that signs its receipts. null: no device.
    #[schema(example = "simulator")]
    fiscal_device: Option<String>,
    /// Whether the register is archived.
    archived: bool,
}

impl From<Register> for RegisterView {
    fn from(register: Register) -> Self {
        Self {
            id: register.id,
            name: register.name,
            series: register.series,
            location_id: register.location_id,
            fiscal_device: register.fiscal_device,
            archived: register.archived_at.is_some(),
        }
    }
}

/// List registers
///
/// Returns the registers that are not archived, oldest first.
#[utoipa::path(tag = "till", operation_id = "listRegisters", params(ListRegisters, Paging),
    responses((status = 200, body = PageView<RegisterView>)))]
#[get("/registers")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    List { query, page }: List<ListRegisters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let list = async |tx: &TenantTx| register::list(tx, query.archived, &page).await;
    let page = state.database.read(&caller.scope(), list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, RegisterView::from)))
}

/// Refuses a fiscal device that this installation does not have.
fn check_device(state: &State, device: Option<&str>) -> Result<(), Problem> {
    let names = state.fiscal.names();
    match device {
        Some(device) if !names.contains(&device) => {
            let message = match names.is_empty() {
                true => "this installation has no fiscal devices; send null".to_owned(),
                false => format!("the fiscal device must be one of: {}", names.join(", ")),
            };
            Err(Problem::invalid("/fiscalDevice", Code::UnknownFiscalDevice, message))
        }
        _ => Ok(()),
    }
}

/// Create a register
///
/// The series of a register begins the numbers of its receipts. It cannot be changed later.
#[utoipa::path(tag = "till", operation_id = "createRegister", request_body = CreateRegister,
    responses((status = 201, body = RegisterView)))]
#[post("/registers")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillManage, CreateRegister>,
) -> Result<HttpResponse, Problem> {
    let CreateRegister { name, series, location_id, fiscal_device } = body;
    check_device(&state, fiscal_device.as_deref())?;
    let new = NewRegister { name, series, location_id, fiscal_device };
    once.run(&state.database, Key::Optional, async |tx| {
        let id = register::insert(tx, &new, once.actor()).await?;
        let register = register::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(register.version);
        Answer::created(format!("/api/v1/registers/{id}"), tag, &RegisterView::from(register))
    })
    .await
}

/// Read a register
///
/// Returns a register, also if it is archived.
#[utoipa::path(tag = "till", operation_id = "readRegister", responses((status = 200, body = RegisterView)),
    params(("id" = RegisterId, Path,)))]
#[get("/registers/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<RegisterId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let register = state.database.read(&caller.scope(), async |tx| register::find(tx, id).await).await?;
    let register = register.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(register.version), &RegisterView::from(register)))
}

/// Change a register
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged.
#[utoipa::path(tag = "till", operation_id = "changeRegister", request_body = ChangeRegister,
    responses((status = 200, body = RegisterView)), params(("id" = RegisterId, Path,)))]
#[patch("/registers/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::TillManage>,
    PathId(id): PathId<RegisterId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeRegister>,
) -> Result<HttpResponse, Problem> {
    let ChangeRegister { name, location_id, fiscal_device, archived: is_archived } = body.value;
    check_device(&state, fiscal_device.as_ref().and_then(Option::as_deref))?;
    let change = RegisterChange { name, location_id, fiscal_device, is_archived, if_version };
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        register::update(tx, id, &change, actor).await?;
        register::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    let register = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(Tag::of_version(register.version), &RegisterView::from(register)))
}
