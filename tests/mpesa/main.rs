//! A simulator of M-Pesa, as a program of its own: it shows no telephone, but answers and reports as Daraja
//! does. The last two digits of a telephone number decide what its owner does; see [`Customer::of`].
//!
//! It prints its address, and serves until it is stopped. Tests steer it at the paths below /simulate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::receiver::{Posted, read};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

/// The secrets that a program needs. They are no secrets.
const KEY_AND_SECRET: &str = "simulator:simulator-secret";

/// What the owner of a telephone does with a request to pay.
#[derive(Clone, Copy, PartialEq)]
enum Customer {
    /// Pays.
    Pays,
    /// Refuses.
    Refuses,
    /// Pays, but the report is lost.
    PaysUnreported,
    /// Refuses, but the report is lost.
    RefusesUnreported,
    /// Does nothing.
    Sleeps,
    /// Pays. The report comes five times at once, and as a payment to the till number, too.
    PaysOften,
    /// Pays less than was asked for.
    PaysLess,
    /// Has no account.
    Unknown,
    /// Pays before the request is answered.
    PaysEarly,
    /// Does nothing, and the provider says so with a result that is not final.
    Busy,
}

impl Customer {
    fn of(phone: &str) -> Self {
        match phone.get(phone.len().saturating_sub(2)..).unwrap_or_default() {
            "01" => Self::Refuses,
            "02" => Self::PaysUnreported,
            "03" => Self::RefusesUnreported,
            "04" => Self::Sleeps,
            "05" => Self::PaysOften,
            "06" => Self::PaysLess,
            "07" => Self::Unknown,
            "08" => Self::PaysEarly,
            "09" => Self::Busy,
            _ => Self::Pays,
        }
    }
}

#[derive(Default)]
struct Books {
    /// The address for payments to till numbers.
    confirmation: Option<String>,
    /// What became of each request.
    requests: HashMap<String, Customer>,
    made: u64,
    /// The port of the server. It stands in the address if it is not set.
    port: Option<u16>,
}

#[derive(Clone, Default)]
struct Simulator {
    books: Arc<Mutex<Books>>,
    http: reqwest::Client,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let simulator = Simulator::default();
    while let Ok((connection, _)) = listener.accept().await {
        tokio::spawn(simulator.clone().serve(connection));
    }
}

/// The time that transactions have here.
const TIME: &str = "20261127102115";

impl Simulator {
    async fn serve(self, mut connection: TcpStream) {
        let mut bytes = Vec::new();
        while let Some(message) = read(&mut connection, &mut bytes).await {
            let (status, body) = self.answer(&message).await;
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n");
            let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            if connection.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, message: &Posted) -> (u16, Value) {
        let path = message.path.split('?').next().unwrap_or_default();
        let body = &message.body;
        if path.starts_with("/mpesa/") && message.header("authorization") != "Bearer simulated" {
            return (401, json!({"errorCode": "404.001.03", "errorMessage": "Invalid Access Token"}));
        }
        match path {
            "/oauth/v1/generate" => {
                use base64::Engine as _;
                let known = base64::engine::general_purpose::STANDARD.encode(KEY_AND_SECRET);
                match message.header("authorization") == format!("Basic {known}") {
                    true => (200, json!({"access_token": "simulated", "expires_in": "3599"})),
                    false => {
                        (400, json!({"errorCode": "400.008.01", "errorMessage": "Invalid Authentication"}))
                    }
                }
            }
            "/mpesa/c2b/v2/registerurl" => {
                let address = body["ConfirmationURL"].as_str().unwrap_or_default().to_owned();
                self.books.lock().unwrap().confirmation = Some(address);
                (200, json!({"ResponseCode": "0", "ResponseDescription": "Success"}))
            }
            "/mpesa/stkpush/v1/processrequest" => self.push(body).await,
            "/mpesa/stkpushquery/v1/query" => self.query(body),
            "/simulate/server" => {
                self.books.lock().unwrap().port = body["port"].as_u64().and_then(|port| port.try_into().ok());
                (200, json!({}))
            }
            "/simulate/payment" => self.pay(body).await,
            _ => (404, json!({})),
        }
    }

    fn next(&self, prefix: &str) -> String {
        let mut books = self.books.lock().unwrap();
        books.made += 1;
        format!("{prefix}{:07}", books.made)
    }

    /// Shows a request on a telephone.
    async fn push(&self, body: &Value) -> (u16, Value) {
        let phone = body["PhoneNumber"].as_str().unwrap_or_default();
        let customer = Customer::of(phone);
        let is_whole = body["Amount"].as_str().is_some_and(|amount| amount.parse::<u64>().is_ok());
        if customer == Customer::Unknown || !is_whole {
            return (
                400,
                json!({"errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid PhoneNumber"}),
            );
        }
        let id = self.next("ws_CO_");
        self.books.lock().unwrap().requests.insert(id.clone(), customer);
        let (reports, request) = (self.clone(), body.clone());
        let owner = {
            let id = id.clone();
            async move { reports.act(customer, &id, &request).await }
        };
        if customer == Customer::PaysEarly {
            owner.await;
        } else {
            tokio::spawn(owner);
        }
        (
            200,
            json!({"MerchantRequestID": "1", "CheckoutRequestID": id, "ResponseCode": "0",
                     "ResponseDescription": "Success. Request accepted for processing"}),
        )
    }

    async fn act(&self, customer: Customer, id: &str, request: &Value) {
        let asked: u64 = request["Amount"].as_str().unwrap().parse().unwrap();
        let phone: u64 = request["PhoneNumber"].as_str().unwrap().parse().unwrap();
        let callback = request["CallBackURL"].as_str().unwrap();
        let amount = if customer == Customer::PaysLess { asked - 10 } else { asked };
        if customer != Customer::PaysEarly {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let transaction = self.next("PUSH");
        let paid = json!({"Body": {"stkCallback": {
            "MerchantRequestID": "1", "CheckoutRequestID": id, "ResultCode": 0, "ResultDesc": "Processed",
            "CallbackMetadata": {"Item": [
                {"Name": "Amount", "Value": amount}, {"Name": "MpesaReceiptNumber", "Value": transaction},
                {"Name": "TransactionDate", "Value": TIME.parse::<u64>().unwrap()},
                {"Name": "PhoneNumber", "Value": phone}]},
        }}});
        let refused = json!({"Body": {"stkCallback": {
            "MerchantRequestID": "1", "CheckoutRequestID": id, "ResultCode": 1032,
            "ResultDesc": "Request cancelled by user",
        }}});
        match customer {
            Customer::Pays | Customer::PaysLess | Customer::PaysEarly => {
                self.report(callback, &paid, 1).await;
            }
            Customer::PaysOften => {
                let till = json!({
                    "tillNumber": request["PartyB"], "amount": amount.to_string(), "phone": "2547*****005",
                    "transactionId": transaction,
                });
                tokio::join!(self.report(callback, &paid, 5), self.pay(&till));
            }
            Customer::Refuses => drop(self.report(callback, &refused, 1).await),
            _ => {}
        }
    }

    fn query(&self, body: &Value) -> (u16, Value) {
        let id = body["CheckoutRequestID"].as_str().unwrap_or_default();
        match self.books.lock().unwrap().requests.get(id) {
            None => {
                (400, json!({"errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid Request"}))
            }
            Some(Customer::Sleeps) => (
                500,
                json!({"errorCode": "500.001.1001", "errorMessage": "The transaction is being processed"}),
            ),
            Some(Customer::Busy) => (
                200,
                json!({"ResponseCode": "0", "ResultCode": "4999",
                       "ResultDesc": "The transaction is still under processing"}),
            ),
            Some(Customer::Refuses | Customer::RefusesUnreported) => (
                200,
                json!({"ResponseCode": "0", "ResultCode": "1032", "ResultDesc": "Request cancelled by user"}),
            ),
            Some(_) => (200, json!({"ResponseCode": "0", "ResultCode": "0", "ResultDesc": "Processed"})),
        }
    }

    /// Lets a customer pay to a till number: `tillNumber`, `amount`, and possibly `phone`, `name`, `account`,
    /// `transactionId` and the number of reports in `times`. Answers with the transaction and the answers to
    /// the reports.
    async fn pay(&self, body: &Value) -> (u16, Value) {
        let transaction = body["transactionId"].as_str().map_or_else(|| self.next("TILL"), ToOwned::to_owned);
        let text = |field: &str, other: &str| body[field].as_str().unwrap_or(other).to_owned();
        let report = json!({
            "TransactionType": "Buy Goods", "TransID": transaction, "TransTime": TIME,
            "TransAmount": text("amount", "100.00"), "BusinessShortCode": text("tillNumber", ""),
            "BillRefNumber": text("account", ""), "InvoiceNumber": "", "OrgAccountBalance": "",
            "ThirdPartyTransID": "", "MSISDN": text("phone", "2547*****126"),
            "FirstName": text("name", "AMINA"), "MiddleName": "", "LastName": "",
        });
        let address = self.books.lock().unwrap().confirmation.clone();
        let Some(address) = address else { return (409, json!({"error": "no address was registered"})) };
        let times = body["times"].as_u64().unwrap_or(1);
        let statuses = self.report(&address, &report, times.try_into().unwrap()).await;
        (200, json!({"transactionId": transaction, "statuses": statuses}))
    }

    /// Sends a report several times at once. Returns the statuses of the answers.
    async fn report(&self, address: &str, report: &Value, times: usize) -> Vec<u16> {
        let url = url::Url::parse(address).unwrap();
        let port = self.books.lock().unwrap().port.or(url.port_or_known_default()).unwrap();
        let target = format!("http://127.0.0.1:{port}{}", url.path());
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap()),
            None => url.host_str().unwrap().to_owned(),
        };
        let one = async || {
            let request = self.http.post(&target).header("host", &host).json(report);
            request.send().await.map_or(0, |answer| answer.status().as_u16())
        };
        harness::join_all((0..times).map(|_| one()).collect()).await
    }
}
