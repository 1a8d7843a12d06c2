//! The programs of other companies that the signed-in user has allowed to know who they are.

use actix_web::{HttpResponse, delete, get, web};
use chrono::{DateTime, Utc};
use identity::consent::{self, Consent};
use identity::{AppSlug, ClientId};
use serde::Serialize;
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;
use values::Name;

use crate::http::caller::SignedIn;
use crate::http::client;
use crate::http::extract::{PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentView {
    /// The client id of the program.
    #[schema(example = "tax-filer")]
    client_id: ClientId,
    /// The name of the program.
    #[schema(example = "Tax Filer")]
    client_name: Name,
    /// The app whose tokens the program gets.
    #[schema(example = "inventory")]
    app: AppSlug,
    /// The name of the business; null for an app without businesses.
    #[schema(example = "Acme Ltd")]
    business: Option<String>,
    /// What the program may learn and do: scopes of OpenID Connect, and permissions.
    #[schema(example = json!(["openid", "stock.read"]))]
    scopes: Vec<String>,
    /// The time at which you allowed it last.
    given_at: DateTime<Utc>,
}

impl From<Consent> for ConsentView {
    fn from(consent: Consent) -> Self {
        Self {
            client_id: consent.client_id,
            client_name: consent.client_name,
            app: consent.app,
            business: consent.business,
            scopes: consent.scopes,
            given_at: consent.given_at,
        }
    }
}

/// List allowed programs
///
/// Returns the programs of other companies that you have allowed to know who you are, at each business.
#[utoipa::path(tag = "auth", operation_id = "listConsents",
    responses((status = 200, body = PageView<ConsentView>)))]
#[get("/auth/consents")]
pub async fn list(
    state: web::Data<State>,
    caller: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let list = async |tx: &SharedTx| consent::list(tx, user).await;
    let consents = state.database.read_shared(SharedScope::User(user.into()), list).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(consents, ConsentView::from)))
}

/// Take a permission back
///
/// Takes back all that you have allowed a program, at every business. Its sessions end, and it must ask
/// again.
#[utoipa::path(tag = "auth", operation_id = "withdrawConsent",
    responses((status = 204, description = "Taken back")), params(("slug" = ClientId, Path,)))]
#[delete("/auth/consents/{slug}")]
pub async fn withdraw(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    PathId(client): PathId<ClientId>,
) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let withdraw = async |tx: &SharedTx| consent::withdraw(tx, user, &client, &origin).await;
    match state.database.write_shared(SharedScope::User(user.into()), withdraw).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found()),
    }
}
