//! What a program asks for when it sends somebody to sign in (RFC 6749 section 4.1.1, OpenID Connect Core
//! section 3.1.2.1), checked.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, http::StatusCode};
use identity::code;
use identity::person_claims::IdTokenHint;
use identity::registration::{AskedPermission, Registration};
use identity::{ClientId, Permission, Scopes};
use tenancy::{SharedScope, SharedTx, Tenant};
use url::Url;

use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::routes::provider::parameters::Parameters;
use crate::routes::provider::resource;

/// Where the browser goes with the answer.
#[derive(Debug, Clone)]
pub struct Return {
    redirect_uri: String,
    state: Option<String>,
    issuer: String,
}

impl Return {
    /// The address, as the program sent it.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Sends the browser back to the program.
    pub fn with(&self, pairs: &[(&str, &str)]) -> HttpResponse {
        match self.address(pairs) {
            Some(address) => HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish(),
            None => HttpResponse::from_error(PageError::bad_request("The redirect_uri cannot be read.")),
        }
    }

    /// The address of an answer. `iss` says which provider answers (RFC 9207).
    pub fn address(&self, pairs: &[(&str, &str)]) -> Option<String> {
        let mut address = Url::parse(&self.redirect_uri).ok()?;
        {
            let mut query = address.query_pairs_mut();
            query.extend_pairs(pairs);
            if let Some(state) = &self.state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", &self.issuer);
        }
        Some(address.into())
    }

    /// Whether the program is on the person's own machine, where any other program could be in its place (RFC
    /// 8252 section 8.6).
    pub fn is_on_own_machine(&self) -> bool {
        !self.redirect_uri.starts_with("https://")
    }

    /// Tells the program why it gets no code (RFC 6749 section 4.1.2.1).
    pub fn refuse(&self, error: &OAuthError) -> HttpResponse {
        self.with(&[("error", error.code()), ("error_description", &error.description())])
    }
}

/// What a program wants of the person (OpenID Connect Core section 3.1.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Nothing may be asked.
    pub none: bool,
    /// The password must be given again.
    pub login: bool,
    /// The person must be asked for consent again.
    pub consent: bool,
    /// The person must be asked which account to use.
    pub select_account: bool,
}

impl Prompt {
    fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut prompt = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                _ => return Err(invalid("The parameter prompt has an unknown value.")),
            }
        }
        if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
            return Err(invalid("prompt=none must stand alone."));
        }
        Ok(prompt)
    }
}

/// A checked request.
pub struct AuthorizationRequest {
    pub client: Registration,
    pub back: Return,
    pub scopes: Scopes,
    /// The permissions among the scopes, in words.
    permissions: Vec<AskedPermission>,
    pub nonce: Option<String>,
    pub challenge: String,
    pub prompt: Prompt,
    /// The longest time since the person gave the password, in seconds.
    pub max_age: Option<i64>,
    /// The business for which the program wants tokens.
    pub business: Option<Arc<Tenant>>,
    /// The login that the program expects.
    pub login_hint: Option<String>,
    /// The person whom the program expects.
    pub expected: Option<IdTokenHint>,
    /// The parameters as they were sent, for the pages on the way.
    pub parameters: Parameters,
}

/// A request that is not answered with a code.
pub enum Refusal {
    /// The program is unknown, or the address is not its own: nothing is sent there.
    Page(PageError),
    /// The program is told.
    Back(Return, OAuthError),
}

impl From<PageError> for Refusal {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl Refusal {
    pub fn into_response(self) -> HttpResponse {
        match self {
            Self::Page(error) => HttpResponse::from_error(error),
            Self::Back(back, error) => back.refuse(&error),
        }
    }
}

fn invalid(text: impl Into<String>) -> OAuthError {
    OAuthError::new(Kind::InvalidRequest, text)
}

impl AuthorizationRequest {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn read(state: &State, query: &str) -> Result<Self, Refusal> {
        let (parameters, fault) = Parameters::read_all(query.as_bytes());
        let client = client(state, &parameters).await?;
        let back = address(&client, &parameters, state.tokens.issuer())?;
        if let Some(fault) = fault {
            return Err(Refusal::Back(back, invalid(fault)));
        }
        let read = Self::read_rest(state, client, back.clone(), parameters).await;
        read.map_err(|error| Refusal::Back(back, error))
    }

    async fn read_rest(
        state: &State,
        client: Registration,
        back: Return,
        parameters: Parameters,
    ) -> Result<Self, OAuthError> {
        let get = |name: &str| parameters.get(name);
        for (name, kind) in [
            ("request", Kind::RequestNotSupported),
            ("request_uri", Kind::RequestUriNotSupported),
            ("registration", Kind::RegistrationNotSupported),
        ] {
            if get(name).is_some() {
                return Err(OAuthError::new(kind, format!("The parameter {name} is not supported.")));
            }
        }
        match get("response_type") {
            Some("code") => {}
            Some(_) => {
                let text = "Use response_type=code. Nothing else is supported.";
                return Err(OAuthError::new(Kind::UnsupportedResponseType, text));
            }
            None => return Err(invalid("The parameter response_type is missing.")),
        }
        if get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(invalid("Use response_mode=query, or leave it out."));
        }
        if get("code_challenge_method") != Some("S256") {
            return Err(invalid("Send code_challenge and code_challenge_method=S256 (RFC 7636)."));
        }
        let challenge = get("code_challenge").filter(|text| code::is_challenge(text));
        let challenge = challenge.ok_or_else(|| {
            invalid("The parameter code_challenge must be SHA-256 in base64url, 43 letters.")
        })?;
        let nonce = get("nonce");
        if nonce.is_some_and(|nonce| nonce.len() > 500) {
            return Err(invalid("The parameter nonce is longer than 500 bytes."));
        }
        let max_age = get("max_age").map(|text| {
            let seconds = text.parse::<u32>().map(i64::from);
            seconds.map_err(|_| invalid("The parameter max_age must be a number of seconds."))
        });
        let business = match get("resource") {
            Some(address) => Some(resource::business(state, address).await?),
            None => None,
        };
        let expected = get("id_token_hint").map(|token| {
            let read = state.tokens.read_id_token(token).ok();
            let read = read.filter(|hint| hint.aud == client.id.as_str());
            read.ok_or_else(|| invalid("The parameter id_token_hint is no ID token of this program."))
        });
        let scopes = Scopes::parse(get("scope").unwrap_or_default());
        let words = async |tx: &SharedTx| client.permissions(tx, &scopes).await;
        let permissions = state.database.read_shared(SharedScope::Public, words).await?;
        let permissions = permissions.ok_or_else(|| {
            let text = format!(
                "The parameter scope has a value that is neither one of OpenID Connect nor a permission that \
                 the program may ask for in the app {}.",
                client.app
            );
            OAuthError::new(Kind::InvalidScope, text)
        })?;
        Ok(Self {
            prompt: Prompt::parse(get("prompt").unwrap_or_default())?,
            max_age: max_age.transpose()?,
            nonce: nonce.map(str::to_owned),
            challenge: challenge.to_owned(),
            login_hint: get("login_hint").map(str::to_owned),
            expected: expected.transpose()?,
            client,
            back,
            scopes,
            permissions,
            business,
            parameters,
        })
    }

    /// The query with which the person goes on after the password was given: it need not be given again.
    pub fn query_after_password(&self) -> String {
        let parameters = self.parameters.with("prompt", self.prompt.consent.then_some("consent"));
        // The password is new, whatever age was asked for. The second factor may take a while.
        parameters.with("max_age", None).to_query()
    }

    /// The query with which another person signs in.
    pub fn query_of_another_account(&self) -> String {
        self.parameters.with("prompt", Some("login")).with("login_hint", None).to_query()
    }

    /// The permissions that the program would get, in words.
    pub fn permissions_in_words(&self) -> Vec<&str> {
        let is_for_people = |key: &str| key.parse().is_ok_and(Permission::is_for_people);
        let given =
            self.permissions.iter().filter(|asked| !self.client.is_foreign || !is_for_people(&asked.key));
        given.map(|asked| asked.description.as_str()).collect()
    }
}

async fn client(state: &State, parameters: &Parameters) -> Result<Registration, PageError> {
    let unknown = || {
        let text = "The app that sent you here is not registered. Go back to the app, and tell the people \
                    who run it.";
        PageError::bad_request(text)
    };
    let id = parameters.get("client_id").and_then(|id| ClientId::parse(id).ok()).ok_or_else(unknown)?;
    let find = async |tx: &SharedTx| Registration::find(tx, &id).await;
    state.database.read_shared(SharedScope::Public, find).await?.ok_or_else(unknown)
}

/// The address to which the program wants the browser to be sent, if it was registered. A program with one
/// address still sends it.
fn address(client: &Registration, parameters: &Parameters, issuer: &str) -> Result<Return, PageError> {
    let asked = parameters.get("redirect_uri").unwrap_or_default();
    if !client.redirect_uris.iter().any(|registered| registered.allows(asked)) {
        let text = format!(
            "{} did not say where you came from, or named an address that is not registered. Go back to the \
             app, and tell the people who run it.",
            client.name
        );
        return Err(PageError::new(StatusCode::BAD_REQUEST, "This link does not work", text));
    }
    let state = parameters.get("state").map(str::to_owned);
    Ok(Return { redirect_uri: asked.to_owned(), state, issuer: issuer.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_none_stands_alone() {
        assert_eq!(Prompt::parse("none").ok(), Some(Prompt { none: true, ..Prompt::default() }));
        let both = Prompt { login: true, consent: true, ..Prompt::default() };
        assert_eq!(Prompt::parse("consent login").ok(), Some(both));
        for text in ["none login", "create", "LOGIN"] {
            assert!(Prompt::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_keeps_the_query_of_the_address() {
        let back = |redirect_uri: &str| Return {
            redirect_uri: redirect_uri.into(),
            state: Some("a b&c".into()),
            issuer: "https://id.example.com".into(),
        };
        let location = |redirect_uri: &str| {
            let response = back(redirect_uri).with(&[("code", "x")]);
            response.headers().get("location").unwrap().to_str().unwrap().to_owned()
        };
        let answer = "code=x&state=a+b%26c&iss=https%3A%2F%2Fid.example.com";
        assert_eq!(location("https://a.example/cb"), format!("https://a.example/cb?{answer}"));
        assert_eq!(location("https://a.example/cb?x=1"), format!("https://a.example/cb?x=1&{answer}"));
        assert_eq!(location("com.example.app:/cb"), format!("com.example.app:/cb?{answer}"));
    }
}
