//! A component that the others of its workload call.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::io::Read;
use std::time::Duration;

wit_bindgen::generate!({
    path: "wit",
    world: "back",
    with: {
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use exports::test::parts::{chain, counters, faults, place, streams, values};
use test::parts::deep;
use test::parts::vocabulary::{Color, Item, Marks, Shape};
use wasip2::io::streams::{InputStream, OutputStream};

struct Back;

impl values::Guest for Back {
    fn swap(item: Item, shape: Shape) -> (Shape, Item) {
        let inner = match shape {
            Shape::Dot => Item { name: "dot".to_string(), price: 0, tags: Vec::new() },
            Shape::Circle(radius) => Item { name: format!("circle {radius}"), price: 1, tags: Vec::new() },
            Shape::Named(item) => item,
        };
        (Shape::Named(item), inner)
    }

    fn find(items: Vec<Item>, name: String) -> Option<Item> {
        items.into_iter().find(|item| item.name == name)
    }

    fn parse(text: String) -> Result<i64, String> {
        text.parse().map_err(|err| format!("{text}: {err}"))
    }

    fn paint(color: Color, marks: Marks) -> (Color, Marks) {
        let other = match color {
            Color::Red => Color::Green,
            Color::Green => Color::Red,
        };
        (other, !marks)
    }

    fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.reverse();
        bytes
    }
}

struct Counter(Cell<u32>);

thread_local! {
    static ALIVE: Cell<u32> = const { Cell::new(0) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

impl Counter {
    fn starting(start: u32) -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Self(Cell::new(start))
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
    }
}

impl counters::GuestCounter for Counter {
    fn new(start: u32) -> Self {
        Self::starting(start)
    }

    fn add(&self, n: u32) -> u32 {
        self.0.set(self.0.get() + n);
        self.0.get()
    }

    fn merge(one: counters::Counter, other: counters::CounterBorrow<'_>) -> counters::Counter {
        let sum = one.get::<Self>().0.get() + other.get::<Self>().0.get();
        counters::Counter::new(Self::starting(sum))
    }
}

impl counters::Guest for Back {
    type Counter = Counter;

    fn alive() -> u32 {
        ALIVE.get()
    }

    fn maybe(start: Option<u32>) -> Option<counters::Counter> {
        start.map(|start| counters::Counter::new(Counter::starting(start)))
    }

    fn sum(counters: Vec<counters::CounterBorrow<'_>>) -> u32 {
        counters.iter().map(|counter| counter.get::<Counter>().0.get()).sum()
    }

    fn take(counters: Vec<counters::Counter>) -> u32 {
        counters.iter().map(|counter| counter.get::<Counter>().0.get()).sum()
    }

    fn calls() -> u32 {
        CALLS.set(CALLS.get() + 1);
        CALLS.get()
    }
}

thread_local!(static OPEN: RefCell<Vec<wasip2::filesystem::types::Descriptor>> = const { RefCell::new(Vec::new()) });

impl streams::Guest for Back {
    fn open(path: String) -> Result<InputStream, String> {
        use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
        let directories = wasip2::filesystem::preopens::get_directories();
        let (directory, _) = directories.first().ok_or("no directory")?;
        let file = directory
            .open_at(PathFlags::empty(), &path, OpenFlags::empty(), DescriptorFlags::READ)
            .map_err(|err| err.to_string())?;
        let stream = file.read_via_stream(0).map_err(|err| err.to_string())?;
        OPEN.with_borrow_mut(|open| open.push(file));
        Ok(stream)
    }

    fn read(mut source: InputStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).expect("a stream");
        bytes
    }

    fn peek(source: &InputStream) -> Vec<u8> {
        source.blocking_read(4).expect("a stream")
    }

    fn write(sink: &OutputStream, bytes: Vec<u8>) {
        for chunk in bytes.chunks(4096) {
            sink.blocking_write_and_flush(chunk).expect("a sink");
        }
    }
}

impl place::Guest for Back {
    fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(path: String) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|err| err.to_string())
    }

    fn write(path: String, text: String) -> Result<(), String> {
        std::fs::write(path, text).map_err(|err| err.to_string())
    }

    fn fetch(url: String) -> Result<String, String> {
        wstd::runtime::block_on(async {
            let request = wstd::http::Request::get(url).body(wstd::http::Body::empty()).map_err(|err| err.to_string())?;
            let response = wstd::http::Client::new().send(request).await.map_err(|err| format!("{err:?}"))?;
            let mut body = response.into_body();
            body.str_contents().await.map(str::to_string).map_err(|err| err.to_string())
        })
    }
}

impl faults::Guest for Back {
    fn trap() {
        panic!("told to");
    }

    fn spin() {
        println!("entered");
        loop {
            black_box(());
        }
    }

    fn sleep() {
        println!("entered");
        std::thread::sleep(Duration::from_secs(1 << 30));
    }

    fn hold() {
        println!("begin");
        std::thread::sleep(Duration::from_millis(30));
        println!("end");
    }

    fn grow(mebibytes: u32) -> bool {
        let mut bytes = Vec::<u8>::new();
        let grown = bytes.try_reserve_exact(black_box(mebibytes as usize) << 20).is_ok();
        std::mem::forget(bytes);
        grown
    }
}

impl chain::Guest for Back {
    fn through(text: String) -> String {
        format!("back({})", deep::say(&text))
    }

    fn issue(label: String) -> deep::Token {
        deep::Token::new(&format!("{label} by back"))
    }

    fn inspect(token: &deep::Token) -> String {
        token.label()
    }

    fn redeem(token: deep::Token) -> String {
        token.label()
    }
}

export!(Back);
