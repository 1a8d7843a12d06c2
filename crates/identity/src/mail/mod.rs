//! Mails to people: written in the transaction that is the reason for them, and sent after the commit.

pub mod kept;
pub mod letter;
pub mod link;
pub mod message;
pub mod outgoing;
pub mod post;
