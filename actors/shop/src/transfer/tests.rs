//! From one embedded engine to another.

use std::{collections::BTreeMap, error::Error, io::Cursor};

use super::*;
use crate::rooms;
use stampede_platform::engine::{Database, Source};

type Outcome = Result<(), Box<dyn Error>>;

/// Tables that are not moved: a lease means nothing elsewhere, and the migrations make their own.
const LEFT: [&str; 2] = ["_sqlx_migrations", "node"];

/// Something in every table, with what is easily lost on the way: order, precision, nulls, quotes.
const CONTENT: &str = r#"
    INSERT INTO shop (shards, shard_hash) VALUES (3, 'fnv1a');
    INSERT INTO shard (id, owner, epoch) VALUES (0, 'node-1', 7), (1, NULL, 2), (2, 'node-2', 9007199254740993);
    INSERT INTO journal (shard, seq, epoch, actor_kind, actor_id, version, event_type, payload)
        SELECT n % 3, n / 3 + 1, 1, 'stock', 'sku-' || n, 1, 'received',
               jsonb_build_object('quantity', n, 'text', E'two\nlines "quoted" \\ 两行', 'big', 9007199254740993)
        FROM generate_series(0, 1400) AS n;
    INSERT INTO snapshot (actor_kind, actor_id, version, state)
        SELECT 'stock', 'sku-' || n, 1, jsonb_build_object('padding', repeat('x', 200000)) FROM generate_series(1, 30) AS n;
    INSERT INTO checkpoint (subscription, shard, seq) VALUES ('projection', 0, 12), ('sagas', 2, 3);
    INSERT INTO parked (shard, seq, saga, target, command, cause) VALUES (0, 1, 'expiry', 'order x', '["a", null]', 'why');
    INSERT INTO account (id, username, email, password_hash, role, created_at, last_login_at) VALUES
        ('00000000-0000-7000-8000-000000000001', 'Zoë', 'zoe@example.com', '$argon2id$', 'admin', '2026-01-02 03:04:05.678901+08', NULL);
    INSERT INTO revocation (id, user_id, session_id, expires_at) VALUES
        ('00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000001', NULL, now()),
        ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', gen_random_uuid(), now());
    INSERT INTO category (id, parent_id, name, position) VALUES
        ('00000000-0000-7000-8000-000000000009', NULL, 'root', 1),
        ('00000000-0000-7000-8000-000000000005', '00000000-0000-7000-8000-000000000009', 'child', 1),
        ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000005', 'grandchild', 1);
    INSERT INTO product (id, name, category_id, images, tags, specs, status, price, created_by) VALUES
        ('00000000-0000-7000-8000-000000000001', 'lamp', '00000000-0000-7000-8000-000000000001', '{}',
         ARRAY['a,b', 'c "d"', ''], '{"w": 1.50}', 'active', 9999999999.90, '00000000-0000-7000-8000-000000000001');
    INSERT INTO sku (id, product_id, sku_code, price, status, is_default) VALUES
        ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000001', 'LAMP', 0.10, 'active', true);
    INSERT INTO relay (stream_created, last_sequence) VALUES (now(), 5);
    INSERT INTO claim (key, body, holders, target)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid() FROM generate_series(1, 600);
    INSERT INTO outbox (record_kind, record_id, version, event_type, payload)
        SELECT 'product', 'p', n, 'updated', '{}' FROM generate_series(1, 5) AS n;
    DELETE FROM outbox WHERE id > 3;
    INSERT INTO stock_ledger (sku_id, received) VALUES ('00000000-0000-7000-8000-000000000001', 6);
    INSERT INTO stock_pool (sku_id, pool, allotted, available, held, sold) VALUES
        ('00000000-0000-7000-8000-000000000001', '00000000-0000-0000-0000-000000000000', 6, 1, 2, 3);
    INSERT INTO flash_sale (id, sku_id, product_id, name, price, original_price, currency, per_user_limit,
                            starts_at, ends_at, pay_within_ms)
        VALUES ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000001',
                '00000000-0000-7000-8000-000000000001', 'lamp', 1, 2, 'CNY', 1, now(), now(), 900000);
    INSERT INTO orders (order_no, user_id, status, total, created_at, pay_before, doc)
        SELECT '2026112000000000000' || n, '00000000-0000-7000-8000-000000000001', 'paid', 1.00, now(), now(), '{"items": []}'
        FROM generate_series(1, 450) AS n;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_moves_whole_or_not_at_all() -> Outcome {
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let source = Database::open(&Source::Embedded(from.path().to_owned()), 1).await?;
    source.migrate().await?;
    let nothing = export(&source, &mut Vec::new(), |_| ()).await;
    assert!(matches!(nothing, Err(TransferError::NoShop)), "{nothing:?}");
    sqlx::raw_sql(CONTENT).execute(&mut *source.connection().await?).await?;
    every_table_is_moved(&source).await?;

    let before = epochs(&source).await?;
    let mut file = Vec::new();
    let written = export(&source, &mut file, |_| ()).await?;
    let fenced = epochs(&source).await?;
    assert!(before.iter().zip(&fenced).all(|(before, now)| now.1 == before.1 + 1 && now.2.is_none()));
    let was = fingerprints(&source).await?;
    assert!(was.iter().all(|(_, (rows, _))| *rows > 0), "every table is tried: {was:?}");
    assert_eq!(i64::try_from(written)?, was.values().map(|(rows, _)| rows).sum::<i64>());
    source.close().await;

    let target = Database::open(&Source::Embedded(to.path().to_owned()), 1).await?;
    target.migrate().await?;
    damaged_files_change_nothing(&target, &file).await?;

    // Opened once, and so with shards of its own, one of which has been taken often.
    sqlx::raw_sql("INSERT INTO shop VALUES (true, 64, 'x'); INSERT INTO shard SELECT n, 'me', 40 FROM generate_series(0, 63) AS n")
        .execute(&mut *target.connection().await?)
        .await?;
    assert_eq!(import(&target, &mut Cursor::new(&file), |_| ()).await?, written);
    let mut is = fingerprints(&target).await?;
    let mut was = was;
    assert_ne!(was.remove("shard"), is.remove("shard"), "epochs grow");
    assert_eq!(is, was);
    let raised: Vec<_> = fenced.iter().map(|(id, epoch, _)| (*id, epoch.max(&40) + 1, None)).collect();
    assert_eq!(epochs(&target).await?, raised);

    let mut connection = target.connection().await?;
    let next: i64 = sqlx::query_scalar(
        "INSERT INTO outbox (record_kind, record_id, version, event_type, payload)
         VALUES ('product', 'p', 9, 'updated', '{}') RETURNING id",
    )
    .fetch_one(&mut *connection)
    .await?;
    assert_eq!(next, 6, "ids that were given out are not given out again");
    drop(connection);

    let again = import(&target, &mut Cursor::new(&file), |_| ()).await;
    assert!(matches!(again, Err(TransferError::NotEmpty { table: "journal" })), "{again:?}");
    target.close().await;
    Ok(())
}

async fn every_table_is_moved(database: &Database) -> Outcome {
    let mut connection = database.connection().await?;
    let mut tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()")
            .fetch_all(&mut *connection)
            .await?;
    tables.retain(|table| !LEFT.contains(&table.as_str()));
    tables.sort();
    let mut moved: Vec<&str> = rooms::tables().map(|table| table.name).collect();
    moved.sort_unstable();
    assert_eq!(tables, moved, "a table of the schema is not moved, or one that is moved is gone");
    Ok(())
}

async fn damaged_files_change_nothing(database: &Database, file: &[u8]) -> Outcome {
    let text = std::str::from_utf8(file)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let last = lines.len() - 1;
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
    let refused = [
        ("empty", String::new(), "Foreign"),
        ("another file", "[server]\nlisten = 1\n".to_owned(), "Foreign"),
        ("not text", "\u{1}".repeat(100), "Foreign"),
        ("a newer format", text.replacen("\"version\":1", "\"version\":2", 1), "Version"),
        ("another schema", text.replacen("\"migrations\":[1,", "\"migrations\":[", 1), "Schema"),
        ("cut after a line", lines[..last].concat(), "Truncated"),
        ("cut within a line", text[..text.len() / 2].to_owned(), "Truncated"),
        ("cut within the last line", text[..text.len() - 2].to_owned(), "Truncated"),
        ("a row less", without(last - 1), "Altered"),
        ("a value changed", text.replacen("\"zoe@example.com\"", "\"eve@example.com\"", 1), "Altered"),
        ("the header changed", text.replacen("\"exported_at\":\"2", "\"exported_at\":\"3", 1), "Altered"),
        ("something behind the end", format!("{text}\n"), "Altered"),
        ("a row twice", [&lines[..3], &lines[2..]].concat().concat(), "Row"),
        ("an unknown table", text.replacen("\"t\":\"journal\"", "\"t\":\"pg_authid\"", 1), "Line"),
    ];
    for (what, file, cause) in refused {
        let outcome = import(database, &mut Cursor::new(file.as_bytes()), |_| ()).await;
        let said = format!("{outcome:?}");
        assert!(said.starts_with(&format!("Err({cause}")), "{what}: {said}");
    }
    let left = fingerprints(database).await?;
    assert!(left.values().all(|(rows, _)| *rows == 0), "{left:?}");
    Ok(())
}

/// Rows of each table, and the MD5 of them all.
async fn fingerprints(
    database: &Database,
) -> Result<BTreeMap<&'static str, (i64, Option<String>)>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let mut all = BTreeMap::new();
    for table in rooms::tables() {
        let name = table.name;
        let sql = format!("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t");
        all.insert(name, sqlx::query_as(&sql).fetch_one(&mut *connection).await?);
    }
    Ok(all)
}

async fn epochs(database: &Database) -> Result<Vec<(i16, i64, Option<String>)>, sqlx::Error> {
    let mut connection = database.connection().await?;
    sqlx::query_as("SELECT id, epoch, owner FROM shard ORDER BY id").fetch_all(&mut *connection).await
}
