//! What a pulse can say about a record.

use proptest::prelude::*;

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::record::Record;
use crate::store::index::pulse::Pulse;
use crate::store::index::value;

fn known() -> Record {
    let new = Record::enrolled(enrolment("A1"), at(0));
    seen(&new, "Open", Phase::Moving, at(5), Some(at(60)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_pulse_leads_from_one_to_the_other(
        revision: u64, polls: u64, times in proptest::array::uniform4(proptest::option::of(-9_000_000_000i64..9_000_000_000)),
        is_asked: bool, request_id: Option<String>,
    ) {
        let old = known();
        let mut new = Record { revision, polls, is_asked, polled_at: times[0].map(at), deadline: times[2].map(at), ..old.clone() };
        new.due_at = Some(at(times[1].unwrap_or(7)));
        let observed = new.observed.as_mut().unwrap();
        observed.seen_at = at(times[3].unwrap_or_default());
        observed.observation.request_id = request_id;
        let fits = [new.polled_at, new.due_at, new.deadline, new.observed.as_ref().map(|observed| observed.seen_at)]
            .into_iter().flatten().all(|at| i64::try_from(at.as_nanosecond()).is_ok());
        let pulse = Pulse::between(&old, &new);
        prop_assert_eq!(pulse.is_some(), fits);
        if let Some(pulse) = pulse {
            let bytes = value::encode(&pulse, 3);
            let read = value::decode::<Pulse>(b"sA1", &bytes).unwrap().value;
            let mut reached = old;
            read.put_over(&mut reached);
            prop_assert_eq!(reached, new);
        }
    }

    #[test]
    fn random_bytes_are_no_pulse(bytes: Vec<u8>) {
        prop_assert!(value::decode::<Pulse>(b"sA1", &bytes).is_err());
    }
}

#[test]
fn whatever_else_changes_needs_the_whole_record() {
    let old = known();
    let mut others = vec![Record { due_at: None, ..old.clone() }, Record { observed: None, ..old.clone() }];
    others.push(Record { warned: vec!["overdue".to_owned()], ..old.clone() });
    others.push(seen(&old, "Captured", Phase::Final, at(9), Some(at(99))));
    let mut troubled = old.clone();
    troubled.trouble.failures = 1;
    others.push(troubled);
    for other in others {
        assert_eq!(Pulse::between(&old, &other), None, "{other:?}");
    }
    let unseen = Record::enrolled(enrolment("A1"), at(0));
    assert_eq!(Pulse::between(&unseen, &old), None);
    assert!(Pulse::between(&unseen, &Record { due_at: Some(at(9)), ..unseen.clone() }).is_some());
}

#[test]
fn a_pulse_is_spelt_as_it_will_be_for_ever() {
    let pulse = Pulse(4, 3, Some(1), Some(2), false, None, Some(1), Some("r".to_owned()));
    assert_eq!(serde_json::to_string(&pulse).unwrap(), r#"[4,3,1,2,false,null,1,"r"]"#);
}
