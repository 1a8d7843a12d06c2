//! Simulated fiscal devices, for development and for tests: one signs everything, and one never answers.

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::{self, BoxFuture, FutureExt as _};

use crate::receipts::fiscal_device::{FiscalDevice, FiscalError, FiscalReceipt, Signed};

/// Signs every receipt at once. A receipt always has the same signature.
#[derive(Debug, Clone, Copy)]
pub struct Simulator;

const SERIAL_NUMBER: &str = "SIM-0001";

impl FiscalDevice for Simulator {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn sign<'a>(&'a self, receipt: &'a FiscalReceipt) -> BoxFuture<'a, Result<Signed, FiscalError>> {
        let FiscalReceipt { sale_id, reference, total, .. } = receipt;
        let hash = digest(&SHA256, format!("{SERIAL_NUMBER} {sale_id} {total}").as_bytes());
        let signature: String = hash.as_ref().iter().take(10).map(|byte| format!("{byte:02X}")).collect();
        let qr_text = format!("https://tax.example/{SERIAL_NUMBER}/{reference}/{signature}");
        let serial_number = SERIAL_NUMBER.to_owned();
        future::ready(Ok(Signed { serial_number, signature, qr_text: Some(qr_text) })).boxed()
    }
}

/// A device that nobody can reach: its receipts wait for their signatures.
#[derive(Debug, Clone, Copy)]
pub struct Unplugged;

impl FiscalDevice for Unplugged {
    fn name(&self) -> &'static str {
        "unplugged"
    }

    fn sign<'a>(&'a self, _: &'a FiscalReceipt) -> BoxFuture<'a, Result<Signed, FiscalError>> {
        future::ready(Err(FiscalError::NoAnswer("the device does not answer".to_owned()))).boxed()
    }
}
