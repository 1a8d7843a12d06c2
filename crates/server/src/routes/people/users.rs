//! The team of a business: the people who are members, and the accounts that belong to the business.

use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, Utc};
use identity::auth_event::By;
use identity::membership::{self, MemberOf, MembershipError, MembershipStatus};
use identity::person::{self, Filter, Person};
use identity::session;
use identity::staff_password::NewStaff;
use identity::user::UserStatus;
use identity::{AppSlug, Password, RoleKey, UserId, Username};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::{IntoParams, ToSchema};
use values::{Email, Name, SearchQuery};

use crate::http::caller::{Member, may};
use crate::http::client;
use crate::http::extract::{Json, PathId};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;
use crate::routes::people::memberships::UserMembershipView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonView {
    /// The id of the user.
    id: UserId,
    /// The email with which the user signs in; null for a user who signs in with a username alone.
    email: Option<Email>,
    /// The usernames with which the user signs in: at most one for each business.
    #[schema(example = json!(["ana"]))]
    usernames: Vec<Username>,
    /// The name of the user; null if it is not known.
    full_name: Option<String>,
    /// Whether the user may sign in at all. Only the operator of the platform can disable an account.
    status: UserStatus,
    /// The memberships of the user: one for each app of each business.
    memberships: Vec<UserMembershipView>,
    created_at: DateTime<Utc>,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        Self {
            id: person.id,
            email: person.email,
            usernames: person.usernames,
            full_name: person.full_name,
            status: person.status,
            memberships: person.memberships.into_iter().map(UserMembershipView::from).collect(),
            created_at: person.created_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListUsers {
    /// A part of the name, of the email or of the username. Letter case and accents make no difference.
    /// Defaults to all members.
    q: Option<SearchQuery>,
    /// The app of which they are members. Defaults to all apps.
    app: Option<AppSlug>,
    /// The key of a role that they have. Defaults to all roles.
    role: Option<RoleKey>,
    /// The status of a membership. Defaults to all.
    status: Option<MembershipStatus>,
}

/// List members
///
/// Returns the people who are members of this business, in the order in which their accounts were made.
#[utoipa::path(tag = "team", operation_id = "listUsers", params(ListUsers, Paging),
    responses((status = 200, body = PageView<PersonView>)))]
#[get("/users")]
pub async fn list(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    List { query, page }: List<ListUsers>,
) -> Result<HttpResponse, Problem> {
    let tenant = member.tenant.id;
    let page = page.request()?;
    let filter = Filter {
        tenant: Some(tenant),
        app: query.app,
        role: query.role,
        membership: query.status,
        status: None,
        search: query.q.and_then(SearchQuery::text),
    };
    let list = async |tx: &SharedTx| person::list(tx, &filter, &page).await;
    let page = state.database.read_shared(SharedScope::Tenant(tenant), list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, PersonView::from)))
}

/// Read a member
///
/// Returns a member of the business with the memberships in its apps.
#[utoipa::path(tag = "team", operation_id = "readUser", responses((status = 200, body = PersonView)),
    params(("id" = UserId, Path,)))]
#[get("/users/{id}")]
pub async fn show(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    let person = find(&state, &member, id).await?;
    Ok(HttpResponse::Ok().json(PersonView::from(person)))
}

async fn find(state: &State, member: &Member<may::TeamManage>, id: UserId) -> Result<Person, Problem> {
    let tenant = member.tenant.id;
    let find = async |tx: &SharedTx| person::find(tx, id, Some(tenant)).await;
    let person = state.database.read_shared(SharedScope::Tenant(tenant), find).await?;
    person.ok_or_else(Problem::not_found)
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "username": "ana", "fullName": "Ana Souza", "app": "pos", "roles": ["cashier"],
}))]
pub struct CreateStaff {
    /// The username with which the person signs in at this business.
    username: Username,
    /// The name of the person.
    full_name: Option<Name>,
    /// The password of the person. Defaults to a generated password, which the person must change at the
    /// first sign-in.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    /// The app in which the roles apply. Defaults to inventory.
    app: Option<AppSlug>,
    /// The keys of the roles: one or more. You must have all their permissions yourself.
    roles: Vec<RoleKey>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedStaffView {
    #[serde(flatten)]
    user: PersonView,
    /// The generated password. No later response contains it. null if the request had a password.
    password: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct SetPasswordView {
    /// The generated password. No later response contains it. null if the request had a password.
    pub(crate) password: Option<String>,
}

/// The text of a password that was made, to be shown once.
pub(crate) fn shown(made: Option<Password>) -> Option<String> {
    made.map(|made| made.secret().expose_secret().to_owned())
}

/// Create an account of the business
///
/// Creates an account for a person without an email, such as a cashier. The account belongs to the business:
/// its user signs in at this business alone, with the username.
#[utoipa::path(tag = "team", operation_id = "createStaffAccount", request_body = CreateStaff,
    responses((status = 201, body = CreatedStaffView)))]
#[post("/users")]
pub async fn create(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    body: Json<CreateStaff>,
) -> Result<HttpResponse, Problem> {
    let CreateStaff { username, full_name, password, app, roles } = body.value;
    let tenant = member.tenant.id;
    let place = MemberOf::at(app, Some(tenant));
    let roles = roles.iter().map(ToString::to_string).collect();
    let new = NewStaff { username, full_name, password, place, roles };
    let (id, made) =
        state.sign_in.create_staff(tenant, &new, By::person(member.principal.user, &origin)).await?;
    let user = find(&state, &member, id).await?.into();
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/users/{id}")))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(CreatedStaffView { user, password: shown(made) }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// The new password. Defaults to a generated password, which the person must change at the next sign-in.
    #[schema(value_type = Option<String>, format = Password, example = json!(null))]
    pub(crate) password: Option<SecretString>,
}

/// Set the password of an account of the business
///
/// Sets the password of a member whose account belongs to the business, and ends all sessions of that member.
/// A member who signs in with an email asks for a link instead.
#[utoipa::path(tag = "team", operation_id = "setStaffPassword", request_body = SetPassword,
    responses((status = 200, body = SetPasswordView)), params(("id" = UserId, Path,)))]
#[post("/users/{id}/reset-password")]
pub async fn reset_password(
    state: web::Data<State>,
    member: Recent<Member<may::TeamManage>>,
    client::From(origin): client::From,
    PathId(id): PathId<UserId>,
    body: Json<SetPassword>,
) -> Result<HttpResponse, Problem> {
    let password = body.value.password.as_ref();
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let made = state.sign_in.set_staff_password(tenant, id, password, by).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(SetPasswordView { password: shown(made) }))
}

/// End the sessions of a member
///
/// Ends all sessions of the member at this business, for example after a device was lost. The member can sign
/// in again.
#[utoipa::path(tag = "team", operation_id = "endSessionsOfUser",
    responses((status = 204, description = "Ended")), params(("id" = UserId, Path,)))]
#[delete("/users/{id}/sessions")]
pub async fn end_sessions(
    state: web::Data<State>,
    member: Member<may::TeamManage>,
    client::From(origin): client::From,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, Problem> {
    let (tenant, by) = (member.tenant.id, By::person(member.principal.user, &origin));
    let end = async |tx: &SharedTx| {
        membership::refuse_above(tx, tenant, id, by).await?;
        session::revoke_at(tx, id, tenant, by).await?;
        Ok::<_, MembershipError>(())
    };
    state.database.write_shared(SharedScope::Tenant(tenant), end).await?;
    Ok(HttpResponse::NoContent().finish())
}
