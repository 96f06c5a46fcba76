//! Upstream's cases: `balancing_processor_test.go`, `compare_nodegroups_test.go`.

use super::*;

fn grown(groups: &[(usize, i64, i64)], nodes: i64) -> Vec<(usize, i64)> {
    let mut grown: Vec<_> = balance(groups, nodes).iter().map(|info| (info.group, info.new_size)).collect();
    grown.sort_unstable();
    grown
}

#[test]
fn balancing_under_the_largest_size() {
    // Four groups of 1, 3, 5 and 5 nodes of at most 10.
    let groups = [(1, 1, 10), (2, 3, 10), (3, 5, 10), (4, 5, 10)];
    assert_eq!(grown(&groups[..1], 4), [(1, 5)]);
    assert_eq!(grown(&groups, 1), [(1, 2)]);
    assert_eq!(grown(&groups, 2), [(1, 3)]);
    assert_eq!(grown(&groups, 4), [(1, 4), (2, 4)]);
    let sizes: i64 = grown(&groups, 5).iter().map(|(_, size)| size).sum();
    assert_eq!(sizes, 9);
    // 14 nodes and 10 more, over four groups.
    assert_eq!(grown(&groups, 10), [(1, 6), (2, 6), (3, 6), (4, 6)]);
}

#[test]
fn balancing_up_to_the_largest_size() {
    let of = |names: &[usize]| -> Vec<(usize, i64, i64)> {
        let all = [(1, 1, 1), (2, 1, 3), (3, 3, 10), (4, 5, 7), (5, 6, 3)];
        all.into_iter().filter(|(group, ..)| names.contains(group)).collect()
    };
    assert_eq!(grown(&of(&[1]), 1), []);
    assert_eq!(grown(&of(&[1, 2]), 1), [(2, 2)]);
    assert_eq!(grown(&of(&[1, 2]), 5), [(2, 3)]);
    assert_eq!(grown(&of(&[2, 3]), 4), [(2, 3), (3, 5)]);
    assert_eq!(grown(&of(&[2, 3, 4]), 9), [(2, 3), (3, 8), (4, 7)]);
    assert_eq!(grown(&of(&[2, 3, 4]), 900), [(2, 3), (3, 10), (4, 7)]);
    assert_eq!(grown(&of(&[2, 5]), 1), [(2, 2)]);
}

fn template(cpu: i64, memory: i64) -> Template {
    let amounts = Quantities::from([("cpu".to_owned(), cpu), ("memory".to_owned(), memory)]);
    Template { capacity: amounts.clone(), allocatable: amounts, ..Template::default() }
}

fn with(mut template: Template, change: impl FnOnce(&mut Template)) -> Template {
    change(&mut template);
    template
}

#[test]
fn groups_that_are_alike() {
    let comparator = Comparator::generic(DifferenceRatios::default(), &["mine"]);
    let base = template(1000, 2_000_000);
    let label = |name: &str, value: &str| {
        let (name, value) = (name.to_owned(), value.to_owned());
        with(base.clone(), |template| drop(template.labels.insert(name, value)))
    };
    let set = |which: fn(&mut Template) -> &mut Quantities, name: &str, amount: i64| {
        with(base.clone(), |template| {
            which(template).insert(name.to_owned(), amount);
        })
    };
    let table = [
        ("itself", base.clone(), true),
        ("more CPU", template(1001, 2_000_000), false),
        // 1.5 % of 2 000 000 is 30 000.
        ("memory within 1.5 %", template(1000, 1_970_000), true),
        ("memory beyond it", template(1000, 1_969_999), false),
        ("a resource more", set(|template| &mut template.capacity, "gpu", 1), false),
        // 5 % of 1000 is 50.
        ("allocatable within 5 %", set(|template| &mut template.allocatable, "cpu", 950), true),
        ("allocatable beyond it", set(|template| &mut template.allocatable, "cpu", 949), false),
        ("free within 5 %", set(|template| &mut template.requested, "cpu", 50), true),
        ("free beyond it", set(|template| &mut template.requested, "cpu", 51), false),
        ("another zone", label("topology.kubernetes.io/zone", "b"), true),
        ("a label that is passed over", label("mine", "x"), true),
        ("another label", label("team", "x"), false),
    ];
    for (name, other, expected) in table {
        assert_eq!(comparator.alike(&base, &other), expected, "{name}");
        assert_eq!(comparator.alike(&other, &base), expected, "{name}, the other way");
    }
    let by_label = Comparator::Labels(vec!["team".to_owned()]);
    let teams = [label("team", "x"), label("team", "y"), base.clone()];
    assert!(by_label.alike(&teams[0], &with(template(1, 1), |other| other.labels = teams[0].labels.clone())));
    assert!(!by_label.alike(&teams[0], &teams[1]));
    assert!(!by_label.alike(&teams[2], &teams[2]), "the label must be there");
}
