//! The cookie of a browser that signs in at an issuer elsewhere: first of the way there, and then, if the
//! identity is linked to no account yet, of the identity.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration as Span;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use identity::{Flow, IssuerName, Sealer, Vouched, browser_note};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::http::browser::Jar;
use crate::http::problem::Problem;
use crate::http::state::State;

/// The content of the cookie.
#[derive(Serialize, Deserialize)]
pub enum Note {
    /// A sign-in at an issuer has begun.
    Begun(Begun),
    /// The issuer vouched for an identity that is linked to no account.
    Unlinked(Unlinked),
}

/// An identity that is linked to no account.
#[derive(Serialize, Deserialize)]
pub struct Unlinked {
    pub vouched: Vouched,
    /// When the person came back from the issuer. The password that links the identity comes after that.
    pub at: DateTime<Utc>,
}

impl Unlinked {
    pub fn new(vouched: Vouched) -> Self {
        Self { vouched, at: Utc::now() }
    }
}

/// A sign-in at an issuer that has begun.
#[derive(Serialize, Deserialize)]
pub struct Begun {
    pub issuer: IssuerName,
    secret: String,
    /// Whether the person must prove there once more who they are.
    pub again: bool,
    pub at: DateTime<Utc>,
    /// The query of the authorization endpoint, to which the browser returns.
    pub query: String,
}

impl Begun {
    pub fn new(issuer: IssuerName, flow: &Flow, again: bool, query: String) -> Self {
        let secret = flow.secret().expose_secret().to_owned();
        Self { issuer, secret, again, at: Utc::now(), query }
    }

    /// The secret from which the issuer gets its values.
    pub fn flow(&self) -> Flow {
        Flow::resumed(&self.secret)
    }
}

/// The longest value that each browser keeps, with room for the name and the attributes.
const LONGEST: usize = 3800;

/// The cookie of a request, which it may have, and may change.
pub struct FlowCookie {
    jar: Jar,
    sealer: Sealer,
    note: Option<Note>,
}

impl FromRequest for FlowCookie {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::extract(request))
    }
}

impl FlowCookie {
    fn extract(request: &HttpRequest) -> Result<Self, Problem> {
        let jar = Jar::of_page(request)?;
        let sealer = State::of(request)?.sign_in.note_sealer.clone();
        let cookie = request.cookie(jar.flow());
        let note = cookie.and_then(|cookie| browser_note::open(&sealer, cookie.value()));
        Ok(Self { jar, sealer, note })
    }

    /// The sign-in that has begun in this browser.
    pub fn begun(&self) -> Option<&Begun> {
        match &self.note {
            Some(Note::Begun(begun)) => Some(begun),
            _ => None,
        }
    }

    /// The identity that waits to be linked.
    pub fn unlinked(&self) -> Option<&Unlinked> {
        match &self.note {
            Some(Note::Unlinked(unlinked)) => Some(unlinked),
            _ => None,
        }
    }

    /// Gives the browser a note. Returns `false` if it is too long.
    ///
    /// # Errors
    /// 500 if the response takes no cookie.
    pub fn keep(&self, response: &mut HttpResponse, note: &Note) -> Result<bool, Problem> {
        let sealed = browser_note::seal(&self.sealer, note).filter(|sealed| sealed.len() <= LONGEST);
        let Some(sealed) = sealed else { return Ok(false) };
        let lifetime = Span::seconds(browser_note::LIFETIME.num_seconds());
        let cookie = self.jar.cookie(self.jar.flow(), sealed, lifetime);
        response.add_cookie(&cookie).map_err(Problem::internal)?;
        Ok(true)
    }

    /// Takes the note away.
    ///
    /// # Errors
    /// 500 if the response takes no cookie.
    pub fn forget(&self, response: &mut HttpResponse) -> Result<(), Problem> {
        let cookie = self.jar.cookie(self.jar.flow(), String::new(), Span::ZERO);
        response.add_cookie(&cookie).map_err(Problem::internal)
    }
}
