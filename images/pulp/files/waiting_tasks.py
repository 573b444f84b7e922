"""Tasks that were queued while no worker ran begin with the first worker.

A worker of the type `pulpcore` looks for tasks that may begin when somebody queues one or one ends, and else after up to 100 heartbeats
of ten seconds. So what waited when a container was stopped waited on after its start. Now a worker looks when it begins.
"""

from functools import wraps


def install():
    """To be called where the worker was imported."""
    from pulpcore.tasking.worker import PulpcoreWorker

    begins = PulpcoreWorker.run
    if "wakeup_unblock" not in PulpcoreWorker.sleep.__code__.co_names:
        raise AttributeError("its workers sleep in another way")

    @wraps(begins)
    def run(self, *words, **more):
        # As if somebody had queued one.
        self.wakeup_unblock = not self.auxiliary
        return begins(self, *words, **more)

    PulpcoreWorker.run = run
