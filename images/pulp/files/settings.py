"""Read before all other settings, which win: keys that the multi-process image has made, where its folder is mounted; and
the app that answers with the addresses that clients use (request_origin.py).
"""

from os import environ
from pathlib import Path

INSTALLED_APPS = ["dynaconf_merge_unique", "pulp_request_origin.RequestOrigin"]

certs = Path("/etc/pulp/certs")

try:
    SECRET_KEY = (certs / "secret_key").read_text().strip()
except OSError:  # there is none, or not for this user
    pass

if (certs / "token_private_key.pem").is_file():
    TOKEN_SIGNATURE_ALGORITHM = "ES256"
    PRIVATE_KEY_PATH = str(certs / "token_private_key.pem")
    PUBLIC_KEY_PATH = str(certs / "token_public_key.pem")

# For where there is no request: plugins need some of them to start. They are marked as ours, so CONTENT_ORIGIN and each of
# them, if somebody sets it, win. Where /init boots, the step `settings` writes others, by the container's variables.
if "/run/pulp/settings.py" not in environ.get("PULP_SETTINGS", ""):
    origin = "http://localhost:8080"
    TOKEN_SERVER = f"{origin}/token/"
    ANSIBLE_API_HOSTNAME = PYPI_API_HOSTNAME = origin
    ANSIBLE_CONTENT_HOSTNAME = f"{origin}/pulp/content"
    REQUEST_ORIGIN_DEFAULTS = {
        "TOKEN_SERVER": TOKEN_SERVER,
        "ANSIBLE_API_HOSTNAME": ANSIBLE_API_HOSTNAME,
        "ANSIBLE_CONTENT_HOSTNAME": ANSIBLE_CONTENT_HOSTNAME,
        "PYPI_API_HOSTNAME": PYPI_API_HOSTNAME,
    }
