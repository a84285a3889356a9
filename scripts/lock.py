"""Print the exact versions of everything that the installed pimvae needs, its extras included: requirements.lock.

usage: python scripts/lock.py > requirements.lock, where pip install -e '.[workflow,notebooks,dev]' was run
"""

from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("workflow", "notebooks", "dev")
# Newer ones cannot parse their own selectors with Python before 3.11.5, that of Debian 12 among them.
HELD = {"soupsieve": "2.10"}
HARDWARE = ("cuda-", "nvidia-", "triton")  # what torch brings for one kind of machine; torch itself pins it


def closure(name: str, extras: tuple[str, ...] = ()) -> dict[str, str]:
    """Canonical name and version of every package that ``name`` with its extras needs, itself left out."""
    found: dict[str, str] = {}
    done: set[tuple[str, str]] = set()
    waiting = [(name, extra) for extra in ("", *extras)]
    while waiting:
        package, extra = waiting.pop()
        if (package, extra) in done:
            continue
        done.add((package, extra))
        for requirement in map(Requirement, distribution(package).requires or []):
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            needed = canonicalize_name(requirement.name)
            found[needed] = distribution(needed).version.partition("+")[0]  # a local build of the same version
            waiting += [(needed, option) for option in ("", *requirement.extras)]
    found |= {key: version for key, version in HELD.items() if key in found}
    return {key: version for key, version in sorted(found.items()) if not key.startswith(HARDWARE)}


if __name__ == "__main__":
    print("# Exact versions of all packages, for pip; written by scripts/lock.py.")
    print("# pip install --constraint requirements.lock -e '.[workflow,notebooks]'")
    for key, version in closure("pimvae", EXTRAS).items():
        print(f"{key}=={version}")
