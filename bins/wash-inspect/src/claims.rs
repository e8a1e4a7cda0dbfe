//! Claims that wasmCloud 1.x signed: a JSON web token in a module or a provider archive, signed by an ed25519 key in the
//! encoding of NATS (<https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth>).
//!
//! Reads and verifies; trusts nobody, and so says only whether the issuer that is named signed it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXUPPER};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use washlib_component::Outline;

use crate::custom_sections::{Choice, strip};
use crate::output::{ClaimsData, Problem, Signature, Validity};

/// The custom sections that hold the token: of older and of newer versions.
const SECTIONS: [&str; 2] = ["wasmcloud_jwt", "jwt"];
/// From this revision on, claims hold the digest of the module as it is hashed here.
const HASH_REVISION: u64 = 3;

/// What a token's middle holds, as far as it is shown.
#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    iat: Option<u64>,
    nbf: Option<u64>,
    exp: Option<u64>,
    wascap: Option<Metadata>,
    wascap_revision: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    hash: Option<String>,
    tags: Option<Vec<String>>,
    caps: Option<Vec<String>>,
    capid: Option<String>,
    rev: Option<i64>,
    ver: Option<String>,
    vendor: Option<String>,
    call_alias: Option<String>,
    #[serde(default)]
    target_hashes: BTreeMap<String, String>,
}

/// A token that could be read.
pub(crate) struct Claims {
    pub(crate) data: ClaimsData,
    /// The digest of the module that was signed.
    hash: Option<String>,
    /// The digests of a provider's programs, by target.
    pub(crate) target_hashes: BTreeMap<String, String>,
}

/// The claims in a binary's outermost level, with whether its content is what was signed.
pub(crate) fn of_binary(outline: &Outline<'_>, bytes: &[u8]) -> Result<Option<ClaimsData>, Problem> {
    let named = |name: &&str| outline.root.sections.iter().find(|section| section.is_custom() && section.name == *name);
    let Some(section) = SECTIONS.iter().find_map(named) else { return Ok(None) };
    let offset = Some(section.content.start as u64);
    let mut claims = parse(section.data, now()).map_err(|reason| Problem { offset, reason })?;
    // What stands behind damage was signed too. And a file beyond the outline's bounds would take long to copy.
    if let Some(hash) = claims.hash.as_ref().filter(|_| outline.stopped.is_none()) {
        let without = strip(bytes, &Choice::Named(&SECTIONS.map(str::to_owned))).ok();
        claims.data.content_matches = without.map(|without| hash_text(&without).eq_ignore_ascii_case(hash));
    }
    Ok(Some(claims.data))
}

/// A digest as claims write it.
pub(crate) fn hash_text(bytes: &[u8]) -> String {
    HEXUPPER.encode(digest(&SHA256, bytes).as_ref())
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// Reads a token and verifies its signature; an error says why it cannot be read.
pub(crate) fn parse(token: &[u8], now: u64) -> Result<Claims, String> {
    let failed = |reason: String| format!("the signed claims cannot be read: {reason}");
    let no_token = || failed("they are no JSON web token".to_owned());
    let token = std::str::from_utf8(token).map_err(|_| no_token())?.trim();
    let (signed, signature) = token.rsplit_once('.').ok_or_else(no_token)?;
    let (header, payload) = signed.split_once('.').ok_or_else(no_token)?;
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|err| failed(err.to_string()));
    decode(header)?;
    let payload: Payload = serde_json::from_slice(&decode(payload)?).map_err(|err| failed(err.to_string()))?;
    let signature = verify(&payload.iss, signed.as_bytes(), signature);
    let metadata = payload.wascap.unwrap_or_default();
    let validity = if payload.exp.is_some_and(|end| end < now) {
        Validity::Expired
    } else if payload.nbf.is_some_and(|start| start > now) {
        Validity::NotYet
    } else {
        Validity::Valid
    };
    let is_hashed = payload.wascap_revision.is_some_and(|revision| revision >= HASH_REVISION);
    let data = ClaimsData {
        issuer: payload.iss,
        subject: payload.sub,
        name: metadata.name,
        vendor: metadata.vendor,
        version: metadata.ver,
        revision: metadata.rev,
        capabilities: metadata.caps.unwrap_or_default().into_iter().chain(metadata.capid).collect(),
        tags: metadata.tags.unwrap_or_default(),
        call_alias: metadata.call_alias,
        issued_at: payload.iat,
        not_before: payload.nbf,
        expires: payload.exp,
        validity,
        signature,
        content_matches: None,
    };
    Ok(Claims { data, hash: metadata.hash.filter(|_| is_hashed), target_hashes: metadata.target_hashes })
}

fn verify(issuer: &str, signed: &[u8], signature: &str) -> Signature {
    let Some(key) = public_key(issuer) else { return Signature::UnknownKey };
    let Ok(signature) = BASE64URL_NOPAD.decode(signature.as_bytes()) else { return Signature::Wrong };
    match UnparsedPublicKey::new(&ED25519, key).verify(signed, &signature) {
        Ok(()) => Signature::Verified,
        Err(_) => Signature::Wrong,
    }
}

/// The bytes of a public key: in base 32, a byte for the role, the key, and a checksum.
fn public_key(text: &str) -> Option<[u8; 32]> {
    let bytes = BASE32_NOPAD.decode(text.as_bytes()).ok()?;
    let (content, checksum) = bytes.split_last_chunk::<2>()?;
    if checksum16(content) != u16::from_le_bytes(*checksum) {
        return None;
    }
    content.get(1..)?.try_into().ok()
}

/// CRC-16/XMODEM.
fn checksum16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |checksum, byte| {
        (0..8).fold(checksum ^ (u16::from(*byte) << 8), |checksum, _| {
            if checksum & 0x8000 == 0 { checksum << 1 } else { (checksum << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;
    use crate::properties::check_token;

    pub(crate) fn key_pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    /// A key as NATS writes it; the role of an account.
    pub(crate) fn key_text(pair: &Ed25519KeyPair) -> String {
        let mut bytes = vec![0];
        bytes.extend(pair.public_key().as_ref());
        bytes.extend(checksum16(&bytes).to_le_bytes());
        BASE32_NOPAD.encode(&bytes)
    }

    /// A signed token.
    pub(crate) fn token(pair: &Ed25519KeyPair, payload: &str) -> String {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let signed = format!("{}.{}", encode(r#"{"typ":"jwt","alg":"Ed25519"}"#), encode(payload));
        let signature = BASE64URL_NOPAD.encode(pair.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }

    fn payload(issuer: &str, more: &str) -> String {
        format!(r#"{{"jti":"1","iat":1700000000,"iss":"{issuer}","sub":"MABC"{more}}}"#)
    }

    #[test]
    fn a_signature_is_the_issuers_or_not() {
        let pair = key_pair(1);
        let good =
            token(&pair, &payload(&key_text(&pair), r#","wascap":{"name":"Echo","caps":["wasmcloud:httpserver"]}"#));
        let claims = parse(good.as_bytes(), 1_800_000_000).unwrap().data;
        assert_eq!(claims.signature, Signature::Verified);
        assert_eq!((claims.name.as_deref(), claims.subject.as_str()), (Some("Echo"), "MABC"));
        assert_eq!(claims.capabilities, ["wasmcloud:httpserver"]);
        // Signed by somebody else than it says.
        let other = token(&key_pair(2), &payload(&key_text(&pair), ""));
        assert_eq!(parse(other.as_bytes(), 0).unwrap().data.signature, Signature::Wrong);
        let no_key = token(&pair, &payload("me", ""));
        assert_eq!(parse(no_key.as_bytes(), 0).unwrap().data.signature, Signature::UnknownKey);
        // One letter of the key is another.
        let mut typed = key_text(&pair).into_bytes();
        typed[10] = if typed[10] == b'A' { b'B' } else { b'A' };
        assert_eq!(public_key(std::str::from_utf8(&typed).unwrap()), None);
    }

    #[test]
    fn the_encoding_of_keys_is_that_of_nats() {
        // From the documentation of the nkeys crate.
        let key = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
        assert!(public_key(key).is_some());
    }

    #[test]
    fn validity_depends_on_the_time() {
        let pair = key_pair(1);
        let limited = token(&pair, &payload(&key_text(&pair), r#","nbf":100,"exp":200"#));
        let at = |now| parse(limited.as_bytes(), now).unwrap().data.validity;
        assert_eq!(
            [at(99), at(100), at(200), at(201)],
            [Validity::NotYet, Validity::Valid, Validity::Valid, Validity::Expired]
        );
    }

    #[test]
    fn the_content_is_what_was_signed_or_not() {
        let pair = key_pair(1);
        let module = wat::parse_str("(module (func (export \"f\")))").unwrap();
        let hash = hash_text(&module);
        let text = payload(&key_text(&pair), &format!(r#","wascap":{{"hash":"{hash}"}},"wascap_revision":3"#));
        let token = token(&pair, &text);
        let signed = |module: &[u8]| {
            let mut signed = module.to_vec();
            let section = wasm_encoder::CustomSection { name: "jwt".into(), data: token.as_bytes().into() };
            signed.push(0);
            wasm_encoder::Encode::encode(&section, &mut signed);
            signed
        };
        let check = |bytes: &[u8]| {
            let outline = washlib_component::outline(bytes).unwrap();
            of_binary(&outline, bytes).unwrap().unwrap().content_matches
        };
        assert_eq!(check(&signed(&module)), Some(true));
        assert_eq!(check(&signed(&wat::parse_str("(module (func (export \"g\")))").unwrap())), Some(false));
    }

    #[test]
    fn broken_tokens_are_no_claims_and_never_verified() {
        let pair = key_pair(1);
        let good = token(&pair, &payload(&key_text(&pair), r#","wascap":{"name":"Echo"}"#)).into_bytes();
        let mut read = 0;
        for position in 0..good.len() {
            for bit in 0..8 {
                let mut broken = good.clone();
                broken[position] ^= 1 << bit;
                check_token(&broken);
                if let Ok(claims) = parse(&broken, 0) {
                    read += 1;
                    assert_ne!(claims.data.signature, Signature::Verified, "{position} {bit}");
                }
            }
            assert!(parse(&good[..position], 0).ok().is_none_or(|claims| claims.data.signature != Signature::Verified));
        }
        assert!(read > 100, "{read}");
    }
}
