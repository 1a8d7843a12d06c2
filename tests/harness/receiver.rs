//! A program that gets webhooks: records what is posted, and answers as the test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A running receiver.
pub struct Receiver {
    pub port: u16,
    posted: Arc<Mutex<Vec<Posted>>>,
    answer: Arc<Mutex<Answer>>,
    serving: tokio::task::JoinHandle<()>,
}

/// A message as it arrived.
#[derive(Debug, Clone)]
pub struct Posted {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub text: String,
    pub body: Value,
}

/// What the receiver answers.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Further lines of the head, each with its line end.
    pub head: String,
    /// The wait before the answer.
    pub wait: Duration,
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self { status, head: String::new(), wait: Duration::ZERO }
    }
}

impl Posted {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether the secret has signed the message.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let mut headers = reqwest::header::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, self.header(name).parse().unwrap());
        }
        Webhook::new(secret).unwrap().verify(self.text.as_bytes(), &headers).is_ok()
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let answer = Arc::new(Mutex::new(Answer::status(204)));
        let (record, answers) = (posted.clone(), answer.clone());
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, record.clone(), answers.clone()));
            }
        });
        Self { port, posted, answer, serving }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks", self.port)
    }

    /// Answers so from now on.
    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// What was posted so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// Waits until so many messages were posted. Returns all.
    pub async fn wait_for(&self, count: usize) -> Vec<Posted> {
        let started = std::time::Instant::now();
        loop {
            let posted = self.posted();
            if posted.len() >= count {
                return posted;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{} of {count} messages", posted.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Reads requests of one connection.
async fn serve(mut connection: TcpStream, posted: Arc<Mutex<Vec<Posted>>>, answer: Arc<Mutex<Answer>>) {
    let mut bytes = Vec::new();
    loop {
        let Some(message) = read(&mut connection, &mut bytes).await else { return };
        let Answer { status, head, wait } = answer.lock().unwrap().clone();
        posted.lock().unwrap().push(message);
        tokio::time::sleep(wait).await;
        let text = format!("HTTP/1.1 {status} Status\r\n{head}content-length: 2\r\n\r\nOK");
        let text = if status == 204 { "HTTP/1.1 204 No Content\r\n\r\n".to_owned() } else { text };
        if connection.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads one request of a connection. `bytes` has what follows it. `None`: the connection ended.
pub async fn read(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Posted> {
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let head: Vec<u8> = bytes.drain(..end + 4).collect();
            break String::from_utf8(head).unwrap();
        }
        if connection.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    while bytes.len() < length {
        if connection.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8(bytes.drain(..length).collect()).unwrap();
    Some(Posted { path, headers, body: serde_json::from_str(&text).unwrap_or_default(), text })
}
