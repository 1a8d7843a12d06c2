//! The business's audit log.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use inventory::EntryId;
use inventory::audit::{self, Entry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use values::{Cursor, Limit};

use crate::http::extract::{Caller, Query, may};
use crate::http::lists::{PageView, page_request};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListChanges {
    /// The product, order or other thing whose changes are wanted; those of all when left out.
    subject_id: Option<Uuid>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    #[schema(value_type = Uuid)]
    id: EntryId,
    occurred_at: DateTime<Utc>,
    /// The user's id; null is the platform.
    actor: Option<Uuid>,
    #[schema(example = "variant.changed")]
    action: String,
    #[schema(example = "variant")]
    subject_type: String,
    subject_id: Uuid,
    /// Fields with what they were and what they are; of something new only what they are.
    #[schema(value_type = Object, example = json!({"price": {"from": "10", "to": "12"}}))]
    changes: Value,
}

impl From<Entry> for ChangeView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            occurred_at: entry.occurred_at,
            actor: entry.actor_id,
            action: entry.action,
            subject_type: entry.subject_type,
            subject_id: entry.subject_id,
            changes: entry.changes,
        }
    }
}

/// Read the audit log
///
/// Who changed what, from what to what; the latest first.
#[utoipa::path(tag = "business", params(ListChanges), responses((status = 200, body = PageView<ChangeView>)))]
#[get("/audit")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::AuditRead>,
    Query(query): Query<ListChanges>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let read = async |tx: &tenancy::TenantTx| audit::list(tx, query.subject_id, &page).await;
    let page = state.database.read(&caller.scope(), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, ChangeView::from)))
}
