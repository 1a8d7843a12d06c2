//! The requests of the platform's staff are written down before they are answered: those that show data of
//! businesses or people, and those in the place of a member.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpMessage as _, HttpRequest};
use identity::auth_event::{self, AuthAction, AuthEvent, By, Origin, Who};
use identity::{Impersonator, Principal};
use inventory::settings;
use platform::{Actor, platform_audit};
use serde_json::json;
use tenancy::{SharedScope, SharedTx, Tenant, TenantId, TenantTx};

use crate::http::client;
use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;

/// Routes of the platform that show neither records of businesses nor people.
const NO_DATA: [&str; 3] = ["/api/v1/platform/apps", "/api/v1/platform/jobs", "/api/v1/platform/migrations"];

/// Parameters of lists whose values are not written down: people are named in them, and nothing deletes an
/// entry when a person is deleted.
const NAMES_PEOPLE: [&str; 2] = ["q", "cursor"];

/// Marks a request whose caller is checked for the second time.
pub struct Again;

/// A request of the staff, as the logs name it.
pub struct Watched {
    /// Whether the logs have the request already.
    is_again: bool,
    method: Method,
    path: String,
    /// The route, such as `/api/v1/platform/users/{id}`.
    route: String,
    query: Vec<(String, String)>,
    /// The business of the path, or the one by which a list is filtered.
    tenant: Option<TenantId>,
    /// Where the request came from.
    pub origin: Origin,
}

impl Watched {
    pub fn new(request: &HttpRequest) -> Self {
        let route = request.match_pattern().unwrap_or_default();
        let query: Vec<(String, String)> =
            form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        let tenant = match route.contains("{id}") {
            true => request.match_info().get("id").filter(|_| route.contains("/tenants/{id}")),
            false => query.iter().find(|(name, _)| name == "tenantId").map(|(_, id)| id.as_str()),
        };
        Self {
            is_again: request.extensions().get::<Again>().is_some(),
            method: request.method().clone(),
            path: request.path().to_owned(),
            tenant: tenant.and_then(|id| id.parse().ok()),
            route,
            query,
            origin: client::origin(request),
        }
    }

    /// Writes down that somebody of the staff reads data. The answer to a change shows data, too, also if
    /// there was nothing to change; a change has a further entry of its own.
    ///
    /// # Errors
    /// The database is not available: nothing is shown without an entry.
    pub async fn record_read(&self, state: &State, staff: &Principal) -> Result<(), Problem> {
        if self.is_again || NO_DATA.iter().any(|route| self.route.starts_with(route)) {
            return Ok(());
        }
        let shown = |(name, value): &(String, String)| match NAMES_PEOPLE.contains(&name.as_str()) {
            true => format!("{name}=..."),
            false => format!("{name}={value}"),
        };
        let query: Vec<String> = self.query.iter().map(shown).collect();
        let details = json!({"method": self.method.as_str(), "path": self.path, "query": query.join("&")});
        let actor = Actor::User(staff.user, Some(self.origin.clone()));
        let record =
            async |tx: &SharedTx| platform_audit::record_read(tx, &actor, self.tenant, &details).await;
        Ok(state.database.write_shared(SharedScope::Platform, record).await?)
    }

    /// Checks whether the staff may send this request as a member, and writes it down in either case.
    ///
    /// # Errors
    /// 403 if the impersonation is read-only, or if the business does not allow it any more.
    pub async fn admit(
        &self,
        state: &State,
        tenant: &Arc<Tenant>,
        principal: &Principal,
    ) -> Result<(), Problem> {
        let Some(by) = principal.impersonator else { return Ok(()) };
        let refusal = self.refusal(state, tenant, by).await?;
        if self.is_again && refusal.is_none() {
            return Ok(());
        }
        let event = AuthEvent {
            tenant: Some(tenant.id),
            user: Some(principal.user),
            session: Some(principal.session),
            app: Some(principal.member_of.app()),
            failure: refusal.as_ref().map(|_| "refused"),
            details: json!({"method": self.method.as_str(), "path": self.path}),
            ..AuthEvent::new(AuthAction::ImpersonationUsed).by(by_staff(by, &self.origin))
        };
        let record = async |tx: &SharedTx| auth_event::record(tx, &event).await;
        state.database.write_shared(SharedScope::Tenant(tenant.id), record).await?;
        match refusal {
            None => Ok(()),
            Some(detail) => Err(Problem::new(Code::ImpersonationRefused, detail)),
        }
    }

    /// Why the staff may not send this request as a member, if they may not.
    async fn refusal(
        &self,
        state: &State,
        tenant: &Arc<Tenant>,
        by: Impersonator,
    ) -> Result<Option<String>, Problem> {
        // Staff who may do nothing may still end their session.
        if self.route == "/api/v1/auth/logout" {
            return Ok(None);
        }
        let access = async |tx: &TenantTx| settings::operator_access(tx).await;
        let access = state.database.read(&tenant.scope(), access).await?;
        if !access.allows(self.method.is_safe()) {
            let access = access.as_str();
            return Ok(Some(format!(
                "The business does not allow this request: its setting operatorAccess is {access}."
            )));
        }
        let refused = by.is_read_only && !self.method.is_safe();
        let detail = "This impersonation can only read. Start another one with isReadOnly false.";
        Ok(refused.then(|| detail.to_owned()))
    }
}

/// Somebody of the staff who acts as a member, for the logs.
pub fn by_staff(by: Impersonator, origin: &Origin) -> By<'_> {
    By { who: Who::Operator(Some(by.staff), "operator"), origin: Some(origin) }
}
