//! Members of the app pos, at their tills.

use serde_json::{Value, json};

use chrono::Utc;
use tenancy::{DbError, TenantTx};
use till::MobilePaymentId;
use till::mobile_payment::NewMobilePayment;
use values::Money;

use crate::app::{PASSWORD, Reply, TestApp};
use crate::business::{Business, Client};

/// A member of the app pos who has signed in at a device, and the id of the user.
pub struct Cashier<'a> {
    pub client: Client<'a>,
    pub user: Value,
}

impl<'a> std::ops::Deref for Cashier<'a> {
    type Target = Client<'a>;
    fn deref(&self) -> &Client<'a> {
        &self.client
    }
}

impl<'a> Cashier<'a> {
    /// A member with this role, who signs in at a device of its own.
    pub async fn sign_in(app: &'a TestApp, at: &Business<'a>, role: &str) -> Self {
        let name = uuid::Uuid::now_v7().simple().to_string();
        let email = format!("{}-{name}@{}.test", role.replace('_', "-"), at.tenant.slug);
        app.member_of_app(&email, "pos", Some(&at.tenant), &[role]).await;
        let login = json!({"email": email, "password": PASSWORD, "app": "pos", "device": "Till 1"});
        let reply = app.stranger(&at.host).post("/api/v1/auth/login", &login).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        Self {
            client: at.with_token(reply.body["accessToken"].as_str()),
            user: reply.body["user"]["id"].clone(),
        }
    }

    /// Sets the PIN.
    pub async fn set_pin(&self, pin: &str) {
        let set = self.put("/api/v1/auth/pin", &json!({"currentPassword": PASSWORD, "pin": pin})).await;
        assert_eq!(set.status, 204, "{set:?}");
    }

    /// Asks another member, who enters a PIN at this device, to approve the difference of a shift.
    pub async fn ask(&self, approver: &Value, pin: &str, shift: &Value) -> Reply {
        let path = format!("/api/v1/shifts/{}/approval", shift["id"].as_str().unwrap());
        self.post(&path, &json!({"userId": approver, "pin": pin})).await
    }
}

/// A register of the business. Returns its id.
pub async fn register(business: &Business<'_>, series: &str) -> Value {
    let new = json!({"name": format!("Till {series}"), "series": series});
    let reply = business.post("/api/v1/registers", &new).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body["id"].clone()
}

/// Opens a shift at a register. Returns the shift.
pub async fn open_shift(client: &Client<'_>, register: &Value, float: &str) -> Value {
    let reply = client.submit("shifts", &json!({"registerId": register, "openingFloat": float})).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body
}

/// Sells lines at a register, with these payments.
pub async fn sell(client: &Client<'_>, register: &Value, lines: Value, payments: Value) -> Reply {
    let body = json!({"registerId": register, "lines": lines, "payments": payments});
    client.submit("sales", &body).await
}

/// Sells units of a variant for cash, exactly paid.
pub async fn sell_units(client: &Client<'_>, register: &Value, variant: &Value, quantity: &str) -> Reply {
    let lines = json!([{"variantId": variant, "quantity": quantity}]);
    sell(client, register, lines, json!([{"method": "cash"}])).await
}

/// Refunds a sale at a register with the fields of `what`, in cash.
pub async fn refund(client: &Client<'_>, register: &Value, sale: &Value, what: Value) -> Reply {
    let mut body = json!({"registerId": register, "reason": "broken", "payments": [{"method": "cash"}]});
    body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    client.submit(&format!("sales/{}/refunds", sale["id"].as_str().unwrap()), &body).await
}

/// Gives a business its till number.
pub async fn set_till_number(business: &Business<'_>, number: &str) {
    let reply = business.put("/api/v1/business/till-number", &json!({"tillNumber": number})).await;
    assert_eq!(reply.status, 204, "{reply:?}");
}

/// Delivers a payment by mobile money to a business, as if the provider had reported it. Returns its id.
pub async fn reported_payment(app: &TestApp, business: &Business<'_>, amount: &str) -> Value {
    let id = MobilePaymentId::new();
    let new = NewMobilePayment {
        id,
        provider: "mpesa".to_owned(),
        transaction_id: id.to_string().replace('-', "").to_uppercase(),
        till_number: "522533".to_owned(),
        amount: Money::parse(amount).unwrap(),
        currency: "EUR".to_owned(),
        payer: Some("2547*****126".to_owned()),
        payer_name: Some("AMINA".to_owned()),
        account: None,
        request_id: None,
        paid_at: Utc::now(),
        received_at: Utc::now(),
    };
    let receive = async |tx: &TenantTx| till::payment_matching::receive(tx, &new).await;
    let received: Result<(), DbError> = app.database.pool(1).write(&business.tenant.scope(), receive).await;
    received.unwrap();
    json!(id)
}
