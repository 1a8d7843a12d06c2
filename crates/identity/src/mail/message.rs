//! The text of mails, from templates: as plain text and as HTML.

use lettre::Message;
use lettre::message::{Mailbox, MultiPart};
use minijinja::{Environment, Value};

use crate::mail::outgoing::Template;

/// The values that the templates show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contents<'a> {
    /// The business, or the installation.
    pub(super) sender: &'a str,
    /// The link, if the mail has one.
    pub(super) link: Option<&'a str>,
    /// The lifetime of the link, in minutes.
    pub(super) minutes: i64,
}

/// A mail could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The address is not one to which mail can be sent.
    #[error("the address cannot be used")]
    Address(#[from] lettre::address::AddressError),
    /// The message cannot be put together.
    #[error("the message cannot be put together")]
    Message(#[from] lettre::error::Error),
    /// A template of this program is wrong.
    #[error("a template is wrong")]
    Template(#[from] minijinja::Error),
}

struct Texts {
    subject: &'static str,
    plain: &'static str,
    html: &'static str,
}

fn texts(template: Template) -> Texts {
    match template {
        Template::PasswordReset => Texts {
            subject: "Choose a new password for {{ sender }}",
            plain: include_str!("templates/password_reset.txt"),
            html: include_str!("templates/password_reset.html"),
        },
        Template::PasswordChanged => Texts {
            subject: "Your password for {{ sender }} was changed",
            plain: include_str!("templates/password_changed.txt"),
            html: include_str!("templates/password_changed.html"),
        },
    }
}

/// Puts a mail together. A name in a subject cannot end the header: it has no control characters.
pub(super) fn write(
    template: Template,
    from: &Mailbox,
    to: &str,
    contents: &Contents<'_>,
) -> Result<Message, MessageError> {
    let (texts, environment) = (texts(template), Environment::new());
    let Contents { sender, link, minutes } = *contents;
    let values = Value::from_pairs([
        ("sender", Value::from(sender)),
        ("link", Value::from(link.unwrap_or_default())),
        ("minutes", Value::from(minutes)),
    ]);
    // The name decides whether what is filled in is escaped for HTML.
    let fill = |name: &str, text: &str| environment.render_named_str(name, text, values.clone());
    let subject = fill("subject.txt", texts.subject)?;
    let body =
        MultiPart::alternative_plain_html(fill("body.txt", texts.plain)?, fill("body.html", texts.html)?);
    let named = Mailbox::new(Some(contents.sender.to_owned()), from.email.clone());
    let message = Message::builder().from(named).to(Mailbox::new(None, to.parse()?)).subject(subject);
    Ok(message.multipart(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_shows_the_business_and_the_link_and_escapes_both() {
        let contents =
            Contents { sender: "Bolts <& Co>", link: Some("https://a.test/r#token=x&y"), minutes: 30 };
        let from = "no-reply@example.com".parse().unwrap();
        let message = write(Template::PasswordReset, &from, "ann@acme.test", &contents).unwrap();
        // Quoted-printable breaks lines.
        let text = String::from_utf8(message.formatted()).unwrap().replace("=\r\n", "");
        assert!(text.contains("To: ann@acme.test") && text.contains("no-reply@example.com"), "{text}");
        assert!(
            text.contains("https://a.test/r#token=3Dx&y") || text.contains("https://a.test/r#token=x&y"),
            "{text}"
        );
        assert!(text.contains("Bolts &lt;&amp; Co&gt;") && text.contains("Bolts <& Co>"), "{text}");
        assert!(write(Template::PasswordChanged, &from, "no address", &contents).is_err());
    }
}
