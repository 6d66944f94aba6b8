//! The private servers and the proxy do what the other tests trust them to do.

use stampede_tests::{
    Case, Nats, Postgres, Proxy, once,
    sqlx::{self, Connection, PgConnection},
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        a_killed_postgres_keeps_what_it_committed,
        the_proxy_swallows_the_answer_to_a_commit,
        the_proxy_swallows_the_answer_to_an_explicit_commit,
        the_proxy_lets_failures_through,
        the_proxy_cuts_refuses_and_holds,
        nats_comes_back_with_its_streams_store,
        redis_comes_back,
    ]
}

async fn rows(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM ledger").fetch_one(connection).await.expect("the table is there")
}

async fn ledger(postgres: &Postgres) -> (String, PgConnection) {
    let database = postgres.create_database().await;
    let mut direct = postgres.connect(&database).await.expect("PostgreSQL accepts a connection");
    sqlx::query("CREATE TABLE ledger (n integer PRIMARY KEY)")
        .execute(&mut direct)
        .await
        .expect("a table can be made");
    (database, direct)
}

async fn a_killed_postgres_keeps_what_it_committed() {
    let mut postgres = Postgres::start().await;
    let (database, mut direct) = ledger(&postgres).await;
    sqlx::query("INSERT INTO ledger VALUES (1)").execute(&mut direct).await.expect("a row goes in");
    postgres.kill9().await;
    assert!(postgres.connect(&database).await.is_err(), "a killed server answers");
    postgres.restart().await;
    let mut direct = postgres.connect(&database).await.expect("PostgreSQL accepts a connection");
    assert_eq!(rows(&mut direct).await, 1);
    postgres.restart().await;
    let mut direct = postgres.connect(&database).await.expect("PostgreSQL accepts a connection");
    assert_eq!(rows(&mut direct).await, 1);
}

async fn through(proxy: &Proxy, database: &str) -> PgConnection {
    PgConnection::connect(&proxy.url(database)).await.expect("the proxy lets a connection through")
}

async fn insert(connection: &mut PgConnection, n: i32) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO ledger SELECT $1").bind(n).execute(connection).await.map(drop)
}

async fn the_proxy_swallows_the_answer_to_a_commit() {
    let postgres = Postgres::shared().await;
    let (database, mut direct) = ledger(&postgres).await;
    let proxy = Proxy::start(postgres.port()).await;
    let mut client = through(&proxy, &database).await;
    // The statement is prepared here, so that its text does not pass again below.
    insert(&mut client, 1).await.expect("a row goes in");

    proxy.swallow_answer_to("INTO ledger");
    sqlx::query("SELECT 1").execute(&mut client).await.expect("another statement passes");
    insert(&mut client, 2).await.expect_err("the answer is swallowed");
    proxy.swallowed(1).await;
    assert_eq!(rows(&mut direct).await, 2, "the server had committed");

    let mut client = through(&proxy, &database).await;
    insert(&mut client, 3).await.expect("once only");
}

async fn the_proxy_swallows_the_answer_to_an_explicit_commit() {
    let postgres = Postgres::shared().await;
    let (database, mut direct) = ledger(&postgres).await;
    let proxy = Proxy::start(postgres.port()).await;
    let mut client = through(&proxy, &database).await;
    proxy.swallow_answer_to("INTO ledger");
    let mut transaction = client.begin().await.expect("a transaction begins");
    insert(&mut transaction, 1).await.expect("nothing is committed yet");
    transaction.commit().await.expect_err("the answer is swallowed");
    assert_eq!(rows(&mut direct).await, 1, "the server had committed");
}

async fn the_proxy_lets_failures_through() {
    let postgres = Postgres::shared().await;
    let (database, mut direct) = ledger(&postgres).await;
    let proxy = Proxy::start(postgres.port()).await;
    let mut client = through(&proxy, &database).await;
    insert(&mut client, 1).await.expect("a row goes in");
    proxy.swallow_answer_to("INTO ledger");
    let error = insert(&mut client, 1).await.expect_err("the row is there already");
    assert!(error.as_database_error().is_some_and(|error| error.is_unique_violation()), "{error}");
    insert(&mut client, 2).await.expect_err("still armed");
    assert_eq!(rows(&mut direct).await, 2);
}

async fn the_proxy_cuts_refuses_and_holds() {
    let postgres = Postgres::shared().await;
    let (database, mut direct) = ledger(&postgres).await;
    let proxy = Proxy::start(postgres.port()).await;

    let mut client = through(&proxy, &database).await;
    proxy.cut();
    insert(&mut client, 1).await.expect_err("the connection is cut");

    proxy.refuse();
    PgConnection::connect(&proxy.url(&database)).await.expect_err("connections are refused");
    proxy.pass();

    let mut client = through(&proxy, &database).await;
    proxy.black_hole();
    let held = tokio::spawn(async move { insert(&mut client, 2).await });
    assert_eq!(rows(&mut direct).await, 0);
    assert!(!held.is_finished(), "nothing comes out of a black hole");
    proxy.pass();
    held.await.expect("the task ends").expect("what was held goes through");
    assert_eq!(rows(&mut direct).await, 1);
}

async fn nats_comes_back_with_its_streams_store() {
    let mut nats = Nats::start().await;
    let url = nats.url();
    nats.kill9();
    nats.wipe();
    nats.restart().await;
    assert_eq!(nats.url(), url);
}

async fn redis_comes_back() {
    let mut redis = stampede_tests::Redis::start().await;
    let url = redis.url();
    redis.kill9();
    redis.restart().await;
    assert_eq!(redis.url(), url);
}
