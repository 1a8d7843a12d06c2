//! The account of the signed-in user: the profile, the log of what happened to the account, a copy of all
//! data, and the end.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use identity::auth_event::By;
use identity::auth_log::{self, EventFilter};
use identity::personal_data::{self, PersonalData};
use identity::profile::{self, Profile, ProfileChange};
use identity::{UserId, Username};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;
use values::{Email, IfVersion, Locale, Name, ShortText};

use crate::http::caller::SignedIn;
use crate::http::client;
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;
use crate::routes::signing_in::events::AuthEventView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileView {
    id: UserId,
    /// The email of the user; null for a user who signs in with a username.
    email: Option<Email>,
    /// Whether the user has shown, by a mailed link, that the email is theirs.
    email_verified: bool,
    /// The usernames of the user: at most one for each business.
    #[schema(example = json!(["ana"]))]
    usernames: Vec<Username>,
    /// The name of the user; null if it is not known.
    #[schema(example = "Ana Souza")]
    full_name: Option<Name>,
    /// The telephone number of the user. The server does not check it.
    #[schema(example = "+254 700 000 001")]
    phone: Option<ShortText>,
    /// The language in which the user wants to read.
    #[schema(example = "sw-KE")]
    locale: Option<Locale>,
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        let Profile { id, email, email_verified, usernames, full_name, phone, locale, version: _ } = profile;
        Self { id, email, email_verified, usernames, full_name, phone, locale }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeProfile {
    /// The name of the user.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    full_name: Option<Option<Name>>,
    /// The telephone number of the user. The server does not check it.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    phone: Option<Option<ShortText>>,
    /// The language in which the user wants to read.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    locale: Option<Option<Locale>>,
}

impl ChangeProfile {
    pub(crate) fn into_change(self, if_version: IfVersion) -> ProfileChange {
        ProfileChange { full_name: self.full_name, phone: self.phone, locale: self.locale, if_version }
    }
}

/// Read the profile
///
/// Returns the name, the language and the time zone of the signed-in user.
#[utoipa::path(tag = "auth", operation_id = "readProfile", responses((status = 200, body = ProfileView)))]
#[get("/auth/profile")]
pub async fn show(
    state: web::Data<State>,
    caller: SignedIn,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let find = async |tx: &SharedTx| profile::find(tx, user).await;
    let profile = state.database.read_shared(SharedScope::User(user.into()), find).await?;
    let profile = profile.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(profile.version), &ProfileView::from(profile)))
}

/// Change the profile
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value.
#[utoipa::path(tag = "auth", operation_id = "changeProfile", request_body = ChangeProfile,
    responses((status = 200, body = ProfileView)))]
#[patch("/auth/profile")]
pub async fn edit(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeProfile>,
) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let change = body.value.into_change(if_version);
    let work = async |tx: &SharedTx| profile::change(tx, user, &change, By::person(user, &origin)).await;
    let profile = state.database.write_shared(SharedScope::User(user.into()), work).await?;
    Ok(etag::changed(Tag::of_version(profile.version), &ProfileView::from(profile)))
}

/// List events of the account
///
/// Returns what happened to the account of the signed-in user, newest first: sign-ins, also failed ones,
/// sessions that ended, changes of the password, of the profile and of memberships.
#[utoipa::path(tag = "auth", operation_id = "listOwnEvents", params(Paging),
    responses((status = 200, body = PageView<AuthEventView>)))]
#[get("/auth/events")]
pub async fn events(
    state: web::Data<State>,
    caller: SignedIn,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let page = page.request()?;
    let filter = EventFilter { user: Some(user), ..EventFilter::default() };
    let list = async |tx: &SharedTx| auth_log::list(tx, &filter, &page).await;
    let page = state.database.read_shared(SharedScope::User(user.into()), list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |event| AuthEventView::from(event.for_person(user)))))
}

/// Everything that the platform holds about a person.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "profile": {
        "id": "01990000-0000-7000-8000-000000000000", "email": "ana@example.com", "emailVerified": true,
        "usernames": ["ana"],
        "fullName": "Ana Souza", "phone": "+254 700 000 001", "locale": "sw-KE", "version": 1,
    },
    "account": {
        "status": "active", "createdAt": "2026-11-05T08:30:00Z", "passwordChangedAt": "2026-11-05T08:30:00Z",
    },
    "memberships": [{
        "id": "01990000-0000-7000-8000-000000000000", "userId": "01990000-0000-7000-8000-000000000000",
        "app": "inventory", "tenantId": "01990000-0000-7000-8000-000000000000", "slug": "acme",
        "business": "Acme Ltd", "status": "active", "roles": ["STAFF"],
        "createdAt": "2026-11-05T08:30:00Z", "lastSignInAt": "2026-11-05T08:30:00Z", "version": 1,
    }],
    "sessions": [{
        "id": "01990000-0000-7000-8000-000000000000", "device": "Till 1", "userAgent": "Mozilla/5.0",
        "address": "192.0.2.7", "createdAt": "2026-11-05T08:30:00Z", "lastSeenAt": "2026-11-05T08:30:00Z",
        "revokedAt": null,
    }],
    "signOns": [{
        "userAgent": "Mozilla/5.0", "address": "192.0.2.7", "createdAt": "2026-11-05T08:30:00Z",
        "authenticatedAt": "2026-11-05T08:30:00Z", "revokedAt": "2026-11-05T09:30:00Z",
    }],
    "externalIdentities": [{
        "issuer": "https://accounts.google.com", "subject": "110169484474386276334",
        "email": "ana@example.com", "linkedAt": "2026-11-05T08:30:00Z",
        "lastUsedAt": "2026-11-05T08:30:00Z", "unlinkedAt": null,
    }],
    "consents": [{
        "clientId": "tax-filer", "scopes": ["openid", "stock.read"], "givenAt": "2026-11-05T08:30:00Z",
    }],
    "mails": [{
        "template": "password_changed", "address": "ana@example.com", "createdAt": "2026-11-05T08:30:00Z",
        "sentAt": "2026-11-05T08:30:00Z",
    }],
    "events": [{
        "id": "01990000-0000-7000-8000-000000000000", "occurredAt": "2026-11-05T08:30:00Z",
        "action": "session.started", "failure": "wrong_password",
        "tenantId": "01990000-0000-7000-8000-000000000000", "app": "inventory",
        "actorId": "01990000-0000-7000-8000-000000000000", "actorName": "Ana Souza", "operator": "operator",
        "userId": "01990000-0000-7000-8000-000000000000", "userName": "Ana Souza",
        "sessionId": "01990000-0000-7000-8000-000000000000", "address": "192.0.2.7",
        "userAgent": "Mozilla/5.0", "device": "Till 1", "details": {},
    }],
    "hasOlderEvents": false,
}))]
pub struct PersonalDataView {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(crate) data: PersonalData,
}

/// Export the own data
///
/// Returns what the platform holds about the signed-in user: the profile, the memberships, the sessions, the
/// browsers, the identities elsewhere, the allowed programs, the mails, and the newest events. Needs a
/// sign-in of the last 15 minutes. Passwords, PINs and the second factor are not part of it, nor are the
/// documents of businesses, which belong to the businesses.
#[utoipa::path(tag = "auth", operation_id = "exportOwnData",
    responses((status = 200, body = PersonalDataView)))]
#[get("/auth/export")]
pub async fn export(
    state: web::Data<State>,
    caller: Recent<SignedIn>,
    client::From(origin): client::From,
) -> Result<HttpResponse, Problem> {
    let user = caller.principal.user;
    let export = async |tx: &SharedTx| personal_data::export(tx, user, By::person(user, &origin)).await;
    let data = state.database.write_shared(SharedScope::User(user.into()), export).await?;
    Ok(HttpResponse::Ok().json(PersonalDataView { data: data.ok_or_else(Problem::not_found)? }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteAccount {
    /// The present password of the user.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// The second factor, if you have one: six digits, or a recovery code.
    #[schema(value_type = Option<String>, example = json!(null))]
    code: Option<SecretString>,
}

/// Delete the own account
///
/// Deletes the account of the signed-in user with all memberships and sessions. This cannot be undone. The
/// documents of businesses stay, and name a deleted user. The only active owner of a business cannot be
/// deleted.
#[utoipa::path(tag = "auth", operation_id = "deleteOwnAccount", request_body = DeleteAccount,
    responses((status = 204, description = "Deleted")))]
#[post("/auth/delete")]
pub async fn delete(
    state: web::Data<State>,
    caller: SignedIn,
    client::From(origin): client::From,
    body: Json<DeleteAccount>,
) -> Result<HttpResponse, Problem> {
    let DeleteAccount { current_password, code } = &body.value;
    let principal = &caller.principal;
    state.sign_in.delete_own_account(principal, current_password, code.as_ref(), &origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
