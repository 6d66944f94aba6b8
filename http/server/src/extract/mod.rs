//! What handlers take from a request, checked: the caller, the body, the path, the query and the
//! idempotency key. Whatever is wrong is a [`Problem`](crate::problem::Problem) before a handler runs.

mod body;
mod caller;
mod json;
mod key;
mod location;
mod object;
mod version;

pub use caller::{Admin, Auth, MaybeCaller, Seller};
pub use json::Json;
pub use key::KeyedJson;
pub use location::{Path, Query};
pub use object::Object;
pub use version::{IfMatch, Unversioned, etag};
