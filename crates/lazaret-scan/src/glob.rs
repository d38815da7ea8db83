//! Patterns for paths and names, as in ignore files and policies.

use regex::Regex;

/// A pattern: `*` stands for anything but a slash, `**` for anything, `?` for one character that is
/// no slash. It has to fit from beginning to end.
#[derive(Debug, Clone)]
pub struct Glob(Regex);

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is too large, in one sentence.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let mut expression = String::from("^");
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '*' if rest.peek() == Some(&'*') => {
                    rest.next();
                    expression.push_str(".*");
                }
                '*' => expression.push_str("[^/]*"),
                '?' => expression.push_str("[^/]"),
                c => expression.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        expression.push('$');
        Regex::new(&expression).map(Self).map_err(|error| error.to_string())
    }

    /// Whether a text fits.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_star_stops_at_a_slash() {
        let fits = |pattern: &str, text: &str| Glob::new(pattern).unwrap().is_match(text);
        assert!(fits("/usr/*/x", "/usr/bin/x"));
        assert!(!fits("/usr/*", "/usr/bin/x"));
        assert!(fits("/usr/**", "/usr/bin/x"));
        assert!(fits("a?c", "abc") && !fits("a?c", "a/c"));
        assert!(!fits("/a.b", "/a+b") && !fits("b", "abc"));
    }
}
