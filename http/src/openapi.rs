//! The contract as OpenAPI. A handler is described beside itself (`#[utoipa::path]`) and listed here;
//! the addresses that existing GoMall clients use are added from the table, as copies of what they
//! stand for.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document, PathItem,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{
    problem::{FieldError, ProblemShape},
    routes,
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
    paths(
        routes::auth::register,
        routes::auth::login,
        routes::auth::login_gomall,
        routes::auth::logout,
        routes::auth::logout_all,
        routes::me::read,
        routes::me::change,
        routes::flash_sales::list,
        routes::flash_sales::get,
        routes::flash_sales::purchase,
        routes::flash_sales::mine,
        routes::flash_sales::create,
        routes::flash_sales::amend,
        routes::flash_sales::pause,
        routes::flash_sales::resume,
        routes::flash_sales::close,
        routes::orders::create,
        routes::orders::list,
        routes::orders::list_all,
        routes::orders::statistics,
        routes::orders::get,
        routes::orders::pay,
        routes::orders::cancel,
        routes::orders::confirm,
        routes::orders::ship,
        routes::orders::deliver,
        routes::cart::get,
        routes::cart::count,
        routes::cart::add,
        routes::cart::change_line,
        routes::cart::remove,
        routes::cart::select,
        routes::cart::clear,
        routes::stock::get,
        routes::stock::restock,
        routes::stock::adjust,
        routes::products::list,
        routes::products::get,
        routes::products::create,
        routes::products::replace,
        routes::products::change,
        routes::products::delete,
        routes::products::set_status,
        routes::categories::list,
        routes::categories::create,
        routes::gomall::products,
        routes::gomall::create_product,
        routes::gomall::replace_product,
        routes::gomall::order,
        routes::gomall::add_to_cart,
        routes::gomall::change_cart,
        routes::gomall::remove_from_cart,
        routes::gomall::seckill,
        routes::gomall::init_seckill,
        routes::admin::load_users,
        routes::admin::actors,
        routes::admin::actor,
        routes::admin::reset,
        routes::admin::panic,
        routes::admin::reconciliation,
        routes::nodes::shards,
        routes::nodes::hand_over,
        routes::nodes::empty,
        routes::nodes::resume,
        routes::admin::parked,
        routes::admin::retry_parked,
        routes::ops::live,
        routes::ops::ready,
        routes::ops::health,
        routes::ops::metrics,
        routes::ops::openapi_json,
        routes::ops::problem_page,
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
    modifiers(&Security, &Twins, &OperationIds)
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

/// Copies of operations at the addresses of GoMall clients.
struct Twins;

impl Modify for Twins {
    fn modify(&self, document: &mut Document) {
        for row in routes::table() {
            let Some(twin_of) = row.twin_of else { continue };
            let original =
                document.paths.paths.get(twin_of).and_then(|item| operation(item, row.method.as_str()));
            let Some(mut copy) = original.cloned() else { continue };
            copy.tags = Some(vec!["gomall".to_owned()]);
            let item = document.paths.paths.entry(row.path.to_owned()).or_default();
            put(item, row.method.as_str(), copy);
        }
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
        let mut seen = std::collections::BTreeSet::new();
        for (path, item) in &document.paths.paths {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                if let Some(operation) = operation(item, method) {
                    assert!(seen.insert(operation.operation_id.clone()), "{method} {path}");
                }
            }
        }
    }
}
