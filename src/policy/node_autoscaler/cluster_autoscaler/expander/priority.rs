//! The expander `priority` (`expander/priority`): groups by the highest priority whose pattern finds their name.

use std::collections::BTreeMap;

use regex::Regex;

use super::ExpansionOption;

/// Patterns by priority. Priorities below -1 are never taken, as upstream.
#[derive(Clone, Debug, Default)]
pub struct Priorities {
    tiers: BTreeMap<i64, Vec<Regex>>,
}

impl Priorities {
    /// Compiles the patterns of each priority; a pattern may find any part of a name.
    ///
    /// # Errors
    /// With every pattern that is no regular expression: its priority, and what is wrong. Syntax is that of the crate
    /// `regex`, which differs from Go's in corners (repetition limits, Unicode classes).
    pub fn new(patterns: &BTreeMap<i64, Vec<String>>) -> Result<Priorities, Vec<(i64, String)>> {
        let mut problems = Vec::new();
        let mut tiers: BTreeMap<i64, Vec<Regex>> = BTreeMap::new();
        for (&priority, patterns) in patterns {
            for pattern in patterns {
                match Regex::new(pattern) {
                    Ok(regex) => tiers.entry(priority).or_default().push(regex),
                    Err(error) => problems.push((priority, error.to_string())),
                }
            }
        }
        if problems.is_empty() { Ok(Priorities { tiers }) } else { Err(problems) }
    }

    /// The highest priority whose patterns find the name.
    pub fn of(&self, name: &str) -> Option<i64> {
        let finds = |patterns: &Vec<Regex>| patterns.iter().any(|pattern| pattern.is_match(name));
        self.tiers.iter().rev().find(|(_, patterns)| finds(patterns)).map(|(priority, _)| *priority)
    }

    /// The options of the highest priority; all, if none has any.
    pub(super) fn best(&self, options: &[ExpansionOption], names: &[String]) -> Vec<usize> {
        let priorities: Vec<Option<i64>> =
            options.iter().map(|option| self.of(&names[option.group]).filter(|priority| *priority >= -1)).collect();
        match priorities.iter().flatten().max() {
            None => (0..options.len()).collect(),
            best => (0..options.len()).filter(|index| priorities[*index].as_ref() == best).collect(),
        }
    }
}
