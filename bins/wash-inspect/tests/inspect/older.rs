//! Modules and providers of wasmCloud 1.x, with real keys and signatures.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXUPPER};
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use washlib_test::Sandbox;

use crate::fixtures::{inspect, wasm};

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap()
}

/// A public key with its role, checksum and encoding, as NATS writes it.
fn key(role: u8, key: &[u8]) -> String {
    let mut bytes = vec![role << 3];
    bytes.extend(key);
    let mut checksum = 0_u16;
    for byte in &bytes {
        checksum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            checksum = if checksum & 0x8000 == 0 { checksum << 1 } else { (checksum << 1) ^ 0x1021 };
        }
    }
    bytes.extend(checksum.to_le_bytes());
    BASE32_NOPAD.encode(&bytes)
}

fn token(wascap: &str) -> String {
    let pair = pair();
    let (account, module) = (key(0, pair.public_key().as_ref()), key(12, &[9; 32]));
    let claims = format!(
        r#"{{"jti":"x","iat":1700000000,"exp":4102444800,"iss":"{account}","sub":"{module}","wascap":{wascap},"wascap_revision":3}}"#
    );
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let signed = format!("{}.{}", encode(r#"{"typ":"jwt","alg":"Ed25519"}"#), encode(&claims));
    format!("{signed}.{}", BASE64URL_NOPAD.encode(pair.sign(signed.as_bytes()).as_ref()))
}

fn hash(bytes: &[u8]) -> String {
    HEXUPPER.encode(digest(&SHA256, bytes).as_ref())
}

fn actor() -> Vec<u8> {
    let text = |custom: &str| format!("(module (func (export \"__guest_call\")) {custom})");
    let hash = hash(&wasm(&text("")));
    let token = token(&format!(
        r#"{{"name":"Echo","hash":"{hash}","tags":["demo"],"caps":["wasmcloud:httpserver"],"rev":4,"ver":"0.3.4"}}"#
    ));
    wasm(&text(&format!("(@custom \"jwt\" \"{token}\")")))
}

#[test]
fn an_actor_shows_its_claims_and_whether_they_verify() {
    let sandbox = Sandbox::new();
    sandbox.write("echo_s.wasm", actor());
    let output = inspect(&sandbox, &["echo_s.wasm"]).assert_success().stdout;
    for line in [
        "claims     Echo, version 0.3.4, revision 4\n",
        "subject    M",
        "issuer     A",
        "may use    wasmcloud:httpserver\n",
        "signature  verified, content as signed\n",
        "validity   valid now, issued 2023-11-14, until 2100-01-01\n",
    ] {
        assert!(output.contains(line), "{line} in\n{output}");
    }
    // Another function than was signed.
    let altered = String::from_utf8_lossy(b"__guest_call").into_owned();
    let mut bytes = actor();
    let position = bytes.windows(altered.len()).position(|window| window == altered.as_bytes()).unwrap();
    bytes[position] = b'X';
    sandbox.write("altered.wasm", bytes);
    let json = inspect(&sandbox, &["-o", "json", "altered.wasm"]).assert_success().json();
    assert_eq!(json["data"]["claims"]["signature"], "verified");
    assert_eq!(json["data"]["claims"]["content_matches"], false);
}

#[test]
fn a_provider_archive_shows_its_targets() {
    let sandbox = Sandbox::new();
    let program = b"\x7fELF program";
    let token = token(&format!(
        r#"{{"name":"KV","vendor":"ACME","ver":"0.19.0","target_hashes":{{"x86_64-linux":"{}"}}}}"#,
        hash(program)
    ));
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in [("claims.jwt", token.as_bytes()), ("x86_64-linux.bin", program)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, content).unwrap();
    }
    sandbox.write("kv.par.gz", builder.into_inner().unwrap().finish().unwrap());
    let output = inspect(&sandbox, &["kv.par.gz"]).assert_success().stdout;
    for line in [
        "kind       a provider archive of wasmCloud 1.x\n",
        "targets    x86_64-linux (12 B), as signed\n",
        "claims     KV, version 0.19.0, by ACME\n",
        "signature  verified\n",
    ] {
        assert!(output.contains(line), "{line} in\n{output}");
    }
    inspect(&sandbox, &["size", "kv.par.gz"]).assert_code(1).assert_stderr_has("a provider archive");
    let json = inspect(&sandbox, &["-o", "json", "kv.par.gz"]).assert_success().json();
    assert_eq!(json["data"]["kind"], "provider-archive");
    assert_eq!(json["data"]["archive"]["targets"][0]["content_matches"], true);
}

#[test]
fn a_cut_provider_archive_shows_what_came_before() {
    let sandbox = Sandbox::new();
    let token = token(&format!(r#"{{"name":"KV","target_hashes":{{"x86_64-linux":"{}"}}}}"#, hash(b"one")));
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("claims.jwt", token.as_bytes()), ("x86_64-linux.bin", b"one"), ("arm-linux.bin", b"two")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, content).unwrap();
    }
    let whole = builder.into_inner().unwrap();
    let end = whole.windows(7).position(|window| window == b"arm-lin").unwrap();
    sandbox.write("kv.par", &whole[..end + 513]);
    let output = inspect(&sandbox, &["kv.par"]).assert_code(1).assert_stderr_has("cut off inside a file");
    for line in ["claims     KV\n", "targets    x86_64-linux (3 B), as signed\n", "reading stopped at byte 0x"] {
        assert!(output.stdout.contains(line), "{line} in\n{}", output.stdout);
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut encoder, &whole[..end + 100]).unwrap();
    let packed = encoder.finish().unwrap();
    sandbox.write("kv.par.gz", &packed[..packed.len() - 8]);
    let json = inspect(&sandbox, &["-o", "json", "kv.par.gz"]).assert_code(1).json();
    assert_eq!(json["data"]["claims"]["name"], "KV");
    assert_eq!(json["data"]["archive"]["targets"].as_array().unwrap().len(), 1);
    assert_eq!(json["data"]["problem"]["offset"], end + 100);
    // Another archive.
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_cksum();
    builder.append_data(&mut header, "readme", &b""[..]).unwrap();
    sandbox.write("other.tar", builder.into_inner().unwrap());
    inspect(&sandbox, &["other.tar"]).assert_code(1).assert_stderr_has("the file is a tar archive");
}
