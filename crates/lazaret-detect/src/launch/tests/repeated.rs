//! What repeats is followed until it says nothing new, and what stands behind it is read.

use super::*;

fn followed(script: &str) -> (Vec<String>, StartPath) {
    let shell = "#!/bin/bash\n".to_owned() + script;
    let path = Fixture::new().file("e.sh", &shell, 0o755).start(&["/e.sh"], &[]).follow();
    (lines(&path), path)
}

#[test]
fn a_loop_that_an_undecided_arm_leaves_ends_and_what_follows_is_read() {
    let (seen, path) = followed(
        "x=\nwhile [ -z \"$x\" ]; do\nif curl -s https://example.test/ready; then x=1; break; fi\nsleep 1\ndone\n\
         if [ -z \"$x\" ]; then exit 1; fi\nminer -o pool.invalid\n",
    );
    assert!(path.gaps.is_empty(), "{:?}", path.gaps);
    assert!(seen.iter().any(|line| line.contains("run miner -o pool.invalid")), "{seen:?}");
}

#[test]
fn what_was_set_before_a_decided_break_or_return_stays() {
    let (seen, _) = followed(
        "for f in a b c; do if [ $f = b ]; then found=$f; break; fi; done\nminer -o $found\n\
         f() { if true; then out=deep; return; fi; out=wrong; }\nf\nminer -u $out\n",
    );
    let miners: Vec<&String> = seen.iter().filter(|line| line.contains("miner")).collect();
    assert_eq!(miners, ["run miner -o b", "run miner -u deep"]);
}

#[test]
fn what_an_arm_sets_before_it_leaves_a_function_is_possible_after_it() {
    let (seen, _) = followed(
        "x=\nf() { if curl -s https://example.test/; then x=one; return; fi; date; }\nf\nminer -o $x\n",
    );
    assert!(seen.contains(&"may run miner -o one".to_owned()), "{seen:?}");
}

#[test]
fn what_an_arm_of_another_launch_leaves_stays_there() {
    let (seen, _) =
        followed("x=a\nfor i in 1; do if [ \"$1\" = y ]; then x=b; break; fi; done\nminer -o $x\n");
    assert!(seen.contains(&"run miner -o a".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains("miner -o b")), "{seen:?}");
}

#[test]
fn waiting_for_what_never_comes_costs_little_and_what_follows_is_read() {
    let (seen, path) = followed("while [ ! -e /run/ready ]; do sleep 1; done\nminer -o pool.invalid\n");
    assert!(path.gaps.is_empty(), "{:?}", path.gaps);
    assert!(seen.iter().any(|line| line.contains("miner -o pool.invalid")), "{seen:?}");
}

#[test]
fn a_loop_that_changes_what_it_asks_for_goes_on() {
    for script in [
        "n=0\nwhile [ $n -lt 300 ]; do n=$((n + 1)); done\nminer -o $n\n",
        "printf x >/tmp/f\nwhile [ \"$(wc -c </tmp/f)\" -lt 300 ]; do printf x >>/tmp/f; done\nminer -o $(wc -c </tmp/f)\n",
        "set -- $(seq 1 300)\nwhile [ $# -gt 1 ]; do shift; done\nminer -o $1\n",
    ] {
        let (seen, _) = followed(script);
        assert!(seen.iter().any(|line| line.ends_with("miner -o 300")), "{script}: {seen:?}");
    }
}

#[test]
fn a_function_that_calls_itself_ends_where_nothing_changes() {
    let (seen, path) =
        followed("f() { if curl -s https://example.test/; then f; f; f; fi; date; }\nf\nminer\n");
    assert!(path.gaps.is_empty(), "{:?}", path.gaps);
    assert_eq!(seen.last().map(String::as_str), Some("run miner"));
}

#[test]
fn a_function_that_calls_itself_with_something_else_is_followed() {
    let (seen, _) =
        followed("f() { [ $1 -gt 0 ] || { miner -o $2; return; }; f $(($1 - 1)) $2$1; }\nf 5 x\n");
    assert!(seen.iter().any(|line| line.contains("miner -o x54321")), "{seen:?}");
    let (_, path) = followed("f() { f $(($1 + 1)); f $(($1 + 1)); }\nf 0\nminer\n");
    assert!(path.gaps.iter().any(|gap| gap.matters), "what is too deep to follow stays a gap");
}

#[test]
fn the_last_arm_of_a_case_may_fall_to_nothing() {
    for end in [";&", ";;&"] {
        let (seen, path) = followed(&format!(
            "f() {{\ncase \"$1\" in\na) date ;;\n*)\n{end}\nesac\nminer -o inside\n}}\nf x\nminer -o outside\n"
        ));
        assert!(path.gaps.is_empty(), "{:?}", path.gaps);
        let miners: Vec<&String> = seen.iter().filter(|line| line.contains("miner")).collect();
        assert_eq!(miners, ["run miner -o inside", "run miner -o outside"], "{end}");
    }
}

#[test]
fn a_comment_between_backticks_is_a_comment() {
    let (seen, path) = followed(
        "(\n  cat /a \\\n    `# the \"first\" one, it's needed` \\\n    | cat -A \\\n    `# the second` \\\n    | cat -n\n) | cat\nminer -o x\n",
    );
    assert!(path.gaps.is_empty(), "{:?}", path.gaps);
    assert_eq!(seen.last().map(String::as_str), Some("run miner -o x"));
}

#[test]
fn a_comment_between_backticks_in_quotes_is_text() {
    let (seen, _) = followed(
        "x='\n `# miner -o hidden` \n'\n(\n date `# one` \\\n | cat \\\n `# two` \\\n | cat\n)\neval \"$(echo \"$x\" | tr -d '`#')\"\n",
    );
    assert!(seen.iter().any(|line| line.contains("miner -o hidden")), "{seen:?}");
}
