//! What can be allowed. Which role allows what is data: `shared.role_permissions`.

use std::fmt;

macro_rules! permissions {
    ($($name:ident = $key:literal,)*) => {
        /// One thing that a role may allow; checks ask for this, never for a role's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission { $($name),* }

        impl Permission {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The key in `shared.permissions` and in tokens.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => $key),* }
            }
        }
    };
}

permissions! {
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

impl Permission {
    /// The permission with this key; a key that this version does not know is `None`.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.key() == key)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
