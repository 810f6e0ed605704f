"""Known vulnerabilities of what is installed: `make audit`.

Ends with 1 where there is one, and with 0 where there is none, or where no source of
advisories can be reached; it says which.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

COMMAND = (sys.executable, "-m", "pip_audit", "--skip-editable", "--format", "json")


def audit(command: Sequence[str] = COMMAND, timeout: float = 300) -> int:
    """Run pip-audit and say what it found; return the exit code."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False
        )
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return _not_looked(f"no answer within {timeout:g} s")
    except (OSError, ValueError, KeyError, TypeError) as error:
        # It ends with 1 for a vulnerability and for a source that does not answer.
        said = "" if isinstance(error, OSError) else done.stderr.strip()
        return _not_looked(said.rpartition("\n")[2] or str(error))
    found = [
        f"{package['name']} {package['version']}: {each['id']}, repaired in"
        f" {', '.join(each['fix_versions']) or 'no version yet'}"
        for package in packages
        for each in package.get("vulns", ())
    ]
    for line in found:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(packages)} packages, {len(found)} known vulnerabilities\n")
    return 1 if found else 0


def _not_looked(why: str) -> int:
    sys.stdout.write(f"not audited: no source of advisories can be reached: {why}\n")
    return 0


if __name__ == "__main__":
    sys.exit(audit())
