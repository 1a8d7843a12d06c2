//! The signatures of receipts by fiscal devices. A receipt waits for its signature from the moment at which
//! it is completed; the device is asked after the commit, and again until it has signed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tenancy::{DbError, TenantTx};

use crate::ids::SaleId;
use crate::receipts::fiscal_device::{FiscalDevices, FiscalError, FiscalReceipt, Signed};
use crate::receipts::receipt;

/// The signature of a receipt. Some fields are `None` while the receipt waits.
#[derive(Debug, Clone)]
pub struct FiscalSignature {
    /// The name of the device.
    pub device: String,
    /// The number of the device; `None` while the receipt waits.
    pub serial_number: Option<String>,
    /// The signature; `None` while the receipt waits.
    pub signature: Option<String>,
    /// The text of the QR code, if the device prescribes it.
    pub qr_text: Option<String>,
    /// The time of the signature.
    pub signed_at: Option<DateTime<Utc>>,
    /// The reason of the last failure; `None` if the device signed or was not asked yet.
    pub failure: Option<String>,
}

tenancy::from_row!(FiscalSignature { device, serial_number, signature, qr_text, signed_at, failure });

/// The signature of a receipt; `None` if no device signs it.
///
/// # Errors
/// [`DbError`].
pub(super) async fn find(tx: &TenantTx, sale: SaleId) -> Result<Option<FiscalSignature>, DbError> {
    const FIND: &str = "
        SELECT device, serial_number, signature, qr_text, signed_at, failure
          FROM fiscal_signatures WHERE sale_id = $1";
    tx.row_opt(FIND, &[&sale]).await
}

/// A receipt that waits for its signature, and the name of its device.
#[derive(Debug, Clone)]
pub struct Waiting {
    device: String,
    receipt: FiscalReceipt,
}

/// A receipt, if it waits for its signature.
///
/// # Errors
/// [`DbError`].
pub async fn find_waiting(tx: &TenantTx, sale: SaleId) -> Result<Option<Waiting>, DbError> {
    const DEVICE: &str = "SELECT device FROM fiscal_signatures WHERE sale_id = $1 AND signed_at IS NULL";
    let Some(device) = tx.value_opt::<String>(DEVICE, &[&sale]).await? else { return Ok(None) };
    let receipt = receipt::read(tx, sale).await?;
    Ok(receipt.map(|receipt| Waiting { device, receipt: FiscalReceipt::of(&receipt) }))
}

/// Whether a receipt that waits is the oldest one of its device. Otherwise, older ones must be signed
/// first: a sale before its refund.
///
/// # Errors
/// [`DbError`].
pub async fn is_next(tx: &TenantTx, sale: SaleId) -> Result<bool, DbError> {
    const IS_NEXT: &str = "
        SELECT NOT EXISTS (
            SELECT FROM fiscal_signatures older JOIN fiscal_signatures this ON this.device = older.device
             WHERE this.sale_id = $1 AND older.signed_at IS NULL AND NOT older.is_refused
               AND older.created_at < this.created_at)";
    tx.value(IS_NEXT, &[&sale]).await
}

/// The receipts of one device of a business that are signed in a row.
const IN_A_ROW: i64 = 500;

/// The receipts that wait for each of these devices, oldest first, those that a device has refused last; at
/// most 500 of each.
///
/// # Errors
/// [`DbError`].
pub async fn waiting(tx: &TenantTx, devices: &FiscalDevices) -> Result<Vec<Waiting>, DbError> {
    const WAITING: &str = "
        SELECT sale_id FROM fiscal_signatures
         WHERE device = $1 AND signed_at IS NULL
         ORDER BY is_refused, created_at, sale_id LIMIT $2";
    let mut waiting = Vec::new();
    for device in devices.names() {
        for sale in tx.values::<SaleId>(WAITING, &[&device, &IN_A_ROW]).await? {
            waiting.extend(find_waiting(tx, sale).await?);
        }
    }
    Ok(waiting)
}

/// The time limit for the answer of a device.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer of a device about a receipt.
#[derive(Debug)]
pub struct Attempt {
    sale_id: SaleId,
    /// The signature, or the reason of the failure.
    pub outcome: Result<Signed, FiscalError>,
}

impl Waiting {
    /// Asks the device for the signature. No transaction is open meanwhile.
    pub async fn ask(&self, devices: &FiscalDevices) -> Attempt {
        let outcome = match devices.find(&self.device) {
            None => Err(FiscalError::NoAnswer("this server does not have the device".to_owned())),
            Some(device) => tokio::time::timeout(PATIENCE, device.sign(&self.receipt))
                .await
                .unwrap_or_else(|_| Err(FiscalError::NoAnswer("the device takes too long".to_owned()))),
        };
        Attempt { sale_id: self.receipt.sale_id, outcome }
    }

    /// The name of the device.
    pub fn device(&self) -> &str {
        &self.device
    }
}

impl Attempt {
    /// Stores the answer. A signature that is there already stays.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn store(&self, tx: &TenantTx) -> Result<(), DbError> {
        const SIGN: &str = "
            UPDATE fiscal_signatures
               SET serial_number = $2, signature = $3, qr_text = $4, signed_at = $5, failure = NULL
             WHERE sale_id = $1 AND signed_at IS NULL";
        const FAIL: &str = "
            UPDATE fiscal_signatures SET attempts = attempts + 1, failure = $2, is_refused = $3
             WHERE sale_id = $1 AND signed_at IS NULL";
        let stored = match &self.outcome {
            Ok(Signed { serial_number, signature, qr_text }) => {
                tx.execute(SIGN, &[&self.sale_id, serial_number, signature, qr_text, &tx.now()]).await
            }
            Err(error) => {
                let is_refused = matches!(error, FiscalError::Refused(_));
                tx.execute(FAIL, &[&self.sale_id, &error.to_string(), &is_refused]).await
            }
        };
        stored.map(drop)
    }
}
