//! `init` as PID 1, with real processes: nothing here is simulated.
//!
//! Each test is named after the fact it proves. These are the ones for the bugs that other supervisors had, by the
//! number of the test case in the issue that asked for them:
//!
//! | case | what must not go wrong | test |
//! |---|---|---|
//! | 1 | TERM while a service starts, waits or is in backoff | `shutdown::term_while_a_service_is_starting_ends_promptly`, `…_in_backoff_…`, `…_a_probe_or_a_condition_runs_…` |
//! | 2 | restart or stop of a service that waits for another | `dependencies::restart_and_stop_of_a_service_that_waits_for_another_leave_one_process_of_it` |
//! | 3 | stop while a restart is under way | `dependencies::stop_during_a_restart_wins`, `stop_in_backoff_stays_down` |
//! | 4 | leader gone, child of its group ignores TERM | `stop::group_child_that_ignores_term_is_killed_and_waited_for` |
//! | 5 | child keeps the output open | `restarts::death_is_noticed_though_a_child_keeps_the_output_open` |
//! | 6 | death by any signal | `restarts::service_killed_by_any_signal_is_restarted` |
//! | 7 | end before the pid is noted | `reaping::thousand_programs_that_end_at_once_are_all_seen_to_end` |
//! | 8 | signal to a pid that is another's by now | `reaping::no_signal_hits_a_process_that_got_the_number_of_an_earlier_one` |
//! | 9 | commands during the shutdown | `shutdown::commands_that_run_during_the_shutdown_are_reaped_by_it` |
//! | 10 | many orphans, one SIGCHLD | `reaping::storm_of_orphans_leaves_no_zombie` |
//! | 11 | readiness after a restart, just before death, of an earlier process | `readiness::restarted_service_is_ready_only_when_it_says_so_again`, `readiness_and_death_at_once_are_seen_in_that_order`, `readiness_of_an_earlier_process_does_not_count_for_a_later_one` |
//! | 12 | readiness descriptor that is one of ours | `readiness::descriptor_of_any_number_reaches_the_service_and_nothing_else_does` |
//! | 13 | notifications of the dead, and forged ones | `readiness::notification_of_a_child_that_is_dead_already_counts`, `notification_of_another_service_is_ignored`, `main_pid_cannot_be_forged` |
//! | 14 | order of stopping, dependents of what is given up, oneshots run twice | `dependencies::stop_takes_dependents_down_first`, `dependents_fail_when_the_restart_limit_is_reached`, `oneshot_runs_once_whoever_requires_it` |
//! | 15 | dependency that is never ready, or only after restarts | `dependencies::dependency_that_is_never_ready_fails_its_dependents`, `dependency_may_restart_while_its_dependents_wait` |
//! | 16 | kill of a service that restarts | `lifecycle::killing_a_service_that_restarts_does_not_end_the_container` |
//! | 17 | grace before the signal, services never started | `shutdown::signal_is_sent_at_once_and_not_after_the_grace` |
//! | 18 | services that ignore TERM or are stopped | `shutdown::shutdown_within_a_container_managers_ten_seconds_is_the_default`, `stop::stopped_process_is_continued_and_stops`, `stopped_process_that_ignores_term_is_killed` |
//! | 19 | lost, torn, huge lines; slow readers | `logs` (all of it) |
//! | 20 | health under load; probes left behind | `health::health_answers_while_services_flood_the_log_and_others_follow_it`, `thousand_checks_leave_no_process_and_no_open_file` |
//! | 21 | reload of a wrong plan, cycles by reload or `before` | `reload::wrong_plan_leaves_the_running_one_as_it_is_and_lists_every_problem`, `cycle_that_a_reload_or_a_before_would_make_is_refused` |
//! | 22 | user and groups; cgroups | `attributes::process_is_of_the_user_and_groups_given_and_of_no_other`; `src/init/kernel/cgroup` |
//! | 23 | terminal hang-ups; no descriptors left | `terminal` (all of it), `faults::limit_on_open_files_is_said_and_does_not_end_init` |
//! | 24 | code of a failure before the boot is complete | `lifecycle::failure_before_the_boot_completes_keeps_its_exit_code` |
//! | 25 | `kill(-1)` when not PID 1; read-only root; socket in use | `anywhere::not_as_pid_1_strays_are_ended_and_processes_of_others_are_not`, `read_only_root_with_a_writable_run`, `socket::second_init_in_the_same_place_leaves_the_first_ones_socket_alone` |

#![allow(missing_docs, reason = "the names of tests say it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod access;
mod anywhere;
mod apply;
mod attributes;
mod boot;
#[cfg(feature = "containers")]
mod container;
mod debug_log;
mod definitions;
mod dependencies;
mod environment;
mod faults;
mod flood;
mod generator;
mod harness;
mod health;
mod hostile;
mod lasting;
mod lifecycle;
mod logs;
mod main_pid;
mod messages;
mod operator;
mod readiness;
mod reaping;
mod reexec;
mod reload;
mod restarts;
mod s6;
mod serve;
mod set;
mod ship;
mod shutdown;
mod signals;
mod socket;
mod sockets;
mod stop;
mod stopped;
mod strays;
mod svctl;
mod terminal;
mod top;

/// System calls that fail: none.
const FAULTS: &str = "";
