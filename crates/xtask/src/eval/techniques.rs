//! ATT&CK ids: which of them mean the same, and which the catalogue of threats names.

/// Ids that newer versions of ATT&CK gave to techniques, `(old, new)`. Version 19 split Defense
/// Evasion; what impairs defences has ids of its own since.
const RENAMED: &[(&str, &str)] = &[
    ("T1562", "T1685"),
    ("T1562.001", "T1685"),
    ("T1562.002", "T1685.001"),
    ("T1562.003", "T1690"),
    ("T1562.004", "T1686"),
    ("T1562.006", "T1685"),
    ("T1562.007", "T1686.001"),
    ("T1562.008", "T1685.002"),
    ("T1562.010", "T1689"),
    ("T1562.012", "T1685.004"),
    ("T1070.001", "T1685.005"),
    ("T1070.002", "T1685.006"),
    ("T1166", "T1548.001"),
    ("T1169", "T1548.003"),
    ("T1156", "T1546.004"),
    ("T1086", "T1059.001"),
    ("T1089", "T1562.001"),
    ("T1107", "T1070.004"),
    ("T1099", "T1070.006"),
    ("T1146", "T1070.003"),
    ("T1148", "T1562.003"),
    ("T1158", "T1564.001"),
    ("T1081", "T1552.001"),
    ("T1145", "T1552.004"),
    ("T1139", "T1552.003"),
    ("T1094", "T1095"),
    ("T1043", "T1571"),
    ("T1065", "T1571"),
    ("T1188", "T1090.003"),
    ("T1215", "T1547.006"),
    ("T1206", "T1548.003"),
    ("T1059.013", "T1609"),
];

/// Techniques that the catalogue of threats names, with those that stand for them in other
/// versions.
const CATALOGUE: &[&str] = &[
    "T1496", "T1036", "T1090", "T1027", "T1140", "T1105", "T1204", "T1059", "T1053", "T1611", "T1098",
    "T1136", "T1219", "T1572", "T1574", "T1014", "T1564", "T1489", "T1562", "T1685", "T1686", "T1610",
    "T1609", "T1068", "T1552", "T1528", "T1543", "T1046", "T1568", "T1071", "T1497", "T1070", "T1222",
    "T1546", "T1195", "T1554", "T1525", "T1612", "T1608", "T1498", "T1485", "T1486",
];

fn parent(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

/// The other ids of the same thing.
fn renamed(id: &str) -> impl Iterator<Item = &'static str> + '_ {
    RENAMED.iter().filter_map(move |(old, new)| {
        if *old == id {
            Some(*new)
        } else if *new == id {
            Some(*old)
        } else {
            None
        }
    })
}

/// Whether a finding with technique `found` shows the technique `wanted`: the same, its parent,
/// one of its sub-techniques, or what either is called in another version.
pub(crate) fn shows(found: &str, wanted: &str) -> bool {
    let related = |a: &str, b: &str| a == b || parent(a) == b || a == parent(b);
    related(found, wanted)
        || renamed(wanted).any(|other| related(found, other))
        || renamed(found).any(|other| related(other, wanted))
}

/// Whether the catalogue of threats names the technique or its parent.
pub(crate) fn in_catalogue(id: &str) -> bool {
    CATALOGUE.contains(&parent(id))
}

/// Kinds of act that must be accused, and not only seen, by the technique that is always one.
pub(crate) fn category(technique: &str) -> Option<&'static str> {
    Some(match technique {
        "T1053.003" => "cron persistence",
        "T1098.004" => "key persistence",
        "T1574.006" => "preload hijack",
        "T1611" => "escape",
        "T1496" | "T1496.001" => "miner start",
        "T1562.001" | "T1685" => "agent killer",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_sub_techniques_and_older_ids_show_each_other() {
        for (found, wanted) in [
            ("T1059.004", "T1059"),
            ("T1059", "T1059.004"),
            ("T1562.001", "T1685"),
            ("T1685", "T1562.001"),
            ("T1070.002", "T1685.006"),
            ("T1686", "T1562.004"),
        ] {
            assert!(shows(found, wanted), "{found} {wanted}");
        }
    }

    #[test]
    fn siblings_and_strangers_do_not() {
        for (found, wanted) in [("T1059.006", "T1059.004"), ("T1105", "T1059"), ("T1070.003", "T1685.006")] {
            assert!(!shows(found, wanted), "{found} {wanted}");
        }
    }
}
