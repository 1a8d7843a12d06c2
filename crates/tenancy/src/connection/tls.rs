//! TLS to PostgreSQL: what each sslmode requires of the server's certificate, as in libpq.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection::connect::{DatabaseUrl, SslMode};

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of `sslrootcert` cannot be opened or is not valid PEM.
    #[error("cannot read the root certificate {0}")]
    RootCertificate(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// The `sslmode` verifies certificates, but there is no usable root certificate in the file of
    /// `sslrootcert`, or, without `sslrootcert`, in the system.
    #[error(
        "no usable root certificate was found, and sslmode=verify-ca and verify-full need one; \
         set sslrootcert=/path"
    )]
    NoRoots,
    /// rustls refused a root certificate or the protocol versions.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// The TLS of connections to `url`.
///
/// # Errors
/// [`TlsError`].
pub(super) fn tls(url: &DatabaseUrl) -> Result<MakeRustlsConnect, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verification = match url.ssl_mode {
        SslMode::VerifyFull => Verification::ChainAndName,
        SslMode::VerifyCa => Verification::Chain,
        // As in libpq: with a root certificate, `require` means the same as `verify-ca`.
        SslMode::Require if url.root_certificate.is_some() => Verification::Chain,
        SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require => Verification::None,
    };
    let chain = match verification {
        Verification::None => None,
        Verification::Chain | Verification::ChainAndName => {
            let roots = root_certificates(url.root_certificate.as_ref())?;
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|_| TlsError::NoRoots)?;
            Some(verifier)
        }
    };
    let verifier = Arc::new(Verifier { verification, chain, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn root_certificates(file: Option<&PathBuf>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            let unreadable = |error| TlsError::RootCertificate(path.clone(), error);
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                roots.add(certificate.map_err(unreadable)?).map_err(TlsError::Setup)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

#[derive(Debug, Clone, Copy)]
enum Verification {
    None,
    Chain,
    ChainAndName,
}

/// Checks the server's certificate to the extent that the sslmode requires.
#[derive(Debug)]
struct Verifier {
    verification: Verification,
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verified = chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match (self.verification, verified) {
            // The name is checked last, after the chain. An error about the name therefore means that the
            // chain is valid, and verify-ca ignores the name.
            (
                Verification::Chain,
                Err(rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )),
            ) => Ok(ServerCertVerified::assertion()),
            (_, verified) => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
