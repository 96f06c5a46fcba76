//! Reservations, limits and devices to requests and limits.

use super::super::edit;
use super::super::read::Notes;
use super::{Service, number};
use crate::document::{Code, Node as Tree, Span};

const RESERVED_DEVICES: &str = "deploy.resources.reservations.devices";

/// A key of `deploy.resources` and the older one of the service that says the same.
struct Row {
    path: &'static [&'static str],
    older: Option<&'static str>,
    /// Where it stands in `resources` of a container.
    target: [&'static str; 2],
}

const ROWS: [Row; 4] = [
    Row { path: &["deploy", "resources", "reservations", "cpus"], older: None, target: ["requests", "cpu"] },
    Row {
        path: &["deploy", "resources", "reservations", "memory"],
        older: Some("mem_reservation"),
        target: ["requests", "memory"],
    },
    Row { path: &["deploy", "resources", "limits", "cpus"], older: Some("cpus"), target: ["limits", "cpu"] },
    Row { path: &["deploy", "resources", "limits", "memory"], older: Some("mem_limit"), target: ["limits", "memory"] },
];

/// Puts the resources of a service into its container.
pub(super) fn add(service: &Service, container: &mut Tree, notes: &mut Notes) {
    let amounts = ROWS.map(|row| {
        let is_cpu = row.target[1] == "cpu";
        let mut read = |path: &[&str]| {
            let tree = service.at(path)?;
            let field = path.join(".");
            let amount = if is_cpu { notes.milli_cores(Some(tree), &field) } else { notes.size(Some(tree), &field) };
            amount.map(|amount| (amount, tree.span))
        };
        let newer = read(row.path);
        let older = row.older.and_then(|key| read(&[key]));
        if let (Some((newer, _)), Some((older, span))) = (newer, older)
            && newer != older
        {
            let message = format!("`{}` differs from `{}`", row.older.unwrap_or_default(), row.path.join("."));
            notes.refuse(Code::Contradiction, span, message);
        }
        newer.or(older)
    });
    for (row, limit) in [(0, 2), (1, 3)] {
        if let (Some((reserved, span)), Some((allowed, _))) = (amounts[row], amounts[limit])
            && reserved > allowed
        {
            let [reservation, limit] = [row, limit].map(|row| ROWS[row].path[2..].join("."));
            let message = format!("`{reservation}` exceeds `{limit}`");
            notes.refuse(Code::RequestAboveLimit, span, message);
        }
    }
    for (row, amount) in ROWS.iter().zip(amounts) {
        let Some((amount, span)) = amount else { continue };
        let text = if row.target[1] == "cpu" { format!("{amount}m") } else { amount.to_string() };
        edit::set(container, &["resources", row.target[0], row.target[1]], edit::text(span, text));
    }
    add_devices(service, container, notes);
}

/// Devices are limits, from which the requests follow.
fn add_devices(service: &Service, container: &mut Tree, notes: &mut Notes) {
    // Amounts of `nvidia.com/gpu` and `amd.com/gpu`.
    let mut amounts = [("nvidia.com/gpu", 0, Span::default()), ("amd.com/gpu", 0, Span::default())];
    let mut add = |driver: Option<&str>, count: i64, span: Span| {
        let at = usize::from(driver == Some("amd"));
        amounts[at].1 += count;
        amounts[at].2 = span;
    };
    let reserved = notes.list(service.at(&["deploy", "resources", "reservations", "devices"]), RESERVED_DEVICES);
    let of_service = service.at(&["gpus"]);
    let gpus: &[Tree] = match of_service {
        Some(all) if all.as_text() == Some("all") => {
            add(None, all_devices(all.span, notes), all.span);
            &[]
        }
        gpus => notes.list(gpus, "gpus"),
    };
    let items = reserved.iter().map(|item| (item, RESERVED_DEVICES)).chain(gpus.iter().map(|item| (item, "gpus")));
    for (item, field) in items {
        let capabilities = notes.texts(item.get("capabilities"), &format!("{field}[].capabilities"));
        let driver = notes.text(item.get("driver"), &format!("{field}[].driver")).filter(|driver| !driver.is_empty());
        let is_gpu = field == "gpus" || capabilities.contains(&"gpu");
        if !is_gpu || !matches!(driver, None | Some("nvidia" | "amd")) {
            notes.unused(format!("{field} other than GPUs of nvidia and amd"), item);
            continue;
        }
        if let Some(count) = device_count(item, field, notes) {
            add(driver, count, item.span);
        }
    }
    for (name, amount, span) in amounts {
        if amount > 0 {
            edit::set(container, &["resources", "limits", name], number(span, amount));
        }
    }
}

fn device_count(item: &Tree, field: &str, notes: &mut Notes) -> Option<i64> {
    let count = item.get("count").filter(|count| !count.is_null());
    let ids = notes.texts(item.get("device_ids"), &format!("{field}[].device_ids"));
    match count {
        Some(count) if !ids.is_empty() => {
            notes.refuse(Code::Contradiction, count.span, format!("`{field}` has either `count` or `device_ids`"));
            None
        }
        // A service cannot have more devices than a machine has.
        Some(count) if count.as_text() != Some("all") && count.as_int() != Some(-1) => {
            notes.whole(Some(count), &format!("{field}[].count"), 1..=1000)
        }
        None if !ids.is_empty() => i64::try_from(ids.len()).ok(),
        _ => Some(all_devices(count.unwrap_or(item).span, notes)),
    }
}

/// How many devices a node has is not known here.
fn all_devices(span: Span, notes: &mut Notes) -> i64 {
    notes
        .remarks
        .push(("services that want all GPUs of a node (`count: all`, or no `count`) are taken to want one", span));
    1
}
