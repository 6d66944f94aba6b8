//! Every row of the table of routes.

use super::*;

/// An address with something in the place of its braces: a number for a shard, else an id.
fn filled(path: &str) -> String {
    let id = if path.contains("/shards/") { "7" } else { "0192f0c1-7c1a-7000-8000-000000000000" };
    let mut path = path.to_owned();
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, id);
    }
    path
}

/// Without the shop's own state a handler that is reached fails, which is enough to know that it was.
#[actix_web::test]
async fn every_route_lets_in_whom_the_table_says() {
    let shell = shell(|config| config.limits.enabled = false);
    let app = app(&shell).await;
    let callers = [None, Some(Role::User), Some(Role::Seller), Some(Role::Admin)];
    for row in table() {
        let path = filled(row.path);
        for caller in callers {
            let allowed = match row.access {
                Access::Public => true,
                Access::User => caller.is_some(),
                Access::Seller => matches!(caller, Some(Role::Seller | Role::Admin)),
                Access::Admin => caller == Some(Role::Admin),
            };
            let mut request = TestRequest::with_uri(&path).method(row.method.clone());
            if let Some(role) = caller {
                request = request.insert_header(("authorization", token(&shell, somebody(), role)));
            }
            let status = send(&app, request).await.status;
            let refused = if caller.is_none() { 401 } else { 403 };
            let as_told = if allowed { status != 401 && status != 403 } else { status == refused };
            assert!(as_told, "{} {} as {caller:?} answers {status}", row.method, row.path);
        }
    }
}

#[actix_web::test]
async fn every_post_refuses_what_it_does_not_know() {
    let shell = shell(|config| config.limits.enabled = false);
    let app = app(&shell).await;
    let admin = token(&shell, somebody(), Role::Admin);
    for row in table().iter().filter(|row| row.method == Method::POST) {
        let sent = |body| post(&filled(row.path), body).insert_header(("authorization", admin.as_str()));
        let answer = send(&app, sent(r#"{"stranger":1}"#)).await;
        assert_eq!(answer.code(), code(422, "invalid_request"), "{}", row.path);
        assert_eq!(answer.field(), ("stranger".into(), "unknown".into()), "{}", row.path);
        let answer = send(&app, sent("{}").insert_header(("content-type", "text/plain"))).await;
        assert_eq!(answer.code(), code(415, "unsupported_media_type"), "{}", row.path);
    }
}

#[actix_web::test]
async fn a_version_is_never_passed_over() {
    let shell = shell(|config| config.limits.enabled = false);
    let app = app(&shell).await;
    let admin = token(&shell, somebody(), Role::Admin);
    let of_sellers = |row: &&Row| matches!(row.access, Access::Seller | Access::Admin);
    for row in table().iter().filter(of_sellers).filter(|row| row.method != Method::GET) {
        let versioned = row.path.ends_with("/products/{id}") || row.path == "/api/product/{id}";
        for (expected, refused) in [("\"999\"", !versioned), ("W/\"1\"", true), ("*", false)] {
            let request = TestRequest::with_uri(&filled(row.path)).method(row.method.clone());
            let request = request.insert_header(("authorization", admin.as_str()));
            let answer = send(&app, request.insert_header(("if-match", expected))).await;
            assert_eq!(answer.status == 412, refused, "{} {} {expected}", row.method, row.path);
        }
    }
}

#[test]
fn no_address_and_method_stands_twice_in_the_table() {
    let rows = table();
    for (place, row) in rows.iter().enumerate() {
        let same = |other: &&Row| other.path == row.path && other.method == row.method;
        assert!(!rows[place + 1..].iter().any(|other| same(&other)), "{} {}", row.method, row.path);
    }
}

#[test]
fn every_canonical_address_of_a_twin_is_in_the_table() {
    let rows = table();
    for row in rows {
        if let Some(alias_of) = row.alias_of {
            assert!(
                rows.iter().any(|other| other.path == alias_of && other.method == row.method),
                "{} {} stands for {alias_of}, which is not there",
                row.method,
                row.path
            );
        }
    }
}
