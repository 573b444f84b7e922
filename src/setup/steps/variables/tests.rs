use super::*;

fn read(env: &[(&str, &str)]) -> Result<Variables, Problem> {
    Variables::read(&Context::for_test(std::path::Path::new("/"), env.iter().copied()))
}

#[test]
fn without_variables_or_with_empty_ones_the_documented_defaults_hold() {
    let two = Processes { workers: 2, max_requests: None, max_requests_jitter: None };
    let defaults = Variables {
        workers: 2,
        api: two,
        content: two,
        reload: false,
        timeout: 90,
        https: false,
        client_certificates: false,
        hostnames: vec![],
        port: None,
        http_port: None,
        https_port: None,
        proxies: proxies::default(),
        ui: Ui::Auto,
        embedded_postgresql: None,
        database_timeout: 60,
        migrations_timeout: 7200,
        static_root: "/var/lib/operator/static/".to_owned(),
        shared_imports: true,
        x_accel_redirect: true,
        otel: None,
        own: Vec::new(),
    };
    assert_eq!(read(&[]).unwrap(), defaults);
    let empty = [("PULP_WORKERS", ""), ("PULP_HTTPS", ""), ("PULP_UI", ""), ("PULP_OTEL_ENABLED", "")];
    assert_eq!(read(&empty).unwrap(), defaults);
}

#[test]
fn each_variable_is_read() {
    let found = read(&[
        ("PULP_WORKERS", "0"),
        ("PULP_API_WORKERS", " 3 "),
        ("PULP_API_WORKERS_MAX_REQUESTS", "4"),
        ("PULP_API_WORKERS_MAX_REQUESTS_JITTER", "5"),
        ("PULP_CONTENT_WORKERS", "6"),
        ("PULP_CONTENT_WORKERS_MAX_REQUESTS", "7"),
        ("PULP_CONTENT_WORKERS_MAX_REQUESTS_JITTER", "8"),
        ("PULP_GUNICORN_TIMEOUT", "9"),
        ("PULP_GUNICORN_RELOAD", "true"),
        ("PULP_HTTPS", "True"),
        ("PULP_CLIENT_CERTIFICATES", "yes"),
        ("PULP_HOSTNAME", "Pulp.example.com., 10.0.0.7,,FD00:0::9"),
        ("PULP_PORT", "9000"),
        ("PULP_HTTP_PORT", "8081"),
        ("PULP_HTTPS_PORT", "8444"),
        ("PULP_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("PULP_EMBEDDED_POSTGRESQL", "False"),
        ("PULP_UI", "https://example.org/ui.tar.gz"),
        ("PULP_STATIC_ROOT", "/srv/static"),
        ("PULP_OTEL_ENABLED", "1"),
        ("PULP_CACHED_ANSWERS_FIRST", "no"),
        ("PULP_FAST_UPLOADS", "yes"),
        ("PULP_SHARED_IMPORTS", "no"),
    ]);
    let expected = Variables {
        workers: 0,
        api: Processes { workers: 3, max_requests: Some(4), max_requests_jitter: Some(5) },
        content: Processes { workers: 6, max_requests: Some(7), max_requests_jitter: Some(8) },
        reload: true,
        timeout: 9,
        https: true,
        client_certificates: true,
        hostnames: vec!["pulp.example.com".into(), "10.0.0.7".into(), "fd00::9".into()],
        port: Some(9000),
        http_port: Some(8081),
        https_port: Some(8444),
        proxies: vec!["10.0.0.0/8".into()],
        ui: Ui::On,
        embedded_postgresql: Some(false),
        database_timeout: 60,
        migrations_timeout: 7200,
        static_root: "/srv/static/".to_owned(),
        shared_imports: false,
        x_accel_redirect: true,
        otel: Some(true),
        own: vec![("PULP_CACHED_ANSWERS_FIRST", false), ("PULP_FAST_UPLOADS", true)],
    };
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn a_switch_is_understood_in_any_case_and_spelling() {
    for (value, on) in [("TRUE", true), ("Yes", true), ("1", true), ("No", false), ("0", false)] {
        assert_eq!(read(&[("PULP_HTTPS", value)]).unwrap().https, on, "{value}");
    }
    for (value, ui) in
        [("False", Ui::Off), ("no", Ui::Off), ("auto", Ui::Auto), ("https://x/y.tar.gz", Ui::On)]
    {
        assert_eq!(read(&[("PULP_UI", value)]).unwrap().ui, ui, "{value}");
    }
}

#[test]
fn values_that_are_out_of_range_are_refused() {
    for (name, value) in [
        ("PULP_WORKERS", "1001"),
        ("PULP_WORKERS", "-1"),
        ("PULP_WORKERS", "+1"),
        ("PULP_WORKERS", "2.0"),
        ("PULP_API_WORKERS", "0"),
        ("PULP_CONTENT_WORKERS", "two"),
        ("PULP_GUNICORN_TIMEOUT", "0"),
        ("PULP_API_WORKERS_MAX_REQUESTS", "99999999999"),
        ("PULP_GUNICORN_RELOAD", "maybe"),
        ("PULP_OTEL_ENABLED", "on fire"),
        ("PULP_CLIENT_CERTIFICATES", "some"),
        // Without HTTPS.
        ("PULP_CLIENT_CERTIFICATES", "true"),
        ("PULP_STATIC_ROOT", "static"),
        ("PULP_HOSTNAME", "https://x"),
        ("PULP_HOSTNAME", "pulp:80"),
        ("PULP_HOSTNAME", "*.example.com"),
        ("PULP_HOSTNAME", "päpst.example"),
        ("PULP_HOSTNAME", "a b"),
        ("PULP_PORT", "abc"),
        ("PULP_PORT", "0"),
        ("PULP_PORT", "65536"),
        ("PULP_PORT", "80/tcp"),
        ("PULP_HTTP_PORT", "0"),
        ("PULP_HTTPS_PORT", "https"),
        ("PULP_TRUSTED_PROXIES", "proxy"),
        ("PULP_API_BIND", "foo"),
        ("PULP_CONTENT_BIND", "127.0.0.1"),
        ("PULP_EMBEDDED_POSTGRESQL", "maybe"),
        ("PULP_ALLOW_LOST_KEY", "please"),
        ("PULP_ALLOW_DOWNGRADE", "2"),
        ("PULP_POSTGRES_BIN", "pgsql/bin"),
        ("PULP_API_HEALTH_PATH", "health z"),
        ("PULP_SETTINGS", "settings.py"),
        ("COLLECTION_SIGNING_SERVICE", "a b"),
    ] {
        let problem = read(&[(name, value)]).unwrap_err();
        assert!(problem.what().contains(&format!("{name} is {value:?}")), "{problem}");
        assert_eq!(problem.code(), 78);
    }
}

#[test]
fn address_of_a_log_server_is_checked_and_its_password_not_told() {
    for good in ["", "file:/var/log/pulp?size=1MB", "loki+http://u:secret@h:3100  syslog+udp://h"] {
        read(&[("PULP_LOGS_TO", good)]).unwrap();
    }
    for wrong in
        ["http://u:secret@h", "file:/x u:secret@h", "otlp+http://", "syslog://h", "otlp+https://u:secret@h"]
    {
        let problem = read(&[("PULP_LOGS_TO", wrong)]).unwrap_err();
        assert!(problem.what().contains("but must be addresses with blanks"), "{problem}");
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
}

#[test]
fn all_wrong_variables_are_told_at_once_in_one_line() {
    // The images set PULP_HTTPS to `false`.
    let without = [("PULP_CLIENT_CERTIFICATES", "true"), ("PULP_HTTPS", "false")];
    assert!(read(&without).unwrap_err().what().contains("PULP_CLIENT_CERTIFICATES"));
    let problem = read(&[("PULP_WORKERS", "many"), ("PULP_HTTPS", "tls\n")]).unwrap_err();
    assert_eq!(
        problem.what(),
        "PULP_WORKERS is \"many\", but must be a whole number from 0 to 1000; \
         PULP_HTTPS is \"tls\\n\", but must be true or false"
    );
}

#[test]
fn the_port_that_kubernetes_sets_beside_a_service_named_pulp_is_nobodys_wish() {
    assert_eq!(read(&[("PULP_PORT", "tcp://10.96.0.17:80")]).unwrap().port, None);
    assert_eq!(read(&[("PULP_HTTP_PORT", "tcp://10.96.0.18:80")]).unwrap().http_port, None);
}

#[test]
fn gunicorn_believes_the_same_proxies_also_where_it_listens_to_both_kinds_of_addresses() {
    let of = |value: &str| read(&[("PULP_TRUSTED_PROXIES", value)]).unwrap().forwarded_allow_ips();
    assert_eq!(of("10.0.0.0/8,fd00::1"), "10.0.0.0/8,::ffff:10.0.0.0/104,fd00::1/128");
    assert_eq!(of("none"), "127.0.0.1,::1");
}

/// Ten kinds of it. Each is right for hardly anything.
const NONSENSE: [&str; 10] =
    ["abc def", "-1", "1.5", "1e3", "99999999999999999999", "\"true\"", "a;b", "ü", "$(id)", "x\ny"];

/// Those of [`NONSENSE`] that make sense after all, for each variable that takes any of them.
fn accepted(name: &str) -> &'static [&'static str] {
    match name {
        // Upstream's has an address in it; a password is anything; a setting is Pulp's to read; nothing depends on what a
        // log tells, and it says so by itself.
        "PULP_UI" | "PULP_DEFAULT_ADMIN_PASSWORD" | "PULP_CACHE_ENABLED" | "PULP_SETUP_LOG" => &NONSENSE,
        "PULP_HOSTNAME" => &["1e3"],
        "PULP_SIGNING_KEY_FINGERPRINT" => &["abc def", "1e3", "99999999999999999999"],
        // A name in Pulp's database.
        _ if name.ends_with("_SIGNING_SERVICE") => {
            &["-1", "1.5", "1e3", "99999999999999999999", "\"true\"", "a;b", "ü", "$(id)"]
        }
        _ => &[],
    }
}

/// Every variable of the documentation that is not `init`'s own.
fn documented() -> Vec<&'static str> {
    let text = include_str!("../../../../docs/variables.md");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let names = cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`'));
    names.filter(|name| !name.starts_with("INIT_")).collect()
}

#[test]
fn nonsense_in_any_documented_variable_is_refused_by_name() {
    let all = documented();
    assert!(all.len() > 30 && all.contains(&"PULP_HTTPS_PORT"), "{all:?}");
    for name in &all {
        let fits = |value: &&str| match read(&[(name, value)]) {
            Ok(_) => true,
            Err(problem) => {
                let wrong = format!("{name} is {value:?}, but must be ");
                assert!(problem.what().contains(&wrong) && problem.code() == 78, "{wrong}: {problem}");
                false
            }
        };
        assert_eq!(NONSENSE.into_iter().filter(fits).collect::<Vec<_>>(), accepted(name), "{name}");
    }
    for value in NONSENSE {
        let wrong = || all.iter().filter(|name| !accepted(name).contains(&value));
        let env: Vec<(&str, &str)> = wrong().map(|name| (*name, value)).collect();
        let problem = read(&env).unwrap_err();
        assert_eq!(problem.what().matches(&format!(" is {value:?}, but must be ")).count(), wrong().count());
    }
}

#[test]
fn a_file_of_the_password_that_is_not_there_is_told_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let context = Context::for_test(dir.path(), [("PULP_DEFAULT_ADMIN_PASSWORD_FILE", "/run/secrets/x")]);
    let problem = run(&context, &[]).unwrap_err();
    assert!(problem.what().contains("PULP_DEFAULT_ADMIN_PASSWORD_FILE names /run/secrets/x"), "{problem}");
    assert_eq!(problem.code(), 78);
}
