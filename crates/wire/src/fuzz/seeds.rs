//! What mutations begin with: messages as the other side sends them.

/// SIP, SDP, values of headers, RTP and RTCP.
pub const SEEDS: [&[u8]; 14] = [
    b"INVITE sip:+919876500001@192.0.2.2;user=phone SIP/2.0\r\n\
      Via: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKa1, SIP/2.0/TCP 198.51.100.1\r\n\
      Max-Forwards: 70\r\nFrom: \"A \\\"B\\\" C\" <sip:+911140001234@192.0.2.9>;tag=f1\r\n\
      To: <sip:+919876500001@192.0.2.2>\r\nCall-ID: fuzz.1@192.0.2.9\r\nCSeq: 1 INVITE\r\n\
      Contact: <sip:192.0.2.9:5060;transport=udp>\r\nRecord-Route: <sip:192.0.2.8;lr>\r\n\
      Supported: timer, 100rel\r\nSession-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\n\
      Require: 100rel\r\nContent-Type: application/sdp\r\nContent-Length: 129\r\n\r\n\
      v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
      m=audio 30000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport=5060;received=192.0.2.1;branch=z9hG4bKx\r\n\
      From: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@192.0.2.2>;tag=2\r\nCall-ID: fuzz.2\r\n\
      CSeq: 1 INVITE\r\nContact: <sip:b@192.0.2.2:5070;transport=tcp>\r\nContent-Length: 0\r\n\r\n",
    b"SIP/2.0 401 Unauthorized\r\nv: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n\
      f: <sip:a@192.0.2.1>;tag=1\r\nt: <sip:b@192.0.2.2>;tag=2\r\ni: fuzz.3\r\nCSeq: 1 INVITE\r\n\
      WWW-Authenticate: Digest realm=\"example.com\", nonce=\"abc\\\"d\", algorithm=SHA-256, \
      qop=\"auth,auth-int\", opaque=\"o\", stale=TRUE\r\nl: 0\r\n\r\n",
    b"SIP/2.0 302 Moved\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@x>;tag=1\r\n\
      To: <sip:b@x>;tag=2\r\nCall-ID: fuzz.4\r\nCSeq: 1 INVITE\r\n\
      Contact: <sip:c@192.0.2.7>;q=0.5, \"d\" <sips:d@[2001:db8::1]:5061>;q=1.0;expires=60\r\n\
      Retry-After: 18 (busy; later);duration=3600\r\nReason: Q.850;cause=17;text=\"Busy\"\r\n\r\n",
    b"BYE sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKb\r\n\
      From: <sip:b@192.0.2.2>;tag=2\r\nTo: <sip:a@192.0.2.1>;tag=1\r\nCall-ID: fuzz.5\r\n\
      CSeq: 2 BYE\r\nReason: Q.850 ;cause=16\r\nContent-Length: 0\r\n\r\n",
    b"PRACK sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKp\r\n\
      From: <sip:b@x>;tag=2\r\nTo: <sip:a@x>;tag=1\r\nCall-ID: fuzz.6\r\nCSeq: 3 PRACK\r\n\
      RAck: 776656 1 INVITE\r\nRSeq: 776656\r\n\r\n",
    b"OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia:SIP / 2.0 / UDP\r\n 192.0.2.2 ; branch=z9hG4bKo\r\n\
      From:<sip:b@x>;tag=2\r\nTo:<sip:a@x>\r\nCall-ID:fuzz.7\r\nCSeq:4\r\n OPTIONS\r\n\r\n",
    b"v=0\r\no=- 20518 0 IN IP6 2001:db8::2\r\ns=-\r\nc=IN IP6 2001:db8::2\r\nt=0 0\r\n\
      m=audio 54400/2 RTP/SAVPF 0 8 97 98\r\nc=IN IP4 192.0.2.2\r\na=rtpmap:97 iLBC/8000\r\n\
      a=rtpmap:98 telephone-event/8000\r\na=fmtp:98 0-15\r\na=ptime:30\r\na=sendonly\r\n\
      m=video 0 RTP/AVP 31\r\n",
    b"Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5, domain=\"sip:x sip:y\"",
    b"SIP/2.0/TLS [2001:db8::1]:5061;received=192.0.2.4;rport=99999;branch=z9hG4bK.1;ttl=16",
    b"sip:alice:secret@[2001:db8::9]:5099;transport=tls;lr;user=phone?subject=x&priority=y",
    b"\x80\x88\x12\x34\x00\x00\x10\x00\xde\xad\xbe\xef\xd5\xd5\xd5\xd5\x55\x55\x55\x55",
    b"\xb2\xe5\x00\x01\x00\x00\x00\xa0\xde\xad\xbe\xef\x00\x00\x00\x01\x00\x00\x00\x02\
      \xbe\xde\x00\x01\x10\xff\x00\x00\x05\x80\x03\x20\x00\x00\x00\x04",
    b"\x81\xc8\x00\x0c\xde\xad\xbe\xef\xe9\x00\x00\x01\x80\x00\x00\x00\x00\x00\x10\x00\
      \x00\x00\x00\x32\x00\x00\x1f\x40\x12\x34\x56\x78\x05\x00\x00\x02\x00\x00\x12\x34\
      \x00\x00\x00\x10\x12\x34\x56\x78\x00\x01\x00\x00\x81\xca\x00\x03\xde\xad\xbe\xef\
      \x01\x04test\x00\x00\x81\xcb\x00\x01\xde\xad\xbe\xef",
];
