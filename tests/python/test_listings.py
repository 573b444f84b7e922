"""Unit tests of images/pulp/files/listings.py: names, lines, and what is kept of them. That pages are Pulp's own is for tests/image."""

import asyncio
import html
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
    return listings.Lines("".join(map(listings.line, names)).encode())


class Names(unittest.TestCase):
    def setUp(self):
        # The library that Pulp has for it, which is not on each machine with the tests.
        known = types.SimpleNamespace(escape=lambda text: html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))
        patch = mock.patch.dict(sys.modules, {"markupsafe": known})
        patch.start()
        self.addCleanup(patch.stop)

    def test_whatever_is_in_a_line_comes_back(self):
        lines = made("", "a b", "ü\n", "&amp; 'x'", '"z">')
        self.assertEqual(listings.Lines.unpack(lines.pack()).rows, lines.rows)

    def test_names_of_a_plugin_are_put_in_their_place_and_none_twice(self):
        for names in ("bd", ["b\n", "d<a href='./c'>", 'e"&#34;']):
            lines = made(*names)
            self.assertEqual(lines.with_others(frozenset([*names, "a", "c", "z"])), made(*sorted({*names, "a", "c", "z"})).rows)
            self.assertEqual(lines.with_others(frozenset()), lines.rows)
            self.assertIs(lines.with_others(frozenset()), lines.with_others(frozenset()))


class OtherPulps(unittest.TestCase):
    def handler(self, links):
        """A Pulp that shows names with such links."""

        def page(names, path="", dates=None, sizes=None):
            rows = "".join(f'<a href="{links}{html.escape(name)}">{html.escape(name)}</a>{" " * 95}  \n' for name in names)
            return f'<pre><a href="../">../</a>\n{rows}</pre>'

        return types.SimpleNamespace(render_html=page)

    def test_a_pulp_with_other_links_is_known(self):
        markup = types.SimpleNamespace(escape=html.escape)
        with mock.patch.dict(sys.modules, {"markupsafe": markup}):
            self.assertEqual(listings.line_of(self.handler("./")), listings.line("&"))
            self.assertNotEqual(listings.line_of(self.handler("")), listings.line("&"))


class Kept(unittest.TestCase):
    def setUp(self):
        self.cache = Cache()
        changes = types.SimpleNamespace(KEEP="KEEP", mark=ContextVar("mark", default=(self.cache, "base", "field")))
        errors = types.SimpleNamespace(RedisError=OSError)
        patch = mock.patch.dict(sys.modules, {"pulp_cache_changes": changes, "redis": None, "redis.exceptions": errors})
        patch.start()
        self.addCleanup(patch.stop)

    def kept(self, lasts=600, key="LINES#1#a/"):
        async def both():
            places = listings.Places(lasts)
            await places.keep("LINES#1#a/", listings.Lines(b"a and b"))
            return await places.kept(key)

        return asyncio.run(both())

    def test_what_was_kept_is_found_by_its_publication_and_path(self):
        self.assertEqual(self.kept().rows, b"a and b")
        self.assertIsNone(self.kept(key="LINES#2#a/"))

    def test_what_was_dropped_while_it_was_made_is_not_kept(self):
        self.cache.dropped = True
        self.assertIsNone(self.kept())

    def test_it_ends_with_its_time_whatever_else_keeps_the_entries(self):
        self.kept()
        (place, packed), = self.cache.entries.items()
        self.cache.entries[place] = struct.pack("d", time.time() - 1) + packed[8:]
        self.assertIsNone(asyncio.run(listings.Places(600).kept("LINES#1#a/")))

    def test_without_the_cache_nothing_is_kept(self):
        self.assertIsNone(self.kept(lasts=None))
        self.assertEqual(self.cache.entries, {})


if __name__ == "__main__":
    unittest.main()
