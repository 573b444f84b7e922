"""Settings of Pulp in this cluster, for all of its containers. Variables PULP_… of the ConfigMap `pulp` win over them."""

import os
from pathlib import Path

_secrets = Path("/etc/pulp/certs")

SECRET_KEY = (_secrets / "secret_key").read_text().strip()
DB_ENCRYPTION_KEY = str(_secrets / "database_fields.symmetric.key")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("POSTGRES_HOST", "pulp-postgres"),
        "PORT": os.environ.get("POSTGRES_PORT", "5432"),
        "NAME": os.environ.get("POSTGRES_DB", "pulp"),
        "USER": os.environ.get("POSTGRES_USER", "pulp"),
        "PASSWORD": (_secrets / "database_password").read_text().strip(),
        # With several hosts in HOST: the one that takes writes.
        "OPTIONS": {"target_session_attrs": "read-write", "connect_timeout": "5"},
    }
}
CACHE_ENABLED = True
# Where redis does not answer, Pulp goes on without it: it is not to wait for long before.
REDIS_URL = os.environ.get("REDIS_LOCATION", "redis://pulp-redis:6379/0") + "?socket_connect_timeout=0.5&socket_timeout=0.5"

TOKEN_SIGNATURE_ALGORITHM = "ES256"
PRIVATE_KEY_PATH = str(_secrets / "token_private_key.pem")
PUBLIC_KEY_PATH = str(_secrets / "token_public_key.pem")

STORAGES = {
    "default": {
        # Its older name: by the new one, storages.backends.s3.S3Storage, pulp_container 2.30 does not know it.
        "BACKEND": "storages.backends.s3boto3.S3Boto3Storage",
        "OPTIONS": {
            "bucket_name": os.environ.get("S3_BUCKET", "pulp"),
            "endpoint_url": os.environ.get("S3_ENDPOINT"),
            "access_key": Path("/etc/pulp/s3/access_key").read_text().strip(),
            "secret_key": Path("/etc/pulp/s3/secret_key").read_text().strip(),
            "addressing_style": "path",
            "default_acl": "private",
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
