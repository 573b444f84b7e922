"""Unit tests of images/pulp/files/cached_answers.py: what is asked, and what redis may answer."""

import asyncio
import contextlib
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/pulp/files"))
import cached_answers  # noqa: E402


class Redis:
    """Has these values for each HMGET."""

    def __init__(self, *values):
        self.values = list(values)
        self.asked = None

    async def ask(self, commands):
        self.asked = commands
        return self.values


def find(redis, keys=("a/b", "a")):
    return asyncio.run(cached_answers.find(redis, list(keys), ["key", "key@origin"]))


class Found(unittest.TestCase):
    def test_each_directory_above_may_be_the_distributions_and_the_deepest_comes_first(self):
        self.assertEqual(cached_answers.base_keys("a/b/c"), ["a/b", "a"])
        self.assertEqual(cached_answers.base_keys("a/b/", "tenant"), ["tenant:a/b", "tenant:a"])
        self.assertEqual(cached_answers.base_keys("a"), [])

    def test_a_path_of_many_parts_asks_for_few_things(self):
        keys = cached_answers.base_keys("a/" * 4000)
        self.assertEqual((len(keys), keys[-1]), (cached_answers.DEEPEST, "a"))
        self.assertLess(sum(map(len, keys)), 2000)

    def test_an_answer_without_a_guard_is_given_and_the_one_of_this_address_too(self):
        redis = Redis([None, None, None], [b"False", b"entry", None])
        self.assertEqual(find(redis), ("a", b"entry", False))
        self.assertEqual(redis.asked[1], ("HMGET", "a", "DISTRO#GUARD#PRESENT", "key", "key@origin"))
        self.assertEqual(find(Redis([b"False", None, b"its"], [None] * 3)), ("a/b", b"its", False))

    def test_a_guard_or_not_knowing_of_one_is_pulps_business(self):
        for guard in (b"True", b"None"):
            self.assertEqual(find(Redis([guard, b"entry", None], [None] * 3)), ("a/b", None, True))
        self.assertEqual(find(Redis([None, b"entry", None], [None] * 3)), (None, None, False))

    def test_whatever_redis_says_else_is_no_answer(self):
        for values in ([], [None, None], [ValueError("WRONGTYPE"), b"x"], [[b"False", None, None]]):
            self.assertIsNone(find(Redis(*values))[1])


class Replies(unittest.TestCase):
    whole = b"*3\r\n$5\r\nFalse\r\n$-1\r\n$4\r\na\r\nb\r\n-ERR no\r\n"

    def test_a_reply_has_an_end(self):
        value, at = cached_answers.reply(self.whole, 0)
        self.assertEqual(value, [b"False", None, b"a\r\nb"])
        self.assertEqual(cached_answers.reply(self.whole, at), (None, len(self.whole)))

    def test_part_of_a_reply_is_none(self):
        end = self.whole.index(b"-ERR")
        for length in range(end):
            self.assertIsNone(cached_answers.reply(self.whole[:length], 0), length)

    def test_a_command_counts_bytes(self):
        self.assertEqual(cached_answers.command(("GET", "ä")), b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xa4\r\n")
        self.assertIn(b"\xff", cached_answers.command(("GET", "\udcff")))


class Peer:
    """A redis at a socket, which says what it is told, in pieces."""

    def __init__(self, path):
        self.path = path
        self.server = self.writer = self.met_last = None
        self.connections = 0

    async def __aenter__(self):
        self.server = await asyncio.start_unix_server(self.met, self.path)
        return self

    async def __aexit__(self, *_):
        self.server.close()
        if self.met_last:
            self.met_last.cancel()
            await asyncio.wait([self.met_last])

    async def met(self, reader, writer):
        self.connections += 1
        self.met_last = asyncio.current_task()
        self.writer = writer
        with contextlib.suppress(asyncio.CancelledError):
            while what := await reader.read(4096):
                for piece in self.says(what):
                    writer.write(piece)
                    await writer.drain()
        writer.close()

    def says(self, what):
        answer = b"*2\r\n$5\r\nFalse\r\n$%d\r\n" % what.count(b"HMGET") + b"x" * what.count(b"HMGET") + b"\r\n"
        return [answer[:7], answer[7:]] * what.count(b"HMGET")


class Lines(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = f"{directory.name}/socket"
        self.lines = cached_answers.Lines(self.path)

    async def ask(self):
        return await self.lines.ask([("HMGET", "a", "b"), ("HMGET", "c", "d")])

    async def test_pieces_are_put_together_and_a_connection_is_kept(self):
        async with Peer(self.path) as peer:
            for _ in range(3):
                self.assertEqual(await self.ask(), [[b"False", b"xx"]] * 2)
            self.assertEqual(peer.connections, 1)

    async def test_many_at_once_get_their_own_on_one_connection(self):
        async with Peer(self.path) as peer:
            self.assertEqual([len(one) for one in await asyncio.gather(*(self.ask() for _ in range(50)))], [2] * 50)
            self.assertEqual(peer.connections, 1)

    async def test_no_redis_and_one_that_goes_or_talks_nonsense_are_no_answer(self):
        self.assertEqual(await self.ask(), [])
        async with Peer(self.path) as peer:
            peer.says = lambda _: [b"HTTP/1.1 400\r\n"]
            self.assertEqual(await self.ask(), [])
            peer.says = lambda _: peer.writer.close() or []
            self.assertEqual(await self.ask(), [])
            del peer.says
            self.assertEqual(len(await self.ask()), 2)

    async def test_one_that_says_nothing_is_left(self):
        patience, cached_answers.PATIENCE = cached_answers.PATIENCE, 0
        self.addCleanup(setattr, cached_answers, "PATIENCE", patience)
        async with Peer(self.path) as peer:
            peer.says = lambda _: []
            self.assertEqual(await self.ask(), [])


if __name__ == "__main__":
    unittest.main()
