"""Defaults of this composition: where its database, its cache and its clients are. Every container of Pulp reads it.

Settings of your own belong into /etc/pulp/settings.py (the volume or folder `settings`), which is read after this and
wins, or into variables PULP_… of the compose file, which win over both.
"""

import os

# Made at the first start, by secrets_service.
with open("/run/pulp-secrets/database_password") as file:
    _password = file.read().strip()

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "postgres",
        "PORT": "5432",
        "NAME": "pulp",
        "USER": "pulp",
        "PASSWORD": _password,
    }
}
CACHE_ENABLED = True
# Where redis does not answer, Pulp goes on without it: it is not to wait for long before.
REDIS_URL = "redis://redis:6379/0?socket_connect_timeout=0.5&socket_timeout=0.5"

# Clients are told the address that they used, unless this names one (docs/reverse-proxy.md).
_told = os.environ.get("PULP_CONTENT_ORIGIN")
_origin = _told or "http://localhost:8080"
TOKEN_SERVER = f"{_origin}/token/"
ANSIBLE_API_HOSTNAME = PYPI_API_HOSTNAME = _origin
ANSIBLE_CONTENT_HOSTNAME = f"{_origin}/pulp/content"
if not _told:
    REQUEST_ORIGIN_DEFAULTS = {
        "CONTENT_ORIGIN": _origin,  # Galaxy's images set it
        "TOKEN_SERVER": TOKEN_SERVER,
        "ANSIBLE_API_HOSTNAME": _origin,
        "PYPI_API_HOSTNAME": _origin,
        "ANSIBLE_CONTENT_HOSTNAME": ANSIBLE_CONTENT_HOSTNAME,
    }
