//! The settings in force, and taking up changes while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Config, ConfigError, Sources, masked};

/// A setting that is not what it was, as text with secrets masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: String,
    pub old: String,
    pub new: String,
    /// Whether it is in force already; else it waits for a restart.
    pub applied: bool,
}

/// The settings in force. Clones share them.
#[derive(Debug, Clone)]
pub struct Live {
    current: Arc<RwLock<Arc<Config>>>,
    sources: Arc<Sources>,
}

impl Live {
    #[must_use]
    pub fn new(config: Config, sources: Sources) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(config))), sources: Arc::new(sources) }
    }

    /// The settings in force now.
    #[must_use]
    pub fn get(&self) -> Arc<Config> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the sources again and takes up the log level and the limits; everything else waits for a
    /// restart. After an error nothing has changed.
    pub fn reload(&self) -> Result<Vec<Change>, ConfigError> {
        let fresh = Config::load(&self.sources)?;
        let old = self.get();
        let mut next = (*old).clone();
        next.limits = fresh.limits.clone();
        next.telemetry.level = fresh.telemetry.level;
        next.telemetry.filter.clone_from(&fresh.telemetry.filter);
        let (was, wanted, now) = (masked::flat(&old), masked::flat(&fresh), masked::flat(&next));
        let mut changes = Vec::new();
        for (key, new) in &wanted {
            let old = was.get(key).cloned().unwrap_or_default();
            if old != *new {
                let applied = now.get(key) == Some(new);
                changes.push(Change { key: key.clone(), old, new: new.clone(), applied });
            }
        }
        if old.auth.signing_key != fresh.auth.signing_key
            && !changes.iter().any(|c| c.key == "auth.signing_key")
        {
            let shown = "\"***\"".to_owned();
            let key = "auth.signing_key".to_owned();
            changes.push(Change { key, old: shown.clone(), new: shown, applied: false });
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(changes)
    }
}

/// One line for everything that a reload did.
pub fn log(changes: &[Change]) {
    let list = |applied: bool| {
        let picked = changes.iter().filter(|change| change.applied == applied);
        picked
            .map(|change| format!("{}: {} -> {}", change.key, change.old, change.new))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (applied, waiting) = (list(true), list(false));
    if changes.is_empty() {
        tracing::info!("settings read again, nothing changed");
    } else if waiting.is_empty() {
        tracing::info!(changed = applied, "settings changed");
    } else {
        tracing::warn!(
            changed = applied,
            needs_restart = waiting,
            "settings changed, some only after a restart"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;

    #[test]
    fn a_reload_applies_level_and_limits_and_names_the_rest() {
        let file = std::env::temp_dir().join(format!("stampede-live-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&file, "").unwrap();
        let sources =
            Sources { file: Some(file.clone()), folder: "/nonexistent".into(), ..Sources::default() };
        let live = Live::new(Config::load(&sources).unwrap(), sources);
        assert_eq!(live.reload().unwrap(), []);

        std::fs::write(
            &file,
            "[telemetry]\nlevel = \"debug\"\n[limits]\nflash_burst = 99\n[server]\nworkers = 7",
        )
        .unwrap();
        let changes = live.reload().unwrap();
        let shown: Vec<_> =
            changes.iter().map(|c| (c.key.as_str(), c.old.as_str(), c.new.as_str(), c.applied)).collect();
        assert_eq!(
            shown,
            [
                ("limits.flash_burst", "10", "99", true),
                ("server.workers", "0", "7", false),
                ("telemetry.level", "\"info\"", "\"debug\"", true),
            ]
        );
        let now = live.get();
        assert_eq!((now.telemetry.level, now.limits.flash_burst, now.server.workers), (Level::Debug, 99, 0));

        std::fs::write(&file, "[limits]\nflash_burst = \"many\"").unwrap();
        assert!(live.reload().unwrap_err().to_string().contains("limits.flash_burst"));
        assert_eq!(live.get().limits.flash_burst, 99, "a bad file changes nothing");
        std::fs::remove_file(&file).unwrap();
    }
}
