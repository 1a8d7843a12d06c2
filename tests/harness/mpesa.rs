//! The simulator of M-Pesa, started for one test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::app::TestApp;

/// The running simulator.
pub struct Mpesa {
    program: Child,
    url: String,
    http: reqwest::Client,
}

impl Mpesa {
    /// Starts the program at this path.
    pub fn start(program: &str) -> Self {
        let mut program = Command::new(program).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { program, url: url.trim().to_owned(), http: reqwest::Client::new() }
    }

    /// The settings of a server that uses the simulator.
    pub fn settings(&self, currency: &str) -> String {
        format!(
            "[mobile_money]\nprovider = \"mpesa\"\ncurrency = \"{currency}\"\nurl = \"{}\"\n\
             consumer_key = \"simulator\"\nconsumer_secret = \"simulator-secret\"\nshortcode = \"600000\"\n\
             passkey = \"pass\"\ncallback_secret = \"{}\"\n",
            self.url,
            "s".repeat(32)
        )
    }

    /// Lets the simulator report to a server.
    pub async fn report_to(&self, app: &TestApp) {
        let registered = app.settings.mobile_money().unwrap().unwrap();
        self.simulate("server", json!({"port": app.port()})).await;
        registered.provider.register(&registered.callbacks.of_payments()).await.unwrap();
    }

    /// Lets a customer pay to a till number. Returns the transaction.
    pub async fn pay(&self, till_number: &str, amount: &str) -> String {
        let paid = self.simulate("payment", json!({"tillNumber": till_number, "amount": amount})).await;
        assert_eq!(paid["statuses"], json!([200]), "{paid}");
        paid["transactionId"].as_str().unwrap().to_owned()
    }

    /// Asks the simulator for something.
    pub async fn simulate(&self, what: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}/simulate/{what}", self.url)).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for Mpesa {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
