//! Sign-up: people create businesses for themselves, on the platform's host.

use actix_web::{HttpResponse, post, web};
use platform::Onboarding;
use platform::sign_up::{self, Confirmation, Confirmed, NewSignUp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{Address, SharedScope, SharedTx, TenantId, TenantSlug};
use utoipa::ToSchema;
use values::{Currency, Email, Name};

use crate::http::client;
use crate::http::codes::Code;
use crate::http::extract::Json;
use crate::http::host_owner::HostOwner;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::people::invitations::refuse_without_mail;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "email": "ann@acme.example", "slug": "acme", "name": "Acme Ltd", "currency": "KES",
}))]
pub struct SignUp {
    /// The email of the person, who becomes the owner. The link is mailed to it.
    email: Email,
    /// The first label of the address of the business: 3 to 40 characters of a-z, 0-9 and '-'. It must start
    /// with a letter and must not end with '-'. Some labels, such as admin, are reserved.
    slug: TenantSlug,
    /// The name of the business.
    name: Name,
    /// The currency of all amounts. It cannot be changed after the first product. Defaults to USD.
    currency: Option<Currency>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfirmSignUp {
    /// The token of the link.
    #[schema(value_type = String)]
    token: SecretString,
    /// Another slug, if another business has taken the slug of the sign-up since. Defaults to that of the
    /// sign-up.
    slug: Option<TenantSlug>,
    /// The name of a new user. An existing user keeps the name.
    full_name: Option<Name>,
    /// The password of a new user. An existing user keeps the password.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedUpView {
    /// The id of the business.
    id: TenantId,
    /// The first label of the address.
    #[schema(example = "acme")]
    #[schema(value_type = TenantSlug)]
    slug: String,
    /// The name of the business.
    #[schema(example = "Acme Ltd")]
    name: String,
    /// The address of the business, at which the owner signs in.
    #[schema(example = "https://acme.example.com")]
    address: String,
}

fn onboarding<'a>(state: &'a State, host_owner: &HostOwner) -> Result<&'a Onboarding, Problem> {
    if host_owner.tenant().is_some() {
        return Err(Problem::not_found());
    }
    if !state.settings.sign_up.enabled {
        return Err(Problem::new(Code::SignUpOff, "Nobody can create a business here without the operator."));
    }
    state.onboarding()
}

/// Sign up
///
/// Mails a link with which the person creates a business. It can be used once, within 24 hours; nothing is
/// created before. The slug is not reserved. The answer does not tell whether the person has an account.
#[utoipa::path(tag = "sign-up", operation_id = "signUp", request_body = SignUp, security(()),
    responses((status = 202, description = "The mail is sent")))]
#[post("/sign-ups")]
pub async fn create(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(origin): client::From,
    body: Json<SignUp>,
) -> Result<HttpResponse, Problem> {
    onboarding(&state, &host_owner)?;
    refuse_without_mail(&state)?;
    let SignUp { email, slug, name, currency } = body.value;
    let currency = currency.unwrap_or_default();
    let new = NewSignUp { email, slug, name, currency, network: origin.network() };
    let most_a_day = state.settings.sign_up.most_a_day;
    let request = async |tx: &SharedTx| sign_up::request(tx, &new, most_a_day).await;
    state.database.write_shared(SharedScope::Public, request).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Create the business of a sign-up
///
/// Creates the business, with the person to whom the link was mailed as its owner. The person then signs in
/// at the address of the business. Where licences are required, the licence begins with a trial, or waits for
/// the operator.
#[utoipa::path(tag = "sign-up", operation_id = "confirmSignUp", request_body = ConfirmSignUp, security(()),
    responses((status = 201, body = SignedUpView),
        (status = 200, body = SignedUpView, description = "An earlier request with the link created it")))]
#[post("/sign-ups/confirm")]
pub async fn confirm(
    state: web::Data<State>,
    host_owner: HostOwner,
    client::From(origin): client::From,
    body: Json<ConfirmSignUp>,
) -> Result<HttpResponse, Problem> {
    let onboarding = onboarding(&state, &host_owner)?;
    let ConfirmSignUp { token, slug, full_name, password } = body.value;
    let confirmation = Confirmation { token, slug, full_name, password, network: origin.network() };
    let trial = state.settings.sign_up.trial_plan.as_ref();
    let policy = &state.sign_in.policy;
    let confirmed = onboarding.confirm_sign_up(&state.database, &confirmation, policy, trial).await?;
    let (mut answer, tenant) = match &confirmed {
        Confirmed::Created(tenant) => (HttpResponse::Created(), tenant),
        Confirmed::Before(tenant) => (HttpResponse::Ok(), tenant),
    };
    state.resolver.forget(&Address::Slug(tenant.slug.clone())).await;
    Ok(answer.json(SignedUpView {
        id: tenant.id,
        slug: tenant.slug.to_string(),
        name: tenant.name.clone(),
        address: state.settings.address_of(&tenant.slug),
    }))
}
