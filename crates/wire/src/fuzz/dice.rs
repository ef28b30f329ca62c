//! Chance from a seed, and what it does to bytes. Small and of our own, so that the crate
//! needs no source of randomness to be fuzzed.

/// Numbers that follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

/// Pieces that parsers trip over.
const PIECES: [&[u8]; 32] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\0",
    b"\"",
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"@",
    b"=",
    b"%",
    b"%00",
    b"[::1]",
    b"4294967296",
    b"18446744073709551616",
    b"-1",
    b"0",
    b"\xFF",
    b"\xC3\x28",
    b"\xF0\x9F\x91\x8D",
    b"SIP/2.0",
    b"sip:",
    b";tag=",
    b"z9hG4bK",
    b"Via: SIP/2.0/UDP x\r\n",
    b"Content-Length: 999999\r\n",
    b"INVITE",
];

impl Dice {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers of any bytes (FNV-1a).
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is at least 1.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    /// Whether a thing happens that happens this often in a hundred.
    pub fn percent(&mut self, often: u64) -> bool {
        self.roll() % 100 < often
    }

    /// One of them; `None` of nothing.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.below(things.len()))
    }

    /// `bytes`, changed in one to six places; `other` is where foreign pieces come from.
    /// Never longer than a datagram can be.
    pub fn mutated(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes, other);
        }
        bytes.truncate(65_507);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        let (begin, end) = self.range(bytes.len());
        match self.below(12) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (self.roll() % 8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.roll() as u8;
                }
            }
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(begin..end)),
            4 | 5 => {
                let piece = self.one_of(&PIECES).copied().unwrap_or_default();
                bytes.splice(at..at, piece.iter().copied());
            }
            6 => {
                let piece = self.one_of(&PIECES).copied().unwrap_or_default();
                bytes.splice(begin..end, piece.iter().copied());
            }
            7 => {
                let again = bytes[begin..end].to_vec();
                bytes.splice(at..at, again);
            }
            8 => {
                let (from, to) = self.range(other.len());
                bytes.splice(begin..end, other[from..to].iter().copied());
            }
            9 => self.swap_lines(bytes),
            10 => {
                let digit = b'0' + (self.roll() % 10) as u8;
                let count = self.below(24);
                bytes.splice(at..at, std::iter::repeat_n(digit, count));
            }
            // Long enough for every limit, seldom.
            _ => {
                let count = if self.percent(5) { 70_000 } else { self.below(300) };
                let byte = if self.percent(50) { b'a' } else { self.roll() as u8 };
                bytes.splice(at..at, std::iter::repeat_n(byte, count));
            }
        }
    }

    /// A part of something that is so long; mostly a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let begin = self.below(length + 1);
        let most = if self.percent(80) { (length - begin).min(24) } else { length - begin };
        (begin, begin + self.below(most + 1))
    }

    /// Lines that parsers expect elsewhere, or twice.
    fn swap_lines(&mut self, bytes: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> =
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.is_empty() {
            return;
        }
        let (one, other) = (self.below(lines.len()), self.below(lines.len()));
        if self.percent(50) {
            lines.swap(one, other);
        } else {
            lines.insert(one, lines[other].clone());
        }
        *bytes = lines.concat();
    }
}
