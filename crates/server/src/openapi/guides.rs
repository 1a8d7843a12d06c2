//! The description of the API and the guides, which stand before the operations in viewers of the document.

use std::fmt::Write;

const DESCRIPTION: &str = "A backend for shops: catalogue, stock, orders, purchasing, the till and reports. \
    Each business has its own host. Sign in on that host with POST /api/v1/auth/login, and send the token in \
    the header `Authorization: Bearer TOKEN`. A program sends an API key of the business in the same way. \
    Amounts and quantities are decimal strings, such as \"12.50\". Amounts are in the currency of the \
    business, and quantities in sale units. Times are in UTC. [Error codes](/docs/errors) explains each \
    code.";

/// The guides, in the order in which a newcomer needs them.
const GUIDES: [&str; 7] = [
    include_str!("../../../../docs/guides/first-order.md"),
    include_str!("../../../../docs/guides/idempotency.md"),
    include_str!("../../../../docs/guides/pages.md"),
    include_str!("../../../../docs/guides/copies.md"),
    include_str!("../../../../docs/guides/errors.md"),
    include_str!("../../../../docs/guides/webhooks.md"),
    include_str!("../../../../docs/guides/versions.md"),
];

/// The description with the guides, as CommonMark.
pub fn text() -> String {
    let mut text = DESCRIPTION.to_owned();
    for guide in GUIDES {
        let _ = write!(text, "\n\n{}", guide.trim_end());
    }
    text
}
