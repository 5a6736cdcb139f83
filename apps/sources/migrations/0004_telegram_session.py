"""Sessions of Telegram, sealed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sources", "0003_crawler_config"),
    ]

    operations = [
        migrations.CreateModel(
            name="TelegramSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("envelope", models.JSONField(editable=False)),
                ("name", models.CharField(max_length=50, unique=True)),
                ("account", models.BigIntegerField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("logged_in_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["name"],
            },
        ),
    ]
