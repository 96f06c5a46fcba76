//! Plug-ins as numbers, and sets of them as bits.

use crate::model::kube_scheduler::IN_TREE_PLUGINS;
use crate::policy::scheduler::kube::extender::EXTENDER;

/// A plug-in of the release by its position in [`IN_TREE_PLUGINS`], or the extenders, which count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plugin(u8);

impl Plugin {
    /// All extenders together.
    pub const EXTENDER: Plugin = Plugin(IN_TREE_PLUGINS.len() as u8);

    /// The plug-in of that name, for constants.
    ///
    /// # Panics
    /// When the release has none; in a constant that is an error of the compiler.
    pub const fn named(name: &str) -> Plugin {
        let mut at = 0;
        while at < IN_TREE_PLUGINS.len() {
            if is_same(IN_TREE_PLUGINS[at].name.as_bytes(), name.as_bytes()) {
                return Plugin(at as u8);
            }
            at += 1;
        }
        panic!("the release has no such plug-in")
    }

    /// The plug-in of that name, if the release has one.
    pub fn find(name: &str) -> Option<Plugin> {
        if name == EXTENDER {
            return Some(Plugin::EXTENDER);
        }
        IN_TREE_PLUGINS.iter().position(|plugin| plugin.name == name).map(|at| Plugin(at as u8))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        IN_TREE_PLUGINS.get(usize::from(self.0)).map_or(EXTENDER, |plugin| plugin.name)
    }
}

/// Equality of texts, which constants cannot have from the library.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A set of plug-ins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PluginSet(u32);

impl PluginSet {
    /// No plug-in.
    pub const EMPTY: PluginSet = PluginSet(0);

    /// The plug-ins of these names.
    ///
    /// # Panics
    /// When the release has no plug-in of one of the names: nothing but a plug-in can reject a pod.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> PluginSet {
        let find = |name| Plugin::find(name).expect("the release has the plug-in");
        names.into_iter().map(find).collect()
    }

    /// Whether there is none in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the plug-in is in it.
    pub fn contains(self, plugin: Plugin) -> bool {
        self.0 & (1 << plugin.0) != 0
    }

    /// Adds a plug-in.
    pub fn insert(&mut self, plugin: Plugin) {
        self.0 |= 1 << plugin.0;
    }

    /// Those of either set.
    pub fn union(self, other: PluginSet) -> PluginSet {
        PluginSet(self.0 | other.0)
    }

    /// Those of both sets.
    pub fn intersection(self, other: PluginSet) -> PluginSet {
        PluginSet(self.0 & other.0)
    }

    /// The plug-ins in their order.
    pub fn iter(self) -> impl Iterator<Item = Plugin> {
        (0..u32::BITS as u8).map(Plugin).filter(move |plugin| self.contains(*plugin))
    }
}

impl FromIterator<Plugin> for PluginSet {
    fn from_iter<I: IntoIterator<Item = Plugin>>(plugins: I) -> PluginSet {
        let mut set = PluginSet::EMPTY;
        plugins.into_iter().for_each(|plugin| set.insert(plugin));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_has_its_bit() {
        for plugin in IN_TREE_PLUGINS {
            let set = PluginSet::of([plugin.name]);
            let names: Vec<&str> = set.iter().map(Plugin::name).collect();
            assert_eq!(names, [plugin.name]);
        }
        let set = PluginSet::of(["NodeResourcesFit", EXTENDER, "NodeAffinity"]);
        let names: Vec<&str> = set.iter().map(Plugin::name).collect();
        assert_eq!(names, ["NodeAffinity", "NodeResourcesFit", EXTENDER]);
        assert_eq!(Plugin::find("NodeAffinities"), None);
    }
}
