//! Figures of several rounds, and what is said about them: the median, the extremes, a quantile.

/// What several rounds measured. Every answer about no samples is not-a-number, which meets no goal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    pub(crate) fn extend(&mut self, samples: Self) {
        self.0.extend(samples.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            length if length.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// The smallest sample that is not below this share of them (the nearest rank).
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn quantiles_are_the_nearest_rank() {
        let samples: Samples = (1..=200).rev().map(f64::from).collect();
        assert_eq!([samples.min(), samples.quantile(0.99), samples.max()], [1.0, 198.0, 200.0]);
        assert_eq!(samples.median(), 100.5);
        assert_eq!([3.0, 1.0, 2.0].into_iter().collect::<Samples>().median(), 2.0);
    }

    #[test]
    fn nothing_measured_is_no_number() {
        let none = Samples::default();
        assert!(none.min().is_nan() && none.median().is_nan() && none.quantile(0.99).is_nan());
    }
}
