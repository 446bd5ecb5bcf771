//! Key servers that rotate, fail, stall and lie.

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
    answer: Arc<Mutex<Lie>>,
}

#[derive(Clone)]
enum Lie {
    Keys(Vec<Value>),
    Text(StatusCode, String),
    Redirect,
    Stall,
}

impl KeyServer {
    async fn start(answer: Lie) -> Self {
        let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(answer)));
        let elsewhere = Signer::new(SignatureAlgorithm::EdDsa).published("k1");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/jwks", listener.local_addr().unwrap());
        let (counted, told) = (asked.clone(), answer.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counted, told, elsewhere) = (counted.clone(), told.clone(), elsewhere.clone());
                let answer = service_fn(move |request: http::Request<Incoming>| {
                    let lie = match request.uri().path() {
                        "/jwks" => {
                            counted.fetch_add(1, Ordering::SeqCst);
                            told.lock().clone()
                        }
                        _ => Lie::Keys(vec![elsewhere.clone()]),
                    };
                    async move { Ok::<_, std::convert::Infallible>(lie.tell().await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { address, asked, answer }
    }

    fn now_answers(&self, answer: Lie) {
        *self.answer.lock() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The issuer that keeps its keys here, with its keys being looked after.
    fn issuers(&self) -> Arc<Issuers> {
        let issuers = Arc::new(Issuers::new(vec![settings("portal", KeySource::Url(self.address.clone()))]).unwrap());
        tokio::spawn(issuers.clone().run(CancellationToken::new()));
        issuers
    }
}

impl Lie {
    async fn tell(self) -> Response<Full<Bytes>> {
        let answer = Response::builder();
        match self {
            Self::Keys(keys) => answer.body(json!({ "keys": keys }).to_string().into()),
            Self::Text(status, text) => answer.status(status).body(text.into()),
            Self::Redirect => {
                answer.status(StatusCode::FOUND).header(header::LOCATION, "/elsewhere").body(Full::default())
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
async fn a_rotated_key_counts_at_its_first_token_and_the_old_one_no_more() {
    let [old, new] = [SignatureAlgorithm::EdDsa, SignatureAlgorithm::Es256].map(Signer::new);
    let server = KeyServer::start(Lie::Keys(vec![old.published("k1")])).await;
    let issuers = server.issuers();
    assert!(issuers.identify(&token(&old, "k1"), NOW).await.is_ok());
    server.now_answers(Lie::Keys(vec![new.published("k2")]));
    assert!(issuers.identify(&token(&old, "k1"), NOW).await.is_ok(), "what was published is kept");
    assert!(issuers.identify(&token(&new, "k2"), NOW).await.is_ok());
    assert_eq!(issuers.identify(&token(&old, "k1"), NOW).await, Err(TokenRejected::Key));
    assert_eq!(issuers.identify(&token(&old, "k2"), NOW).await, Err(TokenRejected::Algorithm));
}

#[tokio::test]
async fn a_storm_of_unknown_keys_costs_one_question() {
    let signer = Signer::new(SignatureAlgorithm::EdDsa);
    let server = KeyServer::start(Lie::Keys(vec![signer.published("k1")])).await;
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
async fn the_first_logins_share_the_first_question() {
    let signer = Signer::new(SignatureAlgorithm::EdDsa);
    let server = KeyServer::start(Lie::Keys(vec![signer.published("k1")])).await;
    let issuers = server.issuers();
    let logins = (0..50).map(|_| {
        let (issuers, token) = (issuers.clone(), token(&signer, "k1"));
        tokio::spawn(async move { issuers.identify(&token, NOW).await })
    });
    for answer in join_all(logins.collect::<Vec<_>>()).await {
        assert!(answer.unwrap().is_ok());
    }
    assert_eq!(server.asked(), 1);
}

/// What a key server may answer that is no set of keys.
fn lies() -> Vec<(&'static str, Lie)> {
    let huge = json!({ "keys": [Signer::new(SignatureAlgorithm::EdDsa).published("k9")], "x": "x".repeat(300 * 1024) });
    let secret = Signer::new(SignatureAlgorithm::Hs256).published("k9");
    vec![
        ("an error", Lie::Text(StatusCode::INTERNAL_SERVER_ERROR, "{\"keys\":[]}".to_owned())),
        ("a page", Lie::Text(StatusCode::OK, "<html>Sign in</html>".to_owned())),
        ("nothing", Lie::Text(StatusCode::OK, String::new())),
        ("no keys", Lie::Keys(Vec::new())),
        ("a secret", Lie::Keys(vec![secret])),
        ("too much", Lie::Text(StatusCode::OK, huge.to_string())),
        ("a redirect", Lie::Redirect),
    ]
}

#[tokio::test]
async fn what_was_good_last_stays_whatever_the_server_says_then() {
    for (what, lie) in lies() {
        let signer = Signer::new(SignatureAlgorithm::EdDsa);
        let server = KeyServer::start(Lie::Keys(vec![signer.published("k1")])).await;
        let issuers = server.issuers();
        assert!(issuers.identify(&token(&signer, "k1"), NOW).await.is_ok());
        server.now_answers(lie);
        let asked = server.asked();
        assert_eq!(issuers.identify(&token(&signer, "k9"), NOW).await, Err(TokenRejected::Key), "{what}");
        assert_eq!(server.asked(), asked + 1, "{what}");
        assert!(issuers.identify(&token(&signer, "k1"), NOW).await.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn without_keys_nothing_counts_and_nobody_says_that_the_token_is_bad() {
    for (what, lie) in lies() {
        let signer = Signer::new(SignatureAlgorithm::EdDsa);
        let server = KeyServer::start(lie).await;
        let issuers = server.issuers();
        assert_eq!(issuers.identify(&token(&signer, "k1"), NOW).await, Err(TokenRejected::NoKeys), "{what}");
    }
}

/// On a clock that runs as soon as everybody waits.
#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_is_not_waited_for() {
    let signer = Signer::new(SignatureAlgorithm::EdDsa);
    let server = KeyServer::start(Lie::Stall).await;
    let issuers = server.issuers();
    let begun = tokio::time::Instant::now();
    assert_eq!(issuers.identify(&token(&signer, "k1"), NOW).await, Err(TokenRejected::NoKeys));
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}
