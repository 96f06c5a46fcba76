//! Which plug-ins take part where: the profile's sets are put over the defaults (`mergePlugins`), and what is enabled at
//! `multiPoint` goes wherever it has code (`expandMultiPointPlugins`).

use crate::document::{Code, Node as Tree, Span};
use crate::model::kube_scheduler::{EnabledPlugins, ExtensionPoint, IN_TREE_PLUGINS, InTreePlugin};
use crate::scenario::kubernetes::read::Notes;
use crate::scenario::schema::suggestion;

/// Stands for all plug-ins in a list of those disabled.
const ALL: &str = "*";
const MULTI_POINT: &str = "multiPoint";
/// Points of pod groups, for which feature gates would have to be on.
const POD_GROUP_POINTS: [&str; 3] = ["placementGenerate", "placementScore", "podGroupPostFilter"];
/// Plug-ins of the release whose feature gates are off by default.
const GATED_PLUGINS: [&str; 4] =
    ["DeferredPodScheduling", "GangScheduling", "PodGroupPodsCount", "TopologyPlacementGenerator"];

/// A plug-in that is enabled.
#[derive(Clone, Debug)]
struct Enabled {
    name: String,
    /// 0: nothing is said.
    weight: i64,
    span: Span,
}

/// What is enabled and disabled at one point.
#[derive(Clone, Debug, Default)]
pub(super) struct PluginSet {
    enabled: Vec<Enabled>,
    disabled: Vec<String>,
}

impl PluginSet {
    /// Whether two sets enable and disable the same.
    pub(super) fn says_the_same(&self, other: &PluginSet) -> bool {
        let enabled = |set: &PluginSet| -> Vec<(String, i64)> {
            set.enabled.iter().map(|plugin| (plugin.name.clone(), plugin.weight)).collect()
        };
        enabled(self) == enabled(other) && self.disabled == other.disabled
    }

    fn disables(&self, name: &str) -> bool {
        self.disabled.iter().any(|disabled| disabled == name)
    }

    fn enables(&self, name: &str) -> bool {
        self.enabled.iter().any(|plugin| plugin.name == name)
    }
}

/// The plug-in of that name, if the release has it.
pub(super) fn find(name: &str) -> Option<&'static InTreePlugin> {
    IN_TREE_PLUGINS.iter().find(|plugin| plugin.name == name)
}

/// Reports a plug-in that is not there.
pub(super) fn refuse_unknown(name: &str, span: Span, notes: &mut Notes) {
    let names: Vec<&str> = IN_TREE_PLUGINS.iter().map(|plugin| plugin.name).collect();
    if GATED_PLUGINS.contains(&name) {
        let message = format!("the plug-in `{name}` is not available: its feature gate is off in Kubernetes v1.37.0");
        notes.refuse(Code::UnknownPolicy, span, message);
    } else {
        let hint = suggestion(name, &names, "the plug-ins are");
        notes.refuse_with_hint(Code::UnknownPolicy, span, format!("there is no plug-in `{name}`"), &hint);
    }
}

/// Reads `plugins` of a profile; also gives the set that is written at `queueSort`.
pub(super) fn read(profile: &Tree, notes: &mut Notes) -> (EnabledPlugins, PluginSet) {
    let before = notes.issues.len();
    let tree = notes.mapping(profile.get("plugins"), "profiles[].plugins");
    let mut sets: [PluginSet; ExtensionPoint::COUNT] = Default::default();
    let mut multi_point = PluginSet::default();
    for entry in tree.map_or(&[][..], Tree::entries) {
        let field = format!("profiles[].plugins.{}", entry.key);
        if POD_GROUP_POINTS.contains(&&*entry.key) {
            notes.unused(field, &entry.value);
        } else if &*entry.key == MULTI_POINT {
            multi_point = plugin_set(&entry.value, &field, None, notes);
        } else if let Some(point) = ExtensionPoint::ALL.into_iter().find(|point| point.key() == &*entry.key) {
            sets[point as usize] = plugin_set(&entry.value, &field, Some(point), notes);
        } else {
            let mut known = ExtensionPoint::ALL.map(ExtensionPoint::key).to_vec();
            known.push(MULTI_POINT);
            let hint = suggestion(&entry.key, &known, "the extension points are");
            let message = format!("unknown extension point `{}`", entry.key);
            notes.refuse_with_hint(Code::UnknownKey, entry.span, message, &hint);
        }
    }
    let multi_point = over_defaults(multi_point);
    let mut plugins = EnabledPlugins { points: Default::default() };
    for point in ExtensionPoint::ALL {
        plugins.points[point as usize] = expanded(&sets[point as usize], &multi_point, point, notes);
    }
    if notes.issues.len() == before {
        let place = tree.map_or(profile.span, |tree| tree.span);
        let count = plugins.at(ExtensionPoint::QueueSort).len();
        if count != 1 {
            let message = format!("a profile needs exactly one queueSort plug-in, and this has {count}");
            notes.refuse(Code::Contradiction, place, message);
        }
        if plugins.at(ExtensionPoint::Bind).is_empty() {
            notes.refuse(Code::Contradiction, place, "a profile needs at least one bind plug-in");
        }
    }
    (plugins, std::mem::take(&mut sets[ExtensionPoint::QueueSort as usize]))
}

/// What is written at one point; none: at `multiPoint`.
fn plugin_set(tree: &Tree, field: &str, point: Option<ExtensionPoint>, notes: &mut Notes) -> PluginSet {
    let mut set = PluginSet::default();
    if notes.mapping(Some(tree), field).is_none() {
        return set;
    }
    notes.only_keys(tree, field, &["enabled", "disabled"]);
    for item in notes.list(tree.get("enabled"), &format!("{field}.enabled")) {
        let at = format!("{field}.enabled[]");
        notes.only_keys(item, &at, &["name", "weight"]);
        let name = notes.required_text(item, "name", &at);
        let weight = notes.number_within(item.get("weight"), &format!("{at}.weight"), 0..=i32::MAX).unwrap_or(0);
        if name.is_empty() {
            continue;
        }
        match (find(name), point) {
            (None, _) => refuse_unknown(name, item.span, notes),
            (Some(plugin), Some(point)) if !plugin.points.contains(&point) => {
                let points: Vec<&str> = plugin.points.iter().map(|point| point.key()).collect();
                let message = format!("the plug-in `{name}` does nothing at {}", point.key());
                let hint = format!("its extension points are {}", points.join(", "));
                notes.refuse_with_hint(Code::NotAllowed, item.span, message, &hint);
            }
            (Some(_), Some(_)) if set.enables(name) => {
                notes.refuse(Code::DuplicateName, item.span, format!("`{field}` enables `{name}` twice"));
            }
            _ => set.enabled.push(Enabled { name: name.to_owned(), weight: weight.into(), span: item.span }),
        }
    }
    for item in notes.list(tree.get("disabled"), &format!("{field}.disabled")) {
        let at = format!("{field}.disabled[]");
        notes.only_keys(item, &at, &["name", "weight"]);
        set.disabled.push(notes.required_text(item, "name", &at).to_owned());
    }
    set
}

/// What is enabled at `multiPoint`: the defaults without those disabled, those written again in their place; then the
/// others that are written.
fn over_defaults(written: PluginSet) -> Vec<Enabled> {
    let mut is_used = vec![false; written.enabled.len()];
    let mut enabled = Vec::new();
    for plugin in IN_TREE_PLUGINS.iter().filter(|plugin| plugin.is_default) {
        if written.disables(ALL) || written.disables(plugin.name) {
            continue;
        }
        // Of several the last one counts; the others stay, and are reported as registered twice.
        let again = written.enabled.iter().rposition(|other| other.name == plugin.name);
        enabled.push(match again {
            Some(position) => {
                is_used[position] = true;
                written.enabled[position].clone()
            }
            None => Enabled { name: plugin.name.to_owned(), weight: plugin.weight, span: Span::default() },
        });
    }
    enabled.extend(written.enabled.into_iter().zip(is_used).filter(|(_, is_used)| !is_used).map(|(plugin, _)| plugin));
    enabled
}

/// The plug-ins at a point, in order of calls: those written there that `multiPoint` enables too, those that only
/// `multiPoint` enables, the others that are written there.
fn expanded(set: &PluginSet, multi_point: &[Enabled], point: ExtensionPoint, notes: &mut Notes) -> Vec<(String, i64)> {
    let mut overriding: Vec<&Enabled> = Vec::new();
    let mut added: Vec<&Enabled> = Vec::new();
    let here = multi_point.iter().filter(|plugin| find(&plugin.name).is_some_and(|row| row.points.contains(&point)));
    for plugin in here.filter(|plugin| !set.disables(ALL) && !set.disables(&plugin.name)) {
        if let Some(own) = set.enabled.iter().find(|own| own.name == plugin.name) {
            overriding.push(own);
        } else if added.iter().any(|other| other.name == plugin.name) {
            let message = format!("`profiles[].plugins.{MULTI_POINT}` enables `{}` twice", plugin.name);
            notes.refuse(Code::DuplicateName, plugin.span, message);
        } else {
            added.push(plugin);
        }
    }
    let is_overriding = |plugin: &&Enabled| overriding.iter().any(|other| other.name == plugin.name);
    let own = || set.enabled.iter();
    let order = own().filter(is_overriding).chain(added.iter().copied()).chain(own().filter(|own| !is_overriding(own)));
    let weight = |plugin: &Enabled| match point {
        // A weight of zero stands for one.
        ExtensionPoint::Score => weight_of(&plugin.name, set, multi_point).max(1),
        _ => 0,
    };
    order.map(|plugin| (plugin.name.clone(), weight(plugin))).collect()
}

/// The weight of a plug-in: as written at `score`, or else at `multiPoint`.
fn weight_of(name: &str, score: &PluginSet, multi_point: &[Enabled]) -> i64 {
    let mut places = score.enabled.iter().chain(multi_point);
    places.find(|plugin| plugin.name == name).map_or(0, |plugin| plugin.weight)
}
