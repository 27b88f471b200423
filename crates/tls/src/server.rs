//! What ports need. HTTP ports are open to everybody; gRPC ports check callers when their authorities are set.

use std::sync::Arc;

use rustls::crypto::ring::Ticketer;
use rustls::server::NoServerSessionStorage;
use rustls::{DEFAULT_VERSIONS, ServerConfig};

use crate::acceptor::Acceptor;
use crate::current::Current;
use crate::tls::Tls;

/// What ports start from.
pub(crate) struct Ports {
    /// For those that are open to everybody.
    public: ServerConfig,
    /// For those that check callers, if they can.
    internal: ServerConfig,
}

impl Tls {
    /// For HTTP/1.1 ports, sockets among them.
    pub fn http_acceptor(&self) -> Acceptor {
        let config = self.ports.as_ref().map(|ports| speaking(ports.public.clone(), "http/1.1"));
        Acceptor::new(config, &self.metrics)
    }

    /// For gRPC ports. With authorities of callers, only those who show a certificate of theirs get in.
    pub fn grpc_acceptor(&self) -> Acceptor {
        let config = self.ports.as_ref().map(|ports| speaking(ports.internal.clone(), "h2"));
        Acceptor::new(config, &self.metrics)
    }
}

impl Ports {
    pub(crate) fn new(current: &Arc<Current>) -> Result<Option<Self>, rustls::Error> {
        let loaded = current.loaded.load();
        if !loaded.has_certificate() {
            return Ok(None);
        }
        let public = public(current)?;
        let internal = if loaded.checks_callers() { mutual(current)? } else { public.clone() };
        Ok(Some(Self { public, internal }))
    }
}

fn public(current: &Arc<Current>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(current.provider.clone())
        .with_protocol_versions(DEFAULT_VERSIONS)?
        .with_no_client_auth()
        .with_cert_resolver(current.clone());
    // Clients keep their sessions themselves: a crowd that comes back needs no memory here.
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

fn mutual(current: &Arc<Current>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(current.provider.clone())
        .with_protocol_versions(DEFAULT_VERSIONS)?
        .with_client_cert_verifier(current.clone())
        .with_cert_resolver(current.clone());
    // A session that is taken up again shows no certificate: it would outlive the authority that it was checked by.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn speaking(mut config: ServerConfig, protocol: &str) -> ServerConfig {
    config.alpn_protocols = vec![protocol.into()];
    config
}
