//! The text of mails, from templates: as plain text and as HTML.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use lettre::Message;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use minijinja::value::Serde;
use minijinja::{Environment, Value};

use crate::mail::letter::Letter;
use crate::mail::outgoing::Template;

/// The values that the templates show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contents<'a> {
    /// The business, or the installation.
    pub(super) sender: &'a str,
    /// The link, if the mail has one.
    pub(super) link: Option<&'a str>,
    /// The contents of the mail.
    pub(super) letter: &'a Letter,
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
        Template::SecondFactorChanged => Texts {
            subject: "The second factor of your account at {{ sender }}",
            plain: include_str!("templates/second_factor_changed.txt"),
            html: include_str!("templates/second_factor_changed.html"),
        },
        Template::IdentityChanged => Texts {
            subject: "Sign-in to {{ sender }} with {{ parameters.issuer }}",
            plain: include_str!("templates/identity_changed.txt"),
            html: include_str!("templates/identity_changed.html"),
        },
        Template::Invitation => Texts {
            subject: "{{ sender }} invites you",
            plain: include_str!("templates/invitation.txt"),
            html: include_str!("templates/invitation.html"),
        },
        Template::EmailVerification => Texts {
            subject: "Confirm your email for {{ sender }}",
            plain: include_str!("templates/email_verification.txt"),
            html: include_str!("templates/email_verification.html"),
        },
        Template::EmailChangeOld => Texts {
            subject: "Your email for {{ sender }} is to be changed",
            plain: include_str!("templates/email_change_old.txt"),
            html: include_str!("templates/email_change_old.html"),
        },
        Template::EmailChangeNew => Texts {
            subject: "Confirm your new email for {{ sender }}",
            plain: include_str!("templates/email_change_new.txt"),
            html: include_str!("templates/email_change_new.html"),
        },
        Template::EmailChanged => Texts {
            subject: "Your email for {{ sender }} was changed",
            plain: include_str!("templates/email_changed.txt"),
            html: include_str!("templates/email_changed.html"),
        },
        Template::SignUp => Texts {
            subject: "Create your business at {{ sender }}",
            plain: include_str!("templates/sign_up.txt"),
            html: include_str!("templates/sign_up.html"),
        },
        Template::LicenceEnding => Texts {
            subject: "The licence of {{ parameters.business }} {{ \"ends soon\" if parameters.daysLeft > 0 \
                      else \"has ended\" }}",
            plain: include_str!("templates/licence_ending.txt"),
            html: include_str!("templates/licence_ending.html"),
        },
        Template::WebhookFailed => Texts {
            subject: "A webhook of {{ parameters.business }} has failed",
            plain: include_str!("templates/webhook_failed.txt"),
            html: include_str!("templates/webhook_failed.html"),
        },
        Template::Report => Texts {
            subject: "{{ parameters.report }} of {{ sender }}",
            plain: include_str!("templates/report.txt"),
            html: include_str!("templates/report.html"),
        },
        Template::Receipt => Texts {
            subject: "Your receipt {{ parameters.reference }} from {{ sender }}",
            plain: "{{ parameters.text }}",
            html: "{{ parameters.html|safe }}",
        },
    }
}

/// Puts a mail together. Names come from people and from settings, and a header must not end in one of them.
pub(super) fn write(
    template: Template,
    from: &Mailbox,
    to: &str,
    contents: &Contents<'_>,
) -> Result<Message, MessageError> {
    let (texts, environment) = (texts(template), Environment::new());
    let Contents { sender, link, letter } = *contents;
    let sender: String = sender.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let values = Value::from_pairs([
        ("sender", Value::from(sender.as_str())),
        ("link", Value::from(link.unwrap_or_default())),
        ("lifetime", Value::from(in_words(letter.lifetime))),
        ("has_account", Value::from(letter.has_account)),
        ("parameters", Value::from(Serde(&letter.parameters))),
    ]);
    // The name decides whether what is filled in is escaped for HTML.
    let fill = |name: &str, text: &str| environment.render_named_str(name, text, values.clone());
    let subject = fill("subject.txt", texts.subject)?;
    let body =
        MultiPart::alternative_plain_html(fill("body.txt", texts.plain)?, fill("body.html", texts.html)?);
    let named = Mailbox::new(Some(sender), from.email.clone());
    let mut message = Message::builder().from(named).to(Mailbox::new(None, to.parse()?)).subject(subject);
    // A customer must get the receipt even if the reply address of the business is invalid.
    if let Some(reply_to) = letter.parameters["replyTo"].as_str().and_then(|email| email.parse().ok()) {
        message = message.reply_to(Mailbox::new(None, reply_to));
    }
    let Some(attachment) = attachment(&letter.parameters["attachment"]) else {
        return Ok(message.multipart(body)?);
    };
    Ok(message.multipart(MultiPart::mixed().multipart(body).singlepart(attachment))?)
}

/// The file that a mail has: a PDF document, unless the parameters say otherwise.
fn attachment(parameters: &serde_json::Value) -> Option<SinglePart> {
    let content = BASE64_STANDARD.decode(parameters["base64"].as_str()?).ok()?;
    let name = parameters["name"].as_str()?.to_owned();
    let kind = parameters["type"].as_str().unwrap_or("application/pdf");
    Some(Attachment::new(name).body(content, ContentType::parse(kind).ok()?))
}

/// A lifetime as people say it, such as "30 minutes" or "7 days".
fn in_words(lifetime: TimeDelta) -> String {
    match lifetime.num_minutes() {
        minutes if minutes < 120 => format!("{minutes} minutes"),
        // A mail is sent seconds after its link was made.
        minutes if minutes <= 48 * 60 => format!("{} hours", (minutes + 5) / 60),
        minutes => format!("{} days", (minutes + 60) / (24 * 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_shows_the_business_and_the_link_and_escapes_both() {
        let letter = Letter { lifetime: TimeDelta::minutes(30), ..Letter::default() };
        let link = Some("https://a.test/r#token=x&y");
        let contents = Contents { sender: "Bolts <& Co>", link, letter: &letter };
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
        let odd = Contents { sender: "Acme\r\nBcc: x@y.test\n", ..contents };
        let message = write(Template::PasswordReset, &from, "ann@acme.test", &odd).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        assert!(!text.contains("\r\nBcc:"), "{text}");
        let parameters = serde_json::json!({
            "business": "Bolts", "daysLeft": 7, "validUntil": "1 May 2027",
            "hasGrace": false, "isOver": false,
        });
        let letter = Letter { parameters, ..Letter::default() };
        let contents = Contents { letter: &letter, ..contents };
        for template in Template::ALL {
            let message = write(*template, &from, "ann@acme.test", &contents).unwrap();
            let text = String::from_utf8(message.formatted()).unwrap();
            assert!(text.contains("text/plain") && text.contains("text/html"), "{template}: {text}");
        }
    }

    #[test]
    fn a_lifetime_is_said_in_whole_units() {
        let minutes = |minutes| in_words(TimeDelta::minutes(minutes));
        assert_eq!([minutes(30), minutes(24 * 60)], ["30 minutes", "24 hours"]);
        assert_eq!([minutes(24 * 60 - 1), minutes(23 * 60 + 54)], ["24 hours", "23 hours"]);
        assert_eq!([minutes(7 * 24 * 60 - 1), minutes(3 * 24 * 60 + 600)], ["7 days", "3 days"]);
    }
}
