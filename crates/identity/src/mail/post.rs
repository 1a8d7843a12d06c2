//! The post: sends the mails that are due, to a mail server or into a folder.

use std::path::PathBuf;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use tenancy::{DbError, OwnerDatabase, SharedTx, chain};

use crate::mail::message::{self, Contents};
use crate::mail::outgoing::{self, Due, MailState, Template};
use crate::names::digest::sha256;
use crate::names::ids::UserId;

/// Where mails go.
#[derive(Clone)]
pub enum Transport {
    /// A mail server.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// A folder, for development: each mail is a file, and its link is logged.
    Folder(PathBuf),
}

/// The address from which mails come.
#[derive(Debug, Clone)]
pub struct Sender(Mailbox);

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL of the mail server contains a password, and the key of the links is secret.
        f.debug_struct("Post").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Sender {
    /// # Errors
    /// When the text is not an email address.
    pub fn parse(text: &str) -> Result<Self, lettre::address::AddressError> {
        text.parse().map(Self)
    }
}

impl Transport {
    /// A mail server, by its URL.
    ///
    /// # Errors
    /// When the URL is malformed.
    pub fn smtp(url: &SecretString) -> Result<Self, lettre::transport::smtp::Error> {
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())?;
        Ok(Self::Smtp(server.timeout(Some(SMTP_TIMEOUT)).build()))
    }
}

/// A mail server that answers no faster gets the mail later.
const SMTP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);

/// Makes the addresses of pages for links: of the business with this slug, or of the platform.
pub type PageOf = std::sync::Arc<dyn Fn(Option<&str>) -> String + Send + Sync>;

/// Sends mails.
#[derive(Clone)]
pub struct Post {
    /// Where mails go.
    pub transport: Transport,
    /// The address from which mails come.
    pub from: Sender,
    /// The sender's name in mails that no business sends.
    pub installation: String,
    /// The page on which a user chooses a new password. The token is appended.
    pub reset_page: PageOf,
    /// The key from which the tokens of links are made.
    pub link_key: LinkKey,
}

/// The key from which the tokens of links are made, so that no table holds them.
#[derive(Clone)]
pub struct LinkKey(pub(crate) hmac::Key);

/// How long the link for a new password is of use.
const RESET_LIFETIME: TimeDelta = TimeDelta::minutes(30);
/// The number of mails that are taken at once.
const AT_ONCE: i64 = 20;

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the mail cannot be written")]
    Message(#[from] message::MessageError),
    #[error("the mail server did not take the mail")]
    Smtp(#[from] lettre::transport::smtp::Error),
    #[error("the mail cannot be stored in the folder")]
    Folder(#[from] std::io::Error),
    #[error("a mail query failed")]
    Db(#[from] DbError),
}

/// The active user to whom a mail goes.
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

impl Post {
    /// Sends the mails that are due, each in its own attempt. Returns the number of sent and of failed mails.
    ///
    /// # Errors
    /// [`DbError`]; mails that were taken and not sent are sent later.
    pub async fn send_due(&self, owner_database: &OwnerDatabase) -> Result<(usize, usize), DbError> {
        let due = owner_database.write_shared(async |tx| outgoing::take_due(tx, AT_ONCE).await).await?;
        let (mut sent, mut failed) = (0, 0);
        for mail in &due {
            let outcome = self.send(owner_database, mail).await;
            let (state, failure) = match &outcome {
                Ok(state) => (*state, None),
                Err(error) => {
                    let failure = chain(error);
                    tracing::warn!(mail.id = %mail.id, error = %failure, "a mail was not sent");
                    (MailState::Queued, Some(failure))
                }
            };
            sent += usize::from(state == MailState::Sent);
            failed += usize::from(failure.is_some());
            let record = async |tx: &SharedTx| outgoing::record(tx, mail, state, failure.as_deref()).await;
            owner_database.write_shared(record).await?;
        }
        Ok((sent, failed))
    }

    async fn send(&self, owner_database: &OwnerDatabase, mail: &Due) -> Result<MailState, SendError> {
        let prepare = async |tx: &SharedTx| self.prepare(tx, mail).await;
        // Nobody learns by a mail, or by its absence at the server, that an address is unknown.
        let Some((is_member, token)) = owner_database.write_shared(prepare).await? else {
            return Ok(MailState::Dropped);
        };
        // A business does not write to people who have nothing to do with it.
        let (business, slug) = match is_member {
            true => (mail.business.as_deref(), mail.slug.as_deref()),
            false => (None, None),
        };
        let link = token.map(|token| format!("{}#token={token}", (self.reset_page)(slug)));
        let contents = Contents {
            sender: business.unwrap_or(&self.installation),
            link: link.as_deref(),
            minutes: RESET_LIFETIME.num_minutes(),
        };
        let message = message::write(mail.template, &self.from.0, &mail.address, &contents)?;
        self.hand_over(mail, message, link.as_deref()).await?;
        Ok(MailState::Sent)
    }

    /// Whether a mail goes to a member of its business, and the token of its link, if it has one. `None` if
    /// there is nobody to send it to, or the link would be of no use any more.
    async fn prepare(&self, tx: &SharedTx, mail: &Due) -> Result<Option<(bool, Option<String>)>, DbError> {
        let Some(recipient) = find_recipient(tx, mail).await? else { return Ok(None) };
        let token = match mail.template {
            Template::PasswordChanged => None,
            Template::PasswordReset if mail.created_at + RESET_LIFETIME <= tx.now() => return Ok(None),
            Template::PasswordReset => Some(self.make_reset_token(tx, mail, recipient.id).await?),
        };
        Ok(Some((recipient.is_member, token)))
    }

    /// Makes the token of a mail, and stores its hash. A mail that is tried again has the same token.
    async fn make_reset_token(&self, tx: &SharedTx, mail: &Due, user: UserId) -> Result<String, DbError> {
        const STORE: &str = "
            INSERT INTO shared.one_time_tokens (id, purpose, user_id, hash, expires_at)
            VALUES ($1, 'password_reset', $2, $3, $4)
                ON CONFLICT (id) DO UPDATE SET hash = EXCLUDED.hash";
        let tag = hmac::sign(&self.link_key.0, mail.id.to_string().as_bytes());
        let token = URL_SAFE_NO_PAD.encode(tag.as_ref());
        tx.execute(STORE, &[&mail.id, &user, &sha256(&token), &(mail.created_at + RESET_LIFETIME)]).await?;
        Ok(token)
    }

    async fn hand_over(&self, mail: &Due, message: Message, link: Option<&str>) -> Result<(), SendError> {
        match &self.transport {
            Transport::Smtp(server) => {
                server.send(message).await?;
            }
            Transport::Folder(folder) => {
                tokio::fs::create_dir_all(folder).await?;
                let file = folder.join(format!("{}.eml", mail.id));
                tokio::fs::write(&file, message.formatted()).await?;
                let (template, link) = (mail.template, link.unwrap_or_default());
                tracing::info!(file = %file.display(), "mail {template} to {}: {link}", mail.address);
            }
        }
        Ok(())
    }
}
