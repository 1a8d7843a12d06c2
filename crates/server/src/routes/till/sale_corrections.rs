//! Refunds and voids of sales.

use actix_web::{HttpResponse, post, web};
use identity::Permission;
use inventory::CustomerId;
use inventory::basket::NewBasket;
use serde::Deserialize;
use till::sale_payment::NewSalePayment;
use till::selling::{Back, NewSale};
use till::{RegisterId, SaleId, sale_void};
use utoipa::ToSchema;
use values::{Money, Note, Reason};

use crate::http::caller::{may, role_lacks};
use crate::http::codes::Code;
use crate::http::etag::Tag;
use crate::http::extract::PathId;
use crate::http::money::with_currency;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};
use crate::routes::till::sale_view::SaleView;
use crate::routes::till::sales::{Pay, TakeBack, complete};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "registerId": "01920000-0000-7000-8000-000000000000", "reason": "not needed",
    "payments": [{"method": "cash"}],
}))]
pub struct RefundSale {
    /// Chosen by the client. The server recognises a repeated request by this id, even after its
    /// Idempotency-Key has expired. Defaults to a new id.
    id: Option<SaleId>,
    /// The register that refunds. It must have an open shift; it need not be the register of the sale.
    register_id: RegisterId,
    /// Defaults to no customer.
    customer_id: Option<CustomerId>,
    /// The reason of the refund.
    reason: Reason,
    /// The articles that come back, and amounts that are given back for lines. Defaults to everything that is
    /// left of the sale.
    #[schema(min_items = 1, max_items = 200)]
    returns: Option<Vec<TakeBack>>,
    /// An amount including taxes that is given back, and the customer keeps the goods. It is divided among
    /// the lines by what was sold of them. Not allowed with returns.
    amount: Option<Money>,
    /// For a refund of everything that is left: whether the goods can be sold again. false scraps them.
    /// Defaults to true.
    restock: Option<bool>,
    /// A note on the receipt. Defaults to none.
    note: Option<Note>,
    /// The payments, which are negative. One may leave out its amount: it pays back what is left.
    #[schema(max_items = 20)]
    payments: Vec<Pay>,
}

impl RefundSale {
    /// What comes back of the sale.
    fn back(&mut self, sale_id: SaleId) -> Result<Vec<Back>, Problem> {
        match (self.returns.take(), self.amount, self.restock) {
            (None, None, restock) => Ok(vec![Back::Rest { sale_id, is_restocked: restock.unwrap_or(true) }]),
            (None, Some(amount), None) => Ok(vec![Back::Part { sale_id, amount }]),
            (Some(returns), None, None) if !returns.is_empty() => {
                returns.into_iter().enumerate().map(|(index, back)| back.checked(index)).collect()
            }
            _ => {
                let message = "send either returns or amount, or leave both out to refund everything that is \
                               left; restock belongs to each return";
                Err(Problem::invalid("/returns", Code::InvalidValue, message))
            }
        }
    }
}

/// Refund a sale
///
/// Takes articles of a sale back, or gives money back, in the open shift of any register. The refund is a
/// receipt with a number of its own. At most what was sold and has not come back can be refunded. Requires an
/// Idempotency-Key header.
#[utoipa::path(tag = "till", operation_id = "refundSale", request_body = RefundSale,
    responses((status = 201, body = SaleView)), params(("id" = SaleId, Path,)))]
#[post("/sales/{id}/refunds")]
pub async fn refund(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, RefundSale>,
    PathId(sale_id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    if !once.caller.may(Permission::TillApprove) {
        return Err(role_lacks(Permission::TillApprove));
    }
    let mut body = body;
    let back = body.back(sale_id)?;
    let new = NewSale {
        request: once.requested(body.id, SaleId::new),
        register_id: body.register_id,
        customer_id: body.customer_id,
        basket: NewBasket { lines: Vec::new(), discount: None, may_set_prices: false },
        refunded: Some(sale_id),
        back,
        reason: Some(body.reason),
        note: body.note,
        payments: body.payments.into_iter().map(NewSalePayment::from).collect(),
    };
    complete(&state, &once, &new).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VoidSale {
    /// The reason.
    reason: Reason,
}

/// Void a sale
///
/// Undoes a sale in its own shift, while the shift is open: the goods are on hand again, and the payments do
/// not count. Pay them back to the customer. The receipt keeps its number. A sale of which something came
/// back cannot be voided. Requires the permission till.approve.
#[utoipa::path(tag = "till", operation_id = "voidSale", request_body = VoidSale,
    responses((status = 200, body = SaleView)), params(("id" = SaleId, Path,)))]
#[post("/sales/{id}/void")]
pub async fn void(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, VoidSale>,
    PathId(id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    if !once.caller.may(Permission::TillApprove) {
        return Err(role_lacks(Permission::TillApprove));
    }
    once.run(&state.database, Key::Optional, async |tx| {
        let (currency, sale) = with_currency(tx, sale_void::void(tx, id, &body.reason, once.actor())).await?;
        Answer::ok(Tag::of_version(sale.version), &SaleView::new(sale, &currency))
    })
    .await
}
