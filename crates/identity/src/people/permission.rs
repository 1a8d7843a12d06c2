//! Permissions: what roles allow. Checks ask for a permission, never for the name of a role.

use serde::Serialize;
use tenancy::{DbError, SharedTx};

use crate::names::keys::{AppSlug, PermissionKey};

values::words! {
    /// One thing that a role may allow.
    pub enum Permission {
        /// Read products, variants, barcodes, categories, tax classes and the settings of the business.
        CatalogueRead = "catalogue.read",
        /// Change products, variants and categories. Set prices and exceed the discount limit in orders and
        /// sales.
        CatalogueWrite = "catalogue.write",
        /// Read stock levels, movements and adjustments, locations, transfers, stock counts and alerts.
        StockRead = "stock.read",
        /// Adjust stock, for example after damage or loss.
        StockAdjust = "stock.adjust",
        /// Send, receive and send back transfers between locations.
        StockTransfer = "stock.transfer",
        /// Open, enter, post and cancel stock counts.
        StockCount = "stock.count",
        /// Read orders, returns and customers.
        OrdersRead = "orders.read",
        /// Place and fulfil orders, and create, change and archive customers.
        OrdersPlace = "orders.place",
        /// Cancel orders.
        OrdersCancel = "orders.cancel",
        /// Take returned goods back.
        OrdersReturn = "orders.return",
        /// Read suppliers, purchase orders and goods receipts, and receive goods.
        PurchasingReceive = "purchasing.receive",
        /// Change suppliers, supplier prices and purchase orders, and reverse goods receipts.
        PurchasingWrite = "purchasing.write",
        /// Read the dashboard.
        DashboardRead = "dashboard.read",
        /// Read reports and reorder suggestions, and verify the stock ledger.
        ReportsRead = "reports.read",
        /// Read registers, shifts, sales and payments by mobile money.
        TillRead = "till.read",
        /// Open and close shifts, sell, move cash in and out of a till, and create, change and archive
        /// customers.
        TillSell = "till.sell",
        /// See the expected amounts of a till, approve differences and sales, close shifts of others, set
        /// prices, refund and void sales, list vouchers, set tax exemptions and credit limits of customers,
        /// assign payments by mobile money, and complete or discard held sales.
        TillApprove = "till.approve",
        /// Set up registers.
        TillManage = "till.manage",
        /// Manage the members and the roles of the business.
        TeamManage = "team.manage",
        /// Make, rotate and revoke API keys.
        ApiKeysManage = "api_keys.manage",
        /// Make, change and delete webhooks, and read their deliveries.
        WebhooksManage = "webhooks.manage",
        /// Change the settings, tax classes and locations of the business.
        SettingsWrite = "settings.write",
        /// Export the data of the business, and have reports mailed.
        DataExport = "data.export",
        /// Read the audit log of the business.
        AuditRead = "audit.read",
        /// Read businesses, custom domains, backups, jobs, migrations and the audit log of the platform.
        TenantsRead = "tenants.read",
        /// Create, change, back up and drop businesses, and start, cancel and retry jobs.
        TenantsWrite = "tenants.write",
        /// Register apps with their permissions and roles.
        AppsWrite = "apps.write",
        /// Read users with their memberships, sessions and authentication events.
        UsersRead = "users.read",
        /// Create, change, disable and delete users, and change memberships.
        UsersWrite = "users.write",
        /// Act as a member of a business, for a limited time.
        MembersImpersonate = "members.impersonate",
    }
}

impl Permission {
    /// Whether only people may have the permission, and no program of another company in their place. A
    /// program that could give access to others, or act as others, would outlive its own revocation.
    pub fn is_for_people(self) -> bool {
        matches!(
            self,
            Self::TeamManage
                | Self::ApiKeysManage
                | Self::WebhooksManage
                | Self::TenantsWrite
                | Self::AppsWrite
                | Self::UsersWrite
                | Self::MembersImpersonate
        )
    }
}

/// A permission that the roles of an app may contain.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppPermission {
    /// The app.
    pub app: AppSlug,
    /// The key.
    pub permission: PermissionKey,
    /// The app to which the permission belongs. It differs from `app` if `app` borrows the permission.
    pub owner_app: AppSlug,
    /// The actions that the permission allows.
    pub description: String,
}

tenancy::from_row!(AppPermission { app, permission, owner_app, description });

/// The permissions that roles in businesses may contain, sorted by app.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx) -> Result<Vec<AppPermission>, DbError> {
    const LIST: &str = "
        SELECT ap.app, ap.permission, ap.owner_app, p.description
          FROM shared.app_permissions ap
          JOIN shared.apps a ON a.slug = ap.app AND a.has_businesses
          JOIN shared.permissions p ON p.app = ap.owner_app AND p.key = ap.permission
         ORDER BY ap.app, ap.owner_app <> ap.app, ap.permission";
    tx.rows(LIST, &[]).await
}
