"""Where this composition has its database and its cache. Every container of Pulp reads it, after /etc/pulp/settings.py.

Settings of your own belong into /etc/pulp/settings.py (the volume or folder `settings`), or into variables PULP_… in
the compose file. The password is made at the first start, and only this file knows where it is.
"""

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
REDIS_URL = "redis://redis:6379/0"
