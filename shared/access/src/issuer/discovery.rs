//! The endpoints of an OpenID Connect provider, by its discovery document.

use std::time::Duration;

use ringside_fetch::{FetchError, Fetcher, parse_address, parse_named_address};
use serde::Deserialize;
use url::Url;

/// A provider's endpoints and capabilities.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    pub(super) keys: Url,
    /// How a client with a secret authenticates.
    pub(super) client_auth: ClientAuth,
    /// Whether callbacks always have the `iss` parameter (RFC 9207).
    pub(super) sends_iss: bool,
}

/// How a client with a secret authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    Basic,
    Post,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Endpoints {
    /// Fetches a provider's endpoints. Returns also how long they may be cached.
    pub(super) async fn read(fetcher: &Fetcher, issuer: &str) -> Result<(Self, Duration), FetchError> {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let address = parse_address(&address).map_err(FetchError::Address)?;
        let answer = fetcher.get(&address).await?;
        let read = Self::of(&answer.body, issuer, &address)?;
        Ok((read, answer.max_age()))
    }

    fn of(body: &[u8], issuer: &str, address: &Url) -> Result<Self, FetchError> {
        let not = |what| FetchError::Unexpected(address.to_string(), what);
        let metadata: Metadata = serde_json::from_slice(body).map_err(|_| not("a provider's metadata"))?;
        // Compared exactly: otherwise one provider could speak for another.
        if metadata.issuer != issuer {
            return Err(not("the metadata of the issuer that is configured"));
        }
        let named = |text: &str| parse_named_address(text, address).map_err(FetchError::Address);
        let client_auth = match metadata.token_endpoint_auth_methods_supported {
            Some(methods) if methods.iter().any(|one| one == "client_secret_basic") => ClientAuth::Basic,
            Some(methods) if methods.iter().any(|one| one == "client_secret_post") => ClientAuth::Post,
            // The default if the provider lists no methods.
            _ => ClientAuth::Basic,
        };
        Ok(Self {
            authorization: named(&metadata.authorization_endpoint)?,
            token: named(&metadata.token_endpoint)?,
            userinfo: metadata.userinfo_endpoint.as_deref().map(named).transpose()?,
            keys: named(&metadata.jwks_uri)?,
            client_auth,
            sends_iss: metadata.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(change: impl Fn(&mut Value)) -> Result<Endpoints, FetchError> {
        let mut metadata = json!({
            "issuer": "https://id.example",
            "authorization_endpoint": "https://id.example/auth?x=1",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://keys.example/jwks",
        });
        change(&mut metadata);
        let address = Url::parse("https://id.example/.well-known/openid-configuration").unwrap();
        Endpoints::of(metadata.to_string().as_bytes(), "https://id.example", &address)
    }

    #[test]
    fn a_provider_speaks_for_itself_only_and_over_tls() {
        let read_well = read(|_| ()).unwrap();
        assert_eq!((read_well.client_auth, read_well.sends_iss), (ClientAuth::Basic, false));
        let post = json!(["private_key_jwt", "client_secret_post"]);
        let other = read(|it| it["token_endpoint_auth_methods_supported"] = post.clone()).unwrap();
        assert_eq!(other.client_auth, ClientAuth::Post);
        assert!(read(|it| it["issuer"] = json!("https://id.example/")).is_err());
        assert!(read(|it| it["jwks_uri"] = json!("http://127.0.0.1/jwks")).is_err());
        assert!(read(|it| it["token_endpoint"] = json!("javascript:alert(1)")).is_err());
        assert!(read(|it| it["userinfo_endpoint"] = json!("http://id.example/me")).is_err());
        assert!(read(|it| it["token_endpoint"] = Value::Null).is_err());
    }
}
