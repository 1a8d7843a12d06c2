//! Permissions: what roles allow. Checks ask for a permission, never for the name of a role.

values::words! {
    /// One thing that a role may allow.
    pub enum Permission {
        CatalogueRead = "catalogue.read",
        CatalogueWrite = "catalogue.write",
        StockRead = "stock.read",
        StockAdjust = "stock.adjust",
        StockTransfer = "stock.transfer",
        StockCount = "stock.count",
        OrdersRead = "orders.read",
        OrdersPlace = "orders.place",
        OrdersCancel = "orders.cancel",
        OrdersReturn = "orders.return",
        PurchasingReceive = "purchasing.receive",
        PurchasingWrite = "purchasing.write",
        DashboardRead = "dashboard.read",
        ReportsRead = "reports.read",
        TeamManage = "team.manage",
        SettingsWrite = "settings.write",
        DataExport = "data.export",
        AuditRead = "audit.read",
        TenantsRead = "tenants.read",
        TenantsWrite = "tenants.write",
    }
}
