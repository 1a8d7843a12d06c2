//! Who did something, as documents and the audit log store it.

use postgres_types::private::BytesMut;
use postgres_types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use serde::{Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use crate::macros::TextForm;

/// Who did something: a person or an API key, by their id, or the platform. The platform is NULL in SQL and
/// null in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ActorId {
    id: Option<Uuid>,
    impersonation: Option<Uuid>,
}

impl ActorId {
    /// The platform itself: commands, background jobs, demo data.
    pub const SYSTEM: Self = Self { id: None, impersonation: None };

    /// A signed-in person, by the id of the user.
    pub fn person(id: impl Into<Uuid>) -> Self {
        Self { id: Some(id.into()), impersonation: None }
    }

    /// An API key or a service account, by its id. Users and programs share no id: all are UUIDv7.
    pub fn program(id: impl Into<Uuid>) -> Self {
        Self { id: Some(id.into()), impersonation: None }
    }

    /// The platform's staff, who act as a member in a session with this id. A business does not learn which
    /// of the staff it was, and the member did nothing.
    pub fn impersonation(session: impl Into<Uuid>) -> Self {
        Self { id: None, impersonation: Some(session.into()) }
    }

    /// The session in which the platform's staff acted as a member. Documents do not store it, so it is
    /// `None` after reading.
    pub fn impersonation_id(self) -> Option<Uuid> {
        self.impersonation
    }
}

impl ToSql for ActorId {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.id.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <Option<Uuid> as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for ActorId {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Uuid::from_sql(kind, raw).map(Self::person)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::SYSTEM)
    }

    fn accepts(kind: &Type) -> bool {
        <Uuid as FromSql>::accepts(kind)
    }
}

impl Serialize for ActorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

impl utoipa::PartialSchema for ActorId {
    fn schema() -> RefOr<Schema> {
        utoipa::openapi::OneOfBuilder::new()
            .item(utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::Null))
            .item(TextForm::format("uuid").schema(""))
            .description(Some("The id of the user or the API key; null for the platform"))
            .into()
    }
}

impl utoipa::ToSchema for ActorId {}
