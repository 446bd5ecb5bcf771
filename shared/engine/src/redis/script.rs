//! The server-side scripts: every write to a partition is one of them.
//!
//! Each is a file in `lua/`, prefixed with the shared `server.lua`. Scripts are called by digest; a server that does not
//! know a script yet is sent its text, and the call is repeated.

use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

macro_rules! scripts {
    ($($name:ident: $file:literal;)+) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("lua/server.lua"), include_str!(concat!("lua/", $file)))));)+
    };
}

scripts! {
    ACQUIRE: "acquire.lua";
    APPEND: "append.lua";
    HEARTBEAT: "heartbeat.lua";
    COMMIT: "commit.lua";
    GET_OR_CREATE: "get_or_create.lua";
    LOAD: "load.lua";
    APPEND_JOURNAL: "append_journal.lua";
    PUBLISH: "publish.lua";
    READ_ROOM: "read_room.lua";
    RELEASE: "release.lua";
    RENEW: "renew.lua";
    COMPARE_AND_SWAP: "compare_and_swap.lua";
}

/// Returns the call of a script on these keys; the caller adds the arguments.
pub(super) fn call(script: &Script, keys: &[String]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys.len()).arg(keys);
    call
}
