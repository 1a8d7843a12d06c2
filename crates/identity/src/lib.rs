//! Who somebody is and what he may do: users, apps, roles, memberships, passwords and access tokens.
//!
//! Everything lives in the `shared` schema, behind row level security. A user is one person platform-wide; a membership
//! gives him roles in one app of one business, and roles are sets of permissions.

mod email;
pub mod login;
pub mod membership;
mod password;
mod permission;
mod token;
pub mod user;

pub use email::{Email, EmailError};
pub use password::{Hasher, Password, PasswordError, PasswordKey, PasswordPolicy, TooBusy};
pub use permission::Permission;
pub use token::{AccessToken, KeyError, Principal, SigningKey, TokenError, TokenIssuer};
pub use user::UserId;

/// The app in which a business's staff works with catalogue, stock and orders.
pub const INVENTORY_APP: &str = "inventory";
/// The app of the platform's own staff.
pub const PLATFORM_APP: &str = "platform";
