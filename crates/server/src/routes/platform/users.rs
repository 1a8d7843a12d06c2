//! Users of the whole platform, for its staff.

use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use identity::external_identity::{self, ExternalIdentityId};
use identity::membership::{MemberOf, MembershipStatus};
use identity::person::{self, Filter, Person};
use identity::session::{self, Which};
use identity::user::{LoginName, UserStatus};
use identity::{AppSlug, RoleKey, UserId, Username};
use platform::NewMember;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx, TenantId};
use utoipa::{IntoParams, ToSchema};
use values::{Email, Name, SearchQuery};

use crate::http::caller::{Staff, may};
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId, Query};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;
use crate::routes::people::users::{PersonView, SetPassword, SetPasswordView, shown};
use crate::routes::signing_in::account::{ChangeProfile, PersonalDataView, ProfileView};
use crate::routes::signing_in::external_identities::ExternalIdentityView;
use crate::routes::signing_in::sessions::SessionView;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListAllUsers {
    /// A part of the name, of the email or of a username. Letter case and accents make no difference.
    /// Defaults to all users.
    q: Option<SearchQuery>,
    /// The status of the account. Defaults to all.
    status: Option<UserStatus>,
    /// The business of which they are members. Defaults to all businesses.
    tenant_id: Option<TenantId>,
    /// The app of which they are members; platform lists the platform's staff. Defaults to all apps.
    app: Option<AppSlug>,
    /// The key of a role that they have. Defaults to all roles.
    role: Option<RoleKey>,
    /// The status of a membership. Defaults to all.
    membership_status: Option<MembershipStatus>,
}

/// List users
///
/// Returns the users of the platform with their memberships, in the order in which their accounts were made.
/// With tenantId, only the memberships at that business are shown.
#[utoipa::path(tag = "platform", operation_id = "listAllUsers", params(ListAllUsers, Paging),
    responses((status = 200, body = PageView<PersonView>)))]
#[get("/platform/users")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::UsersRead>,
    List { query, page }: List<ListAllUsers>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let filter = Filter {
        tenant: query.tenant_id,
        app: query.app,
        role: query.role,
        membership: query.membership_status,
        status: query.status,
        search: query.q.and_then(SearchQuery::text),
    };
    let list = async |tx: &SharedTx| person::list(tx, &filter, &page).await;
    let page = state.database.read_shared(SharedScope::Platform, list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, PersonView::from)))
}

async fn find(state: &State, id: UserId) -> Result<Person, Problem> {
    let find = async |tx: &SharedTx| person::find(tx, id, None).await;
    state.database.read_shared(SharedScope::Platform, find).await?.ok_or_else(Problem::not_found)
}

/// The answer to a change of a user.
async fn answer(state: &State, id: UserId) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(PersonView::from(find(state, id).await?)))
}

/// Read a user
///
/// Returns the user with all memberships. A deleted user has neither a name nor memberships.
#[utoipa::path(tag = "platform", operation_id = "readAnyUser",
    responses((status = 200, body = PersonView)), params(("id" = UserId, Path,)))]
#[get("/platform/users/{id}")]
pub async fn show(
    state: web::Data<State>,
    _staff: Staff<may::UsersRead>,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    answer(&state, id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "email": "ana@example.com", "fullName": "Ana Souza",
    "tenantId": "01990000-0000-7000-8000-000000000000", "app": "inventory", "roles": ["STAFF"],
}))]
pub struct CreateMember {
    /// The email of a new or an existing user. Send either email or username.
    email: Option<Email>,
    /// The username of a new or an existing user at the business.
    username: Option<Username>,
    /// The name of a new user. An existing user keeps the current name.
    full_name: Option<Name>,
    /// The password of a new user. Without it, the response contains a generated password, which the user
    /// must change at the first sign-in. It must be left out for a user who has a password.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    /// The business in which the roles apply. Leave it out for an app without businesses.
    tenant_id: Option<TenantId>,
    /// The app in which the roles apply. Defaults to inventory in a business, and to platform without one.
    app: Option<AppSlug>,
    /// The keys of the roles: one or more.
    roles: Vec<RoleKey>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedMemberView {
    #[serde(flatten)]
    user: PersonView,
    /// The generated password. No later response contains it. null if none was generated.
    password: Option<String>,
}

/// Add a member
///
/// Gives a user roles in an app of a business, or in an app without businesses. Creates the user if there is
/// none.
#[utoipa::path(tag = "platform", operation_id = "addMember", request_body = CreateMember,
    responses((status = 201, body = CreatedMemberView)))]
#[post("/platform/users")]
pub async fn create(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    body: Json<CreateMember>,
) -> Result<HttpResponse, Problem> {
    let CreateMember { email, username, full_name, password, tenant_id, app, roles } = body.value;
    let onboarding = state.onboarding()?;
    let login = match (email, username) {
        (Some(email), None) => LoginName::Email(email),
        (None, Some(username)) if tenant_id.is_some() => LoginName::Username(username),
        (None, Some(_)) => {
            let message = "a username belongs to a business; send tenantId";
            return Err(Problem::invalid("/tenantId", Code::MissingField, message));
        }
        _ => {
            return Err(Problem::invalid("/email", Code::MissingField, "send either email or username"));
        }
    };
    if let Some(tenant) = tenant_id
        && super::lifecycle::find(&state, tenant).await.is_err()
    {
        return Err(Problem::not_found_at("/tenantId", "there is no such business"));
    }
    let place = MemberOf::at(app, tenant_id);
    let name = full_name.as_ref().map_or("", Name::as_str);
    let login_text = login.to_value();
    let password = password
        .map(|text| state.sign_in.policy.check(&text, &[&login_text, name]))
        .transpose()
        .map_err(|error| Problem::invalid("/password", Code::WeakPassword, error))?;
    let roles = roles.iter().map(ToString::to_string).collect();
    let new = NewMember { login, full_name, password, roles };
    let added = onboarding.add_member(&new, &place, &staff.actor()).await?;
    let user = find(&state, added.user).await?.into();
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/platform/users/{}", added.user)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(CreatedMemberView { user, password: shown(added.made_password) }))
}

/// Change the profile of a user
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value.
#[utoipa::path(tag = "platform", operation_id = "changeUser", request_body = ChangeProfile,
    responses((status = 200, body = ProfileView)), params(("id" = UserId, Path,)))]
#[patch("/platform/users/{id}")]
pub async fn edit(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<UserId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeProfile>,
) -> Result<HttpResponse, Problem> {
    let change = body.value.into_change(if_version);
    let profile = state.operator(&staff)?.change_profile(id, &change).await?;
    Ok(etag::changed(Tag::of_version(profile.version), &ProfileView::from(profile)))
}

/// Disable a user
///
/// The user can no longer sign in to any app. All sessions end within a second.
#[utoipa::path(tag = "platform", operation_id = "disableUser",
    responses((status = 200, body = PersonView)), params(("id" = UserId, Path,)))]
#[post("/platform/users/{id}/disable")]
pub async fn disable(
    state: web::Data<State>,
    staff: Staff<may::UsersWrite>,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.set_user_disabled(id, true).await?;
    answer(&state, id).await
}

/// Enable a disabled user
///
/// The user can sign in again, with the former memberships.
#[utoipa::path(tag = "platform", operation_id = "enableUser",
    responses((status = 200, body = PersonView)), params(("id" = UserId, Path,)))]
#[post("/platform/users/{id}/enable")]
pub async fn enable(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.set_user_disabled(id, false).await?;
    answer(&state, id).await
}

/// Set the password of a user
///
/// Sets the password, and ends all sessions of the user.
#[utoipa::path(tag = "platform", operation_id = "setUserPassword", request_body = SetPassword,
    responses((status = 200, body = SetPasswordView)), params(("id" = UserId, Path,)))]
#[post("/platform/users/{id}/reset-password")]
pub async fn reset_password(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<UserId>,
    body: Json<SetPassword>,
) -> Result<HttpResponse, Problem> {
    let onboarding = state.onboarding()?;
    let person = find(&state, id).await?;
    if person.status == UserStatus::Deleted {
        return Err(Problem::not_found());
    }
    let names = person.names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let password = body
        .value
        .password
        .map(|text| state.sign_in.policy.check(&text, &names))
        .transpose()
        .map_err(|error| Problem::invalid("/password", Code::WeakPassword, error))?;
    let made = onboarding.reset_password(id, password, &staff.actor()).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(SetPasswordView { password: shown(made) }))
}

/// Remove the second factor of a user
///
/// Removes the second factor of a user who has lost it, and ends all sessions of the user.
#[utoipa::path(tag = "platform", operation_id = "resetSecondFactor",
    responses((status = 204, description = "Removed")), params(("id" = UserId, Path,)))]
#[post("/platform/users/{id}/reset-second-factor")]
pub async fn reset_second_factor(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(&staff)?;
    find(&state, id).await?;
    operator.reset_second_factor(id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the sessions of a user
///
/// Returns the sessions that have not ended, the last used first.
#[utoipa::path(tag = "platform", operation_id = "listSessionsOfUser",
    responses((status = 200, body = PageView<SessionView>)), params(("id" = UserId, Path,)))]
#[get("/platform/users/{id}/sessions")]
pub async fn sessions(
    state: web::Data<State>,
    staff: Staff<may::UsersRead>,
    PathId(id): PathId<UserId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    find(&state, id).await?;
    let current = staff.principal.session;
    let read = async |tx: &SharedTx| session::list(tx, id).await;
    let sessions = state.database.read_shared(SharedScope::Platform, read).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(sessions, |session| SessionView::new(session, current))))
}

/// End the sessions of a user
///
/// Ends all sessions at every business within a second. The user can sign in again.
#[utoipa::path(tag = "platform", operation_id = "endAllSessionsOfUser",
    responses((status = 204, description = "Ended")), params(("id" = UserId, Path,)))]
#[delete("/platform/users/{id}/sessions")]
pub async fn end_sessions(
    state: web::Data<State>,
    staff: Staff<may::UsersWrite>,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(&staff)?;
    find(&state, id).await?;
    operator.end_sessions(id, Which::All).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the identities elsewhere of a user
///
/// Returns the identities at other issuers with which the user signs in, the last linked first.
#[utoipa::path(tag = "platform", operation_id = "listExternalIdentitiesOfUser",
    responses((status = 200, body = PageView<ExternalIdentityView>)), params(("id" = UserId, Path,)))]
#[get("/platform/users/{id}/external-identities")]
pub async fn identities(
    state: web::Data<State>,
    _staff: Staff<may::UsersRead>,
    PathId(id): PathId<UserId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    find(&state, id).await?;
    let read = async |tx: &SharedTx| external_identity::list(tx, id).await;
    let identities = state.database.read_shared(SharedScope::Platform, read).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(identities, ExternalIdentityView::from)))
}

/// Unlink an identity elsewhere of a user
///
/// The identity no longer signs the user in, and the sessions that began with it end.
#[utoipa::path(tag = "platform", operation_id = "unlinkExternalIdentityOfUser",
    responses((status = 204, description = "Unlinked")),
    params(("id" = UserId, Path,), ("identityId" = ExternalIdentityId, Path,)))]
#[delete("/platform/users/{id}/external-identities/{identityId}")]
pub async fn unlink_identity(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId((id, identity)): PathId<(UserId, ExternalIdentityId)>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(&staff)?;
    find(&state, id).await?;
    match operator.unlink_identity(id, identity).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found()),
    }
}

/// Export the data of a user
///
/// Returns everything that the platform holds about the user, to be handed out to that person. Both audit
/// logs record it.
#[utoipa::path(tag = "platform", operation_id = "exportUser",
    responses((status = 200, body = PersonalDataView)), params(("id" = UserId, Path,)))]
#[get("/platform/users/{id}/export")]
pub async fn export(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    let data = state.operator(&staff)?.export_user(id).await?;
    Ok(HttpResponse::Ok().json(PersonalDataView { data: data.ok_or_else(Problem::not_found)? }))
}

/// Delete a user
///
/// Deletes the account with its logins, memberships and sessions. This cannot be undone. The documents of
/// businesses stay, and name a deleted user. The only active owner of a business cannot be deleted.
#[utoipa::path(tag = "platform", operation_id = "deleteUser",
    responses((status = 204, description = "Deleted")), params(("id" = UserId, Path,)))]
#[delete("/platform/users/{id}")]
pub async fn remove(
    state: web::Data<State>,
    staff: Recent<Staff<may::UsersWrite>>,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.delete_user(id).await?;
    Ok(HttpResponse::NoContent().finish())
}
