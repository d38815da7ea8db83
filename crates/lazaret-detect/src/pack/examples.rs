use crate::pack::source::Source;
use crate::{PackError, pack::Example, pack::Examples};

const HEAD: &str = "/* example:";

/// The examples of a YARA file: block comments that start with `/* example: fires` or
/// `/* example: quiet`; the rest of that line says what it shows, the following lines are the
/// recipe, with their common indentation removed.
pub(crate) fn in_comments(source: &Source) -> Result<Examples, PackError> {
    let mut examples = Examples::default();
    let mut from = 0;
    while let Some(found) = source.text[from..].find(HEAD) {
        let start = from + found;
        let line = 1 + source.text[..start].matches('\n').count() as u32;
        let body = &source.text[start + HEAD.len()..];
        let Some(end) = body.find("*/") else {
            return Err(source.error(line, "the example's comment has no end"));
        };
        let (head, recipe) = body[..end].split_once('\n').unwrap_or((&body[..end], ""));
        let example = Example { line, text: unindented(recipe) };
        match head.split_whitespace().next() {
            Some("fires") => examples.fires.push(example),
            Some("quiet") => examples.quiet.push(example),
            other => {
                let got = other.unwrap_or_default();
                let reason = format!("an example is `fires` or `quiet`, not `{got}`");
                return Err(source.error(line, reason));
            }
        }
        from = start + HEAD.len() + end;
    }
    Ok(examples)
}

fn unindented(text: &str) -> String {
    let blank = |line: &&str| !line.trim().is_empty();
    let depth = text.lines().filter(blank).map(|l| l.len() - l.trim_start().len()).min().unwrap_or(0);
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(line.get(depth..).unwrap_or_default().trim_end());
        out.push('\n');
    }
    out.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Language;

    fn source(text: &str) -> Source {
        Source {
            id: "a/b".into(),
            origin: "a/b.yar".into(),
            language: Language::Yara,
            built_in: false,
            pack: String::new(),
            text: text.into(),
        }
    }

    #[test]
    fn examples_are_read_from_comments_without_their_indentation() {
        let read = in_comments(&source(
            "rule x { condition: true }\n/* example: fires when asked\n   FILE /a\n     b\n*/\n/* example: quiet\n   FILE /c\n*/\n",
        ))
        .unwrap();
        assert_eq!(read.fires, [Example { line: 2, text: "FILE /a\n  b\n".into() }]);
        assert_eq!(read.quiet, [Example { line: 6, text: "FILE /c\n".into() }]);
    }

    #[test]
    fn an_example_that_says_neither_is_an_error_with_its_line() {
        let error = in_comments(&source("\n/* example: maybe\n*/")).unwrap_err();
        assert_eq!(error.to_string(), "a/b.yar:2: an example is `fires` or `quiet`, not `maybe`");
        assert!(in_comments(&source("/* example: fires\n")).is_err());
    }
}
