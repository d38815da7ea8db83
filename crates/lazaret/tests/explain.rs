//! `lazaret explain`: the story that a person reads.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/schema.rs"]
mod schema;
mod support;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use support::Place;

/// The stories of the line-up by name, their line breaks made spaces; told once for all tests,
/// because each start of the program makes its rules ready anew.
static LINEUP: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let place = Place::new();
    let said = place.run_with(&["explain", "-q", "lab:lineup"], &[("COLUMNS", "160")]);
    assert!(matches!(said.code, 0 | 3), "{said:?}");
    let mut stories: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in said.out.lines() {
        if let Some((_, rest)) = line.split_once("  lab:lineup/") {
            name = rest.split(':').next().unwrap().to_owned();
        }
        stories.entry(name.clone()).or_default().push_str(&format!("{line} "));
    }
    stories.into_iter().map(|(name, story)| (name, flat(&story))).collect()
});

fn story(reference: &str) -> String {
    let name = reference.strip_prefix("lab:lineup/").unwrap();
    LINEUP.get(name).unwrap_or_else(|| panic!("{name} is not told of")).clone()
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn tells(story: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(story.contains(sentence), "`{sentence}` is not in:\n{story}");
    }
}

const POOL: &str = "xmr.pool-eu.test:";
const WALLET: &str = "what it earns goes to the wallet xmr:4";
const DOOR: &str = "downloads http://203.0.113.66:8220/logo3.jpg and runs whatever comes back";

#[test]
fn an_image_is_told_as_it_is_run_and_then_its_mounts_are_no_guess() {
    let place = Place::new();
    let words = "docker run --privileged -v /etc:/mnt/etc:rw -v data:/data x";
    let said = place.run_with(&["explain", "-q", "--as", words, "lab:lineup/cron"], &[("COLUMNS", "160")]);
    tells(
        &flat(&said.out),
        &[
            "Privileged: it has all rights of root on the host, and its devices",
            "The host's /etc is mounted at /mnt/etc",
            "The volume data is mounted at /data",
            "writes /mnt/etc/cron.d/sysupdate: the host's /etc/cron.d/sysupdate",
        ],
    );
    assert!(!said.out.contains("as this image expects"), "{}", said.out);
}

#[test]
fn a_schedule_on_the_host_is_told_with_the_hosts_path_and_with_what_it_does() {
    tells(
        &story("lab:lineup/cron"),
        &[
            "writes /mnt/etc/cron.d/sysupdate: the host's /etc/cron.d/sysupdate, if the host's /etc is mounted at /mnt/etc, as this image expects",
            &format!("every minute as root, the host {DOOR}"),
            "In the end it runs cron -f, a scheduler",
            "[/usr/bin/cron.sh:4]",
        ],
    );
    tells(
        &story("lab:lineup/cronm"),
        &[
            "writes /mnt/var/spool/cron/crontabs/root: the host's /var/spool/cron/crontabs/root",
            &format!("every minute, the host {DOOR}"),
            "In the end it runs cron -f",
        ],
    );
    tells(
        &story("lab:lineup/mysql"),
        &[
            "If the file /mnt/etc/crontab is there, it adds to /mnt/etc/crontab: the host's /etc/crontab",
            &format!("every minute as root, the host {DOOR}"),
            "It asks for a part of the host to be mounted at /mnt/etc",
            "so that the container stays up",
        ],
    );
}

#[test]
fn a_change_of_root_into_the_host_is_told_as_the_host() {
    tells(
        &story("lab:lineup/mysql0"),
        &[
            "makes /hostroot its root folder and works in there. It is the host's file system, if that is mounted there as this image expects",
            "the host's /var/spool/cron/crontabs/root",
            &format!("every minute, the host {DOOR}"),
            "stays alive and does nothing",
        ],
    );
}

#[test]
fn a_key_on_the_host_is_told_with_who_can_log_in() {
    let key = "whoever holds the key of root@build7 can from then on log in to the host as root";
    let file = "adds to /mnt/root/.ssh/authorized_keys: the host's /root/.ssh/authorized_keys";
    tells(&story("lab:lineup/cronnn"), &[key, file]);
    let both = story("lab:lineup/mysql6");
    tells(&both, &[key, file, "adds to /mnt/etc/crontab: the host's /etc/crontab"]);
    tells(&both, &[&format!("every minute as root, the host {DOOR}")]);
}

#[test]
fn a_shell_that_is_handed_out_is_told_with_whom_to() {
    tells(
        &story("lab:lineup/t1"),
        &[
            "hands a shell, /bin/bash -i, to whoever answers at 203.0.113.66:8221: they can do all that this container can",
        ],
    );
    tells(&story("lab:lineup/t2"), &["/srv/app.py", "hands a shell to somebody outside"]);
}

#[test]
fn a_miner_is_told_with_its_pool_and_who_earns() {
    let mines = format!("mines cryptocurrency on this machine, at the pool {POOL}");
    for (name, more) in [
        ("data", &["/data/xmrig mines"][..]),
        ("kk", &["/app/main.py"]),
        ("mysql2", &["/usr/local/sbin/mysqld mines"]),
        (
            "mysql3",
            &["/var/tmp/atd mines", "in the background", "vm.nr_hugepages", "In the end it runs mysqld"],
        ),
        ("mysql4", &["/usr/sbin/mysqlcheckd mines"]),
        ("mysql5", &["kworker mines", "it is unpacked from /opt/data.tar.gz", "In the end it runs mysqld"]),
        (
            "tomcat",
            &[
                "/usr/local/tomcat/bin/jsvc-agent mines",
                "again and again, without end",
                "In the end it runs the Java program org.apache.catalina.startup.Bootstrap",
            ],
        ),
        (
            "tomcat11",
            &[
                "/usr/local/tomcat/lib/tcnative mines",
                "in the background",
                "startup.Bootstrap start, as root",
            ],
        ),
        ("tomcat22", &["/usr/lib/jvm/java mines"]),
    ] {
        let story =
            story(&format!("lab:lineup/{name}")).replace("stratum+tcp://", "").replace("stratum+ssl://", "");
        tells(&story, &[&mines, WALLET]);
        tells(&story, more);
    }
}

/// A web server as official images start one, in words of our own.
const NGINX: &str = r#"
FILE /etc/os-release
    PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
FILE /start.sh 0755
    #!/bin/sh
    set -e
    if [ "$1" = nginx ]; then
      for script in $(find /start.d -name '*.sh' | sort); do
        echo "running $script"
        . "$script"
      done
    fi
    mkdir -p /var/cache/nginx /var/log/nginx
    chown -R nginx /var/cache/nginx
    exec "$@"
FILE /start.d/10-ipv6.sh 0755
    grep -q listen /etc/nginx/conf.d/default.conf || true
ELF /usr/sbin/nginx 0755
    nginx version: nginx/1.25.3
ENTRYPOINT ["/start.sh"]
CMD ["nginx", "-g", "daemon off;"]
"#;

/// A database that prepares its folder once, likewise.
const POSTGRES: &str = r#"
FILE /usr/local/bin/entry.sh 0755
    #!/bin/bash
    set -e
    make_database() {
      mkdir -p "$PGDATA"
      chmod 700 "$PGDATA"
      if [ ! -s "$PGDATA/PG_VERSION" ]; then
        initdb -D "$PGDATA"
        pg_ctl -D "$PGDATA" -w start
        psql -f /setup.sql
        pg_ctl -D "$PGDATA" -m fast -w stop
      fi
    }
    if [ "$(id -u)" = 0 ]; then
      mkdir -p /var/run/postgresql
      chown postgres /var/run/postgresql "$PGDATA"
      exec gosu postgres "$0" "$@"
    fi
    make_database
    exec "$@"
ELF /usr/bin/postgres 0755
    postgres (PostgreSQL) 16.1
ELF /usr/bin/initdb 0755
ELF /usr/bin/pg_ctl 0755
ELF /usr/bin/psql 0755
ELF /usr/bin/gosu 0755
ENV PGDATA=/var/lib/postgresql/data
ENTRYPOINT ["/usr/local/bin/entry.sh"]
CMD ["postgres"]
"#;

fn of_recipe(text: &str) -> String {
    let place = Place::new();
    let layout = place.recipe("image", text);
    let said = place.run(&["explain", "-q", "--no-store", &format!("oci:{}", layout.display())]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    said.out
}

#[test]
fn the_story_of_an_honest_web_server_is_short_and_alarms_nobody() {
    let story = of_recipe(NGINX);
    assert!(story.lines().count() < 60, "{} lines:\n{story}", story.lines().count());
    assert!(!story.lines().any(|line| line.trim_start().starts_with("! ")), "{story}");
    tells(
        &flat(&story),
        &[
            "In the end it runs nginx -g 'daemon off;', the web server nginx, as root [/start.sh:11]",
            "On paper it downloads nothing, connects to nothing by itself and touches nothing of the host",
            "By its own word, on Debian GNU/Linux 12 (bookworm)",
            "prepares its files and folders: /var/cache/nginx",
        ],
    );
}

#[test]
fn the_story_of_a_database_folds_its_housekeeping_and_keeps_its_conditions() {
    let story = of_recipe(POSTGRES);
    assert!(story.lines().count() < 80, "{} lines:\n{story}", story.lines().count());
    assert!(!story.lines().any(|line| line.trim_start().starts_with("! ")), "{story}");
    let story = flat(&story);
    tells(
        &story,
        &[
            "In the end it runs postgres, the database PostgreSQL, as the user postgres",
            "starts itself once more as the user postgres",
            "which makes a new, empty database",
            "/var/run/postgresql",
        ],
    );
    assert_eq!(story.matches("initdb -D /var/lib/postgresql/data").count(), 1, "told once: {story}");
}

#[test]
fn what_paper_cannot_tell_is_said_to_be_unknown() {
    let story = of_recipe(
        "FILE /start.sh 0755\n    #!/bin/sh\n    \"$(cat /run/plugin)\" --start\n    exec app\nELF /usr/bin/app 0755\nENTRYPOINT [\"/start.sh\"]\n",
    );
    tells(
        &flat(&story),
        &["? runs a program whose name only shows when it runs: $(cat /run/plugin) --start [/start.sh:2]"],
    );
}

#[test]
fn events_have_sigmas_names_and_the_published_schema() {
    let place = Place::new();
    let said = place.run(&["explain", "-q", "-f", "json", "lab:lineup/cron"]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/event-v1.schema.json");
    let known: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let events: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        let wrong = schema::wrong(&known, event);
        assert!(wrong.is_empty(), "{wrong:#?} in {event}");
    }
    let file = events.iter().find(|event| event["logsource"]["category"] == "file_event").unwrap();
    assert_eq!(file["event"]["TargetFilename"], "/mnt/etc/cron.d/sysupdate");
    assert_eq!(file["event"]["Phase"], "start");
    assert_eq!(file["because"][0], "/usr/bin/cron.sh:4");
    assert_eq!(file["sourceLine"], "echo \"$CRON\" > /mnt/etc/cron.d/sysupdate");
    assert!(file["rules"].as_array().unwrap().iter().any(|rule| rule == "persistence/host-schedule"));
    let process = events.iter().find(|event| event["logsource"]["category"] == "process_creation").unwrap();
    assert_eq!(process["event"]["Image"], "/usr/bin/cron.sh");
}

#[test]
fn markdown_and_the_page_tell_the_same() {
    let place = Place::new();
    let markdown = flat(&place.run(&["explain", "-q", "-f", "markdown", "lab:lineup/cron"]).out);
    tells(
        &markdown,
        &[
            "## When it starts",
            "<code>/mnt/etc/cron.d/sysupdate</code>",
            "the host's <code>/etc/cron.d/sysupdate</code>",
        ],
    );
    let page = place.run(&["explain", "-q", "-f", "html", "lab:lineup/cron"]).out;
    tells(
        &page,
        &["<summary>When it starts</summary>", "<code>/etc/cron.d/sysupdate</code>", "<details open>"],
    );
}

#[test]
fn a_hostile_image_acts_on_no_terminal_and_no_page() {
    let place = Place::new();
    let evil = "\u{1b}]0;x\u{7}\u{202e}<script>`|*";
    let text = format!(
        "FILE /start.sh 0755\n    #!/bin/sh\n    echo '{evil}' > '/mnt/etc/{evil}'\n    '{evil}' x &\nLABEL title=\"{evil}\"\nENTRYPOINT [\"/start.sh\"]\n"
    );
    let layout = place.recipe("image", &text);
    let reference = format!("oci:{}", layout.display());
    for form in ["text", "markdown", "json", "html"] {
        let said = place.run(&["explain", "-q", "--no-store", "-f", form, &reference]);
        let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!said.out.contains(acts), "{form}: {said:?}");
        assert!(form != "html" || !said.out.contains("<script>"), "{said:?}");
    }
}

#[test]
fn wrong_words_are_refused_before_anything_is_read() {
    let place = Place::new();
    let said = place.run(&["explain", "-f", "pdf", "/does/not/exist"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("`pdf` is not a form"), "{said:?}");
    let said = place.run(&["explain", "--no-store", "oci:/does/not/exist"]);
    assert_eq!(said.code, 2, "{said:?}");
}
