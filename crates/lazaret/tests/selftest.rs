//! `lazaret selftest` and the images that the program brings along.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::Place;

/// Every line that is not as it should be.
fn wrong(text: &str) -> Vec<&str> {
    text.lines().filter(|l| l.starts_with("WRONG")).collect()
}

#[test]
fn the_line_up_is_seventeen_images_and_each_is_called_what_it_is() {
    let said = Place::new().run(&["selftest"]);
    assert_eq!((said.code, wrong(&said.out)), (0, vec![]), "{said:?}");
    assert_eq!(said.out.lines().filter(|l| l.starts_with("ok    malicious")).count(), 17, "{said:?}");
    assert!(said.out.ends_with("17 images, 0 judged otherwise than they are\n"), "{said:?}");
}

/// Images that honest people run, and that hold what malicious ones hold.
const NEAR_MISSES: [&str; 12] = [
    "01-honest-miner",
    "01b-monero-node",
    "03-pool-block-list",
    "13-ci-pipes-curl-to-sh",
    "16-database-runs-cron",
    "18-git-server-keys",
    "20-documentation-of-reverse-shells",
    "25-falco-rules",
    "25c-miner-removal-tool",
    "29-node-shell",
    "30b-pentest-toolbox",
    "61-antivirus-signatures",
];

#[test]
fn what_could_be_mistaken_for_malicious_is_not() {
    let place = Place::new();
    let references: Vec<String> = NEAR_MISSES.iter().map(|name| format!("lab:near-miss/{name}")).collect();
    let mut arguments = vec!["scan", "--no-store"];
    arguments.extend(references.iter().map(String::as_str));
    let (said, report) = place.json(&arguments);
    assert_eq!(said.code, 0, "{}", said.err);
    let reports = report["reports"].as_array().unwrap();
    assert_eq!(reports.len(), NEAR_MISSES.len());
    for report in reports {
        assert_eq!(
            report["verdict"]["outcome"], "clean",
            "{}: {}",
            report["reference"], report["verdict"]["why"]
        );
    }
}

#[test]
fn the_self_test_fails_where_something_is_judged_wrongly_and_names_it() {
    let place = Place::new();
    let said = place.run(&["selftest", "all"]);
    assert!(said.out.lines().count() > 150, "{said:?}");
    assert_eq!(said.code == 0, wrong(&said.out).is_empty(), "{said:?}");
    assert_eq!(place.run(&["selftest", "nonsense"]).code, 2);
}

#[test]
fn the_demonstration_is_scanned_like_any_image() {
    let place = Place::new();
    let said = place.run(&["scan", "--no-store", "lab:lineup"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.starts_with("malicious"), "{said:?}");
    let verdicts =
        said.out.lines().filter(|l| l.starts_with("malicious  lab:lineup/") && l.ends_with("(linux/amd64)"));
    assert_eq!(verdicts.count(), 17, "{said:?}");
    let one = place.run(&["scan", "--no-store", "lab:lineup/mysql3"]);
    assert_eq!(one.code, 1, "{one:?}");
    let none = place.run(&["scan", "--no-store", "lab:lineup/nothing"]);
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.err.contains("nothing"), "{none:?}");
}
