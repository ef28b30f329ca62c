//! A far end without a SIP stack: a UDP socket that says what a test wants it to say,
//! right or wrong.

mod request;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub(crate) use request::{Request, param};

/// A socket on loopback with a thread that answers; both end with it.
pub(crate) struct FarEnd {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FarEnd {
    /// Answers each request with the datagrams that `answer` pushes.
    pub(crate) fn start(
        mut answer: impl FnMut(&Request, &mut Vec<Vec<u8>>) + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (keeps, ends) = (Arc::clone(&heard), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            while !ends.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                // What has no method is no request: a keep-alive.
                let Some(request) = Request::parse(&buffer[..length]) else { continue };
                let mut answers = Vec::new();
                answer(&request, &mut answers);
                keeps.lock().unwrap().push(request);
                send(&socket, from, &answers);
            }
        });
        Self { port, heard, over, thread: Some(thread) }
    }

    /// Takes everything and says nothing.
    pub(crate) fn black_hole() -> Self {
        Self::start(|_, _| {})
    }

    /// The calls for which a request of this method came.
    pub(crate) fn calls(&self, method: &str) -> BTreeSet<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|each| each.method == method).map(Request::call_id).collect()
    }

    /// Different requests of this method, repetitions not counted.
    pub(crate) fn requests(&self, method: &str) -> usize {
        let heard = self.heard.lock().unwrap();
        let different: BTreeSet<_> = heard
            .iter()
            .filter(|each| each.method == method)
            .map(|each| (each.call_id(), each.header("CSeq").to_owned()))
            .collect();
        different.len()
    }

    /// When each request of this method came.
    pub(crate) fn times(&self, method: &str) -> Vec<Instant> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|each| each.method == method).map(|each| each.at).collect()
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the far end broke");
        }
    }
}

/// A description of a session on loopback with these last lines.
pub(crate) fn sdp(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{media}")
}

fn send(socket: &UdpSocket, to: SocketAddr, answers: &[Vec<u8>]) {
    for (index, answer) in answers.iter().enumerate() {
        socket.send_to(answer, to).unwrap();
        // A flood that the receiver's buffer drops would test the kernel.
        if index % 64 == 63 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
