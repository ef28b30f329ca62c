//! The API against its own description, asked by somebody who tries everything.
//!
//! Schemathesis reads `/api/v1/openapi.json` of a running server and makes requests of it:
//! right ones, nearly right ones, and chains that follow its links. Nothing may be answered
//! by a server error or by what the description does not name.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{
    bench::server::{build_dev, target, with_server},
    install,
};

/// The same requests each time; another number finds other ones.
const SEED: &str = "20";
/// Requests of each kind for each operation.
const EXAMPLES: &str = "10";
/// Seconds for all of it.
const TIME: &str = "60";
/// What an answer is held to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";

/// Builds the server, starts it, and asks it.
pub(crate) fn run() -> Result<Vec<String>> {
    let program = install::schemathesis(&target())?;
    with_server(&build_dev()?, |address, key| {
        let asked = Command::new(program)
            .arg("run")
            .arg(format!("http://{address}/api/v1/openapi.json"))
            .args(["--header", &format!("Authorization: Bearer {key}")])
            // A stream never ends, and its shape is the matter of a test of its own.
            .args(["--exclude-path", "/campaigns/{id}/events"])
            .args(["--checks", CHECKS, "--seed", SEED, "--max-examples", EXAMPLES])
            .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-time", TIME])
            .args(["--generation-database", "none", "--suppress-health-check", "all"])
            .args(["--warnings", "off", "--no-color"])
            .current_dir(target())
            .status()?;
        ensure!(asked.success(), "the API does not do what its description says: {asked}");
        Ok(Vec::new())
    })
}
