//! Signing in, and reading the signed-in user.

use actix_web::{HttpResponse, get, post, web};
use identity::UserId;
use identity::login::authenticate;
use identity::membership::{self, MemberOf};
use identity::user::{self, UserStatus};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, TenantId};
use utoipa::ToSchema;
use values::Email;

use crate::http::codes::Code;
use crate::http::extract::{HostOwner, Json, SignedIn};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The email address of the user. Upper and lower case make no difference.
    email: Email,
    /// The password of the user.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// The app to sign in to. Each host has one app: inventory on the host of a business, and platform on the
    /// host of the platform. Defaults to the app of the host.
    #[schema(example = "inventory")]
    app: Option<String>,
    /// A name for the device. The server does not store it.
    #[serde(rename = "device")]
    #[schema(example = "Till 1")]
    _device: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginView {
    /// The access token. Send it in the header `Authorization: Bearer TOKEN`.
    access_token: String,
    /// The type of the token: always Bearer.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// The lifetime of the token, in seconds.
    expires_in: u64,
    /// The signed-in user.
    user: UserView,
    /// The membership of the user on this host.
    membership: MembershipView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    id: UserId,
    email: Email,
    /// The name of the user; null if it is not known.
    full_name: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipView {
    /// The app of this host.
    #[schema(example = "inventory")]
    app: &'static str,
    /// The business; null on the host of the platform.
    business: Option<BusinessView>,
    /// The roles of the user, such as OWNER, MANAGER or STAFF.
    roles: Vec<String>,
    /// The permissions of the access token.
    permissions: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct BusinessView {
    id: TenantId,
    /// The first label of the address of the business.
    slug: String,
    /// The name of the business.
    name: String,
}

#[derive(Serialize, ToSchema)]
pub struct MeView {
    /// The signed-in user.
    user: UserView,
    /// The membership of the user on this host.
    membership: MembershipView,
}

fn member_of(host_owner: &HostOwner) -> MemberOf {
    match host_owner {
        HostOwner::Platform => MemberOf::Platform,
        HostOwner::Tenant(tenant) => MemberOf::Tenant(tenant.id),
    }
}

fn business(host_owner: &HostOwner) -> Option<BusinessView> {
    match host_owner {
        HostOwner::Platform => None,
        HostOwner::Tenant(tenant) => {
            Some(BusinessView { id: tenant.id, slug: tenant.slug.to_string(), name: tenant.name.clone() })
        }
    }
}

/// Sign in
///
/// Returns an access token for a member of the business at this host. On the host of the platform, it returns
/// a token for a member of the platform's staff. The token is valid only on this host.
#[utoipa::path(tag = "auth", operation_id = "signIn", request_body = Login,
    responses((status = 200, body = LoginView)), security(()))]
#[post("/auth/login")]
pub async fn login(
    state: web::Data<State>,
    host_owner: HostOwner,
    body: Json<Login>,
) -> Result<HttpResponse, Problem> {
    let member_of = member_of(&host_owner);
    let Login { email, password, app, .. } = body.value;
    if app.is_some_and(|app| app != member_of.app()) {
        return Err(Problem::invalid(
            "/app",
            Code::UnknownApp,
            format!("the app of this host is {}; leave app out", member_of.app()),
        ));
    }
    let signed_in = authenticate(&state.database, &state.hasher, &email, &password, member_of).await?;
    let token = state.tokens.issue(&signed_in);
    Ok(HttpResponse::Ok().json(LoginView {
        access_token: token.token,
        token_type: "Bearer",
        expires_in: token.expires_in.as_secs(),
        user: UserView { id: signed_in.user, email: signed_in.email, full_name: signed_in.full_name },
        membership: MembershipView {
            app: member_of.app(),
            business: business(&host_owner),
            roles: signed_in.roles,
            permissions: signed_in.permissions,
        },
    }))
}

/// Read the signed-in user
///
/// Returns the user of the token, with the current roles.
#[utoipa::path(tag = "auth", operation_id = "readSignedInUser", responses((status = 200, body = MeView)))]
#[get("/auth/me")]
pub async fn me(state: web::Data<State>, caller: SignedIn) -> Result<HttpResponse, Problem> {
    let member_of = member_of(&caller.host_owner);
    let id = caller.principal.user;
    let (user, roles) = state
        .database
        .read_shared(SharedScope::User(id.into()), async |tx| {
            tenancy::all((user::find(tx, id), membership::roles(tx, id, member_of))).await
        })
        .await?;
    let no_membership = || Problem::new(Code::NoMembership, "You are no longer a member of this business.");
    let user = user.filter(|user| user.status == UserStatus::Active).ok_or_else(no_membership)?;
    Ok(HttpResponse::Ok().json(MeView {
        user: UserView { id, email: user.email, full_name: user.full_name },
        membership: MembershipView {
            app: member_of.app(),
            business: business(&caller.host_owner),
            roles: roles.ok_or_else(no_membership)?,
            permissions: caller.principal.permissions().map(|permission| permission.to_string()).collect(),
        },
    }))
}
