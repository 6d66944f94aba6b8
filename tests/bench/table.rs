//! The findings, as a table.

use std::{fmt, time::Duration};

/// What a measure must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// One measure: a value, what it is held against, and whether their ratio is what is aimed at.
#[derive(Debug, Clone)]
pub struct Row {
    pub number: &'static str,
    pub measure: &'static str,
    pub value: f64,
    pub against: f64,
    pub unit: &'static str,
    pub aim: Aim,
    pub note: String,
}

/// Every measure of one run.
#[derive(Debug, Default)]
pub struct Table {
    pub fdatasync: Duration,
    pub rows: Vec<Row>,
    /// Loads after which a check of the load test failed, with what it said.
    pub unproven: Vec<String>,
}

impl Row {
    fn ratio(&self) -> f64 {
        if self.against > 0.0 { self.value / self.against } else { 0.0 }
    }

    fn is_met(&self) -> bool {
        match self.aim {
            Aim::AtLeast(least) => self.ratio() >= least,
            Aim::AtMost(most) => self.ratio() <= most,
        }
    }
}

impl Table {
    /// How many loads broke a promise: speed that costs correctness is none. A missed aim is told,
    /// and is no failure of the run.
    pub fn broken(&self) -> usize {
        self.unproven.len()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "F, one write with fdatasync: {:.3} ms", self.fdatasync.as_secs_f64() * 1e3)?;
        writeln!(
            f,
            "{:<4} {:<58} {:>12} {:>12} {:<9} {:>8} {:>10}  ",
            "", "measure", "value", "against", "unit", "ratio", "aim"
        )?;
        for row in &self.rows {
            let aim = match row.aim {
                Aim::AtLeast(least) => format!(">= {least}"),
                Aim::AtMost(most) => format!("<= {most}"),
            };
            writeln!(
                f,
                "{:<4} {:<58} {:>12.1} {:>12.1} {:<9} {:>8.2} {:>10}  {}",
                row.number,
                row.measure,
                row.value,
                row.against,
                row.unit,
                row.ratio(),
                aim,
                if row.is_met() { "met" } else { "MISSED" }
            )?;
            if !row.note.is_empty() {
                writeln!(f, "{:<4}   {}", "", row.note)?;
            }
        }
        for unproven in &self.unproven {
            writeln!(f, "BROKEN: {unproven}")?;
        }
        Ok(())
    }
}
