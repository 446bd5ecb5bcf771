//! `ringside tail ROOM…`: what happens in rooms, in a terminal or a pipe.
//!
//! Each frame is a line: as it was sent, or short for people. A connection that breaks is opened again and goes on from
//! the cursors; what is refused ends it with a sentence. `static/js/ringside-client.js` does the same in JavaScript.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use http::StatusCode;
use ringside_pacing::Backoff;
use serde_json::{Value, json};
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite;

use crate::config::Config;
use crate::socket::{Away, Heard, Socket, is_https, log_in};

/// `ringside tail`
#[derive(Args)]
pub(crate) struct TailArgs {
    /// Rooms, such as overview, alerts, campaign:alpha or calls:alpha; ROOM@CURSOR goes on from there
    #[arg(required = true, value_name = "ROOM")]
    rooms: Vec<String>,
    /// The gateway, http:// or https:// (SSL_CERT_FILE names whom to trust) [default: where it is configured to listen]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The user, with the password of RINGSIDE_ADMIN_PASSWORD or RINGSIDE_ADMIN_PASSWORD_FILE
    #[arg(long, default_value = "admin", value_name = "NAME")]
    user: String,
    /// A token, in place of a user and password
    #[arg(long, env = "RINGSIDE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Go on from this place in the room, where there is one room
    #[arg(long)]
    cursor: Option<String>,
    /// End after so many frames
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Short lines for people in place of JSON
    #[arg(long)]
    pretty: bool,
}

/// The server pings each 25 s: who hears nothing for so long is not connected any more.
const SILENCE: Duration = Duration::from_secs(40);
const OPEN_WITHIN: Duration = Duration::from_secs(10);
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(20));

/// Prints frames until there are enough, somebody ends it, or it is refused.
pub(crate) async fn run(config: &Config, args: &TailArgs) -> anyhow::Result<()> {
    let mut tail = Tail::new(config, args)?;
    let mut backoff = BACKOFF;
    loop {
        let (wait, why) = match tail.watch().await? {
            Left::Done => return Ok(()),
            Left::Told { retry_ms, why } => {
                backoff.reset();
                (Duration::from_millis(retry_ms), why)
            }
            Left::Broken { why, heard } => {
                if heard {
                    backoff.reset();
                }
                (backoff.next_pause(), why)
            }
        };
        // Nothing can be done where stderr itself is gone.
        let _ = writeln!(std::io::stderr(), "ringside: {why}; again in {:.1} s", wait.as_secs_f64());
        sleep(wait).await;
    }
}

/// How a connection ended that may be opened again.
enum Left {
    /// There were enough frames, or nobody reads them any more.
    Done,
    /// The server said when to come back.
    Told { retry_ms: u64, why: String },
    /// It broke.
    Broken { why: String, heard: bool },
}

struct Tail<'a> {
    args: &'a TailArgs,
    gateway: String,
    password: Option<&'a str>,
    /// Each with the place reached.
    rooms: Vec<(String, Option<String>)>,
    left: u64,
    /// True once a connection was open: what breaks then is tried again.
    was_open: bool,
}

impl<'a> Tail<'a> {
    fn new(config: &'a Config, args: &'a TailArgs) -> anyhow::Result<Self> {
        let gateway = match &args.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => default_url(config)?,
        };
        if !gateway.starts_with("http://") && !is_https(&gateway) {
            bail!(
                "{gateway} is no address that tail can reach: give the gateway's, such as http://127.0.0.1:8080 or \
                 https://ops.example.com"
            );
        }
        if args.token.is_none() && config.admin_password.is_none() {
            bail!("who is watching? Set RINGSIDE_ADMIN_PASSWORD (or RINGSIDE_ADMIN_PASSWORD_FILE), or RINGSIDE_TOKEN");
        }
        let mut rooms: Vec<_> = args.rooms.iter().map(|room| split_cursor(room)).collect();
        match (&args.cursor, rooms.as_mut_slice()) {
            (None, _) => {}
            (Some(cursor), [(_, place)]) => *place = Some(cursor.clone()),
            (Some(_), _) => bail!("--cursor is for one room; with several, write each as ROOM@CURSOR"),
        }
        let password = config.admin_password.as_deref();
        Ok(Self { args, gateway, password, rooms, left: args.count.unwrap_or(u64::MAX), was_open: false })
    }

    async fn token(&self) -> anyhow::Result<String> {
        match (&self.args.token, self.password) {
            (Some(token), _) => Ok(token.clone()),
            (None, Some(password)) => log_in(&self.gateway, &self.args.user, password).await,
            (None, None) => unreachable!("one of both is there, or it would not have begun"),
        }
    }

    async fn open(&self) -> anyhow::Result<Socket> {
        let open = async {
            let opened = Socket::open(&self.gateway, &self.token().await?).await;
            match opened.as_ref().err().and_then(status).map(|status| status.as_u16()) {
                Some(401) => bail!("this token is not valid (any more): get another one from POST /auth/login"),
                Some(400) if !is_https(&self.gateway) => {
                    bail!("it takes no WebSocket in plain text: where it speaks TLS, write https://")
                }
                _ => opened,
            }
        };
        timeout(OPEN_WITHIN, open).await.context("nobody answers there")?
    }

    /// One connection, to its end. An error is what must not be tried again.
    async fn watch(&mut self) -> anyhow::Result<Left> {
        let mut socket = match self.open().await {
            Ok(socket) => socket,
            Err(error) if self.was_open && !is_refusal(&error) => {
                return Ok(Left::Broken { why: error.to_string(), heard: false });
            }
            Err(error) => return Err(error).with_context(|| format!("{} can't be watched", self.gateway)),
        };
        self.was_open = true;
        for (room, cursor) in &self.rooms {
            if let Err(error) = socket.subscribe(room, cursor.as_deref()).await {
                return Ok(Left::Broken { why: error.to_string(), heard: false });
            }
        }
        let (mut heard, mut retry_ms) = (false, None);
        loop {
            let text = match timeout(SILENCE, socket.hear()).await {
                Ok(Ok(Heard::Frame(text))) => text,
                Ok(Ok(Heard::Alive)) => continue,
                Ok(Ok(Heard::Closed(code, reason))) => return self.closed(code, &reason, retry_ms, heard),
                Ok(Err(error)) => return Ok(left(retry_ms, error.to_string(), heard)),
                Err(_) => return Ok(left(retry_ms, "nothing was heard for 40 s".to_owned(), heard)),
            };
            let frame: Value = serde_json::from_str(&text).context("the server sent a frame that is no JSON")?;
            match frame["type"].as_str().unwrap_or_default() {
                "subscribed" | "unsubscribed" | "pong" => {}
                "bye" => retry_ms = frame["retryMs"].as_u64(),
                "auth_expiring" => {
                    // A token that was given ends; a password gets another one. Where that fails, 4401 will tell.
                    if self.args.token.is_none()
                        && let Ok(token) = self.token().await
                    {
                        let _ = socket.say(&json!({"action": "auth", "token": token})).await;
                    }
                }
                "error" => {
                    let message = frame["message"].as_str().unwrap_or("the server refused something");
                    if frame["code"] != "unavailable" {
                        bail!("{message}");
                    }
                    let _ = writeln!(std::io::stderr(), "ringside: {message}");
                }
                kind => {
                    heard = true;
                    self.reach(kind, &frame);
                    let printed = if self.args.pretty { print(&short(&frame)) } else { print(&text) };
                    self.left = self.left.saturating_sub(1);
                    if !printed? || self.left == 0 {
                        return Ok(Left::Done);
                    }
                }
            }
        }
    }

    /// Keeps the place that a frame has reached.
    fn reach(&mut self, kind: &str, frame: &Value) {
        let place = self.rooms.iter_mut().find(|(room, _)| frame["room"] == room.as_str());
        match (place, frame["cursor"].as_str()) {
            (Some((_, place)), Some(cursor)) => *place = Some(cursor.to_owned()),
            (Some((_, place)), None) if kind == "reset" => *place = None,
            _ => {}
        }
    }

    fn closed(&self, code: u16, reason: &str, retry_ms: Option<u64>, heard: bool) -> anyhow::Result<Left> {
        let why = format!("the server ended the connection ({code} {reason})");
        match code {
            // Another login may be had with the password.
            4401 if self.args.token.is_none() && heard => Ok(left(None, why, heard)),
            4400..4500 => bail!("{why}: it does not want this client back"),
            4600..4700 if heard => Ok(left(Some(retry_ms.unwrap_or(0)), why, heard)),
            _ => Ok(left(retry_ms, why, heard)),
        }
    }
}

/// Whether somebody was there and said no, so that asking again would not help.
fn is_refusal(error: &anyhow::Error) -> bool {
    match status(error) {
        Some(status) => status.is_client_error(),
        None => !error.is::<tungstenite::Error>() && !error.is::<Away>() && !error.is::<Elapsed>(),
    }
}

/// What a question for a WebSocket was answered with in place of one.
fn status(error: &anyhow::Error) -> Option<StatusCode> {
    match error.downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Http(answer) => Some(answer.status()),
        _ => None,
    }
}

fn left(retry_ms: Option<u64>, why: String, heard: bool) -> Left {
    match retry_ms {
        Some(retry_ms) => Left::Told { retry_ms, why },
        None => Left::Broken { why, heard },
    }
}

/// Where a gateway with this configuration is reached from the same machine.
fn default_url(config: &Config) -> anyhow::Result<String> {
    let mut address = config.listen;
    if address.port() == 0 {
        bail!("no port is configured: say where the gateway is with --url http://HOST:PORT (or https://)");
    }
    if config.tls_certificate.is_some() {
        // A certificate has names, and seldom this machine's own addresses.
        let here = address.ip().is_unspecified() || address.ip().is_loopback();
        return Ok(if here { format!("https://localhost:{}", address.port()) } else { format!("https://{address}") });
    }
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    Ok(format!("http://{address}"))
}

fn split_cursor(room: &str) -> (String, Option<String>) {
    match room.split_once('@') {
        Some((room, cursor)) => (room.to_owned(), Some(cursor.to_owned())),
        None => (room.to_owned(), None),
    }
}

/// Prints a line; false where nobody reads any more, such as `head` that has enough.
fn print(line: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("standard output can't be written to"),
    }
}

/// A frame in a line: when, where, what, and the little that fits.
fn short(frame: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // `2026-11-20T12:00:00.000Z`: the time of day.
    let time = frame["timestamp"].as_str().and_then(|at| at.get(11..23)).unwrap_or("--:--:--.---").to_owned();
    let mut line = format!("{time}  {:<28} {:<22} ", text(&frame["room"]), text(&frame["type"]));
    let told = match text(&frame["type"]).as_str() {
        "skipped" => write!(line, "{} events left out", frame["count"]),
        "reset" => write!(line, "{}", text(&frame["reason"])),
        "alert" => write!(line, "{} {}", text(&frame["alert"]["state"]), text(&frame["alert"]["title"])),
        "notification" => write!(line, "{}", text(&frame["notification"]["title"])),
        "campaign_status_change" => write!(line, "{} → {}", text(&frame["from"]), text(&frame["to"])),
        _ => short_numbers(frame, &mut line),
    };
    told.expect("a String takes everything");
    line.trim_end().to_owned()
}

fn short_numbers(frame: &Value, line: &mut String) -> std::fmt::Result {
    let numbers = |of: &Value, active: &str| format!("{} up, {} attempts", of[active], of["counters"]["attempts"]);
    if let Some(calls) = frame["calls"].as_array() {
        let calls = calls.iter().map(|call| {
            format!("{} {}", call["callId"].as_str().unwrap_or("?"), call["phase"].as_str().unwrap_or("?"))
        });
        return write!(line, "{}", calls.collect::<Vec<_>>().join(", "));
    }
    if frame["aggregate"].is_object() {
        return write!(line, "{}", numbers(&frame["aggregate"], "totalActiveCalls"));
    }
    if frame["campaign"].is_object() {
        return write!(line, "{}", numbers(&frame["campaign"], "activeCalls"));
    }
    if let Some(metrics) = frame["metrics"].as_array() {
        let metrics =
            metrics.iter().map(|metric| format!("{} {}", metric["name"].as_str().unwrap_or("?"), metric["value"]));
        return write!(line, "{}", metrics.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_short_line() {
        for (frame, line) in [
            (
                json!({"type": "call_event", "room": "calls:a", "timestamp": "2026-11-20T12:00:01.250Z",
                    "calls": [{"callId": "c1", "phase": "dialing"}, {"callId": "c2", "phase": "ended"}]}),
                "12:00:01.250  calls:a                      call_event             c1 dialing, c2 ended",
            ),
            (
                json!({"type": "skipped", "room": "calls:a", "timestamp": "2026-11-20T12:00:01.250Z", "count": 120}),
                "12:00:01.250  calls:a                      skipped                120 events left out",
            ),
            (
                json!({"type": "metrics_update", "room": "campaign:a", "timestamp": "2026-11-20T12:00:01.250Z",
                    "campaign": {"activeCalls": 12, "counters": {"attempts": 340}}}),
                "12:00:01.250  campaign:a                   metrics_update         12 up, 340 attempts",
            ),
        ] {
            assert_eq!(short(&frame), line);
        }
    }

    #[test]
    fn the_own_gateway_is_reached_where_it_listens() {
        for (listen, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:9000", "http://127.0.0.1:9000"),
            ("[::]:9000", "http://[::1]:9000"),
        ] {
            let config = Config { listen: listen.parse().unwrap(), ..Config::default() };
            assert_eq!(default_url(&config).unwrap(), url);
        }
        for (listen, url) in [
            ("127.0.0.1:8443", "https://localhost:8443"),
            ("0.0.0.0:443", "https://localhost:443"),
            ("[::]:9000", "https://localhost:9000"),
            ("10.0.0.7:443", "https://10.0.0.7:443"),
        ] {
            let tls_certificate = Some("fullchain.pem".into());
            let config = Config { listen: listen.parse().unwrap(), tls_certificate, ..Config::default() };
            assert_eq!(default_url(&config).unwrap(), url);
        }
        assert!(default_url(&Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() }).is_err());
    }

    #[tokio::test]
    async fn who_says_no_is_not_asked_again_and_who_is_away_is() {
        let http = |status: u16| {
            let answer = http::Response::builder().status(status).body(None).unwrap();
            anyhow::Error::from(tungstenite::Error::Http(Box::new(answer)))
        };
        let late = timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
        let broken = tungstenite::Error::Io(ErrorKind::ConnectionReset.into());
        for (error, refused) in [
            (http(401), true),
            (http(403), true),
            (http(503), false),
            (broken.into(), false),
            (Away::new("nobody answers".to_owned()).into(), false),
            (anyhow::Error::from(late).context("nobody answers there"), false),
            (anyhow::anyhow!("this machine does not trust its certificate"), true),
        ] {
            assert_eq!(is_refusal(&error), refused, "{error:#}");
        }
    }
}
