"""The scenarios: each a function (bench, peer, **parameters) -> metrics of one run, written once for all peers."""
import os
import signal
import statistics
import time

from harness import (Failed, RECORD, SPEW_BYTES, SPEW_LINES, SPEW_MARK, STORM_SIZE, Service, TAG_BEGIN, TAG_END,
                     Unsupported, boot_cpu_ms, cpu_ns, memory, ms, namespace_pids, read, running, supervisors,
                     switches, tasks_on_machine)


def names(count, **fields):
    return [Service(f"s{i:04d}", **fields) for i in range(count)]


def need_services(peer, count):
    if peer.max_services and count > peer.max_services:
        raise Unsupported(f"at most {peer.max_services} services")


def boot(bench, peer, n):
    """exec of the peer -> the last start record, then its idle memory."""
    need_services(peer, n)
    with bench.hold(), running(peer, bench.tools, names(n)) as run:
        starts = run.wait_records(n, peer.boot_timeout)
        time.sleep(0.7)
        extra = len(run.records()) - n
        pids = supervisors(run)
        return {"last_ms": ms(max(t for t, _ in starts) - run.exec_ns),
                "first_ms": ms(min(t for t, _ in starts) - run.exec_ns),
                "boot_cpu_ms": boot_cpu_ms(run, pids), "extra_starts": extra, **memory(pids)}


def chain(bench, peer, n):
    """The same, each service after the one before is ready."""
    if "chain" not in peer.can:
        raise Unsupported("no dependencies")
    services = names(n, role="ready", ready=True)
    for earlier, later in zip(services, services[1:]):
        later.after = (earlier.name,)
    with bench.hold(), running(peer, bench.tools, services) as run:
        starts = run.wait_records(n, peer.boot_timeout)
        return {"last_ms": ms(max(t for t, _ in starts) - run.exec_ns)}


def idle(bench, peer, n, seconds=10):
    """Context switches and CPU of the idle peer."""
    need_services(peer, n)
    with bench.hold(exclusive=False), running(peer, bench.tools, names(n)) as run:
        run.wait_records(n, 2 * peer.boot_timeout)
        time.sleep(4)
        pids = supervisors(run)
        before, cpu_before = switches(pids), cpu_ns(pids)
        time.sleep(seconds)
        after, cpu_after = switches(pids), cpu_ns(pids)
        if run.launcher.poll() is not None or after < before:
            raise Failed(f"a supervisor process went away while idle: {run.tail()}")
        return {"wakeups": after - before, "cpu_us": (cpu_after - cpu_before) // 1000}


def restart(bench, peer, n=50, young=2, budget=12, ready=False):
    """kill -9 of each of n settled services -> its next start record; then of
    one service, again and again as soon as it is up.  A slow peer gets as many
    tries as fit into `budget` seconds, ten at least."""
    if ready and "ready" not in peer.can:
        raise Unsupported("no readiness")
    need_services(peer, n)
    services = names(n, role="ready", ready=True) if ready else names(n)
    with bench.hold(), running(peer, bench.tools, services) as run:
        run.wait_records(n, peer.boot_timeout)
        time.sleep(peer.settle)
        here = namespace_pids(run)
        seen, latencies = n, []

        def kill_one(pid_here, timeout=10):
            nonlocal seen
            now = time.monotonic_ns()
            os.kill(pid_here, signal.SIGKILL)
            starts = run.wait_records(seen + 1, timeout, nap=0.0005)
            seen += 1
            return starts[-1][0] - now, starts[-1][1]

        until = time.monotonic() + budget
        for _, inner in run.records()[:n]:
            took, last = kill_one(here[inner][0])
            latencies.append(ms(took))
            if time.monotonic() > until and len(latencies) >= 10:
                break
        fresh = []
        for _ in range(young):
            took, last = kill_one(namespace_pids(run)[last][0], timeout=30)
            fresh.append(ms(took))
        ordered = sorted(latencies)
        return {"median_ms": statistics.median(ordered), "p99_ms": ordered[int((len(ordered) - 1) * 0.99 + 0.5)],
                "young_ms": statistics.median(fresh), "tries": latencies}


def reap(bench, peer, cap=20):
    """20,000 orphans in bursts -> not one zombie left."""
    with bench.hold(), running(peer, bench.tools, [Service("storm", "storm")]) as run:
        (_, inner), = run.wait_records(1, peer.boot_timeout)
        time.sleep(0.5)
        storm_pid = namespace_pids(run)[inner][0]
        base, cpu_before = tasks_on_machine(), cpu_ns([run.pid])
        peak, deadline = base, time.monotonic() + cap
        os.kill(storm_pid, signal.SIGUSR1)
        full = 3 * RECORD.size
        while True:
            tasks = tasks_on_machine()
            peak = max(peak, tasks)
            if tasks <= base + 3 and os.stat(run.job.records_path).st_size >= full:
                now = time.monotonic_ns()
                if not any(state == "Z" for _, state in namespace_pids(run).values()):
                    break
            if time.monotonic() > deadline:
                left = sum(state == "Z" for _, state in namespace_pids(run).values())
                raise Failed(f"{left} zombies left after {cap} s, peak {peak - base} tasks")
            if run.launcher.poll() is not None:
                raise Failed(f"exited in the storm: {run.tail()}")
            time.sleep(0.0005)
        (begin, _), = run.records(TAG_BEGIN)
        (end, _), = run.records(TAG_END)
        return {"storm_ms": ms(end - begin), "zero_ms": ms(now - begin), "lag_ms": ms(max(0, now - end)),
                "peak": peak - base, "cpu_us_per_reap": round((cpu_ns([run.pid]) - cpu_before) / 1000 / STORM_SIZE, 3)}


def shutdown(bench, peer, n=100):
    """The documented stop -> pid 1 gone; every service dies on SIGTERM."""
    n = min(n, peer.max_services or n)
    with bench.hold(), running(peer, bench.tools, names(n)) as run:
        run.wait_records(n, peer.boot_timeout)
        time.sleep(peer.settle)
        sent = run.signal(peer.stop_signal)
        if not run.wait_exit(30):
            raise Failed("still there 30 s after the stop signal")
        return {"exit_ms": ms(run.exit_ns - sent), "code": run.exit_code, "n": n}


def stubborn(bench, peer, n=10, cap=25):
    """The same with one service that ignores SIGTERM: the default grace."""
    n = min(n, peer.max_services or n)
    services = names(n)
    services[0].role = "stubborn"
    with bench.hold(exclusive=False), running(peer, bench.tools, services) as run:
        run.wait_records(n, peer.boot_timeout)
        time.sleep(peer.settle)
        sent = run.signal(peer.stop_signal)
        if not run.wait_exit(cap):
            return {"exit_ms": None, "code": None}
        return {"exit_ms": ms(run.exit_ns - sent), "code": run.exit_code}


def expected_size(sink):
    """How large the sink will be when all is in it; lines may have a prefix. None before the first whole line."""
    with open(sink, "rb") as handle:
        *lines, _ = handle.read(1 << 16).split(b"\n")
    return next((SPEW_LINES * (len(line) + 1) for line in lines if SPEW_MARK * 3 in line), None)


def log(bench, peer, role, via):
    """100 MB of 100-byte lines from a service -> all of them in the sink."""
    if via == "logger" and "logger" not in peer.can:
        raise Unsupported("no log capture")
    if via == "inherit" and not peer.inherits:
        raise Unsupported("does not inherit pid 1's stdout")
    service = Service("spew", role, logger=via == "logger", talks=True)
    with bench.hold(), running(peer, bench.tools, [service]) as run:
        sink = peer.log_sink(run.job, service) if service.logger else run.job.stdout
        (begin, _), = run.wait_records(1, peer.boot_timeout, TAG_BEGIN)[:1]
        deadline, last, wanted = time.monotonic() + 120, (0, time.monotonic()), None
        while True:
            size = sink.stat().st_size if sink.exists() else 0
            now = time.monotonic_ns()
            wanted = wanted or size and expected_size(sink)
            if wanted and size >= wanted:
                break
            if size != last[0]:
                last = (size, time.monotonic())
            if time.monotonic() > deadline or time.monotonic() - last[1] > 8:
                raise Failed(f"the sink stopped at {size} bytes")
            time.sleep(0.001)
        time.sleep(0.3)
        whole = read(sink).count(SPEW_MARK * 3)
        return {"mb_per_s": round(SPEW_BYTES / 1e6 / ((now - begin) / 1e9), 1),
                "lines": whole, "sink_bytes": sink.stat().st_size}


def client(bench, peer, n=100, tries=20):
    """Wall time of the control client listing n services."""
    need_services(peer, n)
    with bench.hold(), running(peer, bench.tools, names(n)) as run:
        run.wait_records(n, peer.boot_timeout)
        time.sleep(peer.settle)
        argv = peer.client(run.job)
        if not argv:
            raise Unsupported("no control client")
        env = bench.tools.env(**peer.client_env(run.job))
        quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]

        def once(argv):
            begin = time.monotonic_ns()
            pid = os.posix_spawn(argv[0], argv, env, file_actions=quiet)
            _, status = os.waitpid(pid, 0)
            return ms(time.monotonic_ns() - begin), os.waitstatus_to_exitcode(status)

        argv = [str(a) for a in argv]
        noop = statistics.median(once([str(bench.tools.programs["noop"])])[0] for _ in range(tries))
        taken = [once(argv) for _ in range(tries)]
        return {"median_ms": statistics.median(t for t, _ in taken), "noop_ms": noop,
                "code": max(taken, key=lambda pair: abs(pair[1]))[1]}


SCENARIOS = {
    "boot-10": (boot, {"n": 10}), "boot-100": (boot, {"n": 100}), "boot-990": (boot, {"n": 990}),
    "boot-1000": (boot, {"n": 1000}),
    "chain-10": (chain, {"n": 10}), "chain-100": (chain, {"n": 100}),
    "idle-10": (idle, {"n": 10}), "idle-100": (idle, {"n": 100}), "idle-1000": (idle, {"n": 1000}),
    "restart": (restart, {}), "restart-ready": (restart, {"ready": True}),
    "reap": (reap, {}), "shutdown": (shutdown, {}), "stubborn": (stubborn, {}),
    "log-line-inherit": (log, {"role": "spew_line", "via": "inherit"}),
    "log-line-logger": (log, {"role": "spew_line", "via": "logger"}),
    "log-bulk-inherit": (log, {"role": "spew_bulk", "via": "inherit"}),
    "log-bulk-logger": (log, {"role": "spew_bulk", "via": "logger"}),
    "client": (client, {}),
}
WRAPPER_SCENARIOS = ("reap", "shutdown", "stubborn")
