//! `$(…)`, `<(…)` and what files hold.

use super::expand::MAX_SUBSTITUTIONS;
use super::state::Shell;
use super::value::{Know, Value};
use super::world::{Held, Input, Status, Trouble};

impl Shell<'_> {
    /// The output of `$(…)`.
    pub(super) fn substitute(&mut self, text: &str, line: u32) -> Value {
        let shown = || Value::unknown(format!("$({text})"));
        if let Some(file) = text.trim().strip_prefix('<')
            && !file.starts_with('<')
        {
            let path = self.text_of(file.trim(), line);
            return self.content_of(&path, line).unwrap_or_else(shown);
        }
        if self.substitutions >= MAX_SUBSTITUTIONS {
            let because = self.because(line);
            self.world.trouble(because, Trouble::Deep);
            return shown();
        }
        self.substitutions += 1;
        let done = self.isolated(|shell| shell.run_text(text, line, &Input::default(), false));
        self.substitutions -= 1;
        let mut value = done.out;
        if !value.is_known() {
            return Value { fetched: value.fetched, ..shown() };
        }
        value.text.truncate(value.text.trim_end_matches('\n').len());
        value
    }

    /// What a file holds, as a value.
    pub(super) fn content_of(&mut self, path: &Value, line: u32) -> Option<Value> {
        let path = path.known()?;
        let path = self.absolute(path);
        let because = self.because(line);
        self.tell_reading(&path, line);
        match self.world.read(&path, &because, self.certainty) {
            Held::Text(value) => Some(value),
            Held::Opaque(fetched) => Some(Value { fetched, ..Value::unknown(format!("$(<{path})")) }),
            _ => None,
        }
    }

    pub(super) fn process_substitution(&mut self, text: &str, writes: bool, line: u32) -> Value {
        let done = self.isolated(|shell| shell.run_text(text, line, &Input::default(), true));
        let shown = if writes { format!(">({text})") } else { format!("<({text})") };
        if writes {
            return Value::sure(shown);
        }
        // The word names a pipe; what comes out of it goes with the name, so that
        // `bash <(curl …)` is read as what it is.
        let fetched = done.out.fetched.clone();
        self.world.hold(&shown, done.out);
        Value { text: shown, know: Know::Sure, fetched }
    }

    /// Whether a value is empty.
    pub(super) fn is_empty(&self, value: &Value) -> Status {
        match value.know {
            Know::Unknown | Know::Guess => Status::Unknown,
            Know::Unset => Status::PlainTrue,
            Know::Plain => Status::plain(value.text.is_empty()),
            Know::Sure => Status::sure(value.text.is_empty()),
        }
    }
}
