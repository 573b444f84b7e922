"""Closes four gaps in which Pulp's cache kept what had been changed, for as long as an entry lives.

- A distribution that moved was served at its old place: Pulp drops the entries of the new one only.
- Pulp drops entries before the change is committed. Whoever asked in between had the old answer kept. They are dropped once more
  when it is.
- An answer that was being made when its entries were dropped was kept afterwards. Now whoever makes one leaves a mark among the
  entries before it looks at the distribution, and the answer is kept if the mark is still there. The same holds for the note that
  there is no guard.
- The index of Flatpak's applications was dropped with a change of a distribution only, and not when one got another application.
"""

import uuid
from contextvars import ContextVar
from functools import wraps

# The mark of this request: the cache that it is in, its base key, and its field.
mark = ContextVar("pulp_cache_mark", default=None)
MARK = "MAKING#"
# HSET, if the mark is there.
KEEP = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
return redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
"""
# Seconds after which a mark goes whose process was killed.
LONGEST = 3600


def install():
    """To be called where Pulp was imported."""
    from django.conf import settings

    if not settings.CACHE_ENABLED:
        return
    from pulpcore.app.models import Distribution, Repository
    from pulpcore.cache import AsyncContentCache, Cache
    from pulpcore.content import handler

    leave_marks(handler.Handler, handler._current_distribution)
    AsyncContentCache.set = set_if_marked(AsyncContentCache.set)
    drop_when_committed(Distribution)
    if getattr(settings, "FLATPAK_INDEX", False):
        drop_index(Repository, Cache)


def drop_index(kind, cache):
    """Pulp calls this of a repository when a new version of it is committed."""
    invalidates = kind.invalidate_cache

    @wraps(invalidates)
    def invalidate_cache(self, *args, **kwargs):
        invalidates(self, *args, **kwargs)
        cache().delete(base_key="/index/static")

    kind.invalidate_cache = invalidate_cache


def drop_when_committed(kind):
    from django.db import transaction
    from pulpcore.app.util import cache_key
    from pulpcore.cache import Cache

    invalidates = kind.invalidate_cache

    # Pulp finds its hooks by what they are marked with, which is copied.
    @wraps(invalidates)
    def invalidate_cache(self):
        invalidates(self)
        places = {self.base_path, self.initial_value("base_path") or self.base_path}
        keys = cache_key(sorted(places))
        transaction.on_commit(lambda: Cache().delete(base_key=keys))

    kind.invalidate_cache = invalidate_cache


def leave_marks(kind, current_distribution):
    authenticates, streams = kind.auth_cached.__func__, kind.stream_content

    async def auth_cached(kind, request, cached, base_key):
        field = MARK + uuid.uuid4().hex
        await leave(cached, base_key, field)
        mark.set((cached, base_key, field))
        # It may have been read before the mark was there.
        current_distribution.set(None)
        return await authenticates(kind, request, cached, base_key)

    # A request has a context of its own, so the mark is that of this one.
    async def stream_content(self, request):
        try:
            return await streams(self, request)
        finally:
            if left := mark.get():
                cached, base_key, field = left
                await cached.delete(field, base_key)

    kind.auth_cached = classmethod(auth_cached)
    kind.stream_content = stream_content


async def leave(cache, base_key, field):
    from redis.exceptions import RedisError

    try:
        pipeline = cache.redis.pipeline(transaction=True)
        pipeline.hset(base_key, field, "")
        # Entries that are there go when they would have gone.
        pipeline.expire(base_key, LONGEST, nx=True)
        await pipeline.execute()
    except (RedisError, OSError):
        pass  # nothing will be kept


def set_if_marked(sets):
    """AsyncCache.set(), which keeps what a mark was left for. Under which key is for `sets` to say."""

    @wraps(sets)
    async def set_(self, key, value, expires=None, base_key=None):
        left = mark.get()
        keeper = self if left is None or left[1] != base_key else Keeper(self.redis, left[2])
        return await sets(keeper, key, value, expires=expires, base_key=base_key)

    return set_


class Keeper:
    """What `set` needs of a cache and of its redis."""

    def __init__(self, redis, field):
        self.redis = self
        self.real, self.field = redis, field

    async def hset(self, base_key, key, value):
        return await self.real.eval(KEEP, 1, base_key, self.field, key, value)

    async def expire(self, base_key, seconds):
        return await self.real.expire(base_key, seconds)
