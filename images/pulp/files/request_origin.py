"""Has addresses in Pulp's answers follow the request: the scheme, the name and the port that the client used.

Pulp takes addresses from settings, which have to be told how a container is published: TOKEN_SERVER, CONTENT_ORIGIN and
others. This app of Django's answers with the request's address wherever such a setting was left alone. What the user
says wins: CONTENT_ORIGIN and the others as they are, PULP_HOSTNAME in the name and PULP_PORT in the port.

nginx has made sure of `Host` and `X-Forwarded-Proto`: they are the client's, or those of a proxy that is trusted. A
client that lies about its `Host` gets answers with that name, and nobody else does: an answer for which the address was
looked at is kept in Pulp's cache for that address alone.

Outside of a request, such as in a task, each setting is what it is without this app.
"""

import ipaddress
import os
import re
import socket
from contextvars import ContextVar
from urllib.parse import urlsplit

from django.apps import AppConfig, apps

# What is made of the address, for each setting.
SETTINGS = {
    "CONTENT_ORIGIN": "{origin}",
    "TOKEN_SERVER": "{origin}/token/",
    "ANSIBLE_API_HOSTNAME": "{origin}",
    "ANSIBLE_CONTENT_HOSTNAME": "{origin}{content}",
    "PYPI_API_HOSTNAME": "{origin}",
}
# As Django checks it: a name or an address, and a port.
HOST = re.compile(r"([a-z0-9.-]+|\[[a-f0-9:.]+\])(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
USUAL_PORTS = {"http": "80", "https": "443"}
# Those of gunicorn; `pulp-setup` sets the variable where the proxy is not in this container.
LOOPBACK = "127.0.0.1,::1"

# The request that is being answered.
current = ContextVar("request_origin", default=None)


class Request:
    """The address that it was made at, and whether that was looked at: the answer may hold it then."""

    def __init__(self, origin):
        self.origin = origin
        self.used = False


class Rules:
    """What of an address the user has decided."""

    def __init__(self, environment):
        # Galaxy's image calls them by its own name.
        names = environment.get("PULP_HOSTNAME") or environment.get("GALAXY_HOSTNAME") or ""
        self.names = [plain(name) for name in names.split(",") if name.strip()]
        port = (environment.get("PULP_PORT") or environment.get("GALAXY_PORT") or "").strip()
        # Kubernetes sets it, too: to a URL.
        self.port = str(int(port)) if port.isascii() and port.isdigit() else None

    def origin(self, scheme, host):
        """`scheme://name[:port]`; `None` if that host is none."""
        found = HOST.fullmatch(host or "")
        if not found or scheme not in USUAL_PORTS:
            return None
        name, port = plain(found[1]), self.port or found[2]
        if self.names and name not in self.names:
            name = self.names[0]
        shown = f"[{name}]" if ":" in name else name
        return f"{scheme}://{shown}" + (f":{port}" if port and port != USUAL_PORTS[scheme] else "")


def plain(name):
    """A name or an address, written in the one way in which all of them are compared."""
    name = name.strip().strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


class Addresses:
    """The settings that follow requests."""

    def __init__(self, settings, rules):
        self.rules = rules
        self.content = settings.CONTENT_PATH_PREFIX.rstrip("/")
        self.plain = {name: getattr(settings, name, None) for name in SETTINGS}
        self.following = {name for name in SETTINGS if self.is_left_alone(settings, name)}
        # What the user says of it holds for the others that were left alone, everywhere.
        told = self.plain["CONTENT_ORIGIN"]
        self.told = None if "CONTENT_ORIGIN" in self.following else told.rstrip("/")

    def is_left_alone(self, settings, name):
        """Whether nobody has set it: it is not there, ours, or the plugin's own default."""
        value = self.plain[name]
        ours = getattr(settings, "REQUEST_ORIGIN_DEFAULTS", None) or {}
        if not value or value == ours.get(name):
            return True
        if name == "ANSIBLE_CONTENT_HOSTNAME":
            return value == f"{self.plain['CONTENT_ORIGIN']}/pulp/content"
        return value == "https://" + socket.getfqdn()

    def value(self, name):
        """`None`: it is as without us."""
        if name not in self.following:
            return None
        origin = self.told or looked_at()
        if origin is None:
            return None
        return SETTINGS[name].format(origin=origin, content=self.content)

    def moved(self, url):
        """A URL that was made of one of these settings before there was a request."""
        if "PYPI_API_HOSTNAME" not in self.following:
            return url
        origin = self.told or looked_at()
        if origin is None:
            return url
        at = urlsplit(url)
        before = f"{at.scheme}://{at.netloc}" if at.netloc else ""
        known = before in ("", self.plain["PYPI_API_HOSTNAME"], self.plain["CONTENT_ORIGIN"])
        return origin + url[len(before) :] if known else url


def looked_at():
    """The address of this request, if there is one."""
    request = current.get()
    if request is None:
        return None
    request.used = True
    return request.origin


class RequestOrigin(AppConfig):
    name = "pulp_request_origin"

    def ready(self):
        from django.conf import settings

        rules = Rules(os.environ)
        addresses = Addresses(settings, rules)
        for kind in {type(settings), django_settings()}:
            follow(kind, addresses)
        listen_to_django(rules)
        listen_to_aiohttp(rules)
        keep_caches_apart()
        if apps.is_installed("pulp_python.app"):
            follow_in_pulp_python(addresses)


def django_settings():
    """The class of what `django.conf.settings` was before dynaconf took its place: some modules still have that."""
    import django.conf

    return django.conf.LazySettings


def follow(kind, addresses):
    """Makes properties of these settings. Others are looked up as before."""
    for name in addresses.following:

        def get(settings, name=name):
            value = addresses.value(name)
            return kind.__getattr__(settings, name) if value is None else value

        setattr(kind, name, property(get))


def listen_to_django(rules):
    """The API: a request a time in each process, told of by signals."""
    from django.core.signals import request_finished, request_started

    def begin(environ=None, **_):
        environ = environ or {}
        current.set(made_at(rules.origin(environ.get("wsgi.url_scheme"), environ.get("HTTP_HOST"))))

    def end(**_):
        current.set(None)

    request_started.connect(begin, weak=False, dispatch_uid="pulp_request_origin")
    request_finished.connect(end, weak=False, dispatch_uid="pulp_request_origin")


def listen_to_aiohttp(rules):
    """The content app: each request in a context of its own, seen by a middleware before all others."""
    from aiohttp import web

    allowed = os.environ.get("FORWARDED_ALLOW_IPS") or LOOPBACK

    @web.middleware
    async def begin(request, handler):
        proto = request.headers.get("X-Forwarded-Proto")
        scheme = proto if proto and is_trusted(request.remote, allowed) else request.scheme
        current.set(made_at(rules.origin(scheme, request.headers.get("Host"))))
        return await handler(request)

    init = web.Application.__init__

    def with_middleware(application, *args, middlewares=(), **named):
        init(application, *args, middlewares=(begin, *middlewares), **named)

    web.Application.__init__ = with_middleware


def made_at(origin):
    return Request(origin) if origin else None


def is_trusted(peer, allowed):
    """As gunicorn does it for the API. Over a Unix socket there is no address."""
    if not peer or "*" in allowed:
        return True
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(word.strip()) for word in allowed.split(",") if word.strip())


def keep_caches_apart():
    """An answer for which the address was looked at is kept for those who use the same one. Others are for all."""
    from pulpcore.cache import cache

    cache.Cache.get, cache.AsyncCache.get = found_by_either(cache.Cache.get), found_by_either_later(cache.AsyncCache.get)
    cache.Cache.set, cache.AsyncCache.set = kept_apart(cache.Cache.set), kept_apart(cache.AsyncCache.set)


def of_address(key):
    """The key of an answer for this address."""
    request = current.get()
    return f"{key}@{request.origin}" if request and isinstance(key, str) else None


def kept_apart(method):
    def wrapped(self, key, *args, **named):
        request = current.get()
        return method(self, of_address(key) if request and request.used else key, *args, **named)

    return wrapped


def found_by_either(method):
    def wrapped(self, key, *args, **named):
        found = method(self, key, *args, **named)
        own = of_address(key)
        return method(self, own, *args, **named) if found is None and own else found

    return wrapped


def found_by_either_later(method):
    async def wrapped(self, key, *args, **named):
        found = await method(self, key, *args, **named)
        own = of_address(key)
        return await method(self, own, *args, **named) if found is None and own else found

    return wrapped


def follow_in_pulp_python(addresses):
    """It puts its URLs together when it is imported, before there is a request."""
    from pulp_python.app.pypi.views import PyPIMixin
    from pulp_python.app.serializers import PythonDistributionSerializer

    initial, base_url = PyPIMixin.initial, PythonDistributionSerializer.get_base_url

    def initial_of_request(self, request, *args, **named):
        initial(self, request, *args, **named)
        self.base_content_url = addresses.moved(self.base_content_url)
        self.base_api_url = addresses.moved(self.base_api_url)

    PyPIMixin.initial = initial_of_request
    PythonDistributionSerializer.get_base_url = lambda self, distribution: addresses.moved(base_url(self, distribution))
