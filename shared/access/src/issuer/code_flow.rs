//! The OpenID Connect code flow with PKCE: authorization and code exchange.
//!
//! The browser's side, redirect and callback, is in `sso`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use ringside_fetch::FetchError;
use ringside_model::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::Issuer;
use super::discovery::{ClientAuth, Endpoints};
use super::keys::SignatureAlgorithm;
use super::pending::PendingSso;
use super::rejected::TokenRejected;
use super::settings::SsoSettings;
use super::token::{Claims, Unverified};
use super::unique_json::read_object;
use crate::Identity;

/// Why a code could not be exchanged for an identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The provider is unavailable, or its answer is invalid.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The provider rejects the code.
    #[error("the provider rejects the code: {0:?}")]
    Code(String),
    /// The ID token, or the identity in it, is rejected.
    #[error("the ID token is rejected: {0}")]
    Rejected(#[from] TokenRejected),
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

impl Issuer {
    fn sso(&self) -> &SsoSettings {
        self.settings.sso.as_ref().expect("`for_sso` returns issuers with SSO settings only")
    }

    /// Returns the address of the callback.
    pub(crate) fn redirect_uri(&self, base: &str) -> String {
        format!("{base}/auth/sso/{}/callback", self.settings.id)
    }

    /// Returns the provider's address for a browser that signs in.
    pub(crate) async fn authorization(&self, pending: &PendingSso, base: &str) -> Result<Url, TokenRejected> {
        let endpoints = self.source.endpoints().await?;
        let sso = self.sso();
        let mut scope = "openid".to_owned();
        for more in sso.scopes.iter().filter(|more| *more != "openid") {
            scope.push(' ');
            scope.push_str(more);
        }
        let mut address = endpoints.authorization.clone();
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &sso.client_id)
            .append_pair("redirect_uri", &self.redirect_uri(base))
            .append_pair("scope", &scope)
            .append_pair("state", pending.state())
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &pending.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(address)
    }

    /// Returns whether the `iss` of a callback is this provider, or may be missing.
    pub(crate) async fn is_named(&self, iss: Option<&str>) -> Result<bool, TokenRejected> {
        let endpoints = self.source.endpoints().await?;
        Ok(match iss {
            Some(iss) => iss == self.settings.issuer,
            None => !endpoints.sends_iss,
        })
    }

    /// Exchanges a code for the user's identity.
    pub(crate) async fn exchange(
        &self,
        code: &str,
        pending: &PendingSso,
        base: &str,
        now: Timestamp,
    ) -> Result<Identity, ExchangeError> {
        let endpoints = self.source.endpoints().await?;
        let answer = self.request_tokens(&endpoints, code, pending, base).await?;
        let mut claims = self.verify_id_token(&answer, pending, now).await?;
        if self.sso().userinfo {
            self.add_userinfo(&endpoints, &answer, &mut claims).await?;
        }
        Ok(self.identity(&claims, now)?)
    }

    async fn request_tokens(
        &self,
        endpoints: &Endpoints,
        code: &str,
        pending: &PendingSso,
        base: &str,
    ) -> Result<TokenAnswer, ExchangeError> {
        let (request, form) = self.token_request(endpoints, code, pending, base);
        let answer = match self.fetcher.request(&endpoints.token, request, form.into()).await {
            Err(FetchError::Status { status: StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, body, .. }) => {
                let error = serde_json::from_slice::<TokenError>(&body).map(|answer| answer.error);
                return Err(ExchangeError::Code(error.unwrap_or_default().chars().take(64).collect()));
            }
            answer => answer?,
        };
        let read = serde_json::from_slice(&answer.body);
        read.map_err(|_| FetchError::Unexpected(endpoints.token.to_string(), "an ID token").into())
    }

    /// Returns the request that exchanges a code, and its form.
    fn token_request(
        &self,
        endpoints: &Endpoints,
        code: &str,
        pending: &PendingSso,
        base: &str,
    ) -> (http::request::Builder, String) {
        let SsoSettings { client_id, client_secret, .. } = self.sso();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect_uri(base))
            .append_pair("code_verifier", &pending.verifier);
        let mut request =
            Request::post(endpoints.token.as_str()).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match (client_secret, endpoints.client_auth) {
            (Some(secret), ClientAuth::Basic) => {
                let escaped = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let credentials = STANDARD.encode(format!("{}:{}", escaped(client_id), escaped(&secret.0)));
                request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
            }
            (Some(secret), ClientAuth::Post) => {
                form.append_pair("client_id", client_id).append_pair("client_secret", &secret.0);
            }
            (None, _) => {
                form.append_pair("client_id", client_id);
            }
        }
        (request, form.finish())
    }

    async fn verify_id_token(
        &self,
        answer: &TokenAnswer,
        pending: &PendingSso,
        now: Timestamp,
    ) -> Result<Claims, TokenRejected> {
        let client_id = &self.sso().client_id;
        let token = Unverified::read(&answer.id_token)?;
        let claims = self.verify(token, &[client_id.clone()].into(), now).await?;
        let nonce = claims.text("nonce").unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(pending.nonce.as_bytes())) {
            return Err(TokenRejected::Nonce);
        }
        // With several audiences, `azp` must name this client.
        let is_ours = claims.text("azp").map_or(claims.audiences().count() == 1, |party| party == client_id);
        if !is_ours {
            return Err(TokenRejected::Audience);
        }
        if claims.has("at_hash") && !matches_at_hash(&claims, answer.access_token.as_deref()) {
            return Err(TokenRejected::Nonce);
        }
        Ok(claims)
    }

    async fn add_userinfo(
        &self,
        endpoints: &Endpoints,
        answer: &TokenAnswer,
        claims: &mut Claims,
    ) -> Result<(), ExchangeError> {
        let missing =
            || FetchError::Unexpected(self.settings.issuer.clone(), "an address for userinfo and a token for it");
        let address = endpoints.userinfo.as_ref().ok_or_else(missing)?;
        let token = answer.access_token.as_ref().ok_or_else(missing)?;
        let request = Request::get(address.as_str()).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let answer = self.fetcher.request(address, request, Bytes::new()).await?;
        let info = read_object(&answer.body).ok_or_else(|| FetchError::Unexpected(address.to_string(), "userinfo"))?;
        // Userinfo of another user must not be used.
        if info.get("sub").and_then(|sub| sub.as_str()) != claims.text("sub") {
            return Err(TokenRejected::User.into());
        }
        claims.complete(info);
        Ok(())
    }
}

/// Returns whether `at_hash` is the left half of the access token's digest.
///
/// The algorithm sets its size.
fn matches_at_hash(claims: &Claims, access_token: Option<&str>) -> bool {
    let Some(token) = access_token else { return false };
    let expected = match claims.algorithm {
        SignatureAlgorithm::EdDsa => URL_SAFE_NO_PAD.encode(&Sha512::digest(token)[..32]),
        _ => URL_SAFE_NO_PAD.encode(&Sha256::digest(token)[..16]),
    };
    claims.text("at_hash").is_some_and(|hash| bool::from(hash.as_bytes().ct_eq(expected.as_bytes())))
}
