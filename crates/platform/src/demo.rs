//! Demo data for a developer's machine: two businesses with users, products and stock. Running it again adds nothing.

use identity::membership::{MembershipError, Place};
use identity::{Email, Password, PasswordPolicy};
use inventory::adjustment::{self, AdjustmentError, NewAdjustment};
use inventory::category::{self, CategoryError, NewCategory};
use inventory::product::{self, NewProduct, ProductError, ProductFilter};
use inventory::variant::NewVariant;
use inventory::{
    AdjustmentId, Barcode, Currency, Money, Name, OptionText, PageRequest, Quantity, Reason, Sku,
};
use secrecy::SecretString;
use std::sync::Arc;
use tenancy::{Database, DbError, SharedScope, Tenant, TenantSlug, TenantTx, tenant};

use crate::audit::Actor;
use crate::member::{MemberError, NewMember};
use crate::onboarding::{NewBusiness, OWNER_ROLE, Onboarding, OnboardingError};

/// The password of every demo user. It breaks the password policy, which is why the demo refuses to run elsewhere.
pub const PASSWORD: &str = "password123";

/// A demo login.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    /// The business's slug; `None` is the platform.
    pub slug: Option<&'static str>,
    pub email: &'static str,
    pub role: &'static str,
}

/// The demo's businesses: slug and name.
const BUSINESSES: [(&str, &str); 2] = [("business1", "Corner Hardware"), ("business2", "Green Grocer")];

/// Everyone who can sign in; the owners come with their businesses.
pub const LOGINS: [Login; 6] = [
    Login { slug: Some("business1"), email: "owner1@test.com", role: OWNER_ROLE },
    Login { slug: Some("business1"), email: "manager1@test.com", role: "MANAGER" },
    Login { slug: Some("business1"), email: "staff1@test.com", role: "STAFF" },
    Login { slug: Some("business1"), email: "cashier1@test.com", role: "STAFF" },
    Login { slug: Some("business2"), email: "owner2@test.com", role: OWNER_ROLE },
    Login { slug: None, email: "admin@test.com", role: "super_admin" },
];

/// What a shelf of the demo holds: category, product, variants as (option, SKU, barcode, price, cost, reorder level,
/// opening stock).
type Shelf = (
    &'static str,
    &'static str,
    &'static [(
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
    )],
);

const HARDWARE: &[Shelf] = &[
    (
        "Fasteners",
        "Hex bolt",
        &[
            ("M6", "BOLT-M6", "4006381333931", "0.35", "0.12", "200", "1250"),
            ("M8", "BOLT-M8", "4006381333948", "0.45", "0.16", "200", "980"),
            ("M10", "BOLT-M10", "4006381333955", "0.65", "0.24", "150", "140"),
        ],
    ),
    (
        "Fasteners",
        "Wood screw, box of 100",
        &[
            ("4x40", "SCREW-4X40", "4006381333962", "6.90", "3.10", "20", "64"),
            ("5x60", "SCREW-5X60", "4006381333979", "8.90", "4.05", "20", "12"),
        ],
    ),
    ("Tools", "Claw hammer", &[("", "HAMMER-16", "4006381333986", "24.90", "11.80", "5", "18")]),
    (
        "Tools",
        "Tape measure",
        &[
            ("5 m", "TAPE-5", "4006381333993", "9.50", "3.90", "10", "33"),
            ("8 m", "TAPE-8", "4006381334006", "14.50", "6.20", "8", "7"),
        ],
    ),
    ("Tools", "Cordless drill 18 V", &[("", "DRILL-18V", "4006381334013", "129.00", "78.50", "3", "6")]),
    ("Tools", "Utility knife", &[("", "KNIFE-18", "4006381334020", "7.95", "2.70", "12", "41")]),
    (
        "Paint",
        "Wall paint",
        &[
            ("White 5 l", "PAINT-W5", "4006381334037", "32.00", "17.40", "10", "26"),
            ("White 10 l", "PAINT-W10", "4006381334044", "55.00", "30.10", "6", "9"),
            ("Grey 5 l", "PAINT-G5", "4006381334051", "36.00", "19.20", "6", "4"),
        ],
    ),
    ("Paint", "Brush 50 mm", &[("", "BRUSH-50", "4006381334068", "4.80", "1.60", "15", "52")]),
    ("Garden", "Garden hose, per metre", &[("", "HOSE-M", "4006381334075", "1.95", "0.80", "50", "187.5")]),
    (
        "Garden",
        "Work gloves",
        &[
            ("M", "GLOVES-M", "4006381334082", "5.90", "2.10", "20", "38"),
            ("L", "GLOVES-L", "4006381334099", "5.90", "2.10", "20", "0"),
        ],
    ),
];

const GROCERIES: &[Shelf] = &[
    ("Dairy", "Whole milk 1 l", &[("", "MILK-1", "5449000000996", "1.29", "0.84", "40", "96")]),
    ("Dairy", "Butter 250 g", &[("", "BUTTER-250", "5449000001009", "2.79", "1.95", "20", "35")]),
    ("Fruit", "Apples, per kg", &[("", "APPLE-KG", "5449000001016", "2.49", "1.20", "25", "61.250")]),
    ("Fruit", "Bananas, per kg", &[("", "BANANA-KG", "5449000001023", "1.79", "0.95", "30", "44.8")]),
    ("Bakery", "Sourdough bread", &[("", "BREAD-SD", "5449000001030", "3.90", "1.40", "10", "8")]),
];

/// The demo could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Onboarding(#[from] OnboardingError),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    Category(#[from] CategoryError),
    #[error(transparent)]
    Product(#[from] ProductError),
    #[error(transparent)]
    Adjustment(#[from] AdjustmentError),
    #[error("a demo query failed")]
    Db(#[from] DbError),
    #[error("the demo data breaks a rule: {0}")]
    Data(String),
}

/// Makes what is missing of the demo. Returns whether anything was.
///
/// # Errors
/// [`DemoError`]; what was made before stays, and running again goes on from there.
pub async fn seed(onboarding: &Onboarding, database: &Database) -> Result<bool, DemoError> {
    let mut changed = false;
    for (slug, name) in BUSINESSES {
        let (tenant, is_new) = business(onboarding, database, slug, name).await?;
        changed |= is_new;
        changed |=
            stock_shelves(database, &tenant, if slug == "business1" { HARDWARE } else { GROCERIES }).await?;
        for login in LOGINS.iter().filter(|login| login.slug == Some(slug) && login.role != OWNER_ROLE) {
            changed |= member(onboarding, login, Place::Business(tenant.id)).await?;
        }
    }
    for login in LOGINS.iter().filter(|login| login.slug.is_none()) {
        changed |= member(onboarding, login, Place::Platform).await?;
    }
    Ok(changed)
}

fn data(error: impl std::fmt::Display) -> DemoError {
    DemoError::Data(error.to_string())
}

fn new_member(login: &Login, with_password: bool) -> Result<NewMember, DemoError> {
    let policy = PasswordPolicy { min_length: PASSWORD.len() };
    let password = Password::parse(SecretString::from(PASSWORD), &policy).map_err(data)?;
    Ok(NewMember {
        email: Email::parse(login.email).map_err(data)?,
        full_name: login.email.split('@').next().map(str::to_owned),
        password: with_password.then_some(password),
        role: login.role.to_owned(),
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
    let owner = owner.ok_or_else(|| data("a demo business without an owner"))?;
    let new = NewBusiness {
        slug: wanted,
        name: Name::parse(name).map_err(data)?,
        currency: Currency::parse("EUR").map_err(data)?,
        owner: new_member(owner, true)?,
    };
    match onboarding.create(&new, &Actor::named("seed demo")).await {
        Ok(onboarded) => Ok((onboarded.tenant, true)),
        // The owner is left from an earlier demo whose business was dropped.
        Err(OnboardingError::Owner(MemberError::UserExists(_))) => {
            let again = NewBusiness { owner: new_member(owner, false)?, ..new };
            Ok((onboarding.create(&again, &Actor::named("seed demo")).await?.tenant, true))
        }
        Err(error) => Err(error.into()),
    }
}

async fn member(onboarding: &Onboarding, login: &Login, place: Place) -> Result<bool, DemoError> {
    let actor = Actor::named("demo data");
    let mut added = onboarding.add_member(&new_member(login, true)?, place, &actor).await;
    if let Err(MemberError::UserExists(_)) = added {
        added = onboarding.add_member(&new_member(login, false)?, place, &actor).await;
    }
    match added {
        Ok(_) => Ok(true),
        Err(MemberError::Membership(MembershipError::AlreadyMember)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Fills an empty catalogue and counts the opening stock in; a catalogue with anything in it stays as it is.
async fn stock_shelves(
    database: &Database,
    tenant: &Arc<Tenant>,
    shelves: &[Shelf],
) -> Result<bool, DemoError> {
    database
        .write(&tenant.scope(), async |tx| {
            let first = product::list(tx, &ProductFilter::default(), &PageRequest::default()).await?;
            if !first.data.is_empty() {
                return Ok(false);
            }
            let mut categories = std::collections::BTreeMap::new();
            for shelf in shelves {
                if !categories.contains_key(shelf.0) {
                    let new = NewCategory { name: Name::parse(shelf.0).map_err(data)?, parent_id: None };
                    categories.insert(shelf.0, category::insert(tx, &new).await?);
                }
                stock_shelf(tx, shelf, categories[shelf.0]).await?;
            }
            Ok(true)
        })
        .await
}

async fn stock_shelf(tx: &TenantTx, shelf: &Shelf, category: inventory::CategoryId) -> Result<(), DemoError> {
    let (_, name, variants) = shelf;
    let size = OptionText::parse("Size").map_err(data)?;
    let variant = |&(option, sku, barcode, price, cost, reorder_level, _): &(
        &str,
        &str,
        &str,
        &str,
        &str,
        &str,
        &str,
    )| {
        let mut options = inventory::variant::Options::new();
        if !option.is_empty() {
            options.insert(size.clone(), OptionText::parse(option).map_err(data)?);
        }
        Ok::<_, DemoError>(NewVariant {
            sku: Sku::parse(sku).map_err(data)?,
            barcodes: vec![Barcode::parse(barcode).map_err(data)?],
            price: Money::parse(price).map_err(data)?,
            compare_at_price: None,
            cost: Some(Money::parse(cost).map_err(data)?),
            reorder_level: Some(Quantity::parse(reorder_level).map_err(data)?),
            options,
        })
    };
    let new = NewProduct {
        name: Name::parse(name).map_err(data)?,
        category_id: Some(category),
        tax_class_id: None,
        description: None,
        option_names: None,
        variants: variants.iter().map(variant).collect::<Result<_, _>>()?,
    };
    let id = product::insert(tx, &new, None).await?;
    let stored = product::find(tx, id).await?.ok_or(ProductError::NotFound)?;
    for (variant, shelf) in stored.variants.iter().zip(*variants) {
        let quantity = Quantity::parse(shelf.6).map_err(data)?;
        if quantity.is_zero() {
            continue;
        }
        let opening = NewAdjustment {
            id: AdjustmentId::new(),
            variant_id: variant.id,
            location_id: None,
            quantity,
            unit_cost: None,
            reason: Reason::parse("opening stock").map_err(data)?,
            note: None,
        };
        adjustment::post(tx, &opening, None).await?;
    }
    Ok(())
}
