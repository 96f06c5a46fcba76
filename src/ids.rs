//! Identities: `u32` newtypes that index into columns. Names live only at the edges.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in a column.
            #[inline]
            pub fn index(self) -> usize {
                self.0 as usize
            }

            /// The id of a position in a column.
            ///
            /// # Panics
            /// When there are more than 2^32 - 1 entities.
            #[inline]
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("more than 2^32 entities"))
            }
        }
    };
}

id!(
    /// A node that exists, existed or will be added by the script, in the order of the cluster's tie-break rank:
    /// of two equally good nodes the lower id wins.
    NodeId
);
id!(
    /// A pod, in order of arrival.
    PodId
);
id!(
    /// A class of pods that the scheduler cannot tell apart: same requests, selector, tolerations and priority.
    ClassId
);
id!(
    /// A model of GPU, such as `T4`.
    GpuModelId
);
id!(
    /// A pool of like nodes.
    PoolId
);
id!(
    /// A zone: a domain of failure.
    ZoneId
);
id!(
    /// An object that makes pods, such as a Deployment, in the order of the model.
    ControllerId
);
id!(
    /// What the pods of a template do, in the order of the model.
    LifeId
);
id!(
    /// A template of an object that makes pods: the position among its templates.
    RevisionId
);
id!(
    /// A ReplicaSet, StatefulSet, DaemonSet or Job that is there now, in the order in which they came into being: what owns
    /// pods directly.
    OwnerId
);
id!(
    /// What answers requests, in the order of the model.
    ServiceId
);
id!(
    /// A group of machines that a node autoscaler buys and returns, in the order of the model.
    GroupId
);
id!(
    /// What can be bought: a kind of machine of a group in a place, in the order of the model.
    OfferId
);
id!(
    /// A machine that was ordered, in the order of the orders; those of the start come first.
    MachineId
);
id!(
    /// What sets numbers of replicas, in the order of the model.
    AutoscalerId
);
id!(
    /// What sizes containers, in the order of the model.
    VerticalId
);
