//! The numbers of a file on their way to the campaign, packed.

use campanile_domain::ids::ImportId;
use rusqlite::{Connection, params};

use crate::{error::StoreError, sqlite::sql};

/// A number of a file. The order is that in which numbers are entered: of two equal ones
/// the first in the file wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Staged {
    pub(crate) phone: i64,
    /// Line in the file, from 1.
    pub(crate) line: i64,
    /// The contact that it will be.
    pub(crate) contact: i64,
}

/// Bytes of a packed number.
const PACKED: usize = 24;

/// Keeps one piece of a file.
pub(crate) fn keep(
    db: &Connection,
    import: ImportId,
    mut piece: Vec<Staged>,
) -> Result<(), StoreError> {
    let Some(first) = piece.first().map(|staged| staged.contact) else { return Ok(()) };
    // Ordered pieces make the order of the whole file cheap.
    piece.sort_unstable();
    let mut packed = Vec::with_capacity(piece.len() * PACKED);
    for staged in &piece {
        for value in [staged.phone, staged.contact, staged.line] {
            packed.extend_from_slice(&value.to_be_bytes());
        }
    }
    sql::run(
        db,
        "INSERT INTO import_numbers (import, seq, numbers) VALUES (?1, ?2, ?3)",
        params![import.0, first, packed],
    )?;
    Ok(())
}

/// Every number of a file, in order. 24 bytes of memory each; the rows of a file are
/// limited (CT-1).
pub(crate) fn in_order(db: &Connection, import: ImportId) -> Result<Vec<Staged>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT numbers FROM import_numbers WHERE import = ?1 ORDER BY seq")?;
    let mut pieces = statement.query([import.0])?;
    let mut all = Vec::new();
    while let Some(piece) = pieces.next()? {
        let packed = piece.get_ref(0)?.as_blob().map_err(|error| {
            StoreError::Internal(format!("numbers of {import} are broken: {error}").into())
        })?;
        let (packed, _) = packed.as_chunks::<PACKED>();
        all.extend(packed.iter().map(|packed| {
            let (values, _) = packed.as_chunks::<8>();
            let [phone, contact, line] = [0, 1, 2].map(|index| i64::from_be_bytes(values[index]));
            Staged { phone, line, contact }
        }));
    }
    // Not the unstable sort: this one finds the ordered pieces and merges them.
    all.sort();
    Ok(all)
}

/// The numbers are contacts, or will never be.
pub(crate) fn forget(db: &Connection, import: ImportId) -> Result<(), StoreError> {
    sql::run(db, "DELETE FROM import_numbers WHERE import = ?1", [import.0])?;
    Ok(())
}
