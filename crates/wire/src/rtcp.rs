//! RTCP (RFC 3550 6): what each side tells the other about the audio that it heard.

mod session;

pub use session::{Session, Told};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
/// The item of a source description that every report carries.
const CNAME: u8 = 1;
/// Packets that are read of one compound: two are usual.
const PACKETS_MAX: usize = 16;
/// Bytes of a report block.
const BLOCK_BYTES: usize = 24;

/// Not an RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRtcp {
    /// Fewer bytes than a header, or than the header announces.
    #[error("too short for what it announces")]
    Short,
    /// Not version 2, or padding where none may be.
    #[error("not RTCP version 2")]
    Version,
    /// A compound begins with a report (RFC 3550 A.2).
    #[error("does not begin with a report")]
    NoReport,
}

/// What a source says about what it sent (RFC 3550 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// When it says so: NTP, seconds since 1900 in 32.32 bits.
    pub ntp: u64,
    /// The same moment on its media clock.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Bytes of payload sent.
    pub bytes: u32,
}

/// What a source says about what it heard of another (RFC 3550 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Block {
    /// Of whom.
    pub ssrc: u32,
    /// The share that was lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all; negative when duplicates outnumber them. 24 bits.
    pub lost: i32,
    /// The highest sequence number, extended by its wraps.
    pub highest: u32,
    /// Interarrival jitter, in samples.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report that it had; 0 for none.
    pub last_report: u32,
    /// How long before this, in 65,536ths of a second.
    pub since_last_report: u32,
}

/// What a compound packet told, as far as it concerns a call between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Who reports.
    pub from: u32,
    /// What it sent, when it sends.
    pub sender: Option<SenderInfo>,
    /// What it heard of the source asked for.
    pub block: Option<Block>,
    /// It says good-bye. That ends its reports, never the call: SIP ends calls.
    pub is_leaving: bool,
}

/// Reads a compound packet; of the blocks, only the one about `ours`.
pub fn parse(bytes: &[u8], ours: u32) -> Result<Report, NotRtcp> {
    let mut report = Report::default();
    let mut rest = bytes;
    for number in 0..PACKETS_MAX {
        if rest.is_empty() {
            break;
        }
        let (header, after) = rest.split_first_chunk::<4>().ok_or(NotRtcp::Short)?;
        if header[0] >> 6 != 2 {
            return Err(NotRtcp::Version);
        }
        let body_bytes = usize::from(u16::from_be_bytes([header[2], header[3]])) * 4;
        let (body, next) = after.split_at_checked(body_bytes).ok_or(NotRtcp::Short)?;
        let count = usize::from(header[0] & 0x1F);
        match header[1] {
            kind @ (SENDER_REPORT | RECEIVER_REPORT) => {
                report.read(kind, count, body, ours)?;
            }
            _ if number == 0 => return Err(NotRtcp::NoReport),
            BYE => report.is_leaving = true,
            // Descriptions, extended reports, feedback: nothing that a call needs.
            _ => {}
        }
        rest = next;
    }
    if bytes.is_empty() { Err(NotRtcp::Short) } else { Ok(report) }
}

impl Report {
    fn read(&mut self, kind: u8, count: usize, body: &[u8], ours: u32) -> Result<(), NotRtcp> {
        let (from, mut rest) = body.split_first_chunk::<4>().ok_or(NotRtcp::Short)?;
        self.from = u32::from_be_bytes(*from);
        if kind == SENDER_REPORT {
            let (info, blocks) = rest.split_first_chunk::<20>().ok_or(NotRtcp::Short)?;
            self.sender = Some(SenderInfo {
                ntp: u64::from(word(info, 0)) << 32 | u64::from(word(info, 1)),
                timestamp: word(info, 2),
                packets: word(info, 3),
                bytes: word(info, 4),
            });
            rest = blocks;
        }
        let blocks = rest.get(..count * BLOCK_BYTES).ok_or(NotRtcp::Short)?;
        for block in blocks.chunks_exact(BLOCK_BYTES).filter(|block| word(block, 0) == ours) {
            self.block = Some(Block {
                ssrc: ours,
                fraction_lost: block[4],
                // Sign-extended from 24 bits.
                lost: (word(block, 1) << 8) as i32 >> 8,
                highest: word(block, 2),
                jitter: word(block, 3),
                last_report: word(block, 4),
                since_last_report: word(block, 5),
            });
        }
        Ok(())
    }
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let at = index * 4;
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Writes a compound packet over `out`: a report, the description that must go with it
/// (RFC 3550 6.1), and a BYE when `is_leaving`.
pub fn write(
    from: u32,
    sender: Option<SenderInfo>,
    block: Option<Block>,
    name: &str,
    is_leaving: bool,
    out: &mut Vec<u8>,
) {
    out.clear();
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let begin = open(out, u8::from(block.is_some()), kind, from);
    if let Some(info) = sender {
        out.extend(info.ntp.to_be_bytes());
        for value in [info.timestamp, info.packets, info.bytes] {
            out.extend(value.to_be_bytes());
        }
    }
    if let Some(block) = block {
        let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
        out.extend(block.ssrc.to_be_bytes());
        out.extend((u32::from(block.fraction_lost) << 24 | lost).to_be_bytes());
        for value in [block.highest, block.jitter, block.last_report, block.since_last_report] {
            out.extend(value.to_be_bytes());
        }
    }
    close(out, begin);
    let begin = open(out, 1, DESCRIPTION, from);
    let name = &name.as_bytes()[..name.len().min(255)];
    out.extend([CNAME, name.len() as u8]);
    out.extend(name);
    // The list of items ends with a zero and fills up its last word.
    out.resize((out.len() + 1).next_multiple_of(4), 0);
    close(out, begin);
    if is_leaving {
        let begin = open(out, 1, BYE, from);
        close(out, begin);
    }
}

fn open(out: &mut Vec<u8>, count: u8, kind: u8, from: u32) -> usize {
    let begin = out.len();
    out.extend([0x80 | count, kind, 0, 0]);
    out.extend(from.to_be_bytes());
    begin
}

fn close(out: &mut [u8], begin: usize) {
    let words = ((out.len() - begin) / 4 - 1) as u16;
    out[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info() -> SenderInfo {
        SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 9, packets: 10, bytes: 11 }
    }

    fn block() -> Block {
        Block {
            ssrc: 7,
            fraction_lost: 64,
            lost: -3,
            highest: 0x1_0005,
            jitter: 12,
            last_report: 0x0304_0506,
            since_last_report: 65_536,
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let mut out = Vec::new();
        for (sender, blocks, leaving) in [
            (Some(info()), Some(block()), false),
            (None, Some(block()), true),
            (Some(info()), None, true),
            (None, None, false),
        ] {
            for name in ["", "a", "abc", "0123456789abcdef"] {
                write(5, sender, blocks, name, leaving, &mut out);
                assert_eq!(out.len() % 4, 0);
                let expected = Report { from: 5, sender, block: blocks, is_leaving: leaving };
                assert_eq!(parse(&out, 7), Ok(expected), "{name}");
            }
        }
        write(5, None, Some(block()), "x", false, &mut out);
        assert_eq!(parse(&out, 8).unwrap().block, None, "it is about another source");
    }

    #[test]
    fn what_is_not_rtcp_is_told_apart() {
        let good = {
            let mut out = Vec::new();
            write(5, Some(info()), Some(block()), "x", true, &mut out);
            out
        };
        assert_eq!(parse(&[], 1), Err(NotRtcp::Short));
        assert_eq!(parse(&[0x80, 200, 0], 1), Err(NotRtcp::Short));
        assert_eq!(parse(&[0x40, 200, 0, 0], 1), Err(NotRtcp::Version));
        assert_eq!(parse(&[0x81, 203, 0, 1, 0, 0, 0, 7], 1), Err(NotRtcp::NoReport), "a lone BYE");
        assert_eq!(parse(&good[..good.len() - 1], 1), Err(NotRtcp::Short));
        assert_eq!(parse(&[0x9F, 201, 0, 1, 0, 0, 0, 7], 1), Err(NotRtcp::Short), "31 blocks");
        let endless = [0x80, 201, 0, 1, 0, 0, 0, 7].repeat(100);
        assert!(parse(&endless, 1).is_ok(), "and read no further than a bound");
    }

    proptest! {
        #[test]
        fn no_datagram_makes_the_parser_panic(bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
            let _ = parse(&bytes, 7);
            let mut out = Vec::new();
            write(5, Some(info()), Some(block()), "somebody", true, &mut out);
            let index = at.index(out.len());
            out[index] = byte;
            let _ = parse(&out, 7);
        }
    }
}
