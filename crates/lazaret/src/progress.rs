use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lazaret_model::{ImageRef, visible};
use lazaret_scan::Progress;

/// Progress on standard error, only where it is a terminal.
pub struct Bars {
    bar: ProgressBar,
}

impl Bars {
    /// Bars that stay away where `off` or where nobody would see them.
    pub fn new(off: bool) -> Self {
        let target = if off || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {bytes}/{total_bytes} {eta}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }

    /// Shows which image is read.
    pub fn begin(&self, reference: &ImageRef) {
        self.bar.set_length(0);
        self.bar.set_position(0);
        self.bar.set_message(visible(&reference.to_string()).into_owned());
    }

    /// What the scanner tells.
    pub fn listener(&self) -> Arc<dyn Fn(Progress) + Send + Sync> {
        let bar = self.bar.clone();
        Arc::new(move |progress| match progress {
            Progress::Expect(bytes) => bar.inc_length(bytes),
            Progress::Read(bytes) => bar.inc(bytes),
        })
    }

    /// Prints without the bar in between.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
