//! The cost of verifying one notification, and of many duplicates of it (`duplicates`).
//!
//! `cargo bench -p reconciled-benches --bench notifications [-- verify | duplicates] [--rounds N] [--strict]`. One
//! message of each signature version is read from its bytes and verified with a certificate that is kept, against the
//! bare RSA verification of the same signed text with a parsed key. Rounds of both alternate, so that other processes
//! disturb both alike; the median of the rounds counts.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a program, not a library"
)]
#![allow(clippy::disallowed_methods, reason = "rates need the machine's time")]

mod duplicates;
#[path = "../../sns-verifier/tests/forge/mod.rs"]
mod forge;
#[path = "../measured/mod.rs"]
#[allow(dead_code, reason = "other benches use the rest")]
mod measured;
#[path = "../../tests/it/memory.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod memory;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forge::{Draft, as_version, now, world};
use measured::{Broken, Goal, Row, Table, Words, each_us};
use sns_verifier::{AgeBound, Limits, Message, Roots, SigningCertificate};

const AGE: AgeBound = AgeBound::new(Duration::from_secs(3600), Duration::from_secs(300));
/// Messages in a round.
const MESSAGES: usize = 500;

fn main() -> ExitCode {
    let words = Words::of_process();
    println!("{}", measured::machine());
    measured::finish(&words, run(&words))
}

fn run(words: &Words) -> Result<Table, Broken> {
    let rounds = words.number("--rounds", 41)?.max(1);
    let mut table = Table::default();
    let parts = ["verify", "duplicates"];
    if words.wants("verify", &parts) {
        verify(&mut table, rounds)?;
    }
    if words.wants("duplicates", &parts) {
        duplicates::run(&mut table)?;
    }
    Ok(table)
}

fn verify(table: &mut Table, rounds: usize) -> Result<(), Broken> {
    let roots = Roots::from_pem(world().roots_pem().as_bytes())?;
    let pem = world().genuine_pem();
    let certificate = SigningCertificate::check(pem.as_bytes(), &roots, now())?;
    compare(table, "2, SHA-256", "2", &RSA_PKCS1_2048_8192_SHA256, &certificate, rounds)?;
    let sha1 = &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY;
    compare(table, "1, SHA-1", "1", sha1, &certificate, rounds)?;
    let check = || SigningCertificate::check(black_box(pem.as_bytes()), &roots, now()).map(|_| ());
    let time = median((0..rounds).map(|_| round(20, check)).collect::<Result<_, _>>()?);
    table.note(
        "checking a fetched certificate, once for many messages",
        format!("{:.0} us", each_us(time, 20)),
    );
    Ok(())
}

fn compare(
    table: &mut Table,
    name: &str,
    version: &'static str,
    algorithm: &'static RsaParameters,
    certificate: &SigningCertificate,
    rounds: usize,
) -> Result<(), Broken> {
    let draft = as_version(version, || Draft::notification().signed());
    let (body, text) = (draft.json(), draft.signed_text());
    let signature = STANDARD.decode(draft.get("Signature").unwrap_or_default())?;
    let key = ParsedPublicKey::new(algorithm, world().key.public_key())?;
    let limits = Limits::default();
    let bare = || key.verify_sig(black_box(text.as_bytes()), black_box(&signature));
    let now = now();
    let whole = || Message::read(black_box(&body), &limits)?.verify(certificate, now, &AGE).map(|_| ());
    let (mut bare_times, mut whole_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (bare, whole) = (round(MESSAGES, bare)?, round(MESSAGES, whole)?);
        ratios.push(whole.as_secs_f64() / bare.as_secs_f64());
        bare_times.push(bare);
        whole_times.push(whole);
    }
    ratios.sort_by(f64::total_cmp);
    table.add(Row {
        what: format!("reading and verifying a notification, version {name}, {} bytes", body.len()),
        measured: format!("{:.1} us", each_us(median(whole_times), MESSAGES)),
        baseline: format!("{:.1} us (RSA alone)", each_us(median(bare_times), MESSAGES)),
        judged: ratios[ratios.len() / 2],
        goal: Goal::AtMost(1.5),
    });
    Ok(())
}

fn round<E>(count: usize, mut work: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let began = Instant::now();
    for _ in 0..count {
        work()?;
    }
    Ok(began.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
