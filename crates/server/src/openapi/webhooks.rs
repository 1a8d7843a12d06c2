//! The part `webhooks` of the document: each event as it is posted to programs elsewhere.

use events::webhooks::message::TEST_TOPIC;
use serde_json::json;
use tenancy::outbox::Topic;
use utoipa::PartialSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{
    ContentBuilder, KnownFormat, ObjectBuilder, OpenApi, PathItem, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder, Schema, SchemaFormat,
};

use crate::routes::events::topics;

/// Adds each topic with the schema of its messages, and the schemas of the payloads.
pub fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let mut paths = PathsBuilder::new();
    for topic in topics::all() {
        let (name, payload) = (topic.payload)();
        let mut nested = Vec::new();
        (topic.nested)(&mut nested);
        components.schemas.extend(nested);
        components.schemas.insert(name.clone(), payload);
        let (meaning, schema) = (topic.meaning.trim(), Ref::from_schema_name(name));
        paths = paths.path(topic.name, posted(topic.name, Some(topic), meaning, schema.into()));
    }
    let anything = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    let test = "A member tests the webhook.";
    let test = posted(TEST_TOPIC, None, test, Schema::from(anything).into());
    document.webhooks = Some(paths.path(TEST_TOPIC, test).build());
}

/// A message of a topic.
fn posted(name: &str, topic: Option<&Topic>, meaning: &str, data: RefOr<Schema>) -> PathItem {
    let header = |name: &str, text: &str| -> Parameter {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some(text))
            .schema(Some(String::schema()))
            .build()
    };
    let version = topic.map_or(1, |topic| topic.version);
    let text = |schema_type: Type, example: serde_json::Value| {
        ObjectBuilder::new().schema_type(schema_type).enum_values(Some([example]))
    };
    let numbered = text(Type::Integer, json!(version));
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    let time = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
    let body = ObjectBuilder::new()
        .property("type", text(Type::String, json!(name)).description(Some("The topic")))
        .property("timestamp", time.description(Some("The time of the change")))
        .property("version", numbered.description(Some("The version of the fields in data")))
        .property("businessId", tenancy::TenantId::schema())
        .property("data", data);
    let body = ["type", "timestamp", "version", "businessId", "data"]
        .into_iter()
        .fold(body, ObjectBuilder::required);
    let (accepted, gone, refused) = match topic {
        Some(_) => (
            "The event is accepted",
            "The webhook fails, and gets no more events",
            "The event is retried later",
        ),
        None => (
            "The test is passed",
            "The test has failed. Nothing else changes",
            "The test has failed. It is not retried",
        ),
    };
    let operation = OperationBuilder::new()
        .operation_id(Some(id_of(name)))
        .tag("webhook-messages")
        .summary(Some(name))
        .description(Some(meaning))
        .parameter(header("webhook-id", "The id of the event. It is the same in each attempt"))
        .parameter(header("webhook-timestamp", "The time of this attempt, in seconds since 1970"))
        .parameter(header("webhook-signature", SIGNATURES))
        .request_body(Some(
            RequestBodyBuilder::new()
                .required(Some(Required::True))
                .content("application/json", ContentBuilder::new().schema(Some(Schema::from(body))).build())
                .build(),
        ))
        .response("2XX", ResponseBuilder::new().description(accepted).build())
        .response("410", ResponseBuilder::new().description(gone).build())
        .response("default", ResponseBuilder::new().description(refused).build())
        .security(utoipa::openapi::security::SecurityRequirement::default())
        .build();
    PathItem::new(HttpMethod::Post, operation)
}

const SIGNATURES: &str =
    "Signatures according to Standard Webhooks 1.0, one for each secret, separated by spaces";

/// The id of the operation for a topic: `onOrderPlaced` for `order.placed`.
fn id_of(topic: &str) -> String {
    let words = topic.split(['.', '_']).map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    std::iter::once("on".to_owned()).chain(words).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openapi::document::document;

    #[test]
    fn every_event_is_described() {
        let document = document();
        let described = document["webhooks"].as_object().unwrap();
        assert_eq!(described.len(), topics::all().count() + 1);
        let placed = &described["order.placed"]["post"];
        assert_eq!(placed["operationId"], "onOrderPlaced");
        let body = &placed["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["properties"]["type"]["enum"], json!(["order.placed"]));
        assert_eq!(body["required"].as_array().unwrap().len(), 5);
        for (topic, path) in described {
            let meaning = path["post"]["description"].as_str().unwrap();
            assert!(meaning.ends_with('.') && meaning.len() > 10, "{topic}: {meaning}");
        }
    }
}
