//! A graph in the languages of Graphviz and Mermaid.

use std::fmt::Write as _;

use crate::output::{GraphData, NodeKind};

/// Graphviz (<https://graphviz.org/doc/info/lang.html>).
pub(super) fn dot(graph: &GraphData) -> String {
    let mut text = String::from("digraph component {\n  rankdir=LR;\n");
    for node in &graph.nodes {
        let shape = match node.kind {
            NodeKind::Import => "cds",
            NodeKind::Component => "component",
            NodeKind::CoreModule => "box",
            NodeKind::Export => "rarrow",
        };
        let _ = writeln!(text, "  {} [label=\"{}\", shape={shape}];", node.id, dot_text(&node.label));
    }
    for edge in &graph.edges {
        let _ = writeln!(text, "  {} -> {} [label=\"{}\"];", edge.from, edge.to, dot_text(&edge.label));
    }
    text.push_str("}\n");
    text
}

fn dot_text(text: &str) -> String {
    crate::summary::printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Mermaid (<https://mermaid.js.org/syntax/flowchart.html>).
pub(super) fn mermaid(graph: &GraphData) -> String {
    let mut text = String::from("flowchart LR\n");
    for node in &graph.nodes {
        let (open, close) = match node.kind {
            NodeKind::Import => ("([", "])"),
            NodeKind::Component => ("[[", "]]"),
            NodeKind::CoreModule => ("[", "]"),
            NodeKind::Export => (">", "]"),
        };
        let _ = writeln!(text, "  {}{open}\"{}\"{close}", node.id, mermaid_text(&node.label));
    }
    for edge in &graph.edges {
        let label = if edge.label.is_empty() { String::new() } else { format!("|\"{}\"|", mermaid_text(&edge.label)) };
        let _ = writeln!(text, "  {} -->{label} {}", edge.from, edge.to);
    }
    text
}

/// What means something to Mermaid or to HTML is written as an entity.
fn mermaid_text(text: &str) -> String {
    let mut escaped = String::new();
    for c in crate::summary::printable(text).chars() {
        match c {
            '"' | '<' | '>' | '&' | '#' | '`' | '\\' => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{GraphEdge, GraphNode};

    #[test]
    fn names_cannot_leave_their_quotes() {
        let node = |id: &str, label: &str, kind| GraphNode { id: id.to_owned(), label: label.to_owned(), kind };
        let graph = GraphData {
            nodes: vec![node("n0", "a\"];\nx", NodeKind::Import), node("n1", "b\\", NodeKind::Export)],
            edges: vec![GraphEdge { from: "n0".into(), to: "n1".into(), label: "<script>".into() }],
        };
        let dot = dot(&graph);
        assert!(dot.contains(r#"n0 [label="a\"];�x", shape=cds];"#) && dot.contains(r#"label="b\\""#), "{dot}");
        let mermaid = mermaid(&graph);
        assert!(mermaid.contains("n0 -->|\"#60;script#62;\"| n1") && !mermaid.contains("a\"]"), "{mermaid}");
    }
}
