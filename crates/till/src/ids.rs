//! Keys of rows, each a type of its own.

values::ids! {
    /// The id of a register.
    RegisterId,
    /// The id of a shift. The client may choose it.
    ShiftId,
    /// The id of a movement of cash. The client may choose it.
    CashMovementId,
}
