"""Addresses that follow the request: what is made of a host, and which settings follow.

Django itself is not needed here: tests/image/bring runs the app in the image. `python3 -m unittest discover tests/python`
"""

import importlib.util
import socket
import sys
import types
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "images/pulp/files/request_origin.py"


def load():
    """The module, with two names in the place of Django's."""
    apps = types.ModuleType("django.apps")
    apps.AppConfig, apps.apps = object, None
    before = {name: sys.modules.get(name) for name in ("django", "django.apps")}
    sys.modules.update({"django": types.ModuleType("django"), "django.apps": apps})
    try:
        specification = importlib.util.spec_from_file_location("request_origin", SOURCE)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module
    finally:
        for name, module_before in before.items():
            sys.modules.pop(name)
            if module_before:
                sys.modules[name] = module_before


origin = load()


def settings(**values):
    return types.SimpleNamespace(**{"CONTENT_PATH_PREFIX": "/pulp/content/", "CONTENT_ORIGIN": None, **values})


class Origins(unittest.TestCase):
    def expect(self, environment, cases):
        rules = origin.Rules(environment)
        for scheme, host, wanted in cases:
            self.assertEqual(rules.origin(scheme, host), wanted, (environment, scheme, host))

    def test_without_a_word_of_the_user_it_is_the_clients(self):
        self.expect(
            {},
            [
                ("http", "localhost:9000", "http://localhost:9000"),
                ("http", "Pulp.example.com:80", "http://pulp.example.com"),
                ("https", "pulp:443", "https://pulp"),
                ("https", "pulp:80", "https://pulp:80"),
                ("http", "[::1]:81", "http://[::1]:81"),
                ("http", "10.0.0.7", "http://10.0.0.7"),
            ],
        )

    def test_what_is_no_host_has_no_address(self):
        hosts = ["", None, 'a"b', "a b", "a/b", "a@b", "a:b", "a:123456", "<a>", "[::1", "a\r\nb", "\u0661.1"]
        self.expect({}, [("http", host, None) for host in hosts] + [("gopher", "a", None), (None, "a", None)])

    def test_a_name_of_the_user_wins_and_so_does_a_port(self):
        names = {"PULP_HOSTNAME": "Pulp.example.com., fd00:0::9"}
        self.expect(
            names,
            [
                ("https", "pulp.example.com:9443", "https://pulp.example.com:9443"),
                ("https", "[fd00::9]", "https://[fd00::9]"),
                ("https", "evil.example.com:9443", "https://pulp.example.com:9443"),
            ],
        )
        self.expect({"PULP_HOSTNAME": "::1"}, [("http", "a", "http://[::1]")])
        galaxys = {"GALAXY_HOSTNAME": "g", "GALAXY_PORT": "443"}
        self.expect(galaxys, [("https", "a:80", "https://g")])
        self.expect({**galaxys, "PULP_HOSTNAME": "p", "PULP_PORT": "1"}, [("https", "a", "https://p:1")])
        self.expect({"PULP_PORT": "9000"}, [("http", "a", "http://a:9000"), ("http", "a:1", "http://a:9000")])
        self.expect({"PULP_PORT": "443"}, [("https", "a:9000", "https://a")])
        self.expect({"PULP_PORT": "tcp://10.0.0.1:80"}, [("http", "a:1", "http://a:1")])


class Settings(unittest.TestCase):
    def values(self, found, request="http://localhost:9000"):
        token = origin.current.set(origin.made_at(request))
        try:
            addresses = origin.Addresses(found, origin.Rules({}))
            return {name: addresses.value(name) for name in origin.SETTINGS}
        finally:
            origin.current.reset(token)

    def test_what_was_left_alone_follows_the_request(self):
        own = "https://" + socket.getfqdn()
        ours = {"TOKEN_SERVER": "http://localhost:8080/token/"}
        for found in (
            settings(),
            settings(ANSIBLE_API_HOSTNAME=own, PYPI_API_HOSTNAME=own, ANSIBLE_CONTENT_HOSTNAME="None/pulp/content"),
            settings(REQUEST_ORIGIN_DEFAULTS=ours, **ours),
        ):
            self.assertEqual(
                self.values(found),
                {
                    "CONTENT_ORIGIN": "http://localhost:9000",
                    "TOKEN_SERVER": "http://localhost:9000/token/",
                    "ANSIBLE_API_HOSTNAME": "http://localhost:9000",
                    "ANSIBLE_CONTENT_HOSTNAME": "http://localhost:9000/pulp/content",
                    "PYPI_API_HOSTNAME": "http://localhost:9000",
                },
            )
        self.assertEqual(set(self.values(settings(), request=None).values()), {None})

    def test_what_the_user_has_set_stays(self):
        found = settings(TOKEN_SERVER="https://tokens/token/", REQUEST_ORIGIN_DEFAULTS={"TOKEN_SERVER": "x"})
        self.assertIsNone(self.values(found)["TOKEN_SERVER"])

    def test_an_origin_of_the_user_is_that_of_all_with_and_without_a_request(self):
        for request in ("http://localhost:9000", None):
            values = self.values(settings(CONTENT_ORIGIN="https://pulp.example.com/"), request)
            self.assertIsNone(values["CONTENT_ORIGIN"])
            self.assertEqual(values["TOKEN_SERVER"], "https://pulp.example.com/token/")

    def test_addresses_that_were_made_before_a_request_move_to_it(self):
        token = origin.current.set(origin.Request("http://localhost:9000"))
        self.addCleanup(origin.current.reset, token)
        own = "https://" + socket.getfqdn()
        addresses = origin.Addresses(settings(PYPI_API_HOSTNAME=own), origin.Rules({}))
        for url, wanted in [
            (f"{own}/pypi/a/", "http://localhost:9000/pypi/a/"),
            ("/pypi/a/", "http://localhost:9000/pypi/a/"),
            ("https://elsewhere/pypi/", "https://elsewhere/pypi/"),
        ]:
            self.assertEqual(addresses.moved(url), wanted)
        told = origin.Addresses(settings(PYPI_API_HOSTNAME="https://mine"), origin.Rules({}))
        self.assertEqual(told.moved("https://mine/pypi/"), "https://mine/pypi/")


class Peers(unittest.TestCase):
    def test_peers_are_trusted_as_gunicorn_does_it(self):
        for peer, allowed, trusted in [
            ("127.0.0.1", origin.LOOPBACK, True),
            ("::1", origin.LOOPBACK, True),
            ("10.0.0.7", origin.LOOPBACK, False),
            ("10.0.0.7", "10.0.0.0/8, ::1", True),
            ("::ffff:10.0.0.7", "::ffff:10.0.0.0/104", True),
            ("x", origin.LOOPBACK, False),
            (None, origin.LOOPBACK, True),
            ("1.2.3.4", "*", True),
        ]:
            self.assertEqual(origin.is_trusted(peer, allowed), trusted, (peer, allowed))


class Kept:
    """A cache of the kind that Pulp has."""

    def __init__(self):
        self.entries = {}

    def get(self, key, base_key=None):
        return self.entries.get((base_key, key))

    def set(self, key, value, base_key=None):
        self.entries[base_key, key] = value

    get, set = origin.found_by_either(get), origin.kept_apart(set)


class Caches(unittest.TestCase):
    def at(self, address, looks):
        """A request at this address, whose answer may hold it."""
        origin.current.set(origin.made_at(address))
        self.addCleanup(origin.current.set, None)
        if looks:
            self.assertEqual(origin.looked_at(), address)

    def test_an_answer_that_may_hold_an_address_is_kept_for_that_alone(self):
        kept = Kept()
        for address in ("http://evil", "http://good"):
            self.at(address, looks=True)
            self.assertIsNone(kept.get("path", base_key="b"))
            kept.set("path", address, base_key="b")
        for address in ("http://evil", "http://good"):
            self.at(address, looks=False)
            self.assertEqual(kept.get("path", base_key="b"), address)
        self.at(None, looks=False)
        self.assertIsNone(kept.get("path", base_key="b"))

    def test_another_answer_is_kept_for_all(self):
        kept = Kept()
        self.at("http://a", looks=False)
        kept.set("path", "file")
        for address in ("http://b", None):
            self.at(address, looks=False)
            self.assertEqual(kept.get("path"), "file")


if __name__ == "__main__":
    unittest.main()
