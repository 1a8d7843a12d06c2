//! Long tests in which many failures happen at the same time. `scripts/soak` runs both parts. The module of
//! each part describes what must hold.

mod hearing;
mod isolation;
mod trading;
mod verdict;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let amount: Option<usize> = arguments.next().and_then(|text| text.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if part != "trading" {
        runtime.block_on(isolation::soak(amount.unwrap_or(200_000)));
    }
    if part != "isolation" {
        runtime.block_on(trading::soak(amount.filter(|_| part == "trading").unwrap_or(5)));
    }
}
