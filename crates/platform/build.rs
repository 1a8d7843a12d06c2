//! Builds the crate again when a migration file comes or changes: the files are embedded in it.

fn main() {
    for folder in ["../../migrations_shared", "../../migrations_tenant"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
