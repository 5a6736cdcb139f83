"""Each server that the tests stand on answers with its own version, so that no fall-back passes in silence."""

import re
import subprocess
from urllib.parse import urlsplit

import amqp
import psycopg
import redis
from django.conf import settings
from PIL import Image, ImageDraw
from pytesseract import pytesseract

from tradebot import env
from tradebot.embedded import debian


def test_the_broker_is_rabbitmq() -> None:
    parts = urlsplit(settings.BROKER_URL)
    assert parts.scheme == "amqp"
    with amqp.Connection(
        f"{parts.hostname}:{parts.port}", userid=parts.username, password=parts.password
    ) as connection:
        properties = connection.server_properties
    assert properties["product"] == "RabbitMQ"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", properties["version"])


def test_the_database_is_postgresql_with_pgvector() -> None:
    with psycopg.connect(env.text("DATABASE_URL")) as connection:
        server = connection.execute("SHOW server_version_num").fetchone()
        vector = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        distance = connection.execute("SELECT '[1,0]'::vector <=> '[0,1]'::vector").fetchone()
    assert server is not None
    assert int(server[0]) >= 160000
    assert vector is not None
    assert tuple(map(int, vector[0].split("."))) >= (0, 7)
    assert distance == (1.0,)


def test_the_cache_is_valkey() -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        info = client.info("server")
    assert info["server_name"] == "valkey"
    assert re.fullmatch(r"\d+\.\d+\.\d+", info["valkey_version"])


def test_tesseract_reads_english_and_knows_chinese() -> None:
    program = debian.which("tesseract")
    assert program is not None
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert re.match(r"tesseract v?[45]\.\d", told.stdout or told.stderr)
    assert {"eng", "chi_sim"} <= debian.tesseract_languages()
    picture = Image.new("L", (420, 90), 255)
    ImageDraw.Draw(picture).text((20, 20), "BULLISH", fill=0, font_size=48)
    pytesseract.tesseract_cmd = str(program)
    assert "BULLISH" in pytesseract.image_to_string(picture, lang="eng")
