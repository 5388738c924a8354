//! One function a parser of bytes from outside: each feeds bytes to it and holds its promises.
//!
//! The same functions serve two masters: `cargo fuzz run NAME` (see docs/src/fuzzing.md) and the test suite, which
//! includes this file and runs each over the seeds in `fuzz/seeds/NAME` and mutations of them. Where a parser has
//! several forms, the first byte chooses; the rest is what the parser gets.

pub mod amazon_pay_mws;
pub mod amazon_pay_v2;
pub mod aps;
pub mod control;
pub mod enrolment;
pub mod promises;
pub mod settings;
pub mod store;

/// A parser under test.
pub struct Target {
    /// As `cargo fuzz run` and the folder of its seeds call it.
    pub name: &'static str,
    /// Feeds it; panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Words worth putting into inputs.
    pub words: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "v2_answer", run: amazon_pay_v2::answer, words: amazon_pay_v2::WORDS },
    Target { name: "mws_answer", run: amazon_pay_mws::answer, words: amazon_pay_mws::WORDS },
    Target { name: "mws_list", run: amazon_pay_mws::list, words: amazon_pay_mws::WORDS },
    Target { name: "mws_feed_result", run: amazon_pay_mws::feed_result, words: amazon_pay_mws::WORDS },
    Target { name: "mws_feed_input", run: amazon_pay_mws::feed_input, words: amazon_pay_mws::INPUT_WORDS },
    Target { name: "mws_report_file", run: amazon_pay_mws::report_file, words: amazon_pay_mws::INPUT_WORDS },
    Target { name: "aps_answer", run: aps::answer, words: aps::WORDS },
    Target { name: "aps_batch_answer", run: aps::batch_answer, words: aps::WORDS },
    Target { name: "aps_batch_input", run: aps::batch_input, words: aps::WORDS },
    Target { name: "enrolment", run: enrolment::file, words: enrolment::WORDS },
    Target { name: "config", run: settings::config, words: settings::WORDS },
    Target { name: "scenario", run: settings::scenario, words: settings::WORDS },
    Target { name: "store", run: store::pieces, words: store::WORDS },
    Target { name: "saved_quotas", run: store::saved_quotas, words: store::WORDS },
    Target { name: "control", run: control::messages, words: control::WORDS },
];
