//! The cookie of a browser that is on its way through an issuer elsewhere.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration as Span;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{Flow, IssuerName};
use secrecy::ExposeSecret as _;

use crate::http::browser::Jar;
use crate::http::codes::Code;
use crate::http::problem::Problem;

/// A sign-in at an issuer that has begun.
pub struct Begun {
    pub issuer: IssuerName,
    pub flow: Flow,
    /// Whether the person must prove there once more who they are.
    pub again: bool,
    /// The query of the authorization endpoint, to which the browser returns.
    pub query: String,
}

impl Begun {
    /// The sign-in must end within so long.
    pub const LIFETIME: Span = Span::minutes(10);

    /// The longest value that each browser keeps, with room for the name and the attributes.
    const LONGEST: usize = 3800;

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (issuer, again) = (parts.next()?.parse().ok()?, parts.next()? == "again");
        let flow = Flow::resumed(parts.next()?);
        let query = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
        Some(Self { issuer, flow, again, query })
    }

    /// `None` if no browser would keep it.
    fn to_text(&self) -> Option<String> {
        let again = if self.again { "again" } else { "" };
        let (secret, query) = (self.flow.secret().expose_secret(), URL_SAFE_NO_PAD.encode(&self.query));
        let text = format!("{}.{again}.{secret}.{query}", self.issuer);
        (text.len() <= Self::LONGEST).then_some(text)
    }
}

/// The cookie of a request, which it may have, and may change.
pub struct FlowCookie {
    jar: Jar,
    /// The sign-in that has begun in this browser.
    pub begun: Option<Begun>,
}

impl FromRequest for FlowCookie {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let jar = Jar::of(request).ok_or_else(|| {
            Problem::new(Code::NoCookiesHere, "Signing in needs https. Ask the operator to turn it on.")
        });
        ready(jar.map(|jar| {
            let cookie = request.cookie(jar.flow());
            Self { jar, begun: cookie.and_then(|cookie| Begun::parse(cookie.value())) }
        }))
    }
}

impl FlowCookie {
    /// Gives the browser a sign-in that has begun. Returns `false` if it is too long.
    ///
    /// # Errors
    /// 500 if the response takes no cookie.
    pub fn keep(&self, response: &mut HttpResponse, begun: &Begun) -> Result<bool, Problem> {
        let Some(text) = begun.to_text() else { return Ok(false) };
        let cookie = self.jar.cookie(self.jar.flow(), text, Begun::LIFETIME);
        response.add_cookie(&cookie).map_err(Problem::internal)?;
        Ok(true)
    }

    /// Takes the sign-in away: it has ended.
    ///
    /// # Errors
    /// 500 if the response takes no cookie.
    pub fn forget(&self, response: &mut HttpResponse) -> Result<(), Problem> {
        let cookie = self.jar.cookie(self.jar.flow(), String::new(), Span::ZERO);
        response.add_cookie(&cookie).map_err(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_that_has_begun_fits_into_a_cookie() {
        let begun = |query: &str| Begun {
            issuer: "google".parse().unwrap(),
            flow: Flow::begin(),
            again: true,
            query: query.to_owned(),
        };
        let one = begun("a=1&b=%20.c");
        let text = one.to_text().unwrap();
        let read = Begun::parse(&text).unwrap();
        assert_eq!((read.issuer.as_str(), read.again, &*read.query), ("google", true, "a=1&b=%20.c"));
        assert_eq!(read.flow.secret().expose_secret(), one.flow.secret().expose_secret());
        assert!(begun(&"x".repeat(4000)).to_text().is_none());
        for text in ["", "google", "google..tex_a", "Google..tex_a.YQ", "google..tex_a.!"] {
            assert!(Begun::parse(text).is_none(), "{text}");
        }
    }
}
