//! Problems of people: members, accounts, profiles.

use identity::account::AccountError;
use identity::account_deletion::DeletionError;
use identity::authority::NotAllowed;
use identity::membership::MembershipError;
use identity::profile::ProfileError;
use identity::staff_account::StaffAccountError;
use identity::staff_password::StaffPasswordError;

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<NotAllowed> for Problem {
    fn from(error: NotAllowed) -> Self {
        match error {
            NotAllowed::Unknown { .. } => Self::invalid("/permissions", Code::UnknownPermission, error),
            NotAllowed::Above(_) | NotAllowed::NotOwner => Self::because(Code::AboveOwnPermissions, &error),
            NotAllowed::Db(error) => error.into(),
        }
    }
}

impl From<MembershipError> for Problem {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Unknown => Self::not_found(),
            MembershipError::NoRoles => Self::invalid("/roles", Code::MissingField, error),
            MembershipError::NotAllowed(error) => error.into(),
            MembershipError::LastOwner => Self::because(Code::LastOwner, &error),
            MembershipError::Invited => Self::because(Code::InvitationPending, &error),
            MembershipError::Stale => Self::because(Code::Stale, &error),
            MembershipError::AlreadyMember(_) => Self::because(Code::AlreadyMember, &error),
            MembershipError::UnknownRole { .. } => Self::invalid("/roles", Code::UnknownRole, error),
            MembershipError::UnknownApp(_) | MembershipError::WrongKind { .. } => {
                Self::invalid("/app", Code::UnknownApp, error)
            }
            MembershipError::Db(error) => error.into(),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Unknown => Self::not_found(),
            AccountError::OnlyOwner(_) => Self::because(Code::LastOwner, &error),
            AccountError::Db(error) => error.into(),
        }
    }
}

impl From<DeletionError> for Problem {
    fn from(error: DeletionError) -> Self {
        match error {
            DeletionError::Password(error) => error.into(),
            DeletionError::Account(error) => error.into(),
        }
    }
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Unknown => Self::not_found(),
            ProfileError::Stale => Self::because(Code::Stale, &error),
            ProfileError::Db(error) => error.into(),
        }
    }
}

impl From<StaffPasswordError> for Problem {
    fn from(error: StaffPasswordError) -> Self {
        match error {
            StaffPasswordError::Account(error) => error.into(),
            StaffPasswordError::Weak(error) => Self::invalid("/password", Code::WeakPassword, error),
            StaffPasswordError::TooBusy(error) => Self::because(Code::TooBusy, &error).retry_after(2),
        }
    }
}

impl From<StaffAccountError> for Problem {
    fn from(error: StaffAccountError) -> Self {
        match error {
            StaffAccountError::Taken(_) => Self::invalid("/username", Code::UsernameTaken, error),
            StaffAccountError::Unknown => Self::not_found(),
            StaffAccountError::NotOwn => Self::because(Code::NotOwnAccount, &error),
            StaffAccountError::NotAllowed(error) => error.into(),
            StaffAccountError::Membership(error) => error.into(),
            StaffAccountError::Db(error) => error.into(),
        }
    }
}
