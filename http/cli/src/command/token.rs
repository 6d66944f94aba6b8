//! `stampede token`: users for load tests, and a token for each.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    time::SystemTime,
};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::json;
use stampede_kernel::Timestamp;
use stampede_loadtest::{client::Endpoint, output::Output};
use stampede_server::auth::Signer;
use stampede_shop::records::account::{self, Role, limits::LOAD_USERS_MAX};
use uuid::Uuid;

use super::{DONE, Failure, Settings, administrator, offline, serve::in_system, tell};
use crate::{config::Config, startup::signing_key};

/// Users that one request asks a server for.
const PAGE_USERS: u32 = 5_000;

#[derive(Debug, Args)]
#[command(after_help = "\
The users are load-1, load-2 ...; those that are missing are made. No password fits them, they act by
their tokens only, which expire like any other (auth.access_token_ttl_seconds).
With --url a running server makes them; STAMPEDE_ADMIN_PASSWORD must hold the password of its user
admin. Without it they are made in the database, which the embedded engine allows only while no
server uses it; the settings must be those of the server that is to take the tokens.")]
pub struct Token {
    /// How many users
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(LOAD_USERS_MAX)))]
    users: u32,
    /// What they are to the shop
    #[arg(long, value_enum, default_value = "user")]
    role: LoadRole,
    /// The file to write, one token a line; stdout without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Let the server at this address make them, as http://host:port or https://host:port
    #[arg(long, value_name = "URL")]
    url: Option<Endpoint>,
    #[command(flatten)]
    settings: Settings,
}

/// Roles that users for load tests may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LoadRole {
    User,
    Seller,
}

impl From<LoadRole> for Role {
    fn from(role: LoadRole) -> Self {
        match role {
            LoadRole::User => Role::User,
            LoadRole::Seller => Role::Seller,
        }
    }
}

impl Token {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let role = self.role.into();
        let work = |out: &mut dyn Write| match self.url {
            Some(url) => in_system(from_server(url, self.users, role, out))?,
            None => in_system(from_database(self.settings.load()?, self.users, role, out))?,
        };
        let Some(path) = &self.out else {
            let mut out = BufWriter::new(io::stdout());
            work(&mut out)?;
            out.flush()?;
            return Ok(DONE);
        };
        // Tokens let anybody act as their users.
        let mut out = BufWriter::new(Output::private(path)?);
        work(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
        tell(&format!("{} tokens in {}", self.users, path.display()));
        Ok(DONE)
    }
}

async fn from_server(url: Endpoint, users: u32, role: Role, out: &mut dyn Write) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Page {
        users: Vec<User>,
    }
    #[derive(Deserialize)]
    struct User {
        access_token: String,
    }
    let mut server = administrator(url)?;
    let mut made = 0;
    while made < users {
        let count = PAGE_USERS.min(users - made);
        let body = json!({"from": made + 1, "count": count, "role": role});
        let page: Page = server.post("/api/v1/admin/load-users", &body).await?;
        if page.users.len() != count as usize {
            return Err(format!("{count} users were asked for, {} were given", page.users.len()).into());
        }
        for user in page.users {
            writeln!(out, "{}", user.access_token)?;
        }
        made += count;
        if users > PAGE_USERS {
            tell(&format!("{made} of {users} users"));
        }
    }
    Ok(())
}

async fn from_database(config: Config, users: u32, role: Role, out: &mut dyn Write) -> Result<(), Failure> {
    let signer = Signer::new(&signing_key(&config)?, &config.auth)?;
    let otherwise = "let its server make the tokens: --url http://host:port";
    let database = offline::open(&config, offline::Missing::Make, otherwise).await?;
    let made = account::ensure_load_users(&database, users, role).await;
    database.close().await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::after_epoch(now);
    for (id, _) in made? {
        writeln!(out, "{}", signer.issue(id, role, Uuid::now_v7(), now)?.access_token)?;
    }
    Ok(())
}
