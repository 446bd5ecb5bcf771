//! What waits to be written to one socket: whole frames, of which the first may be written in part; and before them what
//! its transport holds already, which is nothing on plain TCP.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use tokio::net::TcpStream;

use super::transport::{Encrypted, Transport};
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
    /// So much is encrypted already and waits to be sent.
    held: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, packet: Packet) {
        self.waiting.push_back(packet);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.held == 0
    }

    /// How much waits.
    pub(super) fn bytes(&self, deflate: bool) -> usize {
        let all: usize = self.waiting.iter().map(|packet| packet.wire(deflate).len()).sum();
        all - self.written + self.held
    }

    /// Writes what waits and then these, as much as the socket takes; returns how much went out. What did not fit waits.
    pub(super) fn write(
        &mut self,
        socket: &Transport,
        deflate: bool,
        packets: impl ExactSizeIterator<Item = Packet>,
    ) -> io::Result<usize> {
        match socket {
            Transport::Plain(socket) => self.write_plain(socket, deflate, packets),
            Transport::Encrypted(socket) => self.write_encrypted(socket, deflate, packets),
        }
    }

    fn write_plain(
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
        while !self.waiting.is_empty() {
            match self.with_slices(deflate, |slices| socket.try_write_vectored(slices)) {
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
        self.give_back();
        Ok(bytes)
    }

    fn write_encrypted(
        &mut self,
        socket: &Encrypted,
        deflate: bool,
        packets: impl ExactSizeIterator<Item = Packet>,
    ) -> io::Result<usize> {
        let mut bytes = 0;
        self.waiting.extend(packets);
        while !self.is_empty() {
            let written = self.with_slices(deflate, |slices| socket.write(slices))?;
            bytes += written.sent;
            self.held = written.held;
            self.forget(written.taken, deflate);
            if self.held > 0 {
                break;
            }
            if written.taken == 0 && !self.waiting.is_empty() {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.give_back();
        Ok(bytes)
    }

    /// What waits, as it is given to one write.
    fn with_slices<T>(&self, deflate: bool, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let mut slices = [IoSlice::new(&[]); FRAMES_A_WRITE];
        for (slice, packet) in slices.iter_mut().zip(&self.waiting) {
            *slice = IoSlice::new(packet.wire(deflate));
        }
        if let Some(first) = self.waiting.front() {
            slices[0] = IoSlice::new(&first.wire(deflate)[self.written..]);
        }
        write(&slices[..self.waiting.len().min(FRAMES_A_WRITE)])
    }

    fn give_back(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_CAPACITY {
            self.waiting = VecDeque::new();
        }
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
