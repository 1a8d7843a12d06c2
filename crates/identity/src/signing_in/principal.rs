//! The person for whom an access token was issued, and whoever acts as that person.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::names::ids::{SessionId, UserId};
use crate::people::membership::MemberOf;
use crate::people::permission::Permission;
use crate::signing_in::delegation::{ACCOUNT, Scopes};
use crate::signing_in::second_factor::SecondFactorState;

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

/// A change that gives access to others, or an export of data, needs a proof that is not older.
pub const RECENT: TimeDelta = TimeDelta::minutes(15);

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
    /// What the session lacks. `None` for a token of an earlier release.
    pub second_factor: Option<SecondFactorState>,
    /// What a program was allowed to learn and do. `None` if the person signed in to the app itself.
    pub delegated: Option<Scopes>,
    /// Whether the session began with a PIN, at the device of another session.
    pub by_pin: bool,
    /// When the person proved last who they are.
    pub authenticated_at: Option<DateTime<Utc>>,
    /// Who of the platform's staff acts as the user, if somebody does.
    pub impersonator: Option<Impersonator>,
    pub(super) permissions: Vec<Permission>,
}

impl Principal {
    /// The permissions in the token, without those that this release does not know.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> + '_ {
        self.permissions.iter().copied()
    }

    /// Whether whoever has the token may learn what this scope stands for.
    pub fn may_learn(&self, scope: &str) -> bool {
        self.delegated.as_ref().is_none_or(|scopes| scopes.has(scope) || scopes.has(ACCOUNT))
    }

    /// Whether the person has just proved who they are.
    pub fn is_recent(&self) -> bool {
        !self.by_pin && self.authenticated_at.is_some_and(|moment| Utc::now() - moment < RECENT)
    }

    /// Whether the token grants `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}
