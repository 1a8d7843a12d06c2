//! The reports of M-Pesa.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use values::Money;

use crate::mobile_money::provider::{ReportError, ReportedPayment, RequestOutcome};

/// The report of a payment to a till number, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Confirmation {
    #[serde(rename = "TransID")]
    trans_id: String,
    trans_time: Value,
    trans_amount: Value,
    business_short_code: Value,
    bill_ref_number: Option<String>,
    #[serde(rename = "MSISDN")]
    msisdn: Option<Value>,
    first_name: Option<String>,
    middle_name: Option<String>,
    last_name: Option<String>,
}

/// The report of the outcome of a request.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Callback {
    body: CallbackBody,
}

#[derive(Deserialize)]
struct CallbackBody {
    #[serde(rename = "stkCallback")]
    result: CallbackResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallbackResult {
    result_code: Value,
    result_desc: Option<String>,
    callback_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    item: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    name: String,
    value: Option<Value>,
}

pub(super) fn read_payment(report: &Value) -> Result<ReportedPayment, ReportError> {
    let report: Confirmation = parse(report)?;
    let names = [&report.first_name, &report.middle_name, &report.last_name];
    let names: Vec<&str> = names.into_iter().filter_map(|name| Some(name.as_deref()?.trim())).collect();
    let till_number = text_of(&report.business_short_code);
    Ok(ReportedPayment {
        transaction_id: transaction_id(&report.trans_id)?,
        till_number: Some(clean(&till_number).ok_or_else(|| refuse("BusinessShortCode is empty"))?),
        amount: amount(&report.trans_amount)?,
        payer: report.msisdn.as_ref().and_then(|msisdn| clean(&text_of(msisdn))),
        payer_name: clean(&names.join(" ")),
        account: report.bill_ref_number.as_deref().and_then(clean),
        paid_at: time(&report.trans_time)?,
    })
}

pub(super) fn read_outcome(report: &Value) -> Result<RequestOutcome, ReportError> {
    let report = parse::<Callback>(report)?.body.result;
    if text_of(&report.result_code) != "0" {
        return Ok(RequestOutcome::Declined(reason(report.result_desc)));
    }
    let items = report.callback_metadata.map(|metadata| metadata.item).unwrap_or_default();
    let find = |name: &str| items.iter().find(|item| item.name == name)?.value.as_ref();
    let need = |name: &str| find(name).ok_or_else(|| refuse(format!("{name} is missing")));
    Ok(RequestOutcome::Paid(Some(ReportedPayment {
        transaction_id: transaction_id(&text_of(need("MpesaReceiptNumber")?))?,
        till_number: None,
        amount: amount(need("Amount")?)?,
        payer: find("PhoneNumber").and_then(|phone| clean(&text_of(phone))),
        payer_name: None,
        account: None,
        paid_at: time(need("TransactionDate")?)?,
    })))
}

/// The reason why a customer did not pay.
pub(super) fn reason(description: Option<String>) -> String {
    description.as_deref().and_then(clean).unwrap_or_else(|| "no reason was given".to_owned())
}

fn parse<'a, T: Deserialize<'a>>(report: &'a Value) -> Result<T, ReportError> {
    T::deserialize(report).map_err(|error| refuse(error.to_string()))
}

fn refuse(problem: impl Into<String>) -> ReportError {
    ReportError(problem.into())
}

/// M-Pesa sends some fields as numbers or as texts.
pub(super) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn transaction_id(text: &str) -> Result<String, ReportError> {
    let text = text.trim();
    let has_form = (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if has_form {
        Ok(text.to_ascii_uppercase())
    } else {
        Err(refuse("the number of the transaction must have 1 to 40 letters and digits"))
    }
}

fn amount(value: &Value) -> Result<Money, ReportError> {
    let amount = Money::parse(&text_of(value)).ok().filter(|amount| amount.is_positive());
    amount.ok_or_else(|| refuse("the amount is no number greater than zero"))
}

/// M-Pesa sends the time of Nairobi, such as 20261127183000.
fn time(value: &Value) -> Result<DateTime<Utc>, ReportError> {
    const NAIROBI: Option<FixedOffset> = FixedOffset::east_opt(3 * 3600);
    let local = NaiveDateTime::parse_from_str(&text_of(value), "%Y%m%d%H%M%S").ok();
    let time = local.zip(NAIROBI).and_then(|(local, zone)| local.and_local_timezone(zone).single());
    time.map(|time| time.to_utc()).ok_or_else(|| refuse("the time"))
}

/// The longest text that is kept.
const MAX_LENGTH: usize = 100;

/// A text as it can be stored and shown. `None` if nothing is left.
fn clean(text: &str) -> Option<String> {
    let visible: String = text.chars().filter(|letter| !letter.is_control()).take(MAX_LENGTH).collect();
    Some(visible.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_payment_to_a_till_is_read() {
        let report = r#"{"TransactionType":"Buy Goods","TransID":"rkTQDM7W6S","TransTime":"20261127063845",
            "TransAmount":"10.50","BusinessShortCode":"600638","BillRefNumber":"","MSISDN":"2547*****126",
            "FirstName":"AMINA","MiddleName":"","LastName":"K\u0000"}"#;
        let payment = read_payment(&json(report)).unwrap();
        assert_eq!(payment.transaction_id, "RKTQDM7W6S");
        assert_eq!(payment.till_number.as_deref(), Some("600638"));
        assert_eq!(payment.amount, Money::parse("10.50").unwrap());
        assert_eq!(payment.payer.as_deref(), Some("2547*****126"));
        assert_eq!((payment.payer_name.as_deref(), payment.account), (Some("AMINA  K"), None));
        assert_eq!(payment.paid_at.to_rfc3339(), "2026-11-27T03:38:45+00:00");
        for (field, other) in [
            ("rkTQDM7W6S", ""),
            ("rkTQDM7W6S", "a b"),
            ("10.50", "-10"),
            ("10.50", "0"),
            ("10.50", "1e3"),
            ("10.50", "99999999999"),
            ("20261127063845", "20261327063845"),
            ("600638", " "),
        ] {
            assert!(read_payment(&json(&report.replace(field, other))).is_err(), "{other}");
        }
    }

    #[test]
    fn the_outcome_of_a_request_is_read() {
        let paid = r#"{"Body":{"stkCallback":{"CheckoutRequestID":"ws_1","ResultCode":0,"ResultDesc":"done",
            "CallbackMetadata":{"Item":[{"Name":"Amount","Value":150.00},{"Name":"Balance"},
            {"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"},
            {"Name":"TransactionDate","Value":20261127102115},
            {"Name":"PhoneNumber","Value":254708374149}]}}}}"#;
        let RequestOutcome::Paid(Some(payment)) = read_outcome(&json(paid)).unwrap() else { panic!() };
        assert_eq!(payment.amount, Money::parse("150").unwrap());
        assert_eq!(payment.payer.as_deref(), Some("254708374149"));
        let cancelled =
            r#"{"Body":{"stkCallback":{"ResultCode":1032,"ResultDesc":"Request cancelled by user"}}}"#;
        let declined = RequestOutcome::Declined("Request cancelled by user".to_owned());
        assert_eq!(read_outcome(&json(cancelled)), Ok(declined));
        assert!(read_outcome(&json("{}")).is_err());
        assert!(read_outcome(&json(r#"{"Body":{"stkCallback":{"ResultCode":0}}}"#)).is_err());
    }
}
