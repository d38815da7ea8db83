//! What the functions of PHP do.

use std::rc::Rc;

use lazaret_model::FileOp;

use super::super::effects::Ties;
use super::super::eval::Args;
use super::super::interp::Interp;
use super::super::tree::Each;
use super::super::value::{Text, Thing, Val};

/// A name that the program does not define.
pub(in super::super) fn name(it: &mut Interp<'_>, name: &str) -> Val {
    match name {
        "$_GET" | "$_POST" | "$_REQUEST" | "$_COOKIE" | "$_FILES" => Val::visitor(name),
        "__DIR__" => {
            let file = it.file.clone().unwrap_or_default();
            Val::text(file.rsplit_once('/').map_or("", |(folder, _)| folder))
        }
        "__FILE__" => Val::text(&it.file.clone().unwrap_or_default()),
        "PHP_OS" | "PHP_OS_FAMILY" => Val::text("Linux"),
        "PHP_EOL" => Val::text("\n"),
        "DIRECTORY_SEPARATOR" => Val::text("/"),
        _ if name.starts_with('$') => Val::None,
        _ => Val::library(name),
    }
}

/// Calls a function of the language; None for one that does nothing of note.
pub(in super::super) fn call(it: &mut Interp<'_>, name: &str, args: &Args) -> Option<Val> {
    let first = args.at(0);
    let lower = name.to_ascii_lowercase();
    let on_first = |it: &mut Interp<'_>, method: &str, rest: &[Val]| {
        it.call_method(&args.at(0), &Rc::from(method), Args::of(rest.to_vec()))
    };
    Some(match lower.as_str() {
        "system" | "exec" | "shell_exec" | "passthru" | "popen" | "pcntl_exec" => {
            if lower == "pcntl_exec" {
                let mut words = vec![first];
                words.extend(args.at(1).items().unwrap_or_default());
                return Some(it.run_words(words, Ties::default()));
            }
            let out = it.run_shell_text(first.clone(), Ties::default());
            if lower == "popen" {
                return Some(Val::thing(Thing::Process {
                    argv: vec![Val::text("/bin/sh"), Val::text("-c"), first],
                    out,
                }));
            }
            out
        }
        "proc_open" => {
            let stdin = it.each(&args.at(1), Each::Values).and_then(|l| l.into_iter().next());
            let ties = Ties { stdin: stdin.filter(|v| matches!(v, Val::Thing(_))), ..Ties::default() };
            let argv = match &first {
                Val::List(_) => first.items()?,
                _ => vec![Val::text("/bin/sh"), Val::text("-c"), first],
            };
            let out = it.run_words(argv.clone(), ties);
            Val::thing(Thing::Process { argv, out })
        }
        "fsockopen" | "pfsockopen" | "stream_socket_client" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            let (host, port) = match (first.known(), args.at(1).int()) {
                (Some(host), Some(port)) => {
                    (Val::text(host.rsplit("://").next().unwrap_or(&host)), Val::Int(port))
                }
                (Some(host), None) => {
                    let host = host.rsplit("://").next().unwrap_or(&host).to_owned();
                    let (host, port) = host.rsplit_once(':')?;
                    (Val::text(host), Val::text(port))
                }
                _ => (first, args.at(1)),
            };
            it.connect_socket(&socket, &host, &port);
            socket
        }
        "socket_create" | "stream_socket_server" | "socket_create_listen" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            if lower != "socket_create" {
                it.listen_socket(&socket, &first);
            }
            socket
        }
        "socket_connect" => on_first(it, "connect", args.list.get(1..)?),
        "socket_bind" => on_first(it, "bind", args.list.get(1..)?),
        "socket_accept" | "stream_socket_accept" => first,
        "fgets" | "fread" | "socket_read" | "stream_get_contents" | "fgetc" => on_first(it, "read", &[]),
        "fwrite" | "fputs" => on_first(it, "write", args.list.get(1..)?),
        "fopen" => {
            if first.is_address() {
                return Some(it.fetch(&first));
            }
            let mode = args.at(1).known().map(|m| m.into_owned()).unwrap_or_default();
            Val::thing(Thing::File { path: first, append: mode.starts_with('a').into() })
        }
        "file_get_contents" | "file" | "readfile" => {
            if first.is_address() {
                let response = it.fetch(&first);
                return Some(Val::hidden("$response", response.origin()));
            }
            if first.known().is_some_and(|p| p.starts_with("php://input")) {
                return Some(Val::visitor("$input"));
            }
            it.read_file(&first)
        }
        "file_put_contents" => {
            let append = matches!(args.at(2), Val::Library(flag) if flag.contains("APPEND"));
            it.write_file(&first, &args.at(1), append);
            Val::Int(1)
        }
        "curl_init" => match &first {
            Val::None => Val::thing(Thing::Client { base: String::new() }),
            _ => it.fetch(&first),
        },
        "curl_setopt" => {
            if matches!(args.at(1), Val::Library(option) if &*option == "CURLOPT_URL") {
                it.fetch(&args.at(2));
            }
            Val::Bool(true)
        }
        "curl_exec" => Val::hidden("$response", first.origin()),
        "chmod" => {
            let mode = args.at(1).int().map(|m| format!("{m:o}"));
            it.change_file(FileOp::Chmod, &first, mode);
            Val::Bool(true)
        }
        "unlink" | "rmdir" => {
            it.change_file(FileOp::Delete, &first, None);
            Val::Bool(true)
        }
        "copy" | "rename" => {
            if first.is_address() {
                let response = it.fetch(&first);
                it.write_file(&args.at(1), &Val::hidden("$response", response.origin()), false);
            } else {
                it.copy_file(&first, &args.at(1));
            }
            Val::Bool(true)
        }
        "file_exists" | "is_file" | "is_dir" | "is_readable" => it.exists(&first),
        "eval" | "assert" | "create_function" => {
            let code = args.list.last().cloned().unwrap_or(Val::None);
            if matches!(code, Val::Bool(_)) {
                return Some(Val::None);
            }
            return Some(it.run_code(&code));
        }
        "include" => return Some(super::include(it, &first)),
        "preg_replace"
            if first.known().is_some_and(|p| p.rsplit('/').next().is_some_and(|f| f.contains('e'))) =>
        {
            return Some(it.run_code(&args.at(1)));
        }
        "call_user_func"
        | "array_map"
        | "array_walk"
        | "usort"
        | "call_user_func_array"
        | "array_filter"
        | "register_shutdown_function" => {
            let (function, rest) = match lower.as_str() {
                "array_walk" | "usort" | "array_filter" => (args.at(1), vec![first]),
                _ => (first, args.list.get(1..).unwrap_or_default().to_vec()),
            };
            let function = named(it, &function);
            if lower == "array_map" {
                let list = rest.into_iter().next()?;
                return Some(it.call_method(&list, &Rc::from("map"), Args::of(vec![function])));
            }
            let given = match lower.as_str() {
                "call_user_func_array" => rest.into_iter().next()?.items()?,
                "array_filter" | "array_walk" | "usort" => {
                    rest.into_iter().next()?.items().unwrap_or_default()
                }
                _ => rest,
            };
            it.call_back(&function, given)
        }
        "base64_decode" => it.decoded("base64", &first),
        "base64_encode" => it.encoded("base64", &first),
        "gzinflate" => it.decoded("deflate", &first),
        "gzuncompress" | "zlib_decode" => it.decoded("zlib", &first),
        "gzdecode" => it.decoded("gzip", &first),
        "bzdecompress" => it.decoded("bz2", &first),
        "str_rot13" => it.decoded("rot13", &first),
        "hex2bin" => it.decoded("hex", &first),
        "bin2hex" => it.encoded("hex", &first),
        "urldecode" | "rawurldecode" => it.decoded("url", &first),
        "convert_uudecode" => it.decoded("uu", &first),
        "openssl_decrypt" | "mcrypt_decrypt" => Val::hidden("$decrypted", first.origin().staged("decrypt")),
        "strrev" => it.slice(&first, [None, None, Some(-1)]),
        "chr" => it.character(first.int()?.rem_euclid(256)),
        "ord" => Val::Int(i64::from(*first.as_text()?.data.first()?)),
        "hexdec" => Val::Int(i64::from_str_radix(&first.known()?, 16).ok()?),
        "intval" => Val::Int(first.int()?),
        "strlen" | "count" | "sizeof" | "mb_strlen" => return Some(it.attr(&first, &Rc::from("length"))),
        "implode" | "join" => match &first {
            Val::List(_) => it.join(&args.at(1), &first),
            _ => it.join(&first, &args.at(1)),
        },
        "explode" => it.call_method(&args.at(1), &Rc::from("split"), Args::of(vec![first])),
        "str_split" | "mb_str_split" => {
            let size = usize::try_from(args.at(1).int().unwrap_or(1)).ok().filter(|n| *n > 0)?;
            let text = first.as_text()?.clone();
            let parts = text.data.chunks(size).map(|c| Val::Text(text.with(c.to_vec())));
            Val::list(parts.take(1 << 18).collect())
        }
        "str_replace" | "str_ireplace" => {
            let subject = args.at(2);
            match (&first, args.at(1)) {
                (Val::List(_), with) => {
                    let with_list = match &with {
                        Val::List(_) => with.items(),
                        _ => None,
                    };
                    let mut whole = subject;
                    for (n, from) in first.items()?.into_iter().enumerate() {
                        let to = match &with_list {
                            Some(list) => list.get(n).cloned().unwrap_or_else(|| Val::text("")),
                            None => with.clone(),
                        };
                        whole = it.call_method(&whole, &Rc::from("replace"), Args::of(vec![from, to]));
                    }
                    whole
                }
                (_, to) => it.call_method(&subject, &Rc::from("replace"), Args::of(vec![first, to])),
            }
        }
        "strtr" if args.list.len() == 3 => on_first(it, "tr", args.list.get(1..)?),
        "substr" | "mb_substr" => {
            let from = args.at(1).int()?;
            let length = it.attr(&first, &Rc::from("length")).int()?;
            let from = if from < 0 { (length + from).max(0) } else { from };
            let to = match args.at(2).int() {
                Some(n) if n < 0 => length + n,
                Some(n) => from.saturating_add(n),
                None => length,
            };
            it.slice(&first, [Some(from), Some(to), None])
        }
        "trim" | "ltrim" | "rtrim" | "strtolower" | "strtoupper" => {
            let method = match lower.as_str() {
                "strtolower" => "lower",
                "strtoupper" => "upper",
                "ltrim" => "lstrip",
                "rtrim" => "rstrip",
                _ => "strip",
            };
            on_first(it, method, args.list.get(1..)?)
        }
        "str_repeat" => it.add_to(super::super::tree::Op::Mul, first, args.at(1)),
        "sprintf" => {
            let rest = Val::list(args.list.get(1..)?.to_vec());
            it.format(&first, &rest)
        }
        "pack" => {
            let list = Val::list(args.list.get(1..)?.to_vec());
            it.call_method(&list, &Rc::from("pack"), Args::of(vec![first]))
        }
        "array_reverse" => it.slice(&first, [None, None, Some(-1)]),
        "array_merge" => on_first(it, "concat", args.list.get(1..)?),
        "range" => {
            let (from, to) = (first.int()?, args.at(1).int()?);
            if to.checked_sub(from)? > 1 << 16 || !it.spend(1 << 8) {
                return None;
            }
            Val::list((from..=to).map(Val::Int).collect())
        }
        "array_keys" => Val::list(it.each(&first, Each::Keys)?),
        "array_values" => Val::list(it.each(&first, Each::Values)?),
        "echo" | "print_r" | "printf" => {
            for value in &args.list {
                it.put_out(value);
            }
            Val::None
        }
        "getenv" => it.variable(&first, None),
        "putenv" => {
            let text = first.known()?.into_owned();
            let (name, value) = text.split_once('=')?;
            it.set_library_item("environ", &Val::text(name), &Val::text(value));
            Val::Bool(true)
        }
        "define" => {
            it.set(&Rc::from(&*first.known()?), args.at(1));
            Val::Bool(true)
        }
        "$$" => it.lookup(&format!("${}", first.known()?)),
        "dirname" => Val::text(first.known()?.rsplit_once('/').map_or(".", |(folder, _)| folder)),
        "basename" => Val::text(crate::shell::program_name(&first.known()?)),
        "sys_get_temp_dir" => Val::text("/tmp"),
        "escapeshellarg"
        | "escapeshellcmd"
        | "strval"
        | "stripslashes"
        | "addslashes"
        | "htmlspecialchars_decode"
        | "array" => first,
        "isset" | "empty" => match &first {
            Val::None => Val::Bool(lower == "empty"),
            _ => Val::unknown("$isset"),
        },
        "function_exists" | "is_callable" | "extension_loaded" => Val::Bool(true),
        "exit" | "die" => {
            it.halt = true;
            Val::None
        }
        "reflectionfunction" => named(it, &first),
        _ => return None,
    })
}

/// A function by its name as a text.
pub(in super::super) fn named(it: &mut Interp<'_>, value: &Val) -> Val {
    match value {
        Val::Text(Text { .. }) => match value.known() {
            Some(name) => it.lookup(name.trim_start_matches('\\')),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

/// Methods that only PHP has.
pub(in super::super) fn method(it: &mut Interp<'_>, object: &Val, name: &str, args: &Args) -> Option<Val> {
    match (object, name) {
        (Val::Function(_) | Val::Library(_), "invoke" | "invokeArgs" | "__invoke") => {
            let given = if name == "invokeArgs" { args.at(0).items()? } else { args.list.clone() };
            Some(it.call_back(object, given))
        }
        _ => None,
    }
}
