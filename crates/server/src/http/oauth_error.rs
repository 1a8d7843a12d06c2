//! Errors in the form of OAuth (RFC 6749 section 5.2), which programs expect of an OpenID Connect provider.

use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use identity::TokenError;
use identity::code::RedeemError;
use identity::refresh::RefreshError;
use identity::service_account::OpenError;
use serde_json::json;
use tenancy::{DbError, ResolveError};

use crate::http::problem::sentence;

/// Why a program does not get what it asks for.
#[derive(Debug)]
pub struct OAuthError {
    kind: Kind,
    description: String,
    /// The cause, for the log.
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// The codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section 2.2.1, RFC 8707 section 2, and OpenID
/// Connect Core section 3.1.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    InvalidRequest,
    InvalidClient,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
    InvalidGrant,
    UnsupportedTokenType,
    UnsupportedResponseType,
    AccessDenied,
    LoginRequired,
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    /// RFC 6749 names it for the authorization endpoint; a 503 says the same to every client.
    TemporarilyUnavailable,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

impl OAuthError {
    pub fn new(kind: Kind, description: impl Into<String>) -> Self {
        Self { kind, description: description.into(), cause: None }
    }

    /// The code.
    pub fn code(&self) -> &'static str {
        self.kind.as_str()
    }

    /// A sentence for the people who made the program, in the letters that the RFC allows.
    pub fn description(&self) -> String {
        let is_allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        self.description.chars().map(|c| if is_allowed(c) { c } else { '?' }).collect()
    }

    fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        let description = "The server cannot answer at the moment. Try again.".to_owned();
        Self { kind: Kind::TemporarilyUnavailable, description, cause: Some(Box::new(cause)) }
    }
}

impl From<DbError> for OAuthError {
    fn from(error: DbError) -> Self {
        Self::unavailable(error)
    }
}

impl From<ResolveError> for OAuthError {
    fn from(error: ResolveError) -> Self {
        Self::unavailable(error)
    }
}

impl From<TokenError> for OAuthError {
    /// The only reason why a token is not issued is that this server has no key yet.
    fn from(error: TokenError) -> Self {
        Self::new(Kind::TemporarilyUnavailable, sentence(&error))
    }
}

impl From<RedeemError> for OAuthError {
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Invalid | RedeemError::Ended => Self::new(Kind::InvalidGrant, sentence(&error)),
            RedeemError::WrongBusiness => Self::new(Kind::InvalidTarget, sentence(&error)),
            RedeemError::Db(error) => error.into(),
        }
    }
}

impl From<RefreshError> for OAuthError {
    fn from(error: RefreshError) -> Self {
        match error {
            // Nothing has ended, so the program must not give up its session.
            RefreshError::InProgress | RefreshError::BusinessBusy => {
                Self::new(Kind::TemporarilyUnavailable, sentence(&error))
            }
            RefreshError::MoreScopes => Self::new(Kind::InvalidScope, sentence(&error)),
            RefreshError::WrongBusiness => Self::new(Kind::InvalidTarget, sentence(&error)),
            RefreshError::Db(error) => error.into(),
            _ => Self::new(Kind::InvalidGrant, sentence(&error)),
        }
    }
}

impl From<OpenError> for OAuthError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::WrongSecret => Self::new(Kind::InvalidClient, sentence(&error)),
            OpenError::NoAccount => Self::new(Kind::UnauthorizedClient, sentence(&error)),
            OpenError::Db(error) => error.into(),
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.description)
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        match self.kind {
            Kind::InvalidClient => StatusCode::UNAUTHORIZED,
            Kind::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Some(cause) = &self.cause {
            tracing::warn!(error = %tenancy::chain(cause.as_ref()), "a program got no access token");
        }
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.kind == Kind::InvalidClient {
            response.insert_header((header::WWW_AUTHENTICATE, r#"Basic realm="tenantry""#));
        }
        if self.kind == Kind::TemporarilyUnavailable {
            response.insert_header((header::RETRY_AFTER, 1));
        }
        response.json(json!({"error": self.code(), "error_description": self.description()}))
    }
}
