"""Unit tests of images/pulp/files/cache_changes.py: what was dropped while it was made is not kept."""

import sys
import unittest
from contextvars import ContextVar
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/pulp/files"))
import cache_changes  # noqa: E402


class Redis:
    """The hashes, and the one script, which runs as redis would run it."""

    def __init__(self):
        self.hashes = {}

    async def hset(self, base_key, key, value):
        self.hashes.setdefault(base_key, {})[key] = value

    async def expire(self, base_key, seconds):
        pass

    async def eval(self, script, number, base_key, field, key, value):
        assert (script, number) == (cache_changes.KEEP, 1)
        if field in self.hashes.get(base_key, {}):
            await self.hset(base_key, key, value)


class Cache:
    def __init__(self):
        self.redis = Redis()

    async def set(self, key, value, expires=None, base_key=None):
        await self.redis.hset(base_key, key, value)
        await self.redis.expire(base_key, expires)

    async def delete(self, key, base_key):
        self.redis.hashes.get(base_key, {}).pop(key, None)

    set = cache_changes.set_if_marked(set)


class Handler:
    """What Pulp's does: authenticates, makes an answer, and keeps both."""

    def __init__(self, cache, meanwhile):
        self.cache, self.meanwhile = cache, meanwhile

    @classmethod
    async def auth_cached(cls, request, cached, base_key):
        await cached.set("guard", "False", base_key=base_key)

    async def stream_content(self, request):
        await type(self).auth_cached(request, self.cache, "place")
        self.meanwhile(self.cache.redis.hashes)
        await self.cache.set("answer", "old", 600, base_key="place")
        await self.cache.set("answer", "other", 600, base_key="elsewhere")


current = ContextVar("current", default=None)


class Marks(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        leave, self.leave = cache_changes.leave, cache_changes.leave
        self.addCleanup(setattr, cache_changes, "leave", leave)

        async def in_place(cached, base_key, field):
            await cached.redis.hset(base_key, field, "")

        cache_changes.leave = in_place

    async def kept(self, meanwhile):
        class Kind(Handler):
            pass

        cache_changes.leave_marks(Kind, current)
        cache = Cache()
        current.set("read before the mark")
        await Kind(cache, meanwhile).stream_content(None)
        self.assertIsNone(current.get())
        return cache.redis.hashes

    async def test_an_answer_is_kept_and_the_mark_goes(self):
        hashes = await self.kept(lambda hashes: None)
        self.assertEqual(hashes["place"], {"guard": "False", "answer": "old"})

    async def test_an_answer_is_not_kept_if_its_entries_were_dropped_meanwhile(self):
        hashes = await self.kept(lambda hashes: hashes.pop("place"))
        self.assertNotIn("place", hashes)

    async def test_nor_if_somebody_else_has_begun_to_make_one_since(self):
        hashes = await self.kept(lambda hashes: hashes.update(place={cache_changes.MARK + "another": ""}))
        self.assertEqual(list(hashes["place"]), [cache_changes.MARK + "another"])

    async def test_what_no_mark_is_for_is_kept_as_before(self):
        hashes = await self.kept(lambda hashes: None)
        self.assertEqual(hashes["elsewhere"], {"answer": "other"})


class Index(unittest.TestCase):
    def test_a_new_version_drops_the_index_of_flatpak_too(self):
        dropped = []

        class Repository:
            def invalidate_cache(self, everything=False):
                dropped.append(everything)

        class Cache:
            def delete(self, base_key):
                dropped.append(base_key)

        cache_changes.drop_index(Repository, Cache)
        Repository().invalidate_cache(everything=True)
        self.assertEqual(dropped, [True, "/index/static"])


if __name__ == "__main__":
    unittest.main()
