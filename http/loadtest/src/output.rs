//! The file that the result of a command goes to.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

/// The file cannot be opened, or written.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written")]
pub struct OutputError {
    path: PathBuf,
    source: io::Error,
}

/// A file that is opened before the work whose result it is to hold, so that one that cannot be written is
/// refused before the work and not after it. What it held before is replaced by the first byte that is
/// written. A file that was made for the result is removed again unless [`Output::finish`] is called.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: File,
    /// It can be cut and synchronised; a pipe or a device cannot.
    regular: bool,
    /// It holds what it held before.
    untouched: bool,
    /// It was not there before.
    made: bool,
}

impl Output {
    /// Opens the file at `path`, or makes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> Result<Self, OutputError> {
        Self::open_as(path, 0o666)
    }

    /// As [`Output::open`]; a file that is made can be read by its owner only.
    ///
    /// # Errors
    /// As [`Output::open`].
    pub fn private(path: &Path) -> Result<Self, OutputError> {
        Self::open_as(path, 0o600)
    }

    fn open_as(path: &Path, mode: u32) -> Result<Self, OutputError> {
        let mut options = OpenOptions::new();
        options.write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _unused = mode;
        let opened = match options.create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                options.create_new(false).open(path).map(|file| (file, false))
            }
            made => made.map(|file| (file, true)),
        };
        let with_metadata = opened.and_then(|(file, made)| Ok((file.metadata()?.is_file(), file, made)));
        let (regular, file, made) =
            with_metadata.map_err(|source| OutputError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file, regular, untouched: true, made })
    }

    /// Writes all of it, and finishes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn whole(mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let written = self.write_all(bytes);
        written.map_err(|source| OutputError { path: self.path.clone(), source })?;
        self.finish()
    }

    /// Writes `value` as JSON that people can read, and finishes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json(self, value: &impl Serialize) -> Result<(), OutputError> {
        match serde_json::to_vec_pretty(value) {
            Ok(mut text) => {
                text.push(b'\n');
                self.whole(&text)
            }
            Err(error) => Err(OutputError { path: self.path.clone(), source: error.into() }),
        }
    }

    /// Ends the file; it stays.
    ///
    /// # Errors
    /// When it cannot be brought to the disk.
    pub fn finish(mut self) -> Result<(), OutputError> {
        if self.regular {
            let synced = self.file.sync_all();
            synced.map_err(|source| OutputError { path: self.path.clone(), source })?;
        }
        self.made = false;
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.untouched && self.regular {
            self.file.set_len(0)?;
        }
        self.untouched = false;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.made {
            // The work has failed, and its error is what there is to tell.
            let _removed = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Done = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_file_appears_with_the_result_only() -> Done {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("report.json");
        drop(Output::open(&path)?);
        assert!(!path.exists(), "the work failed");
        Output::open(&path)?.json(&"a long first result")?;
        drop(Output::open(&path)?);
        assert_eq!(std::fs::read_to_string(&path)?, "\"a long first result\"\n", "the second work failed");
        Output::open(&path)?.json(&"a third")?;
        assert_eq!(std::fs::read_to_string(&path)?, "\"a third\"\n");
        Ok(())
    }

    #[test]
    fn what_is_no_file_can_be_written_to() -> Done {
        Output::open(Path::new("/dev/null"))?.json(&1)?;
        assert!(Path::new("/dev/null").exists());
        Ok(())
    }

    #[test]
    fn what_cannot_be_written_is_named() -> Done {
        let folder = tempfile::tempdir()?;
        for path in [folder.path().join("missing/report.json"), folder.path().to_owned()] {
            let Err(error) = Output::open(&path) else { return Err("it was opened".into()) };
            assert!(error.to_string().starts_with(&*path.to_string_lossy()), "{error}");
        }
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn what_is_private_is_its_owners_alone() -> Done {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("tokens");
        Output::private(&path)?.finish()?;
        assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        Ok(())
    }
}
