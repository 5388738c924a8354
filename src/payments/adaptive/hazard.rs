//! How likely an object ends at each age, learnt from the objects before it.
//!
//! Owns: the counts by age, and forgetting. Must never know: prices, plans, the time of day.
//!
//! The hazard is constant within a cell of ages: the ends that were seen in it, divided by the time that objects of that
//! age were watched. Objects that have not ended count with the time until their last poll, so they are censored on the
//! right and bias nothing. Cells are half an octave wide at first; a cell in which ends gather is halved.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the second cell begins, in seconds.
const FIRST_S: f64 = 15.0;
/// Where the last cell ends: fourteen days.
const LAST_S: f64 = 14.0 * 86_400.0;
/// A cell with this many ends is halved.
const HALVED_AT: f64 = 5.0;
/// No cell gets narrower than this, in seconds,
const NARROWEST_S: f64 = 15.0;
/// nor than this share of its age.
const NARROWEST_SHARE: f64 = 0.0005;
/// At most this many cells: about four kilobytes.
const MOST_CELLS: usize = 160;
/// After this many ends, an end counts half.
const HALF_LIFE_ENDS: f64 = 500.0;
/// The prior weighs as much as this many objects.
const PRIOR_OBJECTS: f64 = 2.0;
/// Under the prior, one object in twenty outlives its patience: its median is a nineteenth of it.
const PRIOR_SHARE: f64 = 19.0;

/// What is known about one range of ages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Cell {
    /// Its first age in seconds. It ends where the next one begins.
    from_s: f64,
    /// Ends in it.
    ends: f64,
    /// Seconds for which objects of this age were watched.
    at_risk_s: f64,
}

/// A hazard that is constant between two ages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// From this age, in seconds.
    pub from_s: f64,
    /// Until this age, in seconds.
    pub to_s: f64,
    /// Ends a second, of the objects that reach it.
    pub per_s: f64,
}

/// What is learnt about the ages at which objects of one kind end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    cells: Vec<Cell>,
    /// The median of the prior, in seconds.
    prior_s: f64,
}

impl Learner {
    /// Knows nothing but how long the provider needs at most, as documented. Until more is known, an end is the less
    /// likely the older an object is, and one in twenty lasts longer than that.
    pub fn new(patience: Duration) -> Learner {
        Learner::with_prior((patience.as_secs_f64() / PRIOR_SHARE).max(1.0))
    }

    fn with_prior(prior_s: f64) -> Learner {
        let mut edges = vec![0.0];
        let mut edge_s = FIRST_S;
        while edge_s < LAST_S {
            edges.push(edge_s);
            edge_s *= std::f64::consts::SQRT_2;
        }
        let cells = edges.into_iter().map(|from_s| Cell { from_s, ends: 0.0, at_risk_s: 0.0 });
        Learner { cells: cells.collect(), prior_s }
    }

    /// Whether it can have been written by [`Learner`]; anything else must not be used.
    pub fn is_sound(&self) -> bool {
        let is_amount = |amount: f64| amount.is_finite() && amount >= 0.0;
        let starts = self.cells.iter().map(|cell| cell.from_s);
        self.cells.first().is_some_and(|cell| cell.from_s.abs() < f64::EPSILON)
            && starts.clone().zip(starts.skip(1)).all(|(one, next)| one < next && next < LAST_S)
            && self.cells.iter().all(|cell| is_amount(cell.ends) && is_amount(cell.at_risk_s))
            && self.cells.len() <= MOST_CELLS
            && self.prior_s.is_finite()
            && self.prior_s >= 1.0
    }

    /// The ends that count, recent ones more than others.
    pub fn ends(&self) -> f64 {
        self.cells.iter().map(|cell| cell.ends).sum()
    }

    /// An object was watched from one age to another and had not ended.
    pub fn lived(&mut self, from: Duration, to: Duration) {
        self.watched(from.as_secs_f64(), to.as_secs_f64());
    }

    /// An object that was watched from this age ended at another one, as the provider says.
    pub fn ended(&mut self, from: Duration, at: Duration) {
        self.forget();
        let at_s = at.as_secs_f64();
        self.watched(from.as_secs_f64(), at_s);
        let place = self.place(at_s);
        self.cells[place].ends += 1.0;
        self.halve(place);
    }

    /// An object ended between two ages; nobody says when. It is shared out by what is known so far.
    pub fn ended_between(&mut self, from: Duration, to: Duration) {
        let (from_s, to_s) = (from.as_secs_f64(), to.as_secs_f64().max(from.as_secs_f64() + 0.001));
        self.forget();
        let shares: Vec<f64> = self
            .pieces()
            .map(|piece| (piece.to_s.min(to_s) - piece.from_s.max(from_s)).max(0.0) * piece.per_s)
            .collect();
        let all: f64 = shares.iter().sum();
        if all > 0.0 {
            for (cell, share) in self.cells.iter_mut().zip(&shares) {
                cell.ends += share / all;
            }
        } else {
            let place = self.place(to_s);
            self.cells[place].ends += 1.0;
        }
        self.watched(from_s, f64::midpoint(from_s, to_s));
    }

    /// The hazard by age, without gaps from zero to fourteen days.
    pub fn curve(&self) -> Vec<Piece> {
        self.pieces().collect()
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let ends = self.cells.iter().skip(1).map(|cell| cell.from_s).chain([LAST_S]);
        self.cells.iter().zip(ends).map(|(cell, to_s)| Piece {
            from_s: cell.from_s,
            to_s,
            per_s: rate(cell, to_s, self.prior_s),
        })
    }

    fn place(&self, age_s: f64) -> usize {
        self.cells.partition_point(|cell| cell.from_s <= age_s).saturating_sub(1)
    }

    fn watched(&mut self, from_s: f64, to_s: f64) {
        let first = self.place(from_s);
        let ends: Vec<f64> =
            self.cells[first..].iter().skip(1).map(|cell| cell.from_s).chain([LAST_S]).collect();
        for (cell, end_s) in self.cells[first..].iter_mut().zip(ends) {
            if cell.from_s >= to_s {
                break;
            }
            cell.at_risk_s += (to_s.min(end_s) - from_s.max(cell.from_s)).max(0.0);
        }
    }

    fn forget(&mut self) {
        let keep = (-1.0 / HALF_LIFE_ENDS).exp2();
        for cell in &mut self.cells {
            cell.ends *= keep;
            cell.at_risk_s *= keep;
        }
    }

    /// Halves a cell in which ends gather. When there are too many, the two neighbours with the fewest ends become one.
    fn halve(&mut self, place: usize) {
        let cell = self.cells[place];
        let end_s = self.cells.get(place + 1).map_or(LAST_S, |next| next.from_s);
        let half_s = (end_s - cell.from_s) / 2.0;
        if cell.ends < HALVED_AT || half_s < NARROWEST_S.max(cell.from_s * NARROWEST_SHARE) {
            return;
        }
        let half = Cell { ends: cell.ends / 2.0, at_risk_s: cell.at_risk_s / 2.0, ..cell };
        self.cells[place] = half;
        self.cells.insert(place + 1, Cell { from_s: cell.from_s + half_s, ..half });
        if self.cells.len() > MOST_CELLS {
            let pairs = self.cells.windows(2).map(|pair| pair[0].ends + pair[1].ends).enumerate();
            if let Some((quiet, _)) = pairs.min_by(|one, other| one.1.total_cmp(&other.1)) {
                let gone = self.cells.remove(quiet + 1);
                self.cells[quiet].ends += gone.ends;
                self.cells[quiet].at_risk_s += gone.at_risk_s;
            }
        }
    }
}

/// The mean of a gamma distribution: the ends and the time at risk of the prior's objects, and those that were seen.
/// The prior's survival at age `a` is m / (m + a) with the median m.
fn rate(cell: &Cell, to_s: f64, median_s: f64) -> f64 {
    let (from_s, to_s) = (median_s + cell.from_s, median_s + to_s);
    let ends = PRIOR_OBJECTS * median_s * (to_s - from_s) / (from_s * to_s);
    let at_risk_s = PRIOR_OBJECTS * median_s * (to_s / from_s).ln();
    (ends + cell.ends) / (at_risk_s + cell.at_risk_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn taught(ages_s: &[u64]) -> Learner {
        let mut learner = Learner::new(DAY);
        for age_s in ages_s {
            learner.ended(Duration::ZERO, Duration::from_secs(*age_s));
        }
        learner
    }

    fn at(learner: &Learner, age_s: f64) -> Piece {
        learner.curve().into_iter().find(|piece| piece.from_s <= age_s && age_s < piece.to_s).unwrap()
    }

    #[test]
    fn without_data_one_in_twenty_outlives_the_patience() {
        let curve = Learner::new(DAY).curve();
        let until: f64 =
            curve.iter().map(|piece| (piece.to_s.min(86_400.0) - piece.from_s).max(0.0) * piece.per_s).sum();
        assert!(((-until).exp() - 0.05).abs() < 0.001, "{}", (-until).exp());
        assert!(curve.windows(2).all(|pair| pair[0].per_s > pair[1].per_s), "the older, the less likely");
    }

    #[test]
    fn ends_that_gather_get_narrow_cells() {
        let learner = taught(&(0..300).map(|number| 72_000 + number * 7 % 600).collect::<Vec<_>>());
        let busy = at(&learner, 72_300.0);
        assert!(busy.to_s - busy.from_s < 60.0, "{busy:?}");
        let before = at(&learner, 70_000.0);
        assert!(busy.per_s > 100.0 * before.per_s, "{busy:?} {before:?}");
        assert!(learner.is_sound());
    }

    #[test]
    fn a_thousand_new_ends_outweigh_what_was_learnt_before() {
        let mut learner = taught(&[600; 1000]);
        let before = at(&learner, 600.0).per_s;
        for _ in 0..3000 {
            learner.ended(Duration::ZERO, Duration::from_secs(40_000));
        }
        assert!(at(&learner, 600.0).per_s < before / 20.0);
    }

    #[test]
    fn an_end_without_a_date_is_shared_out_between_the_polls() {
        let mut learner = Learner::new(DAY);
        learner.ended_between(Duration::from_secs(100), Duration::from_secs(1000));
        assert!((learner.ends() - 1.0).abs() < 1e-9);
        assert!(at(&learner, 50.0).per_s < at(&Learner::new(DAY), 50.0).per_s * 1.001);
        assert!(at(&learner, 200.0).per_s > at(&Learner::new(DAY), 200.0).per_s);
    }

    fn any_poll() -> impl Strategy<Value = (u64, u64, u8)> {
        (0u64..2_000_000, 0u64..2_000_000, 0u8..3)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_hazard_is_always_a_positive_number(polls in proptest::collection::vec(any_poll(), 0..400)) {
            let mut learner = Learner::new(DAY);
            for (one, other, how) in polls {
                let (from, to) = (Duration::from_secs(one.min(other)), Duration::from_secs(one.max(other)));
                match how {
                    0 => learner.lived(from, to),
                    1 => learner.ended(from, to),
                    _ => learner.ended_between(from, to),
                }
            }
            prop_assert!(learner.is_sound());
            let curve = learner.curve();
            prop_assert!(curve.iter().all(|piece| piece.per_s.is_finite() && piece.per_s > 0.0));
            prop_assert!(curve.windows(2).all(|pair| pair[0].to_s.to_bits() == pair[1].from_s.to_bits()));
            let text = serde_json::to_string(&learner).unwrap();
            prop_assert!(text.len() < 16_000, "{}", text.len());
            let back: Learner = serde_json::from_str(&text).unwrap();
            prop_assert!(back.is_sound());
            prop_assert_eq!(back.cells.len(), learner.cells.len());
        }

        #[test]
        fn more_ends_in_a_cell_never_lower_it(ends in 0.0f64..1e4, more in 0.0f64..1e3, at_risk_s in 0.0f64..1e9, from_s in 0.0f64..1e6, width_s in 1.0f64..1e5) {
            let cell = |ends| Cell { from_s, ends, at_risk_s };
            prop_assert!(rate(&cell(ends + more), from_s + width_s, 4000.0) >= rate(&cell(ends), from_s + width_s, 4000.0));
        }
    }
}
