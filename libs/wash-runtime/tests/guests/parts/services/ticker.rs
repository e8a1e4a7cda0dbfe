//! A service that calls a component of its workload on a timer.

wit_bindgen::generate!({ path: "wit", world: "ticker" });

use std::env;
use std::time::Duration;

use test::parts::{counters, faults};

fn main() {
    if env::var("DO").as_deref() == Ok("trap-sibling") {
        println!("started");
        faults::trap();
    }
    // A resource lives as long as the service holds it.
    let counter = counters::Counter::new(100);
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(5));
        println!("calls {} counter {}", counters::calls(), counter.add(1));
    }
    println!("sum {}", counters::sum(&[&counter]));
    drop(counter);
    println!("done");
}
