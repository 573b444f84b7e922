# ---- Ansible Galaxy, added to these files of settings when the image is built ----------------------------------------
# What upstream's image says in /etc/pulp/settings.py, but in a file that a mounted /etc/pulp does not hide. Yours wins.
# The first three are galaxy_ng's own; said here, they are known to whoever reads settings without Django.
from os import environ

GALAXY_API_PATH_PREFIX = environ.get("PULP_GALAXY_API_PATH_PREFIX") or "/api/galaxy/"
API_ROOT = f"/{GALAXY_API_PATH_PREFIX.strip('/')}/pulp/"
AUTH_USER_MODEL = "galaxy.User"
STATIC_URL = "/static/"

GALAXY_DEPLOYMENT_MODE = "standalone"
RH_ENTITLEMENT_REQUIRED = "insights"
ALLOWED_EXPORT_PATHS = ["/tmp"]
ALLOWED_IMPORT_PATHS = ["/tmp"]

# Answers have the address that the client used (request_origin.py), unless yours say another one. These are for where
# there is no request: galaxy_ng needs them to start.
https = environ.get("PULP_HTTPS", "").strip().lower() in ("true", "yes", "1")
name = (environ.get("PULP_HOSTNAME") or environ.get("GALAXY_HOSTNAME") or "localhost").split(",")[0].strip()
port = environ.get("PULP_PORT") or environ.get("GALAXY_PORT") or "8080"
port = port.strip() if port.strip().isdigit() else "8080"  # Kubernetes sets such variables to a URL
origin = f"{'https' if https else 'http'}://{f'[{name}]' if ':' in name else name}"
if (https, port) not in ((True, "443"), (False, "80")):
    origin += f":{port}"
CONTENT_ORIGIN = ANSIBLE_API_HOSTNAME = origin
ANSIBLE_CONTENT_HOSTNAME = f"{origin}/pulp/content"
TOKEN_SERVER = f"{origin}/token/"
REQUEST_ORIGIN_DEFAULTS = {
    "CONTENT_ORIGIN": CONTENT_ORIGIN,
    "ANSIBLE_API_HOSTNAME": ANSIBLE_API_HOSTNAME,
    "ANSIBLE_CONTENT_HOSTNAME": ANSIBLE_CONTENT_HOSTNAME,
    "TOKEN_SERVER": TOKEN_SERVER,
}
