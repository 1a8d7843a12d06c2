//! People and what they may do: users, apps, roles, memberships, passwords, sessions and access tokens.
//!
//! Everything lives in the `shared` schema, behind row level security. A user is one person on the whole
//! platform. A membership gives that person roles in one app of one business, and a role is a set of
//! permissions.

mod access;
mod issuers;
mod mail;
mod names;
mod people;
mod provider;
mod records;
mod signing_in;

pub use access::granting::GrantError;
pub use access::program::{ApiKeys, KeyRefused, Program};
pub use access::program_address::{ProgramAddress, ProgramAddressError};
pub use access::secret::{OVERLAP_HOURS, OverlapError, ProgramSecret, check_overlap};
pub use access::{api_key, client, service_account};
pub use issuers::flow::{Answer, Flow};
pub use issuers::id_token::IdTokenError;
pub use issuers::issuer::{self, ClientOfIssuer, ExternalIssuers, IssuerError, IssuerSettings, Vouched};
pub use mail::link::LinkKey;
pub use mail::post::{PageOf, Pages, Post, Sender, Transport};
pub use mail::{kept as kept_mails, outgoing as mails};
pub use names::ids::{MembershipId, SessionId, SignOnId, UserId};
pub use names::keys::{AppSlug, ClientId, IssuerName, KeyTextError, PermissionKey, RoleKey, Username};
pub use people::permission::Permission;
pub use people::{
    account, app, authority, invitation, member_backup, membership, membership_change, permission, person,
    personal_data, profile, role, role_backup, role_requirement, staff_account, user,
};
pub use provider::{code, consent, logout_notice, person_claims, place, registration, token_claims};
pub use records::{auth_event, auth_log};
pub use signing_in::delegation::{self, Delegation, Scopes};
pub use signing_in::hash_turns::{Applicant, TooBusy};
pub use signing_in::hasher::{Hasher, PasswordKey, PasswordKeys};
pub use signing_in::key_ring::{self, KeyRing};
pub use signing_in::login::{Credentials, SignIn};
pub use signing_in::password::{Password, PasswordError, PasswordPolicy};
pub use signing_in::principal::{Impersonator, Principal, RECENT};
pub use signing_in::refresh_token::RefreshToken;
pub use signing_in::revocations::Revocations;
pub use signing_in::second_factor::SecondFactorState;
pub use signing_in::session::SessionTerms;
pub use signing_in::sign_on::{self, SignOn, SignOnSecret};
pub use signing_in::signing_key::{KeyError, Sealer, SigningAlgorithm, SigningKey, Unreadable};
pub use signing_in::token::{AccessToken, Holder, TokenError, TokenIssuer};
pub use signing_in::{
    accepting, account_deletion, browser_note, email_change, enrolment, external_identity, external_sign_in,
    identity_link, impersonation, login, password_change, password_reset, pin, refresh, second_factor,
    session, staff_password, throttle,
};

/// The app in which a business's staff works with catalogue, stock and orders.
pub const INVENTORY_APP: &str = "inventory";
/// The app of the till of a business.
pub const POS_APP: &str = "pos";
/// The app of the platform's own staff.
pub const PLATFORM_APP: &str = "platform";
