//! Keys of rows, each a type of its own.

values::ids! {
    /// The id of a register.
    RegisterId,
}
