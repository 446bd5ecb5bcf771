//! A share, always with what it was computed from.

/// Numerator over denominator. It has no value where there is nothing to divide by, which is not the same as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ratio {
    /// How many of them.
    pub numerator: i64,
    /// Out of how many: the `n` that decides whether the value means anything yet.
    pub denominator: i64,
}

impl Ratio {
    /// A ratio of two counts.
    pub const fn new(numerator: i64, denominator: i64) -> Self {
        Self { numerator, denominator }
    }

    /// The share as a fraction (0.03 is three percent), or nothing where it can't be computed.
    pub fn value(self) -> Option<f64> {
        (self.denominator > 0).then(|| self.numerator as f64 / self.denominator as f64)
    }
}
