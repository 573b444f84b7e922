#!/usr/bin/env python3
"""Check the results of bench.py against what pulp-init promises.

    bars.py FILE

Times are held against the floor of the same run, so that they mean the same on every machine; medians count,
except for idle wake-ups, of which there may be none in any run. PSS is in the kernel's kB (KiB).
Prints one line a bar; exits with 1 if one of them failed. What was not measured is said, and is no failure.
"""
import json
import statistics
import sys

OURS, FLOOR = "pulp-init", "floor"
SPEW_LINES = 1_000_000

# scenario, metric, what is compared, bound, unit
BARS = [
    ("boot-100", "last_ms", "ratio", 1.8, "x the floor"),
    ("boot-1000", "last_ms", "ratio", 2.0, "x the floor"),
    ("chain-100", "last_ms", "ratio", 2.2, "x the floor"),
    ("restart", "median_ms", "ratio", 2.5, "x the floor"),
    ("shutdown", "exit_ms", "ratio", 1.5, "x the floor"),
    ("reap", "lag_ms", "most", 1.5, "ms after the last orphan"),
    ("reap", "cpu_us_per_reap", "most", 3.0, "us of CPU a reap"),
    ("boot-100", "pss_kb", "most", 2400, "KiB PSS"),
    ("boot-1000", "pss_kb", "most", 4000, "KiB PSS"),
    ("idle-10", "wakeups", "never above", 0, "wake-ups in 10 s"),
    ("idle-100", "wakeups", "never above", 0, "wake-ups in 10 s"),
    ("idle-1000", "wakeups", "never above", 0, "wake-ups in 10 s"),
    ("log-line-logger", "mb_per_s", "least", 200, "MB/s, prefixed, a write a line"),
    ("log-bulk-logger", "mb_per_s", "least", 1000, "MB/s, prefixed, bulk"),
    ("log-line-logger", "lines", "least", SPEW_LINES, "whole lines"),
    ("log-bulk-logger", "lines", "least", SPEW_LINES, "whole lines"),
    ("client", "median_ms", "most", 2.0, "ms for svctl list"),
    ("client", "code", "most", 0, "exit code of svctl list"),
    ("shutdown", "code", "most", 0, "exit code after TERM"),
    # One row for each program; a median of /init and svctl would be the size of neither.
    ("size", "bytes", "never above", 2_500_000, "bytes of binary"),
]


def values(rows, peer, scenario, metric):
    return [r[metric] for r in rows if r["peer"] == peer and r["scenario"] == scenario and r.get(metric) is not None]


def judge(rows, scenario, metric, how, bound):
    """(what was measured, whether that is within the bound); (None, None) if it was not measured."""
    ours = values(rows, OURS, scenario, metric)
    if not ours:
        return None, None
    measured = max(ours) if how == "never above" else statistics.median(ours)
    if how == "ratio":
        floor = values(rows, FLOOR, scenario, metric)
        if not floor:
            return None, None
        measured /= statistics.median(floor)
    return measured, measured >= bound if how == "least" else measured <= bound


def main():
    with open(sys.argv[1]) as handle:
        rows = [json.loads(line) for line in handle]
    failed = 0
    for scenario, metric, how, bound, unit in BARS:
        measured, good = judge(rows, scenario, metric, how, bound)
        sign = ">=" if how == "least" else "<="
        verdict = "----" if good is None else "PASS" if good else "FAIL"
        shown = "not measured" if measured is None else f"{measured:,.2f}".removesuffix(".00")
        print(f"{verdict}  {scenario:16} {shown:>14}  {sign} {bound:,} {unit}")
        failed += good is False
    for row in rows:
        if row["peer"] == OURS and "failed" in row:
            print(f"FAIL  {row['scenario']:16} run {row['run']}: {row['failed']}")
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
