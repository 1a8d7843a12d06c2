//! The person for whom an access token was issued, and whoever acts as that person.

use serde::{Deserialize, Serialize};

use crate::names::ids::{SessionId, UserId};
use crate::people::membership::MemberOf;
use crate::people::permission::Permission;

/// Somebody of the platform's staff who acts as a member of a business.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Impersonator {
    /// The member of the staff (RFC 8693 section 4.1).
    #[serde(rename = "sub")]
    pub staff: UserId,
    /// Whether they can change nothing.
    #[serde(rename = "ro")]
    pub is_read_only: bool,
}

/// The person for whom a valid token was issued.
#[derive(Clone)]
pub struct Principal {
    /// The id of the user.
    pub user: UserId,
    /// The session of the token.
    pub session: SessionId,
    /// The app and the business for which the token is valid.
    pub member_of: MemberOf,
    /// The keys of the roles of the user when the token was issued.
    pub roles: Vec<String>,
    /// Whether the person may change their own account with this token. A program may only if it was allowed
    /// to.
    pub is_in_charge: bool,
    /// Who of the platform's staff acts as the user, if somebody does.
    pub impersonator: Option<Impersonator>,
    pub(super) permissions: Vec<Permission>,
}

impl Principal {
    /// The permissions in the token, without those that this release does not know.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> + '_ {
        self.permissions.iter().copied()
    }

    /// Whether the token grants `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}
