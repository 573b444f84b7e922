"""Has workers of the type `pulpcore` look for tasks that may begin when that is worth it: when they start, and while any is blocked.

- Such a worker looks when somebody queues a task or one ends, and else after up to 100 heartbeats of ten seconds. So what waited when
  a container was stopped waited on after its start.
- Each look reads all tasks that are not done, and after each task that ends every worker looks: of 1,000 queued tasks a million rows
  were read. Where none is blocked there is nothing to find.
"""

from functools import wraps


def install():
    """To be called where the worker was imported."""
    from pulpcore.app.models import Task
    from pulpcore.constants import TASK_INCOMPLETE_STATES
    from pulpcore.tasking.worker import PulpcoreWorker

    if "wakeup_unblock" not in PulpcoreWorker.sleep.__code__.co_names:
        raise AttributeError("its workers sleep in another way")
    blocked = Task.objects.filter(state__in=TASK_INCOMPLETE_STATES, unblocked_at=None)
    PulpcoreWorker.run = looking_first(PulpcoreWorker.run)
    PulpcoreWorker._unblock_tasks = looking_if(blocked, PulpcoreWorker._unblock_tasks)


def looking_first(runs):
    @wraps(runs)
    def run(self, *words, **more):
        # As if somebody had queued one.
        self.wakeup_unblock = not self.auxiliary
        return runs(self, *words, **more)

    return run


def looking_if(blocked, unblocks):
    @wraps(unblocks)
    def _unblock_tasks(self):
        """Whoever queues a task after this look wakes all workers."""
        return unblocks(self) if blocked.all().exists() else False

    return _unblock_tasks
