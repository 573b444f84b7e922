use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use init_core::status::{Stray, Wellness};
use init_plan::Kind;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z@-]{1,12}", any::<String>()]
}

fn names() -> impl Strategy<Value = Vec<String>> {
    vec(name(), 0..4)
}

fn request() -> impl Strategy<Value = Request> {
    let verbs = vec![Verb::Start, Verb::Stop, Verb::Restart, Verb::Hold, Verb::Release, Verb::Apply];
    let verb = prop::sample::select(verbs);
    let signal = (1..=64).prop_filter_map("no such signal", Signal::from_number);
    let until = prop_oneof![Just(Until::Ready), Just(Until::Down)];
    prop_oneof![
        names().prop_map(|names| Request::List { names }),
        (verb, names(), any::<bool>(), any::<Option<u64>>())
            .prop_map(|(verb, names, wait, timeout_ms)| Request::Change { verb, names, wait, timeout_ms }),
        (names(), signal).prop_map(|(names, signal)| Request::Signal { names, signal }),
        names().prop_map(|names| Request::Reload { names }),
        Just(Request::Diff),
        (name(), any::<i32>()).prop_map(|(template, instances)| Request::Scale { template, instances }),
        Just(Request::History),
        (names(), until, any::<Option<u64>>()).prop_map(|(names, until, timeout_ms)| Request::Wait {
            names,
            until,
            timeout_ms
        }),
        (names(), any::<Option<usize>>(), any::<bool>()).prop_map(|(names, lines, follow)| Request::Logs {
            names,
            lines,
            follow
        }),
        Just(Request::Names),
        Just(Request::Events),
        Just(Request::Health),
        Just(Request::Boot),
        any::<Option<i32>>().prop_map(|code| Request::Shutdown { code }),
    ]
}

fn phase() -> impl Strategy<Value = Phase> {
    prop::sample::select(vec![
        Phase::Down,
        Phase::Waiting,
        Phase::Checking,
        Phase::Starting,
        Phase::Up,
        Phase::Stopping,
        Phase::Ending,
        Phase::Undoing,
        Phase::Backoff,
        Phase::Done,
        Phase::Skipped,
        Phase::Failed,
    ])
}

fn exit() -> impl Strategy<Value = Exit> {
    prop_oneof![any::<i32>().prop_map(Exit::Code), any::<i32>().prop_map(Exit::Signal)]
}

fn stage() -> impl Strategy<Value = Stage> {
    prop::sample::select(vec![Stage::Booting, Stage::Running, Stage::Stopping])
}

fn service() -> impl Strategy<Value = ServiceStatus> {
    let wellness = vec![Wellness::Unknown, Wellness::Healthy, Wellness::Failing, Wellness::Unhealthy];
    let identity = (name(), option::of(any::<String>()), any::<bool>(), any::<bool>(), any::<bool>());
    let life = (phase(), any::<u64>(), any::<Option<i32>>(), any::<u32>(), prop::sample::select(wellness));
    let past = (option::of(any::<String>()), option::of(exit()), any::<Option<u64>>(), any::<bool>());
    (identity, life, past, names(), names(), names()).prop_map(
        |(identity, life, past, requires, wants, after)| {
            let (name, description, oneshot, wanted, essential) = identity;
            let (state, for_ms, pid, restarts, health) = life;
            let (note, last_exit, ready_after_ms, changed) = past;
            let kind = if oneshot { Kind::Oneshot } else { Kind::Longrun };
            ServiceStatus {
                name,
                description,
                kind,
                state,
                wanted,
                essential,
                for_ms,
                pid,
                restarts,
                health,
                note,
                last_exit,
                ready_after_ms,
                changed,
                held: essential,
                requires,
                wants,
                after,
                strays: vec![Stray { pid: 77, command: "sleep 1000".into() }],
            }
        },
    )
}

fn first_start() -> impl Strategy<Value = FirstStartStatus> {
    let times = (any::<u64>(), any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>());
    (name(), phase(), times, option::of(name())).prop_map(|(name, state, times, waited_for)| {
        let (wanted_ms, started_ms, settled_ms, took_ms) = times;
        FirstStartStatus { name, state, wanted_ms, started_ms, settled_ms, took_ms, waited_for }
    })
}

fn event() -> impl Strategy<Value = Event> {
    let about = (any::<Option<i32>>(), option::of(exit()), option::of(any::<String>()));
    (name(), any::<u64>(), phase(), phase(), about).prop_map(
        |(service, time_ms, from, to, (pid, exit, note))| Event {
            service,
            time_ms,
            from,
            to,
            pid,
            exit,
            note,
        },
    )
}

fn failure() -> impl Strategy<Value = Failure> {
    let kinds = vec![
        FailureKind::BadRequest,
        FailureKind::UnknownName,
        FailureKind::Denied,
        FailureKind::TimedOut,
        FailureKind::Failed,
        FailureKind::ShuttingDown,
        FailureKind::BadPlan,
    ];
    let ids = vec![None, Some(init_plan::id!("I0203")), Some(init_plan::id!("Z0000"))];
    (prop::sample::select(kinds), prop::sample::select(ids), any::<String>())
        .prop_map(|(kind, id, message)| Failure { kind, id, message })
}

fn response() -> impl Strategy<Value = Response> {
    prop_oneof![
        (vec(service(), 0..3), stage()).prop_map(|(services, stage)| Response::Services { services, stage }),
        names().prop_map(|names| Response::Names { names }),
        event().prop_map(Response::Event),
        (name(), any::<u64>(), any::<String>()).prop_map(|(service, time_ms, line)| Response::Log {
            service,
            time_ms,
            line
        }),
        any::<u64>().prop_map(|count| Response::Dropped { count }),
        (any::<bool>(), stage(), names()).prop_map(|(healthy, stage, problems)| Response::Health {
            healthy,
            stage,
            problems
        }),
        (vec(first_start(), 0..3), any::<u64>(), any::<Option<u64>>())
            .prop_map(|(services, now_ms, complete_ms)| Response::Boot { services, now_ms, complete_ms }),
        any::<String>().prop_map(|message| Response::Done { message }),
        failure().prop_map(Response::Error),
    ]
}

proptest! {
    #[test]
    fn requests_are_read_back_as_they_were_sent(sent in vec(request(), 0..4)) {
        let bytes: Vec<u8> = sent.iter().flat_map(|request| encode(request).unwrap()).collect();
        prop_assert_eq!(read_all::<Request>(&bytes).unwrap(), sent);
    }

    #[test]
    fn responses_are_read_back_as_they_were_sent(sent in vec(response(), 0..4)) {
        let bytes: Vec<u8> = sent.iter().flat_map(|response| encode(response).unwrap()).collect();
        prop_assert_eq!(read_all::<Response>(&bytes).unwrap(), sent);
    }

    #[test]
    fn the_quick_way_to_read_a_response_gives_the_same(sent in response()) {
        let bytes = encode(&sent).unwrap();
        prop_assert_eq!(read_response(&mut bytes.as_slice()).unwrap(), Some(sent));
    }

    #[test]
    fn a_message_is_one_line(sent in response()) {
        let bytes = encode(&sent).unwrap();
        prop_assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 1);
    }

    #[test]
    fn arbitrary_bytes_are_an_error_and_never_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode::<Request>(&bytes);
        let _ = decode::<Response>(&bytes);
        let _ = read_all::<Request>(&bytes);
        let _ = read_all::<Response>(&bytes);
    }

    #[test]
    fn damaged_messages_never_panic(sent in response(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&sent).unwrap();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        let _ = read_all::<Response>(&bytes);
        let _ = read_response(&mut bytes.as_slice());
    }

    #[test]
    fn cut_off_messages_are_an_error(sent in request(), at in any::<prop::sample::Index>()) {
        let bytes = encode(&sent).unwrap();
        let kept = at.index(bytes.len() - 1) + 1;
        prop_assert!(read_all::<Request>(&bytes[..kept]).is_err());
    }
}

fn read_all<T: for<'a> Deserialize<'a>>(mut bytes: &[u8]) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    while let Some(message) = read(&mut bytes)? {
        all.push(message);
    }
    Ok(all)
}

#[test]
fn the_longest_message_passes_and_a_byte_more_does_not() {
    let overhead = encode(&Response::Done { message: String::new() }).unwrap().len();
    let longest = Response::Done { message: "x".repeat(MAX_MESSAGE - overhead) };
    let bytes = encode(&longest).unwrap();
    assert_eq!(bytes.len(), MAX_MESSAGE);
    assert_eq!(read_all::<Response>(&bytes).unwrap(), [longest]);

    let longer = Response::Done { message: "x".repeat(MAX_MESSAGE - overhead + 1) };
    assert_eq!(encode(&longer).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let mut endless = vec![b' '; MAX_MESSAGE];
    endless.extend(bytes);
    assert_eq!(read_all::<Response>(&endless).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn deeply_nested_json_is_an_error_and_no_stack_overflow() {
    for open in ["[", "{\"a\":", "{\"is\":\"services\",\"services\":["] {
        let bytes = open.repeat(100_000).into_bytes();
        assert!(decode::<Response>(&bytes).is_err());
        assert!(decode::<Request>(&bytes).is_err());
    }
}

#[test]
fn unknown_requests_and_fields_are_errors() {
    for line in
        ["{}", "null", "{\"do\":\"dance\"}", "{\"do\":\"reload\",\"x\":1}", "{\"do\":\"list\",\"names\":[1]}"]
    {
        assert!(decode::<Request>(line.as_bytes()).is_err(), "{line}");
    }
    assert_eq!(decode::<Request>(b"{\"do\":\"list\"}").unwrap(), Request::List { names: Vec::new() });
}

#[test]
fn thousand_first_starts_with_the_longest_names_fit_in_a_message() {
    let name = "x".repeat(128);
    let one = FirstStartStatus {
        name: name.clone(),
        state: Phase::Starting,
        wanted_ms: u64::MAX,
        started_ms: Some(u64::MAX),
        settled_ms: Some(u64::MAX),
        took_ms: Some(u64::MAX),
        waited_for: Some(name),
    };
    let most = Response::Boot { services: vec![one; 1000], now_ms: u64::MAX, complete_ms: Some(u64::MAX) };
    assert!(encode(&most).is_ok());
}
