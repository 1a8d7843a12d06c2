//! The names of schemas, as clients that are generated from the document have them as classes.
//!
//! Names of Rust types say how a type is used here, such as `OrderView`. In the document, a resource is
//! called `Order`, and a page of them `OrderPage`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Types whose names say too little outside of their module, or would collide with another one.
const NAMES: [(&str, &str); 40] = [
    ("Action", "AuditAction"),
    ("AdjustedView", "AdjustmentReportRow"),
    ("BothFactors", "SecondFactorProof"),
    ("BusinessView", "MemberBusinessSummary"),
    ("ChangeView", "AuditEntry"),
    ("Code", "ProblemCode"),
    ("Confirmation", "EmailConfirmationState"),
    ("Confirmed", "StepUpResult"),
    ("ConfirmedView", "EmailConfirmation"),
    ("Counter", "NumberedDocument"),
    ("DeadStockView", "DeadStockReportRow"),
    ("DenominationReport", "CountedDenomination"),
    ("EntryView", "PlatformAuditEntry"),
    ("EventsView", "EventList"),
    ("Fault", "BookFaultKind"),
    ("Format", "ListFormat"),
    ("Kind", "MovementKind"),
    ("LedgerView", "LedgerCheck"),
    ("Limit", "PageLimit"),
    ("LoginView", "SignedIn"),
    ("MethodReport", "ShiftPayments"),
    ("Need", "ShiftCloseNeed"),
    ("Nothing", "EmptyBody"),
    ("Outcome", "DeliveryOutcome"),
    ("PaymentsView", "PaymentReportRow"),
    ("Period", "ReportPeriod"),
    ("ReceiptId", "GoodsReceiptId"),
    ("ReceiptView", "GoodsReceipt"),
    ("ReceiptsReport", "ShiftReceipts"),
    ("RecordView", "DnsRecord"),
    ("SalesView", "SalesReportRow"),
    ("SeriesReport", "ShiftSeries"),
    ("SetPasswordView", "NewPassword"),
    ("SoldView", "SoldAmounts"),
    ("Standing", "LicenceStanding"),
    ("StockView", "StockReportRow"),
    ("TaxReport", "ShiftTaxes"),
    ("TaxesView", "TaxReportRow"),
    ("TenantSlug", "Slug"),
    ("TodayView", "Today"),
];

/// Gives the schemas their names, and replaces each schema of a list's rows by a reference to it.
pub fn complete(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    refer_to_arguments(schemas);
    let renamed: BTreeMap<String, String> =
        schemas.keys().map(|name| (name.clone(), public_name(name))).collect();
    let distinct: BTreeSet<&String> = renamed.values().collect();
    assert_eq!(distinct.len(), renamed.len(), "two schemas have the same public name");
    *schemas =
        std::mem::take(schemas).into_iter().map(|(name, schema)| (renamed[&name].clone(), schema)).collect();
    rename_references(document, &renamed);
}

/// The name in the document. A generic type stands before its argument: `PageView_OrderView` is a page of
/// `OrderView`.
fn public_name(name: &str) -> String {
    if let Some((generic, argument)) = name.split_once('_') {
        let argument = public_name(argument);
        let argument = argument.strip_suffix("ReportRow").unwrap_or(&argument);
        return match generic {
            "PageView" => format!("{argument}Page"),
            "SpanReportView" => format!("{argument}Report"),
            "PreviousView" => format!("Previous{argument}Report"),
            _ => format!("{generic}{argument}"),
        };
    }
    if let Some((_, public)) = NAMES.iter().find(|(internal, _)| *internal == name) {
        return (*public).to_owned();
    }
    name.strip_suffix("View").unwrap_or(name).to_owned()
}

/// utoipa writes the schema of a type argument out wherever a generic type uses it, and a generic type within
/// another one.
fn refer_to_arguments(schemas: &mut Map<String, Value>) {
    let generic: Vec<String> = schemas.keys().filter(|name| name.contains('_')).cloned().collect();
    for name in &generic {
        let Some((_, argument)) = name.split_once('_') else { continue };
        let Some(written_out) = schemas.get(argument).cloned() else { continue };
        if let Some(schema) = schemas.get_mut(name) {
            refer(schema, &written_out, argument);
        }
    }
    for name in &generic {
        let Some(written_out) = schemas.get(name).cloned() else { continue };
        for (_, schema) in schemas.iter_mut().filter(|(other, _)| *other != name && generic.contains(other)) {
            refer(schema, &written_out, name);
        }
    }
}

/// Replaces each copy of `written_out` below `value` by a reference.
fn refer(value: &mut Value, written_out: &Value, name: &str) {
    if value == written_out {
        *value = json!({"$ref": format!("{SCHEMAS}{name}")});
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| refer(value, written_out, name)),
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, written_out, name)),
        _ => {}
    }
}

const SCHEMAS: &str = "#/components/schemas/";

fn rename_references(value: &mut Value, renamed: &BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(reference) if name == "$ref" => {
                        let public = reference.strip_prefix(SCHEMAS).and_then(|name| renamed.get(name));
                        if let Some(public) = public {
                            *reference = format!("{SCHEMAS}{public}");
                        }
                    }
                    other => rename_references(other, renamed),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, renamed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::document::document;

    #[test]
    fn a_name_says_what_it_stands_for() {
        for (internal, public) in [
            ("OrderView", "Order"),
            ("PageView_OrderView", "OrderPage"),
            ("Positive_Quantity", "PositiveQuantity"),
            ("SpanReportView_SalesView", "SalesReport"),
            ("Money", "Money"),
        ] {
            assert_eq!(public_name(internal), public);
        }
    }

    #[test]
    fn no_two_schemas_share_a_name_and_no_rows_are_written_out() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for (name, schema) in schemas {
            assert!(!name.contains('_') && !name.ends_with("View"), "{name}");
            if let Some(rows) = schema["properties"].get("data").filter(|_| name.ends_with("Page")) {
                assert!(rows["items"]["$ref"].is_string(), "{name}: {rows}");
            }
        }
        let lower: std::collections::HashSet<_> = schemas.keys().map(|name| name.to_lowercase()).collect();
        assert_eq!(lower.len(), schemas.len(), "generated files may differ in letter case alone");
    }
}
