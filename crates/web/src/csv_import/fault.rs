//! Why one row of a contact file is refused.

use std::fmt;

use campanile_domain::{guard::Barred, phone::InvalidPhone};

/// What is wrong with a row. The word is stable; `Display` explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its number cannot be dialled.
    Phone(InvalidPhone),
    /// Its campaign may not call it (DI-14).
    Barred(Barred),
    /// A NUL character, which no text that people read has.
    Nul,
    /// U+FFFD: bytes that are no text in the file's encoding, or were none in that of
    /// the file it was made from.
    BadEncoding,
    /// More cells than the header names.
    TooManyCells,
}

/// A number that stood in an earlier row, or is in the campaign already.
const DUPLICATE: (&str, &str) =
    ("duplicate", "the number stands in an earlier row, or is in the campaign already");

impl Fault {
    /// Stable word for programs and for the rejected-rows file.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Phone(reason) => reason.code(),
            Self::Barred(reason) => reason.code(),
            Self::Nul => "nul_character",
            Self::BadEncoding => "bad_encoding",
            Self::TooManyCells => "too_many_columns",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Phone(reason) => return reason.fmt(out),
            Self::Barred(reason) => return reason.fmt(out),
            Self::Nul => "there is a NUL character in the row",
            Self::BadEncoding => {
                "there are bytes in the row that are no text in the encoding of the file"
            }
            Self::TooManyCells => {
                "the row has more cells than the header names; is a separator not quoted?"
            }
        })
    }
}

/// The sentence behind a stable word of a refused row; `None` for a word of no row.
pub fn explain(code: &str) -> Option<String> {
    if code == DUPLICATE.0 {
        return Some(DUPLICATE.1.to_owned());
    }
    // Of which country it is, the word does not say.
    let barred = Fault::Barred(Barred::NoCountry);
    [Fault::Nul, Fault::BadEncoding, Fault::TooManyCells, barred]
        .into_iter()
        .chain(InvalidPhone::ALL.map(Fault::Phone))
        .find(|fault| fault.code() == code)
        .map(|fault| fault.to_string())
}
