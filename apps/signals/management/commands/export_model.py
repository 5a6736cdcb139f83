"""`manage.py export_model HF_FOLDER OUT [--int8] [--labels …]`: a classifier for TRANSFORMER_MODELS."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.signals.adapters.transformer_export import export
from tradebot.contracts.errors import NotConfigured


class Command(BaseCommand):
    help = (
        "Exports a Hugging Face sequence classifier (a folder with config.json, weights and tokenizer) to ONNX, as the"
        " setting TRANSFORMER_MODELS takes it. Needs the packages of requirements/train.txt."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="HF_FOLDER", help="the model's own folder")
        parser.add_argument("out", type=Path, metavar="OUT", help="a folder that is made")
        parser.add_argument(
            "--int8", action="store_true", help="quantise: a quarter of the size, quicker on processors"
        )
        parser.add_argument(
            "--labels", default="", help="what the outputs mean, in their order: bearish,neutral,bullish"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        labels = [label.strip() for label in options["labels"].split(",") if label.strip()]
        try:
            done = export(options["folder"], options["out"], int8=options["int8"], labels=labels)
        except NotConfigured as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"{options['out']}: {done.size / 1e6:.2f} MB, outputs {', '.join(done.labels)};"
            f" at most {done.difference:.1e} from PyTorch"
            + (f", int8 says the same on {done.agreement:.0%} of the samples" if options["int8"] else "")
        )
        self.stdout.write(
            f"Set TRANSFORMER_MODELS=name={options['out'].resolve()} for the workers of the queue analyze."
        )
