//! Counts of spans by class: the store of latency histograms.
//!
//! Classes are those of Tene's HdrHistogram with three significant digits: spans below 2048 ns have one each, and each doubling
//! beyond has 1024 equal ones. Only doublings between the shortest and the longest span take memory, and whatever goes
//! over all classes goes over these: an empty histogram costs nothing to keep, to clear or to add. Spans that come as numbers of
//! equal ones are few, though they stand for many: up to a thousand such numbers are kept as they came, so that a histogram
//! of a window costs what was put into it rather than what its classes span, and one that is filled now and then is fetched
//! into the cache once in a thousand.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::units::SimDuration;

/// Classes for each doubling of the span: half of the 2048 that three digits need, the other half being the doubling before.
const PER_DOUBLING: usize = 1024;

/// Classes that are added up at once where one is looked for.
const BLOCK: usize = 64;

/// Numbers of equal spans that are kept without places for all classes.
const FEW: usize = 1024;

/// How spans were distributed over classes; count, sum and extremes are exact.
#[derive(Clone)]
pub(super) struct Classes {
    /// The class of the first count; a multiple of [`PER_DOUBLING`].
    first: usize,
    counts: Vec<u32>,
    /// What was beyond the range of a count, by class: empty but after thousands of millions of equal spans.
    spilt: BTreeMap<usize, u64>,
    /// Classes with numbers of spans that are not in the counts yet, in the order in which they came.
    few: Vec<(u32, u32)>,
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

/// What spans come to together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) count: u64,
    pub(super) sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

impl Default for Classes {
    fn default() -> Self {
        let (counts, spilt, few) = (Vec::new(), BTreeMap::new(), Vec::new());
        Classes { first: 0, counts, spilt, few, count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }
}

impl fmt::Debug for Classes {
    /// Without the classes, which are thousands.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Classes { count, sum_ns, min_ns, max_ns, .. } = self;
        write!(formatter, "Classes {{ count: {count}, sum_ns: {sum_ns}, min_ns: {min_ns}, max_ns: {max_ns} }}")
    }
}

impl PartialEq for Classes {
    /// Whether the same spans were counted, whatever memory was taken for them.
    fn eq(&self, other: &Self) -> bool {
        let sums = |one: &Classes| (one.count, one.sum_ns, one.min_ns, one.max_ns);
        sums(self) == sums(other) && self.iter().eq(other.iter())
    }
}

impl Classes {
    /// Takes one span in.
    #[inline]
    pub(super) fn record(&mut self, span_ns: u64) {
        self.record_all(std::iter::once(span_ns), |_| ());
    }

    /// Takes in so many of one span.
    pub(super) fn record_many(&mut self, span_ns: u64, count: u64) {
        if count > 0 {
            let mut left = count;
            while left > 0 {
                let part = u32::try_from(left).unwrap_or(u32::MAX);
                self.add_number(class_of(span_ns), part);
                left -= u64::from(part);
            }
            let sum_ns = u128::from(span_ns) * u128::from(count);
            self.extend(Extent { count, sum_ns, min_ns: span_ns, max_ns: span_ns });
        }
    }

    /// Takes spans in, and gives the class of each; what they come to together.
    #[inline]
    pub(super) fn record_all(&mut self, spans_ns: impl Iterator<Item = u64>, mut also: impl FnMut(usize)) -> Extent {
        let mut extent = Extent { count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 };
        for span_ns in spans_ns {
            let class = class_of(span_ns);
            self.add(class, 1);
            also(class);
            extent.count += 1;
            extent.sum_ns += u128::from(span_ns);
            extent.min_ns = extent.min_ns.min(span_ns);
            extent.max_ns = extent.max_ns.max(span_ns);
        }
        self.extend(extent);
        extent
    }

    /// Takes in what spans come to together whose classes are counted by [`Classes::add`].
    #[inline]
    pub(super) fn extend(&mut self, by: Extent) {
        self.count += by.count;
        self.sum_ns += by.sum_ns;
        self.min_ns = self.min_ns.min(by.min_ns);
        self.max_ns = self.max_ns.max(by.max_ns);
    }

    /// Counts spans of a class, later.
    #[inline]
    fn add_number(&mut self, class: usize, count: u32) {
        if self.few.len() == FEW {
            self.place_few();
        }
        self.few.push((class as u32, count));
    }

    /// What was kept as it came is counted.
    #[inline(never)]
    fn place_few(&mut self) {
        let mut few = std::mem::take(&mut self.few);
        few.drain(..).for_each(|(class, count)| self.add(class as usize, count));
        self.few = few;
    }

    /// Counts spans of a class.
    #[inline]
    pub(super) fn add(&mut self, class: usize, count: u32) {
        let known = self.counts.get_mut(class.wrapping_sub(self.first));
        match known.map(|known| (known.checked_add(count), known)) {
            Some((Some(more), known)) => *known = more,
            _ => self.add_beyond(class, count),
        }
    }

    /// Counts what has no place yet, or no room in it.
    #[cold]
    #[inline(never)]
    fn add_beyond(&mut self, class: usize, count: u32) {
        if self.counts.get(class.wrapping_sub(self.first)).is_none() {
            self.grow(class);
        }
        let known = &mut self.counts[class - self.first];
        match known.checked_add(count) {
            Some(more) => *known = more,
            None => *self.spilt.entry(class).or_default() += u64::from(std::mem::take(known)) + u64::from(count),
        }
    }

    fn grow(&mut self, class: usize) {
        let block = class / PER_DOUBLING * PER_DOUBLING;
        if self.counts.is_empty() {
            self.first = block;
        }
        let first = self.first.min(block);
        let end = (self.first + self.counts.len()).max(block + PER_DOUBLING);
        let mut counts = vec![0; end - first];
        counts[self.first - first..][..self.counts.len()].copy_from_slice(&self.counts);
        (self.first, self.counts) = (first, counts);
    }

    /// How many spans there were.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, in ns.
    pub(super) fn sum_ns(&self) -> u128 {
        self.sum_ns
    }

    /// The shortest, in ns; the largest number without any.
    pub(super) fn min_ns(&self) -> u64 {
        self.min_ns
    }

    /// The longest, in ns; 0 without any.
    pub(super) fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The classes with places that may not be empty.
    fn touched(&self) -> Range<usize> {
        let waiting: u64 = self.few.iter().map(|(_, count)| u64::from(*count)).sum();
        if self.count == waiting || self.counts.is_empty() {
            return 0..0;
        }
        let start = class_of(self.min_ns).max(self.first);
        start..(class_of(self.max_ns) + 1).clamp(start, (self.first + self.counts.len()).max(start))
    }

    fn touched_counts(&self) -> &[u32] {
        let Range { start, end } = self.touched();
        if start == end { &[] } else { &self.counts[start - self.first..end - self.first] }
    }

    /// The classes that are not empty, in ascending order, and how many spans each has.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let spilt = |class| if self.spilt.is_empty() { 0 } else { self.spilt.get(&class).copied().unwrap_or(0) };
        let counts = self.touched().zip(self.touched_counts());
        let counts = counts.map(move |(class, &count)| (class, u64::from(count) + spilt(class)));
        let mut counts = counts.filter(|(_, count)| *count > 0).peekable();
        let mut few = self.few_in_order().into_iter().peekable();
        std::iter::from_fn(move || match (counts.peek(), few.peek()) {
            (Some((class, _)), Some((other, _))) if class > other => few.next(),
            (Some((class, _)), Some((other, _))) if class == other => {
                let more = few.next().map_or(0, |(_, count)| count);
                counts.next().map(|(class, count)| (class, count + more))
            }
            (Some(_), _) => counts.next(),
            (None, _) => few.next(),
        })
    }

    /// What is kept as it came, by class.
    fn few_in_order(&self) -> Vec<(usize, u64)> {
        // Single words are sorted faster than pairs, and where classes are equal their order does not matter.
        let mut words: Vec<u64> =
            self.few.iter().map(|&(class, count)| u64::from(class) << 32 | u64::from(count)).collect();
        words.sort_unstable();
        let mut few: Vec<(usize, u64)> = Vec::with_capacity(words.len());
        for word in words {
            let (class, count) = ((word >> 32) as usize, word & u64::from(u32::MAX));
            match few.last_mut() {
                Some((last, sum)) if *last == class => *sum += count,
                _ => few.push((class, count)),
            }
        }
        few
    }

    /// How many classes there is memory for.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.counts.len()
    }

    /// How many are in that class or below.
    pub(super) fn up_to(&self, class: usize) -> u64 {
        let Range { start, end } = self.touched();
        let counts = &self.touched_counts()[..(class + 1).clamp(start, end) - start];
        let few = self.few.iter().filter(|(of, _)| *of as usize <= class).map(|(_, count)| u64::from(*count));
        few.sum::<u64>()
            + counts.iter().map(|&count| u64::from(count)).sum::<u64>()
            + self.spilt.range(..=class).map(|(_, count)| count).sum::<u64>()
    }

    /// The first class up to which at least that part of all lies; none without any.
    pub(super) fn class_at(&self, probability: f64) -> Option<usize> {
        let [class] = self.classes_at([probability]);
        class
    }

    /// The same of several probabilities that ascend: blocks of classes are added up, and only those in which one lies are gone
    /// through.
    pub(super) fn classes_at<const N: usize>(&self, probabilities: [f64; N]) -> [Option<usize>; N] {
        if self.count == 0 {
            return [None; N];
        }
        let ranks = probabilities.map(|part| ((part * self.count as f64).ceil() as u64).clamp(1, self.count));
        let (first, sums) = self.block_sums();
        let (mut block, mut below) = (0, 0);
        ranks.map(|rank| {
            while below + sums.get(block)? < rank {
                below += sums[block];
                block += 1;
            }
            self.class_in(first + block, rank - below)
        })
    }

    /// How many are in each block of classes, from the first that is not empty on, which is given, too.
    fn block_sums(&self) -> (usize, Vec<u64>) {
        let (first, last) = (class_of(self.min_ns) / BLOCK, class_of(self.max_ns) / BLOCK);
        let mut sums = vec![0; last + 1 - first];
        let (mut class, mut counts) = (self.touched().start, self.touched_counts());
        while !counts.is_empty() {
            let (own, others) = counts.split_at((BLOCK - class % BLOCK).min(counts.len()));
            // A block of 32-bit counts does not overflow, and without looking for that it is added up several at a time.
            sums[class / BLOCK - first] += own.iter().fold(0u64, |sum, &count| sum.wrapping_add(u64::from(count)));
            (class, counts) = (class + own.len(), others);
        }
        self.few.iter().for_each(|&(class, count)| sums[class as usize / BLOCK - first] += u64::from(count));
        self.spilt.iter().for_each(|(class, count)| sums[class / BLOCK - first] += count);
        (first, sums)
    }

    /// The class of a block up to which at least so many of it lie.
    fn class_in(&self, block: usize, rank: u64) -> Option<usize> {
        let first = block * BLOCK;
        let mut sums = [0; BLOCK];
        for (offset, sum) in sums.iter_mut().enumerate() {
            *sum = (first + offset)
                .checked_sub(self.first)
                .and_then(|at| self.counts.get(at))
                .copied()
                .map_or(0, u64::from);
        }
        let own = self.few.iter().filter(|(class, _)| *class as usize / BLOCK == block);
        own.for_each(|&(class, count)| sums[class as usize - first] += u64::from(count));
        self.spilt.range(first..first + BLOCK).for_each(|(class, count)| sums[class - first] += count);
        let mut below = 0;
        sums.iter()
            .position(|sum| {
                below += sum;
                below >= rank
            })
            .map(|offset| first + offset)
    }

    /// Takes in all that another has.
    pub(super) fn merge(&mut self, other: &Classes) {
        for &(class, count) in &other.few {
            self.add_number(class as usize, count);
        }
        for (class, &count) in other.touched().zip(other.touched_counts()) {
            if count > 0 {
                self.add(class, count);
            }
        }
        other.spilt.iter().for_each(|(class, count)| *self.spilt.entry(*class).or_default() += count);
        let Classes { count, sum_ns, min_ns, max_ns, .. } = *other;
        self.extend(Extent { count, sum_ns, min_ns, max_ns });
    }

    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        let Range { start, end } = self.touched();
        if start < end {
            self.counts[start - self.first..end - self.first].fill(0);
        }
        let (first, counts, mut few) = (self.first, std::mem::take(&mut self.counts), std::mem::take(&mut self.few));
        few.clear();
        *self = Classes { first, counts, few, ..Classes::default() };
    }
}

/// The class of a span.
#[inline]
pub(super) fn class_of(span_ns: u64) -> usize {
    // By how many bits the span is shortened to be less than 2048.
    let shift = 53 - (span_ns | PER_DOUBLING as u64).leading_zeros() as usize;
    shift * PER_DOUBLING + (span_ns >> shift) as usize
}

/// The shortest span of a class.
fn lowest_ns(class: usize) -> u64 {
    let shift = (class / PER_DOUBLING).saturating_sub(1);
    ((class - shift * PER_DOUBLING) as u64) << shift
}

/// The shortest, the middle and the longest span of a class.
pub(super) fn spans_of(class: usize) -> [SimDuration; 3] {
    let width_ns = 1 << (class / PER_DOUBLING).saturating_sub(1);
    let lowest_ns = lowest_ns(class);
    [lowest_ns, lowest_ns + width_ns / 2, lowest_ns + (width_ns - 1)].map(SimDuration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use hdrhistogram::Histogram;

    /// Spans of all magnitudes up to 2^62 ns.
    fn spans(seed: u64, count: usize) -> Vec<u64> {
        let mut stream = Stream::of_word(seed);
        (0..count).map(|_| stream.bits() >> (2 + stream.below(62))).collect()
    }

    #[test]
    fn classes_and_quantiles_are_those_of_the_histogram_they_come_from() {
        for (seed, count) in [(1, 1), (2, 2), (3, 100), (4, 100_000)] {
            let spans = spans(seed, count);
            let mut theirs = Histogram::<u64>::new_with_bounds(1, u64::MAX >> 1, 3).expect("bounds");
            let mut own = Classes::default();
            own.record_all(spans.iter().copied(), |_| ());
            spans.iter().for_each(|&span| theirs.record(span).expect("within the bounds"));
            let classes: Vec<(u64, u64)> =
                theirs.iter_recorded().map(|class| (class.value_iterated_to(), class.count_at_value())).collect();
            let found: Vec<(u64, u64)> = own.iter().map(|(class, count)| (spans_of(class)[2].0, count)).collect();
            assert_eq!(found, classes);
            for probability in [1e-9, 0.01, 0.5, 0.95, 0.99, 0.999, 1.0] {
                let longest = own.class_at(probability).map(|class| spans_of(class)[2].0);
                assert_eq!(longest, Some(theirs.value_at_quantile(probability)), "{probability}");
            }
            assert_eq!((own.count(), own.min_ns()), (theirs.len(), *spans.iter().min().expect("one")));
            assert_eq!(own.sum_ns(), spans.iter().map(|&span| u128::from(span)).sum());
        }
    }

    /// The first class up to which at least that part of all lies, by going through all of them.
    fn class_at_one_by_one(classes: &Classes, probability: f64) -> Option<usize> {
        let rank = ((probability * classes.count as f64).ceil() as u64).max(1);
        let mut below = 0;
        classes
            .iter()
            .find(|(_, count)| {
                below += count;
                below >= rank
            })
            .map(|(class, _)| class)
    }

    #[test]
    fn quantiles_by_blocks_are_those_of_all_classes() {
        for seed in 0..60 {
            let mut classes = Classes::default();
            let mut stream = Stream::of_word(seed);
            for _ in 0..stream.below(2000) {
                let span_ns = stream.bits() >> (1 + stream.below(20 + seed / 2));
                match stream.below(3) {
                    0 => classes.record(span_ns),
                    1 => classes.record_many(span_ns, stream.below(1 << 20)),
                    // Some are more than a count holds.
                    _ => classes.record_many(span_ns, (1 << 31) * stream.below(4)),
                }
            }
            let probabilities = [0.0, 0.001, 0.2, 0.5, 0.50001, 0.95, 0.99, 0.9999, 1.0];
            let found = classes.classes_at(probabilities);
            assert_eq!(found, probabilities.map(|part| class_at_one_by_one(&classes, part)), "{seed}");
        }
    }

    #[test]
    fn merging_is_recording_both_and_clearing_leaves_nothing() {
        let (some, others) = (spans(5, 1000), spans(6, 2000));
        let recorded = |spans: &[u64]| {
            let mut classes = Classes::default();
            spans.iter().for_each(|&span| classes.record(span));
            classes
        };
        let mut merged = recorded(&some);
        merged.merge(&recorded(&others));
        let both: Vec<u64> = some.iter().chain(&others).copied().collect();
        assert_eq!(merged, recorded(&both));
        merged.clear();
        assert_eq!(merged, Classes::default());
        // What was cleared counts anew, in the memory that it has.
        merged.record_all(some.iter().copied(), |_| ());
        assert_eq!(merged, recorded(&some));
        assert_ne!(merged, recorded(&others));
    }

    #[test]
    fn numbers_of_equal_spans_are_the_spans_themselves() {
        // Fewer numbers than are kept as they come, and more.
        for numbers in [1, 2, 50, FEW, FEW + 1, 3 * FEW] {
            let spans = spans(numbers as u64, numbers);
            let (mut told, mut singly) = (Classes::default(), Classes::default());
            for (at, &span) in spans.iter().enumerate() {
                told.record_many(span, at as u64 % 3);
                (0..at % 3).for_each(|_| singly.record(span));
            }
            // Of three numbers one is 0, and is not kept.
            assert_eq!(told.reserved() == 0, numbers - numbers.div_ceil(3) <= FEW, "{numbers}");
            // Some are placed, and some are not.
            told.record_many(1 << 40, 2);
            (0..2).for_each(|_| singly.record(1 << 40));
            assert_eq!(told, singly, "{numbers}");
            for probability in [0.0, 0.3, 0.5, 0.99, 1.0] {
                let class = told.class_at(probability);
                assert_eq!(class, singly.class_at(probability), "{numbers} {probability}");
                let counts = class.map(|class| [told.up_to(class), singly.up_to(class)]);
                assert!(counts.is_none_or(|[one, other]| one == other), "{numbers} {probability}");
            }
            // Either kind takes in either.
            for (mut into, from) in [(told.clone(), &singly), (singly.clone(), &told), (told.clone(), &told)] {
                into.merge(from);
                let mut twice = singly.clone();
                twice.merge(&singly);
                assert_eq!(into, twice, "{numbers}");
                into.clear();
                assert_eq!(into, Classes::default());
                into.record_many(7, 3);
                assert_eq!(into.iter().collect::<Vec<_>>(), [(7, 3)]);
            }
            // What comes singly afterwards is added.
            told.record(5);
            singly.record_many(5, 1);
            assert_eq!(told, singly, "{numbers}");
        }
    }

    #[test]
    fn counts_beyond_their_range_go_on() {
        let (mut one, mut other) = (Classes::default(), Classes::default());
        for classes in [&mut one, &mut other] {
            [3, 5, 5, 9].into_iter().for_each(|span| classes.record(span));
            classes.add(5, u32::MAX - 1);
            classes.count += u64::from(u32::MAX - 1);
        }
        // Twice 2^32 - 2 and two.
        one.merge(&other);
        assert_eq!(one.iter().collect::<Vec<_>>(), [(3, 2), (5, 2 << 32), (9, 2)]);
        assert_eq!((one.up_to(4), one.up_to(5), one.class_at(0.5)), (2, 2 + (2 << 32), Some(5)));
        one.clear();
        assert_eq!(one, Classes::default());
    }

    #[test]
    fn counts_up_to_a_class_include_it() {
        let mut classes = Classes::default();
        [5, 5, 7, 3000].into_iter().for_each(|span| classes.record(span));
        // 3000 is the 476th of the 1024 classes of two from 2048 on.
        for (class, count) in [(0, 0), (5, 2), (6, 2), (7, 3), (2047, 3), (2048 + 475, 3), (2048 + 476, 4), (99_999, 4)]
        {
            assert_eq!(classes.up_to(class), count, "{class}");
        }
        assert_eq!(Classes::default().up_to(3), 0);
    }
}
