//! The owner of the host at which a request arrived: a business, the platform, or the provider.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use tenancy::{Tenant, TenantId};

use crate::http::problem::Problem;

/// The owner of the host at which the request arrived.
#[derive(Debug, Clone)]
pub enum HostOwner {
    Platform,
    /// The place where programs get access tokens. It serves no part of the API.
    Identity,
    Tenant(Arc<Tenant>),
}

impl HostOwner {
    /// The business; `None` for the platform.
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Platform | Self::Identity => None,
            Self::Tenant(tenant) => Some(tenant.id),
        }
    }
}

/// The owner of the host of a request to the API.
pub fn host_owner(request: &HttpRequest) -> Result<HostOwner, Problem> {
    let owner = request.extensions().get::<HostOwner>().cloned();
    owner.filter(|owner| !matches!(owner, HostOwner::Identity)).ok_or_else(Problem::not_found)
}

impl FromRequest for HostOwner {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(host_owner(request))
    }
}

/// The request arrived at the place where programs get access tokens.
pub struct AtIdentity;

impl FromRequest for AtIdentity {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let is_here = matches!(request.extensions().get::<HostOwner>(), Some(HostOwner::Identity));
        ready(is_here.then_some(Self).ok_or_else(Problem::not_found))
    }
}
