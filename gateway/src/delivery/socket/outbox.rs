//! What waits to be written to one socket: whole frames, of which the first may be written in part.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use tokio::net::TcpStream;

use crate::hub::Packet;

/// So many frames go into one write.
const FRAMES_A_WRITE: usize = 64;
/// A queue that had more is given back: most are short, and there are many of them.
const KEPT_CAPACITY: usize = 16;

/// Frames on their way to a socket.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Packet>,
    /// How much of the first is written.
    written: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, packet: Packet) {
        self.waiting.push_back(packet);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How much waits.
    pub(super) fn bytes(&self, deflate: bool) -> usize {
        let all: usize = self.waiting.iter().map(|packet| packet.wire(deflate).len()).sum();
        all - self.written
    }

    /// Writes what waits and then these, as much as the socket takes; returns how much that was. What did not fit waits.
    pub(super) fn write(
        &mut self,
        socket: &TcpStream,
        deflate: bool,
        mut packets: impl ExactSizeIterator<Item = Packet>,
    ) -> io::Result<usize> {
        let mut bytes = 0;
        if self.waiting.is_empty() && packets.len() == 1 {
            // As it mostly is: nothing has to be remembered where all of it goes.
            let Some(packet) = packets.next() else { return Ok(0) };
            let wire = packet.wire(deflate);
            bytes = match socket.try_write(wire) {
                Ok(written) => written,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
                Err(error) => return Err(error),
            };
            if bytes < wire.len() {
                self.waiting.push_back(packet);
                self.written = bytes;
            }
            return Ok(bytes);
        }
        self.waiting.extend(packets);
        while let Some(first) = self.waiting.front() {
            let first = &first.wire(deflate)[self.written..];
            let written = if self.waiting.len() == 1 {
                socket.try_write(first)
            } else {
                let mut slices = [IoSlice::new(&[]); FRAMES_A_WRITE];
                slices[0] = IoSlice::new(first);
                for (slice, packet) in slices.iter_mut().zip(&self.waiting).skip(1) {
                    *slice = IoSlice::new(packet.wire(deflate));
                }
                socket.try_write_vectored(&slices[..self.waiting.len().min(FRAMES_A_WRITE)])
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes += written;
                    self.forget(written, deflate);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_CAPACITY {
            self.waiting = VecDeque::new();
        }
        Ok(bytes)
    }

    fn forget(&mut self, written: usize, deflate: bool) {
        self.written += written;
        while let Some(first) = self.waiting.front() {
            let length = first.wire(deflate).len();
            if self.written < length {
                break;
            }
            self.written -= length;
            self.waiting.pop_front();
        }
    }
}
