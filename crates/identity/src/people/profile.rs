//! Profiles: what a person says about themselves. It belongs to the person, whatever businesses they work
//! for.

use const_format::concatcp;
use serde::Serialize;
use tenancy::{DbError, SharedTx};
use values::{Email, IfVersion, Locale, Name, ShortText};

use crate::names::ids::UserId;
use crate::names::keys::Username;
use crate::records::auth_event::{self, AuthAction, AuthEvent, By};

/// A profile.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The id of the user.
    pub id: UserId,
    /// The email with which the user signs in.
    pub email: Option<Email>,
    /// Whether the user has shown that the email is theirs.
    pub email_verified: bool,
    /// The usernames of the user, at most one for each business.
    pub usernames: Vec<Username>,
    /// The name, if known.
    pub full_name: Option<Name>,
    /// The telephone number; the server does not check its form.
    pub phone: Option<ShortText>,
    /// The language in which the user wants to read.
    pub locale: Option<Locale>,
    /// Counts the changes.
    pub version: i32,
}

tenancy::from_row!(Profile { id, email, email_verified, usernames, full_name, phone, locale, version });

/// A change of a profile. `None` leaves a field as it is, and `Some(None)` empties it.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// The new name.
    pub full_name: Option<Option<Name>>,
    /// The new telephone number.
    pub phone: Option<Option<ShortText>>,
    /// The new language.
    pub locale: Option<Option<Locale>>,
    /// The version that the client has read, if it says so.
    pub if_version: IfVersion,
}

/// A profile was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no such user.
    #[error("there is no such user")]
    Unknown,
    /// The profile was changed since its version was read.
    #[error("the profile was changed in the meantime; read it again")]
    Stale,
    /// PostgreSQL refused a query, or the connection failed.
    #[error("a profile query failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT u.id, u.full_name, u.phone, u.locale, u.version,
           (SELECT l.value FROM shared.user_logins l WHERE l.user_id = u.id AND l.kind = 'email') AS email,
           EXISTS (SELECT FROM shared.user_logins l
                    WHERE l.user_id = u.id AND l.kind = 'email' AND l.verified_at IS NOT NULL)
           AS email_verified,
           ARRAY(SELECT l.value FROM shared.user_logins l
                  WHERE l.user_id = u.id AND l.kind = 'username' ORDER BY l.tenant_id) AS usernames
      FROM shared.users u WHERE u.id = $1 AND u.status <> 'deleted' ";

/// The profile of a user.
///
/// # Errors
/// [`DbError`]; an unknown or deleted user is `None`.
pub async fn find(tx: &SharedTx, id: UserId) -> Result<Option<Profile>, DbError> {
    tx.row_opt(SELECT, &[&id]).await
}

/// Changes a profile, and returns it. A change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`ProfileError`].
pub async fn change(
    tx: &SharedTx,
    id: UserId,
    change: &ProfileChange,
    by: By<'_>,
) -> Result<Profile, ProfileError> {
    const LOCK: &str = concatcp!(SELECT, "FOR NO KEY UPDATE OF u");
    const UPDATE: &str = "
        UPDATE shared.users
           SET full_name = $2, phone = $3, locale = $4, version = version + 1, updated_at = $5
         WHERE id = $1";
    let present: Profile = tx.row_opt(LOCK, &[&id]).await?.ok_or(ProfileError::Unknown)?;
    if !change.if_version.allows(present.version) {
        return Err(ProfileError::Stale);
    }
    let mut changed = Profile { version: present.version + 1, ..present.clone() };
    let mut fields = Vec::new();
    set(&mut changed.full_name, change.full_name.as_ref(), "fullName", &mut fields);
    set(&mut changed.phone, change.phone.as_ref(), "phone", &mut fields);
    set(&mut changed.locale, change.locale.as_ref(), "locale", &mut fields);
    if fields.is_empty() {
        return Ok(present);
    }
    let Profile { full_name, phone, locale, .. } = &changed;
    tx.execute(UPDATE, &[&id, full_name, phone, locale, &tx.now()]).await?;
    // The log keeps no name: a deleted person leaves none behind.
    let details = serde_json::json!({"fields": fields});
    let event = AuthEvent { user: Some(id), details, ..AuthEvent::new(AuthAction::ProfileChanged).by(by) };
    auth_event::record(tx, &event).await?;
    Ok(changed)
}

fn set<T: PartialEq + Clone>(
    field: &mut T,
    wanted: Option<&T>,
    name: &'static str,
    changed: &mut Vec<&'static str>,
) {
    if let Some(wanted) = wanted.filter(|wanted| *wanted != field) {
        *field = wanted.clone();
        changed.push(name);
    }
}
