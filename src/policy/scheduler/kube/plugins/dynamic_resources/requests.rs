//! Requests, looked at on one node before the search (`validateDeviceRequest`, `isSelectable`).

use super::allocator::{Candidate, Wanted};
use super::capacity;
use super::pools::{Pool, reaches};
use crate::model::devices::{
    Device, DeviceClass, DeviceQuery, DeviceRequest, DeviceSelector, Devices, Reach, ResourceSlice,
};
use crate::policy::scheduler::kube::NodeInfo;

/// A request, or one of its alternatives.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Namespace and name of the claim, for messages.
    claim: &'a str,
    /// Name of the request.
    pub(super) name: &'a str,
    /// What is requested.
    pub(super) query: &'a DeviceQuery,
    class: &'a DeviceClass,
    /// How many devices.
    pub(super) count: usize,
    /// The devices of a request for all.
    pub(super) all: Vec<Candidate<'a>>,
}

/// Looks at an alternative of a request.
///
/// # Errors
/// What is wrong with claim, class or pools.
pub(super) fn request<'a>(
    devices: &'a Devices,
    node: &NodeInfo<'a>,
    pools: &[Pool<'a>],
    claim: &Wanted<'a>,
    wanted: &'a DeviceRequest,
    query: &'a DeviceQuery,
) -> Result<Request<'a>, String> {
    let claim = claim.name;
    let name = if query.name.is_empty() { &wanted.name } else { &query.name };
    let class = devices.class(&query.class).ok_or_else(|| {
        let class = &query.class;
        format!(
            "claim {claim}, request {name}: could not retrieve device class {class}: \
             deviceclass.resource.k8s.io {class:?} not found"
        )
    })?;
    let mut request = Request { claim, name: &wanted.name, query, class, count: 0, all: Vec::new() };
    match query.count {
        Some(count) => request.count = usize::try_from(count).unwrap_or(usize::MAX),
        None => {
            request.all = all_devices(&request, devices, node, pools, name)?;
            request.count = request.all.len();
        }
    }
    Ok(request)
}

/// The devices of a request for all of them, of whatever size they have left.
fn all_devices<'a>(
    request: &Request<'a>,
    devices: &'a Devices,
    node: &NodeInfo<'a>,
    pools: &[Pool<'a>],
    name: &str,
) -> Result<Vec<Candidate<'a>>, String> {
    let mut all = Vec::new();
    for (at, pool) in pools.iter().enumerate() {
        if pool.is_incomplete || pool.is_invalid {
            let state = if pool.is_incomplete { "being updated" } else { "invalid" };
            return Err(format!(
                "claim {}, request {name}: asks for all devices, but resource pool {}/{} is currently {state}",
                request.claim, pool.driver, pool.name
            ));
        }
        for &slice in &pool.slices {
            for (position, device) in slice.devices.iter().enumerate() {
                if request.selects(devices, node, slice, position)?
                    && capacity::fits(device, &request.query.capacity, &[])
                {
                    all.push(Candidate { id: slice.id(position), pool: at, slice, device });
                }
            }
        }
    }
    Ok(all)
}

impl<'a> Request<'a> {
    /// Whether all matching devices are requested.
    pub(super) fn is_all(&self) -> bool {
        self.query.count.is_none()
    }

    /// Name of the alternative; empty where there is none.
    pub(super) fn alternative(&self) -> &'a str {
        &self.query.name
    }

    /// Name of the alternative, or of the request where there is none.
    pub(super) fn own_name(&self) -> &'a str {
        if self.query.name.is_empty() { self.name } else { &self.query.name }
    }

    /// Names of request and alternative.
    pub(super) fn full_name(&self) -> String {
        if self.query.name.is_empty() { self.name.to_owned() } else { format!("{}/{}", self.name, self.query.name) }
    }

    /// Whether class and request select a device that the node reaches.
    ///
    /// # Errors
    /// What went wrong in the evaluation of a selector.
    pub(super) fn selects(
        &self,
        devices: &Devices,
        node: &NodeInfo<'_>,
        slice: &ResourceSlice,
        device: usize,
    ) -> Result<bool, String> {
        let all_match = |selectors: &[DeviceSelector], whose: &dyn Fn() -> String| -> Result<bool, String> {
            for (number, selector) in selectors.iter().enumerate() {
                let error = |error| {
                    let (driver, pool, name) = (&slice.driver, &slice.pool, &slice.devices[device].name);
                    let whose = whose();
                    format!("{whose}: selector #{number} on device {driver}/{pool}/{name}: CEL runtime error: {error}")
                };
                if !devices.matches(selector, slice, device).map_err(error)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        Ok(all_match(&self.class.selectors, &|| format!("class {}", self.class.name))?
            && all_match(&self.query.selectors, &|| format!("claim {}", self.claim))?
            && (slice.reach != Reach::PerDevice || reaches(node, &slice.devices[device].reach)))
    }

    /// Whether the request tolerates the taints of a device.
    pub(super) fn tolerates(&self, device: &Device) -> bool {
        let mut taints = device.taints.iter().filter(|taint| taint.keeps_away());
        taints.all(|taint| self.query.tolerations.iter().any(|toleration| toleration.tolerates(taint)))
    }
}
