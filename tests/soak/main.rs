//! Long tests in which many things happen at the same time. `scripts/soak` runs all parts. The module of each
//! part describes what must hold.

mod counter;
mod hearing;
mod isolation;
mod sequences;
mod tills;
mod trading;
mod verdict;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let amount: Option<usize> = arguments.next().and_then(|text| text.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match part.as_str() {
        "isolation" => runtime.block_on(isolation::soak(amount.unwrap_or(200_000))),
        "sequences" => runtime.block_on(sequences::soak(amount.unwrap_or(2000))),
        _ => runtime.block_on(trading::soak(amount.unwrap_or(5))),
    }
}
