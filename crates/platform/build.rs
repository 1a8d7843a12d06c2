//! Rebuilds the crate when a migration file is added or changed, because the crate embeds these files.

fn main() {
    for folder in ["../../migrations_shared", "../../migrations_tenant"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
