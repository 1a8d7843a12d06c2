//! Problems of signing in.

use identity::TokenError;
use identity::login::LoginError;

use crate::http::codes::Code;
use crate::http::problem::{Problem, sentence};

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let (code, challenge) = match error {
            TokenError::Expired => (
                Code::TokenExpired,
                r#"Bearer realm="tenantry", error="invalid_token", error_description="expired""#,
            ),
            TokenError::Invalid => (Code::TokenInvalid, r#"Bearer realm="tenantry", error="invalid_token""#),
            TokenError::WrongTenant => (
                Code::TokenWrongBusiness,
                r#"Bearer realm="tenantry", error="invalid_token", error_description="wrong business""#,
            ),
        };
        Self::unauthorized(code, sentence(&error), challenge)
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => {
                Self::unauthorized(Code::InvalidCredentials, sentence(&error), r#"Bearer realm="tenantry""#)
            }
            LoginError::NoMembership => Self::new(
                Code::NoMembership,
                "You are not a member here. Ask the operator of the platform to add you.",
            ),
            LoginError::TooBusy(error) => Self::because(Code::TooBusy, &error).retry_after(2),
            LoginError::Db(error) => error.into(),
        }
    }
}
