"""Unit tests of images/pulp/files/settings.py: the addresses in it, for where there is no request."""

import os
import runpy
import unittest
from pathlib import Path
from unittest import mock

SOURCE = Path(__file__).resolve().parents[2] / "images/pulp/files/settings.py"
ONE_PROCESS = "/usr/lib/pulp/settings.py,/etc/pulp/settings.py"
ALL_IN_ONE = "/usr/lib/pulp/settings.py,/run/pulp/settings.py,/etc/pulp/settings.py"


def settings(files):
    with mock.patch.dict(os.environ, {"PULP_SETTINGS": files}, clear=True):
        return runpy.run_path(str(SOURCE))


class Addresses(unittest.TestCase):
    def test_each_is_marked_as_the_images_own_so_that_it_follows_requests(self):
        said = settings(ONE_PROCESS)
        self.assertEqual(len(said["REQUEST_ORIGIN_DEFAULTS"]), 4)
        for name, value in said["REQUEST_ORIGIN_DEFAULTS"].items():
            self.assertEqual(said[name], value)
            self.assertTrue(value.startswith("http://localhost:8080"), value)

    def test_content_origin_is_left_to_the_user_because_links_without_it_are_relative(self):
        self.assertNotIn("CONTENT_ORIGIN", settings(ONE_PROCESS))

    def test_there_is_none_where_the_step_settings_writes_them(self):
        said = settings(ALL_IN_ONE)
        self.assertFalse({"TOKEN_SERVER", "REQUEST_ORIGIN_DEFAULTS"} & said.keys())
        self.assertIn("pulp_request_origin.RequestOrigin", said["INSTALLED_APPS"])


if __name__ == "__main__":
    unittest.main()
