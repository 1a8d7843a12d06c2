//! `tenantry stats`.

use std::process::ExitCode;

use platform::stats;

use crate::context;
use crate::format::{self, Listing};
use crate::output;

/// Prints the size and growth of every business.
pub async fn run(listing: Listing) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    let sizes =
        context::owner_database(&settings, 1).await?.write_shared(async |tx| stats::sizes(tx).await).await?;
    let columns = ["business", "schema", "rows", "size", "growth", "since"];
    let sizes = listing.arrange(sizes)?;
    format::rows(listing.output, &sizes, columns, |size| {
        [
            size.slug.clone(),
            size.schema.clone(),
            size.rows.to_string(),
            output::size(size.size_bytes),
            size.grown_bytes.map_or_else(String::new, |grown| {
                format!("{}{}", if grown < 0 { "-" } else { "+" }, output::size(grown.abs()))
            }),
            size.since.map_or_else(String::new, |day| day.to_string()),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}
