//! WebSocket frames (RFC 6455). Whatever bytes come, the decoder gives an item, asks for more or names the violation; it
//! holds at most one message of the allowed size, and nothing while a client is silent.

use bytes::Bytes;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// The longest payload of a control frame.
const LONGEST_CONTROL: usize = 125;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// With the code that it gave.
    Close(Option<u16>),
}

/// What a client must not send. The connection cannot go on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    TooLarge,
    Binary,
    Utf8,
    Protocol(&'static str),
}

/// Takes bytes as they come, and gives what they mean.
#[derive(Debug)]
pub(crate) struct Decoder {
    data: Vec<u8>,
    /// Everything before it was decoded.
    start: usize,
    /// The parts of a fragmented message so far.
    message: Vec<u8>,
    is_fragmented: bool,
    longest: usize,
}

struct Header {
    is_final: bool,
    opcode: u8,
    mask: [u8; 4],
    length: usize,
    payload: usize,
}

impl Decoder {
    /// `longest` is the size of the largest message, in bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Self { data: Vec::new(), start: 0, message: Vec::new(), is_fragmented: false, longest }
    }

    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }

    /// What the bytes mean; `None` when there are too few of them.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Violation> {
        while let Some(header) = self.header()? {
            let end = header.payload + header.length;
            if end > self.data.len() {
                break;
            }
            let payload = &mut self.data[header.payload..end];
            unmask(payload, header.mask);
            self.start = end;
            if let Some(item) = self.take(&header)? {
                return Ok(Some(item));
            }
        }
        self.tidy();
        Ok(None)
    }

    /// Reads the head of the next frame and holds it against the rules, before its payload is there.
    fn header(&self) -> Result<Option<Header>, Violation> {
        let data = &self.data[self.start..];
        let [first, second, ..] = *data else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::Protocol("reserved bits must be 0"));
        }
        if second & MASKED == 0 {
            return Err(Violation::Protocol("a client's frames must be masked"));
        }
        let (is_final, opcode) = (first & FINAL != 0, first & 0x0F);
        let (length, size) = match (second & 0x7F, data) {
            (126, [_, _, a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [_, _, a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
            }
            (126 | 127, _) => return Ok(None),
            (short, _) => (u64::from(short), 2),
        };
        self.check(is_final, opcode, length)?;
        let [a, b, c, d, ..] = data[size..] else { return Ok(None) };
        // It is not longer than the longest message.
        let length = length as usize;
        Ok(Some(Header { is_final, opcode, mask: [a, b, c, d], length, payload: self.start + size + 4 }))
    }

    fn check(&self, is_final: bool, opcode: u8, length: u64) -> Result<(), Violation> {
        match opcode {
            BINARY => return Err(Violation::Binary),
            CONTINUATION if !self.is_fragmented => {
                return Err(Violation::Protocol("there is no message to continue"));
            }
            TEXT if self.is_fragmented => {
                return Err(Violation::Protocol("the message before has not ended"));
            }
            CONTINUATION | TEXT => {}
            CLOSE | PING | PONG if !is_final || length > LONGEST_CONTROL as u64 => {
                return Err(Violation::Protocol("a control frame must be short and in one piece"));
            }
            CLOSE | PING | PONG => return Ok(()),
            _ => return Err(Violation::Protocol("unknown opcode")),
        }
        if length > (self.longest - self.message.len()) as u64 {
            return Err(Violation::TooLarge);
        }
        Ok(())
    }

    /// Takes the payload that ends at `start`.
    fn take(&mut self, header: &Header) -> Result<Option<Item>, Violation> {
        let payload = &self.data[header.payload..self.start];
        match header.opcode {
            PING => return Ok(Some(Item::Ping(payload.to_vec()))),
            PONG => return Ok(Some(Item::Pong)),
            CLOSE => return Ok(Some(Item::Close(close_code(payload)?))),
            _ => {}
        }
        self.message.extend_from_slice(payload);
        self.is_fragmented = !header.is_final;
        if self.is_fragmented {
            return Ok(None);
        }
        let message = std::mem::take(&mut self.message);
        String::from_utf8(message).map(|text| Some(Item::Text(text))).map_err(|_| Violation::Utf8)
    }

    /// Forgets what was decoded; gives memory back when nothing is left.
    fn tidy(&mut self) {
        if self.start == self.data.len() {
            self.data = Vec::new();
        } else {
            self.data.drain(..self.start);
        }
        self.start = 0;
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u32::from_ne_bytes(mask);
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), reason),
        [_] => return Err(Violation::Protocol("a close code has two bytes")),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Protocol("not a close code"));
    }
    std::str::from_utf8(reason).map(|_| Some(code)).map_err(|_| Violation::Utf8)
}

/// Appends a text frame.
pub(crate) fn encode_text(text: &[u8], out: &mut Vec<u8>) {
    encode(TEXT, text, out);
}

/// A ping without payload.
pub(crate) fn ping_frame() -> Bytes {
    Bytes::from_static(&[FINAL | PING, 0])
}

/// The answer to a ping.
pub(super) fn pong_frame(payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 2);
    encode(PONG, payload, &mut out);
    out.into()
}

/// Appends a close frame; the reason is cut where it is too long.
pub(super) fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let reason = &reason.as_bytes()[..reason.len().min(LONGEST_CONTROL - 2)];
    encode(CLOSE, &[&code.to_be_bytes(), reason].concat(), out);
}

fn encode(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(FINAL | opcode);
    match payload.len() {
        length @ 0..=125 => out.push(length as u8),
        length @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
