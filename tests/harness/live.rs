//! A client of live events: reads server-sent events.

use std::time::Duration;

use serde_json::Value;

use crate::app::in_form;
use crate::business::Client;

/// An open stream of events.
pub struct Stream {
    response: reqwest::Response,
    text: String,
}

/// A message of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The type: `message` for an event.
    pub kind: String,
    /// The position.
    pub id: String,
    /// The event, or what a message of another type says.
    pub data: Value,
}

/// The longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(10);

impl Stream {
    /// Opens a stream at a server with this port. Returns the status if it is refused, and 0 without a
    /// connection.
    pub async fn open_at(port: u16, client: &Client<'_>, query: &str, after: &str) -> Result<Self, u16> {
        let (host, path) = in_form(&client.host, &format!("/api/v1/events{query}"));
        let request = reqwest::Client::new()
            .get(format!("http://127.0.0.1:{port}{path}"))
            .header("host", host)
            .header("last-event-id", after)
            .bearer_auth(client.token.as_deref().unwrap_or_default());
        let response = request.send().await.map_err(|_| 0_u16)?;
        match response.status().as_u16() {
            200 => Ok(Self { response, text: String::new() }),
            status => Err(status),
        }
    }

    /// The next message with data; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim().to_owned())
                };
                if let Some(data) = field("data:") {
                    return Some(Message {
                        kind: field("event:").unwrap_or_else(|| "message".to_owned()),
                        id: field("id:").unwrap_or_default(),
                        data: serde_json::from_str(&data).unwrap(),
                    });
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            match chunk.expect("no message in time") {
                Ok(Some(chunk)) => self.text.push_str(std::str::from_utf8(&chunk).unwrap()),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The next event. Panics at another message.
    pub async fn event(&mut self) -> Message {
        let message = self.next().await.expect("the stream ended");
        assert_eq!(message.kind, "message", "{message:?}");
        message
    }

    /// Asserts that nothing comes for a moment.
    pub async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(400), self.next()).await.is_err()
    }
}

impl Client<'_> {
    /// Opens a stream of events from now on, or after a position.
    pub async fn listen(&self, query: &str, after: &str) -> Result<Stream, u16> {
        Stream::open_at(self.port(), self, query, after).await
    }
}
