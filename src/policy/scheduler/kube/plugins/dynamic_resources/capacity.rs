//! Shares of the capacity of devices (`consumable_capacity.go`).

use crate::model::devices::{Counters, Device, DeviceCapacity, RequestPolicy, RequestRange};

/// Whether a request fits into what is left of a device's capacities, and keeps to their policies.
pub(super) fn fits(device: &Device, request: &Counters, taken: &[&Counters]) -> bool {
    if request.keys().any(|name| !device.capacity.contains_key(name)) {
        return false;
    }
    device.capacity.iter().all(|(name, capacity)| {
        let wanted = consumed(request.get(name).copied(), capacity);
        let sum: i128 = taken.iter().filter_map(|taken| taken.get(name)).sum();
        keeps_policy(wanted, capacity.policy.as_ref()) && wanted + sum <= capacity.milli
    })
}

/// What a request takes of each of a device's capacities.
pub(super) fn of_request(device: &Device, request: &Counters) -> Counters {
    let of =
        |(name, capacity): (&String, &DeviceCapacity)| (name.clone(), consumed(request.get(name).copied(), capacity));
    device.capacity.iter().map(of).collect()
}

/// What a request takes of a capacity: as much as it says, rounded up as the policy has it; the default or all where it
/// says nothing.
fn consumed(request: Option<i128>, capacity: &DeviceCapacity) -> i128 {
    let policy = capacity.policy.as_ref();
    let Some(request) = request else {
        return policy.and_then(|policy| policy.default_milli).unwrap_or(capacity.milli);
    };
    match policy {
        Some(RequestPolicy { range: Some(range), .. }) => round_up(request, range),
        Some(RequestPolicy { values_milli, .. }) => {
            values_milli.iter().copied().find(|&value| request <= value).unwrap_or(request)
        }
        None => request,
    }
}

fn round_up(request: i128, range: &RequestRange) -> i128 {
    match range.step_milli {
        _ if request < range.min_milli => range.min_milli,
        None => request,
        Some(step) => {
            let beyond = request - range.min_milli;
            range.min_milli + beyond / step * step + if beyond % step == 0 { 0 } else { step }
        }
    }
}

fn keeps_policy(wanted: i128, policy: Option<&RequestPolicy>) -> bool {
    match policy {
        Some(policy) if policy.default_milli == Some(wanted) => true,
        Some(RequestPolicy { range: Some(range), .. }) => {
            range.max_milli.is_none_or(|max| wanted <= max)
                && range.step_milli.is_none_or(|step| (wanted - range.min_milli) % step == 0)
        }
        Some(RequestPolicy { values_milli, .. }) => values_milli.is_empty() || values_milli.contains(&wanted),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// 10 units with this policy.
    fn ten(policy: Option<RequestPolicy>) -> DeviceCapacity {
        DeviceCapacity { milli: 10_000, policy }
    }

    #[test]
    fn requests_are_rounded_up_as_the_policy_says() {
        let range = |max, step| {
            let range = RequestRange { min_milli: 2000, max_milli: max, step_milli: step };
            Some(RequestPolicy { default_milli: Some(4000), range: Some(range), ..RequestPolicy::default() })
        };
        let values = Some(RequestPolicy { values_milli: vec![2000, 4000], ..RequestPolicy::default() });
        // Policy, request, what it takes, and whether that keeps the policy.
        for (policy, request, takes, keeps) in [
            (None, Some(3000), 3000, true),
            // Nothing is said: all there is.
            (None, None, 10_000, true),
            (range(None, None), None, 4000, true),
            (range(None, None), Some(1000), 2000, true),
            (range(None, None), Some(2500), 2500, true),
            // From 2 in steps of 3: 5 is next above 4.
            (range(None, Some(3000)), Some(4000), 5000, true),
            (range(None, Some(3000)), Some(5000), 5000, true),
            // A half goes up to the next half.
            (range(None, Some(500)), Some(2100), 2500, true),
            (range(Some(6000), None), Some(7000), 7000, false),
            // The default is allowed whatever the steps are: from 2 in steps of 3 there is no 4.
            (range(None, Some(3000)), None, 4000, true),
            (values.clone(), Some(3000), 4000, true),
            (values, Some(5000), 5000, false),
        ] {
            let capacity = ten(policy);
            assert_eq!(consumed(request, &capacity), takes, "{request:?} of {capacity:?}");
            assert_eq!(keeps_policy(takes, capacity.policy.as_ref()), keeps, "{request:?} of {capacity:?}");
        }
    }

    #[test]
    fn shares_fit_until_the_capacity_is_used_up() {
        let named = |milli: i128| BTreeMap::from([("memory".to_owned(), milli)]);
        let device = Device { capacity: BTreeMap::from([("memory".to_owned(), ten(None))]), ..Device::default() };
        assert!(fits(&device, &named(4000), &[&named(5000), &named(1000)]));
        assert!(!fits(&device, &named(4001), &[&named(5000), &named(1000)]));
        // Who asks for nothing takes all.
        assert!(fits(&device, &Counters::new(), &[]));
        assert!(!fits(&device, &Counters::new(), &[&named(1)]));
        assert!(!fits(&device, &BTreeMap::from([("cores".to_owned(), 1)]), &[]));
    }
}
