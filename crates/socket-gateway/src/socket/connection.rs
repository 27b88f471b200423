//! The task of one connection: writes what is queued, several frames a system call, and carries out what comes in, in
//! order. It has no timer and, while nothing happens, no buffer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use battlearena_identity::limits::Slot;
use battlearena_telemetry::metrics::InFlight;
use battlearena_tls::Stream;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::frame::{Decoder, Item, Violation, pong_frame};
use super::outbox::{Fate, SLOW_CONSUMER};
use super::{Chunk, Session, Socket};
use crate::domain::{ErrorCode, Refusal};
use crate::metrics::{End, Metrics, Received, Sent};

/// A client with more than this to read must read first, before more of its commands are looked at.
const BACKLOG: usize = 64 * 1024;

/// Frames in one system call.
const SLICES: usize = 64;

/// Bytes of one read.
const READ: usize = 16 * 1024;

thread_local! {
    /// Where reads go first: one a thread, so that idle connections have none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// One connection, until its end.
pub(crate) struct Connection {
    stream: Stream,
    socket: Arc<Socket>,
    session: Session,
    decoder: Decoder,
    writing: VecDeque<Chunk>,
    /// Bytes of the first chunk that were written.
    written: usize,
    /// Whether written bytes may wait in a TLS session.
    is_unflushed: bool,
    /// How far the end has come.
    ending: Ending,
    _open: InFlight,
    _place: Slot,
}

#[derive(Default)]
struct Ending {
    /// Our side of the stream is closed.
    is_shut: bool,
    /// The client has sent its close frame.
    has_client_closed: bool,
    /// The client's bytes have no meaning any more.
    is_broken: bool,
}

impl Connection {
    /// A connection after its handshake; `early` came right behind it. It keeps its place to the end.
    pub(crate) fn new(
        stream: Stream,
        early: &[u8],
        session: Session,
        most_bytes: usize,
        place: Slot,
    ) -> Self {
        let mut decoder = Decoder::new(most_bytes);
        decoder.feed(early);
        let socket = session.socket().clone();
        let _open = Metrics::get().opened();
        Self {
            stream,
            socket,
            session,
            decoder,
            writing: VecDeque::new(),
            written: 0,
            is_unflushed: false,
            ending: Ending::default(),
            _open,
            _place: place,
        }
    }

    /// Runs the connection to its end.
    pub(crate) async fn run(mut self) {
        let end = std::future::poll_fn(|context| self.poll(context)).await;
        Metrics::get().closed(end);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            let fate = match self.poll_write(context) {
                Poll::Ready(Err(())) => return Poll::Ready(self.end(End::Lost)),
                Poll::Ready(Ok(fate)) => fate,
                Poll::Pending => self.socket.outbox.fate(),
            };
            let read = match fate {
                Fate::Aborted(_) => return Poll::Ready(self.end(End::Lost)),
                Fate::Closing(..) => ready!(self.poll_discard(context)),
                Fate::Open => ready!(self.poll_input(context)),
            };
            if read.is_err() {
                return Poll::Ready(self.end(End::Lost));
            }
        }
    }

    /// Writes until nothing is left (pending: the task is woken by a push) or the system takes no more. Ready, with what
    /// is to become of the connection, once it ends and everything is written.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<Fate, ()>> {
        loop {
            if self.writing.is_empty() {
                if self.is_unflushed {
                    ready!(Pin::new(&mut self.stream).poll_flush(context)).map_err(drop)?;
                    self.is_unflushed = false;
                }
                let fate = ready!(self.socket.outbox.poll_take(context, &mut self.writing));
                if self.writing.is_empty() {
                    return Poll::Ready(Ok(fate));
                }
            }
            if let Fate::Closing(SLOW_CONSUMER, _) = self.socket.outbox.fate()
                && self.drop_backlog()
            {
                continue;
            }
            let count = ready!(self.poll_write_some(context)).map_err(drop)?;
            self.is_unflushed = true;
            self.advance(count);
        }
    }

    /// A client that was cut for reading slowly will not read all this: only what was begun, and then the close frame.
    /// Whether nothing remains.
    fn drop_backlog(&mut self) -> bool {
        let keep = usize::from(self.written > 0 || self.is_last());
        let dropped: u32 = self.writing.drain(keep..).map(|chunk| chunk.frames).sum();
        Metrics::get().dropped(u64::from(dropped));
        self.writing.is_empty()
    }

    /// Whether what is being written is the close frame.
    fn is_last(&self) -> bool {
        self.writing.front().is_some_and(|chunk| chunk.sent == Sent::Control && chunk.bytes[0] & 0x0F == 8)
    }

    fn poll_write_some(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut skip = self.written;
        for (slice, chunk) in slices.iter_mut().zip(&self.writing) {
            *slice = IoSlice::new(&chunk.bytes[std::mem::take(&mut skip)..]);
        }
        let count = self.writing.len().min(SLICES);
        Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..count])
    }

    fn advance(&mut self, count: usize) {
        self.socket.outbox.written(count);
        self.written += count;
        while let Some(chunk) = self.writing.front()
            && self.written >= chunk.bytes.len()
        {
            self.written -= chunk.bytes.len();
            Metrics::get().sent(chunk);
            self.writing.pop_front();
        }
        if self.writing.is_empty() && self.writing.capacity() > SLICES {
            self.writing = VecDeque::new();
        }
    }

    /// After the close frame: what still comes is thrown away up to the client's close frame, so that the system does not
    /// reset the connection before the client has read its end.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        if self.writing.is_empty() && self.ending.has_client_closed {
            return Poll::Ready(Err(()));
        }
        if self.writing.is_empty() && !self.ending.is_shut {
            // The only failure is that the client is gone, which the read finds out.
            self.ending.is_shut = Pin::new(&mut self.stream).poll_shutdown(context).is_ready();
        }
        ready!(self.poll_read(context))?;
        while !self.ending.is_broken {
            match self.decoder.next() {
                Ok(Some(Item::Close(_))) => self.ending.has_client_closed = true,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => self.ending.is_broken = true,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Carries out the next command, or reads.
    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        ready!(self.session.poll_work(context));
        if self.session.is_draining() || self.socket.outbox.backlog() > BACKLOG {
            // Drain closes the connection; a backlog is looked at again when some of it was written.
            return Poll::Pending;
        }
        match self.decoder.next() {
            Ok(Some(item)) => self.take(item),
            Ok(None) => return self.poll_read(context),
            Err(violation) => {
                self.ending.is_broken = true;
                Metrics::get().received(Received::Refused);
                self.socket.refuse(&refusal(violation));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Text(text) => self.session.take(&text),
            Item::Ping(payload) => {
                if self.session.spend() {
                    self.socket.outbox.push(Chunk::new(pong_frame(&payload), 1, Sent::Control));
                }
            }
            Item::Pong => {}
            Item::Close(code) => {
                self.ending.has_client_closed = true;
                self.socket.outbox.close(code.unwrap_or(1000), "", None);
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let Self { stream, decoder, ending, .. } = self;
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
            if !ending.is_broken {
                decoder.feed(buffer.filled());
            }
            Poll::Ready(std::io::Result::Ok(buffer.filled().len()))
        });
        match ready!(read) {
            Ok(0) | Err(_) => Poll::Ready(Err(())),
            Ok(_) => {
                self.session.heard();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// How the connection ended: as it was told to, or otherwise.
    fn end(&self, otherwise: End) -> End {
        match self.socket.outbox.fate() {
            Fate::Closing(code, _) | Fate::Aborted(code) => End::of_close_code(code),
            Fate::Open => otherwise,
        }
    }
}

fn refusal(violation: Violation) -> Refusal {
    match violation {
        Violation::TooLarge => Refusal::new(ErrorCode::PayloadTooLarge, "the message is too large"),
        Violation::Binary => Refusal::new(ErrorCode::UnsupportedData, "frames must be text"),
        Violation::Utf8 => Refusal::new(ErrorCode::InvalidUtf8, "the text is not UTF-8"),
        Violation::Protocol(what) => Refusal::new(ErrorCode::ProtocolError, what),
    }
}
