"""Says quickly that nothing is at a path, and lists directories of many files without stopping everything else.

For a path that is not there Pulp looks whether it is a directory: it joins all content of the repository, half a second for 100,000
files, and everybody else who needs the database waits. Here the index of paths is asked first whether anything lies below it.

A listing of 100,000 files takes Pulp ten seconds, in most of which the process answers nobody. Here PostgreSQL makes its lines, asked by
a thread with a connection of its own, one listing at a time, of the same rows and with the same result. They are kept, compressed, beside
the distribution's other answers, and dropped with them. Small listings are Pulp's.

FAST_LISTINGS = False turns it off.
"""

import asyncio
import html
import re
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
# The entries of a directory with their dates and sizes, as Pulp's list_directory() finds them. Of these, if they are many, the lines that
# its render_html() makes. A date is that of the content's place in the version; a size is that of the file, or what a remote says of it.
ENTRIES = """
WITH found AS MATERIALIZED (
    SELECT content, created, entry, artifact, size, substr(whole, char_length(%s) + 1) AS below FROM ({rows}) AS rows
), named AS (
    SELECT *, CASE strpos(below, '/') WHEN 0 THEN below ELSE substring(below FROM '^[^/]*/+') END AS name FROM found
), placed AS (
    SELECT content, coalesce(min(places.created), max(rows.created)) AS created
    FROM found AS rows LEFT JOIN ({places}) AS places(content, created) USING (content) GROUP BY content
), entries AS (
    SELECT name, max(placed.created) AS created, coalesce(
        max(CASE WHEN artifact IS NULL AND right(name, 1) <> '/' THEN ({remote}) END),
        max(size) FILTER (WHERE right(name, 1) <> '/')
    ) AS size FROM named JOIN placed USING (content) GROUP BY name
), shown AS (
    SELECT *, replace(replace(replace(replace(replace(
        name, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&#34;'), '''', '&#39;') AS text FROM entries
)
SELECT count(*),
    CASE WHEN count(*) >= %s THEN string_agg(
        '<a href="./' || text || '">' || text || '</a>' || repeat(' ', 100 - char_length(text))
        || to_char(created AT TIME ZONE 'UTC', 'DD-Mon-YYYY HH24:MI') || '  ' || {size} || chr(10), '' ORDER BY name COLLATE "C"
    ) END,
    CASE WHEN count(*) < %s THEN array_agg(name) END,
    CASE WHEN count(*) < %s THEN array_agg(created) END,
    CASE WHEN count(*) < %s THEN array_agg(size) END
FROM shown
"""
# A size as Jinja's filesizeformat says it; to_char() rounds a float as printf(3) does.
UNITS = ("kB", "MB", "GB", "TB", "PB")
SIZE = " ".join(
    ["CASE WHEN size IS NULL THEN '' WHEN size = 1 THEN '1 Byte' WHEN size < 1000 THEN size || ' Bytes'"]
    + [
        f"WHEN size::float8 < 1e{3 * power + 6}::float8 THEN to_char(1000 * size::float8 / 1e{3 * power + 6}, 'FM9990.0') || ' {unit}'"
        for power, unit in enumerate(UNITS)
    ]
    + ["ELSE to_char(1000 * size::float8 / 1e21, 'FM9990.0') || ' EB' END"]
)
# Where a line begins, and its name; no name has a quotation mark when it is shown.
LINE = re.compile('<a href="./([^"]*)">')


def install():
    """To be called where the content app was imported, after cache_changes."""
    from django.conf import settings

    if not getattr(settings, "FAST_LISTINGS", True):
        return
    from pulpcore.app.models import RepositoryVersion
    from pulpcore.content.handler import Handler

    if list(signature(Handler.list_directory).parameters) != ["self", "repo_version", "publication", "path"]:
        raise AttributeError("it lists directories in another way")
    if list(signature(Handler.render_html).parameters) != ["directory_list", "path", "dates", "sizes"]:
        raise AttributeError("it shows directories in another way")
    # Galaxy's pulpcore has other links, and keeps what a version holds in another table.
    if line_of(Handler) != line("&") or not hasattr(RepositoryVersion, "content_ids"):
        raise AttributeError("its directories look otherwise, or are kept in another way")
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
    """The lines of a directory of many entries, in order."""

    def __init__(self, rows):
        self.rows = rows
        # The last others that were asked for, and the lines with them.
        self.last = (frozenset(), rows)

    def with_others(self, others):
        """All lines, with those of names that only a plugin knows of. Who asks for the same has the same bytes."""
        if self.last[0] != others:
            text = self.rows.decode()
            found = list(LINE.finditer(text))
            names = [html.unescape(match[1]) for match in found]
            ends = [match.start() for match in found[1:]] + [len(text)]
            rows = [text[match.start() : end] for match, end in zip(found, ends, strict=True)]
            for name in others:
                at = bisect_left(names, name)
                if names[at : at + 1] != [name]:
                    names.insert(at, name)
                    rows.insert(at, line(name))
            self.last = (others, "".join(rows).encode())
        return self.last[1]

    def pack(self):
        return zlib.compress(self.rows, 1)

    @classmethod
    def unpack(cls, packed):
        return cls(zlib.decompress(packed))


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
        key = f"LINES#{(publication or repo_version).pk}#{path}"
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
    from django.db import connection, transaction

    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(HAS_MUCH, [(repo_version or publication.repository_version).pk])
            # Until the end of the transaction: a pooler may give what is set for a session to others.
            if (cursor.fetchone() or [False])[0]:
                cursor.execute("SET LOCAL enable_nestloop = off")
            cursor.execute("SET LOCAL jit = off")
            # Each step of the query may take as much, and twice as much for a table of hashes.
            cursor.execute("SET LOCAL work_mem = '32MB'")
            return entries(repo_version, publication, path, MANY)
    finally:
        connection.close()


def entries(repo_version, publication, path, many):
    """Lines, or, of fewer entries than `many`, names, dates and sizes as Pulp's list_directory() has them."""
    from django.core.exceptions import EmptyResultSet
    from django.db import connection
    from pulpcore.app.models import RemoteArtifact

    rows, parameters = [], [path]
    for queryset in rows_of(repo_version, publication, path):
        try:
            sql, own = queryset.order_by().query.sql_with_params()
        except EmptyResultSet:
            continue
        rows.append(f"SELECT * FROM ({sql}) AS part(whole, content, created, entry, artifact, size)")
        parameters += own
    if not rows:
        return set(), {}, {}
    version = repo_version or publication.repository_version
    places = version._content_relationships().order_by().values_list("content_id", "pulp_created")
    places, own = places.query.sql_with_params()
    remote = f"SELECT max(size) FROM {RemoteArtifact._meta.db_table} WHERE content_artifact_id = entry"
    sql = ENTRIES.replace("{size}", SIZE).replace("{remote}", remote)
    sql = sql.replace("{rows}", " UNION ALL ".join(rows)).replace("{places}", places)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, *own, many, many, many, many])
        count, lines, names, dates, sizes = cursor.fetchone()
    if count >= many:
        return Lines((lines or "").encode())
    if not count:
        return set(), {}, {}
    known = {name: size for name, size in zip(names, sizes, strict=True) if size is not None}
    return set(names), dict(zip(names, dates, strict=True)), known


def rows_of(repo_version, publication, path):
    """Path, content, time of creation, row, artifact and its size."""
    from pulpcore.app.models import ContentArtifact

    version = repo_version or publication.repository_version
    if publication:
        yield publication.published_artifact.filter(relative_path__startswith=path).values_list(
            "relative_path", "content_artifact__content_id", "pulp_created", "content_artifact_id",
            "content_artifact__artifact_id", "content_artifact__artifact__size",
        )
    if repo_version or publication.pass_through:
        yield ContentArtifact.objects.filter(content__in=version.content, relative_path__startswith=path).values_list(
            "relative_path", "content_id", "pulp_created", "pk", "artifact_id", "artifact__size"
        )


def line_of(handler):
    """The line that Pulp makes of a name alone."""
    lines = handler.render_html(["&"], path="/").rpartition("</pre>")[0]
    return "<a" + lines.rpartition("\n<a")[2]


def line(name):
    """Of what only a plugin knows of there is neither date nor size."""
    from markupsafe import escape

    shown = str(escape(name))
    return f'<a href="./{shown}">{shown}</a>{" " * (100 - len(shown))}  \n'
