"""Prints as JSON what the user's settings say of the things that `pulp-setup` needs to know.

The settings are read by dynaconf as pulpcore reads them (pulpcore/app/settings.py), but without Django, without
plugins and without pulpcore's defaults: what nobody set is not in the answer. Run by `pulp-setup settings` as the
user who runs Pulp. On an error in a file it prints {"error": …} and ends with 1.
"""

import json
import os
import sys
import traceback

from dynaconf import Dynaconf

WANTED = sys.argv[1:]


def plain(value):
    """What JSON can hold: anything else as its text (a path, mostly)."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def where(error):
    """The file and line in the user's settings where it went wrong."""
    if isinstance(error, SyntaxError):
        return error.filename, error.lineno
    files = [name.strip() for name in os.environ.get("PULP_SETTINGS", "").replace(";", ",").split(",")]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return (frames[-1].filename, frames[-1].lineno) if frames else (None, None)


try:
    settings = Dynaconf(
        ENVVAR_PREFIX_FOR_DYNACONF="PULP",
        ENV_SWITCHER_FOR_DYNACONF="PULP_ENV",
        ENVVAR_FOR_DYNACONF="PULP_SETTINGS",
        load_dotenv=False,
    )
    print(json.dumps({name: plain(settings.get(name)) for name in WANTED if name in settings}))
except Exception as error:  # whatever the user's code raises
    file, line = where(error)
    print(json.dumps({"error": f"{type(error).__name__}: {error}", "file": file, "line": line}))
    sys.exit(1)
