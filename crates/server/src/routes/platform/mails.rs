//! Mails that wait, were sent, or could not be sent, for the platform's staff.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::kept_mails::{self, KeptMail};
use identity::mails::Template;
use identity::mails::{MailId, MailState};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx, TenantId};
use utoipa::{IntoParams, ToSchema};

use crate::http::caller::{Staff, may};
use crate::http::extract::PathId;
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailView {
    id: MailId,
    /// The business for which the mail was written; null for the platform.
    tenant_id: Option<TenantId>,
    /// The kind of the mail.
    #[schema(example = "invitation")]
    #[schema(value_type = Template)]
    template: String,
    /// The address of the recipient.
    #[schema(example = "ana@acme.example")]
    address: String,
    state: MailState,
    /// The number of attempts.
    attempts: i32,
    /// The reason why the last attempt failed; null if it did not.
    #[schema(example = "the mail server did not take the mail")]
    failure: Option<String>,
    created_at: DateTime<Utc>,
    /// The time of the next attempt.
    due_at: DateTime<Utc>,
    /// The time at which the mail server accepted the mail; null if it did not.
    sent_at: Option<DateTime<Utc>>,
}

impl From<KeptMail> for MailView {
    fn from(mail: KeptMail) -> Self {
        Self {
            id: mail.id,
            tenant_id: mail.tenant_id,
            template: mail.template,
            address: mail.address,
            state: mail.state,
            attempts: mail.attempts,
            failure: mail.failure,
            created_at: mail.created_at,
            due_at: mail.due_at,
            sent_at: mail.sent_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListMails {
    /// The state; dead lists the mails that could not be sent. Defaults to all.
    state: Option<MailState>,
    /// The business. Defaults to all businesses.
    tenant_id: Option<TenantId>,
}

/// List mails
///
/// Returns the mails of the last 30 days, newest first. A mail that could not be sent within about a day is
/// dead, and is kept for 90 days.
#[utoipa::path(tag = "platform", operation_id = "listMails", params(ListMails, Paging),
    responses((status = 200, body = PageView<MailView>)))]
#[get("/platform/mails")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::UsersRead>,
    List { query, page }: List<ListMails>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let read = async |tx: &SharedTx| kept_mails::list(tx, query.state, query.tenant_id, &page).await;
    let page = state.database.read_shared(SharedScope::Platform, read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, MailView::from)))
}

/// Try a mail again
///
/// Tries a mail again that could not be sent, at once. A link that has expired is not mailed.
#[utoipa::path(tag = "platform", operation_id = "retryMail", responses((status = 200, body = MailView)),
    params(("id" = MailId, Path,)))]
#[post("/platform/mails/{id}/retry")]
pub async fn retry(
    state: web::Data<State>,
    staff: Staff<may::UsersWrite>,
    PathId(id): PathId<MailId>,
) -> Result<HttpResponse, Problem> {
    let mail = state.operator(&staff)?.retry_mail(id).await?;
    Ok(HttpResponse::Ok().json(MailView::from(mail)))
}
