"""Prints every migration of the image, `app name` a line: what a database must have to be up to date.

Run once, at image build. At boot `pulp-setup migrations` compares the list with the table django_migrations, which
takes milliseconds where Django takes seconds.
"""

import os
import sys

# The settings want the key of encrypted fields for everything but these two commands.
sys.argv = ["manager", "openapi"]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulpcore.app.settings")

import django  # noqa: E402

django.setup()

from django.db.migrations.loader import MigrationLoader  # noqa: E402

# connection=None: from the files alone, no database.
for app, name in sorted(MigrationLoader(None).disk_migrations):
    print(app, name)
