//! Builds the crate again when a migration file comes or changes: the files are embedded in it.

fn main() {
    for folder in ["../../migrations_shared", "../../migrations_tenant"] {
        // Cargo's way of listening is standard output.
        #[expect(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]
        {
            println!("cargo:rerun-if-changed={folder}");
        }
    }
}
