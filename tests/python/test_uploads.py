"""Unit tests of images/pulp/files/uploads.py: a body is read whole, and its hashes are right."""

import hashlib
import io
import os
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/pulp/files"))
import uploads  # noqa: E402


class Body:
    """What gunicorn's Body has that matters here. Its reader gives at most 100 bytes a time."""

    read = uploads.read

    def __init__(self, data):
        source = io.BytesIO(data)
        self.reader = SimpleNamespace(read=lambda size: source.read(min(size, 100)))
        self.buf = io.BytesIO()

    def getsize(self, size):
        return sys.maxsize if size is None or size < 0 else size

    def readline_has_left(self, data):
        self.buf.write(data)


class Read(unittest.TestCase):
    data = os.urandom(1234)

    def test_a_body_is_read_whole_in_any_pieces(self):
        for size in (1, 7, 100, 101, 1233, 1234, 5000, None):
            body, pieces = Body(self.data), []
            while piece := body.read(size):
                pieces.append(piece)
            self.assertEqual(b"".join(pieces), self.data, size)
            self.assertTrue(all(len(piece) == size for piece in pieces[:-1]), size)

    def test_nothing_is_asked_for_nothing_and_what_was_read_ahead_comes_first(self):
        body = Body(self.data)
        body.readline_has_left(b"ahead")
        self.assertEqual([body.read(0), body.read(2), body.read(5)], [b"", b"ah", b"ead" + self.data[:2]])


class Handler:
    """What Pulp's handler of uploads has that matters here."""

    def __init__(self):
        self.file = io.BytesIO()
        self.file.hashers = None

    def new_file(self):
        self.file = SimpleNamespace(hashers={"sha256": hashlib.sha256(), "sha512": hashlib.sha512()}, wrote=b"")
        self.file.write = self.write
        self.threadpool = ThreadPoolExecutor(max_workers=6)

    def write(self, data):
        self.file.wrote += data

    def file_complete(self, size):
        return self.file.wrote, size


class Hashed(unittest.TestCase):
    def setUp(self):
        class Kind(Handler):
            pass

        uploads.hash_meanwhile(Kind, ["sha256", "sha512"])
        self.handler = Kind()

    def test_hashes_are_those_of_the_whole_file_and_all_of_it_is_written_in_order(self):
        data = os.urandom(5_000_000)
        self.handler.new_file()
        for start in range(0, len(data), 70_000):
            self.handler.receive_data_chunk(data[start : start + 70_000], start)
        self.assertEqual(self.handler.file_complete(len(data)), (data, len(data)))
        for name, hasher in self.handler.file.hashers.items():
            self.assertEqual(hasher.hexdigest(), hashlib.new(name, data).hexdigest())

    def test_the_next_file_of_a_request_has_hashes_of_its_own_and_a_form_without_one_ends_as_before(self):
        self.assertEqual(self.handler.__class__.file_complete.__name__, "file_complete")
        for text in (b"one", b"two"):
            self.handler.new_file()
            self.handler.receive_data_chunk(text, 0)
            self.handler.file_complete(3)
            self.assertEqual(self.handler.file.hashers["sha256"].hexdigest(), hashlib.sha256(text).hexdigest())

    def test_a_hash_that_fails_fails_the_upload(self):
        self.handler.new_file()
        self.handler.file.hashers["sha256"] = SimpleNamespace(update=lambda data: 1 / 0)
        self.handler.receive_data_chunk(b"x", 0)
        with self.assertRaises(ZeroDivisionError):
            self.handler.file_complete(1)


if __name__ == "__main__":
    unittest.main()
