//! TLS of the listener.
//!
//! Owns: how certificate and key become a TLS server. Must never know: where they are stored.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::notifications::settings::Tls;

/// Why a certificate and its key cannot be used together, if they cannot.
pub fn fault(tls: &Tls) -> Option<&'static str> {
    acceptor(tls).err()
}

/// Accepts TLS 1.2 and newer with this certificate.
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, &'static str> {
    let chain = CertificateDer::pem_slice_iter(&tls.certificate_pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| "the certificate is not PEM")?;
    if chain.is_empty() {
        return Err("the file has no certificate");
    }
    let key = PrivateKeyDer::from_pem_slice(tls.key_pem.expose()).map_err(|_| "the key is not PEM")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS cannot be set up")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|_| "the key does not belong to the certificate")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
