//! Which measures the command line asks for.

/// The numbers of all measures, in the order in which they are made.
const NUMBERS: [&str; 10] = ["P1", "P2", "P3", "P6", "P7", "P8", "P9", "P11", "R14", "R15"];

/// The measures that were asked for; all, if none was named.
pub struct Asked(Vec<String>);

impl Asked {
    /// Those that the arguments name; an error says what is no measure.
    pub fn of(arguments: &[String]) -> Result<Self, String> {
        match arguments.iter().find(|argument| !NUMBERS.contains(&argument.as_str())) {
            Some(other) => Err(format!("`{other}` is no measure; there are {}", NUMBERS.join(", "))),
            None => Ok(Self(arguments.to_vec())),
        }
    }

    /// Their numbers, in the order in which they are made.
    pub fn numbers(&self) -> impl Iterator<Item = &'static str> {
        let named = |number: &&str| self.0.is_empty() || self.0.iter().any(|asked| asked == number);
        NUMBERS.into_iter().filter(named)
    }
}
