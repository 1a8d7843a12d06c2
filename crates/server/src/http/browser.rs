//! Sessions of browsers: cookies that no script can read, and which requests may use them.
//!
//! Two cookies hold the access token and the refresh token. A request that carries the header Authorization
//! never uses them. A request that changes something uses them only if a page of the same origin sent it.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration as Span;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use secrecy::SecretString;

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;

/// Which page sent a request, as its browser says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// A page of the host of the request.
    OfSameOrigin,
    /// A page of another origin.
    OfOther,
    /// Not said: the client is no browser, or an old one.
    Unknown,
}

impl Page {
    /// Reads the headers Origin and Sec-Fetch-Site. `own` is the origin of the request's own host.
    pub fn of(headers: &HeaderMap, own: &str) -> Self {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let is_own = text("origin").map(|origin| origin.eq_ignore_ascii_case(own));
        let is_same_site = text("sec-fetch-site").map(|site| site == "same-origin");
        match (is_own, is_same_site) {
            (None, None) => Self::Unknown,
            (Some(false), _) | (_, Some(false)) => Self::OfOther,
            _ => Self::OfSameOrigin,
        }
    }

    /// Notes the page of a request before a layer changes the header Origin.
    pub fn note(request: &ServiceRequest, own: &str) {
        let page = Self::of(request.headers(), own);
        request.extensions_mut().insert(page);
    }
}

/// Marks a request that names the business in its path. All businesses of that host share one jar of cookies,
/// so they have none.
#[derive(Debug, Clone, Copy)]
pub struct InPath;

/// Where cookies of a request may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Jar {
    /// With the prefix `__Host-`: sent by TLS alone, and to this host alone.
    OfHost,
    /// On the developer's own machine, without TLS.
    OfLoopback,
}

impl Jar {
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        if request.extensions().get::<InPath>().is_some() {
            return None;
        }
        let state = request.app_data::<web::Data<State>>()?;
        if state.settings.server.public_scheme == "https" {
            return Some(Self::OfHost);
        }
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        let name = host.rsplit_once(':').map_or(host, |(name, port)| match port.parse::<u16>() {
            Ok(_) => name,
            Err(_) => host,
        });
        let is_loopback = name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1";
        is_loopback.then_some(Self::OfLoopback)
    }

    /// The jar of a page on which people sign in.
    ///
    /// # Errors
    /// 400 where there are no cookies.
    pub(super) fn of_page(request: &HttpRequest) -> Result<Self, Problem> {
        Self::of(request).ok_or_else(|| {
            Problem::new(Code::NoCookiesHere, "Signing in needs https. Ask the operator to turn it on.")
        })
    }

    fn access(self) -> &'static str {
        match self {
            Self::OfHost => "__Host-tenantry-access",
            Self::OfLoopback => "tenantry-access",
        }
    }

    pub(super) fn sign_on(self) -> &'static str {
        match self {
            Self::OfHost => "__Host-tenantry-sign-on",
            Self::OfLoopback => "tenantry-sign-on",
        }
    }

    pub(super) fn flow(self) -> &'static str {
        match self {
            Self::OfHost => "__Host-tenantry-external",
            Self::OfLoopback => "tenantry-external",
        }
    }

    fn refresh(self) -> &'static str {
        match self {
            Self::OfHost => "__Host-tenantry-refresh",
            Self::OfLoopback => "tenantry-refresh",
        }
    }

    pub(super) fn cookie(self, name: &'static str, value: String, lifetime: Span) -> Cookie<'static> {
        Cookie::build(name, value)
            .path("/")
            .http_only(true)
            .secure(self == Self::OfHost)
            .same_site(SameSite::Lax)
            .max_age(lifetime)
            .finish()
    }
}

/// The cookies of a request, which it may have, and may change.
pub struct Browser {
    jar: Jar,
    refresh: Option<SecretString>,
}

fn refuse(page: Option<Page>) -> Result<(), Problem> {
    if page == Some(Page::OfSameOrigin) {
        return Ok(());
    }
    let detail = "A request with cookies must come from a page of this host. A browser says so with the \
                  header Origin or Sec-Fetch-Site.";
    Err(Problem::new(Code::CrossOrigin, detail))
}

/// The access token in the cookie of a request without the header Authorization. `None` without a cookie.
///
/// # Errors
/// 403 if the request changes something, and no page of the same origin sent it.
pub fn access_token(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(cookie) = Jar::of(request).and_then(|jar| request.cookie(jar.access())) else { return Ok(None) };
    if !request.method().is_safe() {
        refuse(request.extensions().get::<Page>().copied())?;
    }
    Ok(Some(cookie.value().to_owned()))
}

impl FromRequest for Browser {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::extract(request))
    }
}

impl Browser {
    fn extract(request: &HttpRequest) -> Result<Self, Problem> {
        let jar = Jar::of(request).ok_or_else(|| {
            let detail = "Sessions in cookies need https, and a host of the business's own. Leave cookies \
                          out, and keep the tokens.";
            Problem::new(Code::NoCookiesHere, detail)
        })?;
        refuse(request.extensions().get::<Page>().copied())?;
        let has_header = request.headers().contains_key(header::AUTHORIZATION);
        let refresh = request.cookie(jar.refresh()).filter(|_| !has_header);
        let refresh = refresh.map(|cookie| SecretString::from(cookie.value()));
        Ok(Self { jar, refresh })
    }

    /// The refresh token in the cookie.
    pub fn refresh_token(&self) -> Option<SecretString> {
        self.refresh.clone()
    }

    /// Puts the tokens of a session into cookies. The access token stays there when it has expired, so that
    /// the client learns that it must refresh.
    pub fn keep(&self, response: &mut HttpResponseBuilder, access: &str, refresh: &str, lifetime: Span) {
        response.cookie(self.jar.cookie(self.jar.access(), access.to_owned(), lifetime));
        response.cookie(self.jar.cookie(self.jar.refresh(), refresh.to_owned(), lifetime));
    }

    /// Takes the cookies away.
    pub fn forget(&self, response: &mut HttpResponse) -> Result<(), Problem> {
        for name in [self.jar.access(), self.jar.refresh()] {
            let cookie = self.jar.cookie(name, String::new(), Span::ZERO);
            response.add_cookie(&cookie).map_err(Problem::internal)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_browser_says_which_page_sent_a_request() {
        let page = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                map.append(HeaderName::from_static(name), value);
            }
            Page::of(&map, "https://acme.example.com")
        };
        assert_eq!(page(&[("origin", "https://acme.example.com")]), Page::OfSameOrigin);
        assert_eq!(page(&[("sec-fetch-site", "same-origin")]), Page::OfSameOrigin);
        assert_eq!(page(&[]), Page::Unknown);
        for other in [
            &[("origin", "null")][..],
            &[("origin", "https://evil.example.com")],
            &[("origin", "http://acme.example.com")],
            &[("origin", "https://acme.example.com:8443")],
            &[("origin", "https://acme.example.com.evil.test")],
            &[("origin", "https://acme.example.com"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example.com"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "ä")],
        ] {
            assert_eq!(page(other), Page::OfOther, "{other:?}");
        }
    }
}
