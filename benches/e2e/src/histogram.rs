//! Times, counted in buckets that are at most 1/32 of their value wide.

const SUB: usize = 32;

pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; 64 * SUB], total: 0 }
    }

    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    pub fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
    }

    /// The value that `share` of all values do not exceed, or 0 if there is none.
    pub fn quantile(&self, share: f64) -> u64 {
        let mut left = (self.total as f64 * share).ceil() as u64;
        for (index, &count) in self.counts.iter().enumerate() {
            if count >= left && count > 0 {
                return upper_end(index);
            }
            left -= count;
        }
        0
    }
}

fn bucket(value: u64) -> usize {
    if value < SUB as u64 {
        return value as usize;
    }
    let exponent = value.ilog2() as usize - SUB.ilog2() as usize;
    (exponent + 1) * SUB + (value >> exponent) as usize - SUB
}

fn upper_end(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let exponent = bucket / SUB - 1;
    (((bucket % SUB + SUB + 1) as u64) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_its_bucket() {
        for value in (0..4096).chain([65_535, 1 << 20, 123_456_789, 1 << 40]) {
            let end = upper_end(bucket(value));
            assert!(value <= end && end - value <= value / SUB as u64, "{value} {end}");
            assert!(bucket(value) == 0 || upper_end(bucket(value) - 1) < value);
        }
    }

    #[test]
    fn quantiles_of_known_values() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), 0);
        (1..=31).for_each(|value| histogram.add(value));
        assert_eq!((histogram.quantile(0.5), histogram.quantile(1.0)), (16, 31));
    }
}
