//! A service of WASI 0.3: it says what it does, and ends as its environment says.

use std::env;

use wasip3::clocks::monotonic_clock::wait_for;

struct Runner;

wasip3::cli::command::export!(Runner);

impl wasip3::exports::cli::run::Guest for Runner {
    async fn run() -> Result<(), ()> {
        println!("entered");
        match env::var("END").as_deref() {
            Ok("fail") => Err(()),
            Ok("trap") => panic!("told to"),
            Ok("exit") => {
                wasip3::cli::exit::exit(Err(()));
                Ok(())
            }
            Ok("never") => {
                wait_for(u64::MAX / 2).await;
                Ok(())
            }
            _ => {
                wait_for(1_000_000).await;
                println!("finished");
                Ok(())
            }
        }
    }
}
