//! The contract as OpenAPI. A handler is described beside itself (`#[utoipa::path]`); the operations come
//! from the table of routes, those of other addresses as copies of what they stand for. What is true of an
//! operation by its address, its place in the table or its body's type is not repeated beside each handler but
//! added here.

use actix_web::http::{Method, StatusCode};
use stampede_kernel::Code;
use stampede_shop::actors::KINDS;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ArrayBuilder, Components, Content, Deprecated, KnownFormat, Object, ObjectBuilder,
        OpenApi as Document, PathItem, Ref, RefOr, Required, Response, Schema, SchemaFormat, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::SchemaType,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
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
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "The server that this document came from")),
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
    modifiers(&Security, &Routes, &Pages, &Aliases, &Common)
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

/// A list's schema refers to the schema of its entries, and does not hold a copy of it.
struct Pages;

impl Modify for Pages {
    fn modify(&self, document: &mut Document) {
        for (name, schema) in &mut document.components.get_or_insert_default().schemas {
            let Some(shown) = name.strip_prefix("PageOf_") else { continue };
            let RefOr::T(Schema::Object(page)) = schema else { continue };
            let data = ArrayBuilder::new().items(Ref::from_schema_name(shown)).build();
            page.properties.insert("data".to_owned(), RefOr::T(Schema::Array(data)));
        }
    }
}

/// Copies of operations at their other addresses: those of GoMall clients, and earlier ones.
struct Aliases;

impl Modify for Aliases {
    fn modify(&self, document: &mut Document) {
        for row in routes::table() {
            let Some(alias_of) = row.alias_of else { continue };
            let original =
                document.paths.paths.get(alias_of).and_then(|item| operation(item, row.method.as_str()));
            let Some(mut copy) = original.cloned() else { continue };
            let earlier = row.path.starts_with("/api/v1/");
            if earlier {
                copy.deprecated = Some(Deprecated::True);
            } else {
                copy.tags = Some(vec!["gomall".to_owned()]);
            }
            let prefix = if earlier { "deprecated" } else { "gomall" };
            copy.operation_id = copy.operation_id.map(|id| prefixed(prefix, &id));
            let item = document.paths.paths.entry(row.path.to_owned()).or_default();
            put(item, row.method.as_str(), copy);
        }
    }
}

/// `purchaseFlashSale` becomes `gomallPurchaseFlashSale`.
fn prefixed(prefix: &str, id: &str) -> String {
    let (first, rest) = id.split_at(id.len().min(1));
    format!("{prefix}{}{rest}", first.to_ascii_uppercase())
}

/// What operations have in common: who may call them, the parameters of their paths, what a missing body means, and the
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
            operation.security = Some(match row.access {
                Access::Public => Vec::new(),
                Access::User | Access::Seller | Access::Admin => {
                    vec![SecurityRequirement::new("bearer", [""; 0])]
                }
            });
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
        "kind" => text.enum_values(Some(KINDS.iter().copied())),
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
mod tests;
