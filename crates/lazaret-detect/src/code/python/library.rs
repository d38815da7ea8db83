//! What the functions of Python's libraries do.

use std::rc::Rc;

use lazaret_model::{Certainty, FileOp};

use super::super::effects::Ties;
use super::super::eval::Args;
use super::super::interp::Interp;
use super::super::value::{Dict, Text, Thing, Val};

/// A name that the program does not define.
pub(in super::super) fn name(_: &mut Interp<'_>, name: &str) -> Val {
    match name {
        "__builtins__" => Val::library("builtins"),
        "True" => Val::Bool(true),
        "False" => Val::Bool(false),
        "None" => Val::None,
        _ => Val::library(name),
    }
}

/// A constant of a library.
pub(in super::super) fn constant(_: &mut Interp<'_>, name: &str) -> Option<Val> {
    Some(match name {
        "os.name" => Val::text("posix"),
        "sys.platform" => Val::text("linux"),
        "os.sep" | "os.path.sep" => Val::text("/"),
        "os.linesep" => Val::text("\n"),
        "os.devnull" | "subprocess.DEVNULL" => Val::text("/dev/null"),
        "subprocess.PIPE" | "subprocess.STDOUT" => Val::None,
        "string.ascii_lowercase" => Val::text("abcdefghijklmnopqrstuvwxyz"),
        "string.ascii_uppercase" => Val::text("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        "string.ascii_letters" => Val::text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        "string.digits" => Val::text("0123456789"),
        _ => return None,
    })
}

fn ties(args: &Args) -> Ties {
    Ties {
        stdin: args.named("stdin").or_else(|| args.named("input")),
        cwd: args.named("cwd"),
        env: args.named("env"),
    }
}

fn started(it: &mut Interp<'_>, args: &Args) -> Val {
    let what = args.get(0, "args").or_else(|| args.named("cmd")).unwrap_or(Val::None);
    let shell = args.named("shell").and_then(|v| v.truth()).is_some_and(|(t, _)| t);
    let argv = match &what {
        Val::List(list) if !shell => list.try_borrow().map(|l| l.clone()).unwrap_or_default(),
        Val::List(list) => {
            let first = list.try_borrow().ok().and_then(|l| l.first().cloned()).unwrap_or(Val::None);
            vec![Val::text("/bin/sh"), Val::text("-c"), first]
        }
        _ if shell => vec![Val::text("/bin/sh"), Val::text("-c"), what.clone()],
        Val::None => return Val::unknown("$(…)"),
        other => vec![other.clone()],
    };
    let out = it.run_words(argv.clone(), ties(args));
    if let Some(Val::Thing(file)) = args.named("stdout")
        && let Thing::File { path, .. } = &*file
    {
        it.write_file(path, &out, false);
    }
    Val::thing(Thing::Process { argv, out })
}

/// Calls a function of the language or of a library; None for one that does nothing of note.
pub(in super::super) fn call(it: &mut Interp<'_>, name: &str, args: &Args) -> Option<Val> {
    let name = name.strip_prefix("builtins.").or_else(|| name.strip_prefix("__builtins__.")).unwrap_or(name);
    let name = name.strip_prefix("__builtin__.").unwrap_or(name);
    let first = args.at(0);
    Some(match name {
        "exec" | "eval" => return Some(it.run_code(&args.at(0))),
        "compile" | "types.CodeType" | "types.FunctionType" => first,
        "execfile" | "runpy.run_path" => {
            let code = it.read_file(&first);
            it.run_code(&code)
        }
        "runpy.run_module" | "importlib.import_module" | "__import__" => {
            let module = first.known()?.into_owned();
            let whole = it.import(&module);
            if name == "__import__" && !matches!(whole, Val::Class(_)) && args.list.len() < 4 {
                let top = module.split('.').next().unwrap_or(&module).to_owned();
                return Some(it.import(&top));
            }
            whole
        }
        "importlib.reload"
        | "types.SimpleNamespace"
        | "staticmethod"
        | "classmethod"
        | "property"
        | "iter"
        | "list"
        | "tuple"
        | "set"
        | "frozenset"
        | "memoryview"
        | "copy.copy"
        | "copy.deepcopy"
        | "collections.deque"
        | "asyncio.run"
        | "asyncio.create_task"
        | "asyncio.ensure_future"
        | "functools.lru_cache"
        | "asyncio.wait_for"
        | "asyncio.shield"
        | "pathlib.Path"
        | "pathlib.PurePath"
        | "pathlib.PosixPath"
        | "Path"
        | "bytearray"
        | "os.fsencode"
        | "os.fsdecode"
        | "os.fspath"
        | "os.path.abspath"
        | "os.path.realpath"
        | "os.path.normpath"
        | "contextlib.closing"
        | "contextlib.suppress"
            if !first_is_number(&first) || name == "bytearray" =>
        {
            match (&first, name) {
                (Val::None, "list" | "tuple" | "set" | "frozenset" | "collections.deque") => {
                    Val::list(Vec::new())
                }
                (Val::None, "bytearray") => Val::list(Vec::new()),
                (Val::Int(n), "bytearray") if *n <= 1 << 16 => {
                    Val::list(vec![Val::Int(0); usize::try_from(*n).unwrap_or(0)])
                }
                (Val::Int(_), _) => return None,
                (
                    Val::List(_) | Val::Text(_) | Val::Dict(_),
                    "list" | "tuple" | "set" | "frozenset" | "collections.deque" | "bytearray",
                ) => {
                    let items = it.each(&first, super::super::tree::Each::Values)?;
                    Val::list(items)
                }
                _ => first,
            }
        }
        "getattr" => {
            let attribute = args.at(1);
            match attribute.known() {
                Some(attribute) => it.attr(&first, &Rc::from(&*attribute)),
                None => Val::unknown("$(getattr)"),
            }
        }
        "setattr" => {
            if let Some(attribute) = args.at(1).known() {
                let target = super::super::tree::Expr::Name(Rc::from("·target"));
                it.assign(&target, first.clone());
                let place = super::super::tree::Expr::Attr(Box::new(target), Rc::from(&*attribute));
                it.assign(&place, args.at(2));
            }
            Val::None
        }
        "globals" | "locals" | "vars" | "dir" => Val::library("globals"),
        "print" if args.named("file").is_some_and(|f| matches!(f, Val::Thing(_))) => {
            let file = args.named("file").unwrap_or(Val::None);
            let line = it.concat(first, &Val::text("\n"));
            it.call_method(&file, &Rc::from("write"), Args::of(vec![line]))
        }
        "print" | "sys.stdout.write" => {
            for (n, value) in args.list.iter().enumerate() {
                if n > 0 {
                    it.put_out(&Val::text(" "));
                }
                it.put_out(value);
            }
            let end = args.named("end").unwrap_or_else(|| Val::text(if name == "print" { "\n" } else { "" }));
            it.put_out(&end);
            Val::None
        }
        "chr" | "unichr" => it.character(first.int()?),
        "ord" => match &first {
            Val::Text(text) if text.binary => {
                text.data.first().map_or(Val::None, |&b| Val::Int(i64::from(b)))
            }
            Val::Text(text) => text.chars().first().map_or(Val::None, |&c| Val::Int(i64::from(c as u32))),
            _ => return None,
        },
        "len" => match &first {
            Val::Text(text) if text.is_known() => Val::Int(text.len() as i64),
            Val::List(list) => Val::Int(list.try_borrow().ok()?.len() as i64),
            Val::Dict(dict) => Val::Int(dict.try_borrow().ok()?.entries.len() as i64),
            _ => return None,
        },
        "str" | "repr" | "ascii" => match (&first, args.list.len()) {
            (Val::Text(text), _) => Val::Text(Text { binary: false, ..text.clone() }),
            (Val::None, 0) => Val::text(""),
            (Val::None, _) => Val::text("None"),
            (Val::Bool(b), _) => Val::text(if *b { "True" } else { "False" }),
            (Val::Int(_) | Val::Float(_), _) => Val::text(&first.word().text),
            _ => return None,
        },
        "bytes" => match &first {
            Val::List(_) => it.bytes_of(&first, "bytes"),
            Val::Text(text) => Val::Text(Text { binary: true, ..text.clone() }),
            Val::Int(n) => {
                let zero = Val::bytes(vec![0]);
                it.add_to(super::super::tree::Op::Mul, zero, Val::Int(*n))
            }
            _ => return None,
        },
        "int" => match (args.at(1).int(), first.known()) {
            (Some(base @ 2..=36), Some(text)) => {
                let text = text.trim().to_ascii_lowercase();
                let digits = match base {
                    16 => text.trim_start_matches("0x"),
                    2 => text.trim_start_matches("0b"),
                    _ => &text,
                };
                Val::Int(i64::from_str_radix(digits, base as u32).ok()?)
            }
            _ => Val::Int(first.int()?),
        },
        "int.from_bytes" => {
            let text = first.as_text()?;
            let big = args.get(1, "byteorder").and_then(|v| v.known().map(|k| k == "big")).unwrap_or(true);
            if text.data.len() > 7 {
                return None;
            }
            let fold = |n: i64, b: &u8| n << 8 | i64::from(*b);
            Val::Int(if big { text.data.iter().fold(0, fold) } else { text.data.iter().rev().fold(0, fold) })
        }
        "bool" => Val::Bool(first.truth()?.0),
        "float" => Val::Float(first.number()?),
        "abs" => Val::Int(first.int()?.checked_abs()?),
        "hex" => Val::text(&format!("{:#x}", first.int()?)),
        "dict" | "collections.OrderedDict" => match &first {
            Val::Dict(_) => first,
            _ => {
                let mut dict = Dict::default();
                for (key, value) in &args.named {
                    dict.set(Val::text(key), value.clone());
                }
                for pair in first.items().unwrap_or_default() {
                    let mut pair = pair.items().unwrap_or_default().into_iter();
                    if let (Some(key), Some(value)) = (pair.next(), pair.next()) {
                        dict.set(key, value);
                    }
                }
                Val::dict(dict)
            }
        },
        "zip" | "itertools.izip" => {
            let lists: Option<Vec<Vec<Val>>> = args.list.iter().map(Val::items).collect();
            let lists = lists?;
            let length = lists.iter().map(Vec::len).min().unwrap_or(0);
            if !it.spend(length as u64) {
                return None;
            }
            Val::list((0..length).map(|n| Val::list(lists.iter().map(|l| l[n].clone()).collect())).collect())
        }
        "itertools.cycle" => {
            let items = first.items()?;
            if items.is_empty() || items.len() > 4096 {
                return None;
            }
            // As long as anything here is zipped with it.
            it.spend(1 << 13).then(|| Val::list(items.iter().cycle().take(1 << 16).cloned().collect()))?
        }
        "enumerate" => {
            let from = args.get(1, "start").and_then(|v| v.int()).unwrap_or(0);
            let items = it.each(&first, super::super::tree::Each::Values)?;
            let pairs = items.into_iter().enumerate();
            Val::list(pairs.map(|(n, v)| Val::list(vec![Val::Int(n as i64 + from), v])).collect())
        }
        "range" | "xrange" => {
            let (from, to) =
                if args.list.len() > 1 { (first.int()?, args.at(1).int()?) } else { (0, first.int()?) };
            let step = if args.list.len() > 2 { args.at(2).int()? } else { 1 };
            let length = if step == 0 { 0 } else { (to.checked_sub(from)?).checked_div(step)?.max(0) };
            if length > 1 << 18 || !it.spend(length as u64 >> 2) {
                return None;
            }
            let mut list = Vec::new();
            let mut at = from;
            while step != 0 && if step > 0 { at < to } else { at > to } {
                list.push(Val::Int(at));
                at = at.checked_add(step)?;
            }
            Val::list(list)
        }
        "map" | "filter" => {
            let function = first;
            let lists: Option<Vec<Vec<Val>>> = args.list.iter().skip(1).map(Val::items).collect();
            let Some(lists) = lists else {
                it.run_callbacks(args, &args.at(1));
                return None;
            };
            let length = lists.iter().map(Vec::len).min().unwrap_or(0);
            let mut out = Vec::new();
            for n in 0..length {
                if !it.spend(2) {
                    break;
                }
                let given: Vec<Val> = lists.iter().map(|l| l[n].clone()).collect();
                let value = it.call_back(&function, given.clone());
                if name == "map" {
                    out.push(value);
                } else if value.truth().is_none_or(|(t, _)| t) {
                    out.extend(given);
                }
            }
            Val::list(out)
        }
        "functools.reduce" | "reduce" => {
            let list = args.at(1);
            let rest = args.list.get(2).cloned();
            let given = std::iter::once(first).chain(rest).collect();
            it.call_method(&list, &Rc::from("reduce"), Args::of(given))
        }
        "functools.partial" => first,
        "reversed" => match &first {
            Val::Text(_) => it.slice(&first, [None, None, Some(-1)]),
            _ => it.slice(&first, [None, None, Some(-1)]),
        },
        "sorted" => first,
        "sum" => {
            let mut whole = args.get(1, "start").unwrap_or(Val::Int(0));
            for item in first.items()? {
                whole = it.add_to(super::super::tree::Op::Add, whole, item);
            }
            whole
        }
        "min" | "max" => {
            let items = if args.list.len() > 1 { args.list.clone() } else { first.items()? };
            let numbers: Option<Vec<i64>> = items.iter().map(Val::int).collect();
            let numbers = numbers?;
            Val::Int(if name == "min" { numbers.into_iter().min()? } else { numbers.into_iter().max()? })
        }
        "any" | "all" | "isinstance" | "issubclass" | "hasattr" | "callable" | "id" | "hash" | "type"
        | "input" | "raw_input" | "super" => Val::unknown(&format!("$({name})")),
        "next" => match &first {
            Val::List(list) => list.try_borrow().ok()?.first().cloned().unwrap_or(Val::None),
            other => Val::hidden("$(next)", other.origin()),
        },
        "str.maketrans" | "string.maketrans" | "bytes.maketrans" => {
            let mut dict = Dict::default();
            if let Val::Dict(given) = &first {
                for (key, value) in &given.try_borrow().ok()?.entries {
                    let code = match key {
                        Val::Text(text) => text.chars().first().map(|&c| i64::from(c as u32)),
                        other => other.int(),
                    };
                    dict.set(Val::Int(code?), value.clone());
                }
            } else {
                let (from, to) = (first.as_text()?.chars(), args.at(1).as_text()?.chars());
                for (a, b) in from.into_iter().zip(to) {
                    dict.set(Val::Int(i64::from(a as u32)), Val::text(&b.to_string()));
                }
            }
            Val::dict(dict)
        }
        "str.join" | "bytes.join" | "string.join" => it.join(&first, &args.at(1)),
        "bytes.fromhex" | "bytearray.fromhex" | "binascii.unhexlify" | "binascii.a2b_hex"
        | "base64.b16decode" => it.decoded("hex", &first),
        "base64.b64decode"
        | "base64.decodebytes"
        | "base64.decodestring"
        | "base64.urlsafe_b64decode"
        | "base64.standard_b64decode"
        | "binascii.a2b_base64"
        | "pybase64.b64decode" => it.decoded("base64", &first),
        "base64.b32decode" => it.decoded("base32", &first),
        "base64.b85decode" => it.decoded("base85", &first),
        "base64.a85decode" => it.decoded("ascii85", &first),
        "base64.b64encode" | "base64.urlsafe_b64encode" | "base64.encodebytes" | "binascii.b2a_base64" => {
            it.encoded("base64", &first)
        }
        "binascii.hexlify" | "base64.b16encode" => it.encoded("hex", &first),
        "zlib.decompress" => match args.get(1, "wbits").and_then(|v| v.int()) {
            Some(n) if n < 0 => it.decoded("deflate", &first),
            Some(n) if n > 15 => it.decoded("gzip", &first),
            _ => it.decoded("zlib", &first),
        },
        "gzip.decompress" => it.decoded("gzip", &first),
        "bz2.decompress" => it.decoded("bz2", &first),
        "lzma.decompress" => it.decoded("lzma", &first),
        "quopri.decodestring" => it.decoded("quoted-printable", &first),
        "binascii.a2b_uu" => it.decoded("uu", &first),
        "urllib.parse.unquote" | "urllib.unquote" | "urllib.parse.unquote_to_bytes" => {
            it.decoded("url", &first)
        }
        "codecs.decode" | "codecs.encode" => {
            let how = args.get(1, "encoding").unwrap_or_else(|| Val::text("utf-8"));
            let method: Rc<str> = Rc::from(name.trim_start_matches("codecs."));
            it.call_method(&first, &method, Args::of(vec![how]))
        }
        "marshal.loads" | "pickle.loads" | "cPickle.loads" | "dill.loads" => {
            // Compiled code: what it does is not read, that it is run is.
            let stage = if name.starts_with("marshal") { "marshal" } else { "pickle" };
            Val::hidden(&format!("$({stage})"), first.origin().staged(stage))
        }
        "json.loads" => super::super::json_value(&first.known()?)?,
        "json.dumps" => return None,
        "os.system"
        | "commands.getoutput"
        | "commands.getstatusoutput"
        | "subprocess.getoutput"
        | "subprocess.getstatusoutput"
        | "os.popen"
        | "os.popen2"
        | "os.popen3"
        | "popen2.popen3"
        | "pexpect.run"
        | "asyncio.create_subprocess_shell"
        | "sh.sh"
        | "posix.system"
        | "platform.popen" => {
            let command = args.get(0, "command").or_else(|| args.named("cmd")).unwrap_or(Val::None);
            let out = it.run_shell_text(command.clone(), ties(args));
            if name.ends_with("popen") || name.starts_with("asyncio") {
                return Some(Val::thing(Thing::Process {
                    argv: vec![Val::text("sh"), Val::text("-c"), command],
                    out,
                }));
            }
            if name.ends_with("system") { Val::unknown("$(status)") } else { out }
        }
        "subprocess.Popen"
        | "subprocess.run"
        | "subprocess.call"
        | "subprocess.check_call"
        | "psutil.Popen" => started(it, args),
        "subprocess.check_output" => {
            let process = started(it, args);
            match &process {
                Val::Thing(thing) => match &**thing {
                    Thing::Process { out, .. } => out.clone(),
                    _ => Val::None,
                },
                _ => process,
            }
        }
        "pty.spawn" | "pexpect.spawn" => {
            let words = match &first {
                Val::List(list) => list.try_borrow().ok()?.clone(),
                other => other.known()?.split_whitespace().map(Val::text).collect(),
            };
            it.run_words(words, Ties::default());
            Val::None
        }
        "asyncio.create_subprocess_exec" => {
            let out = it.run_words(args.list.clone(), ties(args));
            Val::thing(Thing::Process { argv: args.list.clone(), out })
        }
        _ if name.starts_with("os.exec")
            || name.starts_with("os.spawn")
            || name.starts_with("os.posix_spawn")
            || name.starts_with("posix.exec") =>
        {
            return execs(it, name, args);
        }
        "os.dup2" => {
            if let Val::Thing(thing) = &first
                && let Thing::Socket(peer) = &**thing
                && let Some(address) = peer.borrow().clone()
            {
                match args.at(1).int() {
                    Some(n) => {
                        it.descriptors.insert(n, address);
                    }
                    // `for fd in (0, 1, 2)` over something that is not known.
                    None => {
                        it.descriptors.insert(0, address);
                    }
                }
            }
            Val::None
        }
        "os.fork" => Val::unknown("$(fork)"),
        "os._exit" | "sys.exit" | "exit" | "quit" | "os.abort" => {
            it.halt = true;
            Val::None
        }
        "socket.socket"
        | "ssl.wrap_socket"
        | "socket.create_connection"
        | "socket.socketpair"
        | "socks.socksocket"
        | "socket.create_server" => {
            if name == "ssl.wrap_socket" {
                return Some(first);
            }
            let socket = Val::thing(Thing::Socket(Default::default()));
            if name == "socket.create_connection" {
                it.call_method(&socket, &Rc::from("connect"), Args::of(vec![first]));
            } else if name == "socket.create_server" {
                it.call_method(&socket, &Rc::from("bind"), Args::of(vec![first]));
            }
            socket
        }
        "asyncio.open_connection" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            let (host, port) = (args.get(0, "host")?, args.get(1, "port")?);
            it.connect_socket(&socket, &host, &port);
            Val::list(vec![socket.clone(), socket])
        }
        "urllib.request.urlopen" | "urllib2.urlopen" | "urllib.urlopen" | "urllib3.request" => {
            let target = args.get(if name == "urllib3.request" { 1 } else { 0 }, "url").unwrap_or(Val::None);
            it.fetch(&target)
        }
        "urllib.request.Request"
        | "urllib2.Request"
        | "aiohttp.ClientSession"
        | "requests.Session"
        | "requests.session"
        | "httpx.Client"
        | "httpx.AsyncClient"
        | "urllib3.PoolManager"
        | "urllib.request.build_opener"
        | "http.client.HTTPResponse" => match args.get(0, "url") {
            Some(url @ Val::Text(_)) => url,
            _ => Val::thing(Thing::Client { base: String::new() }),
        },
        "http.client.HTTPConnection"
        | "http.client.HTTPSConnection"
        | "httplib.HTTPConnection"
        | "httplib.HTTPSConnection" => {
            let scheme = if name.ends_with("SConnection") { "https" } else { "http" };
            let port = args.get(1, "port").and_then(|p| p.int()).map(|p| format!(":{p}")).unwrap_or_default();
            Val::thing(Thing::Client { base: format!("{scheme}://{}{port}", first.word().text) })
        }
        "urllib.request.urlretrieve" | "urllib.urlretrieve" | "wget.download" => {
            let response = it.fetch(&first);
            let content = Val::hidden("$(response)", response.origin());
            let target = match args.get(1, "filename").or_else(|| args.named("out")) {
                Some(target) => target,
                None => Val::text(first.word().text.rsplit('/').next().unwrap_or_default()),
            };
            it.write_file(&target, &content, false);
            Val::list(vec![target, Val::None])
        }
        _ if ["requests.", "httpx.", "aiohttp."].iter().any(|p| name.starts_with(p)) => {
            let method = name.rsplit('.').next().unwrap_or_default();
            match method {
                "get" | "post" | "put" | "head" | "patch" | "delete" => {
                    let url = args.get(0, "url").unwrap_or(Val::None);
                    it.fetch(&url)
                }
                "request" | "stream" => {
                    let url = args.get(1, "url").unwrap_or(Val::None);
                    it.fetch(&url)
                }
                _ => return None,
            }
        }
        "open" | "io.open" | "codecs.open" | "os.fdopen" | "gzip.open" | "bz2.open" | "lzma.open"
        | "os.open" => {
            let mode =
                args.get(1, "mode").and_then(|m| m.known().map(|k| k.into_owned())).unwrap_or_default();
            if name == "os.fdopen" && matches!(first, Val::Thing(_)) {
                return Some(first);
            }
            if mode.starts_with('w') || mode.starts_with('x') {
                // Opened to be written, a file is emptied; what is written later is what counts.
                return Some(Val::thing(Thing::File { path: first, append: false.into() }));
            }
            Val::thing(Thing::File { path: first, append: mode.starts_with('a').into() })
        }
        "os.write" => it.call_method(&first, &Rc::from("write"), Args::of(vec![args.at(1)])),
        "tempfile.NamedTemporaryFile" | "tempfile.mkstemp" | "tempfile.TemporaryFile" => {
            let file = Val::thing(Thing::File { path: Val::text("/tmp/tmpfile"), append: false.into() });
            if name == "tempfile.mkstemp" { Val::list(vec![file, Val::text("/tmp/tmpfile")]) } else { file }
        }
        "tempfile.gettempdir" => Val::text("/tmp"),
        "tempfile.mkdtemp" | "tempfile.TemporaryDirectory" => Val::text("/tmp/tmpdir"),
        "os.chmod" | "os.fchmod" => {
            let mode = args.at(1).int().map(|m| format!("{m:o}"));
            it.change_file(FileOp::Chmod, &first, mode);
            Val::None
        }
        "os.remove" | "os.unlink" | "shutil.rmtree" | "os.rmdir" | "os.removedirs" => {
            it.change_file(FileOp::Delete, &first, None);
            Val::None
        }
        "shutil.copy" | "shutil.copyfile" | "shutil.copy2" | "os.rename" | "shutil.move" | "os.replace"
        | "os.link" | "shutil.copytree" => {
            it.copy_file(&first, &args.at(1));
            Val::None
        }
        "shutil.copyfileobj" => {
            let content = match &first {
                Val::Thing(_) => it.call_method(&first, &Rc::from("read"), Args::default()),
                other => other.clone(),
            };
            it.call_method(&args.at(1), &Rc::from("write"), Args::of(vec![content]))
        }
        "os.path.exists" | "os.path.isfile" | "os.path.isdir" | "os.path.lexists" | "os.access" => {
            it.exists(&first)
        }
        "os.path.join" | "posixpath.join" => {
            let mut whole = String::new();
            let mut parts: Vec<Val> = Vec::new();
            for part in &args.list {
                let text = part.word().text;
                if text.starts_with('/') {
                    parts.clear();
                } else if !parts.is_empty() && !whole.ends_with('/') {
                    parts.push(Val::text("/"));
                }
                parts.push(part.clone());
                whole = text;
            }
            it.join(&Val::text(""), &Val::list(parts))
        }
        "os.path.dirname" => {
            let text = first.known()?;
            Val::text(
                text.rsplit_once('/').map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder }),
            )
        }
        "os.path.basename" => Val::text(crate::shell::program_name(&first.known()?)),
        "os.path.expanduser" => Val::text(&first.known()?.replacen('~', "/root", 1)),
        "os.getcwd" | "os.getcwdb" | "pathlib.Path.cwd" => Val::text(&it.start.cwd.clone()),
        "pathlib.Path.home" => Val::text("/root"),
        "os.chdir" => {
            let cwd = it.absolute(&first.known()?);
            it.start.cwd = cwd;
            Val::None
        }
        "os.getenv" | "os.environ.get" | "os.environ.pop" | "os.environ.setdefault" => {
            it.variable(&first, args.get(1, "default"))
        }
        "os.putenv" => {
            it.set_library_item("os.environ", &first, &args.at(1));
            Val::None
        }
        "os.environ.copy" => Val::library("os.environ"),
        "os.getuid" | "os.geteuid" | "os.getpid" | "time.time" | "random.randint" | "random.random"
        | "random.choice" | "uuid.uuid4" | "socket.gethostname" | "getpass.getuser" | "platform.system" => {
            match name {
                "platform.system" => Val::text("Linux"),
                _ => Val::unknown(&format!("$({name})")),
            }
        }
        "time.sleep" => Val::None,
        "threading.Thread"
        | "multiprocessing.Process"
        | "threading.Timer"
        | "Thread"
        | "_thread.start_new_thread"
        | "thread.start_new_thread"
        | "signal.signal"
        | "atexit.register"
        | "concurrent.futures.ThreadPoolExecutor" => {
            let target = args.named("target").or_else(|| args.callbacks().first().cloned());
            let given = args.named("args").unwrap_or_else(|| args.list.last().cloned().unwrap_or(Val::None));
            let given = match given {
                Val::List(_) => given.items().unwrap_or_default(),
                _ => Vec::new(),
            };
            if let Some(target) = target {
                if name == "signal.signal" {
                    it.may(|it| it.call_back(&target, given));
                } else {
                    it.call_back(&target, given);
                }
            }
            Val::unknown("$(thread)")
        }
        "asyncio.start_server" | "socketserver.TCPServer" | "socketserver.ThreadingTCPServer" => {
            let certainty = it.certainty;
            if certainty == Certainty::Will {
                it.run_callbacks(args, &Val::None);
            }
            Val::unknown("$(server)")
        }
        "ctypes.CDLL" | "ctypes.cdll.LoadLibrary" => {
            if first.known().is_some() {
                it.read_file(&first);
            }
            Val::library("ctypes.CDLL")
        }
        "re.compile" => {
            let pattern = first.known()?.into_owned();
            Val::library(&format!("/{pattern}/g"))
        }
        "re.sub" => {
            let pattern = match &first {
                Val::Library(_) => first.clone(),
                other => Val::library(&format!("/{}/g", other.known()?)),
            };
            it.call_method(&args.at(2), &Rc::from("replace"), Args::of(vec![pattern, args.at(1)]))
        }
        "subprocess.list2cmdline" | "shlex.join" => it.join(&Val::text(" "), &first),
        "shlex.split" => {
            let words = crate::launch::command_words(&first.known()?);
            Val::list(words.iter().map(Val::from_word).collect())
        }
        "shlex.quote" | "pipes.quote" => {
            let text = first.known()?.into_owned();
            Val::text(&format!("'{}'", text.replace('\'', "'\\''")))
        }
        "int.to_bytes" => return None,
        _ => return None,
    })
}

fn first_is_number(value: &Val) -> bool {
    matches!(value, Val::Int(_) | Val::Float(_))
}

/// `os.execl(path, arg0, …)`, `os.execv(path, args)`, `os.spawnl(mode, path, arg0, …)`, ….
fn execs(it: &mut Interp<'_>, name: &str, args: &Args) -> Option<Val> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let skip = usize::from(bare.starts_with("spawn"));
    let path = args.at(skip);
    let listed = bare.contains('v') || bare.contains("posix_spawn");
    let mut words = if listed {
        args.at(skip + 1).items().unwrap_or_else(|| vec![Val::unknown("$(…)")])
    } else {
        let mut words = args.list.get(skip + 1..).unwrap_or_default().to_vec();
        if bare.ends_with('e') {
            words.pop();
        }
        words
    };
    // The program is the file; what it is called by is the first argument.
    if words.is_empty() {
        words.push(path);
    } else {
        words[0] = path;
    }
    it.run_words(words, Ties::default());
    if bare.starts_with("exec") {
        it.halt = true;
    }
    Some(Val::unknown("$(status)"))
}

/// Methods that only Python has.
pub(in super::super) fn method(it: &mut Interp<'_>, object: &Val, name: &str, args: &Args) -> Option<Val> {
    Some(match (object, name) {
        (_, "__enter__" | "__aenter__") if !matches!(object, Val::Object(_)) => object.clone(),
        (Val::Library(path), "__getattribute__") => {
            it.attr(&Val::Library(path.clone()), &Rc::from(&*args.at(0).known()?))
        }
        // An object of pathlib.
        (Val::Text(_), "write_text" | "write_bytes") => {
            it.write_file(object, &args.at(0), false);
            Val::None
        }
        (Val::Text(_), "read_text" | "read_bytes") => it.read_file(object),
        (Val::Text(_), "open") => {
            call(it, "open", &Args::of(std::iter::once(object.clone()).chain(args.list.clone()).collect()))?
        }
        (Val::Text(_), "chmod") => {
            let mode = args.at(0).int().map(|m| format!("{m:o}"));
            it.change_file(FileOp::Chmod, object, mode);
            Val::None
        }
        (Val::Text(_), "unlink") => {
            it.change_file(FileOp::Delete, object, None);
            Val::None
        }
        (Val::Text(_), "exists" | "is_file" | "is_dir") => it.exists(object),
        (Val::Text(_), "mkdir" | "touch") => Val::None,
        (Val::Text(_), "resolve" | "absolute" | "as_posix" | "expanduser") => object.clone(),
        (Val::Text(_), "joinpath") => {
            let mut whole = object.clone();
            for part in &args.list {
                whole = it.add_to(super::super::tree::Op::Div, whole, part.clone());
            }
            whole
        }
        (Val::List(list), "decode") => {
            let bytes = it.bytes_of(&Val::List(list.clone()), "bytes");
            it.call_method(&bytes, &Rc::from("decode"), args.clone())
        }
        (Val::Unknown(_), "get") if args.list.len() > 1 => return None,
        _ => return None,
    })
}
