//! Places that are used again: what comes and goes keeps a small number while it is there.

/// Values with numbers. Numbers of values that went are given out again, the last one first.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    places: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// A number for a value.
    #[inline]
    pub(super) fn put(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.places[number as usize] = value;
                number
            }
            None => {
                let number = u32::try_from(self.places.len()).expect("more than 2^32 at a time");
                self.places.push(value);
                number
            }
        }
    }

    /// Gives the number back. The value stays where it is until the number is given out again.
    #[inline]
    pub(super) fn free(&mut self, number: u32) {
        self.free.push(number);
    }

    /// Values that are there, with their numbers. Takes O(places).
    pub(super) fn live(&self) -> impl Iterator<Item = (u32, &T)> {
        let mut is_live = vec![true; self.places.len()];
        self.free.iter().for_each(|&number| is_live[number as usize] = false);
        (0..).zip(&self.places).zip(is_live).filter(|(_, is_live)| *is_live).map(|(place, _)| place)
    }

    /// All places, those of values that went included.
    pub(super) fn places(&self) -> u32 {
        self.places.len() as u32
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, number: u32) -> &T {
        &self.places[number as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.places[number as usize]
    }
}
