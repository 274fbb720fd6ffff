//! Seeds.

use super::run;

/// Seeds that `cargo test` runs when nothing else is asked for.
const SEEDS: u64 = 10_000;
/// Lines of the first failure's trace that many seeds show; a single one shows all.
const TRACE_LINES: usize = 120;

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

#[test]
fn seeds_keep_every_promise() {
    let seeds = match from_env("KP_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = from_env("KP_SIM_FIRST").unwrap_or(1);
            first..first + from_env("KP_SIM_SEEDS").unwrap_or(SEEDS)
        }
    };
    println!("seeds {} to {}: KP_SIM_SEED=n runs one of them", seeds.start, seeds.end - 1);
    let (mut records, mut delivered, mut steps) = (0, 0, 0);
    let mut broken: Vec<(u64, String)> = Vec::new();
    for seed in seeds.clone() {
        let outcome = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| Err(format!("seed {seed} panicked")));
        match outcome {
            Ok(outcome) => {
                records += outcome.records;
                delivered += outcome.delivered;
                steps += outcome.steps;
            }
            Err(text) => broken.push((seed, text)),
        }
    }
    for (_, text) in broken.iter().take(40) {
        println!("{}", text.lines().next().unwrap_or_default());
    }
    if let Some((_, text)) = broken.first() {
        let lines: Vec<&str> = text.lines().collect();
        let last = if seeds.end - seeds.start == 1 { lines.len() } else { TRACE_LINES };
        let trace = lines[lines.len().saturating_sub(last).max(2).min(lines.len())..].join("\n");
        let head = lines[..lines.len().min(2)].join("\n");
        panic!("{} seeds of {seeds:?} failed; the first:\n{head}\n{trace}", broken.len());
    }
    println!("{records} records, {delivered} delivered, {steps} steps");
}

#[test]
fn a_seed_repeats_its_run_exactly() {
    for seed in [1, 2, 3, 50, 51, 52] {
        let hash = |seed| run(seed).map(|outcome| outcome.hash);
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
}
