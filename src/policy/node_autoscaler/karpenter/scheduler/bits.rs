//! Sets of small numbers as words of 64 bits.

pub(super) fn is_set(bits: &[u64], at: usize) -> bool {
    bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

pub(super) fn set(bits: &mut Vec<u64>, at: usize) {
    if bits.len() <= at / 64 {
        bits.resize(at / 64 + 1, 0);
    }
    bits[at / 64] |= 1 << (at % 64);
}

pub(super) fn clear(bits: &mut [u64], at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word &= !(1 << (at % 64));
    }
}

/// Takes a number out of the world: all that are larger become one less.
pub(super) fn remove(bits: &mut [u64], at: usize) {
    let first = at / 64;
    for word in first..bits.len() {
        let below = if word == first { (1 << (at % 64)) - 1 } else { 0 };
        let carried = bits.get(word + 1).map_or(0, |next| next << 63);
        bits[word] = bits[word] & below | bits[word] >> 1 & !below | carried;
    }
}

/// Makes room for a number, which is not in the set: all that are as large or larger become one more.
pub(super) fn insert(bits: &mut Vec<u64>, at: usize) {
    let (first, mut carried) = (at / 64, 0);
    for (word, bits) in bits.iter_mut().enumerate().skip(first) {
        let below = if word == first { (1 << (at % 64)) - 1 } else { 0 };
        let last = *bits >> 63;
        *bits = *bits & below | (*bits & !below) << 1 | carried;
        carried = last;
    }
    if carried == 1 {
        bits.push(1);
    }
}

/// The first number from one on, below an end, that is in none of the sets.
pub(super) fn next_clear_of<const N: usize>(sets: &[&[u64]; N], from: usize, end: usize) -> Option<usize> {
    let mut at = from;
    while at < end {
        let taken = sets.iter().fold(0, |taken, set| taken | set.get(at / 64).copied().unwrap_or(0));
        let open = !taken & (u64::MAX << (at % 64));
        if open != 0 {
            let found = at / 64 * 64 + open.trailing_zeros() as usize;
            return (found < end).then_some(found);
        }
        at = (at / 64 + 1) * 64;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_that_is_clear_is_found_across_words() {
        let mut bits = Vec::new();
        (0..130).filter(|at| *at != 5 && *at != 129).for_each(|at| set(&mut bits, at));
        // (from, end, found): 5 and 129 are clear, and all from 130 on.
        let rows = [(0, 200, Some(5)), (5, 200, Some(5)), (6, 200, Some(129)), (6, 129, None), (130, 200, Some(130))];
        for (from, end, found) in rows {
            assert_eq!(next_clear_of(&[&bits[..]], from, end), found, "from {from} to {end}");
        }
        clear(&mut bits, 64);
        assert!(!is_set(&bits, 64) && is_set(&bits, 65));
        assert_eq!(next_clear_of(&[&bits[..]], 6, 200), Some(64));
        assert_eq!(next_clear_of(&[&bits[..], &[0, 1]], 6, 200), Some(129), "in another set");
    }

    #[test]
    fn numbers_move_where_one_comes_or_goes() {
        let all = [0, 5, 62, 63, 64, 65, 126, 127, 128, 190, 191];
        let list = |bits: &[u64]| (0..64 * bits.len()).filter(|at| is_set(bits, *at)).collect::<Vec<usize>>();
        for at in [0, 5, 6, 62, 63, 64, 100, 127, 128, 191, 192, 500] {
            let mut bits = Vec::new();
            all.iter().for_each(|number| set(&mut bits, *number));
            insert(&mut bits, at);
            let moved: Vec<usize> = all.iter().map(|number| number + usize::from(*number >= at)).collect();
            assert_eq!(list(&bits), moved, "one comes at {at}");
            remove(&mut bits, at);
            assert_eq!(list(&bits), all, "and goes");
            remove(&mut bits, at);
            let left = all.iter().filter(|number| **number != at);
            let moved: Vec<usize> = left.map(|number| number - usize::from(*number > at)).collect();
            assert_eq!(list(&bits), moved, "one goes at {at}");
        }
    }
}
