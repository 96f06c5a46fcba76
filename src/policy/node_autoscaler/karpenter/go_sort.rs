//! Sorting as Go's `sort.Slice` does, which leaves equal elements where its own steps happen to put them.
//!
//! Upstream sorts new nodes by their number of pods again before every pod, and instance types by price; ties are the rule
//! in both, and the first fit takes the first. So the same permutation is needed, not just a sorted one. The algorithm is
//! pattern-defeating quicksort (Peters 2021) with the constants of Go 1.26's `sort` package: insertion up to 12 elements, a
//! ninther from 50, partial insertion of at most five inversions from 50, xorshift to break patterns.

/// Up to so many elements, insertion sort is used, which is stable.
pub(super) const INSERTION_MAX: usize = 12;
/// From so many elements on, nine of them choose the pivot, and few inversions are mended in place.
pub(super) const NINTHER_MIN: usize = 50;

/// Sorts by `is_less` as `sort.Slice` does.
pub fn sort_as_go<T>(data: &mut [T], is_less: impl Fn(&T, &T) -> bool) {
    let bad_pivots_max = usize::BITS - data.len().leading_zeros();
    let length = data.len();
    Sorter { data, is_less }.quicksort(0, length, bad_pivots_max);
}

/// Whether the sample from which [`sort_as_go`] chooses its first pivot is in order. Then a slice of at least
/// [`NINTHER_MIN`] elements with few inversions is mended in place.
pub(super) fn sample_is_sorted<T>(data: &mut [T], is_less: impl Fn(&T, &T) -> bool) -> bool {
    let length = data.len();
    Sorter { data, is_less }.choose_pivot(0, length).1 == Hint::Increasing
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Increasing,
    Decreasing,
    Unknown,
}

struct Sorter<'a, T, F> {
    data: &'a mut [T],
    is_less: F,
}

impl<T, F: Fn(&T, &T) -> bool> Sorter<'_, T, F> {
    fn less(&self, one: usize, other: usize) -> bool {
        (self.is_less)(&self.data[one], &self.data[other])
    }

    fn quicksort(&mut self, mut start: usize, mut end: usize, mut bad_pivots_left: u32) {
        let (mut was_balanced, mut was_partitioned) = (true, true);
        loop {
            let length = end - start;
            if length <= INSERTION_MAX {
                return self.insertion(start, end);
            }
            if bad_pivots_left == 0 {
                return self.heapsort(start, end);
            }
            if !was_balanced {
                self.break_patterns(start, end);
                bad_pivots_left -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(start, end);
            if hint == Hint::Decreasing {
                self.data[start..end].reverse();
                pivot = (end - 1) - (pivot - start);
                hint = Hint::Increasing;
            }
            let looks_sorted = was_balanced && was_partitioned && hint == Hint::Increasing;
            if looks_sorted && self.partial_insertion(start, end) {
                return;
            }
            if start > 0 && !self.less(start - 1, pivot) {
                start = self.partition_equal(start, end, pivot);
                continue;
            }
            let (middle, already) = self.partition(start, end, pivot);
            was_partitioned = already;
            let (left, right) = (middle - start, end - middle);
            was_balanced = left.min(right) >= length / 8;
            if left < right {
                self.quicksort(start, middle, bad_pivots_left);
                start = middle + 1;
            } else {
                self.quicksort(middle + 1, end, bad_pivots_left);
                end = middle;
            }
        }
    }

    fn insertion(&mut self, start: usize, end: usize) {
        for next in start + 1..end {
            self.sink_left(next, start);
        }
    }

    /// Moves an element to the left, past larger ones, not beyond `first`.
    fn sink_left(&mut self, mut place: usize, first: usize) {
        while place > first && self.less(place, place - 1) {
            self.data.swap(place, place - 1);
            place -= 1;
        }
    }

    fn heapsort(&mut self, start: usize, end: usize) {
        let length = end - start;
        for root in (0..=(length - 1) / 2).rev() {
            self.sift_down(root, length, start);
        }
        for last in (0..length).rev() {
            self.data.swap(start, start + last);
            self.sift_down(0, last, start);
        }
    }

    fn sift_down(&mut self, mut root: usize, end: usize, first: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= end {
                return;
            }
            if child + 1 < end && self.less(first + child, first + child + 1) {
                child += 1;
            }
            if !self.less(first + root, first + child) {
                return;
            }
            self.data.swap(first + root, first + child);
            root = child;
        }
    }

    /// Swaps three elements around the middle with places drawn by xorshift, seeded by the length.
    fn break_patterns(&mut self, start: usize, end: usize) {
        let length = end - start;
        let mut random = length as u64;
        let mask = (1_u64 << (64 - (length as u64).leading_zeros())) - 1;
        let middle = start + length / 4 * 2;
        for place in middle - 1..=middle + 1 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let drawn = (random & mask) as usize;
            let other = if drawn >= length { drawn - length } else { drawn };
            self.data.swap(place, start + other);
        }
    }

    fn choose_pivot(&self, start: usize, end: usize) -> (usize, Hint) {
        let length = end - start;
        let mut swaps = 0;
        let quarter = length / 4;
        let mut places = [start + quarter, start + quarter * 2, start + quarter * 3];
        if length >= NINTHER_MIN {
            places = places.map(|place| self.median([place - 1, place, place + 1], &mut swaps));
        }
        let pivot = self.median(places, &mut swaps);
        let hint = match swaps {
            0 => Hint::Increasing,
            12 => Hint::Decreasing,
            _ => Hint::Unknown,
        };
        (pivot, hint)
    }

    /// The place of the median of three, counting how many exchanges it took.
    fn median(&self, [mut a, mut b, mut c]: [usize; 3], swaps: &mut u32) -> usize {
        let mut order = |one: &mut usize, other: &mut usize| {
            if self.less(*other, *one) {
                *swaps += 1;
                std::mem::swap(one, other);
            }
        };
        order(&mut a, &mut b);
        order(&mut b, &mut c);
        order(&mut a, &mut b);
        b
    }

    /// Mends at most five inversions by moving both elements to where they belong; says whether all is sorted then.
    fn partial_insertion(&mut self, start: usize, end: usize) -> bool {
        const INVERSIONS_MAX: usize = 5;
        let mut next = start + 1;
        for _ in 0..INVERSIONS_MAX {
            while next < end && !self.less(next, next - 1) {
                next += 1;
            }
            if next == end {
                return true;
            }
            if end - start < NINTHER_MIN {
                return false;
            }
            self.data.swap(next, next - 1);
            if next - start >= 2 {
                // Go lets the smaller one run on to the front of the whole slice, not of the range.
                self.sink_left(next - 1, 0);
            }
            let mut place = next + 1;
            while place < end && self.less(place, place - 1) {
                self.data.swap(place, place - 1);
                place += 1;
            }
        }
        false
    }

    /// Parts a range whose elements are none below the pivot into equal and larger ones.
    fn partition_equal(&mut self, start: usize, end: usize, pivot: usize) -> usize {
        self.data.swap(start, pivot);
        // `last` is one past the last element that is not yet looked at.
        let (mut first, mut last) = (start + 1, end);
        loop {
            while first < last && !self.less(start, first) {
                first += 1;
            }
            while first < last && self.less(start, last - 1) {
                last -= 1;
            }
            if first >= last {
                return first;
            }
            self.data.swap(first, last - 1);
            first += 1;
            last -= 1;
        }
    }

    /// Parts a range into smaller ones, the pivot, and the others; says where the pivot is and whether nothing moved.
    fn partition(&mut self, start: usize, end: usize, pivot: usize) -> (usize, bool) {
        self.data.swap(start, pivot);
        let (mut first, mut last) = (start + 1, end);
        let mut already = true;
        loop {
            while first < last && self.less(first, start) {
                first += 1;
            }
            while first < last && !self.less(last - 1, start) {
                last -= 1;
            }
            if first >= last {
                self.data.swap(last - 1, start);
                return (last - 1, already);
            }
            already = false;
            self.data.swap(first, last - 1);
            first += 1;
            last -= 1;
        }
    }
}
