//! The cookie of a sign-on, which only the host `id` sets and reads.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration as Span;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder};
use identity::SignOnSecret;
use secrecy::ExposeSecret as _;

use crate::http::browser::{Jar, Page};
use crate::http::problem::Problem;

/// The cookie of a request, which it may have, and may change.
pub struct SignOnCookie {
    jar: Jar,
    page: Option<Page>,
    secret: Option<SignOnSecret>,
}

impl FromRequest for SignOnCookie {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Jar::of_page(request).map(|jar| {
            let cookie = request.cookie(jar.sign_on());
            let secret = cookie.map(|cookie| SignOnSecret::presented(cookie.value()));
            Self { jar, page: request.extensions().get::<Page>().copied(), secret }
        }))
    }
}

impl SignOnCookie {
    /// The secret of the sign-on, if the browser has one.
    pub fn secret(&self) -> Option<&SignOnSecret> {
        self.secret.as_ref()
    }

    /// Whether a page of this host sent the request, as its browser says.
    pub fn is_from_own_page(&self) -> bool {
        self.page == Some(Page::OfSameOrigin)
    }

    /// Gives the browser the secret of its sign-on.
    pub fn keep(&self, response: &mut HttpResponseBuilder, secret: &SignOnSecret, lifetime: Span) {
        let value = secret.secret().expose_secret().to_owned();
        response.cookie(self.jar.cookie(self.jar.sign_on(), value, lifetime));
    }

    /// Takes the secret away.
    pub fn forget(&self, response: &mut HttpResponse) -> Result<(), Problem> {
        // A note about an identity elsewhere goes, too: the next person must not be asked about it.
        for name in [self.jar.sign_on(), self.jar.flow()] {
            let cookie = self.jar.cookie(name, String::new(), Span::ZERO);
            response.add_cookie(&cookie).map_err(Problem::internal)?;
        }
        Ok(())
    }
}
