"""Unit tests of images/pulp/files/older-pulpcore: whom the programs that it makes believe."""

import os
import types
import unittest
from pathlib import Path
from unittest import mock

SOURCE = Path(__file__).resolve().parents[2] / "images/pulp/files/older-pulpcore"


def programs():
    """The module that it writes."""
    text = SOURCE.read_text()
    source = text.split("MODULE = '''", 1)[1].split("'''\n", 1)[0]
    module = types.ModuleType("pulpcore_programs")
    exec(source, module.__dict__)  # noqa: S102: our own
    return module


class Proxies(unittest.TestCase):
    def test_networks_and_addresses_are_believed_and_others_are_not(self):
        for variable, believed, others in [
            (None, ["127.0.0.1", "::1"], ["10.0.0.1", "", "*"]),
            ("127.0.0.0/8, fd00::/8,10.1.2.3", ["127.9.9.9", "fd00::7", "10.1.2.3"], ["10.1.2.4", "fe80::1", "name"]),
            ("*", ["*"], []),
        ]:
            environment = {} if variable is None else {"FORWARDED_ALLOW_IPS": variable}
            with mock.patch.dict(os.environ, environment, clear=True):
                proxies = programs().proxies()
            for peer in believed:
                self.assertIn(peer, proxies)
            for peer in others:
                self.assertNotIn(peer, proxies)


if __name__ == "__main__":
    unittest.main()
