"""verify --repair: its plan, and what was done."""

from __future__ import annotations

from pyreplctl.cli import verify_output
from pyreplctl.cli.output import count, talk
from pyreplctl.cli.verify_options import VerifyOptions
from pyreplctl.verify import repair_data, repair_structure
from pyreplctl.verify.repair_data import Plan, require_rights
from pyreplctl.verify.repair_structure import Step
from pyreplctl.verify.run import Run

__all__ = ["carry_out", "require_rights"]


def carry_out(dsn: str, found: Run, options: VerifyOptions) -> bool:
    """Print the plan and do it; return whether anything was done."""
    steps = repair_structure.plan(found.found) if found.found else []
    plans = repair_data.plan(found.results, options.only or None, options.max_users)
    remedies = [step for step in steps if step.item.remedy.step]
    doing = bool(plans or remedies) and not options.dry_run
    for line in verify_output.lines(found, {}) if doing else []:
        talk(f"found: {line}")  # what is shown at the end is what is left
    for line in _planned(steps, plans) or ["there is nothing to repair"]:
        talk(f"plan: {line}")
    if doing and remedies:
        done = repair_structure.repair(dsn, remedies)
        for place, changes in done.changes.items():
            for change in changes:
                talk(f"{place or 'portal'}: {change.state} {change.object}")
        for place, why in done.failed.items():
            talk(f"{place or 'portal'}: not repaired: {why}", "red")
    if doing:
        for name, reasons in repair_data.repair(dsn, plans).items():
            talk(f"{name}: {'; '.join(reasons)}", "red")
    return doing


def _planned(steps: list[Step], plans: list[Plan]) -> list[str]:
    """Return what repair would do, and what it leaves."""
    told = []
    for step in steps:
        how = (
            step.action if step.item.remedy.step else f"left to you: {step.item.detail}"
        )
        place = step.place or "portal"
        told.append(f"{place}: {step.item.object}: {step.item.state}: {how}")
    for each in plans:
        kinds = ", ".join(f"{len(u)} {kind}" for kind, u in each.users.items() if u)
        left = f"; {count(each.left, 'user')} left as they are" if each.left else ""
        told.append(f"{each.name}: to be delivered again: {kinds}{left}")
    return told
