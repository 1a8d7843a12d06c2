//! What the platform's staff read of businesses and people, and what they do as a member, is written down
//! before it happens.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::Method;
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

/// Paths of the platform that show neither data of businesses nor of people.
const NO_DATA: [&str; 3] = ["/api/v1/platform/apps", "/api/v1/platform/jobs", "/api/v1/platform/migrations"];

/// A request of the staff, as the logs name it.
pub struct Watched {
    method: Method,
    path: String,
    query: String,
    /// The business in the path or in the filter of the request.
    tenant: Option<TenantId>,
    /// Where the request came from.
    pub origin: Origin,
}

impl Watched {
    pub fn new(request: &HttpRequest) -> Self {
        let of_path = request.match_info().get("id").filter(|_| request.path().contains("/tenants/"));
        let query = request.query_string();
        let of_query =
            form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "tenantId").map(|(_, id)| id);
        let tenant = of_path.or(of_query.as_deref()).and_then(|id| id.parse().ok());
        Self {
            method: request.method().clone(),
            path: request.path().to_owned(),
            query: query.to_owned(),
            tenant,
            origin: client::origin(request),
        }
    }

    /// Whether the request may change something, other than that it ends its own session.
    fn changes(&self) -> bool {
        !self.method.is_safe() && self.path != "/api/v1/auth/logout"
    }

    /// Writes down that somebody of the staff reads data. A change has an entry of its own.
    ///
    /// # Errors
    /// The database is not available: nothing is shown without an entry.
    pub async fn record_read(&self, state: &State, staff: &Principal) -> Result<(), Problem> {
        let has_no_data = NO_DATA.iter().any(|path| self.path.starts_with(path));
        if !self.method.is_safe() || has_no_data {
            return Ok(());
        }
        let actor = Actor::User(staff.user, Some(self.origin.clone()));
        let details = json!({"path": self.path, "query": self.query});
        let record =
            async |tx: &SharedTx| platform_audit::record_read(tx, &actor, self.tenant, &details).await;
        Ok(state.database.write_shared(SharedScope::Platform, record).await?)
    }

    /// Checks whether the staff may send this request as a member, and writes it down.
    ///
    /// # Errors
    /// 403 if the impersonation is read-only, or if the business does not allow it any more.
    pub async fn admit(
        &self,
        state: &State,
        tenant: &Arc<Tenant>,
        principal: &Principal,
        by: Impersonator,
    ) -> Result<(), Problem> {
        let access = async |tx: &TenantTx| settings::operator_access(tx).await;
        let access = state.database.read(&tenant.scope(), access).await?;
        if !access.allows(!self.changes()) {
            let detail = format!(
                "The business does not allow this request: its setting operatorAccess is {}.",
                access.as_str()
            );
            return Err(Problem::new(Code::ImpersonationRefused, detail));
        }
        if by.is_read_only && self.changes() {
            let detail = "This impersonation can only read. Start another one with isReadOnly false.";
            return Err(Problem::new(Code::ImpersonationRefused, detail));
        }
        let event = AuthEvent {
            tenant: Some(tenant.id),
            user: Some(principal.user),
            session: Some(principal.session),
            app: Some(principal.member_of.app()),
            details: json!({"method": self.method.as_str(), "path": self.path}),
            ..AuthEvent::new(AuthAction::ImpersonationUsed).by(by_staff(by, &self.origin))
        };
        let record = async |tx: &SharedTx| auth_event::record(tx, &event).await;
        Ok(state.database.write_shared(SharedScope::Tenant(tenant.id), record).await?)
    }
}

/// Somebody of the staff who acts as a member, for the logs.
pub fn by_staff(by: Impersonator, origin: &Origin) -> By<'_> {
    By { who: Who::Operator(Some(by.staff), "operator"), origin: Some(origin) }
}
