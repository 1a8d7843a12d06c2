//! Problems of programs: API keys, service accounts and webhooks.

use events::webhooks::change::EndpointError;
use identity::api_key::ApiKeyError;
use identity::client::ClientError;
use identity::service_account::ServiceAccountError;
use identity::{GrantError, KeyRefused};

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

impl From<GrantError> for Problem {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::NoPermissions => Self::invalid("/permissions", Code::MissingField, error),
            GrantError::ForPeople(_) => Self::invalid("/permissions", Code::InvalidValue, error),
            GrantError::NotAllowed(error) => error.into(),
        }
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Unknown => Self::not_found(),
            ApiKeyError::NameTaken(_) => Self::invalid("/name", Code::DuplicateName, error),
            ApiKeyError::NotGranted(error) => error.into(),
            ApiKeyError::Expiry => Self::invalid("/expiresAt", Code::InvalidValue, error),
            ApiKeyError::Overlap(_) => Self::invalid("/overlapHours", Code::InvalidValue, error),
            ApiKeyError::Stale => Self::because(Code::Stale, &error),
            ApiKeyError::Revoked | ApiKeyError::Expired => Self::because(Code::ApiKeyEnded, &error),
            ApiKeyError::TooMany => Self::because(Code::TooManyApiKeys, &error),
            ApiKeyError::Db(error) => error.into(),
        }
    }
}

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::Unknown => Self::not_found(),
            EndpointError::Taken => Self::because(Code::WebhookExists, &error),
            EndpointError::TooMany => Self::because(Code::TooManyWebhooks, &error),
            EndpointError::Stale => Self::because(Code::Stale, &error),
            EndpointError::Overlap(_) => Self::invalid("/overlapHours", Code::InvalidValue, error),
            EndpointError::Status(detail) => Self::new(Code::WebhookNotReady, detail.to_owned()),
            EndpointError::Gone(_) => Self::because(Code::EventsDeleted, &error),
            EndpointError::Sealing(_) => Self::because(Code::WebhookNotReady, &error),
            EndpointError::Db(error) => error.into(),
        }
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unknown(_) => Self::not_found(),
            ClientError::Taken(_) => Self::invalid("/id", Code::IdTaken, error),
            ClientError::UnknownApp(_) => Self::invalid("/app", Code::UnknownApp, error),
            ClientError::IdOfApp(_) => Self::invalid("/id", Code::InvalidValue, error),
            ClientError::TooManyAddresses => Self::invalid("/redirectUris", Code::InvalidValue, error),
            ClientError::NotWeb => Self::invalid("/backchannelLogoutUri", Code::InvalidValue, error),
            ClientError::NoRedirect => Self::invalid("/redirectUris", Code::MissingField, error),
            ClientError::NoSecret(_) => Self::because(Code::NoSecret, &error),
            ClientError::Overlap(_) => Self::invalid("/overlapHours", Code::InvalidValue, error),
            ClientError::Db(error) => error.into(),
        }
    }
}

impl From<ServiceAccountError> for Problem {
    fn from(error: ServiceAccountError) -> Self {
        match error {
            ServiceAccountError::Unknown(_) => Self::not_found(),
            ServiceAccountError::NotGranted(error) => error.into(),
            ServiceAccountError::Db(error) => error.into(),
        }
    }
}
