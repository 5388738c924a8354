//! The names of many objects in order, at a few dozen bytes each.
//!
//! Owns: keeping them small, because a night of a million objects must fit beside the store's own memory.
//! Must never know: what they are used for.

use std::collections::HashMap;

use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};

/// Names in any order, with repetitions.
#[derive(Debug, Default)]
pub(super) struct Collected {
    numbers: HashMap<(AccountName, Kind), u32>,
    /// All ids, concatenated.
    ids: String,
    places: Vec<Place>,
}

/// A name: the position of its id, and the numbers of its account and kind.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    group: u32,
    length: u8,
}

impl Collected {
    /// Adds a name.
    pub(super) fn add(&mut self, object: &ObjectRef) {
        let id = object.id.as_str();
        let group = (object.account.clone(), object.kind.clone());
        let next = u32::try_from(self.numbers.len()).expect("accounts and kinds are counted in thousands");
        let group = *self.numbers.entry(group).or_insert(next);
        let length = u8::try_from(id.len()).expect("an id has at most 64 characters");
        self.places.push(Place { start: self.ids.len(), group, length });
        self.ids.push_str(id);
    }

    /// Adds all names of another collection.
    pub(super) fn append(&mut self, other: Collected) {
        other.in_order().for_each(|name| self.add(&name));
    }

    /// All names in the order of account, kind and id, without repetitions.
    pub(super) fn in_order(self) -> Names {
        let Collected { numbers, ids, mut places } = self;
        let mut groups: Vec<((AccountName, Kind), u32)> = numbers.into_iter().collect();
        groups.sort_unstable();
        let mut rank = vec![0; groups.len()];
        for (place, (_, number)) in (0u32..).zip(&groups) {
            rank[*number as usize] = place;
        }
        for place in &mut places {
            place.group = rank[place.group as usize];
        }
        places.sort_unstable_by_key(|place| (place.group, id_of(&ids, place)));
        places.dedup_by_key(|place| (place.group, id_of(&ids, place)));
        Names { groups: groups.into_iter().map(|(group, _)| group).collect(), ids, places, taken: 0 }
    }
}

fn id_of<'a>(ids: &'a str, place: &Place) -> &'a str {
    &ids[place.start..place.start + usize::from(place.length)]
}

/// Names in order, to be taken one by one.
#[derive(Debug)]
pub(super) struct Names {
    groups: Vec<(AccountName, Kind)>,
    ids: String,
    places: Vec<Place>,
    taken: usize,
}

impl Names {
    /// Whether a name is one of them. Takes none.
    pub(super) fn has(&self, object: &ObjectRef) -> bool {
        let group = (&object.account, &object.kind);
        let Ok(group) = self.groups.binary_search_by(|(account, kind)| (account, kind).cmp(&group)) else {
            return false;
        };
        let wanted = (group, object.id.as_str());
        self.places
            .binary_search_by(|place| (place.group as usize, id_of(&self.ids, place)).cmp(&wanted))
            .is_ok()
    }
}

/// To add more names.
impl From<Names> for Collected {
    fn from(names: Names) -> Collected {
        let numbers = names.groups.into_iter().zip(0..).collect();
        Collected { numbers, ids: names.ids, places: names.places }
    }
}

impl Iterator for Names {
    type Item = ObjectRef;

    fn next(&mut self) -> Option<ObjectRef> {
        let place = self.places.get(self.taken)?;
        self.taken += 1;
        let (account, kind) = self.groups[place.group as usize].clone();
        let id = ObjectId::new(id_of(&self.ids, place)).expect("it was an id before");
        Some(ObjectRef { account, kind, id })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_takes_a_few_dozen_bytes() {
        assert!(size_of::<Place>() <= 16);
    }

    proptest! {
        #[test]
        fn names_are_ordered_like_an_ordered_set(
            names in proptest::collection::vec(("[a-c]{1,2}", "[a-b]{1,2}", "[A-C0-1.~_-]{1,5}"), 0..60),
        ) {
            let names: Vec<ObjectRef> = names
                .iter()
                .map(|(account, kind, id)| ObjectRef {
                    account: account.parse().unwrap(),
                    kind: kind.parse().unwrap(),
                    id: ObjectId::new(id.as_str()).unwrap(),
                })
                .collect();
            let mut collected = Collected::default();
            names.iter().for_each(|name| collected.add(name));
            let expected: BTreeSet<ObjectRef> = names.into_iter().collect();
            prop_assert_eq!(collected.in_order().collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn names_can_be_found_and_more_added(
            one in proptest::collection::vec(("[a-c]{1,2}", "[a-b]{1,2}", "[A-C]{1,3}"), 0..40),
            other in proptest::collection::vec(("[a-c]{1,2}", "[a-b]{1,2}", "[A-C]{1,3}"), 0..40),
        ) {
            let names = |parts: Vec<(String, String, String)>| -> BTreeSet<ObjectRef> {
                parts.iter().map(|(account, kind, id)| format!("{account}/{kind}/{id}").parse().unwrap()).collect()
            };
            let collected = |names: &BTreeSet<ObjectRef>| {
                let mut collected = Collected::default();
                names.iter().for_each(|name| collected.add(name));
                collected
            };
            let (one, other) = (names(one), names(other));
            let sorted = collected(&one).in_order();
            for name in one.iter().chain(&other) {
                prop_assert_eq!(sorted.has(name), one.contains(name), "{}", name);
            }
            let mut all = Collected::from(sorted);
            all.append(collected(&other));
            prop_assert_eq!(all.in_order().collect::<Vec<_>>(), one.union(&other).cloned().collect::<Vec<_>>());
        }
    }
}
