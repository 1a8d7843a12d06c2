//! The post: sends the mails that are due, to a mail server or into a folder.

use std::path::PathBuf;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use tenancy::{DbError, OwnerDatabase, SharedTx, chain};

use crate::mail::letter::{self, Page};
use crate::mail::link::LinkKey;
use crate::mail::message::{self, Contents};
use crate::mail::outgoing::{self, Due, MailState};

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

/// The pages to which links lead.
#[derive(Clone)]
pub struct Pages {
    /// The page on which a user chooses a new password.
    pub reset: PageOf,
    /// The page on which somebody accepts an invitation.
    pub invitation: PageOf,
    /// The page that confirms an email.
    pub confirmation: PageOf,
    /// The page on which somebody creates a business.
    pub sign_up: PageOf,
}

/// Sends mails.
#[derive(Clone)]
pub struct Post {
    /// Where mails go.
    pub transport: Transport,
    /// The address from which mails come.
    pub from: Sender,
    /// The sender's name in mails that no business sends.
    pub installation: String,
    /// The pages to which links lead. The token is appended.
    pub pages: Pages,
    /// The key from which the tokens of links are made.
    pub link_key: LinkKey,
}

/// A mail that takes longer is tried later. All that are taken at once must be done before others may take
/// them.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(60);
/// The number of mails that are taken at once.
const AT_ONCE: i64 = 20;
/// The number of mails that are sent at the same time.
const IN_PARALLEL: usize = 5;

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the mail cannot be written")]
    Message(#[from] message::MessageError),
    #[error("the mail server did not take the mail")]
    Smtp(#[from] lettre::transport::smtp::Error),
    #[error("the mail cannot be stored in the folder")]
    Folder(#[from] std::io::Error),
    #[error("the mail server took too long")]
    TooSlow,
    #[error("a mail query failed")]
    Db(#[from] DbError),
}

impl Post {
    /// Sends the mails that are due, each in its own attempt. Returns the number of sent and of failed mails.
    ///
    /// # Errors
    /// [`DbError`]; mails that were taken and not sent are sent later.
    pub async fn send_due(&self, owner_database: &OwnerDatabase) -> Result<(usize, usize), DbError> {
        let due = owner_database.write_shared(async |tx| outgoing::take_due(tx, AT_ONCE).await).await?;
        // A server that is slow with one mail must not delay all others.
        let outcomes: Vec<MailState> = stream::iter(&due)
            .map(|mail| self.send_and_record(owner_database, mail))
            .buffer_unordered(IN_PARALLEL)
            .try_collect()
            .await?;
        let count = |state| outcomes.iter().filter(|outcome| **outcome == state).count();
        Ok((count(MailState::Sent), count(MailState::Queued) + count(MailState::Dead)))
    }

    async fn send_and_record(
        &self,
        owner_database: &OwnerDatabase,
        mail: &Due,
    ) -> Result<MailState, DbError> {
        let sent = tokio::time::timeout(LONGEST, self.send(owner_database, mail)).await;
        let (state, failure) = match sent.unwrap_or(Err(SendError::TooSlow)) {
            Ok(state) => (state, None),
            Err(error) => {
                let failure = chain(&error);
                tracing::warn!(mail.id = %mail.id, error = %failure, "a mail was not sent");
                // A mail that cannot be written today cannot be written tomorrow.
                let is_hopeless = matches!(error, SendError::Message(_));
                (if is_hopeless { MailState::Dead } else { MailState::Queued }, Some(failure))
            }
        };
        let record = async |tx: &SharedTx| outgoing::record(tx, mail, state, failure.as_deref()).await;
        owner_database.write_shared(record).await?;
        Ok(state)
    }

    async fn send(&self, owner_database: &OwnerDatabase, mail: &Due) -> Result<MailState, SendError> {
        let compose = async |tx: &SharedTx| letter::compose(tx, mail, &self.link_key).await;
        // Nobody learns by a mail, or by its absence at the server, that an address is unknown.
        let Some(letter) = owner_database.write_shared(compose).await? else {
            return Ok(MailState::Dropped);
        };
        let (business, slug) = match letter.is_from_business {
            true => (mail.business.as_deref(), mail.slug.as_deref()),
            false => (None, None),
        };
        let link = letter.link.as_ref().map(|(page, token)| {
            let pages = &self.pages;
            let page = match page {
                Page::Reset => &pages.reset,
                Page::Invitation => &pages.invitation,
                Page::Confirmation => &pages.confirmation,
                Page::SignUp => &pages.sign_up,
            };
            format!("{}#token={token}", page(slug))
        });
        let contents = Contents {
            sender: business.unwrap_or(&self.installation),
            link: link.as_deref(),
            letter: &letter,
        };
        let message = message::write(mail.template, &self.from.0, &mail.address, &contents)?;
        self.hand_over(mail, message, link.as_deref()).await?;
        Ok(MailState::Sent)
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
                let link = link.map(|link| format!(": {link}")).unwrap_or_default();
                let (template, address) = (mail.template, &mail.address);
                tracing::info!(file = %file.display(), "mail {template} to {address}{link}");
            }
        }
        Ok(())
    }
}
