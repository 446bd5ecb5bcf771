//! A ratio that keeps the counts it is computed from.

/// Numerator over denominator.
///
/// Without a denominator it has no value, which is not the same as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ratio {
    /// The count of the part.
    pub numerator: i64,
    /// The count of the whole: the `n` that tells whether the value means anything yet.
    pub denominator: i64,
}

impl Ratio {
    /// Creates a ratio of two counts.
    pub const fn new(numerator: i64, denominator: i64) -> Self {
        Self { numerator, denominator }
    }

    /// Returns the fraction (0.03 is three percent), or `None` without a denominator.
    pub fn value(self) -> Option<f64> {
        (self.denominator > 0).then(|| self.numerator as f64 / self.denominator as f64)
    }
}
