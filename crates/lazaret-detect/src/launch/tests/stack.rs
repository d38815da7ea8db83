//! How much stack the deepest nesting takes that the limits allow.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazaret_model::ContentId;

use super::super::STACK;
use super::*;
use crate::Contents;

/// Contents that note how deep in the stack they are asked for.
struct Probe {
    contents: BTreeMap<ContentId, Arc<[u8]>>,
    highest: AtomicUsize,
    lowest: AtomicUsize,
}

impl Contents for Probe {
    fn get(&self, id: &ContentId) -> Option<Arc<[u8]>> {
        let here = Cell::new(0u8);
        let at = std::ptr::from_ref(&here) as usize;
        self.highest.fetch_max(at, Ordering::Relaxed);
        self.lowest.fetch_min(at, Ordering::Relaxed);
        Contents::get(&self.contents, id)
    }
}

/// Stack between the first look at a file and the deepest one, in bytes.
fn taken(fixture: &Fixture) -> usize {
    let probe = Probe {
        contents: fixture.contents.clone(),
        highest: AtomicUsize::new(0),
        lowest: AtomicUsize::new(usize::MAX),
    };
    let view = View::new(&[&fixture.layer]);
    follow(&fixture.image(), &view, &probe, &LaunchLimits::default());
    probe.highest.load(Ordering::Relaxed).saturating_sub(probe.lowest.load(Ordering::Relaxed))
}

fn of_script(script: &str) -> usize {
    taken(&Fixture::new().file("data", "x\n", 0o644).file("e.sh", script, 0o755).start(&["/e.sh"], &[]))
}

/// The most that any depth up to `most` takes: beyond the limit nothing is looked at.
fn deepest(most: usize, script: impl Fn(usize) -> String) -> usize {
    (0..=most).step_by(4).map(|depth| of_script(&script(depth))).max().unwrap_or(0)
}

#[test]
fn the_stack_holds_twice_what_the_deepest_nesting_takes() {
    let read = "cat /data";
    let shells = [
        ("$(", ")"),
        ("( ", " )"),
        ("{ ", "; }"),
        ("if :; then ", "; fi"),
        ("for i in 1; do ", "; done"),
        ("<(", ")"),
    ];
    let mut worst: Vec<(String, usize)> = Vec::new();
    for (open, close) in shells {
        let most = deepest(60, |n| format!("{}{read}{}\n", open.repeat(n), close.repeat(n)));
        worst.push((open.to_owned(), most));
    }
    // Functions that call themselves, scripts that start themselves, texts that run themselves.
    for script in [
        "f() { cat /data; f x$1; }; f",
        "f() { cat /data; x=$(f x$1); }; f",
        "f() { cat /data; ( { if :; then f x$1; fi; } ); }; f",
        "cat /data; /e.sh x$1",
        "cat /data; sh -c \"sh /e.sh x$1\"",
        "X='cat /data; eval \"$X\"'; eval \"$X\"",
        "X='cat /data; timeout 5 env A=$A$A sh -c \"$X\"'; export X; eval \"$X\"",
        "python3 -c 'import os; os.system(\"cat /data; /e.sh x\" + str(1))'; x=$(/e.sh x$1)",
    ] {
        worst.push((script.to_owned(), of_script(script)));
    }
    let programs = [
        ("python3", "py", "def f(n):\n    open('/data').read()\n    return [f(n + 1)][0]\nf(0)\n"),
        ("node", "js", "function f(n) { require('fs').readFileSync('/data'); return [f(n + 1)][0]; } f(0);"),
        ("php", "php", "<?php function f($n) { file_get_contents('/data'); return [f($n + 1)][0]; } f(0);"),
        ("ruby", "rb", "def f(n)\n File.read('/data')\n [f(n + 1)][0]\nend\nf(0)\n"),
        ("lua", "lua", "function f(n) io.open('/data'):read('*a') return ({f(n + 1)})[1] end f(0)"),
        ("perl", "pl", "sub f { open(F, '/data'); my $x = <F>; return (f($_[0] + 1))[0]; } f(0);"),
        ("python3", "py", "c = \"open('/data').read(); exec(c)\"\nexec(c)\n"),
        ("node", "js", "c = \"require('fs').readFileSync('/data'); eval(c)\"; eval(c)"),
    ];
    for (program, extension, text) in programs {
        let file = format!("a.{extension}");
        let fixture = Fixture::new()
            .file("data", "x\n", 0o644)
            .file(&format!("usr/bin/{program}"), "\u{7f}ELF\0", 0o755)
            .file(&file, text, 0o644)
            .start(&[program, &format!("/{file}")], &[]);
        worst.push((text.to_owned(), taken(&fixture)));
    }
    // Values inside values, as deep as the parsers follow.
    for (open, close) in [("(", ")"), ("[", "][0]"), ("str(", ")"), ("(lambda: ", ")()")] {
        for depth in [40, 80, 120, 156] {
            let text = format!("x = {}open('/data').read(){}\n", open.repeat(depth), close.repeat(depth));
            let fixture = Fixture::new()
                .file("data", "x\n", 0o644)
                .file("a.py", &text, 0o644)
                .start(&["python3", "/a.py"], &[]);
            worst.push((format!("{open}{depth}"), taken(&fixture)));
        }
    }
    for open in ["(", "$(", "& {", "iex ("] {
        let close = if open.ends_with('{') { "}" } else { ")" };
        for depth in [4, 8, 12, 16, 24] {
            let text = format!("{}gc /data{}", open.repeat(depth), close.repeat(depth));
            let fixture = Fixture::new().file("data", "x\n", 0o644).start(&["pwsh", "-c", &text], &[]);
            worst.push((format!("{open}{depth}"), taken(&fixture)));
        }
    }
    worst.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let (what, most) = &worst[0];
    assert!(*most > 0, "nothing was looked at");
    assert!(most * 2 <= STACK, "{most} bytes of {STACK} for {what}\n{worst:?}");
    if std::env::var_os("LAZARET_SHOW_STACK").is_some() {
        panic!("{worst:#?}");
    }
}
