"""Read before all other settings, which win: keys that the multi-process image has made, where its folder is mounted; and
the app that answers with the addresses that clients use (request_origin.py).
"""

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
