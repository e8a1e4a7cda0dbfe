//! The header `WWW-Authenticate`: how a registry wants to be shown who asks.
//!
//! Reads RFC 9110's grammar as registries write it; authenticates nobody.

/// What a registry asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Challenge {
    /// A user and password with each request.
    Basic,
    /// A token from a server.
    Bearer {
        /// The server's URL.
        realm: String,
        /// What the server calls the registry.
        service: Option<String>,
        /// What the token must allow.
        scope: Option<String>,
    },
}

/// The best challenge in the headers: a token before a password; none where there is none that is known.
pub(crate) fn best<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Challenge> {
    let all: Vec<Challenge> = headers.flat_map(parse).collect();
    let bearer = all.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or_else(|| all.first()).cloned()
}

/// All known challenges of one header.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', ',']).unwrap_or(rest.len());
        let scheme = rest[..end].to_ascii_lowercase();
        let (parameters, after) = parameters(&rest[end..]);
        rest = after;
        let value = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        match scheme.as_str() {
            "basic" => challenges.push(Challenge::Basic),
            "bearer" => {
                if let Some(realm) = value("realm") {
                    challenges.push(Challenge::Bearer { realm, service: value("service"), scope: value("scope") });
                }
            }
            _ => {}
        }
    }
    challenges
}

/// Reads `key=value` pairs up to the next scheme; returns them and what follows.
fn parameters(text: &str) -> (Vec<(String, String)>, &str) {
    let mut parameters = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some(equals) = rest.find('=') else { return (parameters, rest) };
        let key = rest[..equals].trim();
        // A blank before the equals sign: the next scheme begins here.
        if key.is_empty() || key.contains([' ', ',']) {
            return (parameters, if key.is_empty() { "" } else { rest });
        }
        let (value, after) = value(rest[equals + 1..].trim_start());
        parameters.push((key.to_ascii_lowercase(), value));
        rest = after;
    }
}

/// A token or a quoted string, and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Some(Challenge::Bearer { realm: realm.to_owned(), service: own(service), scope: own(scope) })
    }

    #[test]
    fn challenges_as_registries_write_them() {
        let best = |header: &str| best([header].into_iter());
        let full = r#"Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push""#;
        assert_eq!(best(full), bearer("https://auth.example/token", Some("reg"), Some("repository:a/b:pull,push")));
        assert_eq!(best(r#"bearer realm="https://a", error="invalid_token""#), bearer("https://a", None, None));
        assert_eq!(best(r#"Basic realm="x""#), Some(Challenge::Basic));
        assert_eq!(best("Basic"), Some(Challenge::Basic));
        assert_eq!(
            best(r#"Basic realm="x", Bearer realm="https://b",service=s"#),
            bearer("https://b", Some("s"), None)
        );
        assert_eq!(best(r#"Negotiate abc=, Basic realm="x""#), Some(Challenge::Basic));
        assert_eq!(best("Bearer"), None);
        assert_eq!(best(r#"Bearer realm="unclosed"#), bearer("unclosed", None, None));
        assert_eq!(best(""), None);
    }

    #[test]
    fn no_header_makes_it_panic_or_hang() {
        let alphabet = ['B', 'a', 's', 'i', 'c', ' ', ',', '=', '"', '\\', 'é'];
        let mut state = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..(state >> 40) % 16 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
            let _ = parse(&text);
        }
    }
}
