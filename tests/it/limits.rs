//! `deploy/limits.md` lists the limits of every room as the sources have them. `LIMITS=write` writes it anew.

use std::{fmt::Write as _, fs, path::PathBuf};

use stampede_tests::{Case, once, workspace};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![the_page_lists_every_limit, limits_are_read_as_they_are_written]
}

const PAGE: &str = "deploy/limits.md";

/// Where the rooms are that have limits.
const FOLDERS: [&str; 3] = ["actors", "http", "tests"];

const HEAD: &str = "# Limits

Everything that grows, waits or repeats has a limit with a name. These are the limits that are built in, room
by room; what an operator can set is in `config/default.toml`. A name ends with its unit, or with what it
counts; `_MIN` is the least, and the others are the most, or the usual.

This page is made from the sources: `make limits` writes it anew, and a test compares the two.
";

/// One constant of a `limits.rs`.
struct Limit {
    name: String,
    meaning: String,
    /// Its value as it is written.
    expression: String,
}

/// The limits of one room.
struct Room {
    /// The file from the workspace, with slashes.
    path: String,
    limits: Vec<Limit>,
}

impl Room {
    /// The room's folder, without what all members have.
    fn name(&self) -> String {
        self.path.trim_end_matches("/limits.rs").replacen("/src", "", 1)
    }
}

fn files_named_limits(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_named_limits(path));
        } else if path.ends_with("limits.rs") && path.iter().any(|part| part == "src") {
            found.push(path);
        }
    }
    found
}

fn rooms() -> Vec<Room> {
    let files = FOLDERS.iter().flat_map(|folder| files_named_limits(workspace().join(folder)));
    let mut texts: Vec<(String, String)> = files
        .map(|file| {
            let inside = file.strip_prefix(workspace()).expect("a file of the workspace");
            let path: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
            (path.join("/"), fs::read_to_string(&file).expect("a source file can be read"))
        })
        .collect();
    texts.sort();
    texts.into_iter().map(|(path, text)| Room { limits: read(&path, &text), path }).collect()
}

fn read(path: &str, text: &str) -> Vec<Limit> {
    assert!(text.starts_with("//! Limits of "), "{path} says of what its limits are");
    let mut limits = Vec::new();
    let mut meaning: Vec<&str> = Vec::new();
    let mut statement = String::new();
    for line in text.lines() {
        if let Some(doc) = line.strip_prefix("/// ") {
            meaning.push(doc);
            continue;
        }
        if statement.is_empty() && !line.starts_with("pub const ") {
            continue;
        }
        statement.push_str(line);
        if let Some(declared) = statement.strip_suffix(';') {
            let (declaration, expression) = declared.split_once('=').expect("a constant has a value");
            let name = declaration.trim_start_matches("pub const ").split(':').next().expect("a name");
            assert!(!meaning.is_empty(), "{path}: {name} has no meaning");
            let (name, expression) = (name.to_owned(), expression.trim().to_owned());
            limits.push(Limit { name, meaning: meaning.join(" "), expression });
            (meaning, statement) = (Vec::new(), String::new());
        }
    }
    assert!(statement.is_empty(), "{path}: `{statement}` has no end");
    limits
}

/// The value of an expression of whole numbers, names, `*` and `<<`, of which `*` binds closer. A name is a
/// limit of the same room, or of another.
fn value(expression: &str, room: &Room, rooms: &[Room]) -> i128 {
    let named = |name: &str| {
        let limits = room.limits.iter().chain(rooms.iter().flat_map(|room| &room.limits));
        limits.into_iter().find(|limit| limit.name == name).map(|limit| value(&limit.expression, room, rooms))
    };
    let factor = |text: &str| {
        let number = text.trim().replace('_', "").parse().ok().or_else(|| named(text.trim()));
        number.unwrap_or_else(|| panic!("{}: `{text}` is neither a number nor a limit", room.path))
    };
    let product = |text: &str| text.split('*').map(factor).product::<i128>();
    let mut shifted = expression.split("<<").map(product);
    let first = shifted.next().unwrap_or_default();
    shifted.fold(first, |value, bits| value << bits)
}

/// A number with its thousands apart.
fn grouped(value: i128) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value in a larger unit, where it is a whole number of that.
fn in_larger_unit(name: &str, value: i128) -> Option<String> {
    let has = |unit: &str| name.split('_').any(|word| word == unit);
    let units: &[(i128, &str)] = if has("MS") {
        &[(86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")]
    } else if has("SECONDS") {
        &[(86_400, "days"), (3_600, "h"), (60, "min")]
    } else if has("BYTES") {
        &[(1 << 20, "MiB"), (1 << 10, "KiB")]
    } else {
        &[]
    };
    let (size, unit) = units.iter().find(|(size, _)| value >= *size && value % size == 0)?;
    match (value / size, *unit) {
        (1, "days") => Some("1 day".to_owned()),
        (count, unit) => Some(format!("{count} {unit}")),
    }
}

fn page(rooms: &[Room]) -> String {
    let mut page = HEAD.to_owned();
    for room in rooms {
        let _ = write!(page, "\n## `{}`\n\n| limit | value | meaning |\n| --- | ---: | --- |\n", room.name());
        for limit in &room.limits {
            let value = value(&limit.expression, room, rooms);
            let value = match in_larger_unit(&limit.name, value) {
                Some(larger) => format!("{} ({larger})", grouped(value)),
                None => grouped(value),
            };
            let _ = writeln!(page, "| `{}` | {value} | {} |", limit.name, limit.meaning.replace('|', "\\|"));
        }
    }
    page
}

async fn the_page_lists_every_limit() {
    let expected = page(&rooms());
    let path = workspace().join(PAGE);
    if std::env::var_os("LIMITS").is_some_and(|mode| mode == "write") {
        fs::write(&path, &expected).expect("the page can be written");
    }
    let shown = fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().zip(shown.lines()).find(|(expected, shown)| expected != shown);
    assert!(
        shown == expected,
        "{PAGE} is not what the sources say, from {differs:?}; `make limits` writes it"
    );
}

async fn limits_are_read_as_they_are_written() {
    let text = "//! Limits of a lamp.\n\nuse a::B;\n\n/// How long\n/// it burns.\npub const BURNING_MS_MAX: u64 = 2 * 3_600_000;\n\
                /// Bytes | of it.\npub const LAMP_BYTES_MAX:\n    usize = 64 << 10;\n\
                /// Lamps.\npub const LAMPS: i64 = BURNING_MS_MAX * WICKS;\n";
    let (path, wick) =
        ("shop/src/lamp/limits.rs".to_owned(), "//! Limits of a wick.\n/// Wicks.\npub const WICKS: u8 = 2;");
    let lamp = Room { limits: read(&path, text), path };
    let wick = Room { path: "shop/src/wick/limits.rs".to_owned(), limits: read("", wick) };
    let page = page(&[lamp, wick]);
    let rows = page.strip_prefix(HEAD).expect("the head comes first");
    let expected = "\n## `shop/lamp`\n\n| limit | value | meaning |\n| --- | ---: | --- |\n\
                    | `BURNING_MS_MAX` | 7,200,000 (2 h) | How long it burns. |\n\
                    | `LAMP_BYTES_MAX` | 65,536 (64 KiB) | Bytes \\| of it. |\n\
                    | `LAMPS` | 14,400,000 | Lamps. |\n\
                    \n## `shop/wick`\n\n| limit | value | meaning |\n| --- | ---: | --- |\n| `WICKS` | 2 | Wicks. |\n";
    assert_eq!(rows, expected);
    assert_eq!(grouped(12), "12");
    assert_eq!(grouped(1_000), "1,000");
}
