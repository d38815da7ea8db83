//! What the functions of Lua do.

use std::rc::Rc;

use lazaret_model::FileOp;

use super::super::effects::Ties;
use super::super::eval::Args;
use super::super::interp::Interp;
use super::super::tree::Op;
use super::super::value::{Thing, Val};

/// Calls a function of the language; None for one that does nothing of note.
pub(in super::super) fn call(it: &mut Interp<'_>, name: &str, args: &Args) -> Option<Val> {
    let name = name.strip_prefix("_G.").unwrap_or(name);
    let first = args.at(0);
    Some(match name {
        "os.execute" | "io.popen" | "vim.fn.system" => {
            let out = it.run_shell_text(first.clone(), Ties::default());
            if name == "io.popen" {
                let argv = vec![Val::text("/bin/sh"), Val::text("-c"), first];
                return Some(Val::thing(Thing::Process { argv, out }));
            }
            Val::unknown("$status")
        }
        "load" | "loadstring" | "dostring" => Val::Method(Rc::new((first, Rc::from("·run")))),
        "dofile" | "loadfile" => {
            let code = it.read_file(&first);
            it.run_code(&code)
        }
        "require" => Val::library(&first.known()?),
        "socket.tcp" | "socket.connect" | "socket.tcp4" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            if args.list.len() > 1 {
                it.connect_socket(&socket, &first, &args.at(1));
            }
            socket
        }
        "socket.bind" => {
            let socket = Val::thing(Thing::Socket(Default::default()));
            it.listen_socket(&socket, &args.at(1));
            socket
        }
        "socket.http.request" | "http.request" | "ssl.https.request" | "https.request" => {
            let response = it.fetch(&first);
            Val::hidden("$response", response.origin())
        }
        "io.open" | "file" => {
            let append = args.at(1).known().is_some_and(|m| m.starts_with('a'));
            Val::thing(Thing::File { path: first, append: append.into() })
        }
        "io.write" | "print" => {
            for value in &args.list {
                it.put_out(value);
            }
            Val::None
        }
        "os.remove" => {
            it.change_file(FileOp::Delete, &first, None);
            Val::Bool(true)
        }
        "os.rename" => {
            it.copy_file(&first, &args.at(1));
            Val::Bool(true)
        }
        "os.getenv" => it.variable(&first, None),
        "os.exit" | "error" => {
            it.halt = true;
            Val::None
        }
        "pcall" | "xpcall" => {
            let given = args.list.get(1..).unwrap_or_default().to_vec();
            it.call_back(&first, given)
        }
        "string.char" => {
            let list = Val::list(args.list.clone());
            it.bytes_of(&list, "chr")
        }
        "string.byte" => {
            let at = args.at(1).int().unwrap_or(1) - 1;
            Val::Int(i64::from(*first.as_text()?.data.get(usize::try_from(at).ok()?)?))
        }
        "string.reverse" => it.slice(&first, [None, None, Some(-1)]),
        "string.rep" => it.add_to(Op::Mul, first, args.at(1)),
        "string.format" => {
            let rest = Val::list(args.list.get(1..)?.to_vec());
            it.format(&first, &rest)
        }
        "string.sub" => return method(it, &first, "sub", &Args::of(args.list.get(1..)?.to_vec())),
        "string.lower" | "string.upper" | "string.len" => {
            let method: Rc<str> = Rc::from(name.trim_start_matches("string.").replace("len", "length"));
            it.call_method(&first, &method, Args::default())
        }
        "table.concat" => {
            let between = if args.list.len() > 1 { args.at(1) } else { Val::text("") };
            it.join(&between, &first)
        }
        "table.insert" => {
            it.call_method(&first, &Rc::from("push"), Args::of(vec![args.list.last()?.clone()]))
        }
        "table.unpack" | "unpack" | "pairs" | "ipairs" | "assert" => first,
        "tostring" => Val::text(&first.word().text),
        "tonumber" => match args.at(1).int() {
            Some(base @ 2..=36) => Val::Int(i64::from_str_radix(&first.known()?, base as u32).ok()?),
            _ => Val::Int(first.int()?),
        },
        "bit.bxor" | "bit32.bxor" => it.add_to(Op::BitXor, first, args.at(1)),
        "·range" => {
            let (from, to) = (first.int()?, args.at(1).int()?);
            let step = args.at(2).int().unwrap_or(1);
            let count = to.checked_sub(from)?.checked_div(step)?.max(-1).checked_add(1)?;
            if count > 1 << 16 || !it.spend(count as u64 >> 2) {
                return None;
            }
            Val::list((0..count).map(|n| Val::Int(from + n * step)).collect())
        }
        _ => return None,
    })
}

/// Methods that only Lua has, and those whose numbers count from one.
pub(in super::super) fn method(it: &mut Interp<'_>, object: &Val, name: &str, args: &Args) -> Option<Val> {
    Some(match (object, name) {
        (code, "·run") => {
            let code = code.clone();
            return Some(it.run_code(&code));
        }
        (Val::Text(_), "sub") => {
            let length = it.attr(object, &Rc::from("length")).int()?;
            let fix = |n: i64| if n < 0 { length + n } else { n - 1 };
            let to = args.at(1).int().map_or(length, |n| fix(n) + 1);
            it.slice(object, [Some(fix(args.at(0).int()?).max(0)), Some(to.max(0)), None])
        }
        (Val::Text(_), "byte" | "rep" | "format" | "reverse" | "char") => {
            let given = std::iter::once(object.clone()).chain(args.list.clone()).collect();
            return call(it, &format!("string.{name}"), &Args::of(given));
        }
        (Val::Text(_), "gsub") => {
            // Patterns of Lua are not those of others: only a byte at a time, and pairs of digits.
            let pattern = args.at(0).known()?.into_owned();
            let pattern = match pattern.as_str() {
                "." => "/(.)/g",
                ".." | "(..)" => "/(..)/g",
                "%x%x" | "(%x%x)" => "/([0-9A-Fa-f]{2})/g",
                plain if !plain.contains(['%', '.', '[', '(', '*', '+', '-', '^', '$', '?']) => {
                    return Some(it.call_method(object, &Rc::from("replace"), args.clone()));
                }
                _ => return None,
            };
            it.call_method(object, &Rc::from("replace"), Args::of(vec![Val::library(pattern), args.at(1)]))
        }
        _ => return None,
    })
}
