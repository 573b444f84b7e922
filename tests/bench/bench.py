#!/usr/bin/env python3
"""Measure process supervisors as pid 1, all on the same work.

    bench.py run    [--bin-dir DIR]... [--peer A,B] [--scenario X,Y] [--runs 5] [--out FILE]
    bench.py report FILE...
    bench.py list

Each supervisor ("peer") is taken from the --bin-dir directories, then from
PATH; one that is not found is skipped.  An adapter (peers.py)
writes the peer's configuration for a Job and says how to start, stop and query
it; every scenario (scenarios.py) is written once, over that interface.

The peer runs as pid 1 of a fresh pid and mount namespace with a private /run
(see native.c), on work made of tiny static programs (see probe.c) that append
16-byte start records stamped with CLOCK_MONOTONIC.  Needs root, gcc, Linux.
Timed runs hold an exclusive flock on --lock.
"""
import argparse
import json
import pathlib
import statistics
import struct
import sys
import tempfile

from harness import Failed, Toolbox, Unsupported, machine
from peers import PEERS, Wrapper
from scenarios import SCENARIOS, WRAPPER_SCENARIOS


def elf_kind(path):
    """(bytes, static|dynamic|script) of a program."""
    data = pathlib.Path(path).resolve().read_bytes()
    if data[:4] != b"\x7fELF":
        return len(data), "script"
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, phoff + i * size)[0] for i in range(count)]
    return len(data), "dynamic" if 3 in kinds else "static"


class Bench:
    def __init__(self, tools, lock, shared=False):
        self.tools, self.lock, self.shared = tools, lock, shared

    def hold(self, exclusive=True):
        return machine(self.lock, exclusive and not self.shared)


def pick(text, everything):
    if not text:
        return list(everything)
    wanted = text.split(",")
    unknown = set(wanted) - set(everything)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(everything)}")
    return wanted


def measure(bench, peer, scenario, number, emit):
    """Runs a scenario once; False if there is no use in doing it again."""
    function, parameters = SCENARIOS[scenario]
    try:
        metrics = function(bench, peer, **parameters)
    except Unsupported as why:
        emit(peer=peer.name, scenario=scenario, unsupported=str(why))
        return False
    except Failed as why:
        emit(peer=peer.name, scenario=scenario, run=number, failed=str(why))
        return number < 1
    emit(peer=peer.name, scenario=scenario, run=number, **metrics)
    return metrics.get("exit_ms", 0) is not None


def command_run(args):
    peers = {cls.name: cls for cls in PEERS}
    chosen, scenarios = pick(args.peer, peers), pick(args.scenario, SCENARIOS)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=args.work) as base, open(args.out, "a") as out:
        tools = Toolbox(base, args.bin_dir)
        bench = Bench(tools, args.lock, args.shared)

        def emit(**row):
            out.write(json.dumps(row) + "\n")
            out.flush()
            print({k: v for k, v in row.items() if k != "tries"}, flush=True)

        ready = []
        for name in chosen:
            peer = peers[name](tools)
            if peer.missing():
                print(f"{name}: not found: {', '.join(peer.missing())}")
                continue
            ready.append(peer)
            for binary, path in peer.path.items():
                if path:
                    size, kind = elf_kind(path)
                    emit(peer=name, scenario="size", binary=binary, bytes=size, kind=kind)
        # Taking turns: the machine is not as fast in one minute as in the next, and ratios are of neighbours.
        for scenario in scenarios:
            left = [peer for peer in ready if scenario in WRAPPER_SCENARIOS or not isinstance(peer, Wrapper)]
            for number in range(args.runs):
                left = [peer for peer in left if measure(bench, peer, scenario, number, emit)]


def spread(values):
    values = [v for v in values if v is not None]
    if not values:
        return "-"

    def show(v):
        return f"{v:.0f}" if abs(v) >= 100 else f"{v:.1f}" if abs(v) >= 10 else f"{v:.2f}"

    middle = show(statistics.median(values))
    return middle if min(values) == max(values) else f"{middle} ({show(min(values))}-{show(max(values))})"


def command_report(args):
    rows = [json.loads(line) for path in args.files for line in open(path)]
    peers = [cls.name for cls in PEERS if any(r["peer"] == cls.name for r in rows)]
    peers += sorted({r["peer"] for r in rows} - set(peers))

    def cell(peer, scenario, metric):
        mine = [r for r in rows if r["peer"] == peer and r["scenario"] == scenario]
        good = [r[metric] for r in mine if metric in r]
        if good:
            return "none in 25 s" if metric == "exit_ms" and good == [None] else spread(good)
        for r in mine:
            if "unsupported" in r:
                return f"n/a: {r['unsupported']}"
            if "failed" in r:
                return "FAILED"
        return ""

    def table(title, columns):
        print(f"\n### {title}\n")
        print("| peer | " + " | ".join(c[0] for c in columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for peer in peers:
            cells = [cell(peer, scenario, metric) for _, scenario, metric in columns]
            if any(cells):
                print(f"| {peer} | " + " | ".join(cells) + " |")

    table("Boot: exec -> last start record, ms", [(f"N={n}", f"boot-{n}", "last_ms") for n in (10, 100, 990, 1000)]
          + [("first, N=100", "boot-100", "first_ms"), ("CPU, N=100", "boot-100", "boot_cpu_ms")])
    table("Dependency chain, ms", [(f"N={n}", f"chain-{n}", "last_ms") for n in (10, 100)])
    for metric, title in (("pss_kb", "PSS"), ("rss_kb", "RSS"), ("procs", "processes"), ("threads", "threads"),
                          ("pte_kb", "page tables")):
        table(f"Idle {title} of the supervisor" + (" (KiB)" if metric.endswith("kb") else ""),
              [(f"N={n}", f"boot-{n}", metric) for n in (10, 100, 1000)])
    table("Idle context switches in 10 s", [(f"N={n}", f"idle-{n}", "wakeups") for n in (10, 100, 1000)]
          + [(f"CPU us N={n}", f"idle-{n}", "cpu_us") for n in (10, 100, 1000)])
    table("Restart after kill -9, ms", [("median", "restart", "median_ms"), ("p99", "restart", "p99_ms"),
                                        ("killed while young", "restart", "young_ms"),
                                        ("median, with readiness", "restart-ready", "median_ms"),
                                        ("p99, with readiness", "restart-ready", "p99_ms")])
    table("Orphan storm of 20,000", [("storm ms", "reap", "storm_ms"), ("zero zombies ms", "reap", "zero_ms"),
                                     ("lag after the last fork ms", "reap", "lag_ms"), ("peak tasks", "reap", "peak"),
                                     ("pid 1 CPU us/reap", "reap", "cpu_us_per_reap")])
    table("Stop, ms", [("100 services", "shutdown", "exit_ms"), ("exit code", "shutdown", "code"),
                       ("1 of 10 ignores SIGTERM", "stubborn", "exit_ms"), ("exit code", "stubborn", "code")])
    table("Log throughput, MB/s", [(s[4:], s, "mb_per_s") for s in SCENARIOS if s.startswith("log-")])
    table("Whole lines in the sink", [(s[4:], s, "lines") for s in SCENARIOS if s.startswith("log-")])
    table("Control client, ms", [("list", "client", "median_ms"), ("noop", "client", "noop_ms"),
                                 ("exit code", "client", "code")])
    print("\n### Binaries\n")
    for peer in peers:
        seen = {r["binary"]: f"{r['binary']} {r['bytes']:,} {r['kind']}"
                for r in rows if r["peer"] == peer and r["scenario"] == "size"}
        if seen:
            print(f"- {peer}: " + ", ".join(seen.values()))
    failures = [r for r in rows if "failed" in r]
    if failures:
        print("\n### Failures\n")
        for r in failures:
            print(f"- {r['peer']} {r['scenario']} run {r['run']}: {r['failed']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("run")
    p.add_argument("--bin-dir", action="append", default=[])
    p.add_argument("--peer", help="comma-separated; default all found")
    p.add_argument("--scenario", help="comma-separated; default all")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--out", default="results.jsonl")
    p.add_argument("--work", default="/dev/shm", help="where the jobs live (tmpfs, not noexec)")
    p.add_argument("--lock", default="", help="a file to flock around timed runs; empty: no lock")
    p.add_argument("--shared", action="store_true", help="never ask for the lock exclusively (slow waits)")
    p.set_defaults(function=command_run)
    p = commands.add_parser("report")
    p.add_argument("files", nargs="+")
    p.set_defaults(function=command_report)
    p = commands.add_parser("list")
    p.set_defaults(function=lambda _: print("peers: " + " ".join(c.name for c in PEERS)
                                            + "\nscenarios: " + " ".join(SCENARIOS)))
    args = parser.parse_args()
    args.function(args)


if __name__ == "__main__":
    main()
