//! Problems of API keys.

use identity::KeyRefused;
use identity::api_key::ApiKeyError;

use crate::http::codes::Code;
use crate::http::problem::{Problem, sentence};

impl From<KeyRefused> for Problem {
    fn from(error: KeyRefused) -> Self {
        match error {
            KeyRefused::Invalid => Self::unauthorized(
                Code::ApiKeyInvalid,
                sentence(&error),
                r#"Bearer realm="tenantry", error="invalid_token""#,
            ),
            KeyRefused::Db(error) => error.into(),
        }
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Unknown => Self::not_found(),
            ApiKeyError::NameTaken(_) => Self::invalid("/name", Code::DuplicateName, error),
            ApiKeyError::NoPermissions => Self::invalid("/permissions", Code::MissingField, error),
            ApiKeyError::ForPeople(_) => Self::invalid("/permissions", Code::InvalidValue, error),
            ApiKeyError::NotAllowed(error) => error.into(),
            ApiKeyError::Expiry => Self::invalid("/expiresAt", Code::InvalidValue, error),
            ApiKeyError::Overlap => Self::invalid("/overlapHours", Code::InvalidValue, error),
            ApiKeyError::Revoked | ApiKeyError::Expired => Self::because(Code::ApiKeyEnded, &error),
            ApiKeyError::TooMany => Self::because(Code::TooManyApiKeys, &error),
            ApiKeyError::Db(error) => error.into(),
        }
    }
}
