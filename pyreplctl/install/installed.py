"""What is installed on a portal: required by every other command."""

from __future__ import annotations

from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, value
from pyreplctl.core.errors import NotInstalled
from pyreplctl.install import migrations, preflight
from pyreplctl.install.strangers import refuse_strangers
from pyreplctl.schema import contracts
from pyreplctl.schema.contracts import Contract


def require_installed(connection: Connection) -> None:
    """Raise `NotInstalled` unless this program's version is installed in the portal.

    Raises `NotSuitable` where it is not ours that stands there.
    """
    refuse_strangers(connection, "the portal")
    if value(connection, "SELECT to_regproc('pyrepl.migrations') IS NULL"):
        raise NotInstalled(
            f"pyreplctl is not installed in database {connection.info.dbname}",
            hint='Run "pyreplctl install" with the portal\'s --portal DSN first.',
        )
    held = {row[0] for row in connection.execute("SELECT pyrepl.migrations()")}
    shipped = set(migrations.names("portal"))
    if newer := sorted(held - shipped):
        preflight.refuse_newer("portal", newer)
    if waiting := sorted(shipped - held):
        raise NotInstalled(
            f"the portal's installation is older than this program: {waiting[0]} waits",
            hint='Run "pyreplctl install".',
        )


def identity(connection: Connection) -> str:
    """Return who the portal is: system identifier/database oid."""
    found: str = value(connection, "SELECT pyrepl.identity()")
    return found


def installed_contract(connection: Connection, config: Config) -> Contract:
    """Return the contract on offer; `NotInstalled` if install has yet to see it."""
    contract = contracts.offered(connection, config)
    if not value(
        connection,
        "SELECT 1 FROM pyrepl.contract WHERE fingerprint = %s",
        contract.fingerprint,
    ):
        raise NotInstalled(
            "the portal's tables have changed since the last install",
            hint='Run "pyreplctl install" first.',
        )
    return contract
