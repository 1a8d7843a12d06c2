//! The API keys of a business.

use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, TimeDelta, Utc};
use identity::api_key::{self, ApiKey, ApiKeyId, KeyStatus, NewApiKey, Rotation};
use identity::auth_event::By;
use identity::{OVERLAP_HOURS, PermissionKey, ProgramSecret, UserId};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::{IntoParams, ToSchema};
use values::{Moment, Name};

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::etag::Tag;
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyView {
    /// The id. The audit log and documents name it as their actor.
    id: ApiKeyId,
    /// The name of the key.
    #[schema(example = "Web shop")]
    name: String,
    /// The permissions of the key. A request may use a permission only as long as the member of the key has
    /// it, too.
    #[schema(example = json!(["catalogue.read", "stock.read"]))]
    permissions: Vec<String>,
    /// Whether the key is valid. suspended: the member of the key is not an active member any more; another
    /// member can rotate the key.
    status: KeyStatus,
    /// The member of the key: the member who created it, or who rotated it last. null: the operator of the
    /// platform did.
    user_id: Option<UserId>,
    /// The first characters of the secret.
    #[schema(example = "tky_9fK2xQ7a")]
    prefix: String,
    /// The time at which the secret was used last, to the minute; null if it was not used.
    last_used_at: Option<DateTime<Utc>>,
    /// The former secret, as long as it is valid after a rotation; otherwise null.
    previous_secret: Option<FormerSecretView>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// The time of the last rotation; null if there was none.
    rotated_at: Option<DateTime<Utc>>,
    /// The time at which the key was revoked; null if it was not.
    revoked_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormerSecretView {
    /// The first characters of the secret.
    #[schema(example = "tky_Zb81mWc0")]
    prefix: String,
    expires_at: DateTime<Utc>,
    /// The time at which the secret was used last, to the minute; null if it was not used.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let last_used_at = key.previous_last_used_at;
        let former = key.previous_prefix.zip(key.previous_expires_at);
        Self {
            id: key.id,
            name: key.name,
            permissions: key.permissions,
            status: key.status,
            user_id: key.user_id,
            prefix: key.prefix,
            last_used_at: key.last_used_at,
            previous_secret: former.map(|(prefix, expires_at)| FormerSecretView {
                prefix,
                expires_at,
                last_used_at,
            }),
            created_at: key.created_at,
            expires_at: key.expires_at,
            rotated_at: key.rotated_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A key with its secret.
#[derive(Serialize, ToSchema)]
pub struct IssuedApiKeyView {
    /// The secret, which a program sends as `Authorization: Bearer SECRET`. No later response contains it.
    #[schema(example = "tky_9fK2xQ7aIbV0pGm3sNcT5wLhYd8eRj1uZo6kXqA4vBM")]
    secret: String,
    #[serde(flatten)]
    key: ApiKeyView,
}

impl From<(ApiKey, ProgramSecret)> for IssuedApiKeyView {
    fn from((key, secret): (ApiKey, ProgramSecret)) -> Self {
        Self { secret: secret.secret().expose_secret().to_owned(), key: key.into() }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Web shop", "permissions": ["catalogue.read", "stock.read"]}))]
pub struct CreateApiKey {
    /// The name of the key. No other key that is not revoked has it.
    name: Name,
    /// The permissions of the key: one or more. You must have all of them yourself. team.manage and
    /// api_keys.manage are for people alone.
    permissions: Vec<PermissionKey>,
    /// The time at which the key expires, within 5 years. Defaults to a year from now.
    expires_at: Option<Moment>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"overlapHours": 24}))]
pub struct RotateApiKey {
    /// The time for which the former secret stays valid, in hours, 0 to 168. Defaults to 24.
    #[schema(minimum = 0, maximum = 168)]
    overlap_hours: Option<u32>,
    /// The time at which the key expires, within 5 years. Defaults to its present expiry.
    expires_at: Option<Moment>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListApiKeys {
    /// The status. Defaults to all.
    status: Option<KeyStatus>,
}

/// List API keys
///
/// Returns the API keys of this business, newest first. A key that was revoked or has expired is kept as long
/// as authentication events are.
#[utoipa::path(tag = "access", operation_id = "listApiKeys", params(ListApiKeys, Paging),
    responses((status = 200, body = PageView<ApiKeyView>)))]
#[get("/api-keys")]
pub async fn list(
    state: web::Data<State>,
    member: Member<may::ApiKeysManage>,
    List { query, page }: List<ListApiKeys>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let page = page.request()?;
    let read = async |tx: &SharedTx| api_key::list(tx, Some(tenant), query.status, &page).await;
    let page = state.database.read_shared(SharedScope::Tenant(tenant), read).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, ApiKeyView::from)))
}

/// Create an API key
///
/// Creates a key with which a program works in this business, without a person who signs in. The key never
/// has more permissions than the member who created it has at the moment of a request. It stops working when
/// the member leaves the business, until another member rotates it.
#[utoipa::path(tag = "access", operation_id = "createApiKey", request_body = CreateApiKey,
    responses((status = 201, body = IssuedApiKeyView)))]
#[post("/api-keys")]
pub async fn create(
    state: web::Data<State>,
    member: Recent<Member<may::ApiKeysManage>>,
    client::From(origin): client::From,
    body: Json<CreateApiKey>,
) -> Result<HttpResponse, Problem> {
    let CreateApiKey { name, permissions, expires_at } = body.value;
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let new = NewApiKey { name, permissions, expires_at: expires_at.map(Moment::time) };
    let create = async |tx: &SharedTx| api_key::create(tx, tenant, &new, by).await;
    let made = state.database.write_shared(SharedScope::Tenant(tenant), create).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/api-keys/{}", made.0.id)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, Tag::of_version(made.0.version).to_string()))
        .json(IssuedApiKeyView::from(made)))
}

/// Read an API key
///
/// Returns the key without its secret, which only its creator saw.
#[utoipa::path(tag = "access", operation_id = "readApiKey", responses((status = 200, body = ApiKeyView)),
    params(("id" = ApiKeyId, Path,)))]
#[get("/api-keys/{id}")]
pub async fn show(
    state: web::Data<State>,
    member: Member<may::ApiKeysManage>,
    PathId(id): PathId<ApiKeyId>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let find = async |tx: &SharedTx| api_key::find(tx, tenant, id).await;
    let key = state.database.read_shared(SharedScope::Tenant(tenant), find).await?;
    let key = key.ok_or_else(Problem::not_found)?;
    // The time of the last use changes without the version.
    let tag = Tag::of_version(key.version).to_string();
    Ok(HttpResponse::Ok().insert_header((header::ETAG, tag)).json(ApiKeyView::from(key)))
}

/// Rotate an API key
///
/// Gives the key another secret. The former secret stays valid for some hours, so that programs can change
/// over; a secret from before that ends at once. You become the member of the key, so you must have all its
/// permissions. If the response is lost, read the key: `rotatedAt` tells whether it was rotated. With
/// If-Match, a repeated request does not rotate it twice.
#[utoipa::path(tag = "access", operation_id = "rotateApiKey", request_body = RotateApiKey,
    responses((status = 200, body = IssuedApiKeyView)),
    params(("id" = ApiKeyId, Path,),
           ("If-Match" = Option<String>, Header, description = "The ETag of the last response. If the key \
            has been rotated since, the answer is 412.")))]
#[post("/api-keys/{id}/rotate")]
pub async fn rotate(
    state: web::Data<State>,
    member: Recent<Member<may::ApiKeysManage>>,
    client::From(origin): client::From,
    PathId(id): PathId<ApiKeyId>,
    IfMatch(if_version): IfMatch,
    body: Json<RotateApiKey>,
) -> Result<HttpResponse, Problem> {
    let RotateApiKey { overlap_hours, expires_at } = body.value;
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let rotation = Rotation {
        overlap: TimeDelta::hours(overlap_hours.unwrap_or(OVERLAP_HOURS).into()),
        if_version,
        expires_at: expires_at.map(Moment::time),
    };
    let rotate = async |tx: &SharedTx| api_key::rotate(tx, tenant, id, rotation, by).await;
    let made = state.database.write_shared(SharedScope::Tenant(tenant), rotate).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, Tag::of_version(made.0.version).to_string()))
        .json(IssuedApiKeyView::from(made)))
}

/// Revoke an API key
///
/// Revokes the key with all its secrets. Every server refuses them within a second. Whoever manages keys may
/// revoke any of them. Repeating the request changes nothing.
#[utoipa::path(tag = "access", operation_id = "revokeApiKey",
    responses((status = 204, description = "Revoked")), params(("id" = ApiKeyId, Path,)))]
#[delete("/api-keys/{id}")]
pub async fn revoke(
    state: web::Data<State>,
    member: Member<may::ApiKeysManage>,
    client::From(origin): client::From,
    PathId(id): PathId<ApiKeyId>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let revoke = async |tx: &SharedTx| api_key::revoke(tx, tenant, id, by).await;
    state.database.write_shared(SharedScope::Tenant(tenant), revoke).await?;
    Ok(HttpResponse::NoContent().finish())
}
