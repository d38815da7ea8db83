//! What the functions of Node's libraries do.

use std::rc::Rc;

use lazaret_model::FileOp;

use super::super::effects::Ties;
use super::super::eval::Args;
use super::super::interp::Interp;
use super::super::tree::{Each, Op};
use super::super::value::{Dict, Text, Thing, Val};

/// A name that the program does not define.
pub(in super::super) fn name(_: &mut Interp<'_>, name: &str) -> Val {
    match name {
        "NaN" => Val::Float(f64::NAN),
        "Infinity" => Val::Float(f64::INFINITY),
        "global" | "window" | "self" | "this" => Val::library("globalThis"),
        _ => Val::library(name),
    }
}

/// A constant of a library.
pub(in super::super) fn constant(it: &mut Interp<'_>, name: &str) -> Option<Val> {
    if let Some(rest) = name.strip_prefix("globalThis.") {
        return (!rest.contains('.')).then(|| it.lookup(rest));
    }
    Some(match name {
        "process.platform" => Val::text("linux"),
        "process.arch" => Val::text("x64"),
        "process.execPath" => Val::text(&it.interpreter.clone()),
        "require.main" => return it.get("module"),
        "fs.promises" => Val::library("fs"),
        "fs/promises.default" | "fs.default" | "child_process.default" | "net.default" | "path.default" => {
            Val::library(name.trim_end_matches(".default"))
        }
        "path.sep" => Val::text("/"),
        "os.EOL" => Val::text("\n"),
        _ => return None,
    })
}

/// An option of the call: a member of its last argument.
fn option(it: &mut Interp<'_>, args: &Args, name: &str) -> Option<Val> {
    let options = args.list.iter().rev().find(|v| matches!(v, Val::Dict(_)))?.clone();
    Some(it.member(&options, &Val::text(name))).filter(|v| !matches!(v, Val::None))
}

fn ties(it: &mut Interp<'_>, args: &Args) -> Ties {
    let stdin = match option(it, args, "stdio") {
        Some(list @ Val::List(_)) => Some(it.member(&list, &Val::Int(0))),
        Some(other) => Some(other).filter(|v| matches!(v, Val::Thing(_))),
        None => option(it, args, "input"),
    };
    Ties {
        stdin: stdin.filter(|v| !v.known().is_some_and(|k| matches!(&*k, "inherit" | "pipe" | "ignore"))),
        cwd: option(it, args, "cwd"),
        env: option(it, args, "env"),
    }
}

fn spawned(it: &mut Interp<'_>, words: Vec<Val>, args: &Args) -> Val {
    let ties = ties(it, args);
    let out = it.run_words(words.clone(), ties);
    for function in args.callbacks() {
        it.call_back(&function, vec![Val::None, out.clone(), Val::text("")]);
    }
    Val::thing(Thing::Process { argv: words, out })
}

fn connected(it: &mut Interp<'_>, args: &Args) -> Val {
    let socket = Val::thing(Thing::Socket(Default::default()));
    it.call_method(&socket, &Rc::from("connect"), args.clone());
    socket
}

fn output(process: Val) -> Val {
    match &process {
        Val::Thing(thing) => match &**thing {
            Thing::Process { out, .. } => out.clone(),
            _ => Val::None,
        },
        _ => process,
    }
}

/// Calls a function of the language or of a library; None for one that does nothing of note.
pub(in super::super) fn call(it: &mut Interp<'_>, name: &str, args: &Args) -> Option<Val> {
    let name = name.strip_prefix("globalThis.").unwrap_or(name);
    let name = name.strip_prefix("node:").unwrap_or(name);
    let first = args.at(0);
    let (library, function) = name.rsplit_once('.').unwrap_or(("", name));
    // A function's own methods.
    match function {
        "call" if !library.is_empty() => {
            let rest = args.list.get(1..).unwrap_or_default().to_vec();
            return Some(it.call_library(library, Args::of(rest)));
        }
        "apply" if !library.is_empty() && library != "Reflect" => {
            let given = args.at(1).items()?;
            return Some(it.call_library(library, Args::of(given)));
        }
        "bind" if !library.is_empty() => return Some(Val::library(library)),
        "then" if !library.is_empty() => {
            return Some(it.call_back(&first, vec![Val::library(library)]));
        }
        _ => {}
    }
    if matches!(library, "child_process" | "cross-spawn" | "execa") || matches!(name, "execa" | "cross-spawn")
    {
        return process(it, function, args);
    }
    if matches!(library, "fs" | "fs/promises" | "fs-extra" | "fs.promises" | "graceful-fs") {
        return files(it, function, args);
    }
    Some(match name {
        "require"
        | "module.require"
        | "process.mainModule.require"
        | "require.main.require"
        | "import"
        | "process.mainModule.constructor._load"
        | "module.constructor._load"
        | "process.binding"
        | "process.getBuiltinModule" => {
            let wanted = first.known()?.into_owned();
            it.import(&wanted)
        }
        "module.createRequire" => Val::library("require"),
        "Bun.spawn" | "Bun.spawnSync" | "Deno.run" | "Deno.Command" => {
            let mut words = match &first {
                Val::Dict(_) => it.member(&first, &Val::text("cmd")).items()?,
                Val::List(_) => first.items()?,
                other => vec![other.clone()],
            };
            if let Some(more) = option(it, args, "args") {
                words.extend(more.items().unwrap_or_default());
            }
            spawned(it, words, args)
        }
        "net.Socket" | "tls.TLSSocket" => Val::thing(Thing::Socket(Default::default())),
        "net.connect" | "net.createConnection" | "tls.connect" | "Deno.connect" => connected(it, args),
        "net.createServer" | "tls.createServer" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            it.listen_socket(&socket, &Val::unknown("$port"));
            for function in args.callbacks() {
                it.call_back(&function, vec![socket.clone()]);
            }
            socket
        }
        "WebSocket" | "ws" | "ws.WebSocket" => {
            it.fetch(&first);
            let socket = Val::thing(Thing::Socket(Default::default()));
            if let (Val::Thing(thing), Some(url)) = (&socket, first.known())
                && let Thing::Socket(peer) = &**thing
            {
                let rest = url.split_once("://").map_or(&*url, |(_, r)| r);
                let host = rest.split(['/', ':']).next().unwrap_or_default();
                *peer.borrow_mut() = Some(Rc::from(format!("/dev/tcp/{host}/443")));
            }
            socket
        }
        "http.get" | "https.get" | "http.request" | "https.request" | "http2.connect" | "fetch" | "axios"
        | "got" | "request" | "needle" | "node-fetch" | "undici.fetch" | "axios.get" | "axios.post"
        | "axios.request" | "axios.put" | "got.get" | "got.post" | "request.get" | "request.post"
        | "needle.get" | "superagent.get" | "superagent.post" | "$.get" | "undici.request" | "got.stream"
        | "needle.post" => {
            let target = match args.at(1) {
                options @ Val::Dict(_)
                    if !matches!(first, Val::Text(_)) && !matches!(first, Val::Dict(_)) =>
                {
                    options
                }
                _ => first,
            };
            let response = it.fetch(&target);
            for function in args.callbacks() {
                // `request(url, (error, response, body) => …)`.
                let given =
                    if matches!(name, "request" | "request.get" | "request.post" | "needle" | "needle.get") {
                        vec![Val::None, response.clone(), Val::hidden("$response", response.origin())]
                    } else {
                        vec![response.clone()]
                    };
                it.call_back(&function, given);
            }
            response
        }
        "eval"
        | "vm.runInThisContext"
        | "vm.runInNewContext"
        | "vm.runInContext"
        | "execScript"
        | "Deno.eval" => {
            return Some(it.run_code(&first));
        }
        "vm.Script" | "vm.compileFunction" => Val::Method(Rc::new((first, Rc::from("·run")))),
        "Function" | "GeneratorFunction" | "AsyncFunction" | "Function.constructor" => {
            let code = args.list.last().cloned().unwrap_or(Val::None);
            Val::Method(Rc::new((code, Rc::from("·run"))))
        }
        "module._compile" | "module.prototype._compile" => return Some(it.run_code(&first)),
        "setTimeout"
        | "setInterval"
        | "setImmediate"
        | "process.nextTick"
        | "queueMicrotask"
        | "requestAnimationFrame"
        | "cron.schedule"
        | "node-cron.schedule" => match &first {
            Val::Text(code) if code.is_known() && args.callbacks().is_empty() => {
                return Some(it.run_code(&first));
            }
            _ => {
                for function in args.callbacks() {
                    it.call_back(&function, Vec::new());
                }
                if matches!(first, Val::Method(_) | Val::Library(_)) {
                    it.call_back(&first, args.list.get(2..).unwrap_or_default().to_vec());
                }
                Val::unknown("$timer")
            }
        },
        "Promise" => {
            let value = Rc::new(std::cell::RefCell::new(vec![]));
            let resolve = Val::Method(Rc::new((Val::List(value.clone()), Rc::from("push"))));
            it.call_back(&first, vec![resolve, Val::library("reject")]);
            let resolved = value.borrow().first().cloned();
            resolved.unwrap_or_else(|| Val::unknown("$promise"))
        }
        "Promise.resolve" | "Promise.all" | "util.promisify" | "Object.freeze" | "Object.create"
        | "String.raw" | "Object.seal" | "process.on" | "process.once"
            if !function.starts_with("on") =>
        {
            first
        }
        "process.exit" | "Deno.exit" | "process.abort" | "process.reallyExit" => {
            it.halt = true;
            Val::None
        }
        "process.cwd" => Val::text(&it.start.cwd.clone()),
        "process.chdir" => {
            it.start.cwd = it.absolute(&first.known()?);
            Val::None
        }
        "os.homedir" => Val::text("/root"),
        "os.tmpdir" => Val::text("/tmp"),
        "os.platform" => Val::text("linux"),
        "path.join" | "path.resolve" | "path.posix.join" => {
            let mut parts: Vec<Val> = Vec::new();
            for part in &args.list {
                let rooted = part.as_text().is_some_and(|t| t.data.starts_with(b"/"));
                if rooted && function == "resolve" {
                    parts.clear();
                } else if !parts.is_empty() {
                    parts.push(Val::text("/"));
                }
                parts.push(part.clone());
            }
            let whole = it.join(&Val::text(""), &Val::list(parts));
            match whole.known() {
                Some(path) if path.starts_with('/') => Val::text(&it.absolute(&path)),
                _ => whole,
            }
        }
        "path.dirname" => Val::text(first.known()?.rsplit_once('/').map_or(".", |(folder, _)| folder)),
        "path.basename" => Val::text(crate::shell::program_name(&first.known()?)),
        "console.log" | "process.stdout.write" | "console.info" => {
            for (n, value) in args.list.iter().enumerate() {
                if n > 0 {
                    it.put_out(&Val::text(" "));
                }
                it.put_out(value);
            }
            if name.starts_with("console") {
                it.put_out(&Val::text("\n"));
            }
            Val::None
        }
        "Buffer.from" | "Buffer" | "Uint8Array.from" | "Uint8Array" | "Buffer.concat" | "Uint16Array"
        | "Buffer.alloc" => match (&first, args.at(1).known().as_deref()) {
            (Val::List(list), _) if name == "Buffer.concat" => {
                let list = list.try_borrow().ok()?.clone();
                it.join(&Val::text(""), &Val::list(list))
            }
            (Val::List(_), _) => it.bytes_of(&first, "bytes"),
            (Val::Int(n), _) => {
                let zero = Val::bytes(vec![0]);
                it.add_to(Op::Mul, zero, Val::Int(*n))
            }
            (_, Some("base64" | "base64url")) => it.decoded("base64", &first),
            (_, Some("hex")) => it.decoded("hex", &first),
            (Val::Text(text), _) => Val::Text(Text { binary: true, ..text.clone() }),
            _ => return None,
        },
        "atob" => {
            let decoded = it.decoded("base64", &first);
            match decoded {
                Val::Text(text) => Val::Text(Text { binary: false, ..text }),
                other => other,
            }
        }
        "btoa" => it.encoded("base64", &first),
        "decodeURIComponent" | "unescape" | "decodeURI" | "querystring.unescape" => {
            match it.decoded("url", &first) {
                Val::Text(text) => Val::Text(Text { binary: false, ..text }),
                other => other,
            }
        }
        "encodeURIComponent" | "escape" | "encodeURI" => return None,
        "String.fromCharCode" | "String.fromCodePoint" => {
            let mut out = String::new();
            for value in &args.list {
                out.push(char::from_u32(value.int()? as u32)?);
            }
            if !it.affords(out.len()) {
                return None;
            }
            let mut text = Text::new(&out);
            text.origin = args.origin().staged("chr");
            Val::Text(text)
        }
        "String" | "String.prototype.toString" => match &first {
            Val::Text(_) => first,
            Val::Int(_) | Val::Float(_) | Val::Bool(_) => Val::text(&first.word().text),
            Val::List(_) => it.join(&Val::text(","), &first),
            other => Val::hidden("$String", other.origin()),
        },
        "Number" | "parseFloat" => match first.number() {
            Some(f) if f.fract() == 0.0 && f.abs() < 9e15 => Val::Int(f as i64),
            Some(f) => Val::Float(f),
            None if first.known().is_some() => Val::Float(f64::NAN),
            None => return None,
        },
        "parseInt" | "Number.parseInt" => {
            let text = match first.known() {
                Some(text) => text.trim().to_owned(),
                None => return first.int().map(Val::Int),
            };
            let base = args.at(1).int().unwrap_or(10);
            let (text, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(rest) => (rest.to_owned(), 16),
                None => (text, u32::try_from(base).ok().filter(|b| (2..=36).contains(b)).unwrap_or(10)),
            };
            let sign = usize::from(text.starts_with(['-', '+']));
            let end = text[sign..].find(|c: char| !c.is_digit(base)).map_or(text.len(), |n| n + sign);
            i64::from_str_radix(&text[..end], base).map_or(Val::Float(f64::NAN), Val::Int)
        }
        "Math.floor" | "Math.round" | "Math.trunc" | "Math.ceil" => {
            let f = first.number()?;
            Val::Int(match function {
                "ceil" => f.ceil(),
                "round" => f.round(),
                _ => f.floor(),
            } as i64)
        }
        "Math.random" => Val::unknown("$random"),
        "Array.from" | "Array.of" => {
            let items = it.each(&first, Each::Values)?;
            let list = Val::list(items);
            match args.list.get(1) {
                Some(function) => it.call_method(&list, &Rc::from("map"), Args::of(vec![function.clone()])),
                None => list,
            }
        }
        "Array" | "Set" => match &first {
            Val::Int(n) => Val::list(vec![Val::None; usize::try_from(*n).ok().filter(|n| *n < 1 << 16)?]),
            Val::None => Val::list(Vec::new()),
            Val::List(_) => first,
            _ => Val::list(args.list.clone()),
        },
        "Object" | "Map" => match &first {
            Val::Dict(_) => first,
            _ => Val::dict(Dict::default()),
        },
        "Object.keys" => Val::list(it.each(&first, Each::Keys)?),
        "Object.values" => Val::list(it.each(&first, Each::Values)?),
        "Object.entries" => Val::list(it.each(&first, Each::Pairs)?),
        "Object.assign" => {
            for other in args.list.iter().skip(1) {
                it.call_method(&first, &Rc::from("update"), Args::of(vec![other.clone()]));
            }
            first
        }
        "Object.defineProperty" | "Reflect.get" => match function {
            "get" => it.member(&first, &args.at(1)),
            _ => first,
        },
        "Reflect.apply" => {
            let given = args.at(2).items()?;
            it.call(&first, Args::of(given))
        }
        "Array.isArray" => Val::Bool(matches!(first, Val::List(_))),
        "JSON.parse" => match first.known() {
            Some(text) => super::super::json_value(&text)?,
            None => Val::hidden("$json", first.origin()),
        },
        "JSON.stringify" => Val::hidden("$json", first.origin()),
        "zlib.gunzipSync" | "zlib.unzipSync" => it.decoded("gzip", &first),
        "zlib.inflateSync" => it.decoded("zlib", &first),
        "zlib.inflateRawSync" => it.decoded("deflate", &first),
        "zlib.brotliDecompressSync" => Val::hidden("$brotli", first.origin().staged("brotli")),
        "crypto.createDecipheriv" | "crypto.createDecipher" => Val::unknown("$decipher"),
        "TextDecoder" | "TextEncoder" => Val::library("TextDecoder"),
        "TextDecoder.decode" => match &first {
            Val::Text(text) => Val::Text(Text { binary: false, ..text.clone() }),
            _ => it.bytes_of(&first, "bytes"),
        },
        "TextDecoder.encode" => match &first {
            Val::Text(text) => Val::Text(Text { binary: true, ..text.clone() }),
            _ => return None,
        },
        "Worker" | "worker_threads.Worker" => {
            if let Some(file) = first.known().map(|f| format!("./{}", f.trim_start_matches("./"))) {
                it.import(&file);
            }
            Val::unknown("$worker")
        }
        "RegExp" => {
            let flags = args.at(1).known().map(|f| f.into_owned()).unwrap_or_default();
            Val::library(&format!("/{}/{flags}", first.known()?))
        }
        "typeof" => match &first {
            Val::Text(_) => Val::text("string"),
            Val::Int(_) | Val::Float(_) => Val::text("number"),
            Val::Bool(_) => Val::text("boolean"),
            Val::Function(_) | Val::Class(_) | Val::Method(_) => Val::text("function"),
            Val::None => Val::text("undefined"),
            Val::Library(name) if matches!(&**name, "window" | "document" | "navigator") => {
                Val::text("undefined")
            }
            Val::Library(name) if matches!(&**name, "require" | "eval" | "Function" | "fetch") => {
                Val::text("function")
            }
            Val::Library(name) if matches!(&**name, "module" | "process" | "globalThis") => {
                Val::text("object")
            }
            Val::List(_) | Val::Dict(_) | Val::Object(_) => Val::text("object"),
            _ => Val::unknown("$typeof"),
        },
        _ => return None,
    })
}

/// `child_process`.
fn process(it: &mut Interp<'_>, function: &str, args: &Args) -> Option<Val> {
    let first = args.at(0);
    Some(match function {
        "exec" | "execSync" | "command" | "commandSync" | "execaCommand" => {
            let words = vec![Val::text("/bin/sh"), Val::text("-c"), first];
            let process = spawned(it, words, args);
            if function.ends_with("Sync") { output(process) } else { process }
        }
        "spawn" | "spawnSync" | "execFile" | "execFileSync" | "execa" | "sync" | "cross-spawn"
        | "default" | "execaSync" => {
            let mut words = vec![first];
            if let more @ Val::List(_) = args.at(1) {
                words.extend(more.items()?);
            }
            if option(it, args, "shell").and_then(|v| v.truth()).is_some_and(|(t, _)| t) {
                let text = it.join(&Val::text(" "), &Val::list(words));
                words = vec![Val::text("/bin/sh"), Val::text("-c"), text];
            }
            let process = spawned(it, words, args);
            if function == "execFileSync" { output(process) } else { process }
        }
        "fork" => {
            let mut words = vec![Val::text("node"), first];
            if let more @ Val::List(_) = args.at(1) {
                words.extend(more.items()?);
            }
            spawned(it, words, args)
        }
        _ => return None,
    })
}

/// `fs`.
fn files(it: &mut Interp<'_>, function: &str, args: &Args) -> Option<Val> {
    let first = args.at(0);
    let done = |it: &mut Interp<'_>, value: Val| {
        for function in args.callbacks() {
            it.call_back(&function, vec![Val::None, value.clone()]);
        }
        value
    };
    Some(match function {
        "writeFile" | "writeFileSync" | "appendFile" | "appendFileSync" | "outputFile" | "outputFileSync" => {
            let appends = function.starts_with("append")
                || option(it, args, "flag").is_some_and(|f| f.known().is_some_and(|k| k.starts_with('a')));
            it.write_file(&first, &args.at(1), appends);
            if option(it, args, "mode").is_some() {
                it.change_file(FileOp::Chmod, &first, None);
            }
            done(it, Val::None)
        }
        "createWriteStream" | "openSync" | "open" => {
            let file = Val::thing(Thing::File { path: first, append: false.into() });
            done(it, file)
        }
        "writeSync" | "write" => it.call_method(&first, &Rc::from("write"), Args::of(vec![args.at(1)])),
        "readFile" | "readFileSync" | "createReadStream" => {
            let value = it.read_file(&first);
            done(it, value)
        }
        "readJsonSync" | "readJSONSync" => {
            let value = it.read_file(&first);
            value.known().and_then(|text| super::super::json_value(&text))?
        }
        "chmod" | "chmodSync" => {
            let mode = match args.at(1) {
                Val::Int(n) => Some(format!("{n:o}")),
                other => other.known().map(|k| k.into_owned()),
            };
            it.change_file(FileOp::Chmod, &first, mode);
            done(it, Val::None)
        }
        "unlink" | "unlinkSync" | "rm" | "rmSync" | "rmdir" | "rmdirSync" | "remove" | "removeSync" => {
            it.change_file(FileOp::Delete, &first, None);
            done(it, Val::None)
        }
        "copyFile" | "copyFileSync" | "rename" | "renameSync" | "copySync" | "cpSync" | "moveSync" => {
            it.copy_file(&first, &args.at(1));
            done(it, Val::None)
        }
        "existsSync" | "statSync" | "accessSync" | "pathExistsSync" => it.exists(&first),
        "exists" | "access" | "stat" => {
            let there = it.exists(&first);
            done(it, there)
        }
        "mkdir" | "mkdirSync" | "ensureDirSync" => done(it, Val::None),
        _ => return None,
    })
}

/// Methods that only JavaScript has.
pub(in super::super) fn method(it: &mut Interp<'_>, object: &Val, name: &str, args: &Args) -> Option<Val> {
    Some(match (object, name) {
        (code, "·run") => {
            let code = code.clone();
            return Some(it.run_code(&code));
        }
        (Val::Method(bound), "runInThisContext" | "runInNewContext" | "runInContext")
            if &*bound.1 == "·run" =>
        {
            let code = bound.0.clone();
            return Some(it.run_code(&code));
        }
        (Val::Function(_) | Val::Method(_), "constructor") => {
            return call(it, "Function", args);
        }
        // A promise is what it brings.
        (Val::Thing(_), "then") => return None,
        (value, "then")
            if value.origin().fetched.is_some()
                || matches!(value, Val::Text(_) | Val::List(_) | Val::Dict(_)) =>
        {
            let value = value.clone();
            let given = args.at(0);
            it.call_back(&given, vec![value])
        }
        (Val::Text(_), "match" | "search" | "matchAll") => Val::unknown("$match"),
        _ => return None,
    })
}
