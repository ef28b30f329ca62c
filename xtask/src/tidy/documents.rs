//! Rules about what is written for people.

use std::collections::BTreeSet;

use campanile_domain::why::ReasonCode;

use super::{Finding, Tree};

const OPERATING: &str = "docs/operating.md";
const REQUIREMENTS: &str = "docs/requirements.md";
/// What the ids of requirements begin with.
const AREAS: &[&str] = &["AM", "API", "BT", "CB", "CL", "CO", "CT", "DI", "EX", "MO", "OP", "R"];

/// Relative links and their anchors lead somewhere.
pub(super) fn links_lead_somewhere(tree: &Tree, findings: &mut Vec<Finding>) {
    for path in tree.files.keys().filter(|path| path.ends_with(".md")) {
        let mut is_sample = false;
        for (index, line) in tree.text(path).unwrap_or_default().lines().enumerate() {
            is_sample ^= line.starts_with("```");
            if is_sample {
                continue;
            }
            for target in links(line) {
                if !leads_somewhere(tree, path, target) {
                    let what = format!("the link to {target} leads nowhere");
                    findings.push(Finding::at(path, index + 1, what));
                }
            }
        }
    }
}

fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(f, a)| (f, Some(a)));
    let path = if file.is_empty() { from.to_owned() } else { resolve(from, file) };
    let folder = format!("{}/", path.trim_end_matches('/'));
    let is_there =
        tree.files.contains_key(&path) || tree.files.keys().any(|other| other.starts_with(&folder));
    is_there && anchor.is_none_or(|anchor| anchors(tree, &path).any(|known| known == anchor))
}

fn resolve(from: &str, file: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Anchors of a document: its headings as GitHub writes them, and `<a id="…">`.
fn anchors<'a>(tree: &'a Tree, path: &str) -> impl Iterator<Item = String> + 'a {
    let text = tree.text(path).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| {
        line.trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect()
    });
    let ids = text.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next());
    headings.chain(ids.map(str::to_owned))
}

/// Every reason for not dialling has its place in the troubleshooting text, which pages link to.
pub(super) fn every_reason_is_explained(tree: &Tree, findings: &mut Vec<Finding>) {
    let known: Vec<String> = anchors(tree, OPERATING).collect();
    for code in ReasonCode::ALL {
        let anchor = format!("reason-{}", code.word());
        if !known.contains(&anchor) {
            findings.push(Finding::in_file(OPERATING, format!("{anchor} is not explained")));
        }
    }
}

/// An id such as DI-4 or R-8 in a comment is one of docs/requirements.md.
pub(super) fn requirement_ids_exist(tree: &Tree, findings: &mut Vec<Finding>) {
    let list = tree.text(REQUIREMENTS).unwrap_or_default();
    let known: BTreeSet<&str> = requirement_ids(list).collect();
    for (path, source) in &tree.sources {
        if path.starts_with("xtask/") {
            continue;
        }
        for (line, comment) in &source.comments {
            for id in requirement_ids(comment).filter(|id| !known.contains(id)) {
                let what = format!("{id} is not in {REQUIREMENTS}");
                findings.push(Finding::at(path, *line, what));
            }
        }
    }
}

fn requirement_ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').filter(|word| {
        word.split_once('-').is_some_and(|(area, number)| {
            AREAS.contains(&area)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

/// `.ci/run` is one line, and it is the README's test command.
pub(super) fn one_test_command(tree: &Tree, findings: &mut Vec<Finding>) {
    let script = tree.text(".ci/run").unwrap_or_default();
    let lines: Vec<&str> =
        script.lines().filter(|line| !line.is_empty() && !line.starts_with("#!")).collect();
    let readme = tree.text("README.md").unwrap_or_default();
    let agrees = lines.len() == 1 && readme.lines().any(|line| line.trim() == lines[0]);
    if !agrees {
        findings.push(Finding::in_file(".ci/run", "must be the README's test command alone"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let readme = "[a](docs/a.md) [b](docs/a.md#the-second-one) [c](https://x.y) [d](docs)\n\
                      [e](docs/none.md)\n[f](docs/a.md#none)\n```\n[g](none)\n```\n";
        let page = ("docs/a.md", "# The second one\n[back](../README.md)\n");
        assert_eq!(
            found(links_lead_somewhere, &[("README.md", readme), page]),
            [
                "README.md:2: the link to docs/none.md leads nowhere",
                "README.md:3: the link to docs/a.md#none leads nowhere"
            ]
        );
    }

    #[test]
    fn a_reason_without_its_text_is_found() {
        let all: String = ReasonCode::ALL
            .iter()
            .map(|code| format!("<a id=\"reason-{}\"></a>\n", code.word()))
            .collect();
        assert!(found(every_reason_is_explained, &[(OPERATING, &all)]).is_empty());
        let but_one = all.replace("reason-paused", "reason-other");
        assert_eq!(
            found(every_reason_is_explained, &[(OPERATING, &but_one)]),
            ["docs/operating.md: reason-paused is not explained"]
        );
    }

    #[test]
    fn an_id_of_no_requirement_is_found() {
        let list = (REQUIREMENTS, "| DI-4 | pacing |\n**R-8 After an attempt**");
        let code =
            ("crates/web/src/lib.rs", "/// See R-8, DI-4 and RFC-3261.\n// (DI-5)\nfn a() {}");
        assert_eq!(
            found(requirement_ids_exist, &[list, code]),
            ["crates/web/src/lib.rs:2: DI-5 is not in docs/requirements.md"]
        );
    }

    #[test]
    fn a_second_test_command_is_found() {
        let readme = ("README.md", "```\ncargo xtask test\n```\n");
        let rule = one_test_command;
        assert!(found(rule, &[readme, (".ci/run", "#!/bin/sh\ncargo xtask test\n")]).is_empty());
        assert_eq!(found(rule, &[readme, (".ci/run", "#!/bin/sh\ncargo test\n")]).len(), 1);
        assert_eq!(found(rule, &[readme, (".ci/run", "cargo xtask test\ncargo doc\n")]).len(), 1);
    }
}
