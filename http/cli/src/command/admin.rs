//! `stampede admin`: administrators, made and repaired by the operator.

use std::{io, process::ExitCode};

use clap::{Args, Subcommand};
use stampede_kernel::FieldError;
use stampede_shop::records::account::{self, PasswordHasher, RegisterError, ResetPasswordError};

use super::{DONE, Failure, Settings, offline, say, serve::in_system};
use crate::{config::Config, startup::generate_password};

/// What to do when the data folder is in use.
const OTHERWISE: &str = "stop its server first";
/// Bytes of stdin that are read for a password.
const PASSWORD_INPUT_MAX: u64 = 4_096;

#[derive(Debug, Args)]
pub struct Admin {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes another administrator
    Create(Create),
    /// Gives an administrator a new password
    ResetPassword(ResetPassword),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The first administrator, admin, is made by `stampede serve`. Without --password-stdin a password is
generated and printed, once.")]
struct Create {
    /// The name to sign in with
    #[arg(long, value_name = "NAME")]
    username: String,
    /// The e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// Read the password from the first line of stdin
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --password-stdin a password is generated and printed, once. Tokens that were issued before
stay valid until they expire.")]
struct ResetPassword {
    /// Whose password
    #[arg(long, value_name = "NAME", default_value = "admin")]
    username: String,
    /// Read the password from the first line of stdin
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    settings: Settings,
}

/// A password, and whether nobody knows it yet.
struct Password {
    text: String,
    generated: bool,
}

impl Admin {
    pub fn run(self) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Create(create) => {
                let config = create.settings.load()?;
                let password = password(create.password_stdin)?;
                in_system(make(config, create.username, create.email, password))?
            }
            Action::ResetPassword(reset) => {
                let config = reset.settings.load()?;
                let password = password(reset.password_stdin)?;
                in_system(repair(config, reset.username, password))?
            }
        }
    }
}

async fn make(
    config: Config,
    username: String,
    email: String,
    password: Password,
) -> Result<ExitCode, Failure> {
    let database = offline::open(&config, offline::Missing::Make, OTHERWISE).await?;
    let hasher = PasswordHasher::new();
    let made = account::create_admin(&database, &hasher, &username, &email, &password.text).await;
    database.close().await;
    match made {
        Ok(account) => tell_password(&format!("administrator {} was made", account.username), &password),
        Err(RegisterError::Invalid(errors)) => Err(invalid(&errors)),
        Err(error) => Err(Box::new(error)),
    }
}

async fn repair(config: Config, username: String, password: Password) -> Result<ExitCode, Failure> {
    let database = offline::open(&config, offline::Missing::Refuse, OTHERWISE).await?;
    let hasher = PasswordHasher::new();
    let reset = account::reset_password(&database, &hasher, &username, &password.text).await;
    database.close().await;
    match reset {
        Ok(account) => {
            tell_password(&format!("administrator {} has a new password", account.username), &password)
        }
        Err(ResetPasswordError::Invalid(errors)) => Err(invalid(&errors)),
        Err(ResetPasswordError::NotFound) => Err(format!("there is no administrator {username}").into()),
        Err(error) => Err(Box::new(error)),
    }
}

/// The password from stdin, else a generated one.
fn password(from_stdin: bool) -> Result<Password, Failure> {
    if !from_stdin {
        return Ok(Password { text: generate_password(), generated: true });
    }
    let mut line = String::new();
    io::BufRead::read_line(&mut io::Read::take(io::stdin().lock(), PASSWORD_INPUT_MAX), &mut line)?;
    let text = line.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() {
        return Err("there is no password on stdin".into());
    }
    Ok(Password { text, generated: false })
}

/// A password that was typed in is not shown at all.
fn tell_password(done: &str, password: &Password) -> Result<ExitCode, Failure> {
    if password.generated {
        say(&format!("{done}: {} (shown only this once)\n", password.text))?;
    } else {
        say(&format!("{done}\n"))?;
    }
    Ok(DONE)
}

fn invalid(errors: &[FieldError]) -> Failure {
    let told: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect();
    told.join("; ").into()
}
