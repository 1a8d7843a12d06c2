//! DNS, as it is asked whether a host is a business's.

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tenancy::domain::{LookupError, TxtLookup};

/// Asks the system's name servers, or one that the configuration names.
pub struct Dns {
    server: Option<SocketAddr>,
}

impl Dns {
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self { server }
    }

    /// Made for each question: they are rare, and a new record must not wait for a cache of ours.
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
        // The dot at the end keeps the search domains of this machine out.
        let found = match self.resolver().map_err(failed)?.txt_lookup(format!("{name}.")).await {
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            // A long text comes in pieces of 255 bytes.
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        });
        Ok(texts.collect())
    }
}
