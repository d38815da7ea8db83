//! The graph for tools that draw and measure graphs (<http://graphml.graphdrawing.org/>).

use std::collections::BTreeMap;

use lazaret_model::{Campaign, one_line};

use super::members::{self, Names};
use crate::junit::escape;

/// Characters of one attribute.
const MOST: usize = 2_000;

const KEYS: [(&str, &str, &str); 12] = [
    ("node", "kind", "string"),
    ("node", "label", "string"),
    ("node", "value", "string"),
    ("node", "digest", "string"),
    ("node", "created", "string"),
    ("node", "updated", "string"),
    ("node", "pulls", "long"),
    ("node", "does", "string"),
    ("node", "bits", "double"),
    ("edge", "kind", "string"),
    ("edge", "weight", "double"),
    ("edge", "why", "string"),
];

/// Images (`i0` …), accounts (`a0` …) and indicators (`s0` …) as nodes; who published, what holds
/// what, what is built on what and what is tied as edges.
pub fn render(campaign: &Campaign) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    for (of, name, kind) in KEYS {
        out.push_str(&format!(
            "  <key id=\"{}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{kind}\"/>\n",
            key(of, name)
        ));
    }
    out.push_str(&format!("  <graph id=\"{}\" edgedefault=\"undirected\">\n", attribute(&campaign.id)));
    out.push_str(&format!("    <desc>{}</desc>\n", attribute(&campaign.title)));
    let mut graph = Graph { out, edges: 0 };
    graph.nodes(campaign);
    graph.edges(campaign);
    graph.out.push_str("  </graph>\n</graphml>\n");
    graph.out
}

struct Graph {
    out: String,
    edges: usize,
}

fn key(of: &str, name: &str) -> String {
    format!("{}-{name}", &of[..1])
}

fn attribute(text: &str) -> String {
    escape(&one_line(text, MOST))
}

/// A number that XML Schema knows as a double.
fn number(value: f64) -> String {
    if value.is_finite() { format!("{:.3}", value.max(0.0)) } else { "0".to_owned() }
}

impl Graph {
    fn data(&mut self, of: &str, values: &[(&str, &str)]) {
        for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
            self.out.push_str(&format!(
                "      <data key=\"{}\">{}</data>\n",
                key(of, name),
                attribute(value)
            ));
        }
    }

    fn node(&mut self, id: &str, values: &[(&str, &str)]) {
        self.out.push_str(&format!("    <node id=\"{id}\">\n"));
        self.data("node", values);
        self.out.push_str("    </node>\n");
    }

    fn edge(&mut self, from: &str, to: &str, values: &[(&str, &str)]) {
        let id = self.edges;
        self.edges += 1;
        self.out.push_str(&format!("    <edge id=\"e{id}\" source=\"{from}\" target=\"{to}\">\n"));
        self.data("edge", values);
        self.out.push_str("    </edge>\n");
    }

    fn nodes(&mut self, campaign: &Campaign) {
        let names = Names::of(campaign);
        for (at, account) in accounts(campaign).iter() {
            let known = campaign.accounts.iter().find(|a| a.name == *at);
            let pulls = known.and_then(|a| a.pulls).map(long).unwrap_or_default();
            self.node(&format!("a{account}"), &[("kind", "account"), ("label", at), ("pulls", &pulls)]);
        }
        for (at, m) in campaign.members.iter().enumerate() {
            self.node(
                &format!("i{at}"),
                &[
                    ("kind", "image"),
                    ("label", &names.short(at)),
                    ("value", &members::member_reference(m)),
                    ("digest", &m.digest.to_string()),
                    ("created", m.created.as_deref().unwrap_or_default()),
                    ("updated", m.updated.as_deref().unwrap_or_default()),
                    ("pulls", &m.pulls.map(long).unwrap_or_default()),
                    ("does", &members::does(m)),
                ],
            );
        }
        for (at, shared) in campaign.shared.iter().enumerate() {
            self.node(
                &format!("s{at}"),
                &[
                    ("kind", shared.indicator.kind.name()),
                    ("label", &one_line(&shared.indicator.value, 40)),
                    ("value", &shared.indicator.value),
                    ("bits", &number(shared.bits)),
                ],
            );
        }
    }

    fn edges(&mut self, campaign: &Campaign) {
        let accounts = accounts(campaign);
        let count = campaign.members.len();
        for (at, m) in campaign.members.iter().enumerate() {
            if let Some(account) = m.account.as_deref().and_then(|name| accounts.get(name)) {
                let published = [("kind", "published"), ("weight", "0")];
                self.edge(&format!("a{account}"), &format!("i{at}"), &published);
            }
            if let Some(below) = m.built_on.filter(|below| *below < count) {
                self.edge(&format!("i{at}"), &format!("i{below}"), &[("kind", "built on"), ("weight", "0")]);
            }
        }
        for (at, shared) in campaign.shared.iter().enumerate() {
            let values = [("kind", "holds"), ("weight", &*number(shared.bits)), ("why", &shared.why)];
            for member in shared.members.iter().filter(|member| **member < count) {
                self.edge(&format!("i{member}"), &format!("s{at}"), &values);
            }
        }
        for tie in campaign.ties.iter().filter(|tie| tie.a < count && tie.b < count) {
            let why: Vec<&str> = tie.reasons.iter().map(|reason| reason.what.as_str()).collect();
            let values = [("kind", "tied"), ("weight", &*number(tie.bits)), ("why", &why.join("; "))];
            self.edge(&format!("i{}", tie.a), &format!("i{}", tie.b), &values);
        }
    }
}

/// XML Schema's `long` is signed.
fn long(value: u64) -> String {
    value.min(i64::MAX as u64).to_string()
}

/// Each account once, numbered by name.
fn accounts(campaign: &Campaign) -> BTreeMap<&str, usize> {
    let named = campaign.accounts.iter().map(|a| a.name.as_str());
    let published = campaign.members.iter().filter_map(|m| m.account.as_deref());
    let mut all: BTreeMap<&str, usize> = named.chain(published).map(|name| (name, 0)).collect();
    for (at, number) in all.values_mut().enumerate() {
        *number = at;
    }
    all
}
