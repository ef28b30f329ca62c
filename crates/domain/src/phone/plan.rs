//! The numbering plans of the world, from the metadata of libphonenumber.
//!
//! The `phonenumber` crate matches its patterns loosely (they are not anchored) and
//! keeps a hundred of them compiled at a time, which a file of North American numbers
//! overruns at every row. Here each is compiled once, when it is first needed, and
//! must match the whole number.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{LazyLock, OnceLock},
};

use phonenumber::metadata::{DATABASE, Descriptor};
use regex::Regex;

/// One country or region with its rules.
pub(super) struct Region {
    /// ISO 3166-1 alpha-2, or `001` for a code that is no country's.
    pub(super) id: &'static str,
    /// Country calling code.
    pub(super) code: u16,
    general: Pattern,
    premium: Option<Pattern>,
    /// Every other kind of number that may be called; the kinds of which there are most
    /// numbers first.
    kinds: Vec<Pattern>,
    /// Tells the regions that share a code apart, where digits do.
    leading: Option<Pattern>,
    /// What stands before a number that is dialled within the country.
    prefix: Option<Pattern>,
    /// A prefix whose removal changes the rest; left to the library.
    transforms: bool,
}

/// What kind of number it is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// May be called.
    Ordinary,
    /// Costs the caller extra.
    Premium,
}

struct Pattern {
    source: &'static str,
    lengths: &'static [u16],
    whole: bool,
    compiled: OnceLock<Option<Regex>>,
}

struct Plans {
    /// By calling code, 0 to 999; codes that nobody has are empty.
    by_code: Vec<Vec<Region>>,
    /// Country → its code and place there.
    by_id: HashMap<&'static str, (u16, usize)>,
}

static PLANS: LazyLock<Plans> = LazyLock::new(|| {
    let mut by_code = Vec::with_capacity(1_000);
    let mut by_id = HashMap::new();
    for code in 0..1_000 {
        // `region` lists the main country first; codes of no country are found by code.
        let metas = match DATABASE.region(&code) {
            Some(ids) if ids != ["001"] => {
                ids.into_iter().filter_map(|id| DATABASE.by_id(id)).collect()
            }
            _ => DATABASE.by_code(&code).unwrap_or_default(),
        };
        let regions: Vec<Region> = metas.into_iter().map(Region::of).collect();
        for (index, region) in regions.iter().enumerate() {
            by_id.insert(region.id, (code, index));
        }
        by_code.push(regions);
    }
    Plans { by_code, by_id }
});

/// Splits international digits into country code and the rest.
pub(super) fn split(digits: &str) -> Option<(u16, &str)> {
    let mut code = 0;
    for (index, digit) in digits.bytes().take(3).enumerate() {
        code = code * 10 + u16::from(digit - b'0');
        if code == 0 {
            return None;
        }
        if !PLANS.by_code[usize::from(code)].is_empty() {
            return Some((code, &digits[index + 1..]));
        }
    }
    None
}

/// The rules of a country.
pub(super) fn region(id: &str) -> Option<&'static Region> {
    let (code, index) = PLANS.by_id.get(id)?;
    PLANS.by_code[usize::from(*code)].get(*index)
}

/// How many digits the numbers under a code may have, the code not counted.
pub(super) fn lengths_of(code: u16) -> Option<RangeInclusive<u16>> {
    PLANS.by_code[usize::from(code)].first().map(Region::lengths)
}

/// Which region a national number belongs to, and what kind it is; `None` when it is
/// not valid.
pub(super) fn classify(code: u16, national: &str) -> Option<(&'static Region, Kind)> {
    let regions = PLANS.by_code.get(usize::from(code))?;
    if let [only] = regions.as_slice() {
        return Some((only, only.kind(national)?));
    }
    for region in regions {
        match &region.leading {
            Some(leading) if leading.matches(national) => {
                return Some((region, region.kind(national)?));
            }
            Some(_) => {}
            None => {
                if let Some(kind) = region.kind(national) {
                    return Some((region, kind));
                }
            }
        }
    }
    None
}

impl Region {
    fn of(meta: &'static phonenumber::Metadata) -> Self {
        let kinds = meta.descriptors();
        let others = [
            kinds.mobile(),
            kinds.fixed_line(),
            kinds.toll_free(),
            kinds.shared_cost(),
            kinds.voip(),
            kinds.personal_number(),
            kinds.pager(),
            kinds.uan(),
            kinds.voicemail(),
        ];
        let prefix = meta.national_prefix_for_parsing().map(|regex| regex.as_str());
        Self {
            id: meta.id(),
            code: meta.country_code(),
            general: Pattern::whole(kinds.general()),
            premium: kinds.premium_rate().map(Pattern::whole),
            kinds: others.into_iter().flatten().map(Pattern::whole).collect(),
            leading: meta.leading_digits().map(|regex| Pattern::start(regex.as_str())),
            prefix: prefix.or(meta.national_prefix()).map(Pattern::start),
            transforms: meta.national_prefix_transform_rule().is_some(),
        }
    }

    fn kind(&self, national: &str) -> Option<Kind> {
        if !self.general.matches(national) {
            None
        } else if self.premium.as_ref().is_some_and(|premium| premium.matches(national)) {
            Some(Kind::Premium)
        } else {
            self.kinds.iter().any(|kind| kind.matches(national)).then_some(Kind::Ordinary)
        }
    }

    /// The fewest and the most digits of its numbers.
    pub(super) fn lengths(&self) -> RangeInclusive<u16> {
        // The general description states none.
        let lengths = || self.kinds.iter().flat_map(|kind| kind.lengths).copied();
        lengths().min().unwrap_or(1)..=lengths().max().unwrap_or(15)
    }

    /// The national number in digits dialled within this country, where that is plain:
    /// with no prefix, or with one that can simply be taken off.
    pub(super) fn plainly_national<'a>(&self, digits: &'a str) -> Option<&'a str> {
        if self.transforms {
            return None;
        }
        match self.prefix.as_ref().and_then(|prefix| prefix.end_of_match(digits)) {
            None => Some(digits),
            // What begins like a prefix may be part of the number itself.
            Some(_) if self.general.matches(digits) => None,
            Some(end) => Some(&digits[end..]),
        }
    }
}

impl Pattern {
    fn whole(descriptor: &'static Descriptor) -> Self {
        Self {
            source: descriptor.national_number().as_str(),
            lengths: descriptor.possible_length(),
            whole: true,
            compiled: OnceLock::new(),
        }
    }

    fn start(source: &'static str) -> Self {
        Self { source, lengths: &[], whole: false, compiled: OnceLock::new() }
    }

    fn matches(&self, digits: &str) -> bool {
        // No search for where the match ends: that costs twice as much.
        self.compiled_for(digits).is_some_and(|pattern| pattern.is_match(digits))
    }

    fn end_of_match(&self, digits: &str) -> Option<usize> {
        self.compiled_for(digits)?.find(digits).map(|found| found.end())
    }

    /// The pattern, unless the number is of no length that it describes.
    fn compiled_for(&self, digits: &str) -> Option<&Regex> {
        if !self.lengths.is_empty() && !self.lengths.contains(&(digits.len() as u16)) {
            return None;
        }
        let compiled = self.compiled.get_or_init(|| {
            let end = if self.whole { "$" } else { "" };
            // A pattern that does not compile matches nothing: no call.
            Regex::new(&format!("(?x)^(?:{}){end}", self.source)).ok()
        });
        compiled.as_ref()
    }
}
