//! An identity provider that says what a test wants it to say. A real one, which can't lie, is in `tests/browser`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ringside_access::{
    ClaimMapping, ClientSecret, IssuerSettings, KeySource, Role, SignatureAlgorithm, SsoSettings, TenantMapping,
};
use ringside_model::Timestamp;
use serde_json::{Value, json};

use crate::support::test_gateway::tenant;

/// A change to what is said next.
pub(crate) type Change = Box<dyn Fn(&mut Value) + Send>;

/// What it does, and what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    /// Changes the claims of ID tokens.
    pub(crate) claims: Option<Change>,
    /// Answered at the token endpoint in place of tokens.
    pub(crate) instead: Option<(u16, String)>,
    pub(crate) userinfo: Value,
    /// Changes the provider's own description.
    pub(crate) metadata: Option<Change>,
    /// The form of the last exchange, and who said they were.
    pub(crate) exchanged: Option<(HashMap<String, String>, String)>,
    nonce: String,
}

/// It runs until the test ends.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) issuer: String,
    key: Arc<rcgen::KeyPair>,
    pub(crate) script: Arc<Mutex<Script>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            key: Arc::new(rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()),
            script: Arc::default(),
        };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/jwks", get(publish))
            .route("/token", post(exchange))
            .route("/userinfo", get(tell))
            .with_state(provider.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        provider
    }

    /// As a gateway is told of it.
    pub(crate) fn settings(&self) -> IssuerSettings {
        IssuerSettings {
            id: "example".to_owned(),
            name: "Example ID".to_owned(),
            issuer: self.issuer.clone(),
            audiences: ["ringside-api".to_owned()].into(),
            keys: KeySource::Discovered,
            algorithms: SignatureAlgorithm::PUBLIC.into(),
            claims: ClaimMapping {
                user: "sub".to_owned(),
                tenant: TenantMapping::Fixed(tenant()),
                role: Some("roles".to_owned()),
                roles: [("manager".to_owned(), Role::Supervisor), ("clerk".to_owned(), Role::Viewer)].into(),
                default_role: None,
                campaigns: Some("campaigns".to_owned()),
                default_campaigns: None,
            },
            session_limit: Duration::from_secs(3600),
            sso: Some(SsoSettings {
                client_id: "ringside".to_owned(),
                client_secret: Some(ClientSecret("se:cret &".to_owned())),
                scopes: vec!["groups".to_owned()],
                userinfo: false,
            }),
        }
    }

    /// What it says of Ann, who manages `alpha`.
    pub(crate) fn claims(&self, audience: &str) -> Value {
        let now = Timestamp::now().seconds();
        json!({
            "iss": self.issuer, "aud": audience, "sub": "ann", "iat": now, "exp": now + 300,
            "roles": ["manager"], "campaigns": ["alpha"],
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut head = Header::new(Algorithm::EdDSA);
        head.kid = Some("first".to_owned());
        let key = EncodingKey::from_ed_pem(self.key.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&head, claims, &key).unwrap()
    }

    /// The nonce of the sign-in that comes next.
    pub(crate) fn expect_nonce(&self, nonce: &str) {
        self.script.lock().unwrap().nonce = nonce.to_owned();
    }
}

async fn describe(State(provider): State<Provider>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.issuer);
    let mut metadata = json!({
        "issuer": provider.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"), "jwks_uri": at("/jwks"),
    });
    if let Some(change) = &provider.script.lock().unwrap().metadata {
        change(&mut metadata);
    }
    Json(metadata)
}

async fn publish(State(provider): State<Provider>) -> Json<Value> {
    let x = URL_SAFE_NO_PAD.encode(provider.key.public_key_raw());
    Json(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "first", "x": x }] }))
}

async fn exchange(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let mut script = provider.script.lock().unwrap();
    let login = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    script.exchanged = Some((form, login));
    if let Some((status, text)) = &script.instead {
        return (StatusCode::from_u16(*status).unwrap(), text.clone()).into_response();
    }
    let mut claims = provider.claims("ringside");
    claims["nonce"] = json!(script.nonce);
    if let Some(change) = &script.claims {
        change(&mut claims);
    }
    Json(json!({ "id_token": provider.sign(&claims), "access_token": "opaque", "token_type": "Bearer" }))
        .into_response()
}

async fn tell(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    assert_eq!(headers["authorization"], "Bearer opaque");
    Json(provider.script.lock().unwrap().userinfo.clone()).into_response()
}
