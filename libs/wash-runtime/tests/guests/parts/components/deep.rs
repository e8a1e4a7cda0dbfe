//! The end of a chain of components.

use std::cell::Cell;

wit_bindgen::generate!({ path: "wit", world: "deepest" });

use exports::test::parts::deep::{Guest, GuestToken};

struct Deep;

struct Token(String);

thread_local!(static TOKENS: Cell<u32> = const { Cell::new(0) });

impl Guest for Deep {
    type Token = Token;

    fn say(text: String) -> String {
        format!("deep({text})")
    }

    fn tokens() -> u32 {
        TOKENS.get()
    }
}

impl GuestToken for Token {
    fn new(label: String) -> Self {
        TOKENS.set(TOKENS.get() + 1);
        Self(label)
    }

    fn label(&self) -> String {
        self.0.clone()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        TOKENS.set(TOKENS.get() - 1);
    }
}

export!(Deep);
