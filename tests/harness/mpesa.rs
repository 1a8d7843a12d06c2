//! The simulator of M-Pesa, started for one test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::program::Program;

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
        let lines = self.account(currency).map(|(name, value)| format!("{name} = \"{value}\"\n"));
        format!("[mobile_money]\n{}", lines.concat())
    }

    /// The binary with the settings of a server that uses the simulator.
    #[must_use]
    pub fn used_by(&self, program: Program, currency: &str) -> Program {
        let with = |program: Program, (name, value): (&str, String)| {
            program.with(&format!("TENANTRY__MOBILE_MONEY__{}", name.to_uppercase()), &value)
        };
        self.account(currency).into_iter().fold(program, with)
    }

    fn account(&self, currency: &str) -> [(&'static str, String); 8] {
        [
            ("provider", "mpesa".to_owned()),
            ("currency", currency.to_owned()),
            ("url", self.url.clone()),
            ("consumer_key", "simulator".to_owned()),
            ("consumer_secret", "simulator-secret".to_owned()),
            ("shortcode", "600000".to_owned()),
            ("passkey", "pass".to_owned()),
            ("callback_secret", "s".repeat(32)),
        ]
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
