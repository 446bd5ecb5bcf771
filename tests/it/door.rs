//! The port with a certificate: what is checked before, what is printed, and who is answered.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::app::{output, ringside};

/// Writes `{name}.pem` and `{name}.key` with a certificate that lasts so many days.
pub(crate) fn make(folder: &Path, name: &str, days: i64) {
    let now = jiff::Timestamp::now().as_second();
    let at = |seconds: i64| {
        let date = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (certificate.not_before, certificate.not_after) = (at(now - 900 * 86_400), at(now + days * 86_400));
    fs::write(folder.join(format!("{name}.pem")), certificate.self_signed(&pair).unwrap().pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), pair.serialize_pem()).unwrap();
}

/// The binary with these two files of the folder; an empty name leaves one out.
fn with_files(folder: &Path, certificate: &str, key: &str) -> Command {
    let mut command = ringside(&folder.join("data"));
    for (name, file) in [("RINGSIDE_TLS_CERTIFICATE", certificate), ("RINGSIDE_TLS_KEY", key)] {
        if !file.is_empty() {
            command.env(name, folder.join(file));
        }
    }
    command
}

#[test]
fn check_looks_at_the_certificate_and_says_when_it_ends() {
    let folder = TempDir::new().unwrap();
    for (name, days) in [("good", 90), ("other", 90), ("old", -3)] {
        make(folder.path(), name, days);
    }
    let check = |certificate: &str, key: &str| output(with_files(folder.path(), certificate, key).arg("check"));
    let good = check("good.pem", "good.key");
    let text = String::from_utf8_lossy(&good.stdout);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let year = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year();
    let said = text.lines().find(|line| line.contains("good.pem fits its key")).unwrap_or_else(|| panic!("{text}"));
    assert!([year, year + 1].iter().any(|year| said.contains(&format!("is good until {year}-"))), "{said}");
    for (certificate, key, sentence) in [
        ("good.pem", "", "TLS needs both, or neither"),
        ("", "good.key", "TLS needs both, or neither"),
        ("good.pem", "other.key", "is not the one of the certificate in"),
        ("good.pem", "nothing.key", "nothing.key can't be read"),
        ("good.key", "good.key", "good.key holds no certificate"),
        ("old.pem", "old.key", "ended on"),
    ] {
        let result = check(certificate, key);
        let text = String::from_utf8_lossy(&result.stderr).into_owned();
        assert!(!result.status.success() && text.contains(sentence), "{certificate} {key}: {text}");
        assert!(text.lines().filter(|line| line.starts_with("ringside: ")).count() == 1, "one sentence: {text}");
    }
}

#[test]
fn origins_that_are_none_are_refused_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    for (name, list, sentence) in [
        ("RINGSIDE_CORS_ORIGINS", r#"["*"]"#, "name each origin"),
        ("RINGSIDE_CORS_ORIGINS", r#"["portal.example"]"#, "is no origin"),
        ("RINGSIDE_ALLOWED_ORIGINS", r#"["https://ops.example/dashboard"]"#, "is no origin"),
    ] {
        for command in ["check", "up"] {
            let result = output(ringside(&folder.path().join("data")).env(name, list).arg(command));
            let text = String::from_utf8_lossy(&result.stderr).into_owned();
            assert!(!result.status.success() && text.contains(sentence), "{command} {list}: {text}");
            assert!(text.contains(&name["RINGSIDE_".len()..].to_lowercase()), "the key is named: {text}");
        }
    }
}

#[test]
fn a_port_with_a_certificate_says_https_and_answers_plain_text_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    make(folder.path(), "good", 90);
    let mut command = with_files(folder.path(), "good.pem", "good.key");
    let mut child = command.args(["--simulate", "false"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let answer = line.split_once("Ringside is on https://").map(|(_, rest)| {
        let mut plain = TcpStream::connect(rest.trim_end().trim_end_matches('/')).unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).unwrap();
        answer
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let answer = answer.unwrap_or_else(|| panic!("{line}"));
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("ask for https://"), "{answer}");
}
