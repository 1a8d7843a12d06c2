//! Signing in with an identity elsewhere, such as Google, and the identities of the signed-in user.

use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, Utc};
use identity::auth_event::By;
use identity::external_identity::{self, ExternalIdentity, ExternalIdentityId};
use identity::membership::MemberOf;
use identity::{AppSlug, IdTokenError, IssuerName, IssuerSettings, Vouched};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;
use values::ShortText;

use crate::http::browser::Browser;
use crate::http::caller::SignedIn;
use crate::http::client;
use crate::http::codes::Code;
use crate::http::extract::{Json, PathId, Query};
use crate::http::host_owner::HostOwner;
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::signing_in::auth::{self, LoginView};

#[derive(Serialize, ToSchema)]
pub struct ExternalIssuerView {
    /// The name of the issuer, for requests.
    #[schema(example = "google")]
    name: IssuerName,
    /// The name of the issuer, for people.
    #[schema(example = "Google")]
    label: String,
    /// The `iss` claim of its ID tokens.
    #[schema(example = "https://accounts.google.com")]
    issuer: String,
}

impl From<IssuerSettings> for ExternalIssuerView {
    fn from(settings: IssuerSettings) -> Self {
        Self { name: settings.name, label: settings.label, issuer: settings.issuer }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalIdentityView {
    id: ExternalIdentityId,
    /// The `iss` claim of the ID tokens.
    #[schema(example = "https://accounts.google.com")]
    issuer: String,
    /// The name of the issuer, for people.
    #[schema(example = "Google")]
    issuer_label: String,
    /// The `sub` claim of the ID tokens: the permanent id of the person at the issuer.
    #[schema(example = "110169484474386276334")]
    subject: String,
    /// The email that the issuer stated last; null without one.
    #[schema(example = "ana@example.com")]
    email: Option<String>,
    /// The time at which the identity was linked.
    linked_at: DateTime<Utc>,
    /// The time of the last sign-in with it; null before the first one.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<ExternalIdentity> for ExternalIdentityView {
    fn from(identity: ExternalIdentity) -> Self {
        Self {
            id: identity.id,
            issuer: identity.issuer,
            issuer_label: identity.issuer_label,
            subject: identity.subject,
            email: identity.email,
            linked_at: identity.linked_at,
            last_used_at: identity.last_used_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalSignIn {
    /// The name of the issuer. GET /api/v1/auth/external-issuers lists the issuers.
    #[schema(example = "google")]
    issuer: IssuerName,
    /// An ID token that the issuer has just issued to your program. Each is valid here once.
    #[schema(value_type = String, example = "eyJhbGciOiJSUzI1NiIs...")]
    id_token: SecretString,
    /// The second factor, if you have one: the six digits of the authenticator app, or a recovery code.
    #[schema(value_type = Option<String>, example = json!(null))]
    code: Option<SecretString>,
    /// The app to sign in to. Defaults to inventory on the host of a business, and to platform on the host of
    /// the platform. This API accepts the tokens of inventory, pos and platform.
    #[schema(example = "inventory")]
    app: Option<AppSlug>,
    /// A name for the device, which the list of sessions shows.
    #[schema(example = "Till 1")]
    device: Option<ShortText>,
    /// true keeps the tokens in cookies that no script can read, and leaves them out of the response. For
    /// pages in a browser. Defaults to false.
    #[serde(default)]
    #[schema(example = json!(false))]
    cookies: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkIdentity {
    /// The name of the issuer. GET /api/v1/auth/external-issuers lists the issuers.
    #[schema(example = "google")]
    issuer: IssuerName,
    /// An ID token that the issuer has just issued to your program. Each is valid here once.
    #[schema(value_type = String, example = "eyJhbGciOiJSUzI1NiIs...")]
    id_token: SecretString,
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// The second factor, if you have one: six digits, or a recovery code.
    #[schema(value_type = Option<String>, example = json!(null))]
    code: Option<SecretString>,
}

/// List the issuers elsewhere
///
/// Returns the issuers, such as Google, whose ID tokens this installation accepts at sign-in.
#[utoipa::path(tag = "auth", operation_id = "listExternalIssuers",
    responses((status = 200, body = PageView<ExternalIssuerView>)), security(()))]
#[get("/auth/external-issuers")]
pub async fn issuers(
    state: web::Data<State>,
    _host: HostOwner,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let issuers: Vec<IssuerSettings> = state.external_issuers.list().cloned().collect();
    Ok(HttpResponse::Ok().json(PageView::whole(issuers, ExternalIssuerView::from)))
}

/// Sign in with an ID token
///
/// Starts a session for the user to whom the identity is linked, like POST /api/v1/auth/login does with the
/// password. The account must exist: an identity is linked in it with POST /api/v1/auth/external-identities,
/// or by its email if the operator allows that for the issuer. A user who has a second factor gives it here,
/// too. If it is missing, the ID token stays valid for the next request.
#[utoipa::path(tag = "auth", operation_id = "signInWithIdToken", request_body = ExternalSignIn,
    responses((status = 200, body = LoginView)), security(()))]
#[post("/auth/external")]
pub async fn sign_in(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(mut origin): client::From,
    browser: Result<Browser, Problem>,
    body: Json<ExternalSignIn>,
) -> Result<HttpResponse, Problem> {
    state.tokens.check_ready()?;
    let ExternalSignIn { issuer, id_token, code, app, device, cookies } = body.value;
    let browser = if cookies { Some(browser?) } else { None };
    let member_of = MemberOf::at(app, host_owner.tenant());
    origin.device = device.map(|device| device.to_string());
    let vouched = state.external_issuers.verify(&issuer, &id_token).await?;
    let (account, started) =
        state.sign_in.sign_in_with_identity(&vouched, &member_of, code.as_ref(), &origin).await?;
    auth::tokens(&state, &host_owner, account, &started, browser.as_ref())
}

/// List the own identities elsewhere
///
/// Returns the identities at other issuers with which you can sign in, the last linked first.
#[utoipa::path(tag = "auth", operation_id = "listExternalIdentities",
    responses((status = 200, body = PageView<ExternalIdentityView>)))]
#[get("/auth/external-identities")]
pub async fn list(
    state: web::Data<State>,
    caller: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let list = async |tx: &SharedTx| external_identity::list(tx, user).await;
    let identities = state.database.read_shared(SharedScope::User(user.into()), list).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(identities, ExternalIdentityView::from)))
}

/// Link an identity elsewhere
///
/// From now on, its ID tokens sign you in. Needs the password and, if you have one, the second factor. You
/// get a mail about it.
#[utoipa::path(tag = "auth", operation_id = "linkExternalIdentity", request_body = LinkIdentity,
    responses((status = 201, body = ExternalIdentityView)))]
#[post("/auth/external-identities")]
pub async fn link(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<LinkIdentity>,
) -> Result<HttpResponse, Problem> {
    let LinkIdentity { issuer, id_token, current_password, code } = body.value;
    let vouched = verify_field(&state, &issuer, &id_token).await?;
    let shown = (&current_password, code.as_ref());
    let linked = state.sign_in.link_identity(&caller.principal, shown, &vouched, &origin).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(ExternalIdentityView::from(linked)))
}

/// Verifies the ID token of a signed-in user. A 401 would be about the session.
async fn verify_field(
    state: &State,
    issuer: &IssuerName,
    id_token: &SecretString,
) -> Result<Vouched, Problem> {
    state.external_issuers.verify(issuer, id_token).await.map_err(|error| match error {
        IdTokenError::UnknownIssuer | IdTokenError::Unavailable => error.into(),
        error => Problem::invalid("/idToken", Code::InvalidValue, error),
    })
}

/// Unlink an identity elsewhere
///
/// It no longer signs you in, and the sessions that began with it end: also this session, if it did. You get
/// a mail about it.
#[utoipa::path(tag = "auth", operation_id = "unlinkExternalIdentity",
    responses((status = 204, description = "Unlinked")), params(("id" = ExternalIdentityId, Path,)))]
#[delete("/auth/external-identities/{id}")]
pub async fn unlink(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    PathId(id): PathId<ExternalIdentityId>,
) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let unlink =
        async |tx: &SharedTx| external_identity::unlink(tx, user, id, By::person(user, &origin)).await;
    match state.database.write_shared(SharedScope::User(user.into()), unlink).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found()),
    }
}
