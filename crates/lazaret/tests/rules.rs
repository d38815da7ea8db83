//! Rules on the command line: those that are built in, and a user's own.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::PathBuf;

use support::Place;

const GOOD: &str = r#"rule tells_a_secret
{
    meta:
        title = "tell a secret of the tests"
        explanation = "A word that only the tests know."
        class = "malware"
        severity = "high"
        confidence = "high"
        attack = "T1105"
    strings:
        $a = "the-secret-of-the-tests"
    condition:
        $a
}

/* example: fires on the word
    FILE /x.sh 0755
        #!/bin/sh
        echo the-secret-of-the-tests
*/
/* example: quiet on another word
    FILE /x.sh 0755
        #!/bin/sh
        echo something else
*/
"#;

fn directory(place: &Place, files: &[(&str, &str)]) -> PathBuf {
    let dir = place.path("own");
    fs::create_dir(&dir).unwrap();
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    dir
}

#[test]
fn every_rule_is_listed_and_each_can_be_explained() {
    let place = Place::new();
    let listed = place.run(&["rules", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let ids: Vec<&str> = listed.out.lines().map(|l| l.split_whitespace().next().unwrap()).collect();
    assert!(ids.len() > 40, "{listed:?}");
    assert!(ids.is_sorted() && ids.contains(&"impact/miner-on-start-path"), "{ids:?}");
    // A rule of each kind: bytes, behaviour, check.
    for id in ["impact/miner-program", "impact/miner-on-start-path", ids[0]] {
        let said = place.run(&["rules", "explain", id]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.starts_with(id), "{said:?}");
        for part in ["class ", "severity ", "confidence ", "from built-in"] {
            assert!(said.out.contains(part), "{id} lacks `{part}`: {said:?}");
        }
    }
    let unknown = place.run(&["rules", "explain", "no/such-rule"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.err.contains("no/such-rule") && unknown.err.contains("rules list"), "{unknown:?}");
}

#[test]
fn a_rule_of_ones_own_is_listed_explained_and_checked() {
    let place = Place::new();
    let dir = directory(&place, &[("secret.yar", GOOD)]);
    let dir = dir.to_str().unwrap();
    let checked = place.run(&["rules", "check", dir]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.out.contains("1 rules, 2 examples, 0 problems"), "{checked:?}");
    let listed = place.run(&["rules", "list", "--rules", dir]);
    let line = listed.out.lines().find(|l| l.contains("tell a secret of the tests")).unwrap();
    let id = line.split_whitespace().next().unwrap();
    let said = place.run(&["rules", "explain", "--rules", dir, id]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("A word that only the tests know.") && said.out.contains("T1105"), "{said:?}");
    assert!(said.out.contains("secret.yar"), "{said:?}");
}

#[test]
fn a_rule_that_does_not_fire_on_its_example_or_fires_on_a_near_miss_is_a_problem() {
    let place = Place::new();
    let deaf = GOOD.replace("$a = \"the-secret-of-the-tests\"", "$a = \"never-written\"");
    let eager =
        GOOD.replace("tells_a_secret", "eager").replace("$a = \"the-secret-of-the-tests\"", "$a = \"echo\"");
    let dir = directory(&place, &[("deaf.yar", &deaf), ("eager.yar", &eager)]);
    let said = place.run(&["rules", "check", dir.to_str().unwrap()]);
    assert_eq!(said.code, 1, "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 3, "{said:?}");
    assert!(lines[0].contains("deaf.yar:16") && lines[0].contains("must fire"), "{said:?}");
    assert!(lines[1].contains("eager.yar:21") && lines[1].contains("must stay quiet"), "{said:?}");
}

#[test]
fn a_rule_that_cannot_be_used_is_an_error_that_names_the_file() {
    for (name, text, part) in [
        ("broken.yar", "rule broken {\n  condition:\n    $nothing\n}\n".to_owned(), ":3"),
        ("odd.yar", GOOD.replace("\"malware\"", "\"badness\""), "badness"),
        ("broken.yml", "title: x\ndetection: [\n".to_owned(), ""),
    ] {
        let place = Place::new();
        let dir = directory(&place, &[(name, &text)]);
        for arguments in [
            vec!["rules", "check", dir.to_str().unwrap()],
            vec!["rules", "list", "--rules", dir.to_str().unwrap()],
            vec!["scan", "--no-store", "--rules", dir.to_str().unwrap(), "dir:."],
        ] {
            let said = place.run(&arguments);
            assert_eq!(said.code, 2, "{name} {arguments:?}: {said:?}");
            assert!(said.out.is_empty(), "{said:?}");
            assert!(said.err.contains(name) && said.err.contains(part), "{name} `{part}`: {said:?}");
        }
    }
}

/// Rules in the words of Sigma alone, as other people write them.
const OTHERS: &[(&str, &str)] = &[
    (
        "shadow_copy.yml",
        "title: Shadow File Is Copied\nid: 5d3c1f8e-2c52-4f3e-9d53-0b6a3f0f3f01\nstatus: test\nlevel: high\n\
         tags: [attack.credential-access, attack.t1003.008]\n\
         logsource: {category: process_creation, product: linux}\n\
         detection: {s: {Image|endswith: '/cp', CommandLine|contains: '/etc/shadow'}, condition: s}\n",
    ),
    (
        "timer.yml",
        "title: Timer Unit Is Written\nstatus: experimental\nlevel: medium\n\
         logsource: {category: file_event, product: linux}\n\
         detection: {s: {TargetFilename|endswith: '.timer'}, condition: s}\n",
    ),
    (
        "audit.yml",
        "title: World Writable\nstatus: test\nlevel: low\nlogsource: {service: auditd, product: linux}\n\
         detection: {s: {type: EXECVE, a0: chmod, a1: 777}, condition: s}\n",
    ),
    (
        "login.yml",
        "title: Many Failed Logins\nlogsource: {service: sshd, product: linux}\n\
         detection: {k: ['Failed password'], condition: k}\n",
    ),
    ("torn.yml", "title: Torn\nlogsource: {category: process_creation\n"),
];

#[test]
fn a_standard_pack_is_applied_unchanged_and_what_of_it_cannot_be_is_told() {
    let place = Place::new();
    let dir = directory(&place, OTHERS);
    let dir = dir.to_str().unwrap();
    let image = place.recipe(
        "image",
        "FILE /run.sh 0755\n    #!/bin/sh\n    cp /etc/shadow /data/\n    chmod 777 /data\n    exec app\nENTRYPOINT [\"/run.sh\"]\n",
    );
    let reference = format!("oci:{}", image.display());
    let said = place.run(&["scan", "--no-store", "--rules", dir, &reference]);
    // High, but of others, and no more than a lead.
    assert_eq!(said.code, 0, "{said:?}");
    for part in ["“Shadow File Is Copied”", "“World Writable”", "T1003.008", "3 of 5 rules applied"] {
        assert!(said.out.contains(part), "lacks `{part}`: {said:?}");
    }
    let words: Vec<&str> = said.out.split_whitespace().collect();
    assert!(words.join(" ").contains("`lazaret rules list --rules"), "{said:?}");
    assert!(said.err.contains("left out: ") && said.err.contains("torn.yml"), "{said:?}");
    let listed = place.run(&["rules", "list", "--rules", dir]);
    assert_eq!(listed.code, 0, "{listed:?}");
    for part in
        ["3 of 5 rules can be applied", "login.yml: `Many Failed Logins` reads the log of sshd", "broken: "]
    {
        assert!(listed.out.contains(part), "lacks `{part}`: {listed:?}");
    }
    let json = place.run(&["scan", "--no-store", "--rules", dir, "-f", "json", &reference]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let pack = &json["reports"][0]["rulePacks"][0];
    assert_eq!((pack["rules"].as_u64(), pack["applied"].as_u64()), (Some(5), Some(3)), "{pack}");
    assert_eq!(pack["leftOut"].as_array().unwrap().len(), 2, "{pack}");
}

#[test]
fn a_directory_without_rules_is_an_error() {
    let place = Place::new();
    let dir = directory(&place, &[("README.md", "no rule")]);
    let said = place.run(&["rules", "check", dir.to_str().unwrap()]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("own"), "{said:?}");
}

#[test]
fn an_edited_rule_takes_effect_at_once() {
    let place = Place::new();
    let dir = directory(&place, &[("secret.yar", GOOD)]);
    let image = place
        .recipe("image", "FILE /x.sh 0755\n    #!/bin/sh\n    echo first second\nENTRYPOINT [\"/x.sh\"]\n");
    let scan = || {
        let reference = format!("oci:{}", image.display());
        place.run(&["scan", "--only-rules", "--rules", dir.to_str().unwrap(), &reference]).code
    };
    assert_eq!(scan(), 0);
    fs::write(
        dir.join("secret.yar"),
        GOOD.replace("$a = \"the-secret-of-the-tests\"", "$a = \"first second\""),
    )
    .unwrap();
    assert_eq!(scan(), 1);
    fs::write(dir.join("secret.yar"), GOOD).unwrap();
    assert_eq!(scan(), 0);
}

#[test]
fn a_new_rule_is_one_that_passes_its_check_as_it_stands() {
    let place = Place::new();
    for (id, flags) in [("impact/own-bytes", &[][..]), ("impact/own-behaviour", &["--sigma"])] {
        let arguments = [&["rules", "new", id, "--into", "own"], flags].concat();
        let made = place.run(&arguments);
        assert_eq!(made.code, 0, "{made:?}");
        let (_, advice) = made.out.trim_end().split_once("next: lazaret ").unwrap();
        let checked = place.run(&advice.split(' ').collect::<Vec<_>>());
        assert_eq!(checked.code, 0, "{advice}: {checked:?}");
        assert!(checked.out.contains("1 rules") && checked.out.contains("0 problems"), "{checked:?}");
        // What a person wrote since is not overwritten.
        let again = place.run(&arguments);
        assert_eq!(again.code, 2, "{again:?}");
        assert!(again.err.contains("is there already"), "{again:?}");
    }
    let wrong = place.run(&["rules", "new", "../escape", "--into", "own"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}
