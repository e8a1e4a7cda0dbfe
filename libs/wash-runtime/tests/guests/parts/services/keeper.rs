//! A service that exports one interface instead of a program.

use std::cell::Cell;

wit_bindgen::generate!({ path: "wit", world: "keeper" });

use exports::test::parts::counters::{Counter, CounterBorrow, Guest, GuestCounter};

struct Keeper;

struct Count(Cell<u32>);

impl GuestCounter for Count {
    fn new(start: u32) -> Self {
        Self(Cell::new(start))
    }

    fn add(&self, n: u32) -> u32 {
        self.0.set(self.0.get() + n);
        self.0.get()
    }

    fn merge(one: Counter, _: CounterBorrow<'_>) -> Counter {
        one
    }
}

impl Guest for Keeper {
    type Counter = Count;

    fn alive() -> u32 {
        0
    }

    fn maybe(_: Option<u32>) -> Option<Counter> {
        None
    }

    fn sum(_: Vec<CounterBorrow<'_>>) -> u32 {
        0
    }

    fn take(_: Vec<Counter>) -> u32 {
        0
    }

    fn calls() -> u32 {
        0
    }
}

export!(Keeper);

/// Runs when the instance starts.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    println!("started");
}
