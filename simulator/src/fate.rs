//! Fates: what may become of an object, with which likelihood and how fast.
//!
//! Owns: outcome shares and delay ranges, and the draw among them. Must never know: a provider, a file
//! format, the present time.

use std::time::Duration;

use super::plan::Step;
use super::provider::Random;

/// The fates of one kind of object, among which a draw decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fates {
    fates: Vec<Fate>,
}

/// One possible course of an object's life.
#[derive(Debug, Clone, PartialEq)]
pub struct Fate {
    /// Its weight against the other fates; only the ratio counts.
    pub share: f64,
    /// The steps after the first state; none means that it stays there.
    pub steps: Vec<FateStep>,
}

/// One step of a fate, its delay still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FateStep {
    /// The shortest time since the step before.
    pub after_min: Duration,
    /// The longest time since the step before.
    pub after_max: Duration,
    /// The provider's state word.
    pub state: String,
    /// The provider's reason code, if any.
    pub reason: Option<String>,
}

impl Fates {
    /// Fates to draw from.
    pub fn new(fates: Vec<Fate>) -> Fates {
        Fates { fates }
    }

    /// Every fate, in the order of the scenario.
    pub fn iter(&self) -> impl Iterator<Item = &Fate> {
        self.fates.iter()
    }

    /// One fate's steps with their delays decided; `None` when there is nothing to draw from.
    pub fn choose(&self, random: &mut Random) -> Option<Vec<Step>> {
        let chosen = weighted(self.fates.iter().map(|fate| fate.share), random)?;
        let fate = self.fates.get(chosen)?;
        Some(fate.steps.iter().map(|step| step.decide(random)).collect())
    }
}

impl FateStep {
    fn decide(&self, random: &mut Random) -> Step {
        let low = u64::try_from(self.after_min.as_millis()).unwrap_or(u64::MAX);
        let high = u64::try_from(self.after_max.as_millis()).unwrap_or(u64::MAX);
        Step {
            after: Duration::from_millis(random.between(low, high)),
            state: self.state.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// The position drawn among these weights; `None` when none of them is above zero.
pub fn weighted(weights: impl Iterator<Item = f64> + Clone, random: &mut Random) -> Option<usize> {
    let mut left: f64 = weights.clone().filter(|weight| *weight > 0.0).sum();
    let mut last = None;
    for (position, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
        last = Some(position);
        if random.share(weight / left) {
            return last;
        }
        left -= weight;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(share: f64, state: &str) -> Fate {
        let step = FateStep {
            after_min: Duration::from_secs(1),
            after_max: Duration::from_secs(3),
            state: state.to_owned(),
            reason: None,
        };
        Fate { share, steps: vec![step] }
    }

    #[test]
    fn outcomes_come_in_about_their_shares_within_their_delays() {
        let fates = Fates::new(vec![fate(3.0, "Captured"), fate(1.0, "Declined"), fate(0.0, "Canceled")]);
        let mut random = Random::new(5);
        let mut declined = 0;
        for _ in 0..1000 {
            let steps = fates.choose(&mut random).expect("two fates have a weight");
            assert!((1000..=3000).contains(&steps[0].after.as_millis()));
            assert_ne!(steps[0].state, "Canceled");
            declined += usize::from(steps[0].state == "Declined");
        }
        assert!((200..300).contains(&declined), "{declined} of 1000");
    }

    #[test]
    fn nothing_is_drawn_from_nothing() {
        assert_eq!(Fates::default().choose(&mut Random::new(1)), None);
        assert_eq!(Fates::new(vec![fate(0.0, "Captured")]).choose(&mut Random::new(1)), None);
    }
}
