//! Fiscal devices sign receipts where the law requires it. A device is a box at the till or a service. Each
//! kind of device implements [`FiscalDevice`] and gets a name in [`FiscalDevices::of_names`].

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use rust_decimal::Decimal;
use serde::Serialize;
use values::{Name, Percent};

use crate::ids::SaleId;
use crate::receipts::receipt::Receipt;
use crate::receipts::simulator::{Simulator, Unplugged};
use crate::sales::sale::SaleKind;

/// A receipt to be signed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FiscalReceipt {
    /// The id. A device that is asked twice for the same id must return the same signature.
    pub sale_id: SaleId,
    /// The printed number.
    pub reference: String,
    /// The kind of the receipt.
    pub kind: SaleKind,
    /// The printed numbers of the earlier receipts that this receipt refunds in whole or in part.
    pub returned_from: Vec<String>,
    /// The time of the sale.
    pub sold_at: DateTime<Utc>,
    /// The code of the currency.
    pub currency: String,
    /// The total; negative if it was paid back.
    pub total: Decimal,
    /// The taxes by rate.
    pub taxes: Vec<FiscalTax>,
    /// The number by which the tax office knows the business.
    pub tax_number: Option<String>,
    /// The beginning of the hash in the chain of receipts.
    pub hash: Option<String>,
}

/// The tax of a receipt at one rate.
#[derive(Debug, Clone, Serialize)]
pub struct FiscalTax {
    /// The name of the rate.
    pub name: Name,
    /// The rate.
    pub percent: Percent,
    /// The amount without any tax.
    pub net: Decimal,
    /// The tax.
    pub tax: Decimal,
}

impl FiscalReceipt {
    pub(super) fn of(receipt: &Receipt) -> Self {
        let sale = &receipt.sale;
        let tax = |total: &super::receipt::TaxTotal| FiscalTax {
            name: total.name.clone(),
            percent: total.percent,
            net: total.net,
            tax: total.tax,
        };
        Self {
            sale_id: sale.id,
            reference: sale.reference(),
            kind: sale.kind,
            returned_from: receipt.returned_from.clone(),
            sold_at: sale.sold_at,
            currency: receipt.currency.code().to_owned(),
            total: sale.total.as_decimal(),
            taxes: receipt.taxes.iter().map(tax).collect(),
            tax_number: receipt.profile.tax_number.as_ref().map(ToString::to_string),
            hash: receipt.hash(),
        }
    }
}

/// The answer of a device that signed a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The number of the device.
    pub serial_number: String,
    /// The signature, as it is printed.
    pub signature: String,
    /// The text of the QR code, if the device prescribes it.
    pub qr_text: Option<String>,
}

/// A device did not sign. It is asked again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FiscalError {
    /// The device did not answer, so that it will not answer for other receipts either.
    #[error("{0}")]
    NoAnswer(String),
    /// The device refused this receipt.
    #[error("{0}")]
    Refused(String),
}

/// A kind of fiscal device.
pub trait FiscalDevice: Send + Sync {
    /// The name of the device in registers and in `till.fiscal_devices`.
    fn name(&self) -> &'static str;

    /// Signs a receipt. The caller may drop the future early and send the receipt again. The device must
    /// then return the same signature.
    fn sign<'a>(&'a self, receipt: &'a FiscalReceipt) -> BoxFuture<'a, Result<Signed, FiscalError>>;
}

/// The fiscal devices that a server can reach.
#[derive(Clone, Default)]
pub struct FiscalDevices(Vec<Arc<dyn FiscalDevice>>);

impl fmt::Debug for FiscalDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|device| device.name())).finish()
    }
}

/// No fiscal device of this program has the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown fiscal device {0}; use simulator or unplugged")]
pub struct UnknownDevice(pub String);

impl FiscalDevices {
    /// These devices.
    pub fn new(devices: Vec<Arc<dyn FiscalDevice>>) -> Self {
        Self(devices)
    }

    /// The devices of this program with these names.
    ///
    /// # Errors
    /// [`UnknownDevice`].
    pub fn of_names(names: &[String]) -> Result<Self, UnknownDevice> {
        let device = |name: &String| -> Result<Arc<dyn FiscalDevice>, UnknownDevice> {
            match name.as_str() {
                "simulator" => Ok(Arc::new(Simulator)),
                "unplugged" => Ok(Arc::new(Unplugged)),
                _ => Err(UnknownDevice(name.clone())),
            }
        };
        names.iter().map(device).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is no device.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the devices.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|device| device.name()).collect()
    }

    pub(super) fn find(&self, name: &str) -> Option<&dyn FiscalDevice> {
        self.0.iter().find(|device| device.name() == name).map(AsRef::as_ref)
    }
}
