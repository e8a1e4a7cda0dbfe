//! A service that behaves as the variable `DO` says.

use std::env;
use std::hint::black_box;
use std::process::exit;
use std::time::Duration;

fn main() {
    println!("started");
    match env::var("DO").unwrap_or_default().as_str() {
        "finish" => {}
        "exit-0" => exit(0),
        "exit-1" => exit(1),
        "trap" => panic!("told to"),
        "spin" => loop {
            black_box(());
        },
        // The volume outlives the runs, memory does not.
        "trap-twice" => {
            let run = std::fs::read_to_string("/state/runs").unwrap_or_default().len();
            std::fs::write("/state/runs", "x".repeat(run + 1)).unwrap();
            println!("run {run}");
            assert!(run >= 2, "told to");
        }
        "allocate" => {
            let mut held = Vec::new();
            loop {
                held.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        _ => loop {
            std::thread::sleep(Duration::from_millis(1));
            println!("tick");
        },
    }
}
