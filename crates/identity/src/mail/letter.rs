//! The contents of a mail at the moment of sending: its reader, its sender and its link. The tokens of links
//! are stored now, as hashes.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tenancy::{DbError, SharedTx};
use uuid::Uuid;

use crate::mail::link::LinkKey;
use crate::mail::outgoing::{Due, Template};
use crate::names::digest::sha256;
use crate::names::ids::UserId;

/// The page to which a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// The user chooses a new password.
    Reset,
    /// Somebody accepts an invitation.
    Invitation,
    /// An address is confirmed.
    Confirmation,
    /// Somebody creates a business.
    SignUp,
}

/// A mail as it is sent now.
#[derive(Debug, Default)]
pub(super) struct Letter {
    /// Whether the business of the mail sends it. Otherwise, the platform does: a business does not write to
    /// people who have nothing to do with it.
    pub(super) is_from_business: bool,
    /// The page and the token of the link, if there is one.
    pub(super) link: Option<(Page, String)>,
    /// The lifetime of the link.
    pub(super) lifetime: TimeDelta,
    /// Whether the reader has an account.
    pub(super) has_account: bool,
    /// The values that the template of the mail fills in: an object that depends on the template.
    pub(super) parameters: Value,
}

/// How long the link for a new password is of use.
const RESET_LIFETIME: TimeDelta = TimeDelta::minutes(30);
/// How long a link that confirms an address is of use.
const CONFIRMATION_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// The active user who signs in with an email.
struct Recipient {
    id: UserId,
    /// Whether the user is a member of the business of the mail.
    is_member: bool,
}

tenancy::from_row!(Recipient { id, is_member });

async fn find_recipient(tx: &SharedTx, mail: &Due) -> Result<Option<Recipient>, DbError> {
    const FIND: &str = "
        SELECT u.id, EXISTS (SELECT FROM shared.memberships m
                              WHERE m.user_id = u.id AND m.tenant_id = $2
                                AND m.status = 'active') AS is_member
          FROM shared.users u
          JOIN shared.user_logins l ON l.user_id = u.id AND l.kind = 'email' AND l.value = $1
         WHERE u.status = 'active'";
    tx.row_opt(FIND, &[&mail.address, &mail.tenant_id]).await
}

/// Composes a mail. Returns `None` if there is nobody to send it to, or its link would be of no use any more.
pub(super) async fn compose(tx: &SharedTx, mail: &Due, key: &LinkKey) -> Result<Option<Letter>, DbError> {
    let recipient = find_recipient(tx, mail).await?;
    let is_from_business = recipient.as_ref().is_some_and(|recipient| recipient.is_member);
    let has_account = recipient.is_some();
    let letter =
        Letter { is_from_business, has_account, parameters: mail.parameters.clone(), ..Letter::default() };
    let (page, lifetime, purpose) = match mail.template {
        // The platform writes it, to the owners of the business.
        Template::LicenceEnding => {
            let is_due = recipient.is_some() && ends_as_said(tx, mail).await?;
            return Ok(is_due.then_some(Letter { is_from_business: false, ..letter }));
        }
        Template::WebhookFailed => {
            return Ok(recipient.map(|_| Letter { is_from_business: false, ..letter }));
        }
        // They go to people who may have no account.
        Template::Receipt | Template::Report => return Ok(Some(Letter { is_from_business: true, ..letter })),
        // It also goes to an address that is not that of the account any more.
        Template::EmailChanged => return Ok(Some(letter)),
        Template::PasswordChanged | Template::SecondFactorChanged | Template::IdentityChanged => {
            return Ok(recipient.map(|_| letter));
        }
        Template::PasswordReset => (Page::Reset, RESET_LIFETIME, "password_reset"),
        Template::EmailVerification => (Page::Confirmation, CONFIRMATION_LIFETIME, "email_verification"),
        Template::EmailChangeOld => (Page::Confirmation, CONFIRMATION_LIFETIME, "email_change_old"),
        // Somebody has this address already. The mail tells them, and nobody else.
        Template::EmailChangeNew if has_account => return Ok(Some(letter)),
        Template::EmailChangeNew => (Page::Confirmation, CONFIRMATION_LIFETIME, "email_change_new"),
        Template::Invitation => return compose_invitation(tx, mail, key).await,
        Template::SignUp => return compose_sign_up(tx, mail, key).await,
    };
    let change = mail.parameters["change"].as_str().and_then(|id| id.parse::<Uuid>().ok());
    let user = match (mail.template, recipient) {
        (Template::EmailChangeNew, _) => find_changer(tx, change, &mail.address).await?,
        (_, recipient) => recipient.map(|recipient| recipient.id),
    };
    let Some(user) = user.filter(|_| mail.created_at + lifetime > tx.now()) else { return Ok(None) };
    let token = key.token(&mail.id.to_string());
    let stored = store(tx, mail, purpose, user, change, &token, lifetime).await?;
    Ok(stored.then_some(Letter { link: Some((page, token)), lifetime, ..letter }))
}

/// The user who asks for another email, if that change still waits.
async fn find_changer(tx: &SharedTx, change: Option<Uuid>, address: &str) -> Result<Option<UserId>, DbError> {
    const FIND: &str = "SELECT user_id FROM shared.email_changes WHERE id = $1 AND new_email = $2";
    tx.value_opt(FIND, &[&change, &address]).await
}

/// Stores the hash of the token of a mail. A mail that is tried again has the same token. Returns whether it
/// was stored: a change of the email may have been given up.
async fn store(
    tx: &SharedTx,
    mail: &Due,
    purpose: &str,
    user: UserId,
    change: Option<Uuid>,
    token: &str,
    lifetime: TimeDelta,
) -> Result<bool, DbError> {
    const STORE: &str = "
        INSERT INTO shared.one_time_tokens (id, purpose, user_id, hash, expires_at, change_id)
        SELECT $1, $2, $3, $4, $5, $6
         WHERE $6::uuid IS NULL OR EXISTS (SELECT FROM shared.email_changes WHERE id = $6 AND user_id = $3)
            ON CONFLICT (id) DO UPDATE SET hash = EXCLUDED.hash";
    let expires_at = mail.created_at + lifetime;
    let stored =
        tx.execute(STORE, &[&mail.id, &purpose, &user, &sha256(token), &expires_at, &change]).await?;
    Ok(stored > 0)
}

/// An invitation whose link is of use.
struct Open {
    name: String,
    roles: Vec<String>,
    has_account: bool,
    seconds_left: f64,
}

tenancy::from_row!(Open { name, roles, has_account, seconds_left });

async fn compose_invitation(tx: &SharedTx, mail: &Due, key: &LinkKey) -> Result<Option<Letter>, DbError> {
    // The key may have been changed since the invitation was written, so the hash is stored again.
    const OPEN: &str = "
        UPDATE shared.invitations i SET hash = $3
          FROM shared.apps a
         WHERE i.id = $1 AND i.generation = $2 AND i.email = $5 AND a.slug = i.app
           AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $4
     RETURNING a.name,
               ARRAY(SELECT coalesce(nullif(r.name, ''), r.key) FROM shared.roles r
                      WHERE r.app = i.app AND r.key = ANY (i.roles)
                        AND (r.tenant_id IS NULL OR r.tenant_id = i.tenant_id) ORDER BY r.key) AS roles,
               EXISTS (SELECT FROM shared.user_logins l
                         JOIN shared.users u ON u.id = l.user_id AND u.status = 'active'
                        WHERE l.kind = 'email' AND l.value = i.email) AS has_account,
               extract(epoch FROM i.expires_at - $4)::double precision AS seconds_left";
    let id = mail.parameters["invitation"].as_str().and_then(|id| id.parse::<Uuid>().ok());
    let generation = mail.parameters["generation"].as_i64().and_then(|number| i32::try_from(number).ok());
    let (Some(id), Some(generation)) = (id, generation) else { return Ok(None) };
    let token = key.token(&invitation_name(id, generation));
    let open: Option<Open> =
        tx.row_opt(OPEN, &[&id, &generation, &sha256(&token), &tx.now(), &mail.address]).await?;
    Ok(open.map(|open| Letter {
        is_from_business: true,
        link: Some((Page::Invitation, token)),
        lifetime: TimeDelta::seconds(open.seconds_left as i64),
        has_account: open.has_account,
        parameters: json!({"app": open.name, "roles": open.roles.join(", ")}),
    }))
}

/// Whether the licence has not been renewed since the mail was written.
async fn ends_as_said(tx: &SharedTx, mail: &Due) -> Result<bool, DbError> {
    const ENDS: &str = "
        SELECT EXISTS (SELECT FROM shared.tenants WHERE id = $1 AND is_licensed AND licensed_until = $2)";
    let ends_at = mail.parameters["endsAt"].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    tx.value(ENDS, &[&mail.tenant_id, &ends_at]).await
}

/// A sign-up whose link is of use.
struct Asked {
    slug: String,
    has_password: bool,
    seconds_left: f64,
}

tenancy::from_row!(Asked { slug, has_password, seconds_left });

/// The mail names the slug alone: a stranger must not write to others in our name.
async fn compose_sign_up(tx: &SharedTx, mail: &Due, key: &LinkKey) -> Result<Option<Letter>, DbError> {
    const ASKED: &str = "
        UPDATE shared.sign_ups SET hash = $2
         WHERE id = $1 AND email = $4 AND confirmed_at IS NULL AND expires_at > $3
     RETURNING slug,
               EXISTS (SELECT FROM shared.user_logins l
                         JOIN shared.users u ON u.id = l.user_id AND u.password_hash IS NOT NULL
                        WHERE l.kind = 'email' AND l.value = $4) AS has_password,
               extract(epoch FROM expires_at - $3)::double precision AS seconds_left";
    let Some(id) = mail.parameters["signUp"].as_str().and_then(|id| id.parse::<Uuid>().ok()) else {
        return Ok(None);
    };
    let token = key.token(&format!("sign-up {id}"));
    let asked: Option<Asked> = tx.row_opt(ASKED, &[&id, &sha256(&token), &tx.now(), &mail.address]).await?;
    Ok(asked.map(|asked| Letter {
        is_from_business: false,
        link: Some((Page::SignUp, token)),
        lifetime: TimeDelta::seconds(asked.seconds_left as i64),
        has_account: asked.has_password,
        parameters: json!({"slug": asked.slug}),
    }))
}

/// The name of the link of an invitation.
pub(crate) fn invitation_name(id: Uuid, generation: i32) -> String {
    format!("invitation {id} {generation}")
}
