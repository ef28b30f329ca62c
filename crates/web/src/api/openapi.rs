//! The description of the API (OpenAPI 3.1), made from the table of routes and the
//! types that they take and give.

use std::sync::LazyLock;

use axum::{
    http::{Method, header},
    response::{IntoResponse, Response},
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    api::{
        page::LIMIT_MAX,
        route::{Answer, Content, Describe, Repeat, Route, Rule, Sent},
        routes,
    },
    auth::Act,
};

/// The description, as JSON. The same for every server of this version.
pub fn openapi() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| describe(&routes::table()));
    &DOCUMENT
}

/// `GET /openapi.json`.
pub(crate) async fn document() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| openapi().to_string());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

fn describe(table: &[Route]) -> Value {
    let mut out = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let mut paths = Map::new();
    for route in table {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route, table, &mut out);
    }
    let problem = out.subschema_for::<crate::problem::Described>();
    let mut schemas = out.take_definitions(true);
    for schema in schemas.values_mut() {
        loosen(schema);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Campanile",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Everything that the console can do. Times are UTC (RFC 3339); ids are \
                opaque texts with a prefix; fields that an answer has beyond those named here may be \
                ignored, fields that a request has beyond them are refused. Lists come in pages: show \
                `next_cursor` again as `cursor`, or follow the `Link` header. Errors are problem \
                documents (RFC 9457) with a stable `code`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "bearer": [] }, { "key": [] }],
        "tags": tags(table),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "It was not done; `code` and `detail` say why.",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "An API key." },
                "key": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
        },
    })
}

fn operation(route: &Route, table: &[Route], out: &mut SchemaGenerator) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".into(), id_of(route).into());
    operation.insert("tags".into(), json!([tag_of(route)]));
    operation.insert("summary".into(), route.title.into());
    operation.insert("description".into(), words_of(route).into());
    if route.rule == Rule::Open {
        operation.insert("security".into(), json!([]));
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation.insert("parameters".into(), parameters.into());
    }
    match route.body {
        Sent::Nothing => {}
        Sent::Json(describe) => {
            let mut schema = input(describe);
            // A change names only what changes.
            if route.method == Method::PATCH
                && let Some(object) = schema.as_object_mut()
            {
                object.shift_remove("required");
            }
            let body = json!({
                "required": true,
                "content": { "application/json": { "schema": schema } },
            });
            operation.insert("requestBody".into(), body);
        }
        Sent::File => {
            let file = json!({
                "schema": { "type": "string" },
                "example": "phone_number,name\n+919876543210,Asha\n",
            });
            let body = json!({ "required": true, "content": { "text/csv": file } });
            operation.insert("requestBody".into(), body);
        }
    }
    operation.insert("responses".into(), responses(route, table, out));
    Value::Object(operation)
}

fn responses(route: &Route, table: &[Route], out: &mut SchemaGenerator) -> Value {
    let Answer { status, content } = route.answer;
    let mut done = json!({ "description": status.canonical_reason().unwrap_or("Done") });
    match content {
        Content::Nothing => {}
        Content::Json(describe) => {
            done["content"] = json!({ "application/json": { "schema": describe(out) } });
        }
        Content::Text(kind) => {
            done["content"] = json!({ (kind): { "schema": { "type": "string" } } });
        }
    }
    let mut headers = Map::new();
    if route.rule != Rule::Open {
        for name in ["RateLimit", "RateLimit-Policy"] {
            headers.insert(name.into(), json!({ "schema": { "type": "string" } }));
        }
    }
    if status == axum::http::StatusCode::CREATED {
        headers.insert("Location".into(), json!({ "schema": { "type": "string" } }));
    }
    if route.is_page {
        headers.insert("Link".into(), json!({ "schema": { "type": "string" } }));
    }
    if route.repeat == Repeat::Reply {
        headers.insert("Idempotency-Replayed".into(), json!({ "schema": { "type": "string" } }));
    }
    if !headers.is_empty() {
        done["headers"] = Value::Object(headers);
    }
    if status == axum::http::StatusCode::CREATED {
        let links = links(route, table);
        if !links.is_empty() {
            done["links"] = Value::Object(links);
        }
    }
    let mut responses = Map::new();
    responses.insert(status.as_u16().to_string(), done);
    for status in refusals(route) {
        responses.insert(status.to_string(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    Value::Object(responses)
}

/// What can be done with a thing that was made: every operation at its address.
fn links(route: &Route, table: &[Route]) -> Map<String, Value> {
    let of_it = |other: &&Route| {
        let names = other.path.matches('{').count();
        let rest = other.path.strip_prefix(route.path);
        names == 1 && rest.is_some_and(|rest| rest == "/{id}" || rest.starts_with("/{id}/"))
    };
    table
        .iter()
        .filter(of_it)
        .map(|other| {
            let id = id_of(other);
            let link = json!({ "operationId": id, "parameters": { "id": "$response.body#/id" } });
            (id, link)
        })
        .collect()
}

/// The statuses that a request may be refused with.
fn refusals(route: &Route) -> Vec<u16> {
    let Rule::May(act) = route.rule else {
        return if route.query.is_some() { vec![422, 500] } else { vec![500] };
    };
    let is_write = route.method != Method::GET;
    let has_body = !matches!(route.body, Sent::Nothing);
    [
        (400, true),
        (401, true),
        (403, is_write || act != Act::Look || route.query.is_some()),
        (404, is_write || route.path.contains('{')),
        (409, is_write),
        (413, has_body),
        (415, has_body),
        (422, is_write || route.query.is_some()),
        (429, true),
        (500, true),
        (503, true),
    ]
    .into_iter()
    .filter_map(|(status, may)| may.then_some(status))
    .collect()
}

fn parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = names
        .map(|name| {
            let of_id = |kind| campanile_domain::schema::of_id(kind).to_value();
            let schema = match name {
                "sign_in" => json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" }),
                "number" => json!({ "type": "string", "pattern": "^\\+[0-9]{5,15}$" }),
                "contact_id" => of_id("con"),
                _ => of_id(prefix_of(route.path)),
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    if let Some(describe) = route.query {
        let schema = input(describe);
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let mut schema = schema.clone();
            // Absent is absent: there is no null in a query.
            if let Some(kinds) = schema["type"].as_array().cloned() {
                let kind = kinds.into_iter().find(|kind| kind != "null");
                schema["type"] = kind.unwrap_or_else(|| "string".into());
            }
            if name == "limit" {
                schema["minimum"] = 1.into();
                schema["maximum"] = LIMIT_MAX.into();
            }
            parameters.push(json!({ "name": name, "in": "query", "schema": schema }));
        }
    }
    if route.repeat != Repeat::Ignored {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Makes a repeated request safe for 24 hours: the same one gets the answer \
                that the first got, another one with this key is 422.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    parameters
}

/// The schema of what is read, whole in one place: a type is often read otherwise than
/// it is written, and then one name cannot stand for both.
fn input(describe: Describe) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_deserialize()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator();
    describe(&mut generator).to_value()
}

/// An answer may get more fields in a later version.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for name in ["additionalProperties", "unevaluatedProperties"] {
                if object.get(name) == Some(&Value::Bool(false)) {
                    object.shift_remove(name);
                }
            }
            object.values_mut().for_each(loosen);
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        _ => {}
    }
}

fn words_of(route: &Route) -> String {
    let mut words = match route.rule {
        Rule::Open => "Open to everybody.".to_owned(),
        Rule::May(act) => {
            let (role, scope) = act.least();
            format!("For role `{}` or scope `{}` and above.", role.word(), scope.word())
        }
    };
    if route.path.ends_with("/events") {
        words += " Each event is named `campaign`; its data is the live state as JSON.";
    }
    words
}

fn id_of(route: &Route) -> String {
    let words = route
        .path
        .split(['/', '-', '.'])
        .filter(|part| !part.is_empty())
        .map(|part| part.trim_matches(['{', '}']).replace('-', "_"));
    let mut id = route.method.as_str().to_lowercase();
    for word in words {
        id.push('_');
        id += &word;
    }
    id
}

fn tag_of(route: &Route) -> &'static str {
    route.path.split('/').nth(1).unwrap_or_default()
}

fn tags(table: &[Route]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for route in table {
        let tag = tag_of(route);
        if !names.contains(&tag) {
            names.push(tag);
        }
    }
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

/// What the id after the first part of an address begins with.
fn prefix_of(path: &str) -> &'static str {
    match path.split('/').nth(1).unwrap_or_default() {
        "campaigns" => "cmp",
        "uploads" => "imp",
        "carriers" => "car",
        "numbers" => "num",
        "bots" => "bot",
        "keys" => "key",
        "users" => "usr",
        other => panic!("the id in /{other}/{{id}} has no known prefix: add it to `prefix_of`"),
    }
}
