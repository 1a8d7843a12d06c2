//! The addresses to which the provider reports. Each ends with a token that only the provider knows, because
//! providers do not sign their reports.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use tenancy::TenantId;

use crate::ids::PaymentRequestId;

/// Makes and checks the addresses.
#[derive(Clone)]
pub struct Callbacks {
    /// The address of the platform, without a path.
    platform_address: String,
    key: hmac::Key,
}

impl Callbacks {
    /// Addresses below that of the platform, with tokens that depend on a secret.
    pub fn new(platform_address: String, secret: &SecretString) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        Self { platform_address, key }
    }

    /// The address for payments to till numbers.
    pub fn of_payments(&self) -> String {
        format!("{}/api/v1/mobile-money/payments/{}", self.platform_address, self.token(PAYMENTS))
    }

    /// The address for the outcome of a request.
    pub fn of_request(&self, tenant: TenantId, request: PaymentRequestId) -> String {
        let token = self.token(&subject(tenant, request));
        format!("{}/api/v1/mobile-money/requests/{tenant}/{request}/{token}", self.platform_address)
    }

    /// Whether the token is that of the address for payments.
    pub fn is_of_payments(&self, token: &str) -> bool {
        self.is_token(PAYMENTS, token)
    }

    /// Whether the token is that of the address for a request.
    pub fn is_of_request(&self, tenant: TenantId, request: PaymentRequestId, token: &str) -> bool {
        self.is_token(&subject(tenant, request), token)
    }

    fn token(&self, subject: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, subject.as_bytes()))
    }

    fn is_token(&self, subject: &str, token: &str) -> bool {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        hmac::verify(&self.key, subject.as_bytes(), &bytes).is_ok()
    }
}

const PAYMENTS: &str = "payments";

fn subject(tenant: TenantId, request: PaymentRequestId) -> String {
    format!("request {tenant} {request}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_address_alone() {
        let callbacks = Callbacks::new("https://admin.example.com".to_owned(), &"k".repeat(32).into());
        let (tenant, request) = (TenantId::new(), PaymentRequestId::new());
        let address = callbacks.of_request(tenant, request);
        let token = address.rsplit('/').next().unwrap();
        assert!(callbacks.is_of_request(tenant, request, token));
        assert!(!callbacks.is_of_request(tenant, PaymentRequestId::new(), token));
        assert!(!callbacks.is_of_request(TenantId::new(), request, token));
        assert!(!callbacks.is_of_payments(token));
        assert!(callbacks.is_of_payments(callbacks.of_payments().rsplit('/').next().unwrap()));
        assert!(!callbacks.is_of_payments("") && !callbacks.is_of_payments("%"));
    }
}
