//! What is offered, and what is made of the answers of others.

use proptest::prelude::*;

use super::*;

const BOTH: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

fn local() -> Local {
    Local {
        addr: "192.0.2.7:20000".parse().unwrap(),
        codecs: BOTH.to_vec(),
        session: 77,
        version: 1,
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

fn said(media: &str) -> Vec<u8> {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n{media}"
    )
    .into_bytes()
}

#[test]
fn an_offer_names_the_codecs_in_the_order_given() {
    insta::assert_snapshot!(text(offer(&local())), @r"
    v=0
    o=- 77 1 IN IP4 192.0.2.7
    s=-
    c=IN IP4 192.0.2.7
    t=0 0
    m=audio 20000 RTP/AVP 8 0 101
    a=rtpmap:8 PCMA/8000
    a=rtpmap:0 PCMU/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=ptime:20
    a=sendrecv
    ");
}

#[test]
fn an_answer_takes_one_codec_and_turns_the_direction_round() {
    let offer = said(
        "m=audio 4000 RTP/AVP 18 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=sendonly\r\n",
    );
    let (answer, remote) = answer(&offer, &local()).unwrap();
    assert_eq!((remote.codec, remote.payload_type, remote.dtmf), (Codec::Pcmu, 0, Some(96)));
    insta::assert_snapshot!(text(answer), @r"
    v=0
    o=- 77 1 IN IP4 192.0.2.7
    s=-
    c=IN IP4 192.0.2.7
    t=0 0
    m=audio 20000 RTP/AVP 0 96
    a=rtpmap:0 PCMU/8000
    a=rtpmap:96 telephone-event/8000
    a=fmtp:96 0-15
    a=ptime:20
    a=recvonly
    ");
}

#[test]
fn our_own_offer_reads_back() {
    assert_eq!(own(&offer(&local())), Some(local()));
}

#[test]
fn answers_are_read_as_their_writers_meant_them() {
    let plain = Remote {
        addr: "198.51.100.1:4000".parse().unwrap(),
        codec: Codec::Pcma,
        payload_type: 8,
        dtmf: None,
        direction: Direction::SendRecv,
        ptime: 20,
        rtcp: "198.51.100.1:4001".parse().unwrap(),
    };
    for (media, why, expected) in [
        ("m=audio 4000 RTP/AVP 8\r\n", "static types need no rtpmap", plain),
        (
            "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\n",
            "telephone events and ptime",
            Remote { dtmf: Some(101), ptime: 30, ..plain },
        ),
        (
            "m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 pcmu/8000/1\r\n",
            "a dynamic type, its name in lower case",
            Remote { codec: Codec::Pcmu, payload_type: 97, ..plain },
        ),
        (
            "m=audio 4000 RTP/AVP 18 8\r\nc=IN IP4 203.0.113.9\r\n",
            "the media's own address",
            Remote {
                addr: "203.0.113.9:4000".parse().unwrap(),
                rtcp: "203.0.113.9:4001".parse().unwrap(),
                ..plain
            },
        ),
        (
            "m=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8\r\n",
            "audio is the second stream",
            plain,
        ),
        ("m=audio 4000 RTP/AVP 8\r\na=ptime:0\r\n", "an absurd ptime", plain),
        (
            "m=audio 4000 RTP/AVP 8\r\na=ptime:60\r\na=maxptime:45\r\n",
            "no more than the maximum",
            Remote { ptime: 40, ..plain },
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\na=ptime:5\r\n",
            "less than we can send",
            Remote { ptime: 10, ..plain },
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\na=rtcp:53020 IN IP4 203.0.113.4\r\n",
            "another place for RTCP",
            Remote { rtcp: "203.0.113.4:53020".parse().unwrap(), ..plain },
        ),
        (
            "m=audio 4000 RTP/AVP 8\r\na=rtcp:53020\r\n",
            "another port for RTCP",
            Remote { rtcp: "198.51.100.1:53020".parse().unwrap(), ..plain },
        ),
        ("m=audio 4000 RTP/AVP 8\r\na=rtcp:x\r\n", "nonsense about RTCP", plain),
        (
            "a=inactive\r\nm=audio 4000 RTP/AVP 8\r\n",
            "the direction of the session",
            Remote { direction: Direction::Inactive, ..plain },
        ),
    ] {
        assert_eq!(parse(&said(media), &BOTH), Ok(expected), "{why}");
    }
}

#[test]
fn hold_is_recognised_in_its_three_dialects() {
    for media in [
        "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n",
        "m=audio 4000 RTP/AVP 8\r\na=inactive\r\n",
        "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
    ] {
        assert!(!parse(&said(media), &BOTH).unwrap().listens(), "{media}");
    }
    assert!(parse(&said("m=audio 4000 RTP/AVP 8\r\n"), &BOTH).unwrap().listens());
}

#[test]
fn what_cannot_be_used_says_why() {
    for (bytes, why) in [
        (b"".to_vec(), SdpError::Malformed),
        (b"hello".to_vec(), SdpError::Malformed),
        (said(""), SdpError::NoAudio),
        (said("m=image 4000 udptl t38\r\n"), SdpError::NoAudio),
        (said("m=audio 0 RTP/AVP 8\r\n"), SdpError::Refused),
        (said("m=audio 4000 RTP/AVP 18 4\r\n"), SdpError::NoCommonCodec),
        (said("m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 G729/8000\r\n"), SdpError::NoCommonCodec),
        (said("m=audio 4000 RTP/AVP 8\r\nc=IN IP4 media.example\r\n"), SdpError::NoAddress),
    ] {
        assert_eq!(parse(&bytes, &BOTH), Err(why), "{}", String::from_utf8_lossy(&bytes));
    }
}

prop_compose! {
    fn described()(
        ip: std::net::IpAddr, port in 1..u16::MAX, first in 0..2_usize, both: bool,
        session in 0..u64::MAX, version in 0..u64::MAX,
    ) -> Local {
        let codecs = BOTH.iter().cycle().skip(first).take(1 + usize::from(both)).copied().collect();
        Local { addr: SocketAddr::new(ip, port), codecs, session, version }
    }
}

proptest! {
    #[test]
    fn what_we_write_reads_back_as_it_was_meant(local in described(), events in 96..127_u8, way in 0..4_usize) {
        prop_assert_eq!(own(&offer(&local)), Some(local.clone()));
        let offered = parse(&offer(&local), &BOTH).unwrap();
        prop_assert_eq!((offered.addr, offered.codec), (local.addr, local.codecs[0]));
        prop_assert_eq!((offered.dtmf, offered.ptime), (Some(DTMF_PAYLOAD_TYPE), PTIME_MS));
        prop_assert_eq!(offered.direction, Direction::SendRecv);

        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        let (asked, answered) =
            [(SendRecv, SendRecv), (SendOnly, RecvOnly), (RecvOnly, SendOnly), (Inactive, Inactive)][way];
        let media = format!(
            "m=audio 4000 RTP/AVP 97 {events}\r\na=rtpmap:97 {}/8000\r\n\
             a=rtpmap:{events} telephone-event/8000\r\na={}\r\n",
            local.codecs[0].name(),
            asked.name()
        );
        prop_assume!(events != 97);
        let (text, _) = answer(&said(&media), &local).unwrap();
        let read = parse(&text, &BOTH).unwrap();
        prop_assert_eq!((read.addr, read.codec, read.payload_type), (local.addr, local.codecs[0], 97));
        prop_assert_eq!((read.dtmf, read.direction), (Some(events), answered));
        let session = Session::parse(&text).unwrap();
        prop_assert_eq!(session.origin.sess_id, local.session.to_string());
        prop_assert_eq!(session.origin.sess_version, local.version);

        // Byte for byte what the reader of others' descriptions would have written.
        let mut again = Vec::new();
        Session::parse(&offer(&local)).unwrap().write(&mut again).unwrap();
        prop_assert_eq!(again, offer(&local));
    }

    #[test]
    fn no_description_makes_the_parser_panic(mut bytes in Just(offer(&local())), at: prop::sample::Index, byte: u8) {
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let _ = parse(&bytes, &BOTH);
        bytes.truncate(index);
        let _ = parse(&bytes, &BOTH);
    }
}

#[test]
fn encrypted_audio_is_told_from_plain_audio_and_never_taken_for_it() {
    let parsed = |media: &str| {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n{media}"
        );
        parse(text.as_bytes(), &[Codec::Pcma]).map(|remote| remote.addr.port())
    };
    for proto in ["RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "rtp/savp"] {
        let media = format!("m=audio 4000 {proto} 8\r\n");
        assert_eq!(parsed(&media), Err(SdpError::Encrypted), "{proto}");
        let plain = format!("{media}m=audio 5000 RTP/AVP 8\r\n");
        assert_eq!(parsed(&plain), Ok(5_000), "the one that was offered is there too");
        let refused = format!("m=audio 0 {proto} 8\r\n");
        assert_eq!(parsed(&refused), Err(SdpError::NoAudio), "{proto}");
    }
    assert_eq!(parsed("m=audio 4000 RTP/AVPF 8\r\n"), Ok(4_000));
    assert_eq!(parsed("m=audio 4000 udp 8\r\n"), Err(SdpError::NoAudio));
    let both = "m=audio 0 RTP/AVP 8\r\nm=audio 4000 RTP/SAVP 8\r\n";
    assert_eq!(parsed(both), Err(SdpError::Encrypted));
}
