use crate::document::Source;
use crate::model::devices::{Attribute, Devices, Reach, RequestRange};
use crate::scenario::kubernetes::{LoadedObjects, load_objects};

fn load(text: &str) -> LoadedObjects {
    load_objects(&Source { file: "devices.yaml".into(), text: text.to_owned() })
}

fn devices(text: &str) -> Devices {
    let loaded = load(text);
    assert_eq!(loaded.findings.issues.into_sorted(), [], "{text}");
    loaded.objects.devices
}

/// Line, column and message of each issue.
fn issues(text: &str) -> Vec<String> {
    let issues = load(text).findings.issues.into_sorted();
    issues.iter().map(|issue| format!("{}:{} {}", issue.span.line, issue.span.column, issue.message)).collect()
}

const CLASS: &str = "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu}
spec:
  selectors:
  - cel: {expression: 'device.driver == \"gpu.example.com\"'}
---";

const SLICE: &str = "
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: a}
spec:
  driver: gpu.example.com
  pool: {name: a, generation: 3, resourceSliceCount: 1}
  nodeName: a
  devices:
  - name: g0
    attributes: {model: {string: x}, socket: {int: 1}, ecc: {bool: true}, firmware: {version: 1.2.3}}
    capacity:
      memory: {value: 10Gi, requestPolicy: {default: 1Gi, validRange: {min: 1Gi, max: 8Gi, step: 512Mi}}}
    taints: [{key: sick, effect: NoSchedule}]
    allowMultipleAllocations: true
  - {name: g1}
---";

#[test]
fn classes_and_slices_are_read() {
    let found = devices(&format!("{CLASS}{SLICE}"));
    assert_eq!(found.class("gpu").map(|class| class.selectors.len()), Some(1));
    let slice = &found.slices[0];
    assert_eq!((&*slice.driver, &*slice.pool, slice.generation, slice.slice_count), ("gpu.example.com", "a", 3, 1));
    assert_eq!(slice.reach, Reach::Node("a".to_owned()));
    let device = &slice.devices[0];
    let attributes: Vec<(&str, &Attribute)> = device.attributes.iter().map(|(name, it)| (name.as_str(), it)).collect();
    let expected = [
        ("ecc", Attribute::Truth(true)),
        ("firmware", Attribute::Version("1.2.3".to_owned())),
        ("model", Attribute::Text("x".to_owned())),
        ("socket", Attribute::Number(1)),
    ];
    assert_eq!(attributes, expected.iter().map(|(name, it)| (*name, it)).collect::<Vec<_>>());
    let gibi = 1000 << 30;
    let memory = &device.capacity["memory"];
    let policy = memory.policy.as_ref().expect("it is there");
    let range = RequestRange { min_milli: gibi, max_milli: Some(8 * gibi), step_milli: Some(gibi / 2) };
    assert_eq!((memory.milli, policy.default_milli, policy.range), (10 * gibi, Some(gibi), Some(range)));
    assert!(device.taints[0].keeps_away() && device.allows_multiple_allocations);
    assert!(!slice.devices[1].allows_multiple_allocations);
}

#[test]
fn wrong_objects_are_reported_with_their_place() {
    let class = |expression: &str| CLASS.replace("device.driver == \"gpu.example.com\"", expression);
    let claim = |requests: &str| {
        format!(
            "
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {{name: c}}
spec: {{devices: {{requests: [{requests}]}}}}
"
        )
    };
    for (text, expected) in [
        (class("frobnicate(device)"), "there is no function `frobnicate`"),
        (class("device.driver =="), "`spec.selectors[].cel.expression` is no CEL expression"),
        (SLICE.replace("1.2.3", "v1.2.3"), "`v1.2.3` is no semantic version"),
        (SLICE.replace("  nodeName: a\n", ""), "needs one of `nodeName`"),
        (SLICE.replace("10Gi", "10Q"), "`spec.devices[].capacity.memory.value`"),
        (SLICE.replace("step: 512Mi", "step: 0"), "must be above 0"),
        (claim("{name: r}"), "either `exactly` or `firstAvailable`"),
        (claim("{name: r, exactly: {deviceClassName: gpu, allocationMode: Some}}"), "`Some` is not allowed"),
        (claim("{name: r, exactly: {}}"), "`spec.devices.requests[].exactly` has no `deviceClassName`"),
    ] {
        let found = issues(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
    // The place is that of the expression.
    let found = issues(&class("frobnicate(device)"));
    assert!(found[0].starts_with("7:"), "{found:?}");
}

#[test]
fn what_is_not_served_is_answered_with_a_warning() {
    let text = CLASS.replace("spec:\n", "spec:\n  extendedResourceName: example.com/gpu\n");
    let warnings: Vec<String> = load(&text).findings.warnings().map(|warning| warning.message.clone()).collect();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("extendedResourceName"), "{warnings:?}");
}
