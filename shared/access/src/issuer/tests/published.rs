//! Key servers that rotate keys, fail, stall, or answer nonsense.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::*;

/// A key server whose answer can be changed.
struct KeyServer {
    address: String,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Clone)]
enum Answer {
    Keys(Vec<Value>),
    Text(StatusCode, String),
    Redirect,
    Stall,
}

impl KeyServer {
    async fn start(answer: Answer) -> Self {
        let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(answer)));
        let elsewhere = Signer::new(SignatureAlgorithm::EdDsa).published("k1");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/jwks", listener.local_addr().unwrap());
        let (asked_so_far, current) = (asked.clone(), answer.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked_so_far, current, elsewhere) = (asked_so_far.clone(), current.clone(), elsewhere.clone());
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let answer = match request.uri().path() {
                        "/jwks" => {
                            asked_so_far.fetch_add(1, Ordering::SeqCst);
                            current.lock().clone()
                        }
                        _ => Answer::Keys(vec![elsewhere.clone()]),
                    };
                    async move { Ok::<_, std::convert::Infallible>(answer.respond().await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, asked, answer }
    }

    fn now_answers(&self, answer: Answer) {
        *self.answer.lock() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Starts an issuer that publishes its keys at this server.
    fn issuers(&self) -> Arc<Issuers> {
        let issuers = Arc::new(Issuers::new(vec![settings("portal", KeySource::Url(self.address.clone()))]).unwrap());
        tokio::spawn(issuers.clone().run(CancellationToken::new()));
        issuers
    }
}

impl Answer {
    async fn respond(self) -> Response<Full<Bytes>> {
        let response = Response::builder();
        match self {
            Self::Keys(keys) => response.body(json!({ "keys": keys }).to_string().into()),
            Self::Text(status, text) => response.status(status).body(text.into()),
            Self::Redirect => {
                response.status(StatusCode::FOUND).header(header::LOCATION, "/elsewhere").body(Full::default())
            }
            Self::Stall => std::future::pending().await,
        }
        .unwrap()
    }
}

fn token(signer: &Signer, kid: &str) -> String {
    signer.sign(kid, &claims("https://portal.example"))
}

#[tokio::test]
async fn a_rotated_key_replaces_the_old_one_at_its_first_token() {
    let [old, new] = [SignatureAlgorithm::EdDsa, SignatureAlgorithm::Es256].map(Signer::new);
    let server = KeyServer::start(Answer::Keys(vec![old.published("k1")])).await;
    let issuers = server.issuers();
    assert!(issuers.identify(&token(&old, "k1"), NOW).await.is_ok());
    server.now_answers(Answer::Keys(vec![new.published("k2")]));
    assert!(issuers.identify(&token(&old, "k1"), NOW).await.is_ok(), "the fetched keys are cached");
    assert!(issuers.identify(&token(&new, "k2"), NOW).await.is_ok());
    assert_eq!(issuers.identify(&token(&old, "k1"), NOW).await, Err(TokenRejected::Key));
    assert_eq!(issuers.identify(&token(&old, "k2"), NOW).await, Err(TokenRejected::Algorithm));
}

#[tokio::test]
async fn a_storm_of_unknown_keys_causes_one_fetch() {
    let signer = Signer::new(SignatureAlgorithm::EdDsa);
    let server = KeyServer::start(Answer::Keys(vec![signer.published("k1")])).await;
    let issuers = server.issuers();
    assert!(issuers.identify(&token(&signer, "k1"), NOW).await.is_ok());
    let before = server.asked();
    let storm = (0..200).map(|n| {
        let (issuers, token) = (issuers.clone(), token(&signer, &format!("unknown-{n}")));
        tokio::spawn(async move { issuers.identify(&token, NOW).await })
    });
    for answer in join_all(storm.collect::<Vec<_>>()).await {
        assert_eq!(answer.unwrap(), Err(TokenRejected::Key));
    }
    for n in 0..50 {
        assert_eq!(issuers.identify(&token(&signer, &format!("more-{n}")), NOW).await, Err(TokenRejected::Key));
    }
    assert_eq!(server.asked(), before + 1);
    assert!(issuers.identify(&token(&signer, "k1"), NOW).await.is_ok());
}

#[tokio::test]
async fn the_first_sign_ins_share_the_first_fetch() {
    let signer = Signer::new(SignatureAlgorithm::EdDsa);
    let server = KeyServer::start(Answer::Keys(vec![signer.published("k1")])).await;
    let issuers = server.issuers();
    let sign_ins = (0..50).map(|_| {
        let (issuers, token) = (issuers.clone(), token(&signer, "k1"));
        tokio::spawn(async move { issuers.identify(&token, NOW).await })
    });
    for answer in join_all(sign_ins.collect::<Vec<_>>()).await {
        assert!(answer.unwrap().is_ok());
    }
    assert_eq!(server.asked(), 1);
}

/// Returns answers that contain no usable key.
fn bad_answers() -> Vec<(&'static str, Answer)> {
    let huge = json!({ "keys": [Signer::new(SignatureAlgorithm::EdDsa).published("k9")], "x": "x".repeat(300 * 1024) });
    let secret = Signer::new(SignatureAlgorithm::Hs256).published("k9");
    vec![
        ("an error", Answer::Text(StatusCode::INTERNAL_SERVER_ERROR, "{\"keys\":[]}".to_owned())),
        ("a page", Answer::Text(StatusCode::OK, "<html>Sign in</html>".to_owned())),
        ("nothing", Answer::Text(StatusCode::OK, String::new())),
        ("no keys", Answer::Keys(Vec::new())),
        ("a secret", Answer::Keys(vec![secret])),
        ("too much", Answer::Text(StatusCode::OK, huge.to_string())),
        ("a redirect", Answer::Redirect),
    ]
}

#[tokio::test]
async fn the_last_good_keys_survive_bad_answers() {
    for (what, answer) in bad_answers() {
        let signer = Signer::new(SignatureAlgorithm::EdDsa);
        let server = KeyServer::start(Answer::Keys(vec![signer.published("k1")])).await;
        let issuers = server.issuers();
        assert!(issuers.identify(&token(&signer, "k1"), NOW).await.is_ok());
        server.now_answers(answer);
        let asked = server.asked();
        assert_eq!(issuers.identify(&token(&signer, "k9"), NOW).await, Err(TokenRejected::Key), "{what}");
        assert_eq!(server.asked(), asked + 1, "{what}");
        assert!(issuers.identify(&token(&signer, "k1"), NOW).await.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn without_keys_the_error_is_not_a_bad_token() {
    for (what, answer) in bad_answers() {
        let signer = Signer::new(SignatureAlgorithm::EdDsa);
        let server = KeyServer::start(answer).await;
        let issuers = server.issuers();
        assert_eq!(issuers.identify(&token(&signer, "k1"), NOW).await, Err(TokenRejected::NoKeys), "{what}");
    }
}

/// On a paused clock, which advances while all tasks wait.
#[tokio::test(start_paused = true)]
async fn a_stalled_key_server_times_out() {
    let signer = Signer::new(SignatureAlgorithm::EdDsa);
    let server = KeyServer::start(Answer::Stall).await;
    let issuers = server.issuers();
    let started = tokio::time::Instant::now();
    assert_eq!(issuers.identify(&token(&signer, "k1"), NOW).await, Err(TokenRejected::NoKeys));
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}
