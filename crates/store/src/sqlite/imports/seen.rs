//! Numbers that were read from the files that are being read now: a number that comes
//! a second time is a duplicate before it reaches the disk.
//!
//! It lies in memory because a file that was not accepted does not outlive its process
//! (CT-6). It need not be complete: the campaign's own table decides when the file is
//! applied.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use campanile_domain::{ids::ImportId, phone::PhoneNumber};

use crate::{
    error::StoreError,
    rows::{RejectedRow, StagedRow},
};

/// Files that may be read at the same time; each holds some 20 bytes a row.
const FILES_MAX: usize = 32;

/// The numbers of each file.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    files: Mutex<HashMap<ImportId, HashSet<PhoneNumber>>>,
}

impl Seen {
    /// Whether another file may be read now.
    pub(crate) fn has_room(&self) -> Result<(), StoreError> {
        if self.files.lock().expect(NO_PANIC).len() < FILES_MAX {
            return Ok(());
        }
        Err(StoreError::conflict(
            "importing",
            format!("{FILES_MAX} contact files are being read already; try again in a moment"),
        ))
    }

    /// A file begins.
    pub(crate) fn open(&self, import: ImportId) {
        self.files.lock().expect(NO_PANIC).insert(import, HashSet::new());
    }

    /// The rows whose numbers come for the first time, and refusals for the others.
    pub(crate) fn sift(
        &self,
        import: ImportId,
        rows: Vec<StagedRow>,
    ) -> (Vec<StagedRow>, Vec<RejectedRow>) {
        let mut files = self.files.lock().expect(NO_PANIC);
        // Opened by another handle on the same directory: duplicates are found later.
        let Some(seen) = files.get_mut(&import) else { return (rows, Vec::new()) };
        let mut duplicates = Vec::new();
        let mut fresh = rows;
        fresh.retain(|row| {
            let is_new = seen.insert(row.phone);
            if !is_new {
                duplicates.push(RejectedRow {
                    line: row.line,
                    text: row.phone.to_string(),
                    reason: "duplicate".into(),
                    variables: row.variables.clone(),
                });
            }
            is_new
        });
        (fresh, duplicates)
    }

    /// These rows were not staged after all.
    pub(crate) fn take_back(&self, import: ImportId, phones: &[PhoneNumber]) {
        if let Some(seen) = self.files.lock().expect(NO_PANIC).get_mut(&import) {
            for phone in phones {
                seen.remove(phone);
            }
        }
    }

    /// The file is at its end.
    pub(crate) fn close(&self, import: ImportId) {
        self.files.lock().expect(NO_PANIC).remove(&import);
    }
}

const NO_PANIC: &str = "no holder of this lock panics";
