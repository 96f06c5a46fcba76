//! When pods that wait are looked at: once none has come for a while, or the first has waited long enough.
//!
//! Source: `pkg/controllers/provisioning/batcher.go` of Karpenter v1.15.0. The same pod opens or prolongs a window once
//! only, as its element is remembered until the window closes.

use std::collections::BTreeSet;

use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};

/// The window in which pods are collected.
#[derive(Clone, Debug)]
pub struct Batcher {
    /// `BATCH_IDLE_DURATION`: a window closes when nothing has come for so long. The default is 1 s.
    idle: SimDuration,
    /// `BATCH_MAX_DURATION`: no window stays open for longer. The default is 10 s.
    max: SimDuration,
    window: Option<Window>,
    seen: BTreeSet<PodId>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    opened: SimTime,
    last: SimTime,
}

impl Default for Batcher {
    fn default() -> Batcher {
        Batcher::new(SimDuration::from_seconds(1.0), SimDuration::from_seconds(10.0))
    }
}

impl Batcher {
    /// A batcher without an open window.
    pub fn new(idle: SimDuration, max: SimDuration) -> Batcher {
        Batcher { idle, max, window: None, seen: BTreeSet::new() }
    }

    /// A pod is seen waiting. Returns when the window closes now.
    pub fn trigger(&mut self, pod: PodId, now: SimTime) -> Option<SimTime> {
        if self.seen.insert(pod) {
            self.trigger_now(now);
        }
        self.closes()
    }

    /// Something that is no pod asks for a look. Returns when the window closes now.
    pub fn trigger_now(&mut self, now: SimTime) -> Option<SimTime> {
        let opened = self.window.map_or(now, |window| window.opened);
        // Who asked earlier may be heard later.
        let last = self.window.map_or(now, |window| window.last.max(now));
        self.window = Some(Window { opened, last });
        self.closes()
    }

    /// When the window closes; none: there is none.
    pub fn closes(&self) -> Option<SimTime> {
        self.window.map(|window| window.last.after(self.idle).min(window.opened.after(self.max)))
    }

    /// Closes the window: pods that still wait open the next one when they are seen again.
    pub fn close(&mut self) {
        self.window = None;
        self.seen.clear();
    }
}
