//! Accepting an invitation: somebody who has the mailed link becomes a member, and is signed in. The answer
//! is the same whether or not the person had an account.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tenancy::{DbError, SharedScope, SharedTx, TenantId};
use uuid::Uuid;
use values::{Email, Name};

use crate::INVENTORY_APP;
use crate::names::digest::sha256;
use crate::names::ids::{MembershipId, UserId};
use crate::names::keys::AppSlug;
use crate::people::authority::{self, NotAllowed};
use crate::people::invitation::InvitationId;
use crate::people::membership::{self, MemberOf, MembershipError};
use crate::people::permission::Permission;
use crate::people::user::LoginName;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By, Origin, Who};
use crate::signing_in::hash_turns::{Applicant, TooBusy};
use crate::signing_in::login::{SignIn, SignedIn};
use crate::signing_in::password::PasswordError;
use crate::signing_in::session::{self, Entrant, Proof, Started};
use crate::signing_in::throttle::{Attempt, AttemptKeys};

/// The invitation was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The token is unknown, expired, used or revoked, or whoever invited may not invite any more.
    #[error("the link is not valid any more; ask for another invitation")]
    InvalidToken,
    /// The business has as many members as its plan allows.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The password is not good enough.
    #[error(transparent)]
    Weak(#[from] PasswordError),
    /// The password was not hashed, because too many others were being hashed.
    #[error(transparent)]
    TooBusy(#[from] TooBusy),
    /// PostgreSQL refused a query, or the connection failed.
    #[error("an invitation query failed")]
    Db(#[from] DbError),
}

/// What somebody sends who accepts an invitation.
pub struct Acceptance {
    /// The token of the link.
    pub token: SecretString,
    /// The password of a new account. An existing user keeps the password.
    pub password: Option<SecretString>,
    /// The name of a new user. An existing user keeps the name.
    pub full_name: Option<Name>,
}

struct Found {
    id: InvitationId,
    app: AppSlug,
    email: Email,
    roles: Vec<String>,
    inviter_id: Option<UserId>,
}

tenancy::from_row!(Found { id, app, email, roles, inviter_id });

struct Accepted {
    user_id: UserId,
    is_new: bool,
    full_name: Option<String>,
    password_changed_at: Option<DateTime<Utc>>,
    membership_id: MembershipId,
    membership_version: i32,
    roles: Vec<String>,
    permissions: Vec<String>,
}

tenancy::from_row!(Accepted {
    user_id,
    is_new,
    full_name,
    password_changed_at,
    membership_id,
    membership_version,
    roles,
    permissions,
});

fn scope(tenant: Option<TenantId>) -> SharedScope {
    tenant.map_or(SharedScope::Public, SharedScope::Tenant)
}

/// The invitation of a link, if those who sent it could still send it.
async fn find(tx: &SharedTx, token: &[u8], tenant: Option<TenantId>) -> Result<Found, AcceptError> {
    const FIND: &str = "SELECT id, app, email, roles, inviter_id FROM shared.find_invitation($1, $2, $3)";
    let found: Option<Found> = tx.row_opt(FIND, &[&token, &tenant, &tx.now()]).await?;
    let found = found.ok_or(AcceptError::InvalidToken)?;
    if let (Some(inviter), Some(tenant)) = (found.inviter_id, tenant) {
        let by = By { who: Who::Person(inviter), origin: None };
        let may_invite = async {
            let inventory = AppSlug::known(INVENTORY_APP);
            let needed = [Permission::TeamManage.as_str()];
            authority::refuse_above(tx, tenant, &inventory, &needed, by).await?;
            authority::refuse_roles_above(tx, tenant, &found.app, &found.roles, by).await
        };
        match may_invite.await {
            Ok(()) => {}
            Err(NotAllowed::Db(error)) => return Err(error.into()),
            Err(_) => return Err(AcceptError::InvalidToken),
        }
    }
    Ok(found)
}

impl SignIn {
    /// Accepts an invitation at a business, or at the platform, and signs the person in.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub async fn accept_invitation(
        &self,
        acceptance: &Acceptance,
        tenant: Option<TenantId>,
        origin: &Origin,
    ) -> Result<(SignedIn, Started), AcceptError> {
        const ACCEPT: &str = "
            SELECT user_id, is_new, full_name, password_changed_at, membership_id, membership_version, roles,
                   permissions
              FROM shared.accept_invitation($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let token = sha256(acceptance.token.expose_secret());
        let look = async |tx: &SharedTx| find(tx, &token, tenant).await;
        let found = self.database.read_shared(scope(tenant), look).await?;
        // A password is checked and hashed for everybody, so that neither the answer nor its time tells who
        // has an account.
        let hash = match &acceptance.password {
            None => None,
            Some(password) => {
                let name = acceptance.full_name.as_ref().map(ToString::to_string);
                let personal = [Some(found.email.to_string()), name].into_iter().flatten().collect();
                let applicant = Applicant::client(tenant, origin.network());
                Some(self.hasher.hash_new(&self.policy, password, personal, &applicant).await??)
            }
        };
        let accepted = self
            .database
            .write_shared(scope(tenant), async |tx: &SharedTx| {
                let found = find(tx, &token, tenant).await?;
                let (user, login, membership) = (UserId::new(), Uuid::now_v7(), MembershipId::new());
                let (text, key) = hash.as_ref().map(|hash| (&hash.hash, &hash.key)).unzip();
                let name = &acceptance.full_name;
                let accepted: Option<Accepted> = tx
                    .row_opt(
                        ACCEPT,
                        &[
                            &token,
                            &tenant,
                            &user,
                            &login,
                            &membership,
                            name,
                            &text,
                            &key.cloned().flatten(),
                            &tx.now(),
                        ],
                    )
                    .await?;
                // A person who is a member already signs in with the password: the link stands for no more
                // than the invitation.
                let accepted = accepted
                    .filter(|accepted| accepted.membership_id == membership)
                    .ok_or(AcceptError::InvalidToken)?;
                if let Some(tenant) = tenant {
                    membership::refuse_above_plan(tx, tenant, Some(accepted.user_id)).await?;
                }
                record(tx, &found, &accepted, tenant, origin).await?;
                Ok::<_, AcceptError>(accepted)
            })
            .await?;
        let keys = AttemptKeys::new(&LoginName::Email(found.email.clone()), None, None);
        let entrant = Entrant {
            signed_in: SignedIn {
                user: accepted.user_id,
                email: Some(found.email),
                username: None,
                full_name: accepted.full_name,
                member_of: MemberOf::app_of(found.app, tenant),
                membership_version: accepted.membership_version,
                roles: accepted.roles,
                permissions: accepted.permissions,
            },
            membership: accepted.membership_id,
            password_changed_at: accepted.password_changed_at,
            second_factor_at: None,
            proof: Proof::Link,
            attempt: Attempt { account: keys.account, counted: Vec::new() },
        };
        let started = session::start(&self.database, &entrant, &self.terms, origin).await?;
        Ok((entrant.signed_in, started.ok_or(AcceptError::InvalidToken)?))
    }
}

async fn record(
    tx: &SharedTx,
    found: &Found,
    accepted: &Accepted,
    tenant: Option<TenantId>,
    origin: &Origin,
) -> Result<(), DbError> {
    let actions = [
        accepted.is_new.then_some((AuthAction::UserCreated, json!({}))),
        Some((AuthAction::InvitationAccepted, json!({"invitation": found.id}))),
        Some((AuthAction::MemberAdded, json!({"roles": found.roles}))),
    ];
    for (action, details) in actions.into_iter().flatten() {
        let event = AuthEvent {
            // The business does not learn whether the person had an account.
            tenant: tenant.filter(|_| action != AuthAction::UserCreated),
            app: Some(&found.app),
            user: Some(accepted.user_id),
            details,
            ..AuthEvent::new(action).by(By::person(accepted.user_id, origin))
        };
        auth_event::record(tx, &event).await?;
    }
    Ok(())
}
