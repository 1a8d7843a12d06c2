//! The members that some codes add to a problem document.

use chrono::{DateTime, Utc};
use inventory::counter::Counter;
use inventory::{LocationId, VariantId};
use serde::Serialize;
use till::ShiftId;
use till::approval::Approves;
use utoipa::ToSchema;
use uuid::Uuid;
use values::{Amount, Name, Quantity, Sku};

/// The members, for the API document. Each problem has those that its code needs.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the API document alone reads the fields")]
pub struct Members {
    /// With insufficient_stock: each short variant.
    #[schema(nullable = false)]
    shortages: Option<Vec<Shortage>>,
    /// With wrong_status, illegal_move and lines_frozen: the status of the document.
    #[schema(nullable = false, example = "RECEIVED")]
    document_status: Option<String>,
    /// With illegal_move: the statuses that may follow.
    #[schema(nullable = false, example = json!(["SENT", "CANCELLED"]))]
    allowed: Option<Vec<String>>,
    /// With plan_limit_reached: the largest number that the plan of the business allows.
    #[schema(nullable = false, example = 3)]
    plan_limit: Option<i32>,
    /// With insufficient_credit, credit_over_limit and payment_too_small: the largest amount.
    #[schema(nullable = false)]
    available: Option<Amount>,
    /// With other_total: the total of the server.
    #[schema(nullable = false)]
    total: Option<Amount>,
    /// With underpaid: the amount that is missing.
    #[schema(nullable = false)]
    missing: Option<Amount>,
    /// With not_paid_back: the amount to pay back.
    #[schema(nullable = false)]
    pay_back: Option<Amount>,
    /// With overpaid: the amount that is too much.
    #[schema(nullable = false)]
    surplus: Option<Amount>,
    /// With cash_not_rounded: amounts of cash must be multiples of this amount.
    #[schema(nullable = false)]
    step: Option<Amount>,
    /// With some problems of one article: its variant.
    #[schema(nullable = false)]
    variant_id: Option<VariantId>,
    /// With shift_not_closed: the shift that is still open.
    #[schema(nullable = false)]
    shift_id: Option<ShiftId>,
    /// With licence_ended: the end of the licence.
    #[schema(nullable = false)]
    valid_until: Option<DateTime<Utc>>,
    /// With location_not_empty: the stock of the location.
    #[schema(nullable = false)]
    stock: Option<Vec<StockLeft>>,
    /// With documents_under_way: the documents to finish or cancel.
    #[schema(nullable = false)]
    documents: Option<Vec<DocumentUnderWay>>,
    /// With approval_required: the approval that is necessary.
    #[schema(nullable = false)]
    approval: Option<NeededApproval>,
    /// With events_gone: the position after which the events are kept.
    #[schema(nullable = false, example = "1-4711")]
    next: Option<String>,
}

impl Members {
    /// The names in the document.
    pub const NAMES: [&str; 17] = [
        "shortages",
        "documentStatus",
        "allowed",
        "planLimit",
        "available",
        "total",
        "missing",
        "payBack",
        "surplus",
        "step",
        "variantId",
        "shiftId",
        "validUntil",
        "stock",
        "documents",
        "approval",
        "next",
    ];
}

/// A variant of which too little is available.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    pub variant_id: VariantId,
    /// The SKU of the variant; null if it is not known here.
    pub sku: Option<Sku>,
    /// The name of the product; null if it is not known here.
    pub name: Option<Name>,
    pub location_id: LocationId,
    /// The quantity that was requested.
    #[schema(example = "5")]
    pub requested: Quantity,
    /// The quantity that is available.
    #[schema(example = "3")]
    pub available: Quantity,
}

/// Stock of a location that is to be archived.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockLeft {
    pub variant_id: VariantId,
    /// The SKU of the variant.
    pub sku: Sku,
    /// The quantity on hand.
    pub on_hand: Quantity,
}

/// A document that is still under way.
#[derive(Serialize, ToSchema)]
pub struct DocumentUnderWay {
    /// The type of the document.
    pub r#type: Counter,
    pub id: Uuid,
    /// The number as it is printed.
    #[schema(example = "SO-000042")]
    pub reference: String,
}

/// An approval that a sale needs.
#[derive(Serialize, ToSchema)]
pub struct NeededApproval {
    /// The action to approve.
    pub approves: Approves,
    /// The amount to approve; null if the action has none.
    pub amount: Option<Amount>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn every_member_is_described() {
        let schema = json!(Members::schema());
        let mut described: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let mut named = Members::NAMES.to_vec();
        described.sort();
        named.sort_unstable();
        assert_eq!(described, named);
    }
}
