//! Everything that a page needs in one answer, each part with the cursor that a socket goes on from.

use axum::extract::State;
use axum::response::Response;
use ringside_model::Room;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{json_answer, with_place};
use crate::error::Error;
use crate::extract::{Query, QueryParams, User};
use crate::hub::RoomReader;

const PARTS: [&str; 5] = ["campaigns", "aggregate", "system", "metrics", "alerts"];

#[derive(Deserialize)]
pub(crate) struct DashboardQuery {
    include: Option<String>,
    period: Option<String>,
}

impl QueryParams for DashboardQuery {
    const ALLOWED: &'static str = "include is a list of parts and period is today, hour or total. Give each at most once, \
        such as include=campaigns,alerts&period=today.";
}

/// `GET /analytics/dashboard?include=campaigns,aggregate,system,metrics,alerts&period=total`
pub(crate) async fn show_dashboard(
    State(reader): State<RoomReader>,
    User(viewer): User,
    Query(query): Query<DashboardQuery>,
) -> Result<Response, Error> {
    let period = query.period.as_deref().unwrap_or("total");
    if !["today", "hour", "total"].contains(&period) {
        return Err(Error::BadRequest("period must be today, hour or total.".to_owned()));
    }
    let include = query.include.as_deref().unwrap_or("campaigns,aggregate,system,metrics,alerts");
    let wanted: Vec<&str> = include.split(',').filter(|part| !part.is_empty()).collect();
    if wanted.is_empty() || wanted.iter().any(|part| !PARTS.contains(part)) {
        return Err(Error::BadRequest(format!("include must name some of {}.", PARTS.join(", "))));
    }
    let mut answer = Map::new();
    answer.insert("period".to_owned(), json!(period));
    if wanted.contains(&"campaigns") || wanted.contains(&"aggregate") {
        let mut overview = with_place(&reader.initial(&viewer, &Room::Overview).await?)?;
        answer.insert("summary".to_owned(), summary(&overview, period));
        for part in ["campaigns", "aggregate"] {
            if wanted.contains(&part) {
                let place = json!({ "asOf": overview["asOf"], "cursor": null });
                answer.insert(part.to_owned(), with_members(place, part, overview[part].take()));
            }
        }
    }
    for (part, room) in [("system", Room::System), ("metrics", Room::Metrics), ("alerts", Room::Alerts)] {
        if wanted.contains(&part) {
            answer.insert(part.to_owned(), with_place(&reader.initial(&viewer, &room).await?)?);
        }
    }
    Ok(json_answer(Value::Object(answer).to_string()))
}

fn with_members(mut place: Value, name: &str, value: Value) -> Value {
    place[name] = value;
    place
}

/// The sums of the period. Today is known of what each campaign counts since its midnight: the abandon rate.
fn summary(overview: &Value, period: &str) -> Value {
    let aggregate = &overview["aggregate"];
    match period {
        "hour" => aggregate["hour"].clone(),
        "total" => json!({
            "counters": aggregate["counters"], "ratios": aggregate["ratios"], "outcomes": aggregate["outcomes"],
        }),
        _ => {
            let today = |member: &str| -> i64 {
                let rows = overview["campaigns"].as_array().map(Vec::as_slice).unwrap_or_default();
                rows.iter().filter_map(|row| row["abandon"]["today"][member].as_i64()).sum()
            };
            let (numerator, denominator) = (today("numerator"), today("denominator"));
            let value = (denominator > 0).then(|| numerator as f64 / denominator as f64);
            let rate = json!({ "value": value, "numerator": numerator, "denominator": denominator });
            json!({ "counters": null, "ratios": { "abandonRate": rate }, "outcomes": null })
        }
    }
}
