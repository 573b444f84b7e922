use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use init_core::status::{Phase, ServiceStatus, Stage};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw::{Beside, draw};
use super::model::{Effect, Model, Order, View};
use super::sample::{Memory, Sample};
use crate::processes::Process;
use crate::render::samples::{process, service, several};

fn processes(milliseconds: u64) -> Vec<Process> {
    let mut used = vec![process(1, 0, 1, "/init"), process(100, 1, 100, "postgres")];
    used.push(Process { cpu_ms: 1500 + milliseconds, ..process(101, 100, 100, "postgres: writer") });
    used.push(Process { rss_bytes: 84_000_000, ..process(23456, 1, 23456, "redis-server") });
    used
}

/// The container of the other tests, two seconds after it was first looked at.
fn sampled(services: Vec<ServiceStatus>) -> Sample {
    let memory = Memory { used: Some(700_000_000), limit: Some(2_000_000_000) };
    let before = Sample::new((services.clone(), Stage::Running), &processes(0), memory, None, 0);
    Sample::new((services, Stage::Running), &processes(250), memory, Some(&before), 2000)
}

fn drawn(model: &Model, sample: &Sample, lines: &[String], (columns, rows): (u16, u16)) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    draw(&mut buffer, model, sample, Beside { lines, trouble: None, colour: false });
    buffer
}

fn text(buffer: &Buffer) -> String {
    let rows = buffer.content.chunks(usize::from(buffer.area.width));
    let line = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
    rows.map(|row| line(row).trim_end().to_owned() + "\n").collect()
}

/// Compares with a file; `UPDATE_GOLDEN=1 cargo test` writes it anew, for a person to read the difference.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("render/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
}

fn log() -> Vec<String> {
    (1..=40).map(|number| format!("line {number}: GET /pulp/api/v3/status/ 200")).collect()
}

fn model(name: &str) -> Model {
    Model { selected: Some(name.into()), ..Model::default() }
}

#[test]
fn screens_of_every_size_show_what_matters_most() {
    let sample = sampled(several());
    for size in [(20, 5), (40, 12), (80, 24), (132, 43)] {
        golden(
            &format!("top-{}x{}.txt", size.0, size.1),
            &text(&drawn(&model("redis"), &sample, &log(), size)),
        );
    }
}

#[test]
fn help_and_log_fill_the_screen() {
    let sample = sampled(several());
    let with = |view| text(&drawn(&Model { view, ..model("redis") }, &sample, &log(), (80, 24)));
    golden("top-help.txt", &with(View::Help));
    golden("top-log.txt", &with(View::Log));
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let sample = sampled(several());
    for columns in (1..=300).step_by(23) {
        for rows in (1..=20).chain([24, 43, 60, 99, 100]) {
            for view in [View::Table, View::Log, View::Help] {
                for typing in [false, true] {
                    let model = Model { view, typing, ..Model::default() };
                    drawn(&model, &sample, &log(), (columns, rows));
                }
            }
        }
    }
}

#[test]
fn the_selected_service_is_always_on_the_screen() {
    let names: Vec<String> = (0..200).map(|number| format!("service-{number}")).collect();
    let sample = sampled(names.iter().map(|name| service(name, Phase::Up)).collect());
    for name in &names {
        for size in [(20, 5), (80, 24), (300, 100)] {
            let shown = text(&drawn(&model(name), &sample, &[], size));
            assert!(shown.lines().any(|line| line.split(' ').next() == Some(name)), "{name} in {shown}");
        }
    }
}

#[test]
fn the_share_of_a_processor_is_what_was_used_since_the_last_look() {
    let sample = sampled(several());
    let used = |name: &str| sample.services.iter().find(|(service, _)| service.name == name).unwrap().1;
    assert_eq!(used("postgresql").cpu_permille, 125);
    assert_eq!((used("redis").cpu_permille, sample.all.cpu_permille), (0, 125));
    // A number that was used again, and a process that began lately.
    let memory = Memory::default();
    let mut now = processes(0);
    now[3].cpu_ms = 40;
    now.push(process(500, 1, 23456, "new"));
    let after = Sample::new((several(), Stage::Running), &now, memory, Some(&sample), 1000);
    let redis = after.services.iter().find(|(service, _)| service.name == "redis").unwrap().1;
    assert_eq!(redis.cpu_permille, 40 + 1500);
}

fn press(model: &mut Model, sample: &Sample, keys: &str) -> Effect {
    let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
    keys.chars().map(|c| model.key(key(c), sample)).last().unwrap()
}

fn names(model: &Model, sample: &Sample) -> Vec<String> {
    model.rows(sample).iter().map(|(service, _)| service.name.clone()).collect()
}

#[test]
fn keys_sort_select_and_filter() {
    let sample = sampled(several());
    let mut model = Model::default();
    assert_eq!(names(&model, &sample), ["postgresql", "redis", "nginx", "api", "batch", "stopped"]);
    assert_eq!(press(&mut model, &sample, "j"), Effect::Ask);
    assert_eq!(model.selected.as_deref(), Some("redis"));
    assert_eq!(press(&mut model, &sample, "m"), Effect::Draw, "the selection stays with its service");
    assert_eq!(names(&model, &sample)[..2], ["redis", "postgresql"]);
    press(&mut model, &sample, "c");
    assert_eq!(names(&model, &sample)[0], "postgresql");
    press(&mut model, &sample, "n");
    assert_eq!(names(&model, &sample)[0], "api");
    press(&mut model, &sample, "a");
    assert_eq!(names(&model, &sample).len(), several().len());
    press(&mut model, &sample, "/ng");
    assert_eq!(names(&model, &sample), ["nginx"]);
    let escape = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(model.key(escape, &sample), Effect::Ask);
    assert_eq!(model.filter, "");
    assert_eq!(press(&mut model, &sample, "G"), Effect::Ask);
    assert_eq!(press(&mut model, &sample, "l"), Effect::Draw);
    assert_eq!((model.key(escape, &sample), model.view), (Effect::Draw, View::Table));
    assert_eq!(press(&mut model, &sample, "q"), Effect::Quit);
    let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    press(&mut model, &sample, "/");
    assert_eq!(model.key(control, &sample), Effect::Quit);
    assert_eq!(model.order, Order::Name);
}

/// Bytes that steer a terminal, and characters that are wide, or none, or run from right to left.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\x1b]0;owned\x07"),
        Just("\x1b[2J\x1b[31m"),
        Just("\u{9b}31m"),
        Just("\u{202e}gnp.exe"),
        Just("\u{2066}\u{200f}"),
        Just("\r\n\t\x08\x00\x7f"),
        Just("日本語"),
        Just("e\u{301}\u{301}\u{301}\u{200d}"),
        Just("👩‍👩‍👧‍👦"),
        Just("plain text "),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        8 => any::<char>().prop_map(KeyCode::Char),
        8 => prop::sample::select("qjkgGlshacmpno/?".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        8 => prop::sample::select(vec![
            KeyCode::Up, KeyCode::Down, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End,
            KeyCode::Enter, KeyCode::Esc, KeyCode::Backspace, KeyCode::Tab, KeyCode::F(3), KeyCode::Null,
        ]),
    ];
    let modifiers = prop::sample::select(vec![KeyModifiers::NONE, KeyModifiers::SHIFT, KeyModifiers::ALT]);
    (code, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_key_and_no_hostile_text_breaks_the_screen(
        texts in prop::collection::vec(hostile(), 8),
        keys in prop::collection::vec(any_key(), 1..60),
        columns in 20u16..120,
        rows in 5u16..40,
    ) {
        let mut services = several();
        for (service, text) in services.iter_mut().zip(&texts) {
            service.note = Some(text.clone());
        }
        services[2].name = texts[2].clone();
        let (sample, mut model) = (sampled(services), Model::default());
        for key in keys {
            model.key(key, &sample);
            let buffer = drawn(&model, &sample, &texts, (columns, rows));
            for cell in &buffer.content {
                let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
                prop_assert!(!cell.symbol().contains(steers), "{:?}", cell.symbol());
            }
        }
    }
}

#[test]
fn memory_is_read_from_either_version_of_control_groups() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(Memory::read(root.path()), Memory::default());
    let write = |name: &str, text: &str| {
        let path = root.path().join("sys/fs/cgroup").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("memory/memory.usage_in_bytes", "7000\n");
    write("memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_eq!(Memory::read(root.path()), Memory { used: Some(7000), limit: None });
    write("memory.current", "5000\n");
    write("memory.max", "8000\n");
    assert_eq!(Memory::read(root.path()), Memory { used: Some(5000), limit: Some(8000) });
    write("memory.max", "max\n");
    assert_eq!(Memory::read(root.path()).used, Some(5000));
}
