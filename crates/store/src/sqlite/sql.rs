//! Statements and rows: the little that every module here does with rusqlite.

use std::fmt::Write as _;

use campanile_domain::phone::PhoneNumber;
use jiff::Timestamp;
use rusqlite::{
    Connection, OptionalExtension, Params, Row,
    types::{FromSql, Type},
};
use serde::de::DeserializeOwned;

/// Runs a statement that answers with nothing; returns how many rows it changed.
pub(crate) fn run(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(params)
}

/// `(?1, ?2, ?3), (?1, ?4, ?5)`: places for so many rows, each of the first `shared`
/// parameters, which all rows have, and `own` further ones.
pub(crate) fn places(shared: usize, own: usize, rows: usize) -> String {
    let mut places = String::with_capacity(rows * (shared + own) * 6);
    for row in 0..rows {
        places.push_str(if row == 0 { "(" } else { ", (" });
        let own = (0..own).map(|cell| shared + own * row + cell);
        for (cell, parameter) in (0..shared).chain(own).enumerate() {
            let comma = if cell == 0 { "?" } else { ", ?" };
            let _ = write!(places, "{comma}{}", parameter + 1);
        }
        places.push(')');
    }
    places
}

/// Rows by the `size`, and the rest one by one: two statements serve any number of rows.
pub(crate) fn pieces<T>(rows: &[T], size: usize) -> impl Iterator<Item = &[T]> {
    let whole = rows.chunks_exact(size);
    let rest = whole.remainder();
    whole.chain(rest.chunks(1))
}

/// The first row, if there is one.
pub(crate) fn first<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&mut Cells<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    db.prepare_cached(sql)?.query_row(params, |row| read(&mut Cells::of(row))).optional()
}

/// Every row. Each statement that comes here bounds its own length.
pub(crate) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&mut Cells<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params, |row| read(&mut Cells::of(row)))?;
    rows.collect()
}

/// The cells of a row, read from left to right: a reader lists its columns once, in
/// the order of its SELECT.
pub(crate) struct Cells<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Cells<'r> {
    pub(crate) fn of(row: &'r Row<'r>) -> Self {
        Self { row, next: 0 }
    }

    /// The next cell as SQLite holds it.
    pub(crate) fn get<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    /// The next cell, a text or NULL, where SQLite holds it.
    pub(crate) fn maybe_text(&mut self) -> rusqlite::Result<Option<&'r str>> {
        self.next += 1;
        let cell = self.row.get_ref(self.next - 1)?;
        cell.as_str_or_null().map_err(|error| self.broken(Type::Text, error))
    }

    /// Passes the next cell over.
    pub(crate) fn skip(&mut self) {
        self.next += 1;
    }

    /// The next cell, a count; never negative by construction, 0 if it were.
    pub(crate) fn count(&mut self) -> rusqlite::Result<u64> {
        Ok(u64::try_from(self.get::<i64>()?).unwrap_or(0))
    }

    /// The next cell, a time.
    pub(crate) fn at(&mut self) -> rusqlite::Result<Timestamp> {
        let ms = self.get()?;
        Timestamp::from_millisecond(ms).map_err(|error| self.broken(Type::Integer, error))
    }

    /// The next cell, a time or NULL.
    pub(crate) fn maybe_at(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        let Some(ms) = self.get()? else { return Ok(None) };
        Timestamp::from_millisecond(ms).map(Some).map_err(|error| self.broken(Type::Integer, error))
    }

    /// The next cell, the code of an enum of `domain`.
    pub(crate) fn code<T>(&mut self, of: fn(u8) -> Option<T>) -> rusqlite::Result<T> {
        let code = self.get()?;
        of(code).ok_or_else(|| self.broken(Type::Integer, format!("{code} is no code")))
    }

    /// The next cell, the code of an enum of `domain` or NULL.
    pub(crate) fn maybe_code<T>(&mut self, of: fn(u8) -> Option<T>) -> rusqlite::Result<Option<T>> {
        let Some(code) = self.get()? else { return Ok(None) };
        of(code).map(Some).ok_or_else(|| self.broken(Type::Integer, format!("{code} is no code")))
    }

    /// The next cell, a telephone number.
    pub(crate) fn phone(&mut self) -> rusqlite::Result<PhoneNumber> {
        let digits: i64 = self.get()?;
        u64::try_from(digits)
            .ok()
            .and_then(PhoneNumber::from_digits)
            .ok_or_else(|| self.broken(Type::Integer, format!("{digits} is no number")))
    }

    /// The next cell, JSON.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> rusqlite::Result<T> {
        let text: String = self.get()?;
        serde_json::from_str(&text).map_err(|error| self.broken(Type::Text, error))
    }

    /// The next cell, JSON or NULL.
    pub(crate) fn maybe_json<T: DeserializeOwned>(&mut self) -> rusqlite::Result<Option<T>> {
        let Some(text) = self.get::<Option<String>>()? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| self.broken(Type::Text, error))
    }

    fn broken(
        &self,
        kind: Type,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(self.next - 1, kind, error.into())
    }
}

/// How a time is stored.
pub(crate) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// How a telephone number is stored.
pub(crate) fn digits(phone: PhoneNumber) -> i64 {
    i64::try_from(phone.digits()).expect("15 digits fit 63 bits")
}
