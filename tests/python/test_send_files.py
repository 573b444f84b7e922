"""Unit tests of images/pulp/files/send_files.py: which file is named, and when."""

import asyncio
import os
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/pulp/files"))
import send_files  # noqa: E402


def request(sockname):
    return SimpleNamespace(transport=SimpleNamespace(get_extra_info=lambda name: {"sockname": sockname}[name]))


class Response:
    """What aiohttp's StreamResponse and FileResponse have that matters here."""

    def __init__(self, path):
        self._path = Path(path)
        self.headers = {"ETag": "x"}
        self.content_length = None

    async def prepare(self, request):
        self.sent_by = type(self).__name__


class FileResponse(Response):
    async def prepare(self, request):
        self.sent_by = "python"


class Named(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = os.path.join(directory.name, "media", "")
        os.makedirs(self.root + "artifact/ab", mode=0o755)
        self.path = self.root + "artifact/ab/c d"
        Path(self.path).write_bytes(b"x")
        os.chmod(self.path, 0o644)

    def named(self, path=None):
        return send_files.named("/_x/", self.root, path or self.path)

    def test_a_file_below_the_root_has_the_location_and_is_quoted(self):
        self.assertEqual(self.named(), "/_x/artifact/ab/c%20d")

    def test_a_file_elsewhere_is_not_named(self):
        self.assertIsNone(self.named("/etc/passwd"))
        self.assertIsNone(self.named(self.root[:-1] + "x/a"))

    def test_what_others_may_not_read_or_reach_is_not_named(self):
        os.chmod(self.path, 0o640)
        self.assertIsNone(self.named())
        os.chmod(self.path, 0o644)
        os.chmod(self.root + "artifact", 0o750)
        self.assertIsNone(self.named())

    def test_a_missing_file_is_left_to_python(self):
        self.assertIsNone(self.named(self.root + "artifact/ab/missing"))

    def respond(self, sockname, path=None):
        web = SimpleNamespace(FileResponse=FileResponse, StreamResponse=Response)
        response = FileResponse(path or self.path)
        asyncio.run(send_files.preparer(web, "/_x/", self.root)(response, request(sockname)))
        return response

    def test_only_what_came_through_nginx_is_answered_with_a_name(self):
        response = self.respond(send_files.SOCKET)
        self.assertEqual(response.headers, {"ETag": "x", "X-Accel-Redirect": "/_x/artifact/ab/c%20d"})
        self.assertEqual((response.content_length, response.sent_by), (0, "FileResponse"))
        for other in (("127.0.0.1", 24816), "/run/other", ""):
            response = self.respond(other)
            self.assertEqual((response.sent_by, response.headers), ("python", {"ETag": "x"}))

    def test_what_cannot_be_named_is_sent_by_python(self):
        self.assertEqual(self.respond(send_files.SOCKET, "/etc/passwd").sent_by, "python")


if __name__ == "__main__":
    unittest.main()
