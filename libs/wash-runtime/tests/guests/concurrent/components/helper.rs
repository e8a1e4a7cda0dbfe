//! A component that others call, at once and with patience.

wit_bindgen::generate!({ path: "wit", world: "helping" });

use exports::test::concurrent::helper::Guest;

struct Helper;

export!(Helper);

impl Guest for Helper {
    fn add(one: u32, other: u32) -> u32 {
        one.wrapping_add(other)
    }

    async fn add_later(one: u32, other: u32, milliseconds: u64) -> u32 {
        wasip3::clocks::monotonic_clock::wait_for(milliseconds * 1_000_000).await;
        one.wrapping_add(other)
    }

    fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    async fn fail() {
        panic!("told to");
    }
}
