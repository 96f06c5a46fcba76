//! Amounts of resources as rows of numbers, one column a kind, so that whether something fits is a comparison of numbers.

use super::super::resources::{ResourceKind, ResourceList};

/// One amount for each kind.
pub(super) type Row = Vec<i64>;

/// Into which nothing fits, not even nothing.
const NOTHING: i64 = i64::MIN;

/// The kinds that matter, in order.
#[derive(Debug, Default)]
pub(super) struct Kinds(Vec<ResourceKind>);

impl Kinds {
    /// All kinds of some amounts.
    pub(super) fn of<'l>(lists: impl IntoIterator<Item = &'l ResourceList>) -> Kinds {
        let mut kinds = Vec::new();
        for (kind, _) in lists.into_iter().flat_map(ResourceList::iter) {
            if let Err(at) = kinds.binary_search(&kind) {
                kinds.insert(at, kind);
            }
        }
        Kinds(kinds)
    }

    /// How many kinds there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The amounts of these kinds; 0 of what is missing.
    pub(super) fn row(&self, list: &ResourceList) -> Row {
        self.0.iter().map(|kind| list.amount(*kind)).collect()
    }

    /// Room as [`ResourceList::fits`] sees it: nothing fits where an amount of any kind is negative.
    pub(super) fn room(&self, room: Option<&ResourceList>) -> Row {
        match room {
            Some(room) if room.iter().all(|(_, amount)| amount >= 0) => self.row(room),
            _ => vec![NOTHING; self.len()],
        }
    }

    /// The amounts that are not 0.
    pub(super) fn list(&self, row: &[i64]) -> ResourceList {
        let amounts = self.0.iter().copied().zip(row.iter().copied());
        amounts.filter(|(_, amount)| *amount != 0).collect()
    }

    /// The column of a kind.
    pub(super) fn column(&self, kind: ResourceKind) -> Option<usize> {
        self.0.binary_search(&kind).ok()
    }
}

/// Whether requests fit into what there is.
pub(super) fn fits(requests: &[i64], room: &[i64]) -> bool {
    requests.iter().zip(room).all(|(amount, have)| amount <= have)
}

/// Raises each amount to the other's, where that is larger.
pub(super) fn raise(amounts: &mut [i64], to: &[i64]) {
    for (amount, to) in amounts.iter_mut().zip(to) {
        *amount = (*amount).max(*to);
    }
}

pub(super) fn add(amounts: &mut [i64], more: &[i64]) {
    for (amount, more) in amounts.iter_mut().zip(more) {
        *amount = amount.saturating_add(*more);
    }
}

pub(super) fn subtract(amounts: &mut [i64], less: &[i64]) {
    for (amount, less) in amounts.iter_mut().zip(less) {
        *amount = amount.saturating_sub(*less);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amounts() -> impl Strategy<Value = ResourceList> {
        let kind = prop_oneof![
            Just(ResourceKind::Cpu),
            Just(ResourceKind::Memory),
            Just(ResourceKind::Pods),
            (0u16..2).prop_map(ResourceKind::Extended),
        ];
        proptest::collection::vec((kind, -1i64..4), 0..5).prop_map(|amounts| amounts.into_iter().collect())
    }

    proptest! {
        #[test]
        fn rows_fit_where_lists_do(requests in amounts(), room in amounts()) {
            // Pods request at least themselves, and nothing that is negative.
            prop_assume!(requests.iter().all(|(_, amount)| amount >= 0) && !requests.is_empty());
            let kinds = Kinds::of([&requests]);
            prop_assert_eq!(fits(&kinds.row(&requests), &kinds.room(Some(&room))), requests.fits(&room));
        }
    }
}
