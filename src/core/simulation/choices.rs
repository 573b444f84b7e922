//! Where randomness comes from: a sequence of numbers, so that a failing case can be cut down and replayed.
//!
//! Every decision reads the next number; zero is always the dullest answer, and so is the end of the sequence.
//! Cutting numbers out or making them smaller therefore makes a simpler case.

/// Reads decisions from a sequence.
#[derive(Clone, Debug)]
pub(super) struct Choices<'a> {
    numbers: &'a [u16],
    at: usize,
}

impl<'a> Choices<'a> {
    pub(super) fn new(numbers: &'a [u16]) -> Self {
        Choices { numbers, at: 0 }
    }

    /// Whether the sequence is used up.
    pub(super) fn is_over(&self) -> bool {
        self.at >= self.numbers.len()
    }

    pub(super) fn next(&mut self) -> u16 {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        number
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.next()) % bound.max(1)
    }

    /// Whether something with this probability in percent happens.
    pub(super) fn chance(&mut self, percent: u16) -> bool {
        self.next() % 100 >= 100 - percent
    }

    pub(super) fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A sequence of pseudo-random numbers (splitmix64).
pub(super) fn random(seed: u64, length: usize) -> Vec<u16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let mut numbers = Vec::with_capacity(length + 3);
    while numbers.len() < length {
        let z = next();
        numbers.extend([0, 16, 32, 48].map(|shift| (z >> shift) as u16));
    }
    numbers.truncate(length);
    numbers
}
