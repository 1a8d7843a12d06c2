//! The form in which a person gives a login and a password, and, if somebody else chose it, a new one.

use actix_web::cookie::time::Duration as Span;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use identity::auth_event::Origin;
use identity::login::{Credentials, LoginError};
use identity::membership::MemberOf;
use identity::password_change::ChangeError;
use identity::second_factor::SecondFactorError;
use identity::user::LoginName;
use identity::{SignOnSecret, UserId, Username};
use secrecy::SecretString;
use serde_json::json;
use values::Email;

use crate::http::client;
use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::oauth_error::Kind;
use crate::http::problem::{Problem, sentence};
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::pages::page;
use crate::routes::provider::authorization_request::AuthorizationRequest;
use crate::routes::provider::authorize;
use crate::routes::provider::parameters::is_form;

/// What the person typed.
struct Typed {
    login: String,
    password: SecretString,
    new_password: Option<SecretString>,
    code: Option<SecretString>,
}

impl Typed {
    fn read(body: &[u8]) -> Self {
        let (login, password) = (String::new(), SecretString::default());
        let mut typed = Self { login, password, new_password: None, code: None };
        for (name, value) in form_urlencoded::parse(body) {
            match name.as_ref() {
                "login" => typed.login = value.trim().to_owned(),
                "password" => typed.password = SecretString::from(value.into_owned()),
                "new_password" if !value.is_empty() => {
                    typed.new_password = Some(SecretString::from(value.into_owned()))
                }
                "code" if !value.is_empty() => typed.code = Some(SecretString::from(value.into_owned())),
                _ => {}
            }
        }
        typed
    }

    /// The login, at the business for which the program wants tokens.
    fn name(&self, asked: &AuthorizationRequest) -> Option<LoginName> {
        if let Ok(email) = Email::parse(&self.login) {
            return Some(LoginName::Email(email));
        }
        asked.business.as_ref()?;
        Username::parse(&self.login).ok().map(LoginName::Username)
    }
}

/// Refuses a form that no page of this host sent: nobody is signed in to somebody else's account unawares.
pub fn refuse_other_pages(cookie: &SignOnCookie) -> Result<(), PageError> {
    if cookie.is_from_own_page() {
        return Ok(());
    }
    let text = "Another page sent this form, or your browser does not say which page sent it. Go back to the \
                app, and sign in from there.";
    Err(PageError::new(StatusCode::FORBIDDEN, "This does not work", text))
}

/// Checks the password. The query is that of the authorization endpoint.
pub async fn submit(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    cookie: Result<SignOnCookie, Problem>,
    client::From(origin): client::From,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, PageError> {
    let cookie = cookie?;
    refuse_other_pages(&cookie)?;
    let Body(body) = body?;
    if !is_form(request.headers()) {
        return Err(PageError::bad_request("Send the form of the page."));
    }
    let asked = match AuthorizationRequest::read(&state, request.query_string()).await {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let typed = Typed::read(&body);
    let Some(login) = typed.name(&asked) else {
        let text = match asked.business {
            Some(_) => "Enter your email or your username.",
            None => "Enter your email. A username works only in an app that names your business.",
        };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(authorize::ask_for_password(&state, &asked, &typed.login, Some(text), status));
    };
    let tenant = asked.business.as_ref().map(|tenant| tenant.id);
    let member_of = MemberOf::app_of(asked.client.app.clone(), tenant);
    let (password, code) = (typed.password.clone(), typed.code.clone());
    let credentials = Credentials { login, password, member_of, code, is_at_provider: true };
    let signed_on =
        sign_on(&state, &asked, &credentials, typed.new_password.as_ref(), &cookie, &origin).await;
    match signed_on {
        Ok((secret, user)) => Ok(go_on(&state, &asked, &cookie, &secret, user)),
        Err(error) => refused(&state, &asked, &typed, error),
    }
}

/// Goes on for a person who has signed on.
pub fn go_on(
    state: &State,
    asked: &AuthorizationRequest,
    cookie: &SignOnCookie,
    secret: &SignOnSecret,
    user: UserId,
) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    let idle = i64::try_from(state.sign_in.terms.idle.as_secs()).unwrap_or(i64::MAX);
    cookie.keep(&mut response, secret, Span::seconds(idle));
    // The program expects another person (OpenID Connect Core section 3.1.2.1).
    let is_expected = asked.expected.as_ref().is_none_or(|expected| expected.sub == user);
    let address = if is_expected {
        format!("/oauth/authorize?{}", asked.query_after_password())
    } else {
        let error = [("error", Kind::LoginRequired.as_str())];
        asked.back.address(&error).unwrap_or_else(|| "/".to_owned())
    };
    response.insert_header((header::LOCATION, address)).finish()
}

async fn sign_on(
    state: &State,
    asked: &AuthorizationRequest,
    credentials: &Credentials,
    new_password: Option<&SecretString>,
    cookie: &SignOnCookie,
    origin: &Origin,
) -> Result<(SignOnSecret, UserId), ChangeError> {
    let (former, program) = (cookie.secret(), &asked.client.id);
    match new_password {
        None => Ok(state.sign_in.sign_on(credentials, former, program, origin).await?),
        Some(new) => {
            state.sign_in.change_password_and_sign_on(credentials, new, former, program, origin).await
        }
    }
}

/// The text for somebody who must wait.
pub fn too_many_attempts(seconds: u32) -> String {
    let unit = if seconds == 1 { "second" } else { "seconds" };
    format!("Too many attempts have failed. Try again in {seconds} {unit}.")
}

/// The page once more, with what was wrong.
fn refused(
    state: &State,
    asked: &AuthorizationRequest,
    typed: &Typed,
    error: ChangeError,
) -> Result<HttpResponse, PageError> {
    let wait = match &error {
        ChangeError::TooManyAttempts(seconds) | ChangeError::Login(LoginError::TooManyAttempts(seconds)) => {
            *seconds
        }
        ChangeError::Login(LoginError::SecondFactor(error)) => match **error {
            SecondFactorError::TooManyAttempts(seconds) => seconds,
            _ => 1,
        },
        _ => 1,
    };
    let (status, text) = match error {
        ChangeError::Login(LoginError::MustChangePassword) => {
            return Ok(ask_for_new_password(asked, typed, None, StatusCode::OK));
        }
        ChangeError::Login(LoginError::SecondFactor(error)) => match *error {
            SecondFactorError::TooManyAttempts(_) => (StatusCode::TOO_MANY_REQUESTS, sentence(&error)),
            SecondFactorError::Required | SecondFactorError::Wrong => {
                (StatusCode::UNAUTHORIZED, sentence(&error))
            }
            error => return Err(Problem::from(error).into()),
        },
        ChangeError::Weak(_) | ChangeError::Unchanged => {
            let text = sentence(&error);
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(ask_for_new_password(asked, typed, Some(&text), status));
        }
        ChangeError::Login(LoginError::InvalidCredentials | LoginError::NoMembership)
        | ChangeError::WrongPassword
            if typed.new_password.is_some() =>
        {
            (StatusCode::UNAUTHORIZED, "The current password is wrong.".to_owned())
        }
        ChangeError::Login(LoginError::InvalidCredentials | LoginError::NoMembership)
        | ChangeError::WrongPassword => {
            let login = if asked.business.is_some() { "login" } else { "email" };
            (StatusCode::UNAUTHORIZED, format!("The {login} or the password is wrong."))
        }
        ChangeError::TooManyAttempts(seconds) | ChangeError::Login(LoginError::TooManyAttempts(seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, too_many_attempts(seconds))
        }
        ChangeError::TooBusy(_) | ChangeError::Login(LoginError::TooBusy(_)) => {
            let text = "Many people are signing in at the moment. Try again.";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        ChangeError::Db(error) | ChangeError::Login(LoginError::Db(error)) => return Err(error.into()),
    };
    let page = match typed.new_password {
        Some(_) => ask_for_new_password(asked, typed, Some(&text), status),
        None => authorize::ask_for_password(state, asked, &typed.login, Some(&text), status),
    };
    Ok(page::retry_after(page, (status == StatusCode::TOO_MANY_REQUESTS).then_some(wait)))
}

fn ask_for_new_password(
    asked: &AuthorizationRequest,
    typed: &Typed,
    error: Option<&str>,
    status: StatusCode,
) -> HttpResponse {
    let values = json!({"login": typed.login, "query": asked.parameters.to_query(), "error": error});
    page::render(status, "new_password.html", &values)
}
