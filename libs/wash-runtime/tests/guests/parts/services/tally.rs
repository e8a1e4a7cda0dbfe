//! A service that exports one interface, and keeps state from call to call.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

wit_bindgen::generate!({ path: "wit", world: "tally-service" });

use exports::test::parts::tally::{Entry, Guest};
use test::parts::ring;

thread_local! {
    static SUM: Cell<u32> = const { Cell::new(0) };
    static NAMES: RefCell<BTreeMap<String, u32>> = const { RefCell::new(BTreeMap::new()) };
}

struct Tally;

impl Guest for Tally {
    fn add(n: u32) -> u32 {
        SUM.set(SUM.get() + n);
        SUM.get()
    }

    fn greet(name: String) -> Vec<Entry> {
        NAMES.with_borrow_mut(|names| {
            *names.entry(name).or_default() += 1;
            names.iter().map(|(name, count)| Entry { name: name.clone(), count: *count }).collect()
        })
    }

    fn slow(name: String) {
        println!("begin {name}");
        std::thread::sleep(Duration::from_millis(20));
        println!("end {name}");
    }

    fn trap() {
        panic!("told to");
    }

    fn hang() {
        println!("hanging");
        std::thread::sleep(Duration::from_secs(1 << 30));
    }

    fn circle() -> u32 {
        ring::ring()
    }
}

export!(Tally);
