//! The description of the API as a page: rendered here, searchable, with nothing from
//! elsewhere.

use axum::extract::State;
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    api::{openapi::openapi, page::Query},
    app::App,
    console::{self, Theme},
    problem::Problem,
};

/// What is looked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// Words that an address, a title or a field has.
    #[serde(default)]
    search: String,
}

/// `GET /docs`.
pub(crate) async fn page(
    State(app): State<App>,
    theme: Theme,
    Query(query): Query<Search>,
) -> Result<Markup, Problem> {
    Ok(view(openapi(), &app.base_url, theme, query.search.trim()))
}

fn view(document: &Value, base_url: &str, theme: Theme, search: &str) -> Markup {
    let found: Vec<_> = operations(document).filter(|each| each.has(search)).collect();
    let main = html! {
        header.head {
            h1 { "The API" }
            p { (document["info"]["description"].as_str().unwrap_or_default()) }
            p {
                "Base address " code { (base_url) "/api/v1" } ", version "
                (document["info"]["version"].as_str().unwrap_or_default()) ". "
                "Show an API key as " code { "Authorization: Bearer KEY" } " or " code { "X-API-Key: KEY" } ". "
                a href="/api/v1/openapi.json" { "OpenAPI document" }
            }
            form method="get" role="search" {
                label { "Search " input type="search" name="search" value=(search); }
                " " button.btn type="submit" { "Search" }
            }
            p role="status" { (found.len()) " operations" }
        }
        @for operation in &found { (operation.draw(document, base_url)) }
    };
    console::document(theme, "API", main)
}

/// One operation of the document.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    facts: &'a Value,
    /// All that can be looked for, in lower case.
    words: String,
}

fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, facts)| Operation {
            method,
            path,
            facts,
            words: format!("{method} {path} {facts}").to_lowercase(),
        })
    })
}

impl Operation<'_> {
    fn has(&self, search: &str) -> bool {
        search.to_lowercase().split_whitespace().all(|word| self.words.contains(word))
    }

    fn draw(&self, document: &Value, base_url: &str) -> Markup {
        let facts = self.facts;
        let id = facts["operationId"].as_str().unwrap_or_default();
        let body = &facts["requestBody"]["content"]["application/json"]["schema"];
        html! {
            section.card id=(id) {
                h2 { a href={ "#" (id) } { (facts["summary"].as_str().unwrap_or_default()) } }
                p { code { strong { (self.method.to_uppercase()) } " /api/v1" (self.path) } }
                p { (facts["description"].as_str().unwrap_or_default()) }
                details {
                    summary { "Parameters, body and answers" }
                    @if let Some(parameters) = facts["parameters"].as_array() {
                        h3 { "Parameters" }
                        table {
                            thead { tr { th { "Name" } th { "In" } th { "Type" } th { "What it is" } } }
                            tbody {
                                @for each in parameters {
                                    tr {
                                        td { code { (each["name"].as_str().unwrap_or_default()) } }
                                        td { (each["in"].as_str().unwrap_or_default()) }
                                        td { (kind(&each["schema"])) }
                                        td { (meaning(each, &each["schema"])) }
                                    }
                                }
                            }
                        }
                    }
                    @if let Some(fields) = body["properties"].as_object() {
                        h3 { "Body" }
                        (fields_of(fields, &body["required"]))
                    }
                    h3 { "Answers" }
                    table {
                        thead { tr { th { "Status" } th { "What it is" } } }
                        tbody {
                            @for (status, answer) in facts["responses"].as_object().into_iter().flatten() {
                                tr { td { code { (status) } } td { (answered(answer)) } }
                            }
                        }
                    }
                    @if let Some((name, fields)) = given(document, facts) {
                        h3 { "Fields of " (name) }
                        (fields_of(fields, &Value::Null))
                    }
                    h3 { "Try it" }
                    pre { code { (self.example(base_url)) } }
                }
            }
        }
    }

    fn example(&self, base_url: &str) -> String {
        let method = match self.method {
            "get" => String::new(),
            other => format!(" -X {}", other.to_uppercase()),
        };
        let mut example = format!(
            "curl{method} {base_url}/api/v1{} \\\n  -H \"Authorization: Bearer $KEY\"",
            self.path
        );
        let content = &self.facts["requestBody"]["content"];
        if content["application/json"].is_object() {
            example += " \\\n  -H \"Content-Type: application/json\" -d @body.json";
        } else if content["text/csv"].is_object() {
            example += " \\\n  -H \"Content-Type: text/csv\" --data-binary @contacts.csv";
        }
        example
    }
}

fn fields_of(fields: &Map<String, Value>, required: &Value) -> Markup {
    let required = required.as_array();
    html! {
        table {
            thead { tr { th { "Field" } th { "Type" } th { "What it is" } } }
            tbody {
                @for (name, schema) in fields {
                    tr {
                        td {
                            code { (name) }
                            @if required.is_some_and(|all| all.iter().any(|each| each == name)) { " required" }
                        }
                        td { (kind(schema)) }
                        td { (meaning(schema, schema)) }
                    }
                }
            }
        }
    }
}

/// Name and fields of what a request is answered with: of one entry, for a list.
fn given<'a>(document: &'a Value, facts: &'a Value) -> Option<(&'a str, &'a Map<String, Value>)> {
    let answers = facts["responses"].as_object()?.values();
    let mut schemas = answers.map(|answer| &answer["content"]["application/json"]["schema"]);
    let mut name = named(schemas.find(|schema| schema.is_object())?)?;
    let schemas = &document["components"]["schemas"];
    if let Some(entry) = named(&schemas[name]["properties"]["data"]["items"]) {
        name = entry;
    }
    Some((name, schemas[name]["properties"].as_object()?))
}

fn named(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn answered(answer: &Value) -> String {
    if answer["$ref"].is_string() {
        return "A problem document".into();
    }
    let content = answer["content"].as_object().and_then(|content| content.iter().next());
    match content {
        None => "Nothing".into(),
        Some((media, content)) => {
            named(&content["schema"]).map_or_else(|| media.clone(), str::to_owned)
        }
    }
}

/// The type of a value in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = named(schema) {
        return name.to_owned();
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(each) = schema[any].as_array() {
            return each.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().map(|word| word.as_str().unwrap_or("null")).collect();
        return words.join(" | ");
    }
    match &schema["type"] {
        Value::Array(kinds) => {
            let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        Value::String(kind) if kind == "array" => {
            format!("list of {}", kind_or_any(&schema["items"]))
        }
        Value::String(kind) => kind.clone(),
        _ => "any".into(),
    }
}

fn kind_or_any(schema: &Value) -> String {
    if schema.is_object() { kind(schema) } else { "any".into() }
}

fn meaning(told: &Value, schema: &Value) -> String {
    let mut words = told["description"].as_str().unwrap_or_default().to_owned();
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        if !words.is_empty() {
            words += " ";
        }
        words += &format!("Default {default}.");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_what_is_looked_for_and_nothing_inline() {
        let page = |search| view(openapi(), "http://a.example", Theme::System, search).0;
        let whole = page("");
        assert!(whole.contains("/api/v1/campaigns/{id}/pause"), "every operation is there");
        let found = page("PAUSE campaign");
        assert!(found.contains("/api/v1/campaigns/{id}/pause") && !found.contains("/api/v1/bots"));
        assert!(page("<nothing>").contains("0 operations"));
        for inline in ["<style", "style=", "onclick=", "http://cdn", "https://"] {
            assert!(!whole.contains(inline), "{inline}");
        }
    }
}
