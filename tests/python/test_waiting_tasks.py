"""Unit tests of images/pulp/files/waiting_tasks.py: when a worker looks for tasks."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/pulp/files"))
import waiting_tasks  # noqa: E402


class Tasks:
    """A query, which is asked anew each time."""

    def __init__(self, *blocked):
        self.blocked = list(blocked)

    def all(self):
        return self

    def exists(self):
        return self.blocked.pop(0)


class Worker:
    def __init__(self, auxiliary):
        self.auxiliary, self.wakeup_unblock = auxiliary, False

    @waiting_tasks.looking_first
    def run(self, burst=False):
        return self.wakeup_unblock, burst


class Looks(unittest.TestCase):
    def test_a_worker_looks_when_it_starts_unless_it_never_does(self):
        self.assertEqual(Worker(auxiliary=False).run(burst=True), (True, True))
        self.assertEqual(Worker(auxiliary=True).run(), (False, False))

    def test_it_reads_tasks_only_while_one_is_blocked(self):
        looks = waiting_tasks.looking_if(Tasks(False, True, True), lambda worker: worker.pop(0))
        found = [None, True]
        self.assertIs(looks(found), False)
        # None: another worker is at it.
        self.assertIs(looks(found), None)
        self.assertIs(looks(found), True)


if __name__ == "__main__":
    unittest.main()
