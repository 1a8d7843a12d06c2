//! Demo data for a developer's machine: two businesses with users, products and some weeks of trading. A
//! second run adds nothing.

mod history;
mod shelves;
mod texts;
mod tills;

use chrono::Utc;
use identity::AppSlug;
use identity::PasswordPolicy;
use identity::membership::{MemberOf, MembershipError};
use identity::role::OWNER_ROLE;
use identity::user::{self, LoginName};
use inventory::adjustment::AdjustmentError;
use inventory::category::CategoryError;
use inventory::count::CountError;
use inventory::goods_receipt::ReceiptError;
use inventory::location::LocationError;
use inventory::order::OrderError;
use inventory::product::{self, ProductError, ProductFilter};
use inventory::purchase_order::PurchaseError;
use inventory::supplier::SupplierError;
use inventory::tax_class::TaxError;
use inventory::transfer::TransferError;
use secrecy::SecretString;
use std::sync::Arc;
use tenancy::{Database, DbError, SharedScope, SharedTx, Tenant, TenantSlug, tenant};
use values::Currency;
use values::{ActorId, Email, Name, PageRequest};

use self::history::History;
use self::shelves::{GROCERIES, HARDWARE, Shelf};
use crate::onboarding::member::{MemberError, NewMember};
use crate::onboarding::{Onboarding, OnboardingError, OnboardingRequest};
use crate::records::platform_audit::Actor;

/// The password of every demo user. The password breaks the password policy, so the demo may run only on a
/// developer's machine.
pub const PASSWORD: &str = "password123";

/// A demo login.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    /// The slug of the business; `None` for the platform.
    pub slug: Option<&'static str>,
    /// The email to sign in with.
    pub email: &'static str,
    /// The role of the user, such as `OWNER`.
    pub role: &'static str,
}

/// The slugs and names of the demo businesses.
const BUSINESSES: [(&str, &str); 2] = [("business1", "Corner Hardware"), ("business2", "Green Grocer")];

/// All users of the demo. An owner is created together with the business.
pub const LOGINS: [Login; 6] = [
    Login { slug: Some("business1"), email: "owner1@test.com", role: OWNER_ROLE },
    Login { slug: Some("business1"), email: "manager1@test.com", role: "MANAGER" },
    Login { slug: Some("business1"), email: "staff1@test.com", role: "STAFF" },
    Login { slug: Some("business1"), email: "cashier1@test.com", role: "STAFF" },
    Login { slug: Some("business2"), email: "owner2@test.com", role: OWNER_ROLE },
    Login { slug: None, email: "admin@test.com", role: "super_admin" },
];

/// The members of the app pos: the business, the email and the role.
const CASHIERS: [(&str, &str, &str); 4] = [
    ("business1", "cashier1@test.com", "cashier"),
    ("business1", "manager1@test.com", "supervisor"),
    ("business1", "owner1@test.com", "shop_admin"),
    ("business2", "owner2@test.com", "shop_admin"),
];

/// The demo data could not be created.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A demo business was not created.
    #[error(transparent)]
    Onboarding(#[from] OnboardingError),
    /// A demo user was not added to a business or to the platform.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// A demo category was refused.
    #[error(transparent)]
    Category(#[from] CategoryError),
    /// A demo product was refused.
    #[error(transparent)]
    Product(#[from] ProductError),
    /// A demo adjustment was refused.
    #[error(transparent)]
    Adjustment(#[from] AdjustmentError),
    /// A demo tax class was refused.
    #[error(transparent)]
    Tax(#[from] TaxError),
    /// A demo location was refused.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// A demo supplier was refused.
    #[error(transparent)]
    Supplier(#[from] SupplierError),
    /// A demo purchase order was refused.
    #[error(transparent)]
    Purchase(#[from] PurchaseError),
    /// A demo goods receipt was refused.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A demo order, fulfilment or cancellation was refused.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A demo transfer was refused.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A demo stock count was refused.
    #[error(transparent)]
    Count(#[from] CountError),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a demo query failed")]
    Db(#[from] DbError),
    /// A value in the code of the demo breaks a rule, such as a malformed email.
    #[error("the demo data is invalid: {0}")]
    Data(String),
}

/// Creates the missing parts of the demo data. Returns whether a part was missing.
///
/// # Errors
/// [`DemoError`]; the parts that were already created stay, and the next run creates the rest.
pub async fn seed(onboarding: &Onboarding, database: &Database) -> Result<bool, DemoError> {
    let mut changed = false;
    for (slug, name) in BUSINESSES {
        let (tenant, is_new) = business(onboarding, database, slug, name).await?;
        changed |= is_new;
        for login in LOGINS.iter().filter(|login| login.slug == Some(slug) && login.role != OWNER_ROLE) {
            changed |= member(onboarding, login, &MemberOf::business(tenant.id)).await?;
        }
        for (_, email, role) in CASHIERS.iter().filter(|(of, ..)| *of == slug) {
            let login = Login { slug: Some(slug), email, role };
            let pos = AppSlug::parse("pos").map_err(data)?;
            changed |= member(onboarding, &login, &MemberOf::app_of(pos, Some(tenant.id))).await?;
        }
        let sellers = sellers(database, slug).await?;
        let shelves = if slug == "business1" { HARDWARE } else { GROCERIES };
        changed |= trade(database, &tenant, shelves, &sellers).await?;
    }
    for login in LOGINS.iter().filter(|login| login.slug.is_none()) {
        changed |= member(onboarding, login, &MemberOf::platform()).await?;
    }
    Ok(changed)
}

fn data(error: impl std::fmt::Display) -> DemoError {
    DemoError::Data(error.to_string())
}

fn new_member(login: &Login, with_password: bool) -> Result<NewMember, DemoError> {
    let password = PasswordPolicy::for_demo().check(&SecretString::from(PASSWORD), &[]).map_err(data)?;
    Ok(NewMember {
        login: LoginName::Email(Email::parse(login.email).map_err(data)?),
        full_name: login.email.split('@').next().and_then(|name| Name::parse(name).ok()),
        password: with_password.then_some(password),
        roles: vec![login.role.to_owned()],
    })
}

async fn business(
    onboarding: &Onboarding,
    database: &Database,
    slug: &'static str,
    name: &str,
) -> Result<(Arc<Tenant>, bool), DemoError> {
    let wanted = TenantSlug::parse(slug).map_err(data)?;
    let found =
        database.read_shared(SharedScope::Platform, async |tx| tenant::find(tx, &wanted).await).await?;
    if let Some(tenant) = found {
        return Ok((Arc::new(tenant), false));
    }
    let owner = LOGINS.iter().find(|login| login.slug == Some(slug) && login.role == OWNER_ROLE);
    let owner = owner.ok_or_else(|| data("a demo business has no owner"))?;
    let new = OnboardingRequest {
        slug: wanted,
        name: Name::parse(name).map_err(data)?,
        currency: Currency::parse("EUR").map_err(data)?,
        owner: new_member(owner, true)?,
    };
    match onboarding.create(&new, &Actor::named("seed demo")).await {
        Ok(onboarded) => Ok((onboarded.tenant, true)),
        // The owner still exists from an earlier demo business, which was dropped.
        Err(OnboardingError::Owner(MemberError::UserExists(_))) => {
            let again = OnboardingRequest { owner: new_member(owner, false)?, ..new };
            Ok((onboarding.create(&again, &Actor::named("seed demo")).await?.tenant, true))
        }
        Err(error) => Err(error.into()),
    }
}

async fn member(onboarding: &Onboarding, login: &Login, place: &MemberOf) -> Result<bool, DemoError> {
    let actor = Actor::named("demo data");
    let mut added = onboarding.add_member(&new_member(login, true)?, place, &actor).await;
    if let Err(MemberError::UserExists(_)) = added {
        added = onboarding.add_member(&new_member(login, false)?, place, &actor).await;
    }
    match added {
        Ok(_) => Ok(true),
        Err(MemberError::Membership(MembershipError::AlreadyMember(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The members who sell at the tills of a business.
async fn sellers(database: &Database, slug: &str) -> Result<Vec<ActorId>, DemoError> {
    let mut sellers = Vec::new();
    for (_, email, _) in CASHIERS.iter().filter(|(of, ..)| *of == slug) {
        let login = LoginName::Email(Email::parse(email).map_err(data)?);
        let find = async |tx: &SharedTx| user::find_by_login(tx, &login, None).await;
        sellers.extend(database.read_shared(SharedScope::Platform, find).await?.map(ActorId::person));
    }
    Ok(sellers)
}

/// Fills an empty catalogue and adds some weeks of trading. A catalogue that has a product stays unchanged.
/// One transaction writes everything: a business has all of its demo data or none.
async fn trade(
    database: &Database,
    tenant: &Arc<Tenant>,
    shelves: &'static [Shelf],
    sellers: &[ActorId],
) -> Result<bool, DemoError> {
    let now = Utc::now();
    database
        .write(&tenant.scope(), async |tx| {
            let first = product::list(tx, &ProductFilter::default(), &PageRequest::default()).await?;
            if !first.data.is_empty() {
                return Ok(false);
            }
            History::new(tx, now).tell(shelves, sellers.to_vec()).await?;
            Ok(true)
        })
        .await
}
