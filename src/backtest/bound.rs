//! The least mean delay that any plan by age can reach for a number of requests.
//!
//! Owns: the true hazards of a past, and the bound. Must never know: how a policy decides.
//!
//! For a price c of a request, no plan costs less than U(c) = mean delay + c · requests, which the dynamic programme
//! finds. So no plan with that many requests has a mean delay below U(c) − c · requests, whatever c is; the highest of
//! these is the bound. It knows the ages at which objects of each kind end, and nothing about the time of day. It also
//! knows how many objects each kind has, and that all polls are answered at once.

use std::collections::BTreeMap;

use super::workload::Workload;
use crate::payments::adaptive::{Piece, Terms, Terrain};
use crate::payments::object::Kind;
use crate::time::between;

/// A piece of a true hazard has at least this many ends,
const ENDS_OF_A_PIECE: usize = 20;
/// and there are at most this many pieces.
const MOST_PIECES: usize = 200;
/// Prices are tried between a second and eleven days, in logarithms,
const PRICES: (f64, f64) = (0.0, 13.8);
/// until they differ by this much.
const PRICE_PRECISION: f64 = 0.02;

/// The hazard by age of a past's objects, by kind. Objects that do not end within the past do not count.
pub(super) fn true_hazards(workload: &Workload) -> BTreeMap<Kind, Vec<Piece>> {
    let mut lives: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
    for past in &workload.pasts {
        let Some(final_at) = past.final_at else { continue };
        let life_s = between(past.created_at, final_at).as_secs_f64();
        lives.entry(past.object.kind.clone()).or_default().push(life_s);
    }
    lives.into_iter().map(|(kind, lives)| (kind, hazard(lives))).collect()
}

/// The hazard of these lives, in pieces with the same number of ends.
fn hazard(mut lives_s: Vec<f64>) -> Vec<Piece> {
    lives_s.sort_by(f64::total_cmp);
    let each = (lives_s.len() / MOST_PIECES).max(ENDS_OF_A_PIECE);
    let mut pieces = Vec::new();
    let mut from_s = 0.0;
    let mut older = lives_s.len();
    for some in lives_s.chunks(each) {
        older -= some.len();
        let to_s = f64::max(some[some.len() - 1] + 0.001, from_s + 1.0);
        let lived_s: f64 = some.iter().map(|life_s| (life_s - from_s).max(0.0)).sum();
        let at_risk_s = lived_s.max(0.5) + older as f64 * (to_s - from_s);
        // None survives the last piece.
        let all = if older == 0 { 3.0 } else { 1.0 };
        pieces.push(Piece { from_s, to_s, per_s: all * some.len() as f64 / at_risk_s });
        from_s = to_s;
    }
    pieces.push(Piece { from_s, to_s: from_s + 86_400.0, per_s: 1.0 / 3600.0 });
    pieces
}

/// The bound on the mean delay in seconds, for this many requests an end. With `plans_first` none of them has to be
/// sent when the object becomes known. `None` when no plan needs so few.
pub(super) fn least_mean_s(
    workload: &Workload,
    terms: Terms,
    plans_first: bool,
    requests: f64,
) -> Option<f64> {
    let mut shares: BTreeMap<&Kind, f64> = BTreeMap::new();
    for past in workload.pasts.iter().filter(|past| past.final_at.is_some()) {
        *shares.entry(&past.object.kind).or_default() += 1.0;
    }
    let all: f64 = shares.values().sum();
    let sites: Vec<(f64, Terrain)> = true_hazards(workload)
        .iter()
        .map(|(kind, curve)| (shares[kind] / all, Terrain::new(curve, terms.longest)))
        .collect();
    let first = if plans_first { 0.0 } else { 1.0 };
    let bound_s = |log_price: f64| {
        let price_s = log_price.exp();
        let plans = sites.iter().map(|(share, terrain)| {
            let cost = terrain.plan(price_s, terms.shortest, terms.longest).1;
            share * (cost.delay_s + price_s * cost.polls)
        });
        plans.sum::<f64>() + price_s * (first - requests)
    };
    // Concave in the price.
    let (mut low, mut high) = PRICES;
    while high - low > PRICE_PRECISION {
        let (one, other) = (low + (high - low) * 0.4, low + (high - low) * 0.6);
        if bound_s(one) < bound_s(other) { low = one } else { high = other }
    }
    // It rises without end if requests are too few at any price.
    let is_possible = high < PRICES.1;
    is_possible.then(|| bound_s(f64::midpoint(low, high)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hazard_of_even_lives_is_that_of_a_constant_rate() {
        // The quantiles of an exponential distribution with a mean of an hour.
        let lives =
            (0..4000).map(|number| -3600.0 * (1.0 - (f64::from(number) + 0.5) / 4000.0).ln()).collect();
        let pieces = hazard(lives);
        for piece in pieces.iter().take(150) {
            assert!((piece.per_s * 3600.0 - 1.0).abs() < 0.1, "{piece:?}");
        }
        assert!(pieces.windows(2).all(|pair| pair[0].to_s.to_bits() == pair[1].from_s.to_bits()));
    }
}
