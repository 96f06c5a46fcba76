//! `v1/ResourceQuota` to [`Quota`].

use super::super::files::Object;
use super::super::objects::header;
use super::super::read::Notes;
use crate::document::{Code, Node as Tree};
use crate::model::Cluster;
use crate::model::controllers::{Quota, QuotaResource};
use crate::scenario::kubernetes::Findings;
use crate::units::parse_quantity_milli;

/// The quota that an object says; none where it is wrong, or where it holds for some pods only.
pub(super) fn read(object: &Object<'_>, cluster: &mut Cluster, findings: &mut Findings) -> Option<Quota> {
    let mut notes = Notes::new(object.file);
    let quota = header(object, "ResourceQuota", true, &mut notes).and_then(|header| {
        for key in ["scopes", "scopeSelector"] {
            if let Some(scopes) = object.tree.at(&["spec", key]).filter(|tree| !is_empty(tree)) {
                // Without its scopes it would hold for pods that it is not about.
                notes.unused(format!("spec.{key}"), scopes);
                return None;
            }
        }
        let hard = notes.mapping(object.tree.at(&["spec", "hard"]), "spec.hard");
        let entries = hard.map_or(&[][..], Tree::entries);
        let mut amounts: Vec<(QuotaResource, u64)> = Vec::new();
        for entry in entries {
            let Some(resource) = resource(&entry.key, cluster) else {
                notes.unused(format!("spec.hard.{}", entry.key), &entry.value);
                continue;
            };
            match entry.value.scalar_text().map(|text| parse_quantity_milli(&text)) {
                Some(Ok(milli)) => {
                    let is_cpu = matches!(resource, QuotaResource::RequestsCpu | QuotaResource::LimitsCpu);
                    let amount = if is_cpu { milli } else { milli / 1000 };
                    amounts.push((resource, u64::try_from(amount).unwrap_or(u64::MAX)));
                }
                _ => {
                    let message = format!("`spec.hard.{}` must be a quantity such as 500m or 1Gi", entry.key);
                    notes.refuse(Code::BadQuantity, entry.value.span, message);
                }
            }
        }
        // What is said under two names holds with the smaller amount.
        amounts.sort();
        amounts.dedup_by(|second, first| second.0 == first.0);
        Some(Quota { namespace: header.namespace(), name: header.name(), hard: amounts })
    });
    findings.add("ResourceQuota", object.file, notes);
    quota
}

fn is_empty(tree: &Tree) -> bool {
    tree.is_null() || (tree.items().is_empty() && tree.entries().is_empty())
}

fn resource(name: &str, cluster: &mut Cluster) -> Option<QuotaResource> {
    Some(match name {
        "pods" | "count/pods" => QuotaResource::Pods,
        "cpu" | "requests.cpu" => QuotaResource::RequestsCpu,
        "memory" | "requests.memory" => QuotaResource::RequestsMemory,
        "ephemeral-storage" | "requests.ephemeral-storage" => QuotaResource::RequestsEphemeralStorage,
        "limits.cpu" => QuotaResource::LimitsCpu,
        "limits.memory" => QuotaResource::LimitsMemory,
        "limits.ephemeral-storage" => QuotaResource::LimitsEphemeralStorage,
        _ => match (name.strip_prefix("count/"), name.strip_prefix("requests.")) {
            (Some(objects), _) => QuotaResource::Count(objects.to_owned()),
            (None, Some(extended)) if extended.contains('/') => {
                QuotaResource::RequestsExtended(cluster.intern_extended_resource(extended))
            }
            _ => return None,
        },
    })
}
