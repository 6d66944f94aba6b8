//! How the rows of a table are written to a file, and read back.

/// A table that is moved with the shop.
pub struct ExportTable {
    pub name: &'static str,
    /// Opens the cursor `export_rows` over its rows as JSON, in the order in which they are inserted.
    pub declare: &'static str,
    /// Reads the cursor's next batch.
    pub fetch: &'static str,
    /// Inserts the rows of a JSON array.
    pub insert: &'static str,
    /// Whether it has a row.
    pub any: &'static str,
}

macro_rules! table {
    ($name:literal, order $order:literal, batch $batch:literal) => {
        table!($name, with "", from (concat!($name, " AS exported")), order $order, batch $batch)
    };
    ($name:literal, with $with:literal, from ($from:expr), order $order:literal, batch $batch:literal) => {
        ExportTable {
            name: $name,
            declare: concat!(
                "DECLARE export_rows NO SCROLL CURSOR FOR ", $with,
                " SELECT row_to_json(exported)::text FROM ", $from, " ORDER BY ", $order
            ),
            fetch: concat!("FETCH ", $batch, " FROM export_rows"),
            insert: concat!(
                "INSERT INTO ", $name, " OVERRIDING SYSTEM VALUE
                 SELECT * FROM json_populate_recordset(NULL::", $name, ", $1::json)"
            ),
            any: concat!("SELECT EXISTS (SELECT 1 FROM ", $name, ")"),
        }
    };
}
pub(super) use table;
