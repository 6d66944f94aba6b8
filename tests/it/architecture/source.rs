//! Reading the sources as the checks need them: without comments, with or without what strings hold, and
//! with the tests apart from what runs.
//!
//! Whatever is taken out is replaced by blanks, so that lines stay where they are.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use stampede_tests::{Case, once, workspace};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![comments_strings_and_tests_are_told_apart]
}

/// A source file.
pub struct Source {
    /// Its path from the workspace, with slashes.
    pub path: String,
    /// What runs: no comments, no tests.
    pub running: String,
    /// What runs, and no strings either.
    pub running_code: String,
    /// The tests, without strings.
    pub test_code: String,
    /// Everything, without strings.
    pub code: String,
    /// How many lines it has.
    pub lines: usize,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a source file can be read");
        let inside = path.strip_prefix(workspace()).expect("a file of the workspace");
        let parts: Vec<_> = inside.iter().map(|part| part.to_str().expect("a name in UTF-8")).collect();
        Self::of(&parts.join("/"), &text)
    }

    /// A file with this text.
    pub fn of(path: &str, text: &str) -> Self {
        let (running, code) = (blanked(text, false), blanked(text, true));
        let (all, tests) = (is_all_tests(path), test_items(&code));
        let is_test = |at: usize| all || tests.iter().any(|range| range.contains(&at));
        Self {
            path: path.to_owned(),
            running: blank(&running, is_test),
            running_code: blank(&code, is_test),
            test_code: blank(&code, |at| !is_test(at)),
            lines: text.lines().count(),
            code,
        }
    }

    /// The member that it belongs to: the folder with the `Cargo.toml`.
    pub fn member(&self) -> &str {
        let folders = if self.path.starts_with("tests/") { 1 } else { 2 };
        self.path.match_indices('/').nth(folders - 1).map_or("", |(end, _)| &self.path[..end])
    }

    /// The path of its module inside the member: `src/records/catalog/mod.rs` is `records::catalog`.
    /// None if it does not lie in `src`.
    pub fn module(&self) -> Option<Vec<String>> {
        let inside = self.path[self.member().len()..].strip_prefix("/src/")?.strip_suffix(".rs")?;
        let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&&**last)) {
            module.pop();
        }
        Some(module)
    }
}

/// The files of these folders of the workspace, which must have some.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let read = |folder: &&str| {
        let files = rust_files(&workspace().join(folder));
        assert!(!files.is_empty(), "no sources in {folder}");
        files.iter().map(|path| Source::read(path)).collect::<Vec<_>>()
    };
    folders.iter().flat_map(read).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Whether a file holds nothing but tests, or what only tests use, by its name or folder.
fn is_all_tests(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    let name = parts.next();
    ["tests.rs", "golden.rs"].map(Some).contains(&name) || parts.any(|folder| folder == "tests")
}

/// The number of the line at a place.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Whether a name may hold this.
pub fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The places at which a text has this word, and not only as a part of another.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_of_a_name) && !after.is_some_and(is_of_a_name)
    })
}

fn blank(text: &str, is_out: impl Fn(usize) -> bool) -> String {
    let mut left = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c == '\n' || !is_out(at) {
            left.push(c);
        } else {
            left.extend(std::iter::repeat_n(' ', c.len_utf8()));
        }
    }
    left
}

/// A source without its comments and, if asked to, without what its strings hold.
fn blanked(text: &str, strings_too: bool) -> String {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let after_name = text[..at].chars().next_back().is_some_and(is_of_a_name);
        let end = at
            + if rest.starts_with("//") {
                let length = rest.find('\n').unwrap_or(rest.len());
                out.push(at..at + length);
                length
            } else if rest.starts_with("/*") {
                let length = block_comment(rest);
                out.push(at..at + length);
                length
            } else if let Some((open, length)) = string(rest, after_name) {
                if strings_too {
                    out.push(at + open..at + length - 1);
                }
                length
            } else {
                rest.chars().next().map_or(1, char::len_utf8)
            };
        at = end;
    }
    let mut ranges = out.into_iter().peekable();
    let mut inside = move |at: usize| {
        while ranges.next_if(|range| range.end <= at).is_some() {}
        ranges.peek().is_some_and(|range| range.contains(&at))
    };
    let mut left = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if inside(at) && c != '\n' {
            left.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            left.push(c);
        }
    }
    left
}

/// The length of the comment that begins here; comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// If a string or character begins here: where what it holds begins, and its whole length.
fn string(text: &str, after_name: bool) -> Option<(usize, usize)> {
    if text.starts_with('"') {
        return Some((1, quoted(text, '"')));
    }
    if let Some(inside) = text.strip_prefix('\'') {
        // A lifetime has no second quote right behind its first character.
        let mut chars = inside.char_indices();
        let (_, first) = chars.next()?;
        let (next, second) = chars.next()?;
        return match (first, second) {
            ('\\', _) => Some((1, quoted(text, '\''))),
            (_, '\'') => Some((1, next + 2)),
            _ => None,
        };
    }
    let raw = text.strip_prefix('r').or_else(|| text.strip_prefix("br")).filter(|_| !after_name)?;
    let hashes = raw.chars().take_while(|c| *c == '#').count();
    let body = raw[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let open = text.len() - body.len();
    Some((open, open + body.find(&close).map_or(body.len(), |end| end + close.len())))
}

/// The length of the string that begins here, up to its closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where the items that are compiled for tests only stand, with their attributes.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let attribute = "#[cfg(test)]";
    code.match_indices(attribute).map(|(at, _)| at..item_end(code, at + attribute.len())).collect()
}

/// Where the item ends that begins here: behind its braces, or its semicolon.
pub fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' if depth <= 1 => return from + at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return from + at + 1,
            _ => {}
        }
    }
    code.len()
}

async fn comments_strings_and_tests_are_told_apart() {
    let text = r##"
use std::fs; // a comment with "quotes"
/* and one /* in another */ with } */
fn f<'a>(c: &'a str) -> char { let url = "https://a \" }"; if c == r#"raw " }"# { '{' } else { '\'' } }
#[cfg(test)]
use super::helper;
#[cfg(test)]
mod tests { fn t() { let s = "}"; sleep(); } }
fn g() {}
"##;
    let source = Source::of("actors/shop/src/records/catalog/mod.rs", text);
    assert_eq!(
        (source.member(), source.module().expect("in src").join("::")),
        ("actors/shop", "records::catalog".into())
    );
    assert_eq!(source.lines, text.lines().count());
    for out in ["quotes", "another", "with }"] {
        assert!(!source.running.contains(out), "{}", source.running);
    }
    assert!(source.running.contains("https://a") && source.running.contains("raw"), "{}", source.running);
    for out in ["https", "raw", "'{'"] {
        assert!(!source.running_code.contains(out), "{}", source.running_code);
    }
    for (inside, outside) in [("helper", "fn f"), ("sleep", "fn g")] {
        assert!(source.test_code.contains(inside) && !source.running.contains(inside), "{inside}");
        assert!(source.running_code.contains(outside) && !source.test_code.contains(outside), "{outside}");
    }
    assert_eq!(source.code.matches('{').count(), source.code.matches('}').count(), "{}", source.code);
    let tests = Source::of("http/server/src/routes/tests/edge.rs", "fn f() {}");
    assert!(tests.running.trim().is_empty() && tests.test_code == "fn f() {}");
    assert_eq!(Source::of("tests/it/main.rs", "").member(), "tests");
    assert_eq!(words("a stock, stocked; stock", "stock").count(), 2);
}
