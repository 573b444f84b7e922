"""Gives the answers that Pulp's cache holds by the shortest way.

Before Pulp gives such an answer it asks the database for the domain, has Django find out who makes the request, and asks redis
three times: of which distribution the path is, whether that has a guard, and for the answer. All of this is in redis, and the
user does not matter where there is no guard. So redis is asked once, before anything else, and what it does not know takes
Pulp's way. Entries are Pulp's, made and dropped by Pulp: a change is seen as soon as Pulp has dropped them.

Pulp's way is long, and when an entry has been dropped everybody would take it at once. So whoever asks for what somebody else
is asking for already waits until that one's answer begins, and then looks again, once.

CACHED_ANSWERS_FIRST = False turns it off.
"""

import asyncio
import os
import sys
from collections import deque
from inspect import signature

# Where a request has its answer until it gets to Pulp's handler: what lies between them, such as metrics, sees all requests.
ANSWER = "pulp-cached-answer"
# Under which Pulp keeps, beside a distribution's answers, whether it has a guard.
GUARD = "DISTRO#GUARD#PRESENT"
# The redis of this container, as the settings name it.
SOCKET = "/run/redis/redis.sock"
OURS = f"unix://{SOCKET}?db=0"
# Seconds that it may take to answer.
PATIENCE = 5
# Seconds that a request waits for another one of the same answer.
OTHERS = 5
# Parts of the base path of a distribution that is looked for.
DEEPEST = 30
# Where a request has the future for which others wait.
LEADS = "pulp-cached-answer-leads"


def install():
    """To be called where the content app was imported."""
    from aiohttp import web
    from django.conf import settings

    if not settings.CACHE_ENABLED or not getattr(settings, "CACHED_ANSWERS_FIRST", True):
        return
    from pulpcore import content
    from pulpcore.cache import AsyncContentCache
    from pulpcore.content.handler import Handler
    from pulpcore.metrics import artifacts_size_counter

    authenticates, streams = content.authenticate, Handler.stream_content
    place = content.app.middlewares.index(authenticates)
    if "request" not in signature(AsyncContentCache.make_response).parameters:
        raise AttributeError("its cache does not look at the request")
    cache = AsyncContentCache()
    redis = Lines(SOCKET) if settings.REDIS_URL == OURS else Library(cache.redis)

    class Entry(AsyncContentCache):
        """An entry that was read already, to be made an answer of as Pulp does it."""

        def __init__(self, text):
            self.redis = cache.redis
            self.text = text

        async def get(self, key, base_key=None):
            return self.text

    leaders = {}

    async def kept(request, key):
        """The answer, or `None`; and whether it is worth to wait for one."""
        domain = request.match_info["pulp_domain"] if settings.DOMAIN_ENABLED else None
        base_key, text, guarded = await find(redis, base_keys(request.match_info["path"], domain), [key, *of_address(key)])
        return (await Entry(text).make_response(key, base_key, request) if text else None), not guarded

    @web.middleware
    async def authenticate(request, handler):
        if getattr(request.match_info.handler, "__func__", None) is not stream_content:
            return await authenticates(request, handler)
        key = cache.make_key(request)
        answer, worth = await kept(request, key)
        if answer is None and worth and key in leaders:
            await asyncio.wait([leaders[key]], timeout=OTHERS)
            answer, _ = await kept(request, key)
        if answer is not None:
            request[ANSWER] = answer
            return await handler(request)
        if not worth or key in leaders:
            return await authenticates(request, handler)
        leaders[key] = request[LEADS] = asyncio.get_running_loop().create_future()
        try:
            return await authenticates(request, handler)
        finally:
            del leaders[key]
            await begins(request)

    async def begins(request, response=None):
        """Of an answer that is streamed, such as of a file that is still being fetched, others need not await the end."""
        leads = request.get(LEADS)
        if leads is not None and not leads.done():
            leads.set_result(None)

    async def stream_content(self, request):
        answer = request.get(ANSWER)
        if answer is None:
            return await streams(self, request)
        if size := answer.headers.get("X-PULP-ARTIFACT-SIZE"):
            artifacts_size_counter.add(size)
        if isinstance(answer, web.HTTPException):
            raise answer
        return answer

    content.app.on_response_prepare.append(begins)
    content.app.middlewares[place] = authenticate
    Handler.stream_content = stream_content


def of_address(key):
    """Under which an answer is kept that holds the address of the request (request_origin.py)."""
    origin = sys.modules.get("pulp_request_origin")
    own = origin.of_address(key) if origin else None
    return [own] if own else []


def base_keys(path, domain=None):
    """What answers for a path may be kept under: the base path of its distribution is one of the directories above it. A client
    chooses how many there are, so those farther down than DEEPEST take Pulp's way."""
    keys = []
    while (path := os.path.split(path)[0]).lstrip("/"):
        keys.append(f"{domain}:{path}" if domain else path)
    return keys[-DEEPEST:]


async def find(redis, base_keys, keys):
    """The base key and the entry of an answer that is for everybody, if there is one; and whether there is a guard."""
    found = await redis.ask([("HMGET", base_key, GUARD, *keys) for base_key in base_keys])
    for base_key, values in zip(base_keys, found):
        # Of each hash, guard and entries are of the same moment.
        if isinstance(values, list) and values[0] is not None:
            entry = next(filter(None, values[1:]), None) if values[0] == b"False" else None
            return base_key, entry, values[0] != b"False"
    return None, None, False


class Library:
    """A redis that may be anywhere and want a password, by the library that Pulp uses."""

    def __init__(self, redis):
        self.redis = redis

    async def ask(self, commands):
        from redis.exceptions import RedisError

        pipeline = self.redis.pipeline(transaction=False)
        for words in commands:
            pipeline.execute_command(*words)
        try:
            return await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError):
            return []


class Lines:
    """The redis of this container: one connection, which is made anew when it has gone."""

    def __init__(self, path):
        self.path = path
        self.line = None
        self.connecting = asyncio.Lock()

    async def ask(self, commands):
        try:
            if self.has_gone():
                await self.connect()
            return await self.line.ask(commands)
        except OSError:
            return []

    def has_gone(self):
        return self.line is None or self.line.transport is None

    async def connect(self):
        async with self.connecting:
            if self.has_gone():  # nobody else has done it meanwhile
                _, self.line = await asyncio.get_running_loop().create_unix_connection(Line, self.path)


class Line(asyncio.Protocol):
    """A connection on which requests follow each other without waiting. It does no more than is needed here, which is why it
    costs a tenth of the library's."""

    def __init__(self):
        self.transport = None
        self.buffer = b""
        # For each request its future, its replies so far, and how many there will be.
        self.waiting = deque()

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        self.transport = None
        for future, *_ in self.waiting:
            if not future.done():
                future.set_exception(error if isinstance(error, OSError) else ConnectionError("redis has gone"))
        self.waiting.clear()

    def data_received(self, data):
        self.buffer += data
        at = 0
        try:
            while self.waiting and (found := reply(self.buffer, at)):
                value, at = found
                self.give(value)
        except (ValueError, IndexError):
            self.transport.abort()
        self.buffer = self.buffer[at:]

    def give(self, value):
        future, replies, number = self.waiting[0]
        replies.append(value)
        if len(replies) == number:
            self.waiting.popleft()
            if not future.done():
                future.set_result(replies)

    async def ask(self, commands):
        if not commands:
            return []
        if self.transport is None:
            raise ConnectionError("redis has gone")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.waiting.append((future, [], len(commands)))
        self.transport.write(b"".join(command(words) for words in commands))
        timer = loop.call_later(PATIENCE, self.transport.abort)
        try:
            return await future
        finally:
            timer.cancel()


def command(words):
    """As redis reads it: https://redis.io/docs/latest/develop/reference/protocol-spec/."""
    words = [word.encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def reply(buffer, at):
    """The reply that begins there, and where it ends; `None` if more of it is to come. An error is `None` in its place."""
    end = buffer.find(b"\r\n", at)
    if end < 0:
        return None
    kind, rest, after = buffer[at : at + 1], buffer[at + 1 : end], end + 2
    if kind == b"$":
        length = int(rest)
        if length < 0:
            return None, after
        return (buffer[after : after + length], after + length + 2) if len(buffer) >= after + length + 2 else None
    if kind == b"*":
        values = []
        for _ in range(int(rest)):
            if (found := reply(buffer, after)) is None:
                return None
            value, after = found
            values.append(value)
        return values, after
    if kind == b"-":
        return None, after
    raise ValueError(f"redis said {kind!r}")
