//! A second server on the database of a test, in its own process.

use crate::app::TestApp;
use crate::program::{Program, Serving};

/// A second server, which uses the settings of the first one.
pub struct SecondServer {
    _process: Serving,
    pub port: u16,
    http: reqwest::Client,
}

impl SecondServer {
    pub fn start(app: &TestApp) -> Self {
        let port = crate::free_port();
        let process = Program::beside(app).with("TENANTRY__SERVER__BASE_DOMAIN", "localhost").serve(port);
        Self { _process: process, port, http: reqwest::Client::new() }
    }

    /// The status of the answer to a request for the products.
    pub async fn status(&self, host: &str, token: &str) -> u16 {
        let url = format!("http://127.0.0.1:{}/api/v1/products", self.port);
        let request = self.http.get(url).header("host", host).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    }
}
