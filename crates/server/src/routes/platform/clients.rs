//! Programs that get access tokens of their own, as the operator registers them.

use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, TimeDelta, Utc};
use identity::client::{self, Client, ClientDetails, NewClient};
use identity::{AppSlug, ClientId, OVERLAP_HOURS, ProgramAddress, ProgramSecret};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;
use values::Name;

use crate::http::body::{nullable, required};
use crate::http::caller::{Staff, may};
use crate::http::extract::{Json, PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
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
    name: Name,
    /// Whether the program can keep no secret, such as one that runs in a browser.
    is_public: bool,
    /// Whether the program is somebody else's, so that people are asked before it learns who they are.
    is_foreign: bool,
    /// The addresses to which people return after they have signed in. Empty: the program signs nobody in.
    #[schema(example = json!(["https://books.example.com/callback"]))]
    redirect_uris: Vec<ProgramAddress>,
    /// The addresses to which people may return after they have signed out.
    #[schema(example = json!(["https://books.example.com/"]))]
    post_logout_redirect_uris: Vec<ProgramAddress>,
    /// The address at which the program is told that a session has ended; null without one.
    #[schema(example = json!(null))]
    backchannel_logout_uri: Option<ProgramAddress>,
    /// The first characters of the secret; null for a public program.
    #[schema(example = "tcs_9fK2xQ7a")]
    prefix: Option<String>,
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
            is_public: client.is_public,
            is_foreign: client.is_foreign,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            backchannel_logout_uri: client.backchannel_logout_uri,
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
    /// The secret. No later response contains it. null for a public program.
    #[schema(example = "tcs_9fK2xQ7aIbV0pGm3sNcT5wLhYd8eRj1uZo6kXqA4vBM")]
    secret: Option<String>,
    #[serde(flatten)]
    client: ClientView,
}

impl From<(Client, Option<ProgramSecret>)> for RegisteredClientView {
    fn from((client, secret): (Client, Option<ProgramSecret>)) -> Self {
        let secret = secret.map(|secret| secret.secret().expose_secret().to_owned());
        Self { secret, client: client.into() }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"id": "erp-sync", "app": "inventory", "name": "ERP"}))]
pub struct RegisterClient {
    /// The client id, which cannot be changed.
    id: ClientId,
    /// The app whose access tokens the program gets.
    app: AppSlug,
    /// The name of the program, as businesses and people see it.
    name: Name,
    /// true: the program can keep no secret, such as one that runs in a browser. Defaults to false.
    #[serde(default)]
    is_public: bool,
    /// true: the program is somebody else's, so people are asked before it learns who they are. Defaults to
    /// false.
    #[serde(default)]
    is_foreign: bool,
    /// The addresses to which people return after they have signed in, at most 20. Defaults to none: the
    /// program signs nobody in.
    #[serde(default)]
    redirect_uris: Vec<ProgramAddress>,
    /// The addresses to which people may return after they have signed out, at most 20. Defaults to none.
    #[serde(default)]
    post_logout_redirect_uris: Vec<ProgramAddress>,
    /// The address at which the program is told that a session has ended (OpenID Connect Back-Channel
    /// Logout). Defaults to none.
    backchannel_logout_uri: Option<ProgramAddress>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"redirectUris": ["https://books.example.com/callback"]}))]
pub struct ChangeClient {
    /// The name of the program.
    #[serde(default, deserialize_with = "required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// Whether the program is somebody else's.
    #[serde(default, deserialize_with = "required")]
    #[schema(nullable = false)]
    is_foreign: Option<bool>,
    /// All addresses to which people return after they have signed in.
    #[serde(default, deserialize_with = "required")]
    #[schema(nullable = false)]
    redirect_uris: Option<Vec<ProgramAddress>>,
    /// All addresses to which people may return after they have signed out.
    #[serde(default, deserialize_with = "required")]
    #[schema(nullable = false)]
    post_logout_redirect_uris: Option<Vec<ProgramAddress>>,
    /// The address at which the program is told that a session has ended; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<ProgramAddress>)]
    backchannel_logout_uri: Option<Option<ProgramAddress>>,
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
/// Registers a program. With redirectUris, it signs people in by OpenID Connect at the host id, such as
/// id.example.com. With a service account, it gets access tokens of its own at POST /oauth/token there. It
/// can do nothing at a business that has made no service account for it and of which nobody has signed in.
#[utoipa::path(tag = "platform", operation_id = "registerClient", request_body = RegisterClient,
    responses((status = 201, body = RegisteredClientView)))]
#[post("/platform/clients")]
pub async fn create(
    state: web::Data<State>,
    staff: Recent<Staff<may::AppsWrite>>,
    body: Json<RegisterClient>,
) -> Result<HttpResponse, Problem> {
    let RegisterClient { id, app, name, is_public, is_foreign, .. } = body.value;
    let details = ClientDetails {
        name,
        is_foreign,
        redirect_uris: body.value.redirect_uris,
        post_logout_redirect_uris: body.value.post_logout_redirect_uris,
        backchannel_logout_uri: body.value.backchannel_logout_uri,
    };
    let new = NewClient { id, app, is_public, details };
    let made = state.operator(&staff)?.register_client(&new).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(RegisteredClientView::from(made)))
}

/// Change a program
///
/// Changes the name and the addresses of the program. Its sessions go on.
#[utoipa::path(tag = "platform", operation_id = "changeClient", request_body = ChangeClient,
    responses((status = 200, body = ClientView)), params(("slug" = ClientId, Path,)))]
#[patch("/platform/clients/{slug}")]
pub async fn edit(
    state: web::Data<State>,
    staff: Recent<Staff<may::AppsWrite>>,
    PathId(id): PathId<ClientId>,
    body: Json<ChangeClient>,
) -> Result<HttpResponse, Problem> {
    let ChangeClient { name, is_foreign, redirect_uris, post_logout_redirect_uris, .. } = body.value;
    let told_at = body.value.backchannel_logout_uri;
    let edit = |details: &mut ClientDetails| {
        details.name = name.clone().unwrap_or_else(|| details.name.clone());
        details.is_foreign = is_foreign.unwrap_or(details.is_foreign);
        if let Some(addresses) = &redirect_uris {
            details.redirect_uris.clone_from(addresses);
        }
        if let Some(addresses) = &post_logout_redirect_uris {
            details.post_logout_redirect_uris.clone_from(addresses);
        }
        if let Some(address) = &told_at {
            details.backchannel_logout_uri.clone_from(address);
        }
    };
    let client = state.operator(&staff)?.change_client(&id, edit).await?;
    Ok(HttpResponse::Ok().json(ClientView::from(client)))
}

/// Rotate the secret of a program
///
/// Gives the program another secret. The former one stays valid for some hours.
#[utoipa::path(tag = "platform", operation_id = "rotateClient", request_body = RotateClient,
    responses((status = 200, body = RegisteredClientView)), params(("slug" = ClientId, Path,)))]
#[post("/platform/clients/{slug}/rotate")]
pub async fn rotate(
    state: web::Data<State>,
    staff: Recent<Staff<may::AppsWrite>>,
    PathId(id): PathId<ClientId>,
    body: Json<RotateClient>,
) -> Result<HttpResponse, Problem> {
    let overlap = TimeDelta::hours(body.value.overlap_hours.unwrap_or(OVERLAP_HOURS).into());
    let (client, secret) = state.operator(&staff)?.rotate_client(&id, overlap).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(RegisteredClientView::from((client, Some(secret)))))
}

/// Remove a program
///
/// Removes the program with its service accounts. Every server refuses its access tokens within a second.
#[utoipa::path(tag = "platform", operation_id = "removeClient",
    responses((status = 204, description = "Removed")), params(("slug" = ClientId, Path,)))]
#[delete("/platform/clients/{slug}")]
pub async fn remove(
    state: web::Data<State>,
    staff: Recent<Staff<may::AppsWrite>>,
    PathId(id): PathId<ClientId>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.remove_client(&id).await?;
    Ok(HttpResponse::NoContent().finish())
}
