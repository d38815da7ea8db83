use std::time::{Duration, Instant};

use super::*;

fn bounded(script: &str) -> StartPath {
    let begun = Instant::now();
    let path = Fixture::new().file("e.sh", script, 0o755).start(&["/e.sh"], &[]).follow();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?} for {} bytes", script.len());
    path
}

#[test]
fn deep_nesting_neither_overflows_nor_hangs() {
    let deep = 100_000;
    for (open, close) in [
        ("$(", ")"),
        ("\"$(", ")\""),
        ("(", ")"),
        ("{ ", "; }"),
        ("if a; then ", "; fi"),
        ("`", "`"),
        ("${x:-", "}"),
        ("$((", "))"),
        ("while a; do ", "; done"),
        ("! ", ""),
        ("eval ", ""),
        ("<(", ")"),
        ("case x in x) ", ";; esac"),
        ("f() { ", "; }"),
    ] {
        let script = format!("{}a{}\n", open.repeat(deep), close.repeat(deep));
        bounded(&script);
    }
}

#[test]
fn what_is_nested_too_deep_is_a_gap() {
    let script = format!("{}a{}\n", "( ".repeat(500), " )".repeat(500));
    let path = bounded(&script);
    assert!(path.gaps.iter().any(|g| g.matters), "{:?}", path.gaps);
}

#[test]
fn loops_functions_and_texts_without_end_are_cut() {
    for script in [
        "f() { f; f; }; f",
        "while :; do :; done",
        "X=aaaaaaaa; for i in {1..60}; do X=$X$X; done; p $X",
        "for a in {1..200}; do for b in {1..200}; do for c in {1..200}; do x; done; done; done",
        "for ((i=0;i<9000;i++)); do for ((j=0;j<9000;j++)); do for ((k=0;k<9000;k++)); do\n# nothing\ndone; done; done",
        "while\ndo while\ndo while\ndo\ndone; done; done",
        "exec /e.sh x",
        "/e.sh; /e.sh",
        "sh -c 'sh /e.sh $1x' a",
        "eval \"$(cat /e.sh)\"",
        "X='eval \"$X\"'; eval \"$X\"",
        "yes | xargs -n1 sh -c",
        "A=x; while [ ${#A} -lt 100000000 ]; do A=$A$A; done",
        "p {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
        "X=$(seq 1 900); for i in $X; do for j in $X; do p ${X/1*2/} ; done; done",
    ] {
        bounded(script);
    }
}

#[test]
fn an_address_right_behind_a_letter_of_several_bytes_is_still_read() {
    let path = bounded("curl -o /x \u{fffd}https://203.0.113.7/a\n");
    assert_eq!(path.gaps.iter().filter(|gap| gap.matters).count(), 0, "{:?}", path.gaps);
    assert!(
        lines(&path).iter().any(|line| line == "net 203.0.113.7 https://203.0.113.7/a"),
        "{:?}",
        lines(&path)
    );
}

#[test]
fn rubbish_is_no_panic() {
    let mut seed = 7u64;
    let words = [
        "$(",
        ")",
        "`",
        "\"",
        "'",
        "${",
        "}",
        "<<E\n",
        "E\n",
        "|",
        "&&",
        ";",
        "\n",
        "if ",
        "fi",
        "a",
        " ",
        "é",
        "\\",
        "[[",
        "]]",
        "((",
        "))",
        "for x in ",
        "do ",
        "done",
        "case ",
        "esac",
        "<(",
        "$'",
        "=",
        ":-",
        "#",
        "%",
        "/",
        "@",
        "[",
        "]",
        "*",
        "{a,",
        ">",
        "2>&1",
        "echo ",
        "base64 -d",
        "sed s/a",
        "printf %",
        "eval ",
        "cut -d",
        "tr a-",
    ];
    for _ in 0..400 {
        let mut script = String::new();
        for _ in 0..60 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            script.push_str(words[(seed >> 33) as usize % words.len()]);
        }
        bounded(&script);
    }
}

#[test]
fn ten_thousand_lines_are_read_quickly() {
    let script: String = (0..10_000)
        .map(|n| format!("if [ -f /etc/f{n} ]; then X=$(basename /a/b{n}); run{n} \"$X\"; fi\n"))
        .collect();
    let begun = Instant::now();
    let path = Fixture::new().file("e.sh", &script, 0o755).start(&["/e.sh"], &[]).follow();
    // The figure is for a quiet machine; here it only must not be of another order.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(path.behaviours.len() > 9_000, "{}", path.behaviours.len());
}

#[test]
fn a_chain_of_unknown_members_in_a_loop_does_not_grow() {
    let loops = [
        ("node", "e.js", "for (let w = this.head; w; w = w.next) { use(w.value) }"),
        ("python3", "e.py", "w = unknown()\nwhile w:\n    w = w.next\n"),
        ("ruby", "e.rb", "w = head\nw = w.next while w\n"),
    ];
    for (program, file, text) in loops {
        let begun = Instant::now();
        Fixture::new()
            .file(&format!("usr/bin/{program}"), "\u{7f}ELF\0", 0o755)
            .file(file, text, 0o644)
            .start(&[program, &format!("/{file}")], &[])
            .follow();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}: {text}", begun.elapsed());
    }
}

#[test]
fn a_here_document_without_an_end_does_not_hang_perl() {
    for text in ["<<n\n$e", "print <<EOT;\n@{[ 1 ]} x", "<<~n\n  ${", "<<n\n\\", "print <<a, <<b;\n$x\na\n$y"]
    {
        let begun = Instant::now();
        Fixture::new()
            .file("usr/bin/perl", "\u{7f}ELF\0", 0o755)
            .file("e.pl", text, 0o644)
            .start(&["perl", "/e.pl"], &[])
            .follow();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}: {text}", begun.elapsed());
    }
}

#[test]
fn a_pattern_in_a_loop_is_built_once() {
    let text = "$b = 'a' x 9000; while ($b =~ s/^([^\\n]{1,20}\\w\\W?)//) { $n = $n . 'x' }\n";
    let begun = Instant::now();
    Fixture::new()
        .file("usr/bin/perl", "\u{7f}ELF\0", 0o755)
        .file("e.pl", text, 0o644)
        .start(&["perl", "/e.pl"], &[])
        .follow();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
