//! Container images: what they weigh, where they come from, and what nodes keep of them.

use crate::units::{Bytes, SimDuration};

/// Images, the registry they come from, and how nodes pull and keep them. By default they cost no time and no room.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// Images by the position that containers give.
    pub list: Vec<Image>,
    /// Layers by the position that images give. Images that name the same layer share it.
    pub layers: Vec<Layer>,
    /// What the registry sends at most, to all nodes together; none: any amount.
    pub registry_bandwidth: Option<Bandwidth>,
    /// What a node receives at most; none: any amount.
    pub node_bandwidth: Option<Bandwidth>,
    /// How many images a node pulls at once, at least 1. Upstream's default: 1 (`serializeImagePulls`), or
    /// `maxParallelImagePulls`.
    pub pulls_at_once: u32,
    /// Room for images on a node; none: any amount, and nothing is ever collected.
    pub disk: Option<Bytes>,
    /// When nodes throw images away.
    pub collection: ImageCollection,
}

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its layers, as positions among the layers, each once.
    pub layers: Vec<u32>,
}

/// A layer of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What tells it from others.
    pub digest: String,
    /// What is sent and kept of it.
    pub size: Bytes,
}

/// A rate of transfer, in bits a second; positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bandwidth(pub u64);

/// The kubelet's garbage collection of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCollection {
    /// Share of the disk, in percent, at which it begins (`imageGCHighThresholdPercent`). Upstream's default: 85.
    pub high_percent: u8,
    /// Share of the disk, in percent, at which it stops (`imageGCLowThresholdPercent`). Upstream's default: 80.
    pub low_percent: u8,
    /// Younger images are kept (`imageMinimumGCAge`). Upstream's default: 2 min.
    pub min_age: SimDuration,
}

impl Default for ImageCollection {
    fn default() -> Self {
        ImageCollection { high_percent: 85, low_percent: 80, min_age: SimDuration(120_000_000_000) }
    }
}

impl Default for Images {
    fn default() -> Self {
        Images {
            list: Vec::new(),
            layers: Vec::new(),
            registry_bandwidth: None,
            node_bandwidth: None,
            pulls_at_once: 1,
            disk: None,
            collection: ImageCollection::default(),
        }
    }
}

impl Images {
    /// Whether images cost neither time nor room: then nobody has to ask for them.
    pub fn are_ideal(&self) -> bool {
        self.registry_bandwidth.is_none() && self.node_bandwidth.is_none() && self.disk.is_none()
    }

    /// The size of an image: the sum of its layers.
    pub fn size(&self, image: u32) -> Bytes {
        let layers = self.list.get(image as usize).into_iter().flat_map(|image| &image.layers);
        Bytes(layers.map(|&layer| self.layers[layer as usize].size.0).sum())
    }
}

impl Bandwidth {
    /// Bytes a second.
    pub fn bytes_per_second(self) -> f64 {
        self.0 as f64 / 8.0
    }

    /// A rate such as `100Mbps`, `2.5Gbps` or `512kbps`: decimal multiples of bits a second.
    ///
    /// # Errors
    /// When the text is no rate or is not positive.
    ///
    /// ```
    /// use wavetank::model::images::Bandwidth;
    /// assert_eq!(Bandwidth::parse("2.5Gbps"), Ok(Bandwidth(2_500_000_000)));
    /// ```
    pub fn parse(text: &str) -> Result<Bandwidth, crate::units::QuantityError> {
        let refuse = || crate::units::QuantityError(format!("`{text}` is not a bandwidth such as 100Mbps or 1Gbps"));
        let number = text.strip_suffix("bps").ok_or_else(refuse)?;
        let milli = crate::units::parse_quantity_milli(number).map_err(|_| refuse())?;
        match u64::try_from(milli / 1000) {
            Ok(bits @ 1..) if !number.ends_with('i') => Ok(Bandwidth(bits)),
            _ => Err(refuse()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_are_bits_a_second() {
        for (text, bits) in [("1Gbps", Some(1_000_000_000)), ("512kbps", Some(512_000)), ("8bps", Some(8))] {
            assert_eq!(Bandwidth::parse(text).ok(), bits.map(Bandwidth), "{text}");
        }
        for text in ["1G", "0bps", "-1Gbps", "1Gibps", "fast", "bps", "500mbps"] {
            assert!(Bandwidth::parse(text).is_err(), "{text}");
        }
        // 1 Gb/s is 125 MB/s.
        assert_eq!(Bandwidth(1_000_000_000).bytes_per_second(), 125e6);
    }

    #[test]
    fn images_share_layers() {
        let layer = |size| Layer { digest: format!("sha256:{size}"), size: Bytes(size) };
        let images = Images {
            list: vec![Image { layers: vec![0, 1] }, Image { layers: vec![0] }],
            layers: vec![layer(30), layer(12)],
            ..Images::default()
        };
        assert_eq!((images.size(0), images.size(1)), (Bytes(42), Bytes(30)));
        assert!(images.are_ideal());
    }
}
