//! What stands in a request's path and query, as types.

use std::{
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;
use stampede_kernel::Code;

use super::json::field_error;
use crate::problem::Problem;

/// What stands in the path. Where it is not of its type, nothing can stand at that address.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

/// What stands in the query. Parameters that the type does not have are passed over: links carry all
/// sorts of them.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T> Deref for Path<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Query<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Path<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if has_nul(request.path()) {
            return ready(Err(Problem::new(Code::NotFound)));
        }
        let path = actix_web::web::Path::<T>::from_request(request, payload).into_inner();
        ready(path.map(|path| Self(path.into_inner())).map_err(|_| Problem::new(Code::NotFound)))
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(query(request.query_string()).map(Self))
    }
}

fn query<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if has_nul(text) {
        return Err(Problem::field("", "characters", "The text holds the character U+0000."));
    }
    let pairs = form_urlencoded::parse(text.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs)).map_err(|error| {
        let path = error.path().to_string();
        Problem::invalid(vec![field_error(&path, &error.inner().to_string())])
    })
}

fn has_nul(text: &str) -> bool {
    text.contains("%00")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Paging {
        #[serde(default)]
        page: u32,
        keyword: Option<String>,
    }

    #[test]
    fn a_query_is_read_and_strangers_in_it_passed_over() {
        let paging: Paging = query("page=2&keyword=a+b%20c&utm_source=mail").unwrap();
        assert_eq!(paging, Paging { page: 2, keyword: Some("a b c".into()) });
        assert_eq!(query::<Paging>("").unwrap(), Paging { page: 0, keyword: None });
    }

    #[test]
    fn what_is_wrong_in_a_query_is_named() {
        for (text, field, code) in [
            ("page=two", "page", "format"),
            ("page=-1", "page", "format"),
            ("page=99999999999", "page", "out_of_range"),
            ("keyword=a%00", "", "characters"),
        ] {
            let problem = query::<Paging>(text).unwrap_err();
            let errors: Vec<_> =
                problem.errors().iter().map(|e| (e.field.as_str(), e.code.as_ref())).collect();
            assert_eq!(errors, [(field, code)], "{text}");
        }
    }
}
