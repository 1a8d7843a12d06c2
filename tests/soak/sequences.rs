//! Two requests compete for the last unit, many times. Then random sequences of documents are posted, after
//! each of which the books must add up.

use harness::sequences::{parts, till, value};
use harness::{TestApp, contest};

/// The sequences of each kind in a business. The reports read all documents of a business.
const IN_A_BUSINESS: usize = 100;

/// Posts this number of sequences of each kind, rounded up to hundreds.
pub async fn soak(sequences: usize) {
    let app = TestApp::start().await;
    println!("two requests compete for the last unit, a hundred times in each pair of ways");
    let contested = app.tenant("contest").await;
    contest::last_unit(&contested, 100).await;
    assert_eq!(contested.get("/api/v1/stock/ledger").await.body["holds"], true);

    let seed = fastrand::u64(..1 << 32);
    println!("{sequences} random sequences of documents of each kind, seed {seed}");
    for part in 0..sequences.div_ceil(IN_A_BUSINESS) {
        let seed = seed + part as u64;
        let valued = app.tenant(&format!("values-{part}")).await;
        let parted = app.tenant(&format!("parts-{part}")).await;
        let tilled = app.tenant(&format!("tills-{part}")).await;
        tokio::join!(
            value::is_conserved(&valued, IN_A_BUSINESS, seed),
            parts::add_up(&parted, IN_A_BUSINESS, seed),
            till::adds_up(&tilled, IN_A_BUSINESS, seed)
        );
        println!("{} of {sequences} add up", (part + 1) * IN_A_BUSINESS);
    }
}
