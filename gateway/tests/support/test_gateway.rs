//! A gateway on a port of its own, on an engine in a folder of its own, and a hand that publishes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ringside_access::{AccessSettings, Membership, Role, Scope};
use ringside_engine::embedded::{Embedded, EmbeddedSettings};
use ringside_engine::{
    Batch, Engine, Histories, History, Lane, Partition, Position, Publication, ReadFrom, RoomId, Token,
};
use ringside_gateway::{DeliverySettings, Gateway, GatewaySettings};
use ringside_model::{
    CampaignId, CampaignMetrics, CampaignStatus, Counter, Cursor, Room, SeriesPoint, TenantId, Timestamp,
};
use ringside_wire::{
    CampaignBody, CampaignSnapshot, DirectoryBody, DirectoryEntryJson, SeriesJson, body_bytes, frame_kind,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::client::Client;
use crate::support::faulty_engine::Faulty;

/// One running gateway.
pub(crate) struct TestGateway {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    owned: Mutex<HashMap<Partition, (Token, u64, u64)>>,
    _folder: TempDir,
}

/// A second gateway on the same engine.
/// Settings with other delivery settings.
pub(crate) fn delivery_settings(delivery: DeliverySettings) -> GatewaySettings {
    GatewaySettings { delivery, ..GatewaySettings::default() }
}

/// Settings with other access settings.
pub(crate) fn access_settings(access: AccessSettings) -> GatewaySettings {
    GatewaySettings { access, ..GatewaySettings::default() }
}

pub(crate) async fn serve(engine: Arc<dyn Engine>, settings: GatewaySettings) -> (Gateway, SocketAddr) {
    let gateway = Gateway::start(engine, settings).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(ringside_http::serve(listener, gateway.router(), CancellationToken::new()));
    (gateway, address)
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// What somebody is in [`tenant`]; no campaigns means all.
pub(crate) fn member(role: Role, campaigns: &[&str]) -> Membership {
    let campaigns: Vec<_> = campaigns.iter().map(ToString::to_string).collect();
    Membership { tenant: tenant(), role, scope: Scope::of(&campaigns).unwrap() }
}

pub(crate) fn room(text: &str) -> Room {
    text.parse().unwrap()
}

impl TestGateway {
    pub(crate) async fn start() -> Self {
        Self::with(GatewaySettings::default(), Histories::default()).await
    }

    pub(crate) async fn with(settings: GatewaySettings, histories: Histories) -> Self {
        Self::on(settings, histories, |engine| engine).await
    }

    /// With an engine that fails as it is told to.
    pub(crate) async fn faulty() -> (Self, Arc<Faulty>) {
        let mut faulty = None;
        let floor = Self::on(GatewaySettings::default(), Histories::default(), |engine| {
            faulty.insert(Arc::new(Faulty::around(engine))).clone()
        });
        let floor = floor.await;
        (floor, faulty.expect("it was made a line ago"))
    }

    async fn on(
        settings: GatewaySettings,
        histories: Histories,
        wrap: impl FnOnce(Arc<dyn Engine>) -> Arc<dyn Engine>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let options = EmbeddedSettings { partitions: 4, histories, ..EmbeddedSettings::default() };
        let engine = wrap(Arc::new(Embedded::open(folder.path(), options).unwrap()));
        Self::over(engine, settings, folder).await
    }

    /// With whatever engine.
    pub(crate) async fn over(engine: Arc<dyn Engine>, settings: GatewaySettings, folder: TempDir) -> Self {
        let (gateway, address) = serve(engine.clone(), settings).await;
        Self { engine, gateway, address, owned: Mutex::default(), _folder: folder }
    }

    /// A history so short that old cursors can't be served.
    pub(crate) fn short_histories() -> Histories {
        let short = History { events: 5, age: Duration::from_secs(3600) };
        Histories { calls: short, alerts: short, campaign: short }
    }

    /// Publishes as the owner of the room's partition does.
    pub(crate) async fn publish(
        &self,
        to: &Room,
        lane: Lane,
        kind: &'static str,
        body: Bytes,
        snapshot: Option<Bytes>,
    ) {
        let id = RoomId::new(tenant(), to.clone());
        let home = id.home(self.engine.partitions());
        let known = self.owned.lock().unwrap().get(&home).copied();
        let (token, seq, position) = match known {
            Some(known) => known,
            None => {
                let token = self.engine.acquire(home, "test", Duration::from_secs(600)).await.unwrap().unwrap();
                (token, self.engine.load(home).await.unwrap().seq, 0)
            }
        };
        let position = Position(position + 1);
        let publication = Publication { room: id, position, lane, kind, at: Timestamp::now(), body, snapshot };
        let batch = Batch { expected_seq: seq, position, publications: vec![publication] };
        let seq = self.engine.publish(token, batch).await.unwrap();
        self.owned.lock().unwrap().insert(home, (token, seq, position.0));
    }

    /// A call event whose call is `n`.
    pub(crate) async fn call(&self, campaign: &str, n: u64) {
        let body =
            json!({ "calls": [{ "campaignId": campaign, "callId": format!("c{n}"), "at": "x", "phase": "ended" }] });
        self.event(&format!("calls:{campaign}"), frame_kind::CALL_EVENT, body).await;
    }

    pub(crate) async fn event(&self, to: &str, kind: &'static str, body: Value) {
        self.publish(&room(to), Lane::Event, kind, body.to_string().into(), None).await;
    }

    pub(crate) async fn state(&self, to: &str, kind: &'static str, body: Value, snapshot: Option<Value>) {
        let snapshot = snapshot.map(|snapshot| snapshot.to_string().into());
        self.publish(&room(to), Lane::State, kind, body.to_string().into(), snapshot).await;
    }

    /// A campaign's status change, which is an event of its room.
    pub(crate) async fn status(&self, campaign: &str, to: &str) {
        let body = json!({ "campaignId": campaign, "from": "running", "to": to, "reason": null, "at": "x" });
        self.event(&format!("campaign:{campaign}"), frame_kind::CAMPAIGN_STATUS_CHANGE, body).await;
    }

    /// A campaign's numbers: so many calls up and attempts made.
    pub(crate) async fn numbers(&self, campaign: &str, active: i64, attempts: i64) {
        let at = Timestamp::from_millis(1_763_640_000_000 + attempts * 1000);
        let mut metrics = CampaignMetrics::empty(CampaignId::parse(campaign).unwrap(), at);
        metrics.status = CampaignStatus::Running;
        metrics.active.dialing = active;
        metrics.totals[Counter::Attempts] = attempts;
        let point = SeriesPoint {
            at,
            active: Some(active),
            queue: None,
            attempts: Some(1),
            answered: None,
            abandoned_5m: None,
            human_5m: None,
        };
        metrics.point = Some(point);
        let body = body_bytes(&CampaignBody { campaign: (&metrics).into() });
        let series = SeriesJson { seconds: vec![(&point).into()], minutes: Vec::new() };
        let snapshot = body_bytes(&CampaignSnapshot { series });
        let to = room(&format!("campaign:{campaign}"));
        self.publish(&to, Lane::State, frame_kind::METRICS_UPDATE, body, Some(snapshot)).await;
    }

    /// The campaigns that there are.
    pub(crate) async fn directory(&self, ids: &[&str]) {
        let entry = |id: &&str| DirectoryEntryJson { id: (*id).into(), name: (*id).into(), status: "running".into() };
        let body = body_bytes(&DirectoryBody { campaigns: ids.iter().map(entry).collect() });
        self.publish(&Room::Directory, Lane::State, frame_kind::DIRECTORY, body, None).await;
    }

    /// An alert's transition.
    pub(crate) async fn alert(&self, n: u64, campaign: Option<&str>) {
        let alert = json!({ "fingerprint": format!("f{n}"), "transition": n, "campaignId": campaign });
        self.event("alerts", frame_kind::ALERT, json!({ "alert": alert })).await;
    }

    /// Where a room is now.
    pub(crate) async fn head(&self, text: &str) -> Cursor {
        let view = self.engine.read_room(&RoomId::new(tenant(), room(text)), ReadFrom::Newest(1)).await.unwrap();
        Cursor { epoch: view.epoch, offset: view.head }
    }

    /// The claims of a token for these campaigns, or all.
    pub(crate) fn claims(campaigns: Option<&[&str]>) -> Value {
        let now = Timestamp::now().seconds();
        json!({
            "sub": "ann", "tenant": "acme", "role": "supervisor", "campaigns": campaigns.map_or(json!("*"), |list| json!(list)),
            "sid": format!("{:x}", rand::random::<u64>()), "jti": "j", "iat": now, "exp": now + 3600,
            "iss": "ringside", "aud": "ringside",
        })
    }

    /// The installation's own signing key and its name.
    pub(crate) async fn key(&self) -> (EncodingKey, ed25519_dalek::VerifyingKey, String) {
        use ed25519_dalek::pkcs8::EncodePrivateKey;
        use sha2::Digest;
        let stored = self.engine.get("signing/keys").await.unwrap().unwrap();
        let keys: Value = serde_json::from_slice(&stored).unwrap();
        let seed = URL_SAFE_NO_PAD.decode(keys["keys"][0]["seed"].as_str().unwrap()).unwrap();
        let seed: [u8; 32] = seed.try_into().unwrap();
        let pair = ed25519_dalek::SigningKey::from_bytes(&seed);
        let public = pair.verifying_key();
        let kid = sha2::Sha256::digest(public.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        (EncodingKey::from_ed_der(pair.to_pkcs8_der().unwrap().as_bytes()), public, kid)
    }

    /// A token that the installation itself would have signed.
    pub(crate) async fn sign(&self, claims: &Value) -> String {
        let (key, _, kid) = self.key().await;
        let mut head = Header::new(Algorithm::EdDSA);
        head.typ = Some("at+jwt".to_owned());
        head.kid = Some(kid);
        jsonwebtoken::encode(&head, claims, &key).unwrap()
    }

    pub(crate) async fn token(&self) -> String {
        self.sign(&Self::claims(None)).await
    }

    /// A socket of somebody who sees everything.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address, "/ws", &self.token().await).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same, asked in the background.
    pub(crate) fn ask_later(&self, path: &str, token: &str) -> tokio::task::JoinHandle<(u16, Value)> {
        let request = reqwest::Client::new().get(self.url(path)).bearer_auth(token);
        tokio::spawn(async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
        })
    }

    /// The JSON answer to a question of somebody with this token.
    pub(crate) async fn ask(&self, path: &str, token: &str) -> (u16, Value) {
        let response = reqwest::Client::new().get(self.url(path)).bearer_auth(token).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
    }
}
