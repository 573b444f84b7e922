//! How long a large `services.d` takes. Run it in a release build: `cargo test --release -p init-plan --test speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use init_plan::{Environment, Source, compile};

/// Time this thread has had on a CPU: on a busy machine the wall clock measures the neighbours.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn file(number: usize) -> Source {
    let text = format!(
        "description = 'service {number}'\n\
         exec = ['/usr/bin/service', '--port', '${{BASE:-80}}', '--name', '${{SERVICE}}']\n\
         requires = ['s{:04}']\nafter = ['s0000']\nuser = 'www-data'\n\
         [ready]\nnotify = true\n[restart]\ndelay = '200ms'\n[stop]\ntimeout = '3s'\n[env]\nset = {{ LANG = 'C.UTF-8' }}\n",
        number / 2
    );
    let text = if number == 0 { "exec = ['true']\n".to_owned() } else { text };
    Source::new(&format!("s{number:04}.toml"), text)
}

#[test]
#[ignore = "a measurement"]
fn thousand_files_compile_in_a_few_milliseconds() {
    let environment = Environment::new();
    let sources: Vec<Source> = (0..1000).map(file).collect();
    let small: Vec<Source> =
        (0..1000).map(|n| Source::new(&format!("s{n:04}.toml"), "exec = ['sleep', '1d']\n")).collect();
    for (what, sources) in [("1000 files of 13 lines", &sources), ("1000 files of 1 line", &small)] {
        const RUNS: u32 = 100;
        // Many runs, because the kernel counts in ticks.
        let start = cpu_time();
        for _ in 0..RUNS {
            assert_eq!(compile(sources, &environment).unwrap().services.len(), 1000);
        }
        println!("{what}: {:?} of CPU time", (cpu_time() - start) / RUNS);
    }
    println!("a service is {} bytes", size_of::<init_plan::Service>());
}
