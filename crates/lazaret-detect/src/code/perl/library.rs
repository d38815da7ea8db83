//! What the functions of Perl do.

use std::rc::Rc;

use lazaret_model::FileOp;

use super::super::effects::Ties;
use super::super::eval::Args;
use super::super::interp::Interp;
use super::super::value::{Dict, Text, Thing, Val};

/// A name that the program does not define.
pub(in super::super) fn name(it: &mut Interp<'_>, name: &str) -> Val {
    match name {
        "$0" => Val::text(&it.file.clone().unwrap_or_else(|| "-e".to_owned())),
        "%ENV" => Val::library("%ENV"),
        "@ARGV" => it.lookup("argv"),
        _ if name.starts_with('@') => Val::list(Vec::new()),
        _ if name.starts_with('%') => Val::dict(Dict::default()),
        _ if name.starts_with('$') => Val::None,
        _ => Val::library(name),
    }
}

/// `HOST:PORT`, or a packed address.
fn connect(it: &mut Interp<'_>, socket: &Val, address: &Val) {
    let (host, port) = match address {
        Val::List(_) => (it.member(address, &Val::Int(1)), it.member(address, &Val::Int(0))),
        other => match other.known().as_deref().and_then(|k| k.rsplit_once(':')) {
            Some((host, port)) => (Val::text(host), Val::text(port)),
            None => (other.clone(), Val::unknown("$port")),
        },
    };
    it.connect_socket(socket, &host, &port);
}

/// A handle by its name or its value.
fn handle(it: &mut Interp<'_>, value: &Val) -> Val {
    match value.known() {
        Some(name) if matches!(value, Val::Text(_)) => it.get(&name).unwrap_or_else(|| value.clone()),
        _ => value.clone(),
    }
}

/// Calls a function of the language; None for one that does nothing of note.
pub(in super::super) fn call(it: &mut Interp<'_>, name: &str, args: &Args) -> Option<Val> {
    let first = args.at(0);
    Some(match name {
        "system" | "exec" | "readpipe" => {
            let out = if args.list.len() > 1 {
                it.run_words(args.list.clone(), Ties::default())
            } else {
                it.run_shell_text(first, Ties::default())
            };
            if name == "exec" {
                it.halt = true;
            }
            if name == "readpipe" { out } else { Val::unknown("$status") }
        }
        // `exec {"/bin/sh"} "sh", "-i"`.
        "exec·to" | "system·to" => {
            let mut words = args.at(1).items()?;
            if let Some(called) = words.first_mut() {
                *called = first;
            }
            it.run_words(words, Ties::default());
            Val::unknown("$status")
        }
        "print" | "say" | "printf" => {
            let line = it.join(&Val::text(""), &Val::list(args.list.clone()));
            it.put_out(&line);
            Val::Int(1)
        }
        "print·to" | "say·to" | "printf·to" => {
            let to = handle(it, &first);
            let line = it.join(&Val::text(""), &args.at(1));
            it.call_method(&to, &Rc::from("write"), Args::of(vec![line]))
        }
        "open" => return opened(it, args),
        "socket" => {
            if let Some(name) = first.known() {
                let name: Rc<str> = Rc::from(&*name);
                it.set(&name, Val::thing(Thing::Socket(Default::default())));
            }
            Val::Int(1)
        }
        "sockaddr_in" | "pack_sockaddr_in" | "Socket::sockaddr_in" => Val::list(vec![first, args.at(1)]),
        "inet_aton" | "Socket::inet_aton" | "gethostbyname" => first,
        "connect" => {
            let socket = handle(it, &first);
            connect(it, &socket, &args.at(1));
            Val::Int(1)
        }
        "bind" => {
            let socket = handle(it, &first);
            let port = match args.at(1) {
                list @ Val::List(_) => it.member(&list, &Val::Int(0)),
                other => other,
            };
            it.listen_socket(&socket, &port);
            Val::Int(1)
        }
        "accept" => {
            let socket = handle(it, &args.at(1));
            if let Some(name) = first.known() {
                let name: Rc<str> = Rc::from(&*name);
                it.set(&name, socket);
            }
            Val::Int(1)
        }
        "IO::Socket::INET.new" | "IO::Socket::SSL.new" | "IO::Socket.new" | "IO::Socket::IP.new" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            let mut named = Dict::default();
            for pair in args.list.chunks(2) {
                if let [key, value] = pair {
                    named.set(key.clone(), value.clone());
                }
            }
            let of = |name: &str| named.named(name).cloned();
            if let Some(port) = of("LocalPort").or_else(|| of("Listen").and(of("LocalAddr"))) {
                it.listen_socket(&socket, &port);
            } else {
                let address = of("PeerAddr").or_else(|| of("PeerHost")).unwrap_or_else(|| first.clone());
                match of("PeerPort") {
                    Some(port) => it.connect_socket(&socket, &address, &port),
                    None => connect(it, &socket, &address),
                }
            }
            socket
        }
        "STDIN.fdopen" | "STDOUT.fdopen" | "STDERR.fdopen" | "STDIN->fdopen" => {
            let socket = first;
            if let Val::Thing(thing) = &socket
                && let Thing::Socket(peer) = &**thing
                && name.starts_with("STDIN")
                && let Some(address) = peer.borrow().clone()
            {
                it.descriptors.insert(0, address);
            }
            Val::Int(1)
        }
        "LWP::Simple.get" | "get" | "LWP::Simple::get" | "getprint" => {
            let response = it.fetch(&first);
            Val::hidden("$response", response.origin())
        }
        "getstore" | "LWP::Simple::getstore" | "mirror" => {
            let response = it.fetch(&first);
            it.write_file(&args.at(1), &Val::hidden("$response", response.origin()), false);
            Val::Int(200)
        }
        "LWP::UserAgent.new" | "HTTP::Tiny.new" => Val::thing(Thing::Client { base: String::new() }),
        "eval" => return Some(it.run_code(&first)),
        "·try" => {
            let Val::Function(closure) = &first else { return None };
            let value = it.call_closure(closure, Vec::new(), Vec::new(), true);
            it.halt = false;
            value
        }
        "do" => match first.known() {
            Some(file) if file.contains(['/', '.']) => {
                let code = it.read_file(&first);
                it.run_code(&code)
            }
            _ => Val::None,
        },
        "%hash" => {
            let mut dict = Dict::default();
            for pair in first.items()?.chunks(2) {
                if let [key, value] = pair {
                    dict.set(key.clone(), value.clone());
                }
            }
            Val::dict(dict)
        }
        "decode_base64" | "MIME::Base64::decode" | "MIME::Base64::decode_base64" | "b64decode" => {
            it.decoded("base64", &first)
        }
        "encode_base64" => it.encoded("base64", &first),
        "uncompress" | "Compress::Zlib::uncompress" | "inflate" => it.decoded("zlib", &first),
        "memGunzip" | "Compress::Zlib::memGunzip" => it.decoded("gzip", &first),
        "uri_unescape" => it.decoded("url", &first),
        "pack" => {
            let list = Val::list(args.list.get(1..)?.to_vec());
            it.call_method(&list, &Rc::from("pack"), Args::of(vec![first]))
        }
        "unpack" => {
            let template = first.known()?.into_owned();
            let value = args.at(1);
            match template.chars().next()? {
                'u' => it.decoded("uu", &value),
                'm' => it.decoded("base64", &value),
                'H' => it.encoded("hex", &value),
                'C' | 'c' | 'W' => {
                    Val::list(value.as_text()?.data.iter().map(|&b| Val::Int(i64::from(b))).collect())
                }
                _ => value,
            }
        }
        "chr" => it.character(first.int()?),
        "ord" => Val::Int(i64::from(*first.as_text()?.data.first()?)),
        "hex" => Val::Int(i64::from_str_radix(first.known()?.trim_start_matches("0x"), 16).ok()?),
        "oct" => Val::Int(i64::from_str_radix(&first.known()?, 8).ok()?),
        "join" => {
            let rest = Val::list(flat(args.list.get(1..)?));
            it.join(&first, &rest)
        }
        "split" => {
            let by = match &first {
                Val::Text(_) => first.clone(),
                _ => Val::text(""),
            };
            it.call_method(&args.at(1), &Rc::from("split"), Args::of(vec![by]))
        }
        "reverse" => match &first {
            Val::List(_) => it.slice(&first, [None, None, Some(-1)]),
            Val::Text(Text { .. }) if args.list.len() == 1 => it.slice(&first, [None, None, Some(-1)]),
            _ => it.slice(&Val::list(args.list.clone()), [None, None, Some(-1)]),
        },
        "map" | "grep" => {
            let Val::Function(closure) = &first else { return None };
            let mut out = Vec::new();
            for item in flat(&args.at(1).items()?) {
                if !it.spend(2) {
                    break;
                }
                it.set(&Rc::from("$_"), item.clone());
                let value = it.call_closure(closure, Vec::new(), Vec::new(), true);
                if name == "map" {
                    out.push(value);
                } else if value.truth().is_none_or(|(t, _)| t) {
                    out.push(item);
                }
            }
            Val::list(out)
        }
        "substr" => {
            let from = args.at(1).int()?;
            let to = args.at(2).int().map(|n| n.saturating_add(from));
            it.slice(&first, [Some(from), to, None])
        }
        "lc" => it.call_method(&first, &Rc::from("lower"), Args::default()),
        "uc" => it.call_method(&first, &Rc::from("upper"), Args::default()),
        "length" => return Some(it.attr(&first, &Rc::from("length"))),
        "sprintf" => {
            let rest = Val::list(args.list.get(1..)?.to_vec());
            it.format(&first, &rest)
        }
        "push" | "unshift" | "shift" | "pop" if matches!(first, Val::List(_)) => {
            it.call_method(&first, &Rc::from(name), Args::of(args.list.get(1..)?.to_vec()))
        }
        "chmod" => {
            let mode = first.int().map(|m| format!("{m:o}"));
            for file in args.list.iter().skip(1) {
                it.change_file(FileOp::Chmod, file, mode.clone());
            }
            Val::Int(1)
        }
        "unlink" => {
            for file in &args.list {
                it.change_file(FileOp::Delete, file, None);
            }
            Val::Int(1)
        }
        "rename" | "copy" | "move" => {
            it.copy_file(&first, &args.at(1));
            Val::Int(1)
        }
        "readline" => {
            let from = handle(it, &first);
            match from {
                Val::Thing(_) => it.call_method(&from, &Rc::from("read"), Args::default()),
                _ => Val::unknown("$line"),
            }
        }
        "exit" | "die" => {
            it.halt = true;
            Val::None
        }
        "fork" => Val::unknown("$fork"),
        "close" | "chomp" | "scalar" | "select" | "binmode" | "local" | "sleep" | "alarm" => first,
        "getprotobyname" | "PF_INET" | "SOCK_STREAM" | "AF_INET" => Val::Int(6),
        _ => return None,
    })
}

/// Lists in a list are its elements.
fn flat(list: &[Val]) -> Vec<Val> {
    let mut out = Vec::new();
    for value in list {
        match value {
            Val::List(inner) => out.extend(inner.try_borrow().map(|l| l.clone()).unwrap_or_default()),
            other => out.push(other.clone()),
        }
    }
    out
}

/// `open(F, ">", path)`, `open(F, ">path")`, `open(F, "|command")`, `open(STDIN, ">&S")`.
fn opened(it: &mut Interp<'_>, args: &Args) -> Option<Val> {
    let name = args.at(0).known().map(|k| k.into_owned()).unwrap_or_default();
    let mode = args.at(1).known().map(|k| k.into_owned()).unwrap_or_default();
    let mode = mode.trim();
    let file = |path: Val, append: bool| Val::thing(Thing::File { path, append: append.into() });
    if let Some(rest) = mode.strip_prefix(">&").or_else(|| mode.strip_prefix("<&")) {
        let source = if rest.trim_matches('=').is_empty() {
            args.at(2)
        } else {
            Val::text(rest.trim_start_matches('='))
        };
        let source = handle(it, &source);
        if name == "STDIN"
            && let Val::Thing(thing) = &source
            && let Thing::Socket(peer) = &**thing
            && let Some(address) = peer.borrow().clone()
        {
            it.descriptors.insert(0, address);
        }
        return Some(source);
    }
    if args.list.len() > 2 {
        return Some(match mode {
            "|-" | "-|" => {
                let words = args.list.get(2..)?.to_vec();
                let out = if let [one] = words.as_slice() {
                    it.run_shell_text(one.clone(), Ties::default())
                } else {
                    it.run_words(words.clone(), Ties::default())
                };
                Val::thing(Thing::Process { argv: words, out })
            }
            _ => file(args.at(2), mode.starts_with(">>")),
        });
    }
    if let Some(command) = mode.strip_prefix('|').or_else(|| mode.strip_suffix('|')) {
        let command = Val::text(command.trim());
        let out = it.run_shell_text(command.clone(), Ties::default());
        let argv = vec![Val::text("/bin/sh"), Val::text("-c"), command];
        return Some(Val::thing(Thing::Process { argv, out }));
    }
    let path = mode.trim_start_matches(['>', '<', '+', ' ']);
    Some(file(Val::text(path), mode.starts_with(">>")))
}

/// Methods that only Perl has.
pub(in super::super) fn method(it: &mut Interp<'_>, object: &Val, name: &str, args: &Args) -> Option<Val> {
    match (object, name) {
        (Val::Thing(thing), "fdopen") if matches!(&**thing, Thing::Socket(_)) => {
            let _ = it;
            Some(object.clone())
        }
        (Val::Unknown(_), "content" | "decoded_content") => Some(object.clone()),
        (Val::Text(_), "fdopen") if object.known().is_some_and(|k| k == "STDIN") => {
            call(it, "STDIN.fdopen", args)
        }
        _ => None,
    }
}
