"""Request limits, fee tiers, and the dialects of five venues."""

from decimal import Decimal

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exchanges", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="venue",
            name="request_limit",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Weight that all workers behind one address may use in the venue's window; blank: its own limit.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="venue",
            name="taker_fee",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                help_text="Your fee tier as a share (0.001 is 0.1 %), to compare venues by; blank: the standard fee.",
                max_digits=8,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(Decimal("0")),
                    django.core.validators.MaxValueValidator(Decimal("1")),
                ],
            ),
        ),
        migrations.AlterField(
            model_name="venue",
            name="dialect",
            field=models.CharField(
                choices=[
                    ("binance", "Binance spot"),
                    ("okx", "OKX spot"),
                    ("bybit", "Bybit spot"),
                    ("kraken", "Kraken spot"),
                    ("coinbase", "Coinbase Advanced"),
                ],
                default="binance",
                max_length=20,
            ),
        ),
    ]
