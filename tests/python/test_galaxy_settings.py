"""Unit tests of images/galaxy/settings.py: the addresses in it, for where there is no request."""

import os
import runpy
import unittest
from pathlib import Path
from unittest import mock

SOURCE = Path(__file__).resolve().parents[2] / "images/galaxy/settings.py"


def settings(**environment):
    with mock.patch.dict(os.environ, environment, clear=True):
        return runpy.run_path(str(SOURCE))


def beside(path):
    """The settings of a composition or a cluster, which are read after those of the image."""
    opened = mock.patch("builtins.open", mock.mock_open(read_data="secret"))
    with opened, mock.patch.object(Path, "read_text", lambda _: "secret"), mock.patch.dict(os.environ, {}, clear=True):
        return runpy.run_path(str(SOURCE.parents[2] / path))


class Origin(unittest.TestCase):
    def test_it_is_that_of_the_documented_commands(self):
        for environment, origin in [
            ({}, "http://localhost:8080"),
            ({"PULP_HTTPS": "true", "GALAXY_PORT": "443"}, "https://localhost"),
            ({"PULP_HTTPS": "true", "GALAXY_PORT": "443", "GALAXY_HOSTNAME": "192.168.0.100"}, "https://192.168.0.100"),
            ({"PULP_HTTPS": "TRUE", "GALAXY_HOSTNAME": "::1"}, "https://[::1]:8080"),
            ({"GALAXY_HOSTNAME": "a, b", "GALAXY_PORT": "80"}, "http://a"),
            ({"GALAXY_HOSTNAME": "a", "PULP_HOSTNAME": "b", "PULP_PORT": "81", "GALAXY_PORT": "82"}, "http://b:81"),
            ({"GALAXY_PORT": "tcp://10.0.0.1:80"}, "http://localhost:8080"),
        ]:
            self.assertEqual(settings(**environment)["CONTENT_ORIGIN"], origin, environment)

    def test_every_address_is_marked_as_the_images_own(self):
        said = settings(GALAXY_HOSTNAME="g")
        for name, value in said["REQUEST_ORIGIN_DEFAULTS"].items():
            self.assertEqual(said[name], value)
            self.assertTrue(value.startswith("http://g:8080"), value)

    def test_no_composition_hides_an_address_or_its_mark(self):
        marks = settings()["REQUEST_ORIGIN_DEFAULTS"]
        for path in ["compose/settings.py", "compose/kube/base/settings.py", "compose/kube/many-nodes/settings.py"]:
            said = beside(path)
            self.assertEqual([name for name in ["REQUEST_ORIGIN_DEFAULTS", *marks] if name in said], [], path)

    def test_pulps_api_is_below_galaxys(self):
        self.assertEqual(settings()["API_ROOT"], "/api/galaxy/pulp/")
        self.assertEqual(settings(PULP_GALAXY_API_PATH_PREFIX="/api/hub")["API_ROOT"], "/api/hub/pulp/")


if __name__ == "__main__":
    unittest.main()
