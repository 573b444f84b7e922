"""Metrics are exported by a thread of OpenTelemetry, which begins here with the first measurement and not with the import.

So the process that imports Pulp for all of its services has no such thread: it would not survive the fork of a service. Each process
that measures something has its own, as it would have had it imported Pulp by itself; one that measures nothing has nothing to export.
"""

import math
import os
import weakref
from threading import Lock

# Milliseconds that the last export may take. Where nobody takes the metrics, OpenTelemetry tries for ten seconds, in which PostgreSQL
# waits for its clients to go, until the container is killed.
LAST = 1000


def install():
    """To be called before Pulp is imported, which takes the class for its own."""
    from opentelemetry.sdk.metrics import export
    from opentelemetry.sdk.metrics._internal.measurement_consumer import SynchronousMeasurementConsumer as Consumer

    eager = export.PeriodicExportingMetricReader
    for name in ("_at_fork_reinit", "_ticker"):
        if not hasattr(eager, name):
            raise AttributeError(f"the reader of this OpenTelemetry has no {name}")
    late = reader(eager)
    consumes = Consumer.consume_measurement

    def consume_measurement(self, measurement):
        for one in self._reader_storages:
            if isinstance(one, late):
                one.begin()
        return consumes(self, measurement)

    Consumer.consume_measurement = consume_measurement
    export.PeriodicExportingMetricReader = late


def reader(eager):
    class PeriodicExportingMetricReader(eager):
        """The one of OpenTelemetry, whose thread does not begin by itself."""

        def __init__(self, exporter, export_interval_millis=None, **more):
            self.beginning, self.begun = Lock(), False
            super().__init__(exporter, export_interval_millis=math.inf, **more)
            self._export_interval_millis = interval(export_interval_millis)

        def begin(self):
            with self.beginning:
                if self.begun or not self._export_interval_millis < math.inf:
                    return
                self.begun = True
                self._at_fork_reinit()
                begins = weakref.WeakMethod(self._at_fork_reinit)
                # A process that was forked from this one has a thread of its own, as with OpenTelemetry's own class.
                os.register_at_fork(after_in_child=lambda: (again := begins()) and again())

        def shutdown(self, timeout_millis=LAST, **more):
            super().shutdown(timeout_millis=min(timeout_millis, LAST), **more)

    return PeriodicExportingMetricReader


def interval(told):
    """Milliseconds between two exports, as OpenTelemetry reads them."""
    if told is None:
        try:
            told = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", 60000))
        except ValueError:
            told = 60000
    if told <= 0:
        raise ValueError(f"the interval of exports {told} is not larger than zero")
    return told
