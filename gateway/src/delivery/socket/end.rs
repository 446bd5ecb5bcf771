//! Why a socket ends, with the close code that tells its client whether to come back.

use super::message::Bad;

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client or the network went away without a word.
    Gone,
    /// The client closed; the code that came, if any, is its own.
    Left(Option<u16>),
    Expired,
    Stranger,
    Flood,
    /// Something that can't be taken, and after which nothing else can be read.
    Unreadable(Bad),
    Draining,
    /// It has lasted as long as a connection may.
    Old,
    Slow,
}

impl End {
    /// Payload of the close frame; none where nobody would read it.
    pub(super) fn payload(self) -> Option<Vec<u8>> {
        match self {
            Self::Gone => None,
            // An answer says what was said.
            Self::Left(code) => Some(code.map(u16::to_be_bytes).into_iter().flatten().collect()),
            ours => ours.told().map(|(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat()),
        }
    }

    /// Code and reason, where it is we who end it.
    pub(super) fn told(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Gone | Self::Left(_) => None,
            Self::Expired => Some((4401, "the login has ended")),
            Self::Stranger => Some((4403, "the token is somebody else's")),
            Self::Flood => Some((4408, "too many messages")),
            Self::Unreadable(Bad::Long) => Some((4408, "send text messages of at most 16 KiB")),
            Self::Unreadable(Bad::Protocol) => Some((1002, "not a WebSocket frame")),
            Self::Unreadable(Bad::Text) => Some((1007, "not UTF-8")),
            Self::Draining => Some((4503, "this gateway is going away")),
            Self::Old => Some((4600, "come back now")),
            Self::Slow => Some((4508, "too slow")),
        }
    }
}

impl From<Bad> for End {
    fn from(bad: Bad) -> Self {
        Self::Unreadable(bad)
    }
}
