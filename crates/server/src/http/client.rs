//! The client of a request: its address, its program, its device.

use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use identity::auth_event::Origin;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use values::from_text;
use values::macros::TextForm;

use crate::http::problem::Problem;
use crate::http::state::State;

/// The address of the client: the peer, or, if the peer is a trusted proxy, the last address in
/// X-Forwarded-For that is not a trusted proxy.
pub fn address(request: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    if !is_trusted(peer, trusted) {
        return Some(peer);
    }
    let headers: Vec<&str> =
        request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    // Read from the right, because each proxy appends the address from which it got the request. An
    // unreadable entry ends the search: a client may have forged everything to the left of it.
    let named = headers.iter().rev().flat_map(|value| value.rsplit(',')).map_while(forwarded_address);
    let mut last = peer;
    for address in named {
        last = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    Some(last)
}

/// Reads an address of X-Forwarded-For. Some proxies append the port.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

/// Whether the address belongs to a configured proxy.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// Where the request came from, for the log of authentication events and the list of sessions.
pub struct From(pub Origin);

/// Longer names of programs are cut.
const USER_AGENT_CHARACTERS: usize = 300;

impl FromRequest for From {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(origin(request))))
    }
}

/// Where a request came from.
pub fn origin(request: &HttpRequest) -> Origin {
    let trusted = request
        .app_data::<web::Data<State>>()
        .map(|state| state.settings.server.trusted_proxies.as_slice())
        .unwrap_or_default();
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Origin {
        address: address(request, trusted).map(|address| address.to_canonical()),
        user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARACTERS).collect()),
        device: None,
    }
}

/// The address of a client, as a query parameter.
pub struct ClientAddress(pub IpAddr);

impl FromStr for ClientAddress {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "an address must be an IP address such as 192.0.2.7")
    }
}

impl<'de> Deserialize<'de> for ClientAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a string")
    }
}

impl PartialSchema for ClientAddress {
    fn schema() -> RefOr<Schema> {
        TextForm::pattern("^[0-9A-Fa-f.:]+$").such_as("192.0.2.7").schema("An IP address")
    }
}

impl ToSchema for ClientAddress {}
