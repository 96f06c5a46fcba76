//! Machines that are bought and returned while the run goes on.

use super::billing::Tariff;
use super::market::MachineMarket;
use super::scheduling::PolicyChoice;
use super::{Dist, ShapeId};
use crate::ids::{GroupId, OfferId, PoolId};
use crate::units::SimDuration;

/// Everything that buys machines, and what there is to buy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provisioning {
    /// Who decides, in the order of the file.
    pub autoscalers: Vec<NodeAutoscaler>,
    /// Groups by [`GroupId`].
    pub groups: Vec<NodeGroup>,
    /// What can be bought, by [`OfferId`].
    pub offers: Vec<Offer>,
    /// What the offers cost over time, when they are not to be had, and how many an account may have.
    pub market: MachineMarket,
    /// By what rules machines are paid for, and all else; none: by their price for as long as they are there.
    pub tariff: Option<Box<Tariff>>,
    /// Whether the run says what machines could have cost at least.
    pub is_bounded: bool,
}

/// Who buys machines and returns them.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeAutoscaler {
    /// Its name, unique.
    pub name: String,
    /// The policy that decides, and its parameters.
    pub policy: PolicyChoice,
    /// The groups that are its own. Two autoscalers may share one.
    pub groups: Vec<GroupId>,
    /// How late it sees which pods fit nowhere: those of late are not in its cache yet, and those that have found a place since
    /// are still there.
    pub watch_delay: SimDuration,
    /// How long its orders take until they are carried out.
    pub order_delay: SimDuration,
}

/// Machines that grow and shrink together: a pool of the cluster with limits.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeGroup {
    /// The pool that its nodes belong to.
    pub pool: PoolId,
    /// The fewest machines.
    pub min: u32,
    /// The most machines, not below the fewest.
    pub max: u32,
    /// What it can buy, at least one.
    pub offers: Vec<OfferId>,
    /// Whether the provider spreads the machines over the offers of an order, as it does with groups that span zones; else it
    /// takes the first that it has.
    pub is_spread: bool,
    /// How long its machines take.
    pub delays: MachineDelays,
}

/// A kind of machine in a place, at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The group that buys it.
    pub group: GroupId,
    /// What its nodes are, price and zone included.
    pub shape: ShapeId,
    /// What it is bought as.
    pub market: Market,
}

/// How a machine is bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Market {
    /// At the list price, kept as long as it is wanted.
    #[default]
    OnDemand,
    /// Cheaper, and can be taken back.
    Spot,
}

impl Market {
    /// Its name in files and tables, as in Karpenter's label `karpenter.sh/capacity-type`.
    pub fn name(self) -> &'static str {
        match self {
            Market::OnDemand => "on-demand",
            Market::Spot => "spot",
        }
    }
}

/// How long a machine takes on its way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MachineDelays {
    /// From the order until the provider begins to charge for it.
    pub launch: Dist,
    /// From there until its node joins the cluster.
    pub boot: Dist,
    /// From joining until the node takes pods.
    pub ready: Dist,
    /// From the order to end it until the provider no longer charges for it.
    pub shut_down: Dist,
}

impl Provisioning {
    /// Whether nobody buys anything.
    pub fn is_empty(&self) -> bool {
        self.autoscalers.is_empty()
    }

    /// The group with that id.
    pub fn group(&self, group: GroupId) -> &NodeGroup {
        &self.groups[group.index()]
    }

    /// The offer with that id.
    pub fn offer(&self, offer: OfferId) -> &Offer {
        &self.offers[offer.index()]
    }

    /// The group of a pool, if its machines can be bought.
    pub fn group_of(&self, pool: PoolId) -> Option<GroupId> {
        self.groups.iter().position(|group| group.pool == pool).map(GroupId::from_index)
    }
}
