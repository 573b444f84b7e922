//! The compiler of `services.d`, from outside: what it makes of right files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use init_plan::{
    Check, Condition, Environment, Id, Inherit, Log, Plan, Policy, Problems, Ready, Resource, Scope, Source,
    Stdin, compile,
};

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn build(files: &[(&str, &str)]) -> Result<Plan, Problems> {
    let sources: Vec<Source> = files.iter().map(|&(path, text)| Source::new(path, text)).collect();
    compile(&sources, &environment(&[("WORKERS", "3"), ("EMPTY", "")]))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.services.iter().map(|service| &*service.name).collect()
}

#[test]
fn dependencies_stand_before_their_dependents_and_ties_go_by_name() {
    let plan = build(&[
        ("web.toml", "exec = ['web']\nrequires = ['db']\nafter = ['db', 'cache']\nwants = ['cache']"),
        ("cache.toml", "exec = ['cache']\nbefore = ['db']"),
        ("db.toml", "exec = ['db']"),
        ("alone.toml", "exec = ['alone']"),
    ])
    .unwrap();
    assert_eq!(names(&plan), ["alone", "cache", "db", "web"]);
    assert_eq!(plan.services[2].after, [Id(1)]);
    assert_eq!(plan.services[3].requires, [Id(2)]);
    assert_eq!(plan.services[3].wants, [Id(1)]);
    assert!(plan.services[3].after.is_empty());
}

#[test]
fn template_makes_its_instances_and_a_bundle_of_them() {
    let plan = build(&[
        ("w@.toml", "exec = ['w', '${INSTANCE}', '${TEMPLATE}', '${SERVICE}']\ninstances = '${WORKERS:-2}'"),
        ("all.toml", "type = 'bundle'\ncontents = ['w', 'x']"),
        ("x.toml", "exec = ['x']\nrequires = ['w']"),
        ("w@2.d/slow.toml", "[stop]\ntimeout = '7s'"),
    ])
    .unwrap();
    assert_eq!(names(&plan), ["w@1", "w@2", "w@3", "x"]);
    assert_eq!(plan.lookup("w"), Some(vec![Id(0), Id(1), Id(2)]));
    assert_eq!(plan.lookup("all").map(|ids| ids.len()), Some(4));
    assert_eq!(plan.services[3].requires.len(), 3);
    assert_eq!(plan.services[1].exec.iter().map(|word| &**word).collect::<Vec<_>>(), ["w", "2", "w", "w@2"]);
    assert_eq!(plan.services[1].stop.timeout, Duration::from_secs(7));
    assert!(std::sync::Arc::ptr_eq(&plan.services[0].process, &plan.services[2].process));
}

#[test]
fn a_variable_that_is_no_number_of_instances_leaves_the_fallback_where_there_is_one() {
    // $WORKERS is 3.
    for (instances, count) in [
        ("'${WORKERS}x'", 2),
        ("'${WORKERS}'", 3),
        ("'${WORKERS}000'", 2),
        ("'-${WORKERS}'", 2),
        ("['a']", 1),
        ("0", 0),
    ] {
        let text = format!("exec = ['w']\ninstances = {instances}\ninstances-fallback = 2");
        let plan = build(&[("w@.toml", &text)]).unwrap();
        assert_eq!(plan.services.len(), count, "{instances}");
    }
}

#[test]
fn every_table_arrives_in_the_plan() {
    let plan = build(&[(
        "web.toml",
        r#"
        exec = ["web", "${EMPTY:-none}", "$$HOME"]
        user = 33
        groups = ["ssl"]
        umask = "027"
        drop-capabilities = ["net_raw", "CAP_CHOWN", "net_raw"]
        stdin = "tty"
        sockets = ["*", "http", "*"]
        log = "json"
        forward-signals = ["USR1"]
        finish = ["clean"]
        start-timeout = "none"
        watchdog = "30s"
        ready.http = "https://localhost/"
        ready.status = [200, "300-399"]
        ready.header = { Host = "x" }
        health.unix = "/run/x.sock"
        health.action = "exit"
        restart = { policy = "on-failure", delay = "1m", factor = 1.5, jitter = 0, limit = { count = 3 } }
        stop = { signal = "SIGINT", scope = "group", timeout = "7s" }
        reload.signal = "HUP"
        env = { inherit = ["PATH"], unset = "SECRET", file = "-/x.env", set = { A = "x ${WORKERS}", B = 2 } }
        limits = { nofile = 1024, core = "unlimited", stack = { soft = "8M", hard = "64MiB" } }
        cgroup = { memory = "512M", cpu = "150%" }
        start-if = { env = ["!OFF", "MODE=full"], file = "!/off", exec = ["true"] }
        "#,
    )])
    .unwrap();
    let web = &plan.services[0];
    assert_eq!(web.exec.iter().map(|word| &**word).collect::<Vec<_>>(), ["web", "none", "$HOME"]);
    assert_eq!((web.start_timeout, web.watchdog), (None, Some(Duration::from_secs(30))));
    let Ready::Probe(probe) = &web.ready else { panic!("{:?}", web.ready) };
    let Check::Http(http) = &probe.check else { panic!("{probe:?}") };
    assert_eq!(http.status, [(200, 200), (300, 399)]);
    assert_eq!((web.restart.policy, web.restart.factor_percent), (Policy::OnFailure, 150));
    assert_eq!(
        (web.restart.max_delay, web.restart.limit),
        (Duration::from_secs(60), Some((3, Duration::from_secs(60))))
    );
    assert_eq!((web.stop.signal.to_string().as_str(), web.stop.scope), ("INT", Scope::Group));
    assert_eq!(web.conditions.len(), 4);
    assert!(
        matches!(&web.conditions[1], Condition::Env { value: Some(value), negate: false, .. } if &**value == "full")
    );
    let process = &web.process;
    assert_eq!(
        (process.user.as_deref(), process.umask, process.log),
        (Some("33"), Some(0o27), Some(Log::Json))
    );
    assert_eq!(process.drop_capabilities, [0, 13]);
    assert_eq!(process.sockets, ["*".into(), "http".into()]);
    assert_eq!(process.env.inherit, Inherit::Only(vec!["PATH".into()]));
    assert_eq!(process.env.unset, ["SECRET".into()]);
    assert_eq!(process.env.set[0], ("A".into(), "x 3".into()));
    assert_eq!(process.limits[0], (Resource::Core, u64::MAX, u64::MAX));
    assert_eq!(process.limits[2], (Resource::Stack, 8 << 20, 64 << 20));
    assert_eq!((process.cgroup.memory, process.cgroup.cpu_percent), (Some(512 << 20), Some(150)));
}

#[test]
fn command_comes_after_everything_that_starts_at_boot_and_takes_the_terminal() {
    let plan = build(&[
        ("a.toml", "exec = ['a']\nstdin = 'tty'"),
        ("b.toml", "exec = ['b']\nautostart = false"),
        ("c.toml", "exec = ['c']"),
    ])
    .unwrap()
    .with_command(vec!["bash".into()]);
    let command = plan.services.last().unwrap();
    assert_eq!((&*command.name, command.essential, command.restart.policy), ("cmd", true, Policy::Never));
    assert_eq!(command.after, [Id(0), Id(2)]);
    assert_eq!(plan.services[0].process.stdin, Stdin::Null);
    assert_eq!(command.process.stdin, Stdin::Tty);
    assert!(Plan::new(plan.services.clone(), plan.bundles.clone(), plan.settings.clone()).is_ok());
}

#[test]
fn another_way_of_logging_spares_services_whose_output_must_be_read() {
    let plan = build(&[
        ("init.toml", "log = 'json'"),
        ("a.toml", "exec = ['a']\nready.log = 'up'"),
        ("b.toml", "exec = ['b']"),
        ("c.toml", "exec = ['c']\nlog = 'ring'\nready.log = 'up'"),
    ])
    .unwrap();
    for hidden in [Log::Inherit, Log::None] {
        let plan = plan.clone().with_log(hidden);
        let logs: Vec<_> = plan.services.iter().map(|service| service.process.log).collect();
        assert_eq!((plan.settings.log, &*logs), (hidden, &[Some(Log::Json), None, Some(Log::Ring)][..]));
    }
    let plan = plan.with_log(Log::Prefix);
    assert_eq!((plan.settings.log, plan.services[0].process.log), (Log::Prefix, None));
}

#[test]
fn words_that_no_program_can_be_given_are_refused() {
    let long = "x".repeat(131_071);
    let refused = |text: String| match build(&[("a.toml", &text)]) {
        Ok(_) => false,
        Err(problems) => {
            problems.to_string().contains("128 KiB") && problems.to_string().ends_with("[D0403]")
        }
    };
    assert!(!refused(format!("exec = ['x', '{long}']")) && refused(format!("exec = ['x', '{long}x']")));
    assert!(refused(format!("exec = ['x']\nenv.set.A = '{long}'")));
    let header = |value: &str| {
        format!("exec = ['x']\nready.http = 'http://x/'\nready.header = {{ A = '{value}', B = '{value}' }}")
    };
    assert!(!refused(header(&long[..65_000])) && refused(header(&long[..66_000])));
}

#[test]
fn plan_that_breaks_a_rule_is_refused() {
    let plan = build(&[("a.toml", "exec = ['a']"), ("b.toml", "exec = ['b']\nafter = ['a']")]).unwrap();
    let (mut services, settings) = (plan.services, plan.settings);
    let with = |services: &[_], bundle| Plan::new(services.to_vec(), bundle, settings.clone());
    assert!(with(&services, [("all".to_owned(), vec![Id(2)])].into()).is_err());
    assert!(with(&services, [("a".to_owned(), vec![])].into()).is_err());
    services.swap(0, 1);
    assert!(with(&services, [].into()).is_err());
    services[0].after.clear();
    assert!(with(&services, [].into()).is_ok());
    services[0].name = services[1].name.clone();
    assert!(with(&services, [].into()).is_err());
}

#[test]
fn unknown_name_is_answered_with_the_nearest() {
    let plan =
        build(&[("postgres.toml", "exec = ['a']"), ("all.toml", "type = 'bundle'\ncontents = []")]).unwrap();
    assert_eq!(plan.suggest("postgers"), Some("postgres"));
    assert_eq!(plan.suggest("al"), Some("all"));
    assert_eq!(plan.suggest("nothing-like-it"), None);
    assert_eq!(plan.lookup("postgers"), None);
}

/// The only service of a file.
fn service(text: &str) -> Result<init_plan::Service, String> {
    let plan = build(&[("web.toml", text)]).map_err(|problems| problems.to_string())?;
    Ok(plan.services[0].clone())
}

#[test]
fn values_of_other_types_are_taken_where_they_mean_the_same() {
    let web = service("exec = ['x']\nenv.set = { A = true, B = 7, C = 'c' }").unwrap();
    let set: Vec<String> =
        web.process.env.set.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(set, ["A=true", "B=7", "C=c"]);
    for factor in ["2.5", "'2.5'", "'${NONE:-2.5}'"] {
        assert_eq!(
            service(&format!("exec = ['x']\nrestart.factor = {factor}")).unwrap().restart.factor_percent,
            250,
            "{factor}"
        );
    }
    for (none, is) in
        [("'none'", None), ("'${NONE:-none}'", None), ("'${NONE:-5s}'", Some(5)), ("'5s'", Some(5))]
    {
        let web = service(&format!("exec = ['x']\nstart-timeout = {none}\n[ready]\nnotify = true")).unwrap();
        assert_eq!(web.start_timeout, is.map(Duration::from_secs), "{none}");
    }
}

#[test]
fn a_name_and_its_value_fit_into_one_word_of_the_kernel_s() {
    // With the sign between them, and a zero at the end: 128 KiB (execve(2), MAX_ARG_STRLEN).
    let with =
        |length: usize| service(&format!("exec = ['x']\nenv.set = {{ AB = '{}' }}", "x".repeat(length)));
    let most = (128 << 10) - 1 - 3;
    assert!(with(most).is_ok());
    assert!(with(most + 1).unwrap_err().contains("128 KiB"), "{:?}", with(most + 1));
}

#[test]
fn what_a_plan_claims_of_the_system_is_told_to_who_examines_it() {
    let text = "exec = ['tool']\nuser = 'www'\ngroup = 33\ngroups = ['ssl']\nenv.set = { PATH = '/opt' }\n\
                [ready]\nexec = ['/bin/check']";
    let examined = init_plan::examine(&[Source::new("web.toml", text)], &environment(&[]));
    let claims: Vec<String> = examined.claims.iter().map(|(_, claim)| format!("{claim:?}")).collect();
    assert_eq!(claims.len(), 4, "{claims:?}");
    let has = |words: [&str; 2]| claims.iter().any(|claim| words.iter().all(|word| claim.contains(word)));
    assert!(has(["tool", "/opt"]) && has(["/bin/check", "/opt"]), "{claims:?}");
    assert!(has(["User", "www"]) && has(["Group", "ssl"]), "{claims:?}");
}

#[test]
fn more_problems_than_anybody_reads_are_counted() {
    let said = |count: usize| {
        let keys: String = (0..count).map(|n| format!("wrong{n} = 1\n")).collect();
        service(&format!("exec = ['x']\n{keys}")).unwrap_err()
    };
    assert_eq!(said(200).lines().count(), 200);
    let more = said(1203);
    assert!(more.contains("203 more"), "{}", more.lines().last().unwrap());
    assert_eq!(more.lines().count(), 1001);
}
