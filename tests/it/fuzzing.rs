//! Every fuzz target, with its seeds and with mutations of them, on the stable compiler.
//!
//! The same functions run for hours under `cargo fuzz` (docs/src/fuzzing.md); here each gets a fixed number of
//! inputs, all decided by one seed. `RECONCILED_FUZZ_SEED` and `RECONCILED_FUZZ_INPUTS` change both.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use targets::{TARGETS, Target};

const SEED: u64 = 20_260_115;
/// Inputs of one target besides its seeds.
const INPUTS: u64 = 8_000;
/// The longest input: longer ones find nothing more and only take time.
const LONGEST: usize = 16 * 1024;

fn number(variable: &str, usual: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
        Err(_) => usual,
    }
}

fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} has no seed", target.name);
    seeds
}

/// SplitMix64: small, good enough, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`; 0 when `count` is 0.
    fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap().max(1);
        usize::try_from(self.next() % count).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// A random part of these bytes.
    fn piece<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.below(bytes.len() + 1);
        let length = self.below((bytes.len() - start).min(200) + 1);
        &bytes[start..start + length]
    }
}

fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    let at = random.below(input.len() + 1);
    let is_inside = at < input.len();
    match random.below(9) {
        0 if is_inside => input[at] ^= 1 << random.below(8),
        1 if is_inside => input[at] = random.byte(),
        2 => input.insert(at, random.byte()),
        3 => input.truncate(at),
        4 => {
            let length = random.below(20).min(input.len() - at);
            input.drain(at..at + length);
        }
        5 => {
            let again = random.piece(input).to_vec();
            input.splice(at..at, again);
        }
        6 => {
            let piece = random.piece(other).to_vec();
            let until = (at + random.below(piece.len() + 1)).min(input.len());
            input.splice(at..until, piece);
        }
        _ => {
            let word = words[random.below(words.len())].bytes();
            let until = (at + random.below(8)).min(input.len());
            input.splice(at..until, word);
        }
    }
    input.truncate(LONGEST);
}

fn feed(target: &Target, origin: &str, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{} breaks a promise on {origin}: b\"{}\"", target.name, input.escape_ascii());
    }
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seed = number("RECONCILED_FUZZ_SEED", SEED);
    println!("{name}: RECONCILED_FUZZ_SEED={seed}");
    let seeds = seeds(target);
    for (file, input) in &seeds {
        feed(target, &format!("the seed {file}"), input);
    }
    let mut random = Random(seed);
    for count in 0..number("RECONCILED_FUZZ_INPUTS", INPUTS) {
        let mut input = seeds[random.below(seeds.len())].1.clone();
        let other = random.below(seeds.len());
        for _ in 0..=random.below(6) {
            mutate(&mut random, &mut input, &seeds[other].1, target.words);
        }
        feed(target, &format!("input {count} of RECONCILED_FUZZ_SEED={seed}"), &input);
    }
}

macro_rules! each {
    ($($name:ident),* $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*
    };
}

each!(
    v2_answer,
    mws_answer,
    mws_list,
    mws_feed_result,
    mws_feed_input,
    mws_report_file,
    aps_answer,
    aps_batch_answer,
    aps_batch_input,
    enrolment,
    config,
    scenario,
    store,
    saved_quotas,
    control,
    sns_message,
    sns_certificate,
);

#[test]
fn every_target_runs_here_and_in_the_fuzzer() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, NAMES);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        assert!(root.join(format!("fuzz_targets/{name}.rs")).exists(), "{name} has no program");
    }
}
