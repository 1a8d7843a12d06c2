//! Problems of people: members, accounts, profiles.

use identity::accepting::AcceptError;
use identity::account::AccountError;
use identity::account_deletion::DeletionError;
use identity::authority::NotAllowed;
use identity::email_change::EmailError;
use identity::invitation::InvitationError;
use identity::kept_mails::MailError;
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
            MembershipError::Unknown | MembershipError::UnknownUser => Self::not_found(),
            MembershipError::RoleRemoved => Self::invalid("/roles", Code::UnknownRole, error),
            MembershipError::NoRoles => Self::invalid("/roles", Code::MissingField, error),
            MembershipError::NotAllowed(error) => error.into(),
            MembershipError::LastOwner => Self::because(Code::LastOwner, &error),
            MembershipError::PlanLimit(_) => Self::because(Code::PlanLimitReached, &error),
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

impl From<InvitationError> for Problem {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::Unknown => Self::not_found(),
            InvitationError::AlreadyInvited(_) => Self::invalid("/email", Code::AlreadyInvited, error),
            InvitationError::Ended(_) => Self::because(Code::InvitationEnded, &error),
            InvitationError::TooMany => Self::because(Code::TooManyAttempts, &error).retry_after(3600),
            InvitationError::Membership(error) => error.into(),
            InvitationError::Db(error) => error.into(),
        }
    }
}

impl From<MailError> for Problem {
    fn from(error: MailError) -> Self {
        match error {
            MailError::Unknown => Self::not_found(),
            MailError::NotDead(_) => Self::because(Code::MailNotDead, &error),
            MailError::Db(error) => error.into(),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Membership(error) => error.into(),
            AcceptError::InvalidToken => Self::invalid("/token", Code::InvalidLink, error),
            AcceptError::Weak(error) => Self::invalid("/password", Code::WeakPassword, error),
            AcceptError::TooBusy(error) => Self::because(Code::TooBusy, &error).retry_after(2),
            AcceptError::Db(error) => error.into(),
        }
    }
}

impl From<EmailError> for Problem {
    fn from(error: EmailError) -> Self {
        match error {
            EmailError::Password(error) => error.into(),
            EmailError::NoEmail | EmailError::NoMail => Self::because(Code::NoMail, &error),
            EmailError::Unchanged => Self::invalid("/newEmail", Code::InvalidValue, error),
            EmailError::TooMany => Self::because(Code::TooManyAttempts, &error).retry_after(3600),
            EmailError::InvalidToken => Self::invalid("/token", Code::InvalidLink, error),
            EmailError::Taken => Self::because(Code::EmailTaken, &error),
            EmailError::Db(error) => error.into(),
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
            DeletionError::SecondFactor(error) => error.into(),
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
            StaffAccountError::NotOwn => Self::because(Code::NotOwnAccount, &error),
            StaffAccountError::OwnPassword => Self::because(Code::OwnPassword, &error),
            StaffAccountError::Disabled => Self::because(Code::UserDisabled, &error),
            StaffAccountError::Membership(error) => error.into(),
            StaffAccountError::Db(error) => error.into(),
        }
    }
}
