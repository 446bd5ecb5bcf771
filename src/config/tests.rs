//! Where values come from, and how a wrong one is told.

use super::*;

fn environment(pairs: &[(&str, &str)]) -> anyhow::Result<Config> {
    let variables = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let figment = Figment::from(Serialized::defaults(Config::default())).merge(Environment::read(variables)?);
    figment.extract().map_err(|error| explain(&error))
}

#[test]
fn the_environment_sets_numbers_texts_and_lists() {
    let config = environment(&[
        ("RINGSIDE_METRIC_INTERVAL_MS", "500"),
        ("RINGSIDE_ADMIN_PASSWORD", "12345678"),
        ("RINGSIDE_SIMULATE", "false"),
        ("RINGSIDE_ALLOWED_ORIGINS", "[\"https://a.example\"]"),
        ("HOME", "/nowhere"),
    ])
    .unwrap();
    assert_eq!(config.metric_interval_ms, 500);
    assert_eq!(config.admin_password.as_deref(), Some("12345678"));
    assert_eq!(config.simulate, Some(false));
    assert_eq!(config.allowed_origins, ["https://a.example"]);
}

#[test]
fn no_text_is_read_as_a_number() {
    let Ok(Value::Dict(_, known)) = Value::serialize(Config::default()) else { unreachable!("Config is a struct") };
    for key in known.keys() {
        if let Err(error) = environment(&[(&format!("RINGSIDE_{}", key.to_uppercase()), "2026")]) {
            assert!(!error.to_string().contains("string"), "{error}; it belongs in TEXTS");
        }
    }
    let config = environment(&[("RINGSIDE_DATA", "2026"), ("RINGSIDE_TENANT", "007")]).unwrap();
    assert_eq!((config.data.as_path(), &*config.tenant), (Path::new("2026"), "007"));
}

#[test]
fn the_login_in_a_redis_url_is_not_shown() {
    for (url, shown) in [
        ("redis://a:6379", "redis://a:6379"),
        ("redis://ann:secret@a:6379", "redis://(login not shown)@a:6379"),
        ("redis+cluster://:se@cr/et@a:1,b:2", "redis+cluster://(login not shown)@a:1,b:2"),
        (":secret@a", "(login not shown)@a"),
    ] {
        assert_eq!(without_login(url), shown);
    }
}

#[test]
fn secrets_of_issuers_are_not_shown() {
    let toml = r#"
        [[issuers]]
        id = "a"
        issuer = "https://a.example"
        client_id = "us"
        client_secret = "hush"
        [[issuers.keys]]
        algorithm = "HS256"
        secret = "hush-hush"
    "#;
    let figment = Figment::from(Serialized::defaults(Config::default())).merge(Toml::string(toml));
    let loaded = Loaded { config: figment.extract().unwrap(), figment };
    let (_, shown, _) = loaded.rows().into_iter().find(|(key, ..)| key == "issuers").unwrap();
    assert!(shown.contains("https://a.example") && shown.contains("not shown") && !shown.contains("hush"), "{shown}");
    assert!(!shown.contains("null"), "{shown}");
}

#[test]
fn a_public_address_has_no_path() {
    for (url, is) in [
        ("https://ops.example.com", true),
        ("http://[::1]:8080", true),
        ("https://ops.example.com/", false),
        ("https://ops.example.com/x?y", false),
        ("ops.example.com", false),
        ("https://", false),
        ("https://a@b", false),
    ] {
        assert_eq!(check_public_url(url).is_ok(), is, "{url}");
    }
}

#[test]
fn an_unknown_key_is_named_with_the_known_ones() {
    let error = environment(&[("RINGSIDE_LISTNE", "x")]).unwrap_err().to_string();
    assert!(error.contains("RINGSIDE_LISTNE") && error.contains("RINGSIDE_LISTEN"), "{error}");
    let figment = Figment::from(Serialized::defaults(Config::default())).merge(Toml::string("windw_size = 3"));
    let error = explain(&figment.extract::<Config>().unwrap_err()).to_string();
    assert!(error.contains("windw_size") && error.contains("window_size"), "{error}");
}

#[test]
fn a_value_of_the_wrong_kind_names_its_key() {
    let error = environment(&[("RINGSIDE_WINDOW_SIZE", "wide")]).unwrap_err().to_string();
    assert!(error.contains("window_size"), "{error}");
}
