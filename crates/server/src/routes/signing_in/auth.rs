//! Signing in, staying signed in, signing out, and reading the signed-in user.

use crate::http::bearer::TokenType;
use actix_web::cookie::time::Duration as Span;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use identity::auth_event::{By, Origin};
use identity::delegation::{EMAIL, PROFILE};
use identity::login::{Credentials, SignedIn as Account};
use identity::membership::{self, MemberOf};
use identity::refresh::{Presenter, RefreshError};
use identity::session::{self, Started, Which};
use identity::user::{self, LoginName, UserStatus};
use identity::{
    AppSlug, RefreshToken, SecondFactorState, SessionId, UserId, Username, refresh as refreshing,
};
use identity::{PermissionKey, RoleKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tenancy::TenantSlug;
use tenancy::{SharedScope, TenantId};
use utoipa::ToSchema;
use values::{Email, ShortText};

use crate::http::browser::Browser;
use crate::http::caller::TokenHolder;
use crate::http::client;
use crate::http::codes::Code;
use crate::http::extract::Json;
use crate::http::host_owner::HostOwner;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::watch;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The email address of the user. Upper and lower case make no difference. Send either email or username.
    email: Option<Email>,
    /// The username of the user at this business. Upper and lower case make no difference.
    #[schema(example = json!(null))]
    username: Option<Username>,
    /// The password of the user.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// A new password, which replaces the present one. Required if somebody else chose the present one, such
    /// as the operator who created the user. All other sessions of the user end.
    #[serde(rename = "newPassword")]
    #[schema(value_type = Option<String>, format = Password, example = json!(null))]
    new_password: Option<SecretString>,
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
pub struct Refresh {
    /// The refresh token of the last sign-in or refresh. Defaults to that of the cookie, for a session that
    /// is kept in cookies.
    #[schema(value_type = Option<String>, example = "trt_kq3...")]
    refresh_token: Option<SecretString>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginView {
    /// The access token. Send it in the header `Authorization: Bearer TOKEN`. null if the session is kept in
    /// cookies.
    access_token: Option<String>,
    /// The type of the token: always Bearer.
    #[schema(example = "Bearer")]
    token_type: TokenType,
    /// The lifetime of the access token, in seconds.
    expires_in: u64,
    /// The token for the next refresh. It can be used once, and the answer contains the next one. null if the
    /// session is kept in cookies.
    #[schema(example = "trt_kq3...")]
    refresh_token: Option<String>,
    /// The signed-in user.
    user: UserView,
    /// The membership of the user on this host.
    membership: MembershipView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    id: UserId,
    /// The email of the user; null for a user who signs in with a username.
    email: Option<Email>,
    /// The username of the user at this business; null for a user who signs in with an email.
    #[schema(example = json!(null))]
    username: Option<Username>,
    /// The name of the user; null if it is not known.
    full_name: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipView {
    /// The app to which the user signed in.
    #[schema(example = "inventory")]
    app: AppSlug,
    /// The business; null on the host of the platform.
    business: Option<BusinessView>,
    /// The roles of the user, such as OWNER, MANAGER or STAFF.
    #[schema(value_type = Vec<RoleKey>)]
    roles: Vec<String>,
    /// The permissions of the access token.
    #[schema(value_type = Vec<PermissionKey>)]
    permissions: Vec<String>,
    /// given: you gave the second factor. unneeded: you have none, and need none. to_enrol: your role needs
    /// one, so set it up with POST /api/v1/auth/second-factor. missing: you have one, and did not give it;
    /// send it to POST /api/v1/auth/step-up. With to_enrol and missing, the session has no permissions.
    second_factor: SecondFactorState,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BusinessView {
    id: TenantId,
    /// The first label of the address of the business.
    #[schema(value_type = TenantSlug)]
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
    /// The impersonation, if the staff of the platform act as the user; otherwise null.
    impersonation: Option<ImpersonationView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CurrentImpersonationView)]
#[serde(rename_all = "camelCase")]
pub struct ImpersonationView {
    /// The session, which the logs name.
    id: SessionId,
    /// Whether nothing can be changed.
    is_read_only: bool,
}

fn business(host_owner: &HostOwner) -> Option<BusinessView> {
    match host_owner {
        HostOwner::Platform | HostOwner::Identity => None,
        HostOwner::Tenant(tenant) => {
            Some(BusinessView { id: tenant.id, slug: tenant.slug.to_string(), name: tenant.name.clone() })
        }
    }
}

/// The answer to a sign-in or a refresh. With a browser, the tokens go into its cookies. No cache may store
/// it (RFC 6749 section 5.1).
pub(crate) fn tokens(
    state: &State,
    host_owner: &HostOwner,
    account: Account,
    started: &Started,
    browser: Option<&Browser>,
) -> Result<HttpResponse, Problem> {
    let token = state.tokens.issue(&account, started)?;
    let refresh_token = started.refresh_token.secret().expose_secret();
    let permissions = started.held(&account).to_vec();
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    let (access_token, refresh_token) = match browser {
        None => (Some(token.token), Some(refresh_token.to_owned())),
        Some(browser) => {
            let idle = i64::try_from(state.sign_in.terms.idle.as_secs()).unwrap_or(i64::MAX);
            browser.keep(&mut response, &token.token, refresh_token, Span::seconds(idle));
            (None, None)
        }
    };
    Ok(response.json(LoginView {
        access_token,
        token_type: TokenType::Bearer,
        expires_in: token.expires_in.as_secs(),
        refresh_token,
        user: UserView {
            id: account.user,
            email: account.email,
            username: account.username,
            full_name: account.full_name,
        },
        membership: MembershipView {
            app: account.member_of.app().clone(),
            business: business(host_owner),
            permissions,
            roles: account.roles,
            second_factor: started.second_factor,
        },
    }))
}

/// Sign in
///
/// Starts a session for a member of the business at this host, and returns an access token and a refresh
/// token. On the host of the platform, it starts a session for a member of the platform's staff. The tokens
/// are valid only on this host.
#[utoipa::path(tag = "auth", operation_id = "signIn", request_body = Login,
    responses((status = 200, body = LoginView)), security(()))]
#[post("/auth/login")]
pub async fn login(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(mut origin): client::From,
    browser: Result<Browser, Problem>,
    body: Json<Login>,
) -> Result<HttpResponse, Problem> {
    state.tokens.check_ready()?;
    let Login { email, username, password, new_password, code, app, device, cookies } = body.value;
    let browser = if cookies { Some(browser?) } else { None };
    let name = match (email, username) {
        (Some(email), None) => LoginName::Email(email),
        (None, Some(username)) => LoginName::Username(username),
        _ => {
            return Err(Problem::invalid("/email", Code::MissingField, "send either email or username"));
        }
    };
    let member_of = MemberOf::at(app, host_owner.tenant());
    origin.device = device.map(|device| device.to_string());
    let credentials = Credentials { login: name, password, member_of, code, is_at_provider: false };
    let (account, started) = match new_password {
        None => state.sign_in.sign_in(&credentials, &origin).await?,
        Some(new) => state.sign_in.change_password_and_sign_in(&credentials, &new, &origin).await?,
    };
    tokens(&state, &host_owner, account, &started, browser.as_ref())
}

/// Refresh a session
///
/// Returns a new access token with the present roles, and the next refresh token. A refresh token can be used
/// once. If a request is repeated within 30 seconds, for example because its answer was lost, it gets another
/// refresh token, up to five times; the first of these tokens that is used ends the others. If a refresh
/// token is used later, it may be stolen: the session is ended.
#[utoipa::path(tag = "auth", operation_id = "refreshSession", request_body = Refresh,
    responses((status = 200, body = LoginView)), security(()))]
#[post("/auth/refresh")]
pub async fn refresh(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(origin): client::From,
    browser: Result<Browser, Problem>,
    body: Json<Refresh>,
) -> Result<HttpResponse, Problem> {
    state.tokens.check_ready()?;
    // A refusal never takes the cookies away: another request of the same browser may have got new ones.
    let (token, browser) = match body.value.refresh_token {
        Some(token) => (token, None),
        None => {
            let browser = browser?;
            let token = browser.refresh_token().ok_or(RefreshError::Invalid)?;
            (token, Some(browser))
        }
    };
    let presented = RefreshToken::presented(token);
    let (database, terms) = (&state.database, &state.sign_in.terms);
    let presenter = Presenter::Host(host_owner.tenant());
    let (account, started) =
        refreshing::refresh(database, &presented, presenter, None, terms, &origin).await?;
    tokens(&state, &host_owner, account, &started, browser.as_ref())
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logout {
    /// The refresh token of the session, if its access token has expired. Defaults to the session of the
    /// access token.
    #[schema(value_type = Option<String>, example = "trt_kq3...")]
    refresh_token: Option<SecretString>,
}

/// Sign out
///
/// Ends the session. Its tokens are refused from now on. A session in cookies loses its cookies.
#[utoipa::path(tag = "auth", operation_id = "signOut", request_body = Logout,
    responses((status = 204, description = "Signed out")), security((), ("bearer" = []), ("cookie" = [])))]
#[post("/auth/logout")]
pub async fn logout(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(origin): client::From,
    caller: Result<TokenHolder, Problem>,
    browser: Result<Browser, Problem>,
    request: HttpRequest,
    body: Json<Logout>,
) -> Result<HttpResponse, Problem> {
    let is_in_cookies =
        body.value.refresh_token.is_none() && !request.headers().contains_key(header::AUTHORIZATION);
    if let Some(browser) = browser.ok().filter(|_| is_in_cookies) {
        // A page of this host: whatever the cookies are still worth, they are gone after this.
        if let Ok(caller) = caller {
            end_session(&state, &caller, &origin).await?;
        }
        if let Some(token) = browser.refresh_token() {
            end_session_of(&state, token, &host_owner, &origin).await?;
        }
        let mut response = HttpResponse::NoContent().finish();
        browser.forget(&mut response)?;
        return Ok(response);
    }
    match body.value.refresh_token {
        Some(token) => end_session_of(&state, token, &host_owner, &origin).await?,
        None => end_session(&state, &caller?, &origin).await?,
    }
    Ok(HttpResponse::NoContent().finish())
}

async fn end_session(state: &State, caller: &TokenHolder, origin: &Origin) -> Result<(), Problem> {
    let (user, which) = (caller.principal.user, Which::One(caller.principal.session));
    let by = match caller.principal.impersonator {
        Some(by) => watch::by_staff(by, origin),
        None => By::person(user, origin),
    };
    let revoke = async |tx: &tenancy::SharedTx| session::revoke(tx, user, which, "signed_out", by).await;
    state.database.write_shared(SharedScope::User(user.into()), revoke).await?;
    Ok(())
}

async fn end_session_of(
    state: &State,
    token: SecretString,
    host_owner: &HostOwner,
    origin: &Origin,
) -> Result<(), Problem> {
    let presented = RefreshToken::presented(token);
    let presenter = Presenter::Host(host_owner.tenant());
    Ok(refreshing::sign_out(&state.database, &presented, presenter, origin).await?)
}

/// Read the signed-in user
///
/// Returns the user of the token, with the current roles.
#[utoipa::path(tag = "auth", operation_id = "readSignedInUser", responses((status = 200, body = MeView)))]
#[get("/auth/me")]
pub async fn me(state: web::Data<State>, caller: TokenHolder) -> Result<HttpResponse, Problem> {
    let member_of = &caller.principal.member_of;
    let id = caller.principal.user;
    let (user, roles) = state
        .database
        .read_shared(SharedScope::User(id.into()), async |tx| {
            tenancy::all((user::find(tx, id, member_of.tenant()), membership::roles(tx, id, member_of))).await
        })
        .await?;
    let no_membership = || Problem::new(Code::NoMembership, "You are no longer a member of this business.");
    let user = user.filter(|user| user.status == UserStatus::Active).ok_or_else(no_membership)?;
    Ok(HttpResponse::Ok().json(MeView {
        // A program learns no more than what the user allowed it to.
        user: UserView {
            id,
            email: user.email.filter(|_| caller.principal.may_learn(EMAIL)),
            username: user.username.filter(|_| caller.principal.may_learn(PROFILE)),
            full_name: user.full_name.filter(|_| caller.principal.may_learn(PROFILE)),
        },
        membership: MembershipView {
            app: member_of.app().clone(),
            business: business(&caller.host_owner),
            roles: roles.ok_or_else(no_membership)?,
            permissions: caller.principal.permissions().map(|permission| permission.to_string()).collect(),
            second_factor: caller.principal.second_factor.unwrap_or(SecondFactorState::Unneeded),
        },
        impersonation: caller
            .principal
            .impersonator
            .map(|by| ImpersonationView { id: caller.principal.session, is_read_only: by.is_read_only }),
    }))
}
