//! The permissions that handlers require.

use super::{Allows, Permission};

macro_rules! markers {
    ($($name:ident),*) => {$(
        #[doc = concat!("Requires [`Permission::", stringify!($name), "`].")]
        pub struct $name;
        impl Allows for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )*};
}

markers!(
    CatalogueRead,
    CatalogueWrite,
    StockRead,
    StockAdjust,
    StockTransfer,
    StockCount,
    OrdersRead,
    OrdersPlace,
    OrdersCancel,
    OrdersReturn,
    PurchasingReceive,
    PurchasingWrite,
    DashboardRead,
    TillRead,
    TillSell,
    TillApprove,
    TillManage,
    ReportsRead,
    TeamManage,
    ApiKeysManage,
    WebhooksManage,
    SettingsWrite,
    AuditRead,
    TenantsRead,
    TenantsWrite,
    AppsWrite,
    UsersRead,
    UsersWrite,
    MembersImpersonate
);

/// Requires [`Permission::OrdersRead`] or [`Permission::TillSell`].
pub struct CustomersRead;

impl Allows for CustomersRead {
    const PERMISSION: Permission = Permission::OrdersRead;
    const OR: Option<Permission> = Some(Permission::TillSell);
}

/// Requires [`Permission::OrdersPlace`] or [`Permission::TillSell`].
pub struct CustomersWrite;

impl Allows for CustomersWrite {
    const PERMISSION: Permission = Permission::OrdersPlace;
    const OR: Option<Permission> = Some(Permission::TillSell);
}
