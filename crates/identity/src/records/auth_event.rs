//! Authentication events: what happened to accounts and access. The log is append-only. An event is written
//! in the transaction of its change.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::{Value, json};
use tenancy::{DbError, SharedTx, TenantId};

use crate::names::ids::{SessionId, UserId};
use crate::names::keys::AppSlug;

values::ids! {
    /// The id of an authentication event.
    AuthEventId,
}

values::words! {
    /// The action.
    pub enum AuthAction {
        /// Somebody signed in, or tried to.
        SignIn = "session.started",
        /// A session ended: its user signed out, or somebody revoked it.
        SessionEnded = "session.ended",
        /// A person signed on with a browser, for all apps.
        SignOnStarted = "sign_on.started",
        /// A person signed out of a browser, and so of all apps that were opened with it.
        SignOnEnded = "sign_on.ended",
        /// A person allowed somebody else's program to learn who they are.
        ConsentGiven = "consent.given",
        /// A person took that back.
        ConsentWithdrawn = "consent.withdrawn",
        /// An authorization code was used a second time, so its session was ended: the code may be stolen.
        CodeReused = "session.code_reused",
        /// A refresh token was used a second time, so its session was ended: the token may be stolen.
        RefreshReused = "session.refresh_reused",
        /// A user proved once more who they are.
        SteppedUp = "session.stepped_up",
        /// Somebody gave a wrong code for a second factor.
        SecondFactorRefused = "second_factor.refused",
        /// A recovery code was used.
        RecoveryCodeUsed = "second_factor.code_used",
        /// A user set up a second factor.
        SecondFactorEnabled = "second_factor.enabled",
        /// A second factor was removed: by its user, or by the operator after its loss.
        SecondFactorRemoved = "second_factor.removed",
        /// An identity of an issuer elsewhere was linked to an account.
        IdentityLinked = "identity.linked",
        /// Such an identity was unlinked.
        IdentityUnlinked = "identity.unlinked",
        /// A user got other recovery codes.
        RecoveryCodesRenewed = "second_factor.codes_renewed",
        /// A member set a PIN for the till.
        PinSet = "pin.set",
        /// A member removed the PIN.
        PinRemoved = "pin.removed",
        /// A business began to require a second factor for a role, or stopped doing so.
        SecondFactorRequired = "role.second_factor_changed",
        /// A user changed their password.
        PasswordChanged = "password.changed",
        /// A user set a new password with a mailed link.
        PasswordReset = "password.reset",
        /// An account was made.
        UserCreated = "user.created",
        /// A user's name, telephone number or language was changed.
        ProfileChanged = "user.changed",
        /// The operator closed an account.
        UserDisabled = "user.disabled",
        /// The operator opened a closed account again.
        UserEnabled = "user.enabled",
        /// An account was deleted.
        UserDeleted = "user.deleted",
        /// The data of a person was handed out.
        UserExported = "user.exported",
        /// A business or the operator set the password of somebody else.
        PasswordSet = "password.set",
        /// Somebody asked for another email.
        EmailChangeRequested = "email.change_requested",
        /// An email was changed.
        EmailChanged = "email.changed",
        /// A user showed that an email is theirs.
        EmailVerified = "email.verified",
        /// A person was invited.
        InvitationSent = "invitation.sent",
        /// An invitation was sent again.
        InvitationResent = "invitation.resent",
        /// An invitation was taken back.
        InvitationRevoked = "invitation.revoked",
        /// An invitation was accepted.
        InvitationAccepted = "invitation.accepted",
        /// A person became a member.
        MemberAdded = "member.added",
        /// A member got other roles.
        MemberRolesChanged = "member.roles_changed",
        /// A member was suspended.
        MemberSuspended = "member.suspended",
        /// A suspended member may sign in again.
        MemberResumed = "member.resumed",
        /// A person is a member no more.
        MemberRemoved = "member.removed",
        /// A business or the operator made a role, or changed it.
        RoleChanged = "role.changed",
        /// A business or the operator removed a role.
        RoleRemoved = "role.removed",
        /// The operator's staff began to act as a member.
        ImpersonationStarted = "impersonation.started",
        /// The operator's staff sent a request as a member.
        ImpersonationUsed = "impersonation.used",
        /// The operator's staff no longer act as a member.
        ImpersonationEnded = "impersonation.ended",
        /// A program got a service account.
        ServiceAccountCreated = "service_account.created",
        /// A service account got other permissions.
        ServiceAccountChanged = "service_account.changed",
        /// A service account was removed.
        ServiceAccountRemoved = "service_account.removed",
        /// An API key was made.
        ApiKeyCreated = "api_key.created",
        /// An API key got another secret.
        ApiKeyRotated = "api_key.rotated",
        /// An API key was revoked.
        ApiKeyRevoked = "api_key.revoked",
        /// A webhook was made.
        WebhookCreated = "webhook.created",
        /// A webhook got another address, note or choice of topics.
        WebhookChanged = "webhook.changed",
        /// A webhook got another secret.
        WebhookRotated = "webhook.rotated",
        /// A webhook was paused.
        WebhookPaused = "webhook.paused",
        /// A webhook was resumed.
        WebhookResumed = "webhook.resumed",
        /// An event of a webhook was skipped.
        WebhookSkipped = "webhook.skipped",
        /// A replay of a webhook began.
        WebhookReplayed = "webhook.replayed",
        /// A replay of a webhook was stopped.
        WebhookReplayStopped = "webhook.replay_stopped",
        /// A webhook accepted no event for days, answered 410, or did not get events before they were
        /// deleted. No more events are sent to it.
        WebhookFailed = "webhook.failed",
        /// A webhook was deleted.
        WebhookDeleted = "webhook.deleted",
    }
}

/// Where a request came from, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// The program of the client, as it names itself.
    pub user_agent: Option<String>,
    /// The device, as its user names it.
    pub device: Option<String>,
}

impl Origin {
    /// The network of the client, by which clients are counted.
    pub fn network(&self) -> Option<IpAddr> {
        self.address.map(network_of)
    }
}

/// The address by which a customer is counted. An IPv6 customer controls a whole /64 network, so only the
/// network counts.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// A person: on their own account, or as a member of a business. Nobody gives or takes more than they
    /// have.
    Person(UserId),
    /// The program itself, or somebody who is not known.
    Nobody,
    /// The operator, who may do everything: one of the platform's staff, or a command by its name.
    Operator(Option<UserId>, &'a str),
}

/// Who acts, and from where.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Who acts.
    pub who: Who<'a>,
    /// Where the request came from. `None` for a command.
    pub origin: Option<&'a Origin>,
}

impl<'a> By<'a> {
    /// A person who sends a request.
    pub fn person(user: UserId, origin: &'a Origin) -> Self {
        Self { who: Who::Person(user), origin: Some(origin) }
    }

    /// Whether this person acts.
    pub fn is(&self, user: UserId) -> bool {
        matches!(self.who, Who::Person(actor) if actor == user)
    }
}

/// An event to be written.
#[derive(Debug, Clone)]
pub struct AuthEvent<'a> {
    /// The action.
    pub action: AuthAction,
    /// The business, if there is one.
    pub tenant: Option<TenantId>,
    /// The person who acted, if known.
    pub actor: Option<UserId>,
    /// The operator, if it was the operator who acted.
    pub operator: Option<&'a str>,
    /// The person whose account or access it is, if known.
    pub user: Option<UserId>,
    /// The reason why it failed. `None` if it did not.
    pub failure: Option<&'static str>,
    /// The app, if there is one.
    pub app: Option<&'a AppSlug>,
    /// The session, if there is one.
    pub session: Option<SessionId>,
    /// Where the request came from.
    pub origin: Option<&'a Origin>,
    /// Further facts. Never a secret.
    pub details: Value,
}

impl<'a> AuthEvent<'a> {
    /// An event of which only the action is known.
    pub fn new(action: AuthAction) -> Self {
        Self {
            action,
            tenant: None,
            actor: None,
            operator: None,
            user: None,
            failure: None,
            app: None,
            session: None,
            origin: None,
            details: json!({}),
        }
    }

    /// The same event of a person who acts on their own account.
    #[must_use]
    pub fn of(mut self, user: UserId) -> Self {
        (self.actor, self.user) = (Some(user), Some(user));
        self
    }

    /// The same event, with the one who acts.
    #[must_use]
    pub fn by(mut self, by: By<'a>) -> Self {
        (self.actor, self.operator) = match by.who {
            Who::Person(user) => (Some(user), None),
            Who::Nobody => (None, None),
            Who::Operator(staff, name) => (staff, Some(name)),
        };
        self.origin = by.origin;
        self
    }
}

/// Deletes events that are older than `days`. Returns their number.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx, days: u32) -> Result<u64, DbError> {
    const PRUNE: &str = "DELETE FROM shared.auth_events WHERE occurred_at < $1";
    tx.execute(PRUNE, &[&(tx.now() - chrono::TimeDelta::days(days.into()))]).await
}

/// Writes an event of somebody who is not known to be a member of the business at whose host it happened. If
/// the business does not know the person, its log does not name them: it must not learn who has an account
/// elsewhere. The person's own log names them, without the business.
///
/// # Errors
/// [`DbError`].
pub async fn record_at_host(tx: &SharedTx, event: &AuthEvent<'_>) -> Result<(), DbError> {
    const IS_KNOWN: &str = "SELECT shared.is_known_at($1, $2)";
    if let (Some(user), Some(tenant)) = (event.user, event.tenant)
        && !tx.value::<bool>(IS_KNOWN, &[&user, &tenant]).await?
    {
        record(tx, &AuthEvent { user: None, actor: None, ..event.clone() }).await?;
        return record(tx, &AuthEvent { tenant: None, ..event.clone() }).await;
    }
    record(tx, event).await
}

/// Writes an event of the operator to the log of each of these businesses.
///
/// # Errors
/// [`DbError`].
pub async fn record_in_each(
    tx: &SharedTx,
    event: &AuthEvent<'_>,
    tenants: &[TenantId],
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO shared.auth_events (id, occurred_at, tenant_id, actor_id, actor, action, details)
        SELECT each.id, $3, each.tenant_id, $4, $5, $6, $7
          FROM unnest($1::uuid[], $2::uuid[]) AS each (id, tenant_id)";
    let ids: Vec<AuthEventId> = tenants.iter().map(|_| AuthEventId::new()).collect();
    let (actor, operator) = (event.actor, event.operator);
    tx.execute(INSERT, &[&ids, &tenants, &tx.now(), &actor, &operator, &event.action, &event.details])
        .await
        .map(drop)
}

/// Writes an event to the log.
///
/// # Errors
/// [`DbError`].
pub async fn record(tx: &SharedTx, event: &AuthEvent<'_>) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO shared.auth_events (id, occurred_at, tenant_id, actor_id, actor, user_id, action, failure,
                                        app, session_id, address, user_agent, device, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let origin = event.origin;
    tx.execute(
        INSERT,
        &[
            &AuthEventId::new(),
            &tx.now(),
            &event.tenant,
            &event.actor,
            &event.operator,
            &event.user,
            &event.action,
            &event.failure,
            &event.app,
            &event.session,
            &origin.and_then(|origin| origin.address),
            &origin.and_then(|origin| origin.user_agent.as_deref()),
            &origin.and_then(|origin| origin.device.as_deref()),
            &event.details,
        ],
    )
    .await
    .map(drop)
}
