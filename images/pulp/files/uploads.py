"""Takes uploads to the API in larger pieces, and reads the next one while the last one is being hashed.

gunicorn reads a body a kilobyte a time, and Pulp hashes it in pieces of 64 kB for each of which it waits: an upload took more than
three times the CPU that its four hashes take.

FAST_UPLOADS = False turns it off.
"""

import io
from concurrent.futures import wait

# What is read at once from nginx.
READ = 1 << 18
# What is hashed and written at once. A request holds three of these, whatever it uploads.
PIECE = 1 << 20


def install():
    """To be called where the API was imported."""
    from django.conf import settings

    if not getattr(settings, "FAST_UPLOADS", True):
        return
    from gunicorn.http import body, unreader
    from pulpcore.app import files, models

    if "threadpool" not in files.HashingFileUploadHandler.new_file.__code__.co_names:
        raise AttributeError("it hashes uploads in another way")
    body.Body.read = read
    if unreader.SocketUnreader.__init__.__defaults__ == (8192,):
        unreader.SocketUnreader.__init__.__defaults__ = (READ,)
    hash_meanwhile(files.HashingFileUploadHandler, models.Artifact.DIGEST_FIELDS)


def read(self, size=None):
    """gunicorn's Body.read(), by more than a kilobyte a time."""
    size = self.getsize(size)
    # What readline() has left.
    data = self.buf.getvalue()
    self.buf = io.BytesIO()
    pieces, held = [data], len(data)
    while held < size:
        data = self.reader.read(min(size - held, READ))
        if not data:
            break
        pieces.append(data)
        held += len(data)
    data = b"".join(pieces)
    self.buf.write(data[size:])
    return data[:size]


def hash_meanwhile(kind, digests):
    """Has this handler of uploads hash a piece while the next one is read. Each hash still gets one piece after the other."""

    def receive_data_chunk(self, raw_data, start):
        finish(self)
        hashers = self.file.hashers
        self.hashing = [self.threadpool.submit(hashers[digest].update, raw_data) for digest in digests]
        self.file.write(raw_data)

    def finish(self):
        for done in wait(getattr(self, "hashing", ())).done:
            done.result()
        self.hashing = ()

    completes = kind.file_complete

    def file_complete(self, file_size):
        if getattr(self, "threadpool", None) is not None:
            finish(self)
            self.threadpool.shutdown()
            self.threadpool = None
        return completes(self, file_size)

    kind.chunk_size = PIECE
    kind.receive_data_chunk = receive_data_chunk
    kind.file_complete = file_complete
