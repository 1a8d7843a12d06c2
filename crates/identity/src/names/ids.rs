//! Ids of people and sessions.

values::ids! {
    /// The id of a user.
    UserId,
    /// The id of a membership: what a user is in one app of one business.
    MembershipId,
    /// The id of a session: one sign-in on one device.
    SessionId,
    /// The id of a sign-on: one browser in which a person signed in for all apps.
    SignOnId,
}
