//! Decoding of replies, without copying long values.

use bytes::Bytes;
use redis::Value;

use crate::EngineError;

/// Decodes bytes; none for nil.
pub(super) fn bytes(value: Value) -> Result<Option<Bytes>, EngineError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        Value::SimpleString(text) => Ok(Some(text.into())),
        Value::Okay => Ok(Some(Bytes::from_static(b"OK"))),
        Value::Int(number) => Ok(Some(number.to_string().into())),
        other => Err(unexpected(&other)),
    }
}

/// Decodes text; none for nil.
pub(super) fn text(value: Value) -> Result<Option<String>, EngineError> {
    let Some(bytes) = bytes(value)? else { return Ok(None) };
    String::from_utf8(bytes.into()).map(Some).map_err(|_| EngineError::Damaged("a name is not UTF-8".to_owned()))
}

/// Decodes a whole number; none for nil.
pub(super) fn number(value: Value) -> Result<Option<u64>, EngineError> {
    let Some(text) = text(value)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| EngineError::Damaged(format!("{text:?} is stored instead of a number")))
}

/// Decodes a list; an empty one for nil.
pub(super) fn list(value: Value) -> Result<Vec<Value>, EngineError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Array(values) | Value::Set(values) => Ok(values),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        other => Err(unexpected(&other)),
    }
}

/// Decodes a list of exactly `N` values.
pub(super) fn fixed<const N: usize>(value: Value) -> Result<[Value; N], EngineError> {
    list(value)?.try_into().map_err(|values| unexpected(&Value::Array(values)))
}

/// Decodes a stream's entries: ids and the values of fields, in order.
pub(super) fn entries(value: Value) -> Result<Vec<(String, Vec<Value>)>, EngineError> {
    let entry = |entry| {
        let [id, fields] = fixed(entry)?;
        let id = text(id)?.unwrap_or_default();
        let values = list(fields)?.into_iter().skip(1).step_by(2).collect();
        Ok((id, values))
    };
    list(value)?.into_iter().map(entry).collect()
}

/// Decodes pairs of name and value, in the order of the names.
pub(super) fn named(value: Value) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
    let mut rest = list(value)?.into_iter();
    let mut pairs = Vec::with_capacity(rest.len() / 2);
    while let (Some(name), Some(value)) = (rest.next(), rest.next()) {
        pairs.push((text(name)?.unwrap_or_default().into(), bytes(value)?.unwrap_or_default()));
    }
    pairs.sort_by(|a: &(Box<str>, Bytes), b| a.0.cmp(&b.0));
    Ok(pairs)
}

/// The error of a reply of an unexpected type.
pub(super) fn unexpected(value: &Value) -> EngineError {
    let mut shown = format!("{value:?}");
    shown.truncate(shown.floor_char_boundary(200));
    EngineError::Damaged(format!("the reply {shown} is not understood"))
}
