//! `workload.images`: what images weigh, where they come from, and what nodes keep of them.

use std::collections::BTreeMap;

use super::context::Context;
use super::schema::join;
use super::spec::{ImagesSpec, LayerSpec, Quantity};
use crate::document::Code;
use crate::model::Images;
use crate::model::images::{Image, ImageCollection, Layer};
use crate::units::Bytes;

const AT: &str = "workload.images";

/// Checks what can be checked without the images of the manifests.
pub(super) fn validate(spec: &ImagesSpec, context: &mut Context<'_>) {
    let mut sizes: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, size) in &spec.sizes {
        let at = join(&format!("{AT}.sizes"), name);
        quantity(size, &at, context);
        if spec.layers.contains_key(name) {
            context.report(&at, Code::Contradiction, format!("`{name}` stands under `sizes` and under `layers`"));
        }
    }
    for (name, layers) in &spec.layers {
        let at = join(&format!("{AT}.layers"), name);
        for (index, LayerSpec { digest, size }) in layers.iter().enumerate() {
            let at = format!("{at}[{index}]");
            quantity(size, &format!("{at}.size"), context);
            let Quantity(text) = size;
            if let Some(other) = sizes.insert(digest, text).filter(|other| other != text) {
                let message = format!("the layer `{digest}` has two sizes: {other} and {text}");
                context.report(&at, Code::Contradiction, message);
            }
        }
        let digests = layers.iter().map(|layer| layer.digest.as_str());
        if let Some(twice) = digests.clone().find(|one| digests.clone().filter(|other| other == one).count() > 1) {
            context.report(&at, Code::DuplicateName, format!("the layer `{twice}` stands twice in `{at}`"));
        }
    }
    let node = &spec.node;
    if let Some(disk) = &node.disk {
        quantity(disk, &format!("{AT}.node.disk"), context);
    }
    let rules = collection(spec);
    if rules.low_percent >= rules.high_percent {
        let at = format!("{AT}.node");
        let message = format!(
            "`imageGcLowThresholdPercent` ({}) must be less than `imageGcHighThresholdPercent` ({})",
            rules.low_percent, rules.high_percent
        );
        context.report(&at, Code::Contradiction, message);
    }
}

fn quantity(Quantity(text): &Quantity, at: &str, context: &mut Context<'_>) {
    if let Err(refused) = Bytes::parse(text) {
        context.report(at, Code::BadQuantity, format!("`{at}`: {refused}"));
    }
}

fn collection(spec: &ImagesSpec) -> ImageCollection {
    let default = ImageCollection::default();
    let node = &spec.node;
    ImageCollection {
        high_percent: node.image_gc_high_threshold_percent.unwrap_or(default.high_percent),
        low_percent: node.image_gc_low_threshold_percent.unwrap_or(default.low_percent),
        min_age: node.image_minimum_gc_age.map_or(default.min_age, |age| age.0),
    }
}

/// The images called `names`. The spec has been checked.
pub(super) fn build(spec: Option<&ImagesSpec>, names: &[String]) -> Images {
    let Some(spec) = spec else { return Images::default() };
    let mut layers: Vec<Layer> = Vec::new();
    let mut by_digest: BTreeMap<String, u32> = BTreeMap::new();
    let mut layer = |digest: &str, Quantity(size): &Quantity| {
        *by_digest.entry(digest.to_owned()).or_insert_with(|| {
            layers.push(Layer { digest: digest.to_owned(), size: Bytes::parse(size).unwrap_or_default() });
            u32::try_from(layers.len() - 1).expect("fewer layers than bytes in a file")
        })
    };
    let image = |name: &String| {
        let name = tagged(name);
        let size = longest(spec.sizes.iter(), &name);
        let parts = longest(spec.layers.iter(), &name);
        let layers = match (size, parts) {
            (Some((sized, size)), parts) if parts.is_none_or(|(layered, _)| layered.len() < sized.len()) => {
                // A name of its own, which no layer has: images are shared with themselves only.
                vec![layer(&format!("image {name}"), size)]
            }
            (_, Some((_, parts))) => parts.iter().map(|LayerSpec { digest, size }| layer(digest, size)).collect(),
            _ => Vec::new(),
        };
        Image { layers }
    };
    let list = names.iter().map(image).collect();
    Images {
        list,
        layers,
        registry_bandwidth: spec.registry.as_ref().map(|registry| registry.bandwidth.0),
        node_bandwidth: spec.node.bandwidth.map(|bandwidth| bandwidth.0),
        pulls_at_once: spec.node.max_parallel_pulls.unwrap_or(1),
        disk: spec.node.disk.as_ref().and_then(|Quantity(text)| Bytes::parse(text).ok()),
        collection: collection(spec),
    }
}

/// The name with the tag that is meant where there is none.
fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

/// The entry of the longest name that fits.
fn longest<'s, T>(entries: impl Iterator<Item = (&'s String, T)>, name: &str) -> Option<(&'s String, T)> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => tagged(pattern) == name,
    };
    entries.filter(|(pattern, _)| fits(pattern)).max_by_key(|(pattern, _)| pattern.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ImagesSpec {
        let tree = crate::document::parse_value(text, &"images".into()).unwrap();
        serde_json::from_value(tree.to_json()).unwrap()
    }

    #[test]
    fn names_find_their_sizes() {
        let spec = spec(
            "{sizes: {nginx: 70Mi, 'nginx:1.*': 60Mi, '*': 100Mi}, layers: {'example.com:5000/web': \
             [{digest: base, size: 30Mi}, {digest: web, size: 5Mi}], 'example.com:5000/api:*': [{digest: base, size: 30Mi}]}}",
        );
        let names =
            ["nginx", "nginx:latest", "nginx:1.29", "mysql:8", "example.com:5000/web", "example.com:5000/api:2"];
        let images = build(Some(&spec), &names.map(str::to_owned));
        let sizes: Vec<u64> = (0..6).map(|image| images.size(image).0 >> 20).collect();
        assert_eq!(sizes, [70, 70, 60, 100, 35, 30]);
        assert_eq!(images.list[0].layers, images.list[1].layers);
        assert_eq!(images.list[4].layers[0], images.list[5].layers[0], "both have the base");
        assert!(images.are_ideal(), "sizes cost nothing where bandwidth and disk are unbounded");
    }

    #[test]
    fn images_without_a_key_cost_nothing() {
        let images = build(None, &["nginx".to_owned()]);
        assert!(images.are_ideal());
        assert_eq!(images.size(0), Bytes(0));
    }

    #[test]
    fn nodes_and_the_registry_are_as_written() {
        let spec = spec(
            "{registry: {bandwidth: 10Gbps}, node: {bandwidth: 1Gbps, maxParallelPulls: 3, disk: 100Gi, \
             imageGcHighThresholdPercent: 70, imageGcLowThresholdPercent: 60, imageMinimumGCAge: 1m}}",
        );
        let images = build(Some(&spec), &[]);
        assert_eq!(images.registry_bandwidth.map(|rate| rate.0), Some(10_000_000_000));
        assert_eq!(images.node_bandwidth.map(|rate| rate.0), Some(1_000_000_000));
        assert_eq!((images.pulls_at_once, images.disk), (3, Some(Bytes(100 << 30))));
        let ImageCollection { high_percent, low_percent, min_age } = images.collection;
        assert_eq!((high_percent, low_percent, min_age.as_seconds()), (70, 60, 60.0));
    }
}
