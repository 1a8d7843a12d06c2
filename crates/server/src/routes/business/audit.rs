//! The audit log of a business.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use inventory::EntryId;
use inventory::audit::{self, Entry};
use inventory::audit::{Action, SubjectType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{ActorId, AnyId};

use crate::http::caller::{Caller, may};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListChanges {
    /// The id of a product, an order or another record. Defaults to the changes of all records.
    subject_id: Option<AnyId>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    id: EntryId,
    occurred_at: DateTime<Utc>,
    /// The user or program that made the change; null for the platform.
    actor: ActorId,
    /// The session in which the platform's staff made the change while acting as a member; otherwise null.
    /// The authentication events of the session contain the reason.
    impersonation_id: Option<Uuid>,
    /// The name of the action.
    #[schema(example = "variant.changed")]
    #[schema(value_type = Action)]
    action: String,
    /// The type of the changed record.
    #[schema(example = "variant")]
    #[schema(value_type = SubjectType)]
    subject_type: String,
    /// The id of the changed record.
    subject_id: Uuid,
    /// Each changed field with its old value in `from` and its new value in `to`. A new record has only new
    /// values.
    #[schema(value_type = Object, example = json!({"price": {"from": "10", "to": "12"}}))]
    changes: Value,
}

impl From<Entry> for ChangeView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            occurred_at: entry.occurred_at,
            actor: entry.actor_id,
            impersonation_id: entry.impersonation_id,
            action: entry.action,
            subject_type: entry.subject_type,
            subject_id: entry.subject_id,
            changes: entry.changes,
        }
    }
}

/// List changes
///
/// Returns the entries of the audit log, newest first. Each entry names the actor, the record and the changed
/// fields.
#[utoipa::path(tag = "business", operation_id = "listChanges", params(ListChanges, Paging),
    responses((status = 200, body = PageView<ChangeView>)))]
#[get("/audit")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::AuditRead>,
    List { query, page }: List<ListChanges>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &tenancy::TenantTx| audit::list(tx, query.subject_id.map(Uuid::from), &page).await;
    let page = state.database.read(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, ChangeView::from)))
}
