//! A disk that loses at a power cut what was not synced (`tests/power/disk.c`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// The disk under a data directory.
pub(crate) struct Disk {
    dir: TempDir,
    data: PathBuf,
    behaviour: Vec<(String, String)>,
}

impl Disk {
    /// Keeps what was synced; `torn` also a part of what was not.
    pub(crate) fn keeps_synced(torn: bool) -> Self {
        let torn = torn.then(|| ("POWER_TORN".into(), "1".into()));
        Self::new(torn.into_iter().collect())
    }

    /// Says that it syncs, and does nothing.
    pub(crate) fn lies() -> Self {
        Self::new(vec![("POWER_LIE".into(), "1".into())])
    }

    /// Syncs as any disk, until it is told to be full or slow.
    pub(crate) fn that_fails() -> Self {
        Self::new(Vec::new())
    }

    fn new(mut behaviour: Vec<(String, String)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/disk.c");
        // The bundled SQLite needs a C compiler too.
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status()
            .unwrap();
        assert!(built.success(), "cc does not build the disk");
        let images = dir.path().join("images");
        fs::create_dir(&images).unwrap();
        for (name, path) in [
            ("LD_PRELOAD", &library),
            ("POWER_SHADOW", &images),
            ("POWER_FULL", &dir.path().join("full")),
            ("POWER_SLOW", &dir.path().join("slow")),
        ] {
            behaviour.push((name.into(), path.to_str().unwrap().to_owned()));
        }
        Self { dir, data: PathBuf::new(), behaviour }
    }

    /// Lies under this directory, whose files are on it.
    pub(crate) fn under(mut self, data: &Path) -> Self {
        self.data = data.to_owned();
        for name in files(data) {
            fs::copy(data.join(&name), self.images().join(&name)).unwrap();
        }
        self
    }

    /// For the process that writes to it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.behaviour.clone()
    }

    /// After the process was killed: the files as they were on the disk. Shared memory
    /// is gone.
    pub(crate) fn cut(&self) {
        for name in files(&self.data) {
            fs::remove_file(self.data.join(name)).unwrap();
        }
        let _ = fs::remove_file(self.data.join("campanile.db-shm"));
        for name in files(&self.images()) {
            fs::copy(self.images().join(&name), self.data.join(&name)).unwrap();
        }
    }

    /// Every write fails from now on, or none any more.
    pub(crate) fn be_full(&self, full: bool) {
        self.set("full", full);
    }

    /// Every sync takes 200 ms from now on, or as long as it takes.
    pub(crate) fn be_slow(&self, slow: bool) {
        self.set("slow", slow);
    }

    fn set(&self, name: &str, on: bool) {
        let path = self.dir.path().join(name);
        if on {
            fs::write(path, "").unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    fn images(&self) -> PathBuf {
        self.dir.path().join("images")
    }
}

/// The files of the database that a power cut concerns.
fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names
        .map(|name| name.to_str().unwrap().to_owned())
        .filter(|name| [".db", ".db-wal", ".db-journal"].iter().any(|end| name.ends_with(end)))
        .collect()
}
