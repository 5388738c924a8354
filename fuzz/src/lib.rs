//! One function for each parser of bytes from outside: it feeds bytes to the parser and checks its promises.
//!
//! The same functions are used by `cargo fuzz run NAME` (see docs/src/fuzzing.md) and by the test suite,
//! which includes this file and runs each function over the seeds in `fuzz/seeds/NAME` and mutations of them.
//! Where a parser has several forms, the first byte chooses one; the parser gets the rest.

pub mod amazon_pay_mws;
pub mod amazon_pay_v2;
pub mod aps;
pub mod control;
pub mod enrolment;
pub mod promises;
pub mod settings;
pub mod sns;
pub mod store;

/// A parser under test.
pub struct Target {
    /// Its name for `cargo fuzz run` and its folder of seeds.
    pub name: &'static str,
    /// Feeds it with bytes; panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Words worth inserting into inputs.
    pub words: &'static [&'static str],
}

/// All targets.
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
    Target { name: "sns_message", run: sns::message, words: sns::WORDS },
    Target { name: "sns_certificate", run: sns::certificate, words: sns::PEM_WORDS },
];
