//! The keys of Compose files: which are read, which have no bearing on a simulation, and which have but are not used.

use std::sync::Arc;

use super::super::Findings;
use super::super::read::Notes;
use super::interpolation::{Failure, interpolate};
use super::{SERVICE, Value};
use crate::document::{Code, Entry, Node as Tree};
use crate::scenario::schema::suggestion;

/// The keys of the mapping under a path of a service. Those that are neither are unknown.
struct Level {
    path: &'static [&'static str],
    read: &'static [&'static str],
    /// Without bearing on where and when containers run.
    silent: &'static [&'static str],
    /// With bearing, and not used.
    unused: &'static [&'static str],
}

const LEVELS: &[Level] = &[
    Level {
        path: &[],
        read: &[
            "container_name",
            "cpus",
            "deploy",
            "expose",
            "extends",
            "gpus",
            "healthcheck",
            "image",
            "mem_limit",
            "mem_reservation",
            "network_mode",
            "ports",
            "profiles",
            "pull_policy",
            "restart",
            "scale",
            "stop_grace_period",
        ],
        silent: &[
            "annotations",
            "attach",
            "build",
            "cap_add",
            "cap_drop",
            "cgroup",
            "cgroup_parent",
            "command",
            "configs",
            "credential_spec",
            "develop",
            "device_cgroup_rules",
            "dns",
            "dns_opt",
            "dns_search",
            "domainname",
            "entrypoint",
            "env_file",
            "environment",
            "external_links",
            "extra_hosts",
            "group_add",
            "hostname",
            "init",
            "ipc",
            "isolation",
            "label_file",
            "labels",
            "links",
            "logging",
            "mac_address",
            "networks",
            "pid",
            "pids_limit",
            "privileged",
            "read_only",
            "secrets",
            "security_opt",
            "stdin_open",
            "stop_signal",
            "sysctls",
            "tmpfs",
            "tty",
            "ulimits",
            "use_api_socket",
            "user",
            "userns_mode",
            "uts",
            "working_dir",
        ],
        unused: &[
            "blkio_config",
            "cpu_count",
            "cpu_percent",
            "cpu_period",
            "cpu_quota",
            "cpu_rt_period",
            "cpu_rt_runtime",
            "cpu_shares",
            "cpuset",
            "depends_on",
            "devices",
            "mem_swappiness",
            "memswap_limit",
            "models",
            "oom_kill_disable",
            "oom_score_adj",
            "platform",
            "post_start",
            "pre_stop",
            "provider",
            "pull_refresh_after",
            "runtime",
            "shm_size",
            "storage_opt",
            "volumes",
            "volumes_from",
        ],
    },
    Level {
        path: &["deploy"],
        read: &["mode", "placement", "replicas", "resources", "restart_policy", "update_config"],
        silent: &["endpoint_mode", "labels"],
        unused: &["rollback_config"],
    },
    Level { path: &["deploy", "resources"], read: &["limits", "reservations"], silent: &[], unused: &[] },
    Level { path: &["deploy", "resources", "limits"], read: &["cpus", "memory"], silent: &["pids"], unused: &[] },
    Level {
        path: &["deploy", "resources", "reservations"],
        read: &["cpus", "devices", "memory"],
        silent: &[],
        unused: &["generic_resources"],
    },
    Level {
        path: &["deploy", "restart_policy"],
        read: &["condition", "max_attempts"],
        silent: &[],
        unused: &["delay", "window"],
    },
    Level {
        path: &["deploy", "update_config"],
        read: &["delay", "failure_action", "monitor", "order", "parallelism"],
        silent: &[],
        unused: &["max_failure_ratio"],
    },
    Level {
        path: &["deploy", "placement"],
        read: &["constraints", "max_replicas_per_node", "preferences"],
        silent: &[],
        unused: &[],
    },
    Level {
        path: &["healthcheck"],
        read: &["disable", "interval", "retries", "start_interval", "start_period", "test", "timeout"],
        silent: &[],
        unused: &[],
    },
];

/// Keys at the top of a file.
const TOP: &[&str] = &["version", "name", "include", "services", "models", "networks", "volumes", "secrets", "configs"];

/// What an unknown key is answered with, and the key that it may be meant for.
fn unknown(key: &str, whose: &str, known: &[&str]) -> String {
    let hint = suggestion(key, known, "");
    let hint = hint.strip_prefix("did you").map_or(String::new(), |rest| format!("; did you{rest}"));
    format!("{whose} has no `{key}`{hint}")
}

/// Warns about what is not followed at the top of a file.
pub(super) fn check_top(file: &Arc<str>, document: &Tree, findings: &mut Findings) {
    const FILE: &str = "a Compose file";
    for Entry { span, key, value } in document.entries() {
        if &**key == "include" && !value.is_null() {
            let message = || {
                "`include` of a Compose file is not followed: list those files under `workload.manifests`".to_owned()
            };
            findings.warn(FILE, key, file, *span, message);
        } else if !key.starts_with("x-") && !TOP.contains(&&**key) {
            findings.warn(FILE, key, file, *span, || unknown(key, FILE, TOP));
        }
    }
}

/// Notes what is not used of a service, warns about what no service has, and reports what is no mapping and should be.
pub(super) fn check(service: &Tree, findings: &mut Findings, notes: &mut Notes) {
    for level in LEVELS {
        let Some(tree) = notes.mapping(service.at(level.path), &level.path.join(".")) else { continue };
        for Entry { span, key, value } in tree.entries().iter().filter(|entry| !entry.key.starts_with("x-")) {
            let field = level.path.iter().copied().chain([&**key]).collect::<Vec<_>>().join(".");
            if level.unused.contains(&&**key) {
                notes.unused(field, value);
            } else if !level.read.contains(&&**key) && !level.silent.contains(&&**key) {
                let whose = match level.path {
                    [] => SERVICE.to_owned(),
                    path => format!("`{}` of {SERVICE}", path.join(".")),
                };
                let known = [level.read, level.silent, level.unused].concat();
                findings.warn(SERVICE, &field, &notes.file, *span, || unknown(key, &whose, &known));
            }
        }
    }
}

/// The parts of a service that are read, with their variables replaced; reports those that have no default.
pub(super) fn resolve<'t>(tree: &'t Tree, path: &mut Vec<&'t str>, notes: &mut Notes) -> Tree {
    let value = match &tree.value {
        // A shell reads its own variables; all that matters is whether there is a test.
        _ if *path == ["healthcheck", "test"] => tree.value.clone(),
        Value::Map(entries) => {
            let level = LEVELS.iter().find(|level| *level.path == path[..]);
            let is_read = |key: &str| level.is_none_or(|level| level.read.contains(&key));
            let mut resolved = Vec::new();
            for entry in entries.iter().filter(|entry| is_read(&entry.key)) {
                path.push(&entry.key);
                let value = resolve(&entry.value, path, notes);
                path.pop();
                resolved.push(Entry { span: entry.span, key: entry.key.clone(), value });
            }
            Value::Map(resolved)
        }
        Value::List(items) => {
            // Nothing below a list is a level of its own.
            path.push("[]");
            let items = items.iter().map(|item| resolve(item, path, notes)).collect();
            path.pop();
            Value::List(items)
        }
        Value::Text(text) => text_of(text, tree, notes).map_or(Value::Null, |text| Value::Text(text.into())),
        other => other.clone(),
    };
    Tree { span: tree.span, value }
}

/// A text with its variables replaced; none where they have no default, which is reported.
fn text_of(text: &str, tree: &Tree, notes: &mut Notes) -> Option<String> {
    match interpolate(text) {
        Ok(text) => return Some(text.into_owned()),
        Err(Failure::Unset { name, message }) => {
            let message = message.map_or(String::new(), |message| format!(": {message}"));
            let message = format!("the variable `{name}` has no default{message}");
            let hint = format!("no environment is read; write a default, as in `${{{name}:-...}}`");
            notes.refuse_with_hint(Code::Variable, tree.span, message, &hint);
        }
        Err(Failure::Malformed) => {
            let message = format!("`{text}`: what follows `$` is no variable");
            let hint = "variables are `${NAME:-default}`; a dollar sign is written `$$`";
            notes.refuse_with_hint(Code::Variable, tree.span, message, hint);
        }
    }
    None
}
