//! People and their permissions: users, apps, roles, memberships, passwords and access tokens.
//!
//! Everything lives in the `shared` schema, behind row level security. A user is one person on the whole
//! platform. A membership gives that person roles in one app of one business, and a role is a set of
//! permissions.

mod people;
mod signing_in;

pub use people::permission::Permission;
pub use people::user::UserId;
pub use people::{membership, user};
pub use signing_in::login;
pub use signing_in::password::{Hasher, Password, PasswordError, PasswordKey, PasswordPolicy, TooBusy};
pub use signing_in::token::{AccessToken, KeyError, Principal, SigningKey, TokenError, TokenIssuer};

/// The app in which a business's staff works with catalogue, stock and orders.
pub const INVENTORY_APP: &str = "inventory";
/// The app of the platform's own staff.
pub const PLATFORM_APP: &str = "platform";
