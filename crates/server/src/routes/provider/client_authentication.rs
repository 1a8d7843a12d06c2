//! How a program proves who it is (RFC 6749 section 2.3): with its secret in the header Authorization or in
//! the form. A public program only says its client id.

use actix_web::http::header::{self, HeaderMap};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::ClientId;
use identity::client::{self, KnownClient};
use secrecy::SecretString;
use tenancy::{SharedScope, SharedTx};

use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::state::State;
use crate::routes::provider::parameters::Parameters;

/// The client id of a program, and its secret, if it sent one.
pub struct Presented {
    pub id: ClientId,
    pub secret: Option<SecretString>,
}

fn wrong() -> OAuthError {
    OAuthError::new(Kind::InvalidClient, "The client id or the secret is wrong.")
}

impl Presented {
    /// # Errors
    /// `invalid_request` or `invalid_client`.
    pub fn read(headers: &HeaderMap, parameters: &Parameters) -> Result<Self, OAuthError> {
        if headers.get_all(header::AUTHORIZATION).count() > 1 {
            return Err(OAuthError::new(Kind::InvalidRequest, "The header Authorization is repeated."));
        }
        let in_body = (parameters.get("client_id"), parameters.get("client_secret"));
        let (id, secret) = match (headers.get(header::AUTHORIZATION), in_body) {
            (Some(_), (_, Some(_))) => {
                let text = "Send the secret in the header Authorization or in the body, and not in both.";
                return Err(OAuthError::new(Kind::InvalidRequest, text));
            }
            (Some(basic), (id_in_body, None)) => {
                let (id, secret) = basic.to_str().ok().and_then(basic_credentials).ok_or_else(wrong)?;
                if id_in_body.is_some_and(|other| *other != id) {
                    return Err(wrong());
                }
                // Some programs without a secret send an empty one.
                (id, (!secret.is_empty()).then_some(secret))
            }
            (None, (Some(id), secret)) => (id.to_owned(), secret.map(str::to_owned)),
            (None, (None, _)) => {
                let text = "Send the client id of the program, and its secret.";
                return Err(OAuthError::new(Kind::InvalidClient, text));
            }
        };
        let id = ClientId::parse(&id).map_err(|_| wrong())?;
        Ok(Self { id, secret: secret.map(SecretString::from) })
    }

    /// The program, if it is the one that it says.
    ///
    /// # Errors
    /// `invalid_client`.
    pub async fn authenticate(&self, state: &State) -> Result<KnownClient, OAuthError> {
        let find = async |tx: &SharedTx| client::authenticate(tx, &self.id, self.secret.as_ref()).await;
        state.database.read_shared(SharedScope::Public, find).await?.ok_or_else(wrong)
    }
}

/// Client id and secret of `Basic ...`, both of which are form-encoded (RFC 6749 section 2.3.1).
fn basic_credentials(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let pair = format!("x={}", text.replace('&', "%26"));
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded() {
        let basic = |text: &str| basic_credentials(&format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(basic("a-b:c%2Bd e"), Some(("a-b".into(), "c+d e".into())));
        assert_eq!(basic("erp:x&y=z"), Some(("erp".into(), "x&y=z".into())));
        for text in ["", "no colon"] {
            assert_eq!(basic(text), None, "{text}");
        }
        for value in ["", "Basic", "Bearer YTpi", "Basic !!!", "Basic /////w=="] {
            assert_eq!(basic_credentials(value), None, "{value}");
        }
    }
}
