//! A component that makes a stream for others.

wit_bindgen::generate!({ path: "wit", world: "producing" });

use exports::test::concurrent::handles::Guest;
use wit_bindgen::StreamReader;

struct Producer;

export!(Producer);

impl Guest for Producer {
    fn produce() -> StreamReader<u8> {
        let (mut writer, reader) = wit_stream::new();
        wit_bindgen::spawn_local(async move {
            writer.write_all(b"produced".to_vec()).await;
        });
        reader
    }
}
