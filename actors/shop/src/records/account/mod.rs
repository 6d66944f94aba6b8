//! Accounts: who may sign in, and as what.
//!
//! Owns the table `account`: names, addresses, password hashes, roles, status; and `revocation`:
//! sessions that were ended early, which every node also keeps in memory. Plain rows behind plain async
//! functions, no actor; knows `kernel` and `engine`. Sessions that run, refresh tokens and the
//! permissions of a role are not kept here.
//!
//! Invariants:
//! - usernames and e-mail addresses are unique without regard to case (two indexes);
//! - a username holds no `@`, so a login name means at most one account;
//! - a password is kept as argon2id only, and is never hashed while a connection is held;
//! - an unknown login name costs the caller as much time as a wrong password;
//! - `load-1`, `load-2`... are kept for load tests and cannot be registered, nor can `admin`.

mod admin;
mod common_passwords;
pub mod limits;
mod load_users;
mod login;
mod model;
mod password;
mod profile;
mod register;
mod revocation;
mod row;
#[cfg(test)]
mod tests;
mod validate;

pub use admin::{Ensured, ResetPasswordError, create_admin, ensure_admin, reset_password};
pub use load_users::{LoadUsersError, ensure_load_users};
pub use login::{LoginError, id_by_login, login};
pub use model::{Account, Role, Status, UnknownWord};
pub use password::{PasswordHasher, Unhashed};
pub use profile::{ProfileChange, ProfileError, by_id, by_username, set_status, update_profile};
pub use register::{RegisterError, register};
pub use revocation::{Revocation, Revocations, new_session};
pub use validate::NewAccount;
