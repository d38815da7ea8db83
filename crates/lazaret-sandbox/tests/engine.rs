//! The engine of the byte rules compiles to machine code, maps it, starts a thread for time-outs
//! and installs a signal handler: all of it must work behind the walls. Confinement is for good
//! and for the whole process, so this test is a process of its own.

use lazaret_sandbox::{Confinement, confine};

fn main() {
    let source =
        r#"rule marked { strings: $a = /mark-[0-9]{4}/ $b = { 6d 61 72 6b ?? 31 } condition: $a or $b }"#;
    // Before: as a worker gets its rules. After: as it would with rules handed over later.
    let before = yara_x::compile(source).expect("the rule is right");
    let wall = Confinement { memory_bytes: Some(1 << 30), ..Confinement::default() };
    confine(&wall).expect("this kernel can confine");
    let after = yara_x::compile(source).expect("compiling needs nothing that is banned");
    for rules in [&before, &after] {
        let mut scanner = yara_x::Scanner::new(rules);
        scanner.set_timeout(std::time::Duration::from_secs(20));
        let found = scanner.scan(b"xx mark-2024 xx").expect("scanning needs nothing that is banned");
        assert_eq!(found.matching_rules().count(), 1);
    }
}
