//! Accounts against the embedded engine: one start, several scenarios.

use std::{error::Error, time::Instant};

use stampede_platform::engine::{Database, Source};

use super::*;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test(flavor = "multi_thread")]
async fn accounts() -> Outcome {
    let folder = tempfile::tempdir()?;
    let db = Database::open(&Source::Embedded(folder.path().to_owned()), 1).await?;
    db.migrate().await?;
    let hasher = PasswordHasher::new();
    registering_and_signing_in(&db, &hasher).await?;
    names_and_addresses_are_unique_in_any_case(&db, &hasher).await?;
    suspended_accounts_stay_out(&db, &hasher).await?;
    profiles_change_at_their_version(&db, &hasher).await?;
    the_administrator_is_made_once(&db, &hasher).await?;
    load_users_are_many_and_the_same_again(&db, &hasher).await?;
    db.close().await;
    Ok(())
}

fn person(name: &str) -> NewAccount {
    NewAccount {
        username: name.into(),
        email: format!("{name}@example.com"),
        password: "a good password".into(),
        phone: None,
    }
}

async fn registering_and_signing_in(db: &Database, hasher: &PasswordHasher) -> Outcome {
    let account = register(db, hasher, &person("Mei")).await?;
    assert_eq!((account.role, account.status, account.version), (Role::User, Status::Active, 1));
    assert_eq!(account.last_login_at, None);
    assert_eq!(by_id(db, account.id).await?.as_ref(), Some(&account));

    for name in ["Mei", "mEI", "MEI@example.com"] {
        let signed_in = login(db, hasher, name, "a good password").await?;
        assert_eq!(signed_in.id, account.id);
        assert!(signed_in.last_login_at.is_some());
        assert_eq!(signed_in.version, account.version);
    }
    for (name, password) in
        [("Mei", "another password"), ("nobody", "a good password"), ("a\0b", "x"), ("", "")]
    {
        let refused = login(db, hasher, name, password).await;
        assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{name:?}: {refused:?}");
    }
    Ok(())
}

async fn names_and_addresses_are_unique_in_any_case(db: &Database, hasher: &PasswordHasher) -> Outcome {
    let again =
        register(db, hasher, &NewAccount { email: "other@example.com".into(), ..person("MEI") }).await;
    assert!(matches!(again, Err(RegisterError::UsernameTaken)), "{again:?}");
    let again =
        register(db, hasher, &NewAccount { email: "mei@EXAMPLE.com".into(), ..person("other") }).await;
    assert!(matches!(again, Err(RegisterError::EmailTaken)), "{again:?}");
    let invalid = register(db, hasher, &NewAccount { password: "x".into(), ..person("third") }).await;
    assert!(matches!(invalid, Err(RegisterError::Invalid(_))), "{invalid:?}");
    Ok(())
}

async fn suspended_accounts_stay_out(db: &Database, hasher: &PasswordHasher) -> Outcome {
    let account = register(db, hasher, &person("suspect")).await?;
    let suspended = set_status(db, account.id, Status::Suspended).await?.ok_or("no account")?;
    assert_eq!((suspended.status, suspended.version), (Status::Suspended, 2));
    let refused = login(db, hasher, "suspect", "a good password").await;
    assert!(matches!(refused, Err(LoginError::Suspended)), "{refused:?}");
    let refused = login(db, hasher, "suspect", "another password").await;
    assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{refused:?}");
    Ok(())
}

async fn profiles_change_at_their_version(db: &Database, hasher: &PasswordHasher) -> Outcome {
    let account = register(db, hasher, &person("mover")).await?;
    let change = ProfileChange { email: None, phone: Some(Some("+86 10 1234".into())) };
    let changed = update_profile(db, account.id, &change, Some(&[7, 1])).await?;
    assert_eq!((changed.phone.as_deref(), changed.version), (Some("+86 10 1234"), 2));
    assert_eq!(changed.email, account.email);
    let stale = update_profile(db, account.id, &change, Some(&[1])).await;
    assert!(matches!(stale, Err(ProfileError::VersionConflict)), "{stale:?}");
    let taken = ProfileChange { email: Some("mei@example.com".into()), phone: None };
    let taken = update_profile(db, account.id, &taken, None).await;
    assert!(matches!(taken, Err(ProfileError::EmailTaken)), "{taken:?}");
    let forgotten = ProfileChange { email: None, phone: Some(None) };
    assert_eq!(update_profile(db, account.id, &forgotten, None).await?.phone, None);
    let nobody = stampede_kernel::UserId(uuid::Uuid::now_v7());
    let missing = update_profile(db, nobody, &ProfileChange::default(), None).await;
    assert!(matches!(missing, Err(ProfileError::NotFound)), "{missing:?}");
    Ok(())
}

async fn the_administrator_is_made_once(db: &Database, hasher: &PasswordHasher) -> Outcome {
    let weak = ensure_admin(db, hasher, "admin123").await;
    assert!(matches!(weak, Err(RegisterError::Invalid(_))), "{weak:?}");
    let Ensured::Created(admin) = ensure_admin(db, hasher, "an admin's password").await? else {
        return Err("it was there".into());
    };
    assert_eq!(admin.role, Role::Admin);
    assert_eq!(ensure_admin(db, hasher, "another password").await?, Ensured::Existing(admin.clone()));
    assert_eq!(login(db, hasher, "admin", "an admin's password").await?.id, admin.id);

    reset_password(db, hasher, "admin", "another password").await?;
    assert_eq!(login(db, hasher, "admin", "another password").await?.id, admin.id);
    let old = login(db, hasher, "admin", "an admin's password").await;
    assert!(matches!(old, Err(LoginError::WrongCredentials)), "{old:?}");
    let no_admin = reset_password(db, hasher, "Mei", "another password").await;
    assert!(matches!(no_admin, Err(ResetPasswordError::NotFound)), "{no_admin:?}");
    Ok(())
}

async fn load_users_are_many_and_the_same_again(db: &Database, hasher: &PasswordHasher) -> Outcome {
    let started = Instant::now();
    let users = ensure_load_users(db, 2_500, Role::User).await?;
    tracing::info!(elapsed = ?started.elapsed(), "made load users");
    assert_eq!(users.len(), 2_500);
    assert_eq!(users[0].1, "load-1");
    assert_eq!(users[2_499].1, "load-2500");
    assert_eq!(ensure_load_users(db, 2_500, Role::User).await?, users);
    assert_eq!(ensure_load_users(db, 3, Role::Seller).await?, users[..3]);
    let seller = by_id(db, users[0].0).await?.ok_or("no account")?;
    assert_eq!((seller.role, seller.email.as_str()), (Role::Seller, "load-1@load.invalid"));
    let refused = login(db, hasher, "load-1", "!").await;
    assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{refused:?}");
    assert_eq!(ensure_load_users(db, 0, Role::User).await?, []);
    Ok(())
}
