//! Log lines: one JSON object or one readable line for each event, with the request's id, masked.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
};

use serde_json::{Map, Value};
use stampede_kernel::Timestamp;
use stampede_server::request_id;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::MakeWriter,
    layer::{Context, Layer},
};

use super::mask::{MASK, is_secret, mask};
use crate::config::Format;

/// Writes every event as one line.
pub struct LogLayer<W> {
    format: Format,
    writer: W,
}

impl<W> LogLayer<W> {
    pub fn new(format: Format, writer: W) -> Self {
        Self { format, writer }
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let at = Timestamp::from(time::OffsetDateTime::now_utc());
        let metadata = event.metadata();
        let line = match self.format {
            Format::Json => json(at, *metadata.level(), metadata.target(), fields),
            Format::Console => console(at, *metadata.level(), metadata.target(), &fields),
        };
        // Where log lines cannot be written there is nobody to tell.
        let _written = self.writer.make_writer().write_all(line.as_bytes());
    }
}

fn json(at: Timestamp, level: Level, target: &str, fields: Fields) -> String {
    let mut object = Map::new();
    object.insert("timestamp".into(), at.to_string().into());
    object.insert("level".into(), level.as_str().into());
    object.insert("target".into(), target.into());
    object.insert("message".into(), fields.message.into());
    if let Some(id) = request_id::current() {
        object.insert("request_id".into(), id.as_str().into());
    }
    for (name, value) in fields.others {
        object.insert(name.into(), value);
    }
    let mut line = Value::Object(object).to_string();
    line.push('\n');
    line
}

fn console(at: Timestamp, level: Level, target: &str, fields: &Fields) -> String {
    let mut line = format!("{at} {level:>5} {target}: {}", one_line(&fields.message));
    let mut add = |name: &str, value: &str| {
        let quote = value.is_empty() || value.contains([' ', '"', '=']);
        // Writing to a String cannot fail.
        let _written = if quote {
            write!(line, " {name}={:?}", value)
        } else {
            write!(line, " {name}={}", one_line(value))
        };
    };
    for (name, value) in &fields.others {
        match value {
            Value::String(text) => add(name, text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                add(name, &value.to_string());
            }
        }
    }
    if let Some(id) = request_id::current() {
        add("request_id", id.as_str());
    }
    line.push('\n');
    line
}

/// A value with line breaks or control characters could pass for another line.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// An event's fields, masked.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        let name = field.name();
        let value = if is_secret(name) { MASK.into() } else { value() };
        if name == "message" {
            self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.others.push((name, value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, || mask(value).into_owned().into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, || value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, || value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, || value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, || value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, || mask(&stampede_server::problem::chain(value)).into_owned().into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, || mask(&format!("{value:?}")).into_owned().into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use stampede_server::request_id::RequestId;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = LogLayer::new(format, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn event() {
        tracing::info!(
            user_id = 7,
            password = "hunter2",
            phone = 13800138000_u64,
            header = "Bearer abcdefghij",
            request = ?("card", "4111 1111 1111 1111"),
            "call 13800138000\nsecond line"
        );
    }

    #[test]
    fn a_json_line_is_fielded_and_masked() {
        let line = logged(Format::Json, event);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!((&value["level"], &value["user_id"]), (&"INFO".into(), &7.into()));
        assert_eq!((&value["password"], &value["phone"]), (&MASK.into(), &MASK.into()));
        assert_eq!(value["header"], "Bearer ***");
        assert_eq!(value["message"], "call ***\nsecond line");
        for secret in ["hunter2", "13800138000", "4111", "abcdefghij"] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }

    #[test]
    fn a_console_line_is_one_line_and_masked() {
        let line = logged(Format::Console, event);
        assert!(
            line.contains(" INFO ") && line.contains("user_id=7") && line.contains("password=***"),
            "{line}"
        );
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        for secret in ["hunter2", "13800138000", "4111", "abcdefghij"] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }

    #[actix_web::test]
    async fn a_line_within_a_request_has_its_id() {
        let given = actix_web::http::header::HeaderValue::from_static("r-1");
        let id = RequestId::take_or_make(Some(&given));
        let line = request_id::scope(id, async { logged(Format::Json, event) }).await;
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["request_id"], "r-1");
    }
}
