//! The one table from a code to its status and texts.

use actix_web::http::StatusCode;
use stampede_kernel::Code;

/// What stands in the table for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    pub status: StatusCode,
    /// The same for every occurrence.
    pub title: &'static str,
    /// What the caller can do about it, for the code's page.
    pub help: &'static str,
}

/// The status and the texts of a code: the one place that knows them.
#[must_use]
pub const fn describe(code: Code) -> Description {
    let (status, title, help) = match code {
        Code::Unauthenticated => (
            StatusCode::UNAUTHORIZED,
            "Authentication is required",
            "The request carried no access token, or one that is not valid here. Log in and send the \
             access token as \"Authorization: Bearer <token>\".",
        ),
        Code::TokenExpired => (
            StatusCode::UNAUTHORIZED,
            "The access token has expired",
            "Access tokens live for some minutes. Log in again, then repeat the request.",
        ),
        Code::WrongCredentials => (
            StatusCode::UNAUTHORIZED,
            "The login or the password is wrong",
            "No account has this login with this password. The answer is the same whether or not the \
             account exists.",
        ),
        Code::Forbidden => (
            StatusCode::FORBIDDEN,
            "Not allowed",
            "The caller is known but may not do this. It takes another role or another owner.",
        ),
        Code::NotFound => (
            StatusCode::NOT_FOUND,
            "Not found",
            "Nothing stands at this address, or nothing that the caller may see.",
        ),
        Code::MethodNotAllowed => (
            StatusCode::METHOD_NOT_ALLOWED,
            "The method is not allowed here",
            "The address exists but does not answer this method. The Allow header names those it does.",
        ),
        Code::RequestTimeout => (
            StatusCode::REQUEST_TIMEOUT,
            "The request took too long to arrive",
            "The request's body did not arrive in time. Send it again.",
        ),
        Code::PayloadTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is too large",
            "Request bodies have a limit, 1 MiB unless configured otherwise.",
        ),
        Code::UnsupportedMediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body's media type is not supported",
            "Send JSON in UTF-8 with \"Content-Type: application/json\", and without a Content-Encoding.",
        ),
        Code::InvalidRequest => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "The request is not valid",
            "The request could be read, but some of its fields are not what they must be. The member \
             \"errors\" names each of them.",
        ),
        Code::IdempotencyMismatch => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "The idempotency key was used for another request",
            "This Idempotency-Key came with another body before. Use a new key for a new request.",
        ),
        Code::Malformed => (
            StatusCode::BAD_REQUEST,
            "The request could not be read",
            "The body is missing, or not JSON, or not in UTF-8.",
        ),
        Code::Paused => (
            StatusCode::CONFLICT,
            "The flash sale is paused",
            "The sale has been paused and may resume at any moment. Try again.",
        ),
        Code::Conflict => (
            StatusCode::CONFLICT,
            "The request conflicts with what is there",
            "Something with the same name, address or number exists, or the state does not allow this.",
        ),
        Code::VersionConflict => (
            StatusCode::PRECONDITION_FAILED,
            "The record has changed meanwhile",
            "The record's version is not the one in If-Match. Read it again and decide anew.",
        ),
        Code::SoldOut => (
            StatusCode::CONFLICT,
            "Sold out",
            "Not enough units are left. Units of unpaid orders may come back.",
        ),
        Code::LimitReached => (
            StatusCode::CONFLICT,
            "The limit for one buyer is reached",
            "Each buyer may take only so many units in this sale. Unpaid orders count until they are \
             cancelled.",
        ),
        Code::NotStarted => (
            StatusCode::CONFLICT,
            "The flash sale has not started",
            "The member \"starts_at\" says when it does, by the server's clock (the Date header).",
        ),
        Code::Ended => (
            StatusCode::CONFLICT,
            "The flash sale has ended",
            "The sale is over. Orders made in it are not affected.",
        ),
        Code::InsufficientStock => (
            StatusCode::CONFLICT,
            "Not enough stock",
            "Some lines ask for more units than there are. The answer names them.",
        ),
        Code::OrderState => (
            StatusCode::CONFLICT,
            "The order's state does not allow this",
            "The member \"order_status\" says what the order's state is.",
        ),
        Code::AmountMismatch => {
            (StatusCode::CONFLICT, "The amount is not the order's", "The amount paid is not the amount due.")
        }
        Code::CouponInvalid => (
            StatusCode::CONFLICT,
            "The coupon cannot be used",
            "The coupon is unknown, used up, outside its time, or not meant for this order.",
        ),
        Code::ReservationExpired => (
            StatusCode::GONE,
            "The reservation has expired",
            "The units were held for a limited time, which is over.",
        ),
        Code::RateLimited => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests",
            "The caller has sent more requests than it may. The Retry-After header says when to go on.",
        ),
        Code::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The server is overloaded",
            "More requests are waiting than can be answered soon. Nothing was done; try again shortly.",
        ),
        Code::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Temporarily unavailable",
            "A part of the server that this request needs is not available. Nothing was done; try again \
             shortly.",
        ),
        Code::OutcomeUnknown => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The outcome is not known",
            "The request may or may not have been carried out. It is safe to retry with the same \
             Idempotency-Key.",
        ),
        Code::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            "Something went wrong in the server. The request id helps the operator to find out what.",
        ),
    };
    Description { status, title, help }
}
