"""`manage.py doctor [--json] [--lan]`: what works on this machine, what does not, and the remedy."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from sandbox.doctor import probe
from tutorials.hosting import lan


class Command(BaseCommand):
    """Tries everything that sandboxes need."""

    help = "Tries everything that sandboxes need and says what to do about what does not work."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own way to say it

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Its two options."""
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")
        parser.add_argument("--lan", action="store_true", help="also whether others on the network could reach it")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print a line a step; ends with 1 when no sandbox can run here."""
        steps = probe() + (lan.probe() if options["lan"] else [])
        if options["as_json"]:
            self.stdout.write(json.dumps([asdict(step) for step in steps], indent=1))
        else:
            for step in steps:
                mark = "ok  " if step.ok else "FAIL" if step.needed else "warn"
                self.stdout.write(f"{mark} {step.name:<16} {step.detail}")
                if not step.ok and step.remedy:
                    self.stdout.write(f"     {'':<16} -> {step.remedy}")
        if not all(step.ok or not step.needed for step in steps):
            sys.exit(1)
