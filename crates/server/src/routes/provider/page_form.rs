//! The form of a page that stands between a program's request and the answer to it.

use actix_web::HttpRequest;
use identity::{SignOn, sign_on};
use tenancy::{DbError, SharedScope, SharedTx};

use crate::http::extract::Body;
use crate::http::problem::Problem;
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::routes::provider::authorization_request::{AuthorizationRequest, Refusal};
use crate::routes::provider::parameters::{self, Parameters};
use crate::routes::provider::sign_in::refuse_other_pages;

/// A form of a page of this host, with the request of the program, which is in the query.
pub struct PageForm {
    pub cookie: SignOnCookie,
    pub fields: Parameters,
    pub asked: AuthorizationRequest,
}

impl PageForm {
    /// Reads the form.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn read(
        state: &State,
        request: &HttpRequest,
        cookie: Result<SignOnCookie, Problem>,
        body: Result<Body, Problem>,
    ) -> Result<Self, Refusal> {
        let cookie = cookie.map_err(PageError::from)?;
        refuse_other_pages(&cookie)?;
        let body = body.map_err(PageError::from)?;
        let fields = parameters::of_page(request.headers(), &body.0).map_err(PageError::bad_request)?;
        let asked = AuthorizationRequest::read(state, request.query_string()).await?;
        Ok(Self { cookie, fields, asked })
    }

    /// The sign-on of the browser; `None` if it has ended.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sign_on(&self, state: &State) -> Result<Option<SignOn>, DbError> {
        sign_on_of(state, &self.cookie).await
    }
}

/// The sign-on of a browser; `None` if it has ended.
///
/// # Errors
/// [`DbError`].
pub async fn sign_on_of(state: &State, cookie: &SignOnCookie) -> Result<Option<SignOn>, DbError> {
    let open = async |tx: &SharedTx| match cookie.secret() {
        Some(secret) => sign_on::open(tx, secret, &state.sign_in.terms).await,
        None => Ok(None),
    };
    state.database.write_shared(SharedScope::Public, open).await
}
