//! Callers who have just proved who they are. Changes that give access to others, and exports of
//! data, need that.

use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use chrono::DateTime;
use futures_util::future::LocalBoxFuture;
use identity::{Principal, RECENT};

use crate::http::caller::{Member, SignedIn, Staff};
use crate::http::codes::Code;
use crate::http::problem::Problem;

/// A caller who gave the password, and the second factor if there is one, a short while ago.
pub struct Recent<T>(pub T);

/// A caller who is a person.
pub trait Person {
    fn principal(&self) -> &Principal;
}

impl<P> Person for Member<P> {
    fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl<P> Person for Staff<P> {
    fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl Person for SignedIn {
    fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl<T> Deref for Recent<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Person + FromRequest<Error = Problem> + 'static> FromRequest for Recent<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = T::from_request(request, payload);
        Box::pin(async move {
            let caller = checked.await?;
            require_recent(caller.principal())?;
            Ok(Self(caller))
        })
    }
}

/// Refuses somebody who has not just proved who they are.
///
/// # Errors
/// 401.
pub fn require_recent(principal: &Principal) -> Result<(), Problem> {
    if principal.is_recent() {
        return Ok(());
    }
    Err(step_up(principal))
}

/// The answer of RFC 9470, with a cure that works for this session.
pub fn step_up(principal: &Principal) -> Problem {
    if principal.by_pin {
        return pin_session();
    }
    let minutes = RECENT.num_minutes();
    let reason = match principal.authenticated_at {
        None => "Your last sign-in was a mailed link.".to_owned(),
        Some(moment) if moment == DateTime::UNIX_EPOCH => {
            "The issuer that signed you in did not say when you proved there who you are.".to_owned()
        }
        Some(_) => format!("Your last sign-in is more than {minutes} minutes ago."),
    };
    let cure = match principal.delegated {
        Some(_) => "The program must send you to sign in again, with max_age=900.",
        None => {
            "Send the password, and the code if you have a second factor, to POST /api/v1/auth/step-up, \
             refresh the session, and repeat the request."
        }
    };
    let detail = format!("{reason} {cure}");
    let challenge = r#"Bearer realm="tenantry", error="insufficient_user_authentication", max_age=900"#;
    Problem::unauthorized(Code::StepUpRequired, detail, challenge)
}

/// The answer to a session that began with a PIN.
pub fn pin_session() -> Problem {
    let detail = "You signed in with a PIN. Sign in with the password to do this.";
    Problem::new(Code::PinSession, detail)
}
