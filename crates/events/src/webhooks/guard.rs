//! The guard against requests to local networks: the addresses to which a name leads are checked, and the
//! connection goes to the addresses that were checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use crate::webhooks::address::Reach;

/// The networks that are not part of the internet, or are not for single computers. Source: the special
/// purpose registries of IANA (RFC 6890 and its successors).
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    // A public address that Azure uses for a service of its machines.
    "168.63.129.16/32",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // Of IPv6, only 2000::/3 is in use. Networks that stand for IPv4 addresses would lead around this list.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
];
/// The part of IPv6 that is in use on the internet.
const IN_USE: &str = "2000::/3";

static NETWORKS: LazyLock<(Vec<IpNet>, Vec<IpNet>)> = LazyLock::new(|| {
    let read = |texts: &[&str]| texts.iter().filter_map(|text| text.parse().ok()).collect();
    (read(SPECIAL), read(&[IN_USE]))
});

/// Whether an address is one of the internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    let (special, in_use) = &*NETWORKS;
    let address = address.to_canonical();
    let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
    (address.is_ipv4() || is_in(in_use)) && !is_in(special)
}

/// A name leads to an address that is not one of the internet.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address of a local network")]
pub(super) struct Forbidden;

/// Looks names up, and refuses those that lead to a local network.
pub(super) struct GuardedNames {
    reach: Reach,
    /// A lookup keeps a thread busy, and threads are for others, too.
    lookups: Arc<Semaphore>,
}

/// The lookups that run at the same time.
const LOOKUPS: usize = 16;

impl GuardedNames {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, lookups) = (self.reach, self.lookups.clone());
        Box::pin(async move {
            let _turn = lookups.acquire().await?;
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One address outside the internet is enough to refuse the name.
            if reach == Reach::Internet && !addresses.iter().all(|address| is_public(address.ip())) {
                return Err(Forbidden.into());
            }
            if addresses.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_of_the_list_can_be_read() {
        assert_eq!((NETWORKS.0.len(), NETWORKS.1.len()), (SPECIAL.len(), 1));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let look_up = async |reach| {
            let found = GuardedNames::new(reach).resolve("localhost".parse().unwrap()).await;
            found.map(Iterator::count).map_err(|error| error.is::<Forbidden>())
        };
        assert_eq!(look_up(Reach::Internet).await, Err(true));
        assert!(look_up(Reach::AnyNetwork).await.unwrap() > 0);
    }

    #[test]
    fn addresses_of_local_networks_are_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in
            ["1.1.1.1", "93.184.216.34", "172.32.0.1", "::ffff:1.1.1.1", "2606:4700::1111", "2a00:1450::1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
