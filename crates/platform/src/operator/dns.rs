//! DNS lookups that verify custom domains.

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tenancy::domain::{LookupError, TxtLookup};

/// Looks up DNS records. Uses the name server of the configuration; defaults to the name servers of the
/// system.
#[derive(Debug, Clone)]
pub struct Dns {
    server: Option<SocketAddr>,
}

impl Dns {
    /// Uses the name server `server`, or the name servers of the system when `server` is `None`.
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self { server }
    }

    /// Makes a new resolver for each lookup. Lookups are rare, and a cache would hide a new record for some
    /// time.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match self.server {
            None => TokioResolver::builder_tokio()?,
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        builder.options_mut().cache_size = 0;
        builder.build()
    }
}

impl TxtLookup for Dns {
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookupError> {
        let failed = |error: NetError| LookupError(error.to_string());
        // The dot at the end keeps the resolver from trying the search domains of this machine.
        let found = match self.resolver().map_err(failed)?.txt_lookup(format!("{name}.")).await {
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            // DNS splits a long text into pieces of 255 bytes.
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        });
        Ok(texts.collect())
    }
}
