//! What the methods of Ruby do.

use std::rc::Rc;

use lazaret_model::FileOp;

use super::super::effects::Ties;
use super::super::eval::Args;
use super::super::interp::Interp;
use super::super::value::{Thing, Val};

/// A constant of a library.
pub(in super::super) fn constant(_: &mut Interp<'_>, name: &str) -> Option<Val> {
    (name == "RUBY_PLATFORM").then(|| Val::text("x86_64-linux"))
}

/// The block among the arguments is called with a value.
fn with_block(it: &mut Interp<'_>, args: &Args, value: Val) -> Val {
    for function in args.callbacks() {
        it.call_back(&function, vec![value.clone()]);
    }
    value
}

fn ties(args: &Args) -> Ties {
    Ties { stdin: args.named("in").filter(|v| matches!(v, Val::Thing(_))), ..Ties::default() }
}

/// Calls a method of the language or of a library; None for one that does nothing of note.
pub(in super::super) fn call(it: &mut Interp<'_>, name: &str, args: &Args) -> Option<Val> {
    let name = name.strip_prefix("Kernel.").unwrap_or(name);
    let name = name.strip_prefix("Process.").filter(|n| matches!(*n, "spawn" | "exec")).unwrap_or(name);
    let first = args.at(0);
    Some(match name {
        "system" | "exec" | "spawn" | "IO.popen" | "Open3.capture2" | "Open3.capture3" | "Open3.popen3"
        | "Open3.capture2e" | "PTY.spawn" | "Open3.popen2e" => {
            let words: Vec<Val> =
                args.list.iter().filter(|v| !matches!(v, Val::Function(_) | Val::Dict(_))).cloned().collect();
            let argv = match words.as_slice() {
                [Val::List(list), ..] => list.try_borrow().ok()?.clone(),
                [_] => vec![Val::text("/bin/sh"), Val::text("-c"), words.into_iter().next()?],
                _ => words,
            };
            let out = it.run_words(argv.clone(), ties(args));
            if name == "exec" {
                it.halt = true;
                return Some(Val::None);
            }
            let process = Val::thing(Thing::Process { argv, out: out.clone() });
            if name.contains('.') {
                return Some(with_block(it, args, process));
            }
            out
        }
        "TCPSocket.new"
        | "TCPSocket.open"
        | "Socket.tcp"
        | "UDPSocket.new"
        | "OpenSSL::SSL::SSLSocket.new" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            if args.list.len() >= 2 {
                it.connect_socket(&socket, &first, &args.at(1));
            }
            with_block(it, args, socket)
        }
        "TCPServer.new" | "TCPServer.open" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            let port = if args.list.len() > 1 { args.at(1) } else { first };
            it.listen_socket(&socket, &port);
            socket
        }
        "$stdin.reopen" | "STDIN.reopen" => {
            if let Val::Thing(thing) = &first
                && let Thing::Socket(peer) = &**thing
                && let Some(address) = peer.borrow().clone()
            {
                it.descriptors.insert(0, address);
            }
            Val::None
        }
        "eval" | "instance_eval" | "class_eval" | "binding.eval" | "Object.class_eval" => {
            return Some(it.run_code(&first));
        }
        "load" | "require_relative" => {
            let file = first.known()?.into_owned();
            let own = it.file.as_deref().and_then(|f| f.rsplit_once('/')).map_or("", |(f, _)| f).to_owned();
            let file = if file.ends_with(".rb") { file } else { format!("{file}.rb") };
            let folder = if own.is_empty() { it.start.cwd.clone() } else { own };
            let file = crate::launch::absolute_path(&folder, &file);
            it.load_part(&file);
            Val::Bool(true)
        }
        "Base64.decode64" | "Base64.strict_decode64" | "Base64.urlsafe_decode64" => {
            it.decoded("base64", &first)
        }
        "Base64.encode64" | "Base64.strict_encode64" => it.encoded("base64", &first),
        "Zlib::Inflate.inflate" | "Zlib.inflate" | "Zlib.Inflate.inflate" => it.decoded("zlib", &first),
        "Zlib.gunzip" => it.decoded("gzip", &first),
        "URI.decode_www_form_component" | "CGI.unescape" => it.decoded("url", &first),
        "URI.open"
        | "open"
        | "OpenURI.open_uri"
        | "Net.HTTP.get"
        | "Net.HTTP.get_response"
        | "HTTParty.get"
        | "URI.parse.open"
        | "Faraday.get"
        | "RestClient.get"
        | "Net.HTTP.post_form" => {
            if name == "open" && !first.is_address() {
                if let Some(command) = first.known().and_then(|k| k.strip_prefix('|').map(str::to_owned)) {
                    return Some(it.run_shell_text(Val::text(&command), Ties::default()));
                }
                return opened(it, args);
            }
            let response = it.fetch(&first);
            let value = Val::hidden("$response", response.origin());
            with_block(it, args, value)
        }
        "URI" | "URI.parse" | "URI.join" => first,
        "File.open" | "File.new" => return opened(it, args),
        "File.write" | "IO.write" | "File.binwrite" => {
            it.write_file(&first, &args.at(1), false);
            Val::Int(1)
        }
        "File.read" | "IO.read" | "File.binread" | "File.readlines" => it.read_file(&first),
        "File.chmod" | "FileUtils.chmod" => {
            let mode = first.int().map(|m| format!("{m:o}"));
            it.change_file(FileOp::Chmod, &args.at(1), mode);
            Val::None
        }
        "File.delete" | "File.unlink" | "FileUtils.rm" | "FileUtils.rm_rf" | "FileUtils.rm_f" => {
            it.change_file(FileOp::Delete, &first, None);
            Val::None
        }
        "FileUtils.cp" | "FileUtils.mv" | "File.rename" | "FileUtils.copy" => {
            it.copy_file(&first, &args.at(1));
            Val::None
        }
        "File.exist?" | "File.file?" | "Dir.exist?" => it.exists(&first),
        "File.join" => it.join(&Val::text("/"), &Val::list(args.list.clone())),
        "File.expand_path" | "String" | "Array" | "lambda" | "proc" => first,
        "Thread.new" | "loop" | "Thread.start" | "fork" | "at_exit" | "Process.fork" => {
            for function in args.callbacks() {
                it.call_back(&function, args.list.clone());
            }
            Val::unknown("$thread")
        }
        "puts" | "print" | "p" | "$stdout.puts" => {
            for value in &args.list {
                it.put_out(value);
                if name != "print" {
                    it.put_out(&Val::text("\n"));
                }
            }
            Val::None
        }
        "ENV.fetch" => it.variable(&first, args.list.get(1).cloned()),
        "Integer" => Val::Int(first.int()?),
        "send" | "public_send" | "__send__" | "Kernel.send" | "Object.send" | "method" => {
            let method = first.known()?.into_owned();
            if name == "method" {
                return Some(it.lookup(&method));
            }
            let rest = Args { list: args.list.get(1..)?.to_vec(), named: args.named.clone() };
            return Some(it.call_library(&method, rest));
        }
        "Object.const_get" | "Kernel.const_get" => it.lookup(&first.known()?),
        "·range" => {
            let (from, to) = (first.int()?, args.at(1).int()?);
            let to = if matches!(args.at(2), Val::Bool(true)) { to } else { to - 1 };
            if to.checked_sub(from)? > 1 << 16 || !it.spend(1 << 6) {
                return None;
            }
            Val::list((from..=to).map(Val::Int).collect())
        }
        "exit" | "abort" | "exit!" | "raise" => {
            it.halt = true;
            Val::None
        }
        "sleep" | "require" | "srand" => Val::Bool(true),
        _ => return None,
    })
}

fn opened(it: &mut Interp<'_>, args: &Args) -> Option<Val> {
    let mode = args.at(1).known().map(|m| m.into_owned()).unwrap_or_default();
    let file = Val::thing(Thing::File { path: args.at(0), append: mode.starts_with('a').into() });
    Some(with_block(it, args, file))
}

/// Methods that only Ruby has.
pub(in super::super) fn method(it: &mut Interp<'_>, object: &Val, name: &str, args: &Args) -> Option<Val> {
    Some(match (object, name) {
        (Val::Function(_), "call" | "()" | "yield" | "[]") => it.call_back(object, args.list.clone()),
        (Val::Thing(_), "to_i" | "fileno" | "to_io") => object.clone(),
        (Val::Text(_), "constantize") => it.lookup(&object.known()?),
        (value, "send" | "public_send" | "__send__") => {
            let method: Rc<str> = Rc::from(&*args.at(0).known()?);
            let rest = Args { list: args.list.get(1..)?.to_vec(), named: Vec::new() };
            let value = value.clone();
            it.call_method(&value, &method, rest)
        }
        (Val::Class(_), "new") => it.instantiate(object, args.clone()),
        (Val::Text(_), "each_line") => {
            for function in args.callbacks() {
                it.call_back(&function, vec![object.clone()]);
            }
            object.clone()
        }
        (Val::Text(text), "unpack") if args.at(0).known().is_some_and(|k| k.starts_with('m')) => {
            let decoded = it.decoded("base64", &Val::Text(text.clone()));
            Val::list(vec![decoded])
        }
        (value, "read" | "body" | "string" | "to_str")
            if value.origin().fetched.is_some() && matches!(value, Val::Unknown(_)) =>
        {
            value.clone()
        }
        _ => return None,
    })
}
