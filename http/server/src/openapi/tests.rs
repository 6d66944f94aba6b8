use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// Served as pages or files, and so nothing that a program would ask for.
const UNDOCUMENTED: [&str; 5] = ["/", "/docs", "/docs/{file:.*}", "/swagger", "/swagger/{file:.*}"];

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    let document = ApiDoc::openapi();
    let mut listed = 0;
    for row in routes::table() {
        if UNDOCUMENTED.contains(&row.path) {
            continue;
        }
        let item = document.paths.paths.get(row.path);
        let found = item.and_then(|item| operation(item, row.method.as_str()));
        assert!(found.is_some(), "{} {} is not in the documentation", row.method, row.path);
        listed += 1;
    }
    let documented: usize = document
        .paths
        .paths
        .values()
        .map(|item| {
            ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().filter(|m| operation(item, m).is_some()).count()
        })
        .sum();
    assert_eq!(documented, listed, "something is documented that is not in the table");
}

/// Generated clients name their methods after these.
#[test]
fn operations_are_named_like_methods_each_once() {
    let mut seen = BTreeSet::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let method_like = id.starts_with(|first: char| first.is_ascii_lowercase())
            && id.chars().all(|char| char.is_ascii_alphanumeric());
        assert!(method_like, "{method} {path}: {id}");
        assert!(seen.insert(id.clone()), "{method} {path}: {id} is the name of another operation too");
    }
}

/// Generated clients name their types after these, and in some languages a constructor `NewX` after `X`.
#[test]
fn schemas_are_named_like_types_that_collide_with_nothing() {
    let document = serde_json::to_value(ApiDoc::openapi()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(name.starts_with(|first: char| first.is_ascii_uppercase()), "{name}");
        assert!(!name.strip_prefix("New").is_some_and(|rest| schemas.contains_key(rest)), "{name}");
        if let Some(shown) = name.strip_prefix("PageOf_") {
            let items = &schemas[name]["properties"]["data"]["items"];
            assert_eq!(items["$ref"], format!("#/components/schemas/{shown}"), "{name}");
        }
    }
    let text = document.to_string();
    for referred in text.split("#/components/schemas/").skip(1) {
        let name = referred.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is referred to and not there");
    }
}

#[test]
fn every_operation_says_whether_it_takes_a_token() {
    for row in routes::table() {
        let document = ApiDoc::openapi();
        let Some(operation) =
            document.paths.paths.get(row.path).and_then(|item| operation(item, row.method.as_str()))
        else {
            continue;
        };
        let security = serde_json::to_value(&operation.security).unwrap();
        let expected = if row.access == Access::Public { json!([]) } else { json!([{ "bearer": [] }]) };
        assert_eq!(security, expected, "{} {}", row.method, row.path);
    }
}

/// Each operation of the document as it is served, with method and address.
fn operations() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(ApiDoc::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    assert!(operations.len() > 50, "{}", operations.len());
    operations
}

fn names<'a>(operation: &'a Value, place: &'a str) -> BTreeSet<&'a str> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let here = parameters.filter(|parameter| parameter["in"] == place);
    here.map(|parameter| parameter["name"].as_str().unwrap()).collect()
}

#[test]
fn what_stands_in_an_address_is_a_parameter_and_nothing_else_is_one_of_the_path() {
    for (method, path, operation) in operations() {
        let declared = names(&operation, "path");
        assert_eq!(declared, placeholders(&path).collect(), "{method} {path}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"].is_object(), "{method} {path}: {parameter}");
            assert!(parameter["in"] != "path" || parameter["required"] == true, "{method} {path}");
        }
    }
}

#[test]
fn every_answer_is_described_and_every_refusal_is_a_problem() {
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    for (method, path, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let place = format!("{method} {path} {status}");
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{place}");
            // A node that is down still reports how its parts are.
            if !status.starts_with(['4', '5']) || path == "/health" {
                continue;
            }
            let content = response["content"].as_object().unwrap();
            let kinds: Vec<&String> = content.keys().collect();
            assert_eq!(kinds, [problem::MEDIA_TYPE], "{place}");
            assert_eq!(content[problem::MEDIA_TYPE]["schema"], problem, "{place}");
        }
    }
}

#[test]
fn refusals_and_optional_bodies_are_as_the_routes_have_them() {
    let all = operations();
    for (method, path, statuses, body) in [
        ("post", "/api/v1/flash-sales/{id}/purchase", "400 401 404 408 413 415 422 429 503", Some(false)),
        ("post", "/api/v1/orders/{order_no}/pay", "401 404 422 429", Some(false)),
        ("post", "/api/v1/orders", "401 404 409 422 429", Some(true)),
        ("post", "/api/v1/flash-sales/{id}/pause", "400 401 403 404 413 415 422 429 503", None),
        ("patch", "/api/v1/flash-sales/{id}", "401 403 404 422 429", Some(false)),
        ("get", "/api/v1/products", "422 429 503", None),
        ("get", "/live", "", None),
    ] {
        let (_, _, operation) = all.iter().find(|(m, p, _)| m == method && p == path).unwrap();
        for status in statuses.split_whitespace() {
            assert!(operation["responses"][status].is_object(), "{method} {path} {status}");
        }
        assert_eq!(operation["requestBody"]["required"].as_bool(), body, "{method} {path}");
    }
}
