//! The OpenAPI document, made of the table of routes.

use serde_json::{Map, Value, json};

use super::route::{Gives, Route, Takes, routes};
use super::schema::schemas;
use crate::Kind;

/// The document of all routes, OpenAPI 3.1.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in routes() {
        let path = route.path.replace("{*", "{");
        let at = paths.entry(path).or_insert_with(|| json!({}));
        at[route.method.to_lowercase()] = operation(route);
    }
    let mut schemas = schemas();
    if let Value::Object(schemas) = &mut schemas {
        schemas.extend(super::others::schemas());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Aquatint",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Text to pictures by latent diffusion.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": super::COOKIE},
            },
        },
        "security": [{"bearer": []}, {"basic": []}, {"cookie": []}, {}],
    })
}

fn operation(route: &Route) -> Value {
    let (status, gives) = route.gives;
    let mut answers = Map::new();
    answers.insert(status.to_string(), answer(route.summary, gives));
    if gives == Gives::Events {
        answers.insert("204".into(), json!({"description": "everything was told already"}));
    }
    if let Gives::Text(_) = gives
        && route.open
    {
        answers.insert("304".into(), json!({"description": "it is as it was"}));
    }
    let refusals: &[(u16, &str)] = &[
        (400, "the request is broken"),
        (401, "there is no token, or another"),
        (403, "another page asked, or under another name"),
        (404, "there is no such thing"),
        (408, "the request took too long to arrive"),
        (413, "it is more than this server does"),
        (415, "the content type is another"),
        (422, "it cannot be done as it was asked for"),
        (429, "there is too much to do already: see Retry-After"),
        (500, "it went wrong here"),
        (503, "the server is about to end, or busy"),
    ];
    for (status, what) in refusals {
        let refusal = json!({
            "description": what,
            "content": {"application/json": {"schema": reference("Error")}},
        });
        answers.insert(status.to_string(), refusal);
    }
    let mut operation = json!({
        "summary": route.summary,
        "operationId": name(route),
        "parameters": parameters(route),
        "responses": answers,
    });
    if let Some(body) = body(route.takes) {
        operation["requestBody"] = json!({"required": true, "content": body});
    }
    if route.open {
        operation["security"] = json!([{}]);
    }
    operation
}

fn answer(summary: &str, gives: Gives) -> Value {
    let (content_type, schema) = match gives {
        Gives::Json(schema) => ("application/json", reference(schema)),
        Gives::Png => ("image/png", json!({})),
        Gives::Events => ("text/event-stream", json!({})),
        Gives::Text(content_type) => (content_type, json!({})),
    };
    json!({"description": summary, "content": {content_type: {"schema": schema}}})
}

fn body(takes: Takes) -> Option<Value> {
    match takes {
        Takes::Nothing => None,
        Takes::Json(schema) => Some(json!({"application/json": {"schema": reference(schema)}})),
        Takes::Picture => Some(json!({"image/png": {}, "image/jpeg": {}, "image/webp": {}})),
        Takes::Other(content_type) => Some(json!({content_type: {}})),
    }
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// The names in the address and in the query.
fn parameters(route: &Route) -> Vec<Value> {
    let parts = route.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let names = parts.map(|name| name.trim_start_matches('*'));
    let in_path = names.map(|name| {
        let kind = if ["step", "picture"].contains(&name) { "integer" } else { "string" };
        json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}})
    });
    let in_query = route.query.iter().map(|(name, what)| {
        let schema = match *name {
            "limit" => json!({"type": "integer", "minimum": 1, "maximum": 500}),
            _ => json!({"type": "string"}),
        };
        json!({"name": name, "in": "query", "description": what, "schema": schema})
    });
    in_path.chain(in_query).collect()
}

/// A name for the operation that nobody else has: `get_api_v1_jobs_id`.
fn name(route: &Route) -> String {
    let mut name = route.method.to_lowercase();
    for part in route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()) {
        name.push('_');
        name.push_str(part);
    }
    name
}

/// The kinds of refusals by name.
pub(super) fn kinds() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.name()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_every_schema_is_there() {
        let document = document();
        let mut names = BTreeSet::new();
        for route in routes() {
            let path = route.path.replace("{*", "{");
            let operation = &document["paths"][path][route.method.to_lowercase()];
            assert_eq!(operation["summary"], route.summary, "{}", route.path);
            assert!(names.insert(operation["operationId"].to_string()), "{operation}");
        }
        let text = document.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(!document["components"]["schemas"][name].is_null(), "{name}");
        }
        let operations = document["paths"].as_object().map_or(0, |paths| {
            paths.values().map(|path| path.as_object().map_or(0, Map::len)).sum()
        });
        assert_eq!(operations, routes().len(), "two routes have one address");
    }
}
