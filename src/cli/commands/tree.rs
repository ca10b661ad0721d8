use std::path::Path;

use clap::Args;

use crate::cli::fleet::Of;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::tree::{Node, Tree, tree};

/// Draw which images and domains depend on which
///
/// Bases first, above them their overlays, and beside each image the domains
/// that have it as a disk. Overlays that no domain uses are told as such.
#[derive(Debug, Args)]
pub(in crate::cli) struct TreeArgs {
    /// Print a graph in the language of Graphviz: `vmkin tree --dot | dot -Tsvg`
    #[arg(long, conflicts_with = "json")]
    dot: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &TreeArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let (trees, failed) = fleet.ask(tree)?;
    let text = match args.dot {
        true => dot(&trees),
        false => trees.iter().map(drawing).collect(),
    };
    match trees.as_slice() {
        // Of one host it is not a list of one.
        [tree] if fleet.is_one() => ui.result(&text, tree)?,
        trees => ui.result(&text, &trees)?,
    }
    for tree in &trees {
        for problem in &tree.what.problems {
            ui.warning(&tree.said(problem));
        }
    }
    fleet.verdict(trees.len(), failed)
}

fn drawing(
    Of {
        host, what: tree, ..
    }: &Of<Tree>,
) -> String {
    let mut text = String::new();
    if let Some(host) = host {
        text.push_str(&format!("{}:\n", one_line(host)));
    }
    for root in &tree.roots {
        line(&mut text, "", root, None);
        branches(&mut text, "", root);
    }
    text
}

fn branches(text: &mut String, indent: &str, node: &Node) {
    let last = node.overlays.len();
    for (index, overlay) in node.overlays.iter().enumerate() {
        let (branch, below) = if index + 1 == last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        line(
            text,
            &format!("{indent}{branch}"),
            overlay,
            node.path.parent(),
        );
        branches(text, &format!("{indent}{below}"), overlay);
    }
}

/// One image: its path (its name alone, in the directory of the one below it),
/// what it takes, and who uses it.
fn line(text: &mut String, before: &str, node: &Node, dir: Option<&Path>) {
    let path = match (dir, node.path.file_name()) {
        (Some(dir), Some(name)) if node.path.parent() == Some(dir) => name.to_string_lossy(),
        _ => node.path.to_string_lossy(),
    };
    text.push_str(&format!("{before}{}  {}", one_line(&path), node.format));
    if let Some(allocated) = node.allocated {
        text.push_str(&format!("  {allocated}"));
    }
    if node.sealed {
        text.push_str("  sealed");
    }
    for user in &node.users {
        let name = one_line(&user.domain);
        text.push_str(&format!("  [{name} {}: {}]", user.target, user.state));
    }
    if node.is_orphan() {
        text.push_str("  (no domain uses it)");
    }
    text.push('\n');
}

fn dot(trees: &[Of<Tree>]) -> String {
    let mut text = "digraph vmkin {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for tree in trees {
        for root in &tree.what.roots {
            dot_node(&mut text, root, tree);
        }
    }
    text.push_str("}\n");
    text
}

fn dot_node(text: &mut String, node: &Node, on: &Of<Tree>) {
    let id = quoted(&on.shown(&node.path.to_string_lossy()));
    let style = match (node.sealed, node.is_orphan()) {
        (_, true) => " [style=dashed]",
        (true, false) => " [style=bold]",
        (false, false) => "",
    };
    text.push_str(&format!("  {id}{style};\n"));
    for user in &node.users {
        let name = quoted(&format!("domain {}", on.shown(&user.domain)));
        let label = quoted(user.target.as_str());
        text.push_str(&format!(
            "  {name} [shape=ellipse, label={}];\n",
            quoted(&user.domain)
        ));
        text.push_str(&format!("  {id} -> {name} [label={label}];\n"));
    }
    for overlay in &node.overlays {
        text.push_str(&format!(
            "  {id} -> {};\n",
            quoted(&on.shown(&overlay.path.to_string_lossy()))
        ));
        dot_node(text, overlay, on);
    }
}

/// A string in the language of Graphviz.
fn quoted(text: &str) -> String {
    let text = one_line(text).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_cannot_end_the_string_it_is_in() {
        assert_eq!(quoted("a\"];b"), "\"a\\\"];b\"");
        assert_eq!(quoted("a\\"), "\"a\\\\\"");
    }
}
