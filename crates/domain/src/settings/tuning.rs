//! What may be changed while a campaign runs (CL-19).

use serde_json::Value;

use super::Settings;

impl Settings {
    /// The fields whose values differ, in the order of their names.
    pub fn changed(&self, after: &Self) -> Vec<String> {
        let fields = |settings: &Self| match serde_json::to_value(settings) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => unreachable!("settings are an object of plain data"),
        };
        let (before, after) = (fields(self), fields(after));
        let mut names: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| before.get(name) != after.get(name));
        names
    }

    /// The first field that differs and stays as it is while the campaign runs: all
    /// but `concurrency` and the ends of the windows (CL-19).
    pub fn locked_while_running(&self, after: &Self) -> Option<String> {
        let mut tuned = self.clone();
        tuned.concurrency = after.concurrency;
        tuned.window.end.clone_from(&after.window.end);
        for (window, new) in tuned.windows.iter_mut().zip(&after.windows) {
            window.end.clone_from(&new.end);
        }
        tuned.changed(after).into_iter().next()
    }
}
