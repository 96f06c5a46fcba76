use super::*;
use crate::model::images::{Image, ImageCollection, Layer};

const GB: u64 = 1_000_000_000;
const POD: [PodId; 4] = [PodId(0), PodId(1), PodId(2), PodId(3)];
const NODE: NodeId = NodeId(0);

fn at(seconds: f64) -> SimTime {
    SimTime((seconds * 1e9) as u64)
}

/// Images with these layers of so many bytes each; 1 Gb/s to each node.
fn images(layer_sizes: &[u64], images: &[&[u32]]) -> Images {
    let layer = |(index, &size): (usize, &u64)| Layer { digest: format!("sha256:{index}"), size: Bytes(size) };
    Images {
        list: images.iter().map(|layers| Image { layers: layers.to_vec() }).collect(),
        layers: layer_sizes.iter().enumerate().map(layer).collect(),
        node_bandwidth: Some(Bandwidth(1_000_000_000)),
        ..Images::default()
    }
}

/// Lets the store run until nothing is left to happen: (s, pod, whether the image is there).
fn drain(store: &mut ImageStore, images: &Images) -> Vec<(f64, u32, bool)> {
    let mut seen = Vec::new();
    while store.wake_at() != SimTime::NEVER {
        let now = store.wake_at();
        seen.extend(store.wake(images, now).iter().map(|pulled| (now.as_seconds(), pulled.pod.0, pulled.is_there)));
    }
    seen
}

fn ask(store: &mut ImageStore, images: &Images, now: f64, pod: usize, image: u32) -> Answer {
    let mut done = Vec::new();
    let answer = store.ask(images, at(now), (POD[pod], NODE), (image, PullPolicy::IfNotPresent), &mut done);
    assert_eq!(done, []);
    answer
}

#[test]
fn pulls_go_one_after_the_other_or_at_once() {
    // Two images of 1 GB at 1 Gb/s: 8 s and 16 s one after the other, 16 s both at once.
    for (pulls_at_once, ends) in [(1, [(8.0, 0, true), (16.0, 1, true)]), (2, [(16.0, 0, true), (16.0, 1, true)])] {
        let images = Images { pulls_at_once, ..images(&[GB, GB], &[&[0], &[1]]) };
        let mut store = ImageStore::new(&images);
        assert_eq!(ask(&mut store, &images, 0.0, 0, 0), Answer::Waits);
        assert_eq!(ask(&mut store, &images, 0.0, 1, 1), Answer::Waits);
        assert_eq!(drain(&mut store, &images), ends);
        assert_eq!(store.used(NODE), Bytes(2 * GB));
        assert_eq!(ask(&mut store, &images, 20.0, 2, 1), Answer::Ready);
    }
}

#[test]
fn layers_are_transferred_once() {
    // Base 1 GB (8 s), and 0.5 GB (4 s) of its own for each image.
    let layers = [GB, GB / 2, GB / 2];
    // One after the other: the base at 8, a's own at 12, b's own at 16.
    let serial = images(&layers, &[&[0, 1], &[0, 2]]);
    let mut store = ImageStore::new(&serial);
    ask(&mut store, &serial, 0.0, 0, 0);
    ask(&mut store, &serial, 0.0, 1, 1);
    assert_eq!(drain(&mut store, &serial), [(12.0, 0, true), (16.0, 1, true)]);
    // At once: a gets the base, b its own at half the rate each, 8 s. Then b waits; a has 0.5 GB of the base left, 4 s:
    // 12, which ends b. a's own takes 4 s more: 16.
    let parallel = Images { pulls_at_once: 5, ..serial.clone() };
    let mut store = ImageStore::new(&parallel);
    ask(&mut store, &parallel, 0.0, 0, 0);
    ask(&mut store, &parallel, 0.0, 1, 1);
    assert_eq!(drain(&mut store, &parallel), [(12.0, 1, true), (16.0, 0, true)]);
    // The same image for two pods is one transfer.
    let mut store = ImageStore::new(&parallel);
    ask(&mut store, &parallel, 0.0, 0, 0);
    ask(&mut store, &parallel, 3.0, 1, 0);
    assert_eq!(drain(&mut store, &parallel), [(12.0, 0, true), (12.0, 1, true)]);
    assert_eq!(store.used(NODE), Bytes(GB + GB / 2));
}

#[test]
fn a_pod_that_ends_leaves_its_pull() {
    let images = Images { pulls_at_once: 2, ..images(&[GB], &[&[0]]) };
    let mut store = ImageStore::new(&images);
    ask(&mut store, &images, 0.0, 0, 0);
    ask(&mut store, &images, 0.0, 1, 0);
    // The second waits for what the first transfers; it takes over from the beginning: 4 + 8 s.
    let mut done = Vec::new();
    store.release(&images, at(4.0), POD[0], &mut done);
    assert_eq!(done, []);
    assert_eq!(drain(&mut store, &images), [(12.0, 1, true)]);
}

#[test]
fn policies_and_the_state_of_the_registry_decide() {
    use PullPolicy::{Always, IfNotPresent, Never};
    for (policy, is_there, is_up, answer) in [
        (IfNotPresent, true, false, Answer::Ready),
        (IfNotPresent, false, true, Answer::Waits),
        (IfNotPresent, false, false, Answer::Failed),
        (Never, true, false, Answer::Ready),
        (Never, false, true, Answer::Failed),
        // It is asked for, and nothing has to be transferred.
        (Always, true, true, Answer::Ready),
        (Always, true, false, Answer::Failed),
        (Always, false, true, Answer::Waits),
    ] {
        let images = images(&[GB], &[&[0]]);
        let mut store = ImageStore::new(&images);
        if is_there {
            ask(&mut store, &images, 0.0, 3, 0);
            drain(&mut store, &images);
        }
        assert_eq!(store.set_registry_up(&images, at(10.0), is_up), []);
        let found = store.ask(&images, at(10.0), (POD[0], NODE), (0, policy), &mut Vec::new());
        assert_eq!(found, answer, "{policy:?} {is_there} {is_up}");
    }
}

#[test]
fn an_outage_fails_pulls_and_a_slow_registry_delays_them() {
    let images = images(&[GB, GB], &[&[0], &[1]]);
    let mut store = ImageStore::new(&images);
    ask(&mut store, &images, 0.0, 0, 0);
    ask(&mut store, &images, 0.0, 1, 1);
    let failed = store.set_registry_up(&images, at(5.0), false);
    assert_eq!(failed, [0, 1].map(|pod| Pulled { pod: PodId(pod), is_there: false }));
    assert_eq!((store.wake_at(), store.used(NODE)), (SimTime::NEVER, Bytes(0)));
    store.set_registry_up(&images, at(6.0), true);
    ask(&mut store, &images, 6.0, 0, 0);
    // 4 s at 1 Gb/s bring half of it, the other half takes 40 s at 0.1 Gb/s: 6 + 4 + 40.
    store.set_registry_bandwidth(at(10.0), Some(Bandwidth(100_000_000)));
    assert_eq!(drain(&mut store, &images), [(50.0, 0, true)]);
}

#[test]
fn a_full_disk_is_cleared_of_what_was_used_longest_ago() {
    // A disk of 10 GB; images of 3, 3 and 2.5 GB: 85 % at the end. To get below 80 % 0.5 GB are to be freed.
    let images = Images {
        disk: Some(Bytes(10 * GB)),
        ..images(&[3 * GB, 3 * GB, 5 * GB / 2, 2 * GB], &[&[0], &[1], &[2], &[3]])
    };
    let mut store = ImageStore::new(&images);
    for (pod, image) in [(0, 0), (1, 1), (2, 2)] {
        ask(&mut store, &images, pod as f64 * 30.0, pod, image);
        while !store.has(NODE, image) {
            let now = store.wake_at();
            store.wake(&images, now);
        }
    }
    // Image 1 is unused from 100 s on, image 0 from 200 s; image 2 stays in use. At 300 s the older use goes.
    store.release(&images, at(100.0), POD[1], &mut Vec::new());
    store.release(&images, at(200.0), POD[0], &mut Vec::new());
    assert_eq!(store.wake_at(), at(300.0));
    drain(&mut store, &images);
    assert_eq!([0, 1, 2].map(|image| store.has(NODE, image)), [true, false, true]);
    assert_eq!(store.used(NODE), Bytes(11 * GB / 2));
    // 5.5 + 2 + 3 GB do not fit.
    ask(&mut store, &images, 400.0, 3, 3);
    drain(&mut store, &images);
    assert_eq!(ask(&mut store, &images, 500.0, 1, 1), Answer::Failed);
}

#[test]
fn young_images_are_kept_and_shared_layers_stay() {
    // Base 5 GB, tops of 2 GB: 9 of 10 GB when the second is there, at 284 s, so the disk is looked at at 300 s. The
    // first has been there since 56 s: 244 s are enough for a minimum age of 200 s; for 250 s they are at 600 s. The
    // base stays, as the second uses it, and what the first is thought to free is enough.
    for (min_age_seconds, collected) in [(200, 300.0), (250, 600.0)] {
        let min_age = SimDuration(min_age_seconds * 1_000_000_000);
        let images = Images {
            disk: Some(Bytes(10 * GB)),
            collection: ImageCollection { min_age, ..ImageCollection::default() },
            ..images(&[5 * GB, 2 * GB, 2 * GB], &[&[0, 1], &[0, 2]])
        };
        let mut store = ImageStore::new(&images);
        ask(&mut store, &images, 0.0, 0, 0);
        assert_eq!(drain(&mut store, &images), [(56.0, 0, true)]);
        ask(&mut store, &images, 268.0, 1, 1);
        store.release(&images, at(269.0), POD[0], &mut Vec::new());
        let mut now = SimTime::ZERO;
        while store.has(NODE, 0) {
            now = store.wake_at();
            store.wake(&images, now);
        }
        assert_eq!(now, at(collected));
        assert_eq!((store.has(NODE, 1), store.used(NODE)), (true, Bytes(7 * GB)));
        assert_eq!(store.wake_at(), SimTime::NEVER);
    }
}

#[test]
fn a_lost_node_takes_its_pulls_along() {
    let images = Images { registry_bandwidth: Some(Bandwidth(1_000_000_000)), ..images(&[GB], &[&[0]]) };
    let mut store = ImageStore::new(&images);
    ask(&mut store, &images, 0.0, 0, 0);
    let other = NodeId(1);
    store.ask(&images, at(0.0), (POD[1], other), (0, PullPolicy::Always), &mut Vec::new());
    // 4 s at half the rate bring a quarter; the rest takes 6 s alone.
    store.lose_node(&images, at(4.0), NODE);
    assert_eq!(drain(&mut store, &images), [(10.0, 1, true)]);
    assert!(store.has(other, 0) && !store.has(NODE, 0));
}
