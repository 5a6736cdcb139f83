"""Leases, throttling, lag, notes and listeners of sources; deletions of posts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sources", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="source",
            name="config",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Settings of the plugin, as JSON; secrets only as env:NAME or file:PATH.",
            ),
        ),
        migrations.AddField(
            model_name="source",
            name="managed_by",
            field=models.CharField(
                blank=True, choices=[("", "admin"), ("file", "File"), ("etcd", "Etcd")], default="", max_length=10
            ),
        ),
        migrations.AddField(
            model_name="source",
            name="throttled_until",
            field=models.DateTimeField(blank=True, help_text="The source asked not to be asked before.", null=True),
        ),
        migrations.AddField(
            model_name="source",
            name="lag_last_seconds",
            field=models.FloatField(blank=True, help_text="Posted to seen, of the last post that came.", null=True),
        ),
        migrations.AddField(
            model_name="source",
            name="lag_p50_seconds",
            field=models.FloatField(blank=True, help_text="Median of the last crawl that brought posts.", null=True),
        ),
        migrations.AddField(
            model_name="source",
            name="notes",
            field=models.JSONField(blank=True, default=dict, help_text="What its plugin says, by account or channel."),
        ),
        migrations.AddField(
            model_name="source",
            name="leased_by",
            field=models.CharField(blank=True, default="", max_length=200),
        ),
        migrations.AddField(
            model_name="source",
            name="leased_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="source",
            name="listen_state",
            field=models.JSONField(blank=True, default=dict, help_text="Kept by the plugin for what it listens to."),
        ),
        migrations.AddField(
            model_name="source",
            name="listening_since",
            field=models.DateTimeField(blank=True, help_text="Empty while nobody listens.", null=True),
        ),
        migrations.AddField(
            model_name="source",
            name="listen_error",
            field=models.TextField(blank=True, default="", help_text="Why its last connection ended."),
        ),
        migrations.AddField(
            model_name="post",
            name="deleted_at",
            field=models.DateTimeField(
                blank=True, help_text="When it was seen that its source shows it no more.", null=True
            ),
        ),
        migrations.CreateModel(
            name="Deletion",
            fields=[
                ("story_id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("seen_at", models.DateTimeField()),
            ],
        ),
    ]
