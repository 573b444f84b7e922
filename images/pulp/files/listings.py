"""Says quickly that nothing is at a path, and lists directories of many files without stopping everything else.

For a path that is not there Pulp looks whether it is a directory: it joins all content of the repository, half a second for 100,000
files, and everybody else who needs the database waits. Here the index of paths is asked first whether anything lies below it.

A listing of 100,000 files takes Pulp ten seconds, in most of which the process answers nobody. Here its lines are made by a thread
with a connection of its own, one listing at a time, of the same rows and with the same result. They are kept, compressed, beside the
distribution's other answers, and dropped with them. Small listings are Pulp's.

FAST_LISTINGS = False turns it off.
"""

import asyncio
import struct
import sys
import time
import zlib
from bisect import bisect_left
from inspect import signature
from weakref import WeakValueDictionary

# Directories with fewer entries are left to Pulp.
MANY = 2000
# What is written to a client at once.
PIECE = 1 << 18
# No path has it: PostgreSQL's texts cannot.
END = "\0"
# Whether texts are sorted by their bytes, so that the index of paths knows beginnings.
BY_BYTES = """
SELECT datcollate IN ('C', 'POSIX') OR coalesce(to_jsonb(found) ->> 'datlocprovider', '') = 'b'
FROM pg_database AS found WHERE datname = current_database()
"""
# Whether a version has a tenth of all content or more. PostgreSQL takes its content for ten rows, which it would look for one by one.
HAS_MUCH = """
SELECT cardinality(content_ids) * 10 >= (SELECT reltuples FROM pg_class WHERE oid = 'core_contentartifact'::regclass)
FROM core_repositoryversion WHERE pulp_id = %s
"""
TIME = "%d-%b-%Y %H:%M"


def install():
    """To be called where the content app was imported, after cache_changes."""
    from django.conf import settings

    if not getattr(settings, "FAST_LISTINGS", True):
        return
    from pulpcore.content.handler import Handler

    if list(signature(Handler.list_directory).parameters) != ["self", "repo_version", "publication", "path"]:
        raise AttributeError("it lists directories in another way")
    if list(signature(Handler.render_html).parameters) != ["directory_list", "path", "dates", "sizes"]:
        raise AttributeError("it shows directories in another way")
    lists, renders, matches = Handler.list_directory, Handler.render_html, Handler._match_and_stream
    places = Places(settings.CACHE_SETTINGS["EXPIRES_TTL"] if settings.CACHE_ENABLED else None)

    async def list_directory(self, repo_version, publication, path):
        if bool(repo_version) == bool(publication):
            return await lists(self, repo_version, publication, path)
        return await places.list(repo_version, publication, path)

    def render_html(directory_list, path="", dates=None, sizes=None):
        if isinstance(directory_list, Listing):
            raise Big(directory_list, renders([], path=path))
        return renders(directory_list, path=path, dates=dates, sizes=sizes)

    async def _match_and_stream(self, path, request):
        try:
            return await matches(self, path, request)
        except Big as big:
            return await big.send(request)

    Handler.list_directory = list_directory
    Handler.render_html = staticmethod(render_html)
    Handler._match_and_stream = _match_and_stream


class Lines:
    """A directory of many entries: its names, in order, and the line of each."""

    def __init__(self, names, lines):
        self.names, self.lines = names, lines
        self.bytes = (None, b"")

    def with_others(self, others):
        """All lines, with those of names that only a plugin knows of. Who asks for the same has the same bytes."""
        if self.bytes[0] != others:
            names, lines = self.names, self.lines
            if others:
                names, lines = list(names), list(lines)
            for name in others:
                at = bisect_left(names, name)
                if names[at : at + 1] != [name]:
                    names.insert(at, name)
                    lines.insert(at, line(name, "", ""))
            self.bytes = (others, "".join(lines).encode())
        return self.bytes[1]

    def pack(self):
        return zlib.compress(END.join([*self.names, *self.lines]).encode("utf-8", "surrogateescape"), 1)

    @classmethod
    def unpack(cls, packed):
        parts = zlib.decompress(packed).decode("utf-8", "surrogateescape").split(END)
        half = len(parts) // 2
        return cls(parts[:half], parts[half:])


class Listing:
    """What Pulp takes for the set of names."""

    def __init__(self, lines):
        self.lines, self.others = lines, frozenset()

    def update(self, others):
        self.others |= frozenset(others)

    def __bool__(self):
        return True


class Big(Exception):
    """In place of a page: its lines, and the page without any."""

    def __init__(self, listing, page):
        super().__init__("a big listing")
        self.listing, self.page = listing, page

    async def send(self, request):
        from aiohttp import web

        lines, others = self.listing.lines, self.listing.others
        rows = await asyncio.to_thread(lines.with_others, others)
        head, end, tail = self.page.rpartition("</pre>")
        head, tail = head.encode(), (end + tail).encode()
        response = web.StreamResponse(headers={"Content-Type": "text/html; charset=utf-8"})
        response.content_length = len(head) + len(rows) + len(tail)
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(head)
            for at in range(0, len(rows), PIECE):
                await response.write(memoryview(rows)[at : at + PIECE])
            await response.write(tail)
        await response.write_eof()
        return response


class Places:
    """Where listings come from. `lasts` is how many seconds they are kept, `None`: they are not."""

    def __init__(self, lasts):
        self.lasts = lasts
        # Of those that are being sent.
        self.sent = WeakValueDictionary()
        self.turn = asyncio.Lock()
        self.by_bytes = None

    async def list(self, repo_version, publication, path):
        from asgiref.sync import sync_to_async

        if await sync_to_async(self.is_nothing)(repo_version, publication, path):
            return set(), {}, {}
        # What a version or a publication holds does not change.
        key = f"LISTING#{(publication or repo_version).pk}#{path}"
        async with self.turn:
            lines = self.sent.get(key) or await self.kept(key)
            if lines is None:
                found = await sync_to_async(in_thread, thread_sensitive=False)(repo_version, publication, path)
                if not isinstance(found, Lines):
                    return found
                lines = found
                await self.keep(key, lines)
            self.sent[key] = lines
        return Listing(lines), {}, {}

    def is_nothing(self, repo_version, publication, path):
        """Whether nothing in all of Pulp lies below the path. For the root, and without the index, Pulp has to look."""
        from django.db import connection
        from pulpcore.app.models import ContentArtifact

        if publication:
            # Pulp has it from its own listing, and reads it afterwards where it cannot ask the database.
            publication.repository_version  # noqa: B018
        if self.by_bytes is None:
            with connection.cursor() as cursor:
                cursor.execute(BY_BYTES)
                self.by_bytes = cursor.fetchone()[0]
        if not path or not self.by_bytes:
            return False
        if publication and publication.published_artifact.filter(relative_path__startswith=path).exists():
            return False
        passes = repo_version or publication.pass_through
        return not (passes and ContentArtifact.objects.filter(relative_path__startswith=path).exists())

    async def kept(self, key):
        left = self.mark()
        packed = left and await left[0].get(key, base_key=left[1])
        if not packed or struct.unpack("d", packed[:8])[0] < time.time():
            return None
        return await asyncio.to_thread(Lines.unpack, packed[8:])

    async def keep(self, key, lines):
        """For as long as the distribution's other answers, and unless they were dropped since this request began."""
        if left := self.mark():
            from redis.exceptions import RedisError

            cached, base_key, field = left
            packed = struct.pack("d", time.time() + self.lasts) + await asyncio.to_thread(lines.pack)
            try:
                await cached.redis.eval(sys.modules["pulp_cache_changes"].KEEP, 1, base_key, field, key, packed)
            except (RedisError, OSError):
                pass

    def mark(self):
        """The mark that this request has left among the entries of its distribution (cache_changes.py)."""
        changes = sys.modules.get("pulp_cache_changes")
        return changes.mark.get() if changes and self.lasts else None


def in_thread(repo_version, publication, path):
    """In a thread of its own, which has a connection of its own."""
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute(HAS_MUCH, [(repo_version or publication.repository_version).pk])
            if (cursor.fetchone() or [False])[0]:
                # For this connection, which is closed below.
                cursor.execute("SET enable_nestloop = off")
        names, dates, sizes = collect(repo_version, publication, path)
    finally:
        connection.close()
    if len(names) < MANY:
        return names, dates, sizes
    names = sorted(names)
    return Lines(names, [*lines(names, dates, sizes)])


def collect(repo_version, publication, path):
    """Names, dates and sizes as Pulp's list_directory() has them, without an object for each row."""
    from pulpcore.app.models import ContentArtifact, RemoteArtifact

    version = repo_version or publication.repository_version
    places, created, sizes, absent = [], {}, {}, {}
    for rows in rows_of(ContentArtifact, repo_version, publication, version, path):
        for whole, content, when, row, artifact, size in rows:
            name = first_part(whole[len(path) :])
            places.append((content, name))
            if content not in created or created[content] < when:
                created[content] = when
            if not name.endswith("/"):
                if artifact:
                    sizes[name] = size
                else:
                    absent[row] = name
    if places:
        for content, when in version._content_relationships().values_list("content_id", "pulp_created"):
            if content in created:
                created[content] = when
    dates = {}
    for content, name in places:
        when = created[content]
        if name not in dates or dates[name] < when:
            dates[name] = when
    if absent:
        known = RemoteArtifact.objects.filter(content_artifact__in=absent.keys(), size__isnull=False)
        sizes.update((absent[row], size) for row, size in known.values_list("content_artifact_id", "size"))
    return set(dates), dates, sizes


def rows_of(kind, repo_version, publication, version, path):
    """Path, content, time of creation, row, artifact and its size."""
    if publication:
        yield publication.published_artifact.filter(relative_path__startswith=path).values_list(
            "relative_path", "content_artifact__content_id", "pulp_created", "content_artifact_id",
            "content_artifact__artifact_id", "content_artifact__artifact__size",
        )
    if repo_version or publication.pass_through:
        yield kind.objects.filter(content__in=version.content, relative_path__startswith=path).values_list(
            "relative_path", "content_id", "pulp_created", "pk", "artifact_id", "artifact__size"
        )


def first_part(path):
    """A file's name, or a directory's with all slashes that follow."""
    end = path.find("/")
    if end < 0:
        return path
    while path[end : end + 1] == "/":
        end += 1
    return path[:end]


def lines(names, dates, sizes):
    from jinja2.filters import do_filesizeformat

    minutes, formatted = {}, {}
    for name in names:
        date, size = dates.get(name), sizes.get(name)
        if date is not None and (minute := date.timestamp() // 60) not in minutes:
            minutes[minute] = date.strftime(TIME)
        if size is not None and size not in formatted:
            formatted[size] = do_filesizeformat(size)
        yield line(name, "" if date is None else minutes[minute], "" if size is None else formatted[size])


def line(name, date, size):
    from markupsafe import escape

    shown = str(escape(name))
    return f'<a href="./{shown}">{shown}</a>{" " * (100 - len(shown))}{date}  {size}\n'
