//! Programs that get access tokens of their own, as the operator registers them.

use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, TimeDelta, Utc};
use identity::client::{self, Client, NewClient};
use identity::{AppSlug, ClientId, OVERLAP_HOURS, ProgramSecret};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;
use values::Name;

use crate::http::caller::{Staff, may};
use crate::http::extract::{Json, PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientView {
    /// The client id.
    #[schema(example = "erp-sync")]
    id: ClientId,
    /// The app whose access tokens the program gets.
    #[schema(example = "inventory")]
    app: AppSlug,
    /// The name of the program.
    #[schema(example = "ERP")]
    name: String,
    /// The first characters of the secret.
    #[schema(example = "tcs_9fK2xQ7a")]
    prefix: String,
    /// The time at which the former secret expires; null if there is none.
    previous_expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// The time of the last rotation; null if there was none.
    rotated_at: Option<DateTime<Utc>>,
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        Self {
            id: client.id,
            app: client.app,
            name: client.name,
            prefix: client.prefix,
            previous_expires_at: client.previous_expires_at,
            created_at: client.created_at,
            rotated_at: client.rotated_at,
        }
    }
}

/// A program with its secret.
#[derive(Serialize, ToSchema)]
pub struct RegisteredClientView {
    /// The secret. No later response contains it.
    #[schema(example = "tcs_9fK2xQ7aIbV0pGm3sNcT5wLhYd8eRj1uZo6kXqA4vBM")]
    secret: String,
    #[serde(flatten)]
    client: ClientView,
}

impl From<(Client, ProgramSecret)> for RegisteredClientView {
    fn from((client, secret): (Client, ProgramSecret)) -> Self {
        Self { secret: secret.secret().expose_secret().to_owned(), client: client.into() }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"id": "erp-sync", "app": "inventory", "name": "ERP"}))]
pub struct RegisterClient {
    /// The client id, which cannot be changed.
    id: ClientId,
    /// The app whose access tokens the program gets.
    app: AppSlug,
    /// The name of the program, as businesses see it.
    name: Name,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"overlapHours": 24}))]
pub struct RotateClient {
    /// The time for which the former secret stays valid, in hours, 0 to 168. Defaults to 24.
    #[schema(minimum = 0, maximum = 168)]
    overlap_hours: Option<u32>,
}

/// List programs
///
/// Returns the programs that get access tokens with a client id.
#[utoipa::path(tag = "platform", operation_id = "listClients",
    responses((status = 200, body = PageView<ClientView>)))]
#[get("/platform/clients")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let list = async |tx: &SharedTx| client::list(tx).await;
    let clients = state.database.read_shared(SharedScope::Platform, list).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(clients, ClientView::from)))
}

/// Register a program
///
/// Registers a program, which gets access tokens at POST /oauth/token of the host id, such as id.example.com.
/// It can do nothing at a business that has made no service account for it.
#[utoipa::path(tag = "platform", operation_id = "registerClient", request_body = RegisterClient,
    responses((status = 201, body = RegisteredClientView)))]
#[post("/platform/clients")]
pub async fn create(
    state: web::Data<State>,
    staff: Staff<may::AppsWrite>,
    body: Json<RegisterClient>,
) -> Result<HttpResponse, Problem> {
    let RegisterClient { id, app, name } = body.value;
    let made = state.operator(&staff)?.register_client(&NewClient { id, app, name }).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(RegisteredClientView::from(made)))
}

/// Rotate the secret of a program
///
/// Gives the program another secret. The former one stays valid for some hours.
#[utoipa::path(tag = "platform", operation_id = "rotateClient", request_body = RotateClient,
    responses((status = 200, body = RegisteredClientView)), params(("slug" = ClientId, Path,)))]
#[post("/platform/clients/{slug}/rotate")]
pub async fn rotate(
    state: web::Data<State>,
    staff: Staff<may::AppsWrite>,
    PathId(id): PathId<ClientId>,
    body: Json<RotateClient>,
) -> Result<HttpResponse, Problem> {
    let overlap = TimeDelta::hours(body.value.overlap_hours.unwrap_or(OVERLAP_HOURS).into());
    let made = state.operator(&staff)?.rotate_client(&id, overlap).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(RegisteredClientView::from(made)))
}

/// Remove a program
///
/// Removes the program with its service accounts. Every server refuses its access tokens within a second.
#[utoipa::path(tag = "platform", operation_id = "removeClient",
    responses((status = 204, description = "Removed")), params(("slug" = ClientId, Path,)))]
#[delete("/platform/clients/{slug}")]
pub async fn remove(
    state: web::Data<State>,
    staff: Staff<may::AppsWrite>,
    PathId(id): PathId<ClientId>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.remove_client(&id).await?;
    Ok(HttpResponse::NoContent().finish())
}
