//! The state of this node's parts, for operators.

use super::Services;

impl Services {
    /// Whether the database answers, as a sentence for operators.
    pub async fn check_database(&self) -> Result<String, String> {
        let engine = if self.database.is_embedded() { "embedded Postgres" } else { "Postgres" };
        match self.database.ping().await {
            Ok(()) => Ok(format!("{engine} answers")),
            Err(error) => {
                tracing::warn!(%error, "health: the database does not answer");
                Err(format!("{engine} does not answer"))
            }
        }
    }

    /// Whether every shard has a living owner and this node may answer for its own, as a sentence for
    /// operators.
    pub fn check_journal(&self) -> Result<String, String> {
        let owned_shards = self.journal.owned_shards();
        let table = self.routing.table();
        let (held, owned) = (owned_shards.held().count(), table.iter().filter(|route| route.alive).count());
        let state =
            format!("{held} shards held here, {owned} of {} held by living nodes", owned_shards.count());
        // A node that is not sure of its lease does not answer for its shards.
        if self.routing.is_whole() && self.routing.is_leased() { Ok(state) } else { Err(state) }
    }

    /// How many actors of each kind are known, as a sentence for operators.
    #[must_use]
    pub fn actors_in_words(&self) -> String {
        let kinds = super::administration::kinds(self);
        let counts: Vec<String> = kinds.iter().map(|kind| format!("{} {}", kind.live, kind.kind)).collect();
        match counts.split_last() {
            Some((last, [])) => format!("{last} actors live"),
            Some((last, rest)) => format!("{} and {last} actors live", rest.join(", ")),
            None => "no actors".to_owned(),
        }
    }
}
