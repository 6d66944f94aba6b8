//! Golden files: what stands in journals, snapshots and messages stays readable. For tests.
//!
//! Each file is a value as an earlier version wrote it. It must read back as the value of today, and that
//! value must still be written as the file has it. A changed meaning is a new variant with a new file; the
//! old file stays. `GOLDEN=write` writes files that are missing, never others.

use std::{fmt::Debug, fs, path::PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The golden files of one crate: those in its folder `golden`.
#[derive(Debug, Clone, Copy)]
pub struct Golden {
    crate_folder: &'static str,
}

/// The golden files of the crate that names it.
#[macro_export]
macro_rules! golden {
    () => {
        $crate::golden::Golden::of(env!("CARGO_MANIFEST_DIR"))
    };
}

impl Golden {
    #[must_use]
    pub const fn of(crate_folder: &'static str) -> Self {
        Self { crate_folder }
    }

    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(self.crate_folder).join("golden").join(format!("{name}.json"))
    }

    /// Compares a value's JSON form with its file.
    ///
    /// # Panics
    /// If they differ, or there is no file.
    pub fn is_written_as(self, name: &str, value: &impl Serialize) {
        let path = self.path(name);
        let now = serde_json::to_value(value).unwrap_or_else(|error| panic!("{name}: {error}"));
        if !path.exists() && std::env::var_os("GOLDEN").is_some_and(|mode| mode == "write") {
            let folder = path.parent().unwrap_or(&path);
            fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{name}: {error}"));
            fs::write(&path, format!("{now:#}\n")).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let then: Value =
            serde_json::from_str(&self.text(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(now, then, "{name} is not written as it was");
    }

    /// And reads it back.
    ///
    /// # Panics
    /// If it is not read as it was, or not written as it was.
    pub fn is_kept_as<T: Serialize + DeserializeOwned + PartialEq + Debug>(self, name: &str, value: &T) {
        self.is_written_as(name, value);
        let read: T =
            serde_json::from_str(&self.text(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&read, value, "{name} is not read as it was");
    }

    fn text(self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("golden/{name}.json: {error}"))
    }
}
