//! Signing in, and asking who one is.

use actix_web::{HttpResponse, get, post, web};
use identity::login::authenticate;
use identity::membership::{self, Place};
use identity::{Email, UserId, user};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, TenantId};
use utoipa::ToSchema;

use crate::http::extract::{Json, SignedIn};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::middleware::tenant::Site;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    #[schema(value_type = String, format = Email, example = "owner1@test.com")]
    email: Email,
    #[schema(value_type = String, format = Password, example = "password123")]
    password: SecretString,
    /// The app to sign in to; each host has one.
    #[schema(example = "inventory")]
    app: Option<String>,
    /// What the user calls this device.
    #[serde(rename = "device")]
    #[schema(example = "Till 1")]
    _device: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginView {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    user: UserView,
    membership: MembershipView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    #[schema(value_type = uuid::Uuid)]
    id: UserId,
    email: String,
    full_name: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipView {
    #[schema(example = "inventory")]
    app: &'static str,
    business: Option<BusinessView>,
    roles: Vec<String>,
    permissions: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct BusinessView {
    #[schema(value_type = uuid::Uuid)]
    id: TenantId,
    slug: String,
    name: String,
}

#[derive(Serialize, ToSchema)]
pub struct MeView {
    user: UserView,
    membership: MembershipView,
}

fn place(site: &Site) -> Place {
    match site {
        Site::Platform => Place::Platform,
        Site::Business(tenant) => Place::Business(tenant.id),
    }
}

fn business(site: &Site) -> Option<BusinessView> {
    match site {
        Site::Platform => None,
        Site::Business(tenant) => {
            Some(BusinessView { id: tenant.id, slug: tenant.slug.to_string(), name: tenant.name.clone() })
        }
    }
}

/// Sign in
///
/// With the email and password of a user who is a member of the business on whose host the request arrives; on the
/// platform's host, of its staff. The token is good on this host alone.
#[utoipa::path(tag = "auth", request_body = Login, responses((status = 200, body = LoginView)), security(()))]
#[post("/auth/login")]
pub async fn login(state: web::Data<State>, site: Site, body: Json<Login>) -> Result<HttpResponse, Problem> {
    let place = place(&site);
    let Login { email, password, app, .. } = body.value;
    if app.is_some_and(|app| app != place.app()) {
        return Err(Problem::invalid(
            "/app",
            "unknown_app",
            format!("the app of this host is {}", place.app()),
        ));
    }
    let signed_in = authenticate(&state.database, &state.hasher, &email, &password, place).await?;
    let token = state.tokens.issue(&signed_in);
    Ok(HttpResponse::Ok().json(LoginView {
        access_token: token.token,
        token_type: "Bearer",
        expires_in: token.expires_in.as_secs(),
        user: UserView { id: signed_in.user, email: signed_in.email, full_name: signed_in.full_name },
        membership: MembershipView {
            app: place.app(),
            business: business(&site),
            roles: signed_in.roles,
            permissions: signed_in.permissions,
        },
    }))
}

/// Who am I?
///
/// The user of the token, and what he is here as of now.
#[utoipa::path(tag = "auth", responses((status = 200, body = MeView)))]
#[get("/auth/me")]
pub async fn me(state: web::Data<State>, caller: SignedIn) -> Result<HttpResponse, Problem> {
    let place = place(&caller.site);
    let id = caller.principal.user;
    let (user, roles) = state
        .database
        .read_shared(SharedScope::User(id.as_uuid()), async |tx| {
            tenancy::both(user::find(tx, id), membership::roles(tx, id, place)).await
        })
        .await?;
    let no_membership = || Problem::forbidden("no_membership", "You have no access here any more.");
    let user = user.filter(|user| user.is_active).ok_or_else(no_membership)?;
    Ok(HttpResponse::Ok().json(MeView {
        user: UserView { id, email: user.email, full_name: user.full_name },
        membership: MembershipView {
            app: place.app(),
            business: business(&caller.site),
            roles: roles.ok_or_else(no_membership)?,
            permissions: caller.principal.permissions().map(|permission| permission.to_string()).collect(),
        },
    }))
}
