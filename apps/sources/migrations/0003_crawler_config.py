"""How the crawlers' configuration stands, and the nodes that crawl."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sources", "0002_crawl"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConfigStatus",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(help_text="CRAWLER_CONFIG, without secrets.", max_length=500)),
                ("revision", models.CharField(blank=True, default="", max_length=100)),
                (
                    "digest",
                    models.CharField(blank=True, default="", help_text="SHA-256 of the present text.", max_length=64),
                ),
                ("sources", models.PositiveIntegerField(default=0)),
                ("loaded_at", models.DateTimeField(blank=True, null=True)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_error",
                    models.TextField(blank=True, default="", help_text="Why what stands there now is not in force."),
                ),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "failures",
                    models.PositiveIntegerField(default=0, help_text="Refused or unreadable configurations so far."),
                ),
                ("watcher", models.CharField(blank=True, default="", max_length=200)),
            ],
            options={
                "verbose_name": "crawler configuration",
                "verbose_name_plural": "crawler configuration",
            },
        ),
        migrations.CreateModel(
            name="CrawlerNode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, unique=True)),
                ("host", models.CharField(blank=True, default="", max_length=200)),
                ("queues", models.JSONField(default=list)),
                ("plugins", models.JSONField(default=list)),
                ("version", models.CharField(blank=True, default="", max_length=50)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
    ]
