"""Defaults of this composition: where its database and its cache are. Every container of Pulp reads it.

Settings of your own belong into /etc/pulp/settings.py (the volume or folder `settings`), which is read after this and
wins, or into variables PULP_… of the compose file, which win over both.
"""

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
        # Without these each request opens a connection, and asks the name server for PostgreSQL's address first.
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
CACHE_ENABLED = True
# Where redis does not answer, Pulp goes on without it: it is not to wait for long before.
REDIS_URL = "redis://redis:6379/0?socket_connect_timeout=0.5&socket_timeout=0.5"
