//! Text for a terminal, line by line.

use anstyle::Style;

use crate::{Options, wrap};

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const PLAIN: Style = Style::new();

/// What is written so far, and how wide and coloured it is.
#[derive(Debug)]
pub struct Sheet {
    /// The lines.
    pub out: String,
    /// Columns, at least 40.
    pub width: usize,
    color: bool,
}

impl Sheet {
    /// An empty one.
    pub fn new(options: &Options) -> Self {
        Self { out: String::new(), width: options.width.max(40), color: options.color }
    }

    /// A line as it is, without spaces at its end.
    pub fn raw(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// The text in this style, where there is colour.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if !self.color || text.is_empty() || style == PLAIN {
            return text.to_owned();
        }
        format!("{}{text}{}", style.render(), style.render_reset())
    }

    /// A paragraph of which each line stands `indent` columns in.
    pub fn paragraph(&mut self, indent: usize, style: Style, text: &str) {
        for line in wrap::lines(text, self.width.saturating_sub(indent)) {
            let line = self.paint(style, &line);
            self.raw(&format!("{:indent$}{line}", ""));
        }
    }
}
