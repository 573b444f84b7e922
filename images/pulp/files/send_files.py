"""Lets nginx send files of artifacts: the content app only names them (X-Accel-Redirect).

Python copies a file to nginx, which copies it to the client. nginx alone is several times faster, and knows ranges. The
content app has checked guards, found the file and set the headers by then; nothing else of an answer changes.

Only requests that came through nginx get such an answer: nginx has a socket of its own (SOCKET). The location in which
nginx has the files is a new random name in each container (the setting SENT_FILES_LOCATION), because a remote server,
whose headers the content app passes on, must not be able to name it.
"""

import os
from urllib.parse import quote

SOCKET = "/run/pulp/content/socket"
# Servers other than the content app have no business with nginx.
NOT_PASSED_ON = ["x-accel-redirect", "x-accel-limit-rate", "x-accel-buffering", "x-accel-charset", "x-accel-expires"]


def install():
    """To be called where the content app was imported."""
    from aiohttp import web
    from django.conf import settings
    from pulpcore.content.handler import Handler

    location = getattr(settings, "SENT_FILES_LOCATION", None)
    if not location:
        return
    Handler.hop_by_hop_headers = [*Handler.hop_by_hop_headers, *NOT_PASSED_ON]
    web.FileResponse.prepare = preparer(web, location, os.path.join(settings.MEDIA_ROOT, ""))


def preparer(web, location, media_root):
    """FileResponse.prepare(), which names the file where that is possible."""
    sends = web.FileResponse.prepare

    async def prepare(self, request):
        name = named(location, media_root, str(self._path)) if came_through_nginx(request) else None
        if name is None:
            return await sends(self, request)
        self.headers["X-Accel-Redirect"] = name
        self.content_length = 0
        return await web.StreamResponse.prepare(self, request)

    return prepare


def came_through_nginx(request):
    """Whether this request was made on nginx's socket."""
    transport = request.transport
    return transport is not None and transport.get_extra_info("sockname") == SOCKET


def named(location, media_root, path):
    """The path as nginx names it; `None` if nginx, which is nobody special, may not read it."""
    if not path.startswith(media_root):
        return None
    name = path[len(media_root) :]
    try:
        readable = os.stat(path).st_mode & 0o004 and all(may_enter(above) for above in directories(media_root, name))
    except OSError:
        return None
    return location + quote(name) if readable else None


def directories(media_root, name):
    """Those below the root. The root itself was looked at when nginx was configured."""
    above = os.path.dirname(name)
    while above:
        yield media_root + above
        above = os.path.dirname(above)


def may_enter(directory):
    return os.stat(directory).st_mode & 0o001
