//! Shapes that more than one resource shares.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue, LOCATION},
};
use serde::{Deserialize, Deserializer, Serialize};
use stampede_kernel::{Money, Timestamp};
use stampede_shop::services::{self, Paged};

use crate::{
    limits::{NOTE_CHARS_MAX, PAGE_MAX, PAGE_SIZE_MAX},
    problem::Problem,
};

/// Entries on one page unless said otherwise.
const PAGE_SIZE: u32 = 20;

/// Which page of a list.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// From 1.
    pub page: Option<u32>,
    /// 1 to 100.
    pub page_size: Option<u32>,
}

impl Paging {
    /// Page and size, checked.
    pub fn checked(self) -> Result<services::Paging, Problem> {
        let (page, size) = (self.page.unwrap_or(1), self.page_size.unwrap_or(PAGE_SIZE));
        if !(1..=PAGE_MAX).contains(&page) {
            return Err(Problem::field("page", "out_of_range", format!("Must be from 1 to {PAGE_MAX}.")));
        }
        if !(1..=PAGE_SIZE_MAX).contains(&size) {
            return Err(Problem::field(
                "page_size",
                "out_of_range",
                format!("Must be from 1 to {PAGE_SIZE_MAX}."),
            ));
        }
        Ok(services::Paging { page, page_size: size })
    }
}

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PageOf<T> {
    pub data: Vec<T>,
    pub total: i64,
    pub page: u32,
    pub page_size: u32,
    pub total_pages: i64,
}

impl<T> PageOf<T> {
    /// A page, each entry as it is shown.
    pub fn of<E>(page: Paged<E>, paging: services::Paging, shown: impl Fn(&E) -> T) -> Self {
        let services::Paging { page: number, page_size } = paging;
        let Paged { entries, total } = page;
        let total_pages = (total + i64::from(page_size) - 1) / i64::from(page_size);
        Self { data: entries.iter().map(shown).collect(), total, page: number, page_size, total_pages }
    }
}

/// The body of a request that says everything in its address.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// The quantity of who does not say.
pub const fn one() -> i64 {
    1
}

/// Tells `null` from nothing at all, for fields that can be forgotten.
pub fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// A price that may be set.
pub fn price(text: &str, field: &str) -> Result<Money, Problem> {
    let price: Money = text
        .parse()
        .map_err(|error| Problem::field(field, "format", format!("Must be an amount: {error}.")))?;
    if price == Money::ZERO {
        return Err(Problem::field(field, "out_of_range", "Must be more than 0.00."));
    }
    Ok(price)
}

/// A moment in RFC 3339.
pub fn moment(text: &str, field: &'static str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text)
        .map_err(|_| Problem::field(field, "format", "Must be a moment such as \"2026-11-20T08:00:00Z\"."))
}

/// A note or reason: some text of bounded length.
pub fn note(text: Option<String>, field: &'static str) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.chars().count() > NOTE_CHARS_MAX => {
            Err(Problem::field(field, "too_long", format!("Must have at most {NOTE_CHARS_MAX} characters.")))
        }
        other => Ok(other.filter(|text| !text.is_empty())),
    }
}

/// Says where that stands which an answer tells of.
pub fn located(mut response: HttpResponse, path: &str) -> HttpResponse {
    if let Ok(address) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, address);
    }
    response
}

/// Marks an answer that repeats an earlier one.
pub fn replayed(mut response: HttpResponse, replayed: bool) -> HttpResponse {
    if replayed {
        response
            .headers_mut()
            .insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
    }
    response
}
