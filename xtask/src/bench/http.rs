//! Just enough HTTP/1.1 to drive our own API on loopback: one request a connection.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The API of one server, with a key.
#[derive(Debug, Clone)]
pub(super) struct Api {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// An API key.
    pub(super) key: String,
}

impl Api {
    /// `GET /api/v1` + `path`.
    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.request("GET", path, "application/json", "")
    }

    /// `POST` of a JSON body.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.request("POST", path, "application/json", &body.to_string())
    }

    /// `POST` without a body: an action.
    pub(super) fn act(&self, path: &str) -> Result<Value> {
        self.request("POST", path, "application/json", "")
    }

    /// `POST` of a CSV.
    pub(super) fn post_csv(&self, path: &str, csv: &str) -> Result<Value> {
        self.request("POST", path, "text/csv", csv)
    }

    fn request(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<Value> {
        let (status, answer) = self
            .exchange(method, path, kind, body)
            .with_context(|| format!("{method} /api/v1{path}"))?;
        ensure!((200..300).contains(&status), "{method} /api/v1{path}: {status}\n{answer}");
        Ok(serde_json::from_str(&answer)?)
    }

    /// `GET` of an answer too long to keep: its bytes, counted as they come. The frames
    /// of its chunks, one part in ten thousand, are counted with them.
    pub(super) fn count(&self, path: &str) -> Result<u64> {
        let mut stream = connect(self.address)?;
        write!(
            stream,
            "GET /api/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Connection: close\r\n\r\n",
            self.address, self.key
        )?;
        let mut piece = vec![0; 1 << 18];
        let first = stream.read(&mut piece)?;
        ensure!(piece[..first].starts_with(b"HTTP/1.1 200 "), "GET /api/v1{path} was refused");
        let mut bytes = first as u64;
        loop {
            match stream.read(&mut piece)? {
                0 => return Ok(bytes),
                more => bytes += more as u64,
            }
        }
    }

    fn exchange(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<(u16, String)> {
        let mut stream = connect(self.address)?;
        let mut request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Accept: application/json\r\nConnection: close\r\n",
            self.address, self.key
        );
        if !body.is_empty() {
            request += &format!("Content-Type: {kind}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        read_answer(&answer)
    }
}

/// The console of one server, signed in.
#[derive(Debug, Clone)]
pub(super) struct Browser {
    address: SocketAddr,
    cookie: String,
}

impl Browser {
    /// Signs in as somebody whose password is known.
    pub(super) fn sign_in(address: SocketAddr, email: &str, password: &str) -> Result<Self> {
        let form = format!("email={}&password={password}&next=/", email.replace('@', "%40"));
        let request = format!(
            "POST /signin HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let mut stream = connect(address)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let cookie = answer
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "))
            .and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.with_context(|| format!("nobody was signed in: {answer}"))?.to_owned();
        Ok(Self { address, cookie })
    }

    /// A page, which must be there.
    pub(super) fn get(&self, path: &str) -> Result<String> {
        let mut stream = connect(self.address)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
            self.address, self.cookie
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let (status, body) = read_answer(&answer)?;
        ensure!(status == 200, "GET {path}: {status}");
        Ok(body)
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(300)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn read_answer(answer: &[u8]) -> Result<(u16, String)> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").context("no HTTP answer")?;
    let head = str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    let body = &answer[end + 4..];
    let status = head.split(' ').nth(1).context("no status line")?.parse()?;
    let body = if head.contains("\r\ntransfer-encoding: chunked") {
        unchunk(body)?
    } else {
        body.to_vec()
    };
    Ok((status, String::from_utf8(body)?))
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line =
            rest.windows(2).position(|part| part == b"\r\n").context("a chunk is cut off")?;
        let size = str::from_utf8(&rest[..line])?.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16)?;
        let begin = line + 2;
        if size == 0 {
            return Ok(whole);
        }
        let Some(chunk) = rest.get(begin..begin + size) else { bail!("a chunk is cut off") };
        whole.extend_from_slice(chunk);
        rest = rest.get(begin + size + 2..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_chunked_answers_are_read() {
        let plain = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(read_answer(plain).unwrap(), (201, "{}".into()));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\n\r\n";
        assert_eq!(read_answer(chunked).unwrap(), (200, "{\"a\":1}".into()));
        assert!(read_answer(b"HTTP/1.1 200 OK\r\n").is_err());
        assert!(
            read_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort")
                .is_err()
        );
    }
}
