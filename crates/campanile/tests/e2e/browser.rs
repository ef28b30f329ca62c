//! One story in a real browser.
