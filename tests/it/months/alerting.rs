//! What a seed decides about alerts, and who must get which decline according to the operator's manual.
//!
//! Nothing of the daemon's alerts is used here: it has its own reading of docs/src/alerts.md.

use std::collections::BTreeSet;
use std::time::Duration;

use amazon_pay_simulator::provider::Random;

use super::log::{OFFICE, PAGER, ROOM};
use super::model::Life;
use super::plan::{MWS, Sprout, V2};

/// How long a critical decline waits for an acknowledgement.
pub const ESCALATES_AFTER: Duration = Duration::from_secs(15 * 60);

/// The alerts of one world.
#[derive(Debug, Clone)]
pub struct AlertPlan {
    pub rules: Vec<Rule>,
    /// Whether everything that is no decline goes to the back office alone.
    pub has_last_rule: bool,
    pub group_over: u64,
    pub group_window_s: u64,
    pub storm_over: u64,
    /// What operators do, in the order of time.
    pub acts: Vec<(Duration, Act)>,
}

/// A `[[route]]` for declines.
#[derive(Debug, Clone)]
pub struct Rule {
    pub meets: Condition,
    pub goes_on: bool,
    pub targets: &'static [&'static str],
    pub escalates: bool,
}

/// Which declines are meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Condition {
    pub account: Option<&'static str>,
    pub object_kind: Option<&'static str>,
    /// At least this amount, in the smallest unit of a currency.
    pub least: Option<(u64, &'static str)>,
}

/// What an operator does.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    Silence {
        meets: Condition,
        lasts: Duration,
    },
    /// Ends the oldest silence that was not ended yet.
    EndSilence,
    AcknowledgeAll,
}

/// Who must get a decline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hearers {
    pub at_once: BTreeSet<&'static str>,
    /// If nobody acknowledges it.
    pub later: BTreeSet<&'static str>,
}

fn one_of<T: Copy>(random: &mut Random, among: &[T]) -> T {
    among[usize::try_from(random.below(among.len() as u64)).expect("small")]
}

fn minutes(random: &mut Random, shortest: u64, longest: u64) -> Duration {
    Duration::from_secs(random.between(shortest * 60, longest.max(shortest) * 60))
}

impl Condition {
    fn drawn(random: &mut Random) -> Condition {
        Condition {
            account: one_of(random, &[None, None, Some(V2), Some(MWS)]),
            object_kind: one_of(random, &[None, None, Some("charge"), Some("capture"), Some("refund")]),
            least: one_of(
                random,
                &[None, None, Some((50_000, "USD")), Some((20_000, "EUR")), Some((500, "JPY"))],
            ),
        }
    }

    pub fn is_met_by(&self, life: &Life) -> bool {
        let is_enough = |(least, currency): (u64, &str)| {
            life.currency == currency
                && life.amount.replace('.', "").parse::<u64>().is_ok_and(|has| has >= least)
        };
        self.account.is_none_or(|account| account == life.account)
            && self.object_kind.is_none_or(|kind| kind == life.kind)
            && self.least.is_none_or(is_enough)
    }

    /// The least amount as an operator writes it.
    pub fn least_amount(&self) -> Option<String> {
        self.least.map(|(minor, currency)| match currency {
            "JPY" => format!("{minor} {currency}"),
            _ => format!("{}.{:02} {currency}", minor / 100, minor % 100),
        })
    }

    fn keys(&self) -> String {
        let mut keys = String::new();
        for (key, word) in [("accounts", self.account), ("object_kinds", self.object_kind)] {
            keys.extend(word.map(|word| format!("{key} = [\"{word}\"]\n")));
        }
        keys.extend(self.least_amount().map(|amount| format!("min_amount = \"{amount}\"\n")));
        keys
    }
}

impl AlertPlan {
    /// Every other world has rules.
    pub fn drawn(seed: u64, calm_at: Duration, days: Option<u64>) -> Option<AlertPlan> {
        let mut random = Random::for_matter(seed, "alerting", 0);
        if random.below(2) == 0 {
            return None;
        }
        let targets: &[&[&str]] = &[&[ROOM], &[OFFICE], &[ROOM, OFFICE], &[PAGER, ROOM], &[ROOM, OFFICE]];
        let rule = |random: &mut Random, meets: Condition, goes_on: bool| {
            let targets = one_of(random, targets);
            // Nobody gets at once what is escalated to them.
            let escalates = random.below(2) == 0 && !targets.contains(&PAGER);
            Rule { meets, goes_on, targets, escalates }
        };
        let mut rules = Vec::new();
        for _ in 0..random.between(1, 3) {
            let (meets, goes_on) = (Condition::drawn(&mut random), random.below(3) == 0);
            rules.push(rule(&mut random, meets, goes_on));
        }
        if random.below(2) == 0 {
            rules.push(rule(&mut random, Condition::default(), false));
        }
        let mut plan = AlertPlan {
            rules,
            has_last_rule: random.below(2) == 0,
            group_over: one_of(&mut random, &[1, 2, 5]),
            group_window_s: one_of(&mut random, &[60, 600]),
            storm_over: one_of(&mut random, &[5, 6, 30]),
            acts: Vec::new(),
        };
        let latest_min = calm_at.as_secs() / 60;
        for _ in 0..random.between(2, 5 + days.unwrap_or(0) / 2) {
            let at = minutes(&mut random, 2, latest_min);
            let act = match random.below(4) {
                0 => Act::AcknowledgeAll,
                1 => Act::EndSilence,
                _ => {
                    let longest = one_of(&mut random, &[60, 600, 3000]);
                    let lasts = minutes(&mut random, 10, longest);
                    Act::Silence { meets: Condition::drawn(&mut random), lasts }
                }
            };
            plan.acts.push((at, act));
        }
        plan.acts.sort_by_key(|(at, _)| *at);
        Some(plan)
    }

    /// Many declines at once, which begin at this time.
    pub fn storm(seed: u64, calm_at: Duration) -> (Duration, Vec<Sprout>) {
        let mut random = Random::for_matter(seed, "storm", 0);
        let (at, after) = (minutes(&mut random, 1, calm_at.as_secs() / 60), minutes(&mut random, 5, 90));
        let (account, kind, reason) =
            one_of(&mut random, &[(V2, "refund", "AmazonRejected"), (MWS, "capture", "AmazonRejected")]);
        let sprout = |number: u64| Sprout {
            account,
            kind,
            steps: vec![(after, "Declined", Some(reason))],
            amount: format!("{}.00", number * 100 + 1),
            currency: "USD",
            captured: None,
            invisible_for: Duration::ZERO,
            is_child: false,
            is_refused: false,
        };
        (at, (0..random.between(6, 24)).map(sprout).collect())
    }

    /// The sections of the configuration.
    pub fn sections(&self) -> String {
        let mut text = format!(
            "[alerting]\ngroup_over = {}\ngroup_window_s = {}\nstorm_over = {}\n",
            self.group_over, self.group_window_s, self.storm_over
        );
        for rule in &self.rules {
            text.push_str(&format!(
                "[[route]]\nkinds = [\"declined\"]\n{}targets = {:?}\ncontinue = {}\n",
                rule.meets.keys(),
                rule.targets,
                rule.goes_on
            ));
            if rule.escalates {
                text.push_str(&format!(
                    "escalate_after_min = {}\nescalate_to = [\"{PAGER}\"]\n",
                    ESCALATES_AFTER.as_secs() / 60
                ));
            }
        }
        if self.has_last_rule {
            text.push_str(&format!("[[route]]\ntargets = [\"{OFFICE}\"]\n"));
        }
        text
    }
}

/// Who must get the decline of this life. Without a plan there is no pager, and everybody gets everything.
pub fn hearers(plan: Option<&AlertPlan>, is_sandbox: bool, life: &Life) -> Hearers {
    let Some(plan) = plan else {
        return Hearers { at_once: [ROOM, OFFICE].into(), later: BTreeSet::new() };
    };
    let mut hearers = Hearers::default();
    let (mut is_matched, mut is_decided) = (false, false);
    for rule in plan.rules.iter().filter(|rule| rule.meets.is_met_by(life)) {
        if is_decided {
            break;
        }
        (is_matched, is_decided) = (true, !rule.goes_on);
        hearers.at_once.extend(rule.targets);
        // A decline in a sandbox is no critical alert.
        if rule.escalates && !is_sandbox {
            hearers.later.insert(PAGER);
        }
    }
    if plan.has_last_rule && !is_decided {
        is_matched = true;
        hearers.at_once.insert(OFFICE);
    }
    if !is_matched {
        hearers.at_once.extend([ROOM, OFFICE, PAGER]);
    }
    if is_sandbox {
        hearers.at_once.remove(PAGER);
    }
    let at_once = &hearers.at_once;
    hearers.later.retain(|target| !at_once.contains(target));
    hearers
}
