//! The table of routes: what a row says, and how the rows become an app.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _, Route, guard,
    http::{
        Method,
        header::{ALLOW, HeaderValue},
    },
    web::{self, Data, ServiceConfig},
};
use stampede_kernel::Code;
use utoipa::{
    __dev::SchemaReferences,
    Path,
    openapi::{HttpMethod, RefOr, Schema, path::Operation},
};

use super::table;
use crate::{
    middleware::{Class, Edge, EdgeState},
    problem::Problem,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    User,
    Seller,
    Admin,
}

/// How the documentation describes a route.
pub struct Described {
    pub operation: Operation,
    /// The schemas that it names.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

/// One route.
#[derive(Debug, Clone)]
pub struct Row {
    pub method: Method,
    pub path: &'static str,
    pub class: Class,
    pub access: Access,
    /// The canonical address that this one stands for.
    pub alias_of: Option<&'static str>,
    handler: fn() -> Route,
    describe: Option<fn() -> Described>,
}

/// The rows of handlers, by module: `[module] handler(Access, Class, also "/another/address"), ...;`.
macro_rules! routes {
    (@row [$($module:ident)::+] $handler:ident $access:ident $class:ident [$($alias:literal)*]) => {
        $crate::routes::Row::of::<pastey::paste!($($module)::+::[<__path_ $handler>])>(
            || actix_web::web::to($($module)::+::$handler),
            ($crate::routes::Access::$access, $crate::middleware::Class::$class),
            &[$($alias),*],
        )
    };
    ($(
        $module:tt
        $( $handler:ident($access:ident, $class:ident $(, also $alias:literal)*) ),+ $(,)?
    );+ $(;)?) => {{
        let mut rows: Vec<$crate::routes::Row> = Vec::new();
        $($( rows.extend(routes!(@row $module $handler $access $class [$($alias)*])); )+)+
        rows
    }};
}

impl Row {
    /// The row of a handler, and those of its other addresses.
    pub(super) fn of<P: Path + SchemaReferences>(
        handler: fn() -> Route,
        (access, class): (Access, Class),
        aliases: &[&'static str],
    ) -> Vec<Self> {
        fn described<P: Path + SchemaReferences>() -> Described {
            let mut schemas = Vec::new();
            P::schemas(&mut schemas);
            Described { operation: P::operation(), schemas }
        }
        // The table is built once for each process.
        let path: &'static str = P::path().leak();
        let method = P::methods().first().map_or(Method::GET, method);
        let describe: Option<fn() -> Described> = Some(described::<P>);
        let row = Self { method, path, class, access, alias_of: None, handler, describe };
        let alias = |address: &&'static str| Self { path: address, alias_of: Some(path), ..row.clone() };
        let aliases: Vec<Self> = aliases.iter().map(alias).collect();
        std::iter::once(row).chain(aliases).collect()
    }

    /// A page or a file, which anybody may get as often as they like.
    pub(super) fn undocumented(path: &'static str, handler: fn() -> Route) -> Self {
        let (access, class) = (Access::Public, Class::Free);
        Self { method: Method::GET, path, class, access, alias_of: None, handler, describe: None }
    }

    /// How the documentation describes it, if it does.
    #[must_use]
    pub fn described(&self) -> Option<Described> {
        self.describe.map(|describe| describe())
    }
}

fn method(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Trace => Method::TRACE,
    }
}

/// Puts the table into an app whose data holds `shell`.
pub fn configure(shell: Data<EdgeState>) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        mount(app, &shell, table().iter().collect());
        app.service(web::resource("/{tail:.*}").default_service(web::to(not_found)).wrap(Edge::new(
            shell.clone(),
            "unmatched",
            Class::Api,
            "",
        )));
        // What is no path at all, such as that of "OPTIONS *".
        app.default_service(web::to(not_found));
        app.app_data(shell);
    }
}

/// Registers rows, those of one address as one resource, in the order of their first lines.
pub(super) fn mount(app: &mut ServiceConfig, shell: &Data<EdgeState>, mut rows: Vec<&Row>) {
    while !rows.is_empty() {
        let path = rows[0].path;
        let (here, rest): (Vec<&Row>, Vec<&Row>) = rows.into_iter().partition(|row| row.path == path);
        rows = rest;
        let methods = allowed(&here);
        let mut resource = web::resource(path);
        for row in &here {
            resource = resource.route(with_method((row.handler)(), &row.method));
        }
        let class = here.first().map_or(Class::Api, |row| row.class);
        app.service(
            resource
                .default_service(web::to(move || async move { method_not_allowed(methods) }))
                .wrap(Edge::new(shell.clone(), path, class, methods)),
        );
    }
}

/// A GET's handler answers HEAD too; the body is left out below.
fn with_method(route: Route, method: &Method) -> Route {
    if *method == Method::GET {
        route.guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        let method = method.clone();
        route.guard(guard::fn_guard(move |context| context.head().method == method))
    }
}

/// The `Allow` header of an address; the table is built once for each worker, from a few texts.
fn allowed(rows: &[&Row]) -> &'static str {
    use std::{
        collections::BTreeSet,
        sync::{Mutex, PoisonError},
    };
    static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut methods: Vec<&str> = rows.iter().map(|row| row.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    let text = methods.join(", ");
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text.as_str()) {
        return known;
    }
    // There are as many of these as there are different sets of methods.
    let text: &'static str = Box::leak(text.into_boxed_str());
    texts.insert(text);
    text
}

async fn not_found(_: HttpRequest) -> HttpResponse {
    Problem::new(Code::NotFound).error_response()
}

fn method_not_allowed(methods: &'static str) -> HttpResponse {
    let allow = HeaderValue::from_static(methods);
    Problem::new(Code::MethodNotAllowed).header(ALLOW, allow).error_response()
}
