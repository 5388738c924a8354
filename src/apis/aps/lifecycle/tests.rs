use super::*;
use crate::payments::lifecycle::{Tone, problems};

#[test]
fn the_table_has_no_hole() {
    assert_eq!(problems(&Order), Vec::<String>::new());
    assert_eq!(WORDS.len(), NAMED.len() + 12 * UNDECIDED.len());
}

#[test]
fn states_are_classified_as_the_sheet_says() {
    let check = |words: &[&str], phase, outcome| {
        for word in words {
            let facts = Order.state(word).unwrap_or_else(|| panic!("{word} has facts"));
            assert_eq!((facts.phase, facts.outcome), (phase, outcome), "{word}");
        }
    };
    check(&["14", "04", "06"], Phase::Final, Outcome::Succeeded);
    check(&["02"], Phase::Resting, Outcome::Open);
    check(&["08", "00072"], Phase::Final, Outcome::Canceled);
    check(&["03", "13", "07"], Phase::Final, Outcome::Declined);
    check(&["05", "09"], Phase::Resting, Outcome::Declined);
    check(&["00"], Phase::Resting, Outcome::Undecided);
    check(&["01", "10", "15", "19", "20", "40"], Phase::Moving, Outcome::Undecided);
    let hold = [
        "00006", "02006", "03006", "04006", "05006", "06006", "07006", "08006", "09006", "13006", "17006",
        "13777", "05781", "06784", "02064",
    ];
    check(&hold, Phase::Moving, Outcome::Undecided);
}

#[test]
fn words_outside_the_classification_are_not_guessed() {
    for word in ["", "12", "11", "17", "18", "44", "45", "14160", "13000", "1", "99", "Captured", "99006"] {
        assert_eq!(Order.state(word), None, "{word}");
    }
}

#[test]
fn moves_are_those_an_order_can_make() {
    let check = |from: &str, to: &str, expected: bool| {
        assert_eq!(Order.is_reachable(from, to), expected, "{from} -> {to}");
    };
    check("01", "14", true);
    check("15", "13", true);
    check("13006", "14", true);
    check("02", "04", true);
    check("02", "08", true);
    check("02", "06", true);
    check("05", "04", true);
    check("14", "06", true);
    check("14", "06784", true);
    check("14", "19", true);
    check("04", "04", true);
    check("06", "04", true);
    check("13", "14", false);
    check("03", "02", false);
    check("08", "04", false);
    check("14", "13", false);
    check("14", "02", false);
    check("04", "02", false);
    check("13", "13006", false);
    check("14", "99", false);
}

#[test]
fn every_message_is_explained_even_one_that_no_table_names() {
    let reason = Order.reason("13", "666").unwrap();
    assert_eq!((reason.tone, reason.name), (Tone::Alarming, "666"));
    assert!(reason.advice.contains("another card"));
    assert_eq!(Order.reason("00", "008").unwrap().tone, Tone::Notable);
    assert_eq!(Order.reason("13", "160").unwrap().name, "other");
    assert_eq!(Order.reason("00", "160").unwrap().tone, Tone::Notable);
    assert_eq!(Order.reason("13", "16"), None);
    assert_eq!(Order.reason("14", "160"), None);
    let mut names: Vec<&str> = reasons::OF_DECLINES.iter().map(|facts| facts.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), reasons::OF_DECLINES.len());
}
