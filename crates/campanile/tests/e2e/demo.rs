//! The command of the README's first line.

use serde_json::Value;

use crate::server::binary;

#[test]
fn the_demo_runs_a_campaign_to_its_end_and_the_carrier_agrees() {
    let output = binary()
        .args(["demo", "--once", "--json", "--contacts", "60", "--fast", "--listen", "127.0.0.1:0"])
        .args(["--seed", "7"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let summary: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("stdout is one JSON object: {error}"));
    assert_eq!(summary["contacts"], 60, "{summary:#}");
    assert_eq!(summary["processed"], 60, "{summary:#}");
    let by_outcome: u64 =
        summary["by_outcome"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(summary["attempts"], by_outcome, "{summary:#}");
    // Withdrawn before its INVITE, because the carrier went to rest meanwhile.
    let withdrawn = summary["by_outcome"]["cancelled"].as_u64().unwrap_or(0);
    let sent = summary["attempts"].as_u64().unwrap() - withdrawn;
    assert_eq!(summary["carrier_record"]["invites"], sent, "{summary:#}");
    assert_eq!(summary["carrier_record"]["distinct_numbers"], 60, "{summary:#}");
    assert!(summary["connected"].as_u64().unwrap() > 0, "{summary:#}");
}
