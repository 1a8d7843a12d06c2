//! The parameter `resource` (RFC 8707): the address of the business for which a program wants tokens.

use std::sync::Arc;

use actix_web::http::Uri;
use tenancy::{DbError, HostName, HostTarget, SharedScope, SharedTx, Tenant, TenantId, TenantStatus, tenant};

use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::state::State;

/// Whether a business, if there is one, is open. Its own host answers nothing if it is not.
///
/// # Errors
/// [`DbError`].
pub async fn is_open(state: &State, id: Option<TenantId>) -> Result<bool, DbError> {
    let Some(id) = id else { return Ok(true) };
    let find = async |tx: &SharedTx| tenant::find_by_id(tx, id).await;
    let found = state.database.read_shared(SharedScope::Platform, find).await?;
    Ok(found.is_some_and(|tenant| !matches!(tenant.status, TenantStatus::Suspended | TenantStatus::Archived)))
}

/// The open business at an address.
///
/// # Errors
/// `invalid_target`.
pub async fn business(state: &State, resource: &str) -> Result<Arc<Tenant>, OAuthError> {
    let unknown = || {
        let text = "The parameter resource is not the address of an open business. Send an address such as \
                    https://acme.example.com.";
        OAuthError::new(Kind::InvalidTarget, text)
    };
    // No fragment (RFC 8707 section 2), and nothing before the host that looks like another host.
    if resource.contains(['#', '@', '?']) {
        return Err(unknown());
    }
    let uri: Uri = resource.parse().map_err(|_| unknown())?;
    let (Some("http" | "https"), Some(host)) = (uri.scheme_str(), uri.authority()) else {
        return Err(unknown());
    };
    let host = HostName::parse(host.as_str()).map_err(|_| unknown())?;
    let HostTarget::Tenant { address, .. } = state.resolver.target(&host, uri.path()) else {
        return Err(unknown());
    };
    let tenant = state.resolver.tenant(&address).await?;
    tenant.filter(|tenant| tenant.status == TenantStatus::Active).ok_or_else(unknown)
}
