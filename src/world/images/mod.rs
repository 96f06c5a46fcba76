//! Which images nodes have, and which they are pulling.
//!
//! A pull transfers, one after the other, those layers of its image that its node neither has nor is getting by another
//! pull; it is done when all of them are there. Bandwidth is shared as in `transfers`. A node pulls so many images at
//! once as it may, and the others wait in order (`images/puller.go`). The kubelet looks every five minutes whether
//! images take up too much of the disk, and removes unused ones, those first that were last used longest ago
//! (`images/image_gc_manager.go`).
//!
//! Where it is simpler: the registry answers at once, and unpacking takes no time; the disk holds nothing but images;
//! an image is in use from its pull to the end of the pod. Layers of a broken pull stay until images are collected.
//!
//! Cost: O(layers of the image + pulls of the node) for a pull; nodes that never pulled take no room.

mod transfers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::transfers::Transfers;
use crate::ids::{NodeId, PodId};
use crate::model::controllers::PullPolicy;
use crate::model::images::{Bandwidth, Images};
use crate::units::{Bytes, SimDuration, SimTime};

/// How often nodes look at their disks (`ImageGCPeriod`).
const COLLECTION_PERIOD_NS: u64 = 300_000_000_000;

/// The images of all nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageStore {
    nodes: BTreeMap<NodeId, NodeStore>,
    pulls: BTreeMap<PodId, PullUnderWay>,
    /// The images that each pod uses.
    uses: BTreeMap<PodId, (NodeId, Vec<u32>)>,
    transfers: Transfers,
    registry_is_up: bool,
    /// When nodes look at their disks.
    collections: BTreeSet<(SimTime, NodeId)>,
    /// Bytes of the layers that have come for each pod that had to wait for one.
    pulled: BTreeMap<(NodeId, PodId), u64>,
}

/// The images of one node.
#[derive(Clone, Debug, Default, PartialEq)]
struct NodeStore {
    images: BTreeMap<u32, ImageRecord>,
    /// Layers that are there, and how many images have each.
    layers: BTreeMap<u32, u32>,
    /// Layers that are on their way.
    fetching: BTreeSet<u32>,
    /// What the layers that are there and on their way take up.
    used: u64,
    /// Pulls under way, in order, and those that wait for their turn.
    active: Vec<PodId>,
    queue: VecDeque<PodId>,
}

/// An image that a node has (`imageRecord`).
#[derive(Clone, Copy, Debug, PartialEq)]
struct ImageRecord {
    first_detected: SimTime,
    last_used: SimTime,
    users: u32,
}

/// A pull.
#[derive(Clone, Debug, PartialEq)]
struct PullUnderWay {
    node: NodeId,
    image: u32,
    /// The layer that it transfers now.
    current: Option<u32>,
}

/// What comes of asking for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there.
    Ready,
    /// It cannot be had now: the registry is down (`ErrImagePull`), the disk is full, or it may not be pulled
    /// (`ErrImageNeverPull`).
    Failed,
    /// It is being pulled.
    Waits,
}

/// The end of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Who waited for it.
    pub pod: PodId,
    /// Whether the image is there now.
    pub is_there: bool,
}

impl ImageStore {
    /// No node has any image.
    pub fn new(images: &Images) -> ImageStore {
        let rate = |bandwidth: Option<Bandwidth>| bandwidth.map_or(f64::INFINITY, Bandwidth::bytes_per_second);
        ImageStore {
            nodes: BTreeMap::new(),
            pulls: BTreeMap::new(),
            uses: BTreeMap::new(),
            transfers: Transfers::new(rate(images.registry_bandwidth), rate(images.node_bandwidth)),
            registry_is_up: true,
            collections: BTreeSet::new(),
            pulled: BTreeMap::new(),
        }
    }

    /// Bytes of the layers that nodes have pulled, by node and the pod that waited for them.
    pub fn pulled(&self) -> &BTreeMap<(NodeId, PodId), u64> {
        &self.pulled
    }

    /// When something happens next by itself; [`SimTime::NEVER`]: nothing does.
    pub fn wake_at(&self) -> SimTime {
        let collection = self.collections.first().map_or(SimTime::NEVER, |(at, _)| *at);
        self.transfers.next().min(collection)
    }

    /// Whether the node has the image.
    pub fn has(&self, node: NodeId, image: u32) -> bool {
        self.nodes.get(&node).is_some_and(|store| store.images.contains_key(&image))
    }

    /// What images take up on the node.
    pub fn used(&self, node: NodeId) -> Bytes {
        Bytes(self.nodes.get(&node).map_or(0, |store| store.used))
    }

    /// A pod on the node asks for an image. Pulls that this ends, its own or others', are added to `done`.
    ///
    /// # Panics
    /// When the pod waits for an image already.
    pub fn ask(
        &mut self,
        images: &Images,
        now: SimTime,
        (pod, node): (PodId, NodeId),
        (image, policy): (u32, PullPolicy),
        done: &mut Vec<Pulled>,
    ) -> Answer {
        assert!(!self.pulls.contains_key(&pod), "a pod pulls one image at a time");
        let is_there = self.has(node, image);
        match policy {
            PullPolicy::IfNotPresent | PullPolicy::Never if is_there => {
                self.note_use(now, pod, node, image);
                return Answer::Ready;
            }
            PullPolicy::Never => return Answer::Failed,
            _ if !self.registry_is_up => return Answer::Failed,
            _ => {}
        }
        self.pulls.insert(pod, PullUnderWay { node, image, current: None });
        self.nodes.entry(node).or_default().queue.push_back(pod);
        self.begin_pulls(images, now, node, done);
        match done.iter().position(|pulled| pulled.pod == pod) {
            Some(position) if done.remove(position).is_there => Answer::Ready,
            Some(_) => Answer::Failed,
            None => Answer::Waits,
        }
    }

    /// Ends what is due now, and collects images; gives the pulls that ended.
    pub fn wake(&mut self, images: &Images, now: SimTime) -> Vec<Pulled> {
        let mut done = Vec::new();
        for pod in self.transfers.due(now) {
            self.transfers.end(now, pod);
            let pull = self.pulls.get_mut(&pod).expect("a transfer belongs to a pull");
            let node = pull.node;
            let layer = pull.current.take().expect("a transfer is one of a layer");
            let store = self.nodes.get_mut(&node).expect("a node that pulls has a store");
            store.fetching.remove(&layer);
            store.layers.insert(layer, 0);
            *self.pulled.entry((node, pod)).or_default() += images.layers[layer as usize].size.0;
            self.get_on(images, now, node, &mut done);
        }
        while let Some(&(at, node)) = self.collections.first()
            && at <= now
        {
            self.collections.remove(&(at, node));
            self.collect(images, now, node);
        }
        done
    }

    /// Lets the node begin pulls that wait, and all its pulls get on.
    fn begin_pulls(&mut self, images: &Images, now: SimTime, node: NodeId, done: &mut Vec<Pulled>) {
        let store = self.nodes.get_mut(&node).expect("a node that pulls has a store");
        while store.active.len() < images.pulls_at_once.max(1) as usize
            && let Some(pod) = store.queue.pop_front()
        {
            store.active.push(pod);
        }
        self.get_on(images, now, node, done);
    }

    /// Lets the pulls of the node get on that transfer nothing.
    fn get_on(&mut self, images: &Images, now: SimTime, node: NodeId, done: &mut Vec<Pulled>) {
        let ended = done.len();
        for pod in self.nodes[&node].active.clone() {
            if self.pulls[&pod].current.is_none()
                && let Some(is_there) = self.get_one_on(images, now, pod)
            {
                let store = self.nodes.get_mut(&node).expect("a node that pulls has a store");
                store.active.retain(|other| *other != pod);
                let pull = self.pulls.remove(&pod).expect("it was there");
                if is_there {
                    self.keep(images, now, node, pull.image);
                    self.note_use(now, pod, node, pull.image);
                }
                done.push(Pulled { pod, is_there });
            }
        }
        // What has just come may be what others waited for, and there is room for other pulls.
        if done.len() > ended {
            self.begin_pulls(images, now, node, done);
        }
    }

    /// Lets a pull begin its next transfer; gives whether the image is there when the pull ends.
    fn get_one_on(&mut self, images: &Images, now: SimTime, pod: PodId) -> Option<bool> {
        let pull = self.pulls.get_mut(&pod).expect("a pull that is under way");
        let store = self.nodes.get_mut(&pull.node).expect("a node that pulls has a store");
        let mut are_all_there = true;
        for &layer in images.list.get(pull.image as usize).map_or(&[][..], |image| &image.layers) {
            if store.layers.contains_key(&layer) {
                continue;
            }
            if store.fetching.contains(&layer) {
                are_all_there = false;
                continue;
            }
            let size = images.layers[layer as usize].size.0;
            if images.disk.is_some_and(|disk| store.used + size > disk.0) {
                return Some(false);
            }
            store.used += size;
            if size == 0 || self.transfers.is_instant() {
                store.layers.insert(layer, 0);
                *self.pulled.entry((pull.node, pod)).or_default() += size;
                continue;
            }
            store.fetching.insert(layer);
            pull.current = Some(layer);
            self.transfers.begin(now, pod, pull.node, size);
            return None;
        }
        are_all_there.then_some(true)
    }

    /// The node has the image from now on.
    fn keep(&mut self, images: &Images, now: SimTime, node: NodeId, image: u32) {
        let store = self.nodes.get_mut(&node).expect("a node that pulls has a store");
        if store.images.contains_key(&image) {
            return;
        }
        store.images.insert(image, ImageRecord { first_detected: now, last_used: now, users: 0 });
        for layer in images.list.get(image as usize).map_or(&[][..], |image| &image.layers) {
            *store.layers.get_mut(layer).expect("all layers of the image are there") += 1;
        }
        if percent_used(images, store.used).is_some_and(|percent| percent >= images.collection.high_percent.into()) {
            let at = SimTime(now.0.div_ceil(COLLECTION_PERIOD_NS) * COLLECTION_PERIOD_NS);
            self.collections.insert((at, node));
        }
    }

    /// The pod uses an image of its node.
    fn note_use(&mut self, now: SimTime, pod: PodId, node: NodeId, image: u32) {
        let (_, used) = self.uses.entry(pod).or_insert_with(|| (node, Vec::new()));
        if !used.contains(&image) {
            used.push(image);
            let record = self.nodes.get_mut(&node).and_then(|store| store.images.get_mut(&image));
            let record = record.expect("a pod uses an image that its node has");
            record.users += 1;
            record.last_used = now;
        }
    }

    /// The pod has ended: it uses no images and waits for none. Pulls that this ends are added to `done`.
    pub fn release(&mut self, images: &Images, now: SimTime, pod: PodId, done: &mut Vec<Pulled>) {
        if let Some(pull) = self.pulls.remove(&pod) {
            self.break_off(images, now, pod, &pull);
            let store = self.nodes.get_mut(&pull.node).expect("a node that pulls has a store");
            store.active.retain(|other| *other != pod);
            store.queue.retain(|other| *other != pod);
            self.begin_pulls(images, now, pull.node, done);
        }
        if let Some((node, used)) = self.uses.remove(&pod)
            && let Some(store) = self.nodes.get_mut(&node)
        {
            for image in used {
                let record = store.images.get_mut(&image).expect("an image that is used is kept");
                record.users -= 1;
                record.last_used = now;
            }
        }
    }

    /// Ends the transfer of a pull, if it has one.
    fn break_off(&mut self, images: &Images, now: SimTime, pod: PodId, pull: &PullUnderWay) {
        if let Some(layer) = pull.current {
            self.transfers.end(now, pod);
            let store = self.nodes.get_mut(&pull.node).expect("a node that pulls has a store");
            store.fetching.remove(&layer);
            store.used -= images.layers[layer as usize].size.0;
        }
    }

    /// The node is gone, with its images and its pods.
    pub fn lose_node(&mut self, images: &Images, now: SimTime, node: NodeId) {
        let on_node: Vec<PodId> =
            self.pulls.iter().filter(|(_, pull)| pull.node == node).map(|(pod, _)| *pod).collect();
        for pod in on_node {
            let pull = self.pulls.remove(&pod).expect("it was there");
            self.break_off(images, now, pod, &pull);
        }
        self.uses.retain(|_, (other, _)| *other != node);
        self.collections.retain(|(_, other)| *other != node);
        self.nodes.remove(&node);
    }

    /// The registry sends at most so much from now on; none: any amount.
    pub fn set_registry_bandwidth(&mut self, now: SimTime, bandwidth: Option<Bandwidth>) {
        self.transfers.set_registry(now, bandwidth.map_or(f64::INFINITY, Bandwidth::bytes_per_second));
    }

    /// The registry goes down, or comes back. When it goes down all pulls fail; they are given.
    pub fn set_registry_up(&mut self, images: &Images, now: SimTime, is_up: bool) -> Vec<Pulled> {
        self.registry_is_up = is_up;
        if is_up {
            return Vec::new();
        }
        let pulls = std::mem::take(&mut self.pulls);
        for (pod, pull) in &pulls {
            self.break_off(images, now, *pod, pull);
            let store = self.nodes.get_mut(&pull.node).expect("a node that pulls has a store");
            store.active.clear();
            store.queue.clear();
        }
        pulls.into_keys().map(|pod| Pulled { pod, is_there: false }).collect()
    }

    /// Removes unused images of the node, those first that were last used longest ago, until enough of its disk is
    /// free.
    fn collect(&mut self, images: &Images, now: SimTime, node: NodeId) {
        let rules = images.collection;
        let Some(store) = self.nodes.get_mut(&node) else { return };
        let Some(disk) = images.disk else { return };
        let is_over = |used| percent_used(images, used).is_some_and(|percent| percent >= rules.high_percent.into());
        if !is_over(store.used) {
            return;
        }
        let pulled: BTreeSet<u32> = store.active.iter().map(|pod| self.pulls[pod].image).collect();
        let needed: BTreeSet<u32> = pulled
            .iter()
            .flat_map(|&image| images.list.get(image as usize))
            .flat_map(|image| image.layers.clone())
            .collect();
        let target = u128::from(disk.0) * u128::from(100 - rules.low_percent) / 100;
        let mut to_free = (target as u64).saturating_sub(disk.0.saturating_sub(store.used));
        let mut unused: Vec<(SimTime, SimTime, u32)> = store
            .images
            .iter()
            .filter(|(_, record)| record.users == 0)
            .map(|(image, record)| (record.last_used, record.first_detected, *image))
            .collect();
        unused.sort_unstable();
        for (last_used, first_detected, image) in unused {
            if to_free == 0 {
                break;
            }
            if last_used < now && now.since(first_detected) >= rules.min_age {
                store.remove(images, image, &needed);
                // Upstream counts the whole image, whether others share its layers or not.
                to_free = to_free.saturating_sub(images.size(image).0);
            }
        }
        if is_over(store.used) {
            self.collections.insert((now.after(SimDuration(COLLECTION_PERIOD_NS)), node));
        }
    }
}

impl NodeStore {
    /// Removes an image, and its layers that neither another image has nor a pull needs.
    fn remove(&mut self, images: &Images, image: u32, needed: &BTreeSet<u32>) {
        self.images.remove(&image);
        for layer in &images.list[image as usize].layers {
            let users = self.layers.get_mut(layer).expect("all layers of the image are there");
            *users -= 1;
            if *users == 0 && !needed.contains(layer) {
                self.layers.remove(layer);
                self.used -= images.layers[*layer as usize].size.0;
            }
        }
    }
}

/// How many percent of the disk are used, rounded as upstream does; none where it has no bounds.
fn percent_used(images: &Images, used: u64) -> Option<u64> {
    let disk = images.disk?.0.max(1);
    let available = disk.saturating_sub(used);
    Some(100 - (u128::from(available) * 100 / u128::from(disk)) as u64)
}

#[cfg(test)]
mod tests;
