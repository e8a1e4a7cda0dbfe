//! The service guide's timer: calls the task again and again.

wit_bindgen::generate!({ path: "wit", world: "cron-service", generate_all });

use std::time::Duration;

use wash::guides::cron;

/// Tests exchange the digits, so that there are several builds.
const BUILD: &str = "timer-build-00";

fn main() {
    println!("{BUILD} starts");
    let mut ticks = 0;
    loop {
        std::thread::sleep(Duration::from_millis(20));
        ticks += 1;
        let answer = cron::invoke();
        println!("tick {ticks} answered {answer}");
    }
}
