"""Unit tests of images/pulp/files/listings.py: names, lines, and what is kept of them. That pages are Pulp's own is for tests/image."""

import asyncio
import struct
import sys
import time
import types
import unittest
from contextvars import ContextVar
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/pulp/files"))
import listings  # noqa: E402


class Cache:
    """A distribution's entries. `dropped`: what was there when this request began is not there any more."""

    def __init__(self):
        self.redis, self.entries, self.dropped = self, {}, False

    async def get(self, key, base_key=None):
        return self.entries.get((base_key, key))

    async def eval(self, script, number, base_key, field, key, value):
        assert (script, number, field) == ("KEEP", 1, "field")
        if not self.dropped:
            self.entries[base_key, key] = value


def made(*names):
    return listings.Lines(list(names), [f"<{name}>\n" for name in names])


class Names(unittest.TestCase):
    def test_a_directory_has_the_slashes_that_follow(self):
        for path, name in (("a", "a"), ("a/b/c", "a/"), ("a//b", "a//"), ("/a", "/"), ("", ""), ("a\nb/c", "a\nb/")):
            self.assertEqual(listings.first_part(path), name)

    def test_whatever_is_in_a_name_comes_back(self):
        lines = made("", "a b", "ü\n", "\udcff", "z")
        again = listings.Lines.unpack(lines.pack())
        self.assertEqual((again.names, again.lines), (lines.names, lines.lines))

    def test_names_of_a_plugin_are_put_in_their_place_and_none_twice(self):
        lines = made("b", "d")
        with mock.patch.object(listings, "line", lambda name, date, size: f"({name})"):
            self.assertEqual(lines.with_others(frozenset("abe")), b"(a)<b>\n<d>\n(e)")
        self.assertEqual(lines.with_others(frozenset()), b"<b>\n<d>\n")
        self.assertIs(lines.with_others(frozenset()), lines.with_others(frozenset()))


class Kept(unittest.TestCase):
    def setUp(self):
        self.cache = Cache()
        changes = types.SimpleNamespace(KEEP="KEEP", mark=ContextVar("mark", default=(self.cache, "base", "field")))
        errors = types.SimpleNamespace(RedisError=OSError)
        patch = mock.patch.dict(sys.modules, {"pulp_cache_changes": changes, "redis": None, "redis.exceptions": errors})
        patch.start()
        self.addCleanup(patch.stop)

    def kept(self, lasts=600, key="LISTING#1#a/"):
        async def both():
            places = listings.Places(lasts)
            await places.keep("LISTING#1#a/", made("a", "b"))
            return await places.kept(key)

        return asyncio.run(both())

    def test_what_was_kept_is_found_by_its_publication_and_path(self):
        self.assertEqual(self.kept().names, ["a", "b"])
        self.assertIsNone(self.kept(key="LISTING#2#a/"))

    def test_what_was_dropped_while_it_was_made_is_not_kept(self):
        self.cache.dropped = True
        self.assertIsNone(self.kept())

    def test_it_ends_with_its_time_whatever_else_keeps_the_entries(self):
        self.kept()
        (place, packed), = self.cache.entries.items()
        self.cache.entries[place] = struct.pack("d", time.time() - 1) + packed[8:]
        self.assertIsNone(asyncio.run(listings.Places(600).kept("LISTING#1#a/")))

    def test_without_the_cache_nothing_is_kept(self):
        self.assertIsNone(self.kept(lasts=None))
        self.assertEqual(self.cache.entries, {})


if __name__ == "__main__":
    unittest.main()
