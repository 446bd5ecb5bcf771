//! What the tests are made with: gateways, engines that fail, clients of every transport.

pub(crate) mod client;
pub(crate) mod faulty_engine;
pub(crate) mod provider;
pub(crate) mod raw_websocket;
pub(crate) mod roaming_client;
pub(crate) mod room_reader;
pub(crate) mod stream;
pub(crate) mod test_gateway;
