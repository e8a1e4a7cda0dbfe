//! Finds the subscriptions whose patterns cover a subject, without looking at the others.
//!
//! It knows nothing of queue groups or delivery: it maps patterns to values.

use std::collections::HashMap;

use super::subject::{Pattern, Subject, Token};

/// Values by pattern, one level per token.
#[derive(Debug)]
pub(super) struct SubjectTree<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    literal: HashMap<Box<str>, Node<T>>,
    any_token: Option<Box<Node<T>>>,
    /// Values of patterns that end here with `>`.
    any_rest: Vec<T>,
    /// Values of patterns that end with the token of this node.
    exact: Vec<T>,
}

impl<T> Default for SubjectTree<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literal: HashMap::new(), any_token: None, any_rest: Vec::new(), exact: Vec::new() }
    }
}

impl<T> SubjectTree<T> {
    pub(super) fn insert(&mut self, pattern: &Pattern, value: T) {
        let mut node = &mut self.root;
        for token in pattern.tokens() {
            node = match token {
                Token::Literal(literal) => node.literal.entry(literal.into()).or_default(),
                Token::Any => node.any_token.get_or_insert_default(),
                Token::Rest => return node.any_rest.push(value),
            };
        }
        node.exact.push(value);
    }

    /// Takes away the values of a pattern that the predicate picks, and the levels that are empty then.
    pub(super) fn remove(&mut self, pattern: &Pattern, picks: impl Fn(&T) -> bool) {
        remove(&mut self.root, &mut pattern.tokens(), &picks);
    }

    /// Every value whose pattern covers the subject, once per such pattern, in no particular order.
    pub(super) fn matching(&self, subject: &Subject) -> Vec<&T> {
        let tokens: Vec<&str> = subject.tokens().collect();
        let mut found = Vec::new();
        // A node is reached by one path only, so no visit is repeated however many wildcards there are.
        let mut open = vec![(&self.root, 0)];
        while let Some((node, depth)) = open.pop() {
            let Some(token) = tokens.get(depth) else {
                found.extend(&node.exact);
                continue;
            };
            found.extend(&node.any_rest);
            open.extend(node.literal.get(*token).map(|child| (child, depth + 1)));
            open.extend(node.any_token.as_deref().map(|child| (child, depth + 1)));
        }
        found
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl<T> Node<T> {
    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any_token.is_none() && self.any_rest.is_empty() && self.exact.is_empty()
    }
}

/// Recurses once per token, of which a pattern has at most half as many as bytes.
fn remove<'a, T>(node: &mut Node<T>, tokens: &mut dyn Iterator<Item = Token<'a>>, picks: &dyn Fn(&T) -> bool) {
    match tokens.next() {
        None => node.exact.retain(|value| !picks(value)),
        Some(Token::Rest) => node.any_rest.retain(|value| !picks(value)),
        Some(Token::Any) => {
            if let Some(child) = &mut node.any_token {
                remove(child, tokens, picks);
            }
            node.any_token.take_if(|child| child.is_empty());
        }
        Some(Token::Literal(literal)) => {
            let Some(child) = node.literal.get_mut(literal) else { return };
            remove(child, tokens, picks);
            if child.is_empty() {
                node.literal.remove(literal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    fn subject(text: &str) -> Subject {
        Subject::parse(text).unwrap()
    }

    fn matches(pattern_text: &str, subject_text: &str) -> bool {
        let mut tree = SubjectTree::default();
        tree.insert(&pattern(pattern_text), ());
        !tree.matching(&subject(subject_text)).is_empty()
    }

    #[test]
    fn patterns_cover_what_nats_says_they_cover() {
        for (pattern, subject, expected) in [
            ("a", "a", true),
            ("a", "A", false),
            ("a", "a.b", false),
            ("a.b", "a", false),
            ("a.b", "a.b", true),
            ("*", "a", true),
            ("*", "a.b", false),
            ("a.*", "a", false),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("*.b", "a.b", true),
            ("*.b", "a.c", false),
            ("*.*", "a.b", true),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.b.d", false),
            (">", "a", true),
            (">", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "a.b", true),
            ("a.>", "a.b.c.d", true),
            ("a.>", "b.a", false),
            ("a.*.>", "a.b", false),
            ("a.*.>", "a.b.c", true),
            ("*.>", "a", false),
            ("a*", "a*", true),
            ("a*", "ab", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} against {subject}");
        }
    }

    #[test]
    fn what_is_removed_is_found_no_more_and_leaves_nothing() {
        let mut tree = SubjectTree::default();
        let patterns = ["a.b", "a.*", "a.>", ">", "*.b"].map(pattern);
        for (index, pattern) in patterns.iter().enumerate() {
            tree.insert(pattern, index);
            tree.insert(pattern, index + 100);
        }
        for (index, pattern) in patterns.iter().enumerate() {
            tree.remove(pattern, |value| *value == index);
            let found = tree.matching(&subject("a.b"));
            assert!(!found.contains(&&index) && found.contains(&&(index + 100)));
        }
        tree.remove(&pattern("never.there"), |_| true);
        for pattern in &patterns {
            tree.remove(pattern, |_| true);
        }
        assert!(tree.is_empty());
    }

    /// NATS's definition, token by token.
    fn covers(pattern: &[&str], subject: &[&str]) -> bool {
        match (pattern, subject) {
            ([], []) => true,
            ([">"], [_, ..]) => true,
            ([token, pattern @ ..], [literal, subject @ ..]) => {
                (*token == "*" || token == literal) && covers(pattern, subject)
            }
            _ => false,
        }
    }

    /// A xorshift generator: the same cases in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % bound as u64).unwrap()
        }

        fn tokens(&mut self, alphabet: &[&'static str]) -> Vec<&'static str> {
            let length = 1 + self.below(5);
            (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
        }
    }

    #[test]
    fn the_tree_agrees_with_the_definition() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut hits = 0;
        for _ in 0..300 {
            let mut tree = SubjectTree::default();
            let mut patterns: Vec<Vec<&str>> = Vec::new();
            for index in 0..40 {
                let mut tokens = random.tokens(&["a", "b", "c", "*", "*"]);
                if random.below(4) == 0 {
                    tokens.push(">");
                }
                tree.insert(&pattern(&tokens.join(".")), index);
                patterns.push(tokens);
            }
            // A third goes again, so that removal takes part.
            for index in (0..40).step_by(3) {
                tree.remove(&pattern(&patterns[index].join(".")), |value| *value == index);
            }
            for _ in 0..20 {
                let tokens = random.tokens(&["a", "b", "c", "d"]);
                let mut found: Vec<usize> = tree.matching(&subject(&tokens.join("."))).into_iter().copied().collect();
                found.sort_unstable();
                let expected: Vec<usize> =
                    (0..40).filter(|index| index % 3 != 0 && covers(&patterns[*index], &tokens)).collect();
                hits += expected.len();
                assert_eq!(found, expected, "{tokens:?} against {patterns:?}");
            }
        }
        assert!(hits > 1_000, "the generator should produce matches, it made {hits}");
    }
}
