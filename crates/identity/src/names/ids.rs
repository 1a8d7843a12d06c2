//! Ids of people and sessions.

values::ids! {
    /// The id of a user.
    UserId,
    /// The id of a session: one sign-in on one device.
    SessionId,
}
