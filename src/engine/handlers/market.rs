//! What the market does to machines: it has none, the account may not have more, and it takes spot machines back.
//!
//! Prices need no events: whoever asks reads them off their series. Where the number of machines that the provider has decides who
//! is taken back, the changes of that number are events.
//!
//! Cost: O(offers of a quota) an order, O(log n) a launch in the changes of a price, O(machines) a change of capacity.

use crate::engine::Event;
use crate::engine::event::MachineStep;
use crate::engine::run::Simulation;
use crate::ids::{MachineId, OfferId};
use crate::model::market::{Good, Reclaim};
use crate::model::provisioning::Market;
use crate::observe::Observer;
use crate::units::{SimDuration, SimTime};
use crate::world::MachineState;
use crate::world::fleet::Refusal;

impl<O: Observer> Simulation<'_, O> {
    /// Schedules the first changes of capacity, and when machines of the start are taken back.
    pub(in crate::engine) fn begin_market(&mut self) {
        if self.provisioning.is_none() {
            return;
        }
        for good in 0..self.model.provisioning.market.goods().len() as u32 {
            self.on_market(good);
        }
        (0..self.world.fleet.machines.len())
            .map(MachineId::from_index)
            .for_each(|machine| self.schedule_reclaim(machine));
    }

    /// Why the market does not sell a machine; none: it does.
    pub(in crate::engine) fn market_refusal(&self, offer: OfferId) -> Option<Refusal> {
        let market = &self.model.provisioning.market;
        let now = self.world.time;
        if let Some(good) = market.good(offer)
            && (good.outages.is_out(now) || !good.terms.is_sold(self.held(good), now))
        {
            return Some(Refusal::StockOut);
        }
        let is_allowed = market.allows(offer, |offer| self.world.fleet.held(offer));
        (!is_allowed).then_some(Refusal::Quota)
    }

    /// How many machines of a good are ordered or there.
    fn held(&self, good: &Good) -> u32 {
        good.offers.iter().map(|offer| self.world.fleet.held(*offer)).sum()
    }

    /// A machine has been launched: it is known from now on when its price or its own lifetime takes it back.
    pub(in crate::engine) fn schedule_reclaim(&mut self, machine: MachineId) {
        let offer = self.world.fleet.get(machine).offer;
        let Some(good) = self.model.provisioning.market.good(offer) else { return };
        if good.market != Market::Spot {
            return;
        }
        let lifetime = match &good.terms.reclaim {
            Reclaim::Lifetime(lifetime) => {
                Some(lifetime.sample(&mut self.model.seed.stream("market/lifetime", machine.0.into())))
            }
            _ => None,
        };
        if let Some(at) = good.terms.reclaimed_at(self.world.time, lifetime) {
            let told = SimTime(at.0.saturating_sub(good.terms.notice.0)).max(self.world.time);
            self.schedule(told, Event::Machine { step: MachineStep::ReclaimNotice, machine });
        }
    }

    pub(in crate::engine) fn is_being_reclaimed(&self, machine: MachineId) -> bool {
        self.world.fleet.get(machine).reclaimed_at != SimTime::NEVER
    }

    /// The provider says that it takes a machine back.
    pub(in crate::engine) fn on_machine_notice(&mut self, machine: MachineId) {
        let one = *self.world.fleet.get(machine);
        let is_over = matches!(one.state, MachineState::Ending | MachineState::Ended | MachineState::Refused);
        if is_over || self.is_being_reclaimed(machine) {
            return;
        }
        let notice = self.model.provisioning.market.good(one.offer).map_or(SimDuration::ZERO, |good| good.terms.notice);
        match one.node {
            Some(node) => self.reclaim(node, Some(notice)),
            None => {
                let at = self.world.time.after(notice);
                self.note_machine_reclaim(machine, at);
                self.schedule(at, Event::Machine { step: MachineStep::Reclaim, machine });
            }
        }
    }

    /// A machine that has no node yet is taken back.
    pub(in crate::engine) fn on_machine_reclaim(&mut self, machine: MachineId) {
        if self.world.fleet.get(machine).state == MachineState::Ordered {
            self.world.fleet.end(machine, self.world.time);
            self.tell_of_machine(machine);
        }
    }

    /// The provider has more or fewer machines of a good, which goes last to whoever came last.
    pub(in crate::engine) fn on_market(&mut self, position: u32) {
        let good = &self.model.provisioning.market.goods()[position as usize];
        let (Reclaim::Capacity, Some(capacity)) = (&good.terms.reclaim, &good.terms.capacity) else { return };
        if let Some((next, _)) = capacity.next_change(self.world.time) {
            self.schedule(next, Event::Market { good: position });
        }
        let fleet = &self.world.fleet;
        let groups = good.offers.iter().map(|offer| self.model.provisioning.offer(*offer).group);
        let mut running: Vec<MachineId> = groups
            .flat_map(|group| fleet.present(group))
            .copied()
            .filter(|machine| good.offers.contains(&fleet.get(*machine).offer))
            .filter(|machine| fleet.get(*machine).state < MachineState::Ending && !self.is_being_reclaimed(*machine))
            .collect();
        running.sort_unstable();
        running.dedup();
        let surplus = good.terms.surplus(running.len() as u32, self.world.time) as usize;
        for machine in running.into_iter().rev().take(surplus) {
            self.on_machine_notice(machine);
        }
    }
}
