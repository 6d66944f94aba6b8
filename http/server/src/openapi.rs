//! The contract as OpenAPI. A handler is described beside itself (`#[utoipa::path]`); the operations come
//! from the table of routes, those of other addresses as copies of what they stand for. What is true of an operation by its address, its place in the table or its body's type is
//! not repeated beside each handler but added here.

use actix_web::http::{Method, StatusCode};
use stampede_kernel::Code;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components, Content, Deprecated, KnownFormat, Object, ObjectBuilder, OpenApi as Document, PathItem,
        Ref, RefOr, Required, Response, Schema, SchemaFormat, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::SchemaType,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{
    middleware::Class,
    problem::{self, FieldError, ProblemShape, describe},
    routes::{self, Access, Described, Row},
};

/// The document behind `/openapi.json` and `stampede openapi`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stampede",
        description = "A shop's backend whose centre is the flash sale. Errors are problem details (RFC 9457) \
                       with a stable `code`; POSTs that move stock or money take an `Idempotency-Key`.",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(ProblemShape, FieldError)),
    tags(
        (name = "accounts", description = "Registering, logging in, and one's own account"),
        (name = "flash sales", description = "What a shop comes together for"),
        (name = "orders", description = "Buying directly, and the life of an order"),
        (name = "cart", description = "The caller's cart"),
        (name = "catalog", description = "Products and categories"),
        (name = "stock", description = "The ledger of a SKU's units"),
        (name = "admin", description = "For administrators"),
        (name = "operations", description = "For operators and their tools"),
        (name = "gomall", description = "The addresses of existing GoMall clients")
    ),
    modifiers(&Security, &Routes, &Aliases, &Common, &OperationIds)
)]
pub struct ApiDoc;

/// The one way to authenticate.
struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The operations of the table of routes.
struct Routes;

impl Modify for Routes {
    fn modify(&self, document: &mut Document) {
        for row in routes::table().iter().filter(|row| row.alias_of.is_none()) {
            let Some(Described { operation, schemas }) = row.described() else { continue };
            let item = document.paths.paths.entry(row.path.to_owned()).or_default();
            put(item, row.method.as_str(), operation);
            document.components.get_or_insert_default().schemas.extend(schemas);
        }
    }
}

/// Copies of operations at the addresses of GoMall clients.
struct Aliases;

impl Modify for Aliases {
    fn modify(&self, document: &mut Document) {
        for row in routes::table() {
            let Some(alias_of) = row.alias_of else { continue };
            let original =
                document.paths.paths.get(alias_of).and_then(|item| operation(item, row.method.as_str()));
            let Some(mut copy) = original.cloned() else { continue };
            if row.path.starts_with("/api/v1/") {
                // An earlier address of the same.
                copy.deprecated = Some(Deprecated::True);
            } else {
                copy.tags = Some(vec!["gomall".to_owned()]);
            }
            let item = document.paths.paths.entry(row.path.to_owned()).or_default();
            put(item, row.method.as_str(), copy);
        }
    }
}

/// What operations have in common: the parameters of their paths, what a missing body means, and the
/// refusals that do not depend on the handler.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        for row in routes::table() {
            let item = document.paths.paths.get_mut(row.path);
            let Some(operation) = item.and_then(|item| operation_mut(item, row.method.as_str())) else {
                continue;
            };
            add_path_parameters(operation, row.path);
            may_leave_out_body(operation, components);
            add_refusals(operation, row);
            describe_responses(operation);
        }
    }
}

/// What stands in braces in an address.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

fn add_path_parameters(operation: &mut Operation, path: &str) {
    for name in placeholders(path) {
        let parameters = operation.parameters.get_or_insert_default();
        let declared = |parameter: &RefOr<Parameter>| match parameter {
            RefOr::T(parameter) => parameter.name == name && parameter.parameter_in == ParameterIn::Path,
            RefOr::Ref(_) => false,
        };
        if parameters.iter().any(declared) {
            continue;
        }
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(path_schema(path, name)));
        parameters.push(RefOr::T(parameter.build()));
    }
}

/// The type of what stands in an address: an id, unless its name says something else.
fn path_schema(path: &str, name: &str) -> Object {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    let text = match name {
        "id" if path.contains("/shards/") => ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Integer))
            .minimum(Some(0))
            .maximum(Some(u16::MAX)),
        "kind" => text.enum_values(Some(["stock", "order", "cart"])),
        "order_no" => text.examples(["20261120A1B2C3D4E5F6"]),
        "name" => text.examples(["node-1"]),
        _ => text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
    };
    text.build()
}

/// No body counts as `{}`, so that a body is required only if one of its fields is.
fn may_leave_out_body(operation: &mut Operation, components: &Components) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    let needed = body.content.values().any(|content| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => {
            let name = schema.ref_location.rsplit('/').next().unwrap_or_default();
            match components.schemas.get(name) {
                Some(RefOr::T(Schema::Object(object))) => !object.required.is_empty(),
                Some(_) | None => true,
            }
        }
        RefOr::T(_) | RefOr::Ref(_) => true,
    });
    body.required = Some(if needed { Required::True } else { Required::False });
}

/// The refusals that come before a handler runs.
fn add_refusals(operation: &mut Operation, row: &Row) {
    let mut codes = Vec::new();
    match row.access {
        Access::Public => {}
        Access::User => codes.push(Code::Unauthenticated),
        Access::Seller | Access::Admin => codes.extend([Code::Unauthenticated, Code::Forbidden]),
    }
    if placeholders(row.path).next().is_some() {
        codes.push(Code::NotFound);
    }
    // Those that say everything in their address refuse what else is said.
    if operation.request_body.is_some() || row.method == Method::POST {
        codes.extend([
            Code::Malformed,
            Code::RequestTimeout,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::InvalidRequest,
        ]);
    }
    let asks = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    };
    if operation.parameters.iter().flatten().any(asks) {
        codes.push(Code::InvalidRequest);
    }
    if row.class != Class::Free {
        codes.extend([Code::RateLimited, Code::Unavailable]);
    }
    for code in codes {
        let status = describe(code).status.as_str().to_owned();
        operation.responses.responses.entry(status).or_insert_with(|| RefOr::T(Response::default()));
    }
}

/// Gives every answer a description, and every refusal the shape of a problem unless it has its own.
fn describe_responses(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            meaning(status).clone_into(&mut response.description);
        }
        let refused = status.starts_with(['4', '5']);
        if refused && (response.content.is_empty() || response.content.values().any(is_problem)) {
            let shape = Content::new(Some(Ref::from_schema_name("Problem")));
            response.content = [(problem::MEDIA_TYPE.to_owned(), RefOr::T(shape))].into_iter().collect();
        }
    }
}

fn is_problem(content: &RefOr<Content>) -> bool {
    match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => {
            *schema == Ref::from_schema_name("Problem")
        }
        RefOr::T(_) | RefOr::Ref(_) => false,
    }
}

/// What a status means where nothing more is said: the title of its problem, else its reason phrase.
fn meaning(status: &str) -> &'static str {
    let of_status = |code: &&Code| describe(**code).status.as_str() == status;
    match status {
        // Its first problem, in the order of the codes, is not the one that any request may meet.
        "503" => describe(Code::Unavailable).title,
        _ => match Code::ALL.iter().find(of_status) {
            Some(code) => describe(*code).title,
            None => StatusCode::from_bytes(status.as_bytes())
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or("An answer"),
        },
    }
}

/// Names operations after method and address: handlers of different resources share their names.
struct OperationIds;

impl Modify for OperationIds {
    fn modify(&self, document: &mut Document) {
        for (path, item) in &mut document.paths.paths {
            let words: Vec<&str> = path
                .split(|char: char| !char.is_ascii_alphanumeric())
                .filter(|word| !word.is_empty())
                .collect();
            let name = words.join("_");
            let operations = [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("put", &mut item.put),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    operation.operation_id = Some(format!("{method}_{name}"));
                }
            }
        }
    }
}

fn operation<'a>(item: &'a PathItem, method: &str) -> Option<&'a Operation> {
    match method {
        "GET" => item.get.as_ref(),
        "POST" => item.post.as_ref(),
        "PUT" => item.put.as_ref(),
        "PATCH" => item.patch.as_ref(),
        "DELETE" => item.delete.as_ref(),
        _ => None,
    }
}

fn operation_mut<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

fn put(item: &mut PathItem, method: &str, operation: Operation) {
    match method {
        "GET" => item.get = Some(operation),
        "POST" => item.post = Some(operation),
        "PUT" => item.put = Some(operation),
        "PATCH" => item.patch = Some(operation),
        "DELETE" => item.delete = Some(operation),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    /// Served as pages or files, and so nothing that a program would ask for.
    const UNDOCUMENTED: [&str; 4] = ["/docs", "/docs/{file:.*}", "/swagger", "/swagger/{file:.*}"];

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
                ["GET", "POST", "PUT", "PATCH", "DELETE"]
                    .iter()
                    .filter(|m| operation(item, m).is_some())
                    .count()
            })
            .sum();
        assert_eq!(documented, listed, "something is documented that is not in the table");
    }

    #[test]
    fn no_two_operations_have_the_same_id() {
        let document = ApiDoc::openapi();
        let mut seen = BTreeSet::new();
        for (path, item) in &document.paths.paths {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                if let Some(operation) = operation(item, method) {
                    assert!(seen.insert(operation.operation_id.clone()), "{method} {path}");
                }
            }
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
}
