//! Setting a second factor up: in a session, with the password, or in a browser whose person has just given
//! it.

use qrcode::QrCode;
use qrcode::render::svg;
use secrecy::{ExposeSecret as _, SecretString};
use tenancy::{SharedScope, SharedTx, TenantId};
use values::Email;

use crate::names::ids::{SessionId, SignOnId, UserId};
use crate::names::secret;
use crate::people::user;
use crate::records::auth_event::{AuthAction, By, Origin};
use crate::signing_in::login::SignIn;
use crate::signing_in::principal::Principal;
use crate::signing_in::recovery_code;
use crate::signing_in::second_factor::{self, Label, SecondFactorError, Stored, told, totp};
use crate::signing_in::session::{self, Which};
use crate::signing_in::sign_on::{self, SignOn};
use crate::signing_in::signing_key::Unreadable;
use crate::signing_in::throttle;

/// The bytes of the secret that the authenticator app keeps, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;

/// What an authenticator app needs to know.
pub struct Enrolment {
    /// The secret in base32, for an app that cannot scan.
    pub secret: SecretString,
    /// The address that the picture contains.
    pub uri: SecretString,
    /// The picture that an app scans: an SVG.
    pub qr_code: SecretString,
}

/// Where a user sets the second factor up. It goes on, and everything else of the user ends.
#[derive(Debug, Clone, Copy)]
pub enum EnrolsIn {
    /// The session of an app.
    Session(SessionId),
    /// The browser of a sign-on.
    SignOn(SignOnId),
}

impl SignIn {
    /// Begins to set up a second factor for a user who knows the password. It counts once it is confirmed.
    ///
    /// # Errors
    /// [`SecondFactorError`].
    pub async fn begin_enrolment(
        &self,
        principal: &Principal,
        password: &SecretString,
        origin: &Origin,
    ) -> Result<Enrolment, SecondFactorError> {
        let (_, attempt, email) = self.confirm(principal, password, origin).await?;
        self.forget(&attempt).await?;
        self.enrol(principal.user, principal.member_of.tenant(), email).await
    }

    /// Begins to set up a second factor in the browser of somebody who has just given the password.
    ///
    /// # Errors
    /// [`SecondFactorError`].
    pub async fn begin_enrolment_in_browser(
        &self,
        sign_on: &SignOn,
        tenant: Option<TenantId>,
    ) -> Result<Enrolment, SecondFactorError> {
        self.enrol(sign_on.user_id, tenant, sign_on.email.clone()).await
    }

    async fn enrol(
        &self,
        user: UserId,
        tenant: Option<TenantId>,
        email: Option<Email>,
    ) -> Result<Enrolment, SecondFactorError> {
        const BEGIN: &str = "
            INSERT INTO shared.authenticators AS a (user_id, sealed_secret, sealed_with, created_at)
            VALUES ($1, $2, $3, $4)
                ON CONFLICT (user_id) DO UPDATE
               SET sealed_secret = EXCLUDED.sealed_secret, sealed_with = EXCLUDED.sealed_with,
                   created_at = EXCLUDED.created_at
             WHERE a.confirmed_at IS NULL";
        let mut bytes = vec![0; SECRET_BYTES];
        secret::fill(&mut bytes);
        let (sealed, with) = self.authenticator_sealer.seal_bytes(&user.to_string(), &bytes)?;
        let begin = async |tx: &SharedTx| {
            if tx.execute(BEGIN, &[&user, &sealed, &with, &tx.now()]).await? == 0 {
                return Err(SecondFactorError::AlreadyEnabled);
            }
            Ok(user::find(tx, user, tenant).await?)
        };
        let found = self.database.write_shared(SharedScope::User(user.into()), begin).await?;
        let username = found.and_then(|user| user.username).map(|username| username.to_string());
        let login = email.map(|email| email.to_string()).or(username);
        let label = Label { installation: &self.installation, login: login.as_deref().unwrap_or("user") };
        let totp = totp(bytes, &label)?;
        let uri = totp.to_url().map_err(|_| Unreadable)?;
        let picture = QrCode::new(&uri).map_err(|_| Unreadable)?;
        let picture = picture.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
        Ok(Enrolment {
            secret: SecretString::from(totp.secret().to_base32()),
            uri: SecretString::from(uri),
            qr_code: SecretString::from(picture),
        })
    }

    /// Turns the second factor on, for a user whose app shows the right digits. All other sessions of the
    /// user end. Returns the recovery codes, which are stored nowhere.
    ///
    /// # Errors
    /// [`SecondFactorError`].
    pub async fn confirm_enrolment(
        &self,
        user: UserId,
        place: EnrolsIn,
        code: &SecretString,
        origin: &Origin,
    ) -> Result<Vec<SecretString>, SecondFactorError> {
        const FIND: &str = "
            SELECT sealed_secret, sealed_with, last_step FROM shared.authenticators
             WHERE user_id = $1 AND confirmed_at IS NULL FOR NO KEY UPDATE";
        const CONFIRM: &str = "UPDATE shared.authenticators SET confirmed_at = $2 WHERE user_id = $1";
        let confirm = async |tx: &SharedTx| {
            // A session that begins meanwhile without the factor is seen and ended, or waits and learns of
            // it.
            user::lock(tx, user).await?;
            let stored: Option<Stored> = tx.row_opt(FIND, &[&user]).await?;
            let Some(stored) = stored else {
                // The answer to the first request may have been lost.
                return Err(match second_factor::find(tx, user).await? {
                    Some(_) => SecondFactorError::AlreadyEnabled,
                    None => SecondFactorError::NotEnabled,
                });
            };
            let (attempt, wait) = throttle::count_guess(tx, user, origin.address, self.allowed).await?;
            if wait > 0.0 {
                return Ok(Err(SecondFactorError::TooManyAttempts(wait.ceil() as u32)));
            }
            if !self.is_right(tx, user, &stored, code.expose_secret().trim(), origin).await? {
                return Ok(Err(SecondFactorError::Wrong));
            }
            throttle::forget(tx, &attempt).await?;
            tx.execute(CONFIRM, &[&user, &tx.now()]).await?;
            let by = By::person(user, origin);
            let others = match place {
                EnrolsIn::Session(id) => Which::AllBut(id),
                EnrolsIn::SignOn(id) => Which::AllButSignOn(id),
            };
            session::revoke(tx, user, others, "second_factor_enabled", by).await?;
            match place {
                EnrolsIn::Session(id) => second_factor::given_in(tx, id).await?,
                EnrolsIn::SignOn(id) => sign_on::given_in(tx, id).await?,
            }
            told(tx, user, AuthAction::SecondFactorEnabled, by).await?;
            Ok::<_, SecondFactorError>(Ok(recovery_code::renew(tx, user).await?))
        };
        // A wrong code must be counted, so it is no error of the transaction.
        self.database.write_shared(SharedScope::User(user.into()), confirm).await?
    }
}
