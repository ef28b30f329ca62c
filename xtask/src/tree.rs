//! The checkout: where it is and which files belong to it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let xtask = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().expect("xtask lies in the root of the checkout").to_path_buf()
}

/// The cargo that runs us, so that nested calls use the same toolchain.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Every file below `root`, as paths relative to it with `/`, sorted; without
/// build output, version control and what tests leave behind.
pub(crate) fn files(root: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if name != "target" && name != ".git" {
                    open.push(entry.path());
                }
            } else if kind.is_file() {
                let path = entry.path();
                let path = path.strip_prefix(root).expect("found below the root");
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                let path = parts.join("/");
                if !path.ends_with(".snap.new") {
                    found.push(path);
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_output_does_not_belong_to_the_checkout() {
        let files = files(&root()).unwrap();
        assert!(files.iter().any(|path| path == "xtask/src/tree.rs"));
        assert!(!files.iter().any(|path| path.starts_with("target/") || path.starts_with(".git/")));
    }
}
