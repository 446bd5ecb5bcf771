//! The fuzz targets without a fuzzer: each is given what is in its corpus, and some thousands of inputs that are made of it.
//!
//! `make fuzz` searches for ten minutes each and is led by what code an input reaches; this is what every run of the tests
//! can afford. The same seed makes the same inputs.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[path = "../fuzz/targets/client_message.rs"]
mod client_message;
#[path = "../fuzz/targets/cursors.rs"]
mod cursors;
#[path = "../fuzz/targets/events.rs"]
mod events;
#[path = "../fuzz/targets/frames.rs"]
mod frames;
#[path = "../fuzz/targets/lines.rs"]
mod lines;
#[path = "../fuzz/targets/token.rs"]
mod token;

/// Inputs generated for each target.
const INPUTS: usize = 20_000;
const SEED: u64 = 5;
/// Longer ones reach nothing more, and slowly.
const LONGEST: usize = 2_048;

fn try_all(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("a readable file")).collect();
    assert!(corpus.len() >= 10, "{target} has a corpus of {} inputs", corpus.len());
    let try_one = |input: &[u8]| {
        let input = input.to_vec();
        let shown = input.escape_ascii().to_string();
        assert!(catch_unwind(move || run(&input)).is_ok(), "{target} fails on {shown}");
    };
    corpus.iter().for_each(|input| try_one(input));
    let mut dice = ChaCha8Rng::seed_from_u64(SEED);
    for _ in 0..INPUTS {
        try_one(&make_up(&corpus, &mut dice));
    }
}

/// An input with some of its bytes changed, left out, said again, or taken from another.
fn make_up(corpus: &[Vec<u8>], dice: &mut ChaCha8Rng) -> Vec<u8> {
    let mut input = corpus[dice.random_range(0..corpus.len())].clone();
    for _ in 0..dice.random_range(1..5) {
        let at = dice.random_range(0..=input.len());
        let to = dice.random_range(at..=input.len().min(at + 32));
        match dice.random_range(0..5) {
            0 => input.insert(at, dice.random()),
            1 => drop(input.drain(at..to)),
            2 => {
                let again = input[at..to].to_vec();
                input.splice(at..at, again);
            }
            3 => {
                let other = &corpus[dice.random_range(0..corpus.len())];
                let from = dice.random_range(0..=other.len());
                input.truncate(at);
                input.extend(&other[from..]);
            }
            _ => input[at..to].iter_mut().for_each(|byte| *byte ^= dice.random::<u8>() & dice.random::<u8>()),
        }
    }
    input.truncate(LONGEST);
    input
}

#[test]
fn made_up_frames_are_read_or_refused() {
    try_all("frames", frames::run);
}

#[test]
fn made_up_messages_are_read_or_refused() {
    try_all("client_message", client_message::run);
}

#[test]
fn made_up_cursors_are_read_or_refused() {
    try_all("cursors", cursors::run);
}

#[test]
fn made_up_tokens_are_nobodys() {
    try_all("token", token::run);
}

#[test]
fn made_up_events_are_read_or_refused() {
    try_all("events", events::run);
}

#[test]
fn made_up_lines_are_read_or_refused() {
    try_all("lines", lines::run);
}
