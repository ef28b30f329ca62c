//! Many calls through bad weather: each ends once, and nothing is left of any.
