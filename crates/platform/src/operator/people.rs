//! The actions of the operator on users and memberships. Each action and its entries in both logs are written
//! in one transaction: the log of authentication events, which the person and the business can read, and the
//! audit log of the platform.

use identity::account::{self, AccountError};
use identity::external_identity::{self, ExternalIdentityId};
use identity::invitation::{self, Invitation, InvitationError, InvitationId, NewInvitation};
use identity::kept_mails::{self, KeptMail, MailError};
use identity::mails::MailId;
use identity::membership::{Membership, MembershipError, MembershipStatus};
use identity::membership_change::{self, Changed, Target};
use identity::personal_data::{self, PersonalData};
use identity::profile::{self, Profile, ProfileChange, ProfileError};
use identity::role::{self, NewRole, RoleError};
use identity::second_factor::{self, SecondFactorError};
use identity::session::{self, Which};
use identity::{AppSlug, LinkKey, RoleKey, UserId};
use serde_json::{Value, json};
use tenancy::{DbError, SharedTx, Tenant, tenant};
use values::IfVersion;

use crate::operator::lifecycle::Operator;
use crate::records::platform_audit;

impl Operator {
    /// Closes an account, or opens it again.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_user_disabled(&self, user: UserId, is_disabled: bool) -> Result<(), AccountError> {
        let action = if is_disabled { "user.disabled" } else { "user.enabled" };
        self.owner_database
            .write_shared(async |tx| {
                if account::set_disabled(tx, user, is_disabled, self.actor.by()).await? {
                    self.record_of_user(tx, action, user).await?;
                }
                Ok::<_, AccountError>(())
            })
            .await
    }

    /// Deletes an account. A row without a name stays, because the books of businesses refer to its id.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn delete_user(&self, user: UserId) -> Result<(), AccountError> {
        self.owner_database
            .write_shared(async |tx| {
                account::erase(tx, user, self.actor.by()).await?;
                self.record_of_user(tx, "user.deleted", user).await?;
                Ok::<_, AccountError>(())
            })
            .await
    }

    /// Shows whether [`Operator::delete_user`] would succeed.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn rehearse_delete_user(&self, user: UserId) -> Result<(), AccountError> {
        let erase = async |tx: &SharedTx| account::erase(tx, user, self.actor.by()).await;
        self.owner_database.rehearse_shared(erase).await
    }

    /// Shows whether [`Operator::remove_member`] would succeed.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn rehearse_remove_member(&self, target: Target) -> Result<(), MembershipError> {
        let remove = async |tx: &SharedTx| membership_change::remove(tx, target, self.actor.by()).await;
        self.owner_database.rehearse_shared(remove).await.map(drop)
    }

    /// Shows whether [`Operator::remove_role`] would succeed.
    ///
    /// # Errors
    /// [`RoleError`].
    pub async fn rehearse_remove_role(
        &self,
        tenant: &Tenant,
        app: &AppSlug,
        key: &RoleKey,
    ) -> Result<(), RoleError> {
        let remove = async |tx: &SharedTx| {
            role::remove(tx, tenant.id, app, key, self.actor.by(), IfVersion::ANY).await
        };
        self.owner_database.rehearse_shared(remove).await
    }

    /// Changes the profile of a user.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub async fn change_profile(
        &self,
        user: UserId,
        change: &ProfileChange,
    ) -> Result<Profile, ProfileError> {
        self.owner_database
            .write_shared(async |tx| {
                let profile = profile::change(tx, user, change, self.actor.by()).await?;
                self.record_of_user(tx, "user.changed", user).await?;
                Ok::<_, ProfileError>(profile)
            })
            .await
    }

    /// Ends sessions of a user. Returns their number.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_sessions(&self, user: UserId, which: Which) -> Result<usize, DbError> {
        self.owner_database
            .write_shared(async |tx| {
                let ended = session::revoke(tx, user, which, "revoked", self.actor.by()).await?;
                self.record_of_user(tx, "user.sessions_ended", user).await?;
                Ok(ended)
            })
            .await
    }

    /// Removes the second factor of a user who has lost it. All sessions of the user end.
    ///
    /// # Errors
    /// [`SecondFactorError::NotEnabled`] if there is none.
    pub async fn reset_second_factor(&self, user: UserId) -> Result<(), SecondFactorError> {
        self.owner_database
            .write_shared(async |tx| {
                second_factor::reset(tx, user, self.actor.by()).await?;
                self.record_of_user(tx, "user.second_factor_reset", user).await?;
                Ok::<_, SecondFactorError>(())
            })
            .await
    }

    /// Unlinks an identity of a user at an issuer elsewhere. The sessions that began with it end. Returns
    /// whether it was linked.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn unlink_identity(&self, user: UserId, id: ExternalIdentityId) -> Result<bool, DbError> {
        self.owner_database
            .write_shared(async |tx| {
                let unlinked = external_identity::unlink(tx, user, id, self.actor.by()).await?;
                if unlinked {
                    self.record_of_user(tx, "user.identity_unlinked", user).await?;
                }
                Ok(unlinked)
            })
            .await
    }

    /// The data of one person, to be handed out to that person.
    ///
    /// # Errors
    /// [`DbError`]; an unknown or deleted person is `None`.
    pub async fn export_user(&self, user: UserId) -> Result<Option<PersonalData>, DbError> {
        self.owner_database
            .write_shared(async |tx| {
                let data = personal_data::export(tx, user, self.actor.by()).await?;
                if data.is_some() {
                    self.record_of_user(tx, "user.exported", user).await?;
                }
                Ok(data)
            })
            .await
    }

    /// Gives a member other roles.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn set_member_roles(
        &self,
        target: Target,
        roles: &[String],
    ) -> Result<Membership, MembershipError> {
        self.owner_database
            .write_shared(async |tx| {
                let changed = membership_change::set_roles(tx, target, roles, self.actor.by()).await?;
                self.record_of_change(tx, "member.roles_changed", changed).await
            })
            .await
    }

    /// Suspends a member, or lets a suspended member sign in again.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn set_member_status(
        &self,
        target: Target,
        status: MembershipStatus,
    ) -> Result<Membership, MembershipError> {
        let action = match status {
            MembershipStatus::Suspended => "member.suspended",
            _ => "member.resumed",
        };
        self.owner_database
            .write_shared(async |tx| {
                let changed = membership_change::set_status(tx, target, status, self.actor.by()).await?;
                self.record_of_change(tx, action, changed).await
            })
            .await
    }

    /// Ends a membership. The user stays.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn remove_member(&self, target: Target) -> Result<Membership, MembershipError> {
        self.owner_database
            .write_shared(async |tx| {
                let member = membership_change::remove(tx, target, self.actor.by()).await?;
                self.record_of_member(tx, "member.removed", &member).await?;
                Ok::<_, MembershipError>(member)
            })
            .await
    }

    /// Invites a person. Returns the invitation, and the token of its link. With `is_mailed`, it is mailed.
    ///
    /// # Errors
    /// [`InvitationError`].
    pub async fn invite(
        &self,
        key: &LinkKey,
        new: &NewInvitation,
        is_mailed: bool,
    ) -> Result<(Invitation, String), InvitationError> {
        self.owner_database
            .write_shared(async |tx| {
                let made = invitation::create(tx, key, new, is_mailed, self.actor.by()).await?;
                self.record_of_invitation(tx, "invitation.sent", &made.0).await?;
                Ok::<_, InvitationError>(made)
            })
            .await
    }

    /// Sends an invitation again. Returns it, and the token of its new link.
    ///
    /// # Errors
    /// [`InvitationError`].
    pub async fn resend_invitation(
        &self,
        key: &LinkKey,
        id: InvitationId,
        is_mailed: bool,
    ) -> Result<(Invitation, String), InvitationError> {
        self.owner_database
            .write_shared(async |tx| {
                let made = invitation::resend(tx, key, id, None, is_mailed, self.actor.by()).await?;
                self.record_of_invitation(tx, "invitation.resent", &made.0).await?;
                Ok::<_, InvitationError>(made)
            })
            .await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`InvitationError`].
    pub async fn revoke_invitation(&self, id: InvitationId) -> Result<Invitation, InvitationError> {
        self.owner_database
            .write_shared(async |tx| {
                let invitation = invitation::revoke(tx, id, None, self.actor.by()).await?;
                self.record_of_invitation(tx, "invitation.revoked", &invitation).await?;
                Ok::<_, InvitationError>(invitation)
            })
            .await
    }

    /// Tries a mail again that was not sent.
    ///
    /// # Errors
    /// [`MailError`].
    pub async fn retry_mail(&self, id: MailId) -> Result<KeptMail, MailError> {
        self.owner_database
            .write_shared(async |tx| {
                let mail = kept_mails::retry(tx, id).await?;
                platform_audit::record(tx, &self.actor, "mail.retried", None, &json!({"mail": id})).await?;
                Ok::<_, MailError>(mail)
            })
            .await
    }

    /// Makes a role of a business, or changes it. Returns whether the role is new.
    ///
    /// # Errors
    /// [`RoleError`].
    pub async fn put_role(&self, tenant: &Tenant, wanted: &NewRole) -> Result<bool, RoleError> {
        self.owner_database
            .write_shared(async |tx| {
                let is_new = role::put(tx, tenant.id, wanted, self.actor.by(), IfVersion::ANY).await?;
                let details =
                    json!({"app": wanted.app, "role": wanted.key, "permissions": wanted.permissions});
                platform_audit::record(tx, &self.actor, "role.changed", Some(tenant), &details).await?;
                Ok::<_, RoleError>(is_new)
            })
            .await
    }

    /// Removes a role of a business that no member has.
    ///
    /// # Errors
    /// [`RoleError`].
    pub async fn remove_role(&self, tenant: &Tenant, app: &AppSlug, key: &RoleKey) -> Result<(), RoleError> {
        self.owner_database
            .write_shared(async |tx| {
                role::remove(tx, tenant.id, app, key, self.actor.by(), IfVersion::ANY).await?;
                let details = json!({"app": app, "role": key});
                platform_audit::record(tx, &self.actor, "role.removed", Some(tenant), &details).await?;
                Ok::<_, RoleError>(())
            })
            .await
    }

    async fn record_of_user(&self, tx: &SharedTx, action: &str, user: UserId) -> Result<(), DbError> {
        platform_audit::record(tx, &self.actor, action, None, &json!({"userId": user})).await
    }

    async fn record_of_change(
        &self,
        tx: &SharedTx,
        action: &str,
        changed: Changed,
    ) -> Result<Membership, MembershipError> {
        if changed.is_changed {
            self.record_of_member(tx, action, &changed.membership).await?;
        }
        Ok(changed.membership)
    }

    async fn record_of_invitation(
        &self,
        tx: &SharedTx,
        action: &str,
        invitation: &Invitation,
    ) -> Result<(), DbError> {
        let tenant = match invitation.tenant_id {
            Some(id) => tenant::find_by_id(tx, id).await?,
            None => None,
        };
        let details = json!({"invitation": invitation.id, "app": invitation.app, "roles": invitation.roles});
        platform_audit::record(tx, &self.actor, action, tenant.as_ref(), &details).await
    }

    async fn record_of_member(
        &self,
        tx: &SharedTx,
        action: &str,
        member: &Membership,
    ) -> Result<(), DbError> {
        let tenant = match member.tenant_id {
            Some(id) => tenant::find_by_id(tx, id).await?,
            None => None,
        };
        let details: Value = json!({"userId": member.user_id, "app": member.app, "roles": member.roles});
        platform_audit::record(tx, &self.actor, action, tenant.as_ref(), &details).await
    }
}
