use serde_json::json;

use super::*;

fn faults(patch: Value) -> Vec<(String, &'static str)> {
    let Value::Object(patch) = patch else { panic!("an object") };
    let settings = Settings { name: "Reminders".into(), ..Settings::default() };
    let errors = settings.patched(&patch).err().unwrap_or_default();
    errors.into_iter().map(|error| (error.pointer, error.code)).collect()
}

#[test]
fn the_defaults_stand_once_there_is_a_name() {
    assert_eq!(faults(json!({})), []);
    let nameless = Settings::default().check();
    assert_eq!(nameless.len(), 1, "{nameless:?}");
}

#[test]
fn each_fault_names_its_field() {
    let table = [
        (json!({ "colour": "red" }), "/colour", "unknown"),
        (json!({ "concurrency": "many" }), "/concurrency", "invalid"),
        (json!({ "concurrency": 0 }), "/concurrency", "out_of_range"),
        (json!({ "ring_timeout_seconds": 14 }), "/ring_timeout_seconds", "out_of_range"),
        (json!({ "retry_on_system": ["completed"] }), "/retry_on_system", "not_retryable"),
        (json!({ "always_on": true, "mode": "single_day" }), "/always_on", "needs_continuous"),
        (json!({ "default_country": "Narnia" }), "/default_country", "unknown_country"),
        (json!({ "allowed_countries": [] }), "/allowed_countries", "out_of_range"),
        (json!({ "allowed_countries": ["IN", "in"] }), "/allowed_countries", "unknown_country"),
        (json!({ "window": { "end": "08:00" } }), "/window/end", "invalid_window"),
        (json!({ "windows": [] }), "/windows", "required"),
        (json!({ "windows": [{}, { "start": "22:00" }] }), "/windows/1/end", "invalid_window"),
        (
            json!({ "windows": [{ "end": "12:00" }, { "start": "11:59" }] }),
            "/windows/1",
            "overlaps",
        ),
        (
            json!({ "windows": [
                { "end": "12:00" }, { "start": "14:00", "timezone": "Europe/Berlin" },
            ] }),
            "/windows/1/timezone",
            "invalid_window",
        ),
        (json!({ "window": { "end": "12:00" }, "windows": [{}] }), "/window", "conflict"),
        (json!({ "holidays": ["2026-02-30"] }), "/holidays", "invalid"),
        (json!({ "abandon_after_ms": 30_001 }), "/abandon_after_ms", "out_of_range"),
        (json!({ "pacing": { "ratio": 0.9 } }), "/pacing/ratio", "out_of_range"),
        (json!({ "pacing": { "grace_ms": 30_001 } }), "/pacing/grace_ms", "out_of_range"),
        (
            json!({ "stop_redials_after_seconds": 10, "redial_only_under_seconds": 20 }),
            "/redial_only_under_seconds",
            "out_of_range",
        ),
    ];
    for (patch, pointer, code) in table {
        assert_eq!(faults(patch.clone()), [(pointer.to_owned(), code)], "{patch}");
    }
}

#[test]
fn one_window_is_the_same_in_either_spelling() {
    let patched = |settings: &Settings, patch: Value| {
        let Value::Object(patch) = patch else { panic!("an object") };
        settings.patched(&patch).unwrap()
    };
    let named = Settings { name: "Reminders".into(), ..Settings::default() };
    let several = json!({ "windows": [{ "end": "12:00" }, { "start": "12:00" }] });
    let two = patched(&named, several);
    assert_eq!((two.window.end.as_str(), two.windows.len()), ("12:00", 2));
    let Value::Object(whole) = serde_json::to_value(&two).unwrap() else { panic!() };
    assert_eq!(two.patched(&whole).unwrap(), two, "what was told is taken back");
    let first = json!({ "window": { "end": "12:00" }, "priority": 1 });
    assert_eq!(patched(&two, first).windows.len(), 2, "a form of one window loses none");
    let by_one = patched(&two, json!({ "window": { "end": "10:00" } }));
    let by_list = patched(&two, json!({ "windows": [{ "end": "10:00" }] }));
    assert_eq!(by_one, by_list);
    assert!(by_one.windows.is_empty());
}

#[test]
fn what_is_not_built_is_refused_and_not_ignored() {
    let patch = json!({
        "pacing": { "mode": "predictive" }, "amd": { "enabled": true },
        "config_url": "https://example.com/dialler.json", "starts_at": "2026-12-01T09:00:00Z",
    });
    let faults = faults(patch);
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults.iter().all(|(_, code)| *code == "not_supported"), "{faults:?}");
}

#[test]
fn a_running_campaign_is_tuned_in_its_seats_and_the_ends_of_its_windows_alone() {
    let named = Settings { name: "Reminders".into(), ..Settings::default() };
    let before = |settings: &Settings, patch: Value| {
        let Value::Object(patch) = patch else { panic!("an object") };
        settings.patched(&patch).unwrap()
    };
    let tune =
        |settings: &Settings, patch: Value| settings.locked_while_running(&before(settings, patch));
    assert_eq!(tune(&named, json!({ "concurrency": 7, "window": { "end": "18:00" } })), None);
    let two = before(&named, json!({ "windows": [{ "end": "12:00" }, { "start": "14:00" }] }));
    let later = json!({ "windows": [{ "end": "13:00" }, { "start": "14:00" }] });
    assert_eq!(tune(&two, later), None);
    let locked = [
        (json!({ "window": { "start": "08:00" } }), "window"),
        (json!({ "windows": [{ "end": "12:00" }, { "start": "14:00" }] }), "windows"),
        (json!({ "holidays": ["2026-12-25"] }), "holidays"),
        (json!({ "concurrency": 7, "max_attempts": 9 }), "max_attempts"),
        (json!({ "name": "Renewals" }), "name"),
    ];
    for (patch, field) in locked {
        assert_eq!(tune(&named, patch.clone()).as_deref(), Some(field), "{patch}");
    }
}
