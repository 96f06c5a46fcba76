//! The plug-ins, one file each, and the table that finds them by name.

use super::framework::{FilterPlugin, ScorePlugin};
use crate::model::kube_scheduler::PluginArguments;

mod node_name;

/// The filter of that name.
pub(super) fn filter(name: &str, _arguments: &PluginArguments) -> Option<Box<dyn FilterPlugin>> {
    Some(match name {
        node_name::NAME => Box::new(node_name::NodeName),
        _ => return None,
    })
}

/// The scorer of that name.
pub(super) fn scorer(_name: &str, _arguments: &PluginArguments) -> Option<Box<dyn ScorePlugin>> {
    None
}
