//! Which accounts a host should have, and so which ones it takes and gives up.
//!
//! Owns: this decision. Every host reaches the same one without asking another. Must never know: time, the database.
//!
//! The request quota of an account limits its load, so all accounts count the same. Each account ranks the hosts in its
//! own order (rendezvous hashing), and gets the first one that is not full. So the shares differ by at most one, and
//! few accounts move when a host joins or leaves. Accounts that share a queue at their provider are a unit, which is
//! never split. Each host counts only the hosts whose configuration has the same accounts as its own.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use jiff::Timestamp;

/// Stands for the work of the keeper, the one host that does it for all: alerts, events, reports. A host takes it like
/// an account.
pub const KEEPER: &str = "*";

/// A host with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The number of its session.
    pub session: i64,
    /// Its name.
    pub name: String,
    /// A digest of the accounts that it is configured for.
    pub accounts: String,
    /// When its session began, by the database's clock.
    pub since: Timestamp,
    /// How many accounts it has.
    pub has: u64,
    /// Whether it is the keeper.
    pub is_keeper: bool,
}

/// What the database says about hosts and accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The hosts, oldest session first.
    pub hosts: Vec<Host>,
    /// Accounts that no host has, each with its fence.
    pub free: Vec<(String, i64)>,
}

/// What a host does next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Free accounts to take, each with its fence.
    pub take: Vec<(String, i64)>,
    /// Accounts to stop working on and to give up.
    pub give_up: Vec<String>,
}

/// What a host remembers between two plans.
#[derive(Debug, Default)]
pub struct Balance {
    /// For how many plans in a row each free account has been free.
    free_for: BTreeMap<String, u32>,
    /// Units that another host should have but did not take. They stay here until the set of hosts changes.
    stays: BTreeSet<String>,
    /// The sessions and the accounts for which `share` was computed.
    hosts: Vec<i64>,
    accounts: String,
    /// The units of this host.
    share: BTreeSet<String>,
}

/// For this many plans, an account that another host should have is left free for that host.
const PATIENCE: u32 = 5;

impl Balance {
    /// What the host with this session does next. `configured` are its accounts, each with its unit; `held` are those that
    /// it works on.
    pub fn plan(
        &mut self,
        session: i64,
        seen: &Seen,
        configured: &BTreeMap<String, String>,
        held: &BTreeSet<String>,
    ) -> Plan {
        let Some(me) = seen.hosts.iter().find(|host| host.session == session) else { return Plan::default() };
        let peers: Vec<&Host> = seen.hosts.iter().filter(|host| host.accounts == me.accounts).collect();
        let sessions: Vec<i64> = peers.iter().map(|host| host.session).collect();
        if sessions != self.hosts || me.accounts != self.accounts {
            let names: Vec<&str> = peers.iter().map(|host| host.name.as_str()).collect();
            self.share = share(&configured.values().cloned().collect(), &names, &me.name);
            self.hosts = sessions;
            self.accounts.clone_from(&me.accounts);
            self.stays.clear();
        }
        let free: BTreeSet<&String> = seen.free.iter().map(|(name, _)| name).collect();
        self.free_for.retain(|name, _| free.contains(name));
        let is_first = self.hosts.first() == Some(&session);
        let mut plan = Plan::default();
        for (name, fence) in &seen.free {
            let unit = configured.get(name);
            let is_ours =
                if name == KEEPER { is_first } else { unit.is_some_and(|unit| self.share.contains(unit)) };
            let rounds = self.free_for.entry(name.clone()).or_default();
            *rounds += 1;
            let is_left = *rounds > PATIENCE;
            if (is_ours || is_left) && (name == KEEPER || unit.is_some()) {
                plan.take.push((name.clone(), *fence));
                self.stays.extend(unit.filter(|_| !is_ours).cloned());
            }
        }
        let is_anothers = |unit: &&String| !self.share.contains(*unit) && !self.stays.contains(*unit);
        let surplus: BTreeSet<&String> =
            held.iter().filter_map(|name| configured.get(name)).filter(is_anothers).collect();
        // A few at a time, so that most accounts are polled without a break.
        let now: BTreeSet<&String> = surplus.iter().take(surplus.len().div_ceil(8)).copied().collect();
        let is_now = |name: &&String| configured.get(*name).is_some_and(|unit| now.contains(unit));
        plan.give_up = held.iter().filter(is_now).cloned().collect();
        plan
    }
}

/// A digest of accounts and their units.
pub(super) fn digest(accounts: &BTreeMap<String, String>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in accounts.iter().flat_map(|(account, unit)| [account, unit]) {
        context.update(text.as_bytes());
        context.update(&[0]);
    }
    context.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The units that one of several hosts should have.
fn share(units: &BTreeSet<String>, hosts: &[&str], me: &str) -> BTreeSet<String> {
    let number = hosts.len().max(1);
    let (least, mut larger) = (units.len() / number, units.len() % number);
    let mut counts = vec![0usize; hosts.len()];
    let mut share = BTreeSet::new();
    for unit in units {
        let has_room = |place: &usize| counts[*place] < least || (counts[*place] == least && larger > 0);
        let places = (0..hosts.len()).filter(has_room);
        let Some(place) = places.max_by_key(|place| rank(unit, hosts[*place])) else { continue };
        if counts[place] == least {
            larger -= 1;
        }
        counts[place] += 1;
        if hosts[place] == me {
            share.insert(unit.clone());
        }
    }
    share
}

/// A number for a pair of names that is the same on every host.
fn rank(unit: &str, host: &str) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for name in [unit, host] {
        context.update(name.as_bytes());
        context.update(&[0]);
    }
    let digest = context.finish();
    digest.as_ref().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each account is a unit of its own.
    fn names(number: usize) -> BTreeMap<String, String> {
        (0..number).map(|number| (format!("shop-{number}"), format!("shop-{number}"))).collect()
    }

    fn host(session: i64, accounts: &str) -> Host {
        let since = Timestamp::UNIX_EPOCH;
        Host {
            session,
            name: format!("host-{session}"),
            accounts: accounts.to_owned(),
            since,
            has: 0,
            is_keeper: false,
        }
    }

    /// Hosts that plan in turn and take only what the statements would let them take.
    struct World {
        configured: BTreeMap<String, String>,
        hosts: BTreeMap<i64, (Balance, BTreeSet<String>)>,
        fences: BTreeMap<String, i64>,
    }

    impl World {
        fn round(&mut self, deaf: Option<i64>) {
            for session in self.hosts.keys().copied().collect::<Vec<_>>() {
                if deaf == Some(session) {
                    continue;
                }
                let all: Vec<Host> = self.hosts.keys().map(|session| host(*session, "all")).collect();
                let held: BTreeSet<&String> = self.hosts.values().flat_map(|(_, held)| held).collect();
                let free = self.fences.iter().filter(|(name, _)| !held.contains(name));
                let seen =
                    Seen { hosts: all, free: free.map(|(name, fence)| (name.clone(), *fence)).collect() };
                let (balance, held) = self.hosts.get_mut(&session).unwrap();
                let plan = balance.plan(session, &seen, &self.configured, held);
                for name in &plan.give_up {
                    assert!(held.remove(name), "{name} is not ours");
                }
                for (name, fence) in plan.take {
                    assert_eq!(self.fences.get(&name), Some(&fence));
                    self.fences.insert(name.clone(), fence + 1);
                    held.insert(name);
                }
            }
        }

        fn counts(&self) -> Vec<usize> {
            let own = |held: &BTreeSet<String>| held.iter().filter(|name| *name != KEEPER).count();
            self.hosts.values().map(|(_, held)| own(held)).collect()
        }
    }

    fn world(accounts: usize) -> World {
        let configured = names(accounts);
        let fences = configured.keys().cloned().chain([KEEPER.to_owned()]).map(|name| (name, 0)).collect();
        World { configured, hosts: BTreeMap::new(), fences }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Hosts come and go; after some rounds every account has exactly one host, and the shares are even.
        #[test]
        fn every_account_finds_its_host_again(
            accounts in 1usize..60, steps in proptest::collection::vec((1i64..6, any::<bool>()), 1..12),
        ) {
            let mut world = world(accounts);
            world.hosts.insert(9, Default::default());
            for (session, comes) in steps {
                if comes {
                    world.hosts.entry(session).or_default();
                } else {
                    world.hosts.remove(&session);
                }
                for _ in 0..40 {
                    world.round(None);
                }
                let counts = world.counts();
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                prop_assert_eq!(counts.iter().sum::<usize>(), accounts);
                prop_assert!(most - least <= 1, "{:?}", counts);
                let keepers = world.hosts.values().filter(|(_, held)| held.contains(KEEPER)).count();
                prop_assert_eq!(keepers, 1);
            }
        }
    }

    #[test]
    fn few_accounts_move_when_a_host_comes() {
        let accounts = names(1000).into_keys().collect();
        let before = share(&accounts, &["a", "b", "c"], "a");
        let after = share(&accounts, &["a", "b", "c", "d"], "a");
        let came = after.difference(&before).count();
        assert_eq!((before.len(), after.len()), (334, 250));
        assert!(came < 40, "{came} came although others left");
    }

    #[test]
    fn what_the_other_host_does_not_take_stays() {
        let mut world = world(10);
        world.hosts.insert(1, Default::default());
        world.round(None);
        world.hosts.insert(2, Default::default());
        for _ in 0..60 {
            world.round(Some(2));
        }
        assert_eq!(world.counts(), [10, 0]);
        let held = world.hosts[&1].1.clone();
        world.round(Some(2));
        assert_eq!(world.hosts[&1].1, held, "no account moves back and forth");
    }

    #[test]
    fn accounts_of_one_queue_stay_together() {
        let mut world = world(0);
        let unit = |number: usize| (format!("shop-{number}"), format!("seller-{}", number / 3));
        world.configured = (0..12).map(unit).collect();
        world.fences.extend(world.configured.keys().map(|name| (name.clone(), 0)));
        for session in [1, 2, 3] {
            world.hosts.insert(session, Default::default());
            for _ in 0..20 {
                world.round(None);
                for (_, held) in world.hosts.values() {
                    for unit in world.configured.values() {
                        let here =
                            world.configured.iter().filter(|(name, of)| *of == unit && held.contains(*name));
                        assert!([0, 3].contains(&here.count()), "{unit} is split: {held:?}");
                    }
                }
            }
        }
        assert_eq!(world.counts().iter().sum::<usize>(), 12);
    }

    #[test]
    fn a_new_account_is_taken_at_once() {
        let mut balance = Balance::default();
        let held = names(2).into_keys().collect();
        let seen = |digest: &str, free: Vec<(String, i64)>| Seen { hosts: vec![host(1, digest)], free };
        balance.plan(1, &seen("two", Vec::new()), &names(2), &held);
        let added = ("shop-2".to_owned(), 0);
        let plan = balance.plan(1, &seen("three", vec![added.clone()]), &names(3), &held);
        assert_eq!(plan, Plan { take: vec![added], give_up: Vec::new() });
    }

    #[test]
    fn a_host_with_other_accounts_is_left_out() {
        let configured = names(4);
        let seen = Seen { hosts: vec![host(1, "these"), host(2, "others")], free: Vec::new() };
        let held = configured.keys().cloned().collect();
        assert_eq!(Balance::default().plan(1, &seen, &configured, &held), Plan::default());
        assert_ne!(digest(&configured), digest(&names(5)));
    }
}
