//! The two spellings of a campaign's windows (DI-1).

use serde_json::{Map, Value};

use super::Settings;
use crate::{field::FieldError, window::Hours};

impl Settings {
    /// When calling is allowed: `windows`, or `window` alone, less the holidays.
    pub fn hours(&self) -> Hours<'_> {
        let windows = match self.windows.as_slice() {
            [] => std::slice::from_ref(&self.window),
            several => several,
        };
        Hours::new(windows, &self.holidays)
    }

    /// `window` is the one-window spelling of `windows`: whichever was given is both.
    /// A `window` like the first of several leaves them as they are.
    pub(super) fn settle_windows(&mut self, patch: &Map<String, Value>) -> Result<(), FieldError> {
        match (patch.contains_key("window"), patch.contains_key("windows")) {
            (true, true) if self.windows.first().is_some_and(|first| *first != self.window) => {
                return Err(FieldError::new(
                    "/window",
                    "conflict",
                    "give either `window` or `windows`; together they must begin alike",
                ));
            }
            // The first of several, told again by whoever knows of one window only.
            (true, false) if self.windows.first() == Some(&self.window) => {}
            (true, false) => self.windows.clear(),
            (false, true) if self.windows.is_empty() => {
                return Err(FieldError::new("/windows", "required", "give at least one window"));
            }
            _ => {}
        }
        if let Some(first) = self.windows.first() {
            self.window = first.clone();
        }
        if self.windows.len() == 1 {
            self.windows.clear();
        }
        Ok(())
    }
}
