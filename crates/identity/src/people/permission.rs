//! Permissions: what roles allow. Checks ask for a permission, never for the name of a role.

values::words! {
    /// One thing that a role may allow.
    pub enum Permission {
        /// Read products, variants, barcodes, categories, tax classes and the settings of the business.
        CatalogueRead = "catalogue.read",
        /// Change products, variants and categories. In orders, set prices and exceed the discount limit.
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
        /// Manage the members of the business. No endpoint requires it yet.
        TeamManage = "team.manage",
        /// Change the settings, tax classes and locations of the business.
        SettingsWrite = "settings.write",
        /// Export the data of the business. No endpoint requires it yet.
        DataExport = "data.export",
        /// Read the audit log of the business.
        AuditRead = "audit.read",
        /// Read businesses, custom domains, backups, jobs, migrations and the audit log of the platform.
        TenantsRead = "tenants.read",
        /// Create, change, back up and drop businesses, and start, cancel and retry jobs.
        TenantsWrite = "tenants.write",
    }
}
