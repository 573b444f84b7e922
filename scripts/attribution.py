#!/usr/bin/env python3
"""attribution.py ROOT [LEAST]: to which component of the SBOM does each file of the image below ROOT belong?

Files and links count. Their owners are who brought them: a package of Debian, a Python package, a package that files
were copied out of, or we. What was made while the image was built (bytecode, links, caches) belongs to what it was made
of. An owner counts only if the SBOM has it. Prints shares, and what has no owner; fails below LEAST (98) percent.
"""

import csv
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

# Made by programs of these packages when packages are installed, or by the build of the image.
MADE = [
    (r"etc/(passwd|group|shadow|gshadow|subuid|subgid)-?", "passwd"),
    (r"etc/ssl/certs/.*|etc/ca-certificates.conf", "ca-certificates"),
    (r"etc/ld\.so\.cache|usr/lib/locale/.*|var/cache/ldconfig/.*", "libc-bin"),
    (r"var/lib/dpkg/.*|etc/alternatives/.*|var/log/(dpkg|alternatives)\.log", "dpkg"),
    (r"var/lib/apt/.*|var/cache/apt/.*|etc/apt/.*", "apt"),
    (r"var/cache/debconf/.*", "debconf"),
    (r"var/lib/systemd/deb-systemd-.*|etc/systemd/system/.*", "init-system-helpers"),
    (r"(etc/pam\.d/common-|var/lib/pam/).*", "libpam-runtime"),
    (r"var/lib/ucf/.*", "ucf"),
    (r"etc/(hosts|hostname|resolv\.conf|machine-id|timezone|localtime|\.pwd\.lock)", "base-files"),
    (r"etc/(environment|fstab|inputrc|motd|networks|nsswitch\.conf|profile)|root/\.(bashrc|profile)", "base-files"),
    (r"var/log/(btmp|lastlog|wtmp)|var/spool/mail|usr/local/man|usr/share/info/dir", "base-files"),
    (r"etc/shells|var/lib/shells\.state", "debianutils"),
    (r"(bin|sbin|lib|lib64)", "base-files"),
]
# Ours. Links to these are ours too.
OWN = re.compile(
    r"init|etc/services\.d/.*|usr/lib/pulp/.*|usr/share/(pulp|sbom)/.*|usr/local/libexec/init-probe"
    r"|usr/local/bin/(svctl|pulp-setup)|usr/bin/update-ca-trust|usr/local/lib/python3[^/]*/dist-packages/pulp_request_origin/.*"
    r"|usr/local/lib/python3[^/]*/dist-packages/(fast-exit|stoppable)\.pth"
)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


class Image:
    def __init__(self, root):
        self.root = Path(root)
        bills = [json.loads(path.read_text()) for path in sorted(self.root.glob("usr/share/sbom/*.cdx.json"))]
        assert bills, f"{root}/usr/share/sbom has no SBOM"
        self.components = {normal(one["name"]) for bill in bills for one in bill["components"]}
        self.owners = self.debian() | self.python() | self.copied()

    def real(self, path):
        """A path as it is without links among its directories: packages still name /lib and /bin."""
        folder, name = os.path.split(path)
        real = os.path.realpath(self.root / folder.lstrip("/"))
        return os.path.relpath(os.path.join(real, name), self.root)

    def debian(self):
        found = {}
        for path in self.root.glob("var/lib/dpkg/info/*.list"):
            package = path.name.removesuffix(".list").split(":")[0]
            for line in path.read_text().splitlines():
                found[self.real(line)] = package
        diversions = self.root / "var/lib/dpkg/diversions"
        lines = diversions.read_text().splitlines() if diversions.exists() else []
        for original, diverted in zip(lines[0::3], lines[1::3]):
            found[self.real(diverted)] = found.get(self.real(original), "dpkg")
        return found

    def python(self):
        found = {}
        for record in self.root.glob("usr/**/*-packages/*.dist-info/RECORD"):
            found |= self.record(record, record.parent.parent)
        for record in self.root.glob("usr/local/lib/pulp/*.dist-info/RECORD"):
            found |= self.record(record, record.parent.parent)
        return found

    def record(self, record, base):
        name = re.search(r"^Name: (.*)$", (record.parent / "METADATA").read_text(errors="replace"), re.M)[1]
        with record.open(newline="") as lines:
            files = [row[0] for row in csv.reader(lines) if row]
        return {os.path.relpath(os.path.normpath(base / file), self.root): name for file in files}

    def copied(self):
        """Files that were copied out of packages: `PATH <tab> PURL` a line."""
        found = {}
        for table in self.root.glob("usr/share/sbom/*.tsv"):
            for line in table.read_text().splitlines():
                path, purl = line.split("\t")
                found[path.lstrip("/")] = unquote(re.match(r"pkg:\w+/(?:debian/)?([^@]+)@", purl)[1])
        return found

    def owner(self, path, depth=0):
        if path in self.owners:
            return self.owners[path]
        if OWN.fullmatch(path):
            return "pulp-init"
        bytecode = re.fullmatch(r"(.*/)__pycache__/([^/]+)\.cpython-\d+\.pyc", path)
        if bytecode and (owner := self.owners.get(f"{bytecode[1]}{bytecode[2]}.py")):
            return owner
        full = self.root / path
        if full.is_symlink() and depth < 8:
            target = os.path.normpath(os.path.join("/", os.path.dirname(path), os.readlink(full)))
            owner = self.owner(self.real(target), depth + 1)
            if owner:
                return owner
        return next((package for pattern, package in MADE if re.fullmatch(pattern, path)), None)

    def files(self):
        for folder, folders, names in os.walk(self.root):
            here = os.path.relpath(folder, self.root)
            if here == ".":
                folders[:] = [name for name in folders if name not in ("proc", "sys", "dev", "run", "tmp")]
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in names + links:
                yield os.path.normpath(os.path.join(here, name))


def main(root, least="98"):
    image = Image(root)
    kinds, missing, unknown = Counter(), [], Counter()
    for path in image.files():
        owner = image.owner(path)
        if owner is None:
            missing.append(path)
        elif normal(owner) not in image.components:
            unknown[owner] += 1
        else:
            kinds["attributed"] += 1
    total = kinds["attributed"] + len(missing) + unknown.total()
    share = 100 * kinds["attributed"] / total
    for path in sorted(missing):
        print(f"no owner: {path}")
    for owner, count in unknown.most_common():
        print(f"not in the SBOM: {owner} ({count} files)")
    print(f"{kinds['attributed']} of {total} files belong to one of {len(image.components)} components: {share:.2f} %")
    return 0 if share >= float(least) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
