//! A DNS server for one test. It returns the TXT records that the test publishes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::{RData, Record};
use tokio::net::UdpSocket;

/// A running DNS server.
pub struct TestDns {
    pub address: SocketAddr,
    records: Arc<Mutex<HashMap<String, String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl TestDns {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let records: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let known = records.clone();
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
                let answer = answer(question, &known.lock().unwrap());
                let _ = socket.send_to(&answer.to_vec().unwrap(), from).await;
            }
        });
        Self { address, records, serving }
    }

    /// Publishes a TXT record.
    pub fn publish(&self, name: &str, text: &str) {
        self.records.lock().unwrap().insert(name.to_owned(), text.to_owned());
    }
}

impl Drop for TestDns {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn answer(question: Message, records: &HashMap<String, String>) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.recursion_available = true;
    for query in &question.queries {
        let name = query.name().to_ascii();
        answer.add_query(query.clone());
        match records.get(name.trim_end_matches('.')) {
            Some(text) => {
                let record = TXT::new(vec![text.clone()]);
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::TXT(record)));
            }
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
    }
    answer
}
