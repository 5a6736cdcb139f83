"""The one settings file: everything comes from the environment (tradebot/env.py), nothing secret has a default."""

from __future__ import annotations

import os
import socket
from urllib.parse import parse_qsl, unquote, urlsplit

import django_stubs_ext

from tradebot import env, storages
from tradebot.logging import configure

# So that `admin.ModelAdmin[Post]` and friends, which the type checker wants, exist at run time too.
django_stubs_ext.monkeypatch()

BASE_DIR = env.BASE_DIR
VAR_DIR = env.VAR_DIR

SECRET_KEY = env.text("SECRET_KEY")
DEBUG = env.flag("DEBUG")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "tradebot.admin_config.TradebotAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
    "tradebot.messaging",
    "apps.accounts",
    "apps.sources",
    "apps.signals",
    "apps.strategies",
    "apps.trading",
    "apps.exchanges",
    "workers",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "tradebot.urls"
WSGI_APPLICATION = "tradebot.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "tradebot" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- servers ---------------------------------------------------------------------------------------------------------


PREPARE_AFTER = 3
"""After how many times PostgreSQL keeps a statement's plan for a connection: planning takes as long as running."""


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or 5432,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"server_side_binding": True, "prepare_threshold": PREPARE_AFTER, **dict(parse_qsl(parts.query))},
    }


DATABASES = {"default": _database(env.text("DATABASE_URL"))}
BROKER_URL = env.text("BROKER_URL")
REDIS_URL = env.text("REDIS_URL")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- people and secrets ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
CREDENTIAL_KEYS = env.items("CREDENTIAL_KEYS")
ADMIN_PASSWORD = env.lookup("ADMIN_PASSWORD")

HTTPS = env.flag("HTTPS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY") else None
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
# A new token is shown in a message: the cookie of the one who made it may hold it, the sessions table may not.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- the pipeline ----------------------------------------------------------------------------------------------------

MEDIA_ROOT = VAR_DIR / "media"
STORAGES = storages.storages()
GUARDED_ALLOW = env.items("GUARDED_ALLOW")
MEDIA_ALLOW = env.items("MEDIA_ALLOW")
BROWSER_SANDBOX = env.flag("BROWSER_SANDBOX", default=os.geteuid() != 0)
"""Chromium's own fence around pages; it can't be had as root, nor in containers without user namespaces."""
OCR_ENGINE = env.text("OCR_ENGINE", "auto")
OCR_SECONDS = env.number("OCR_SECONDS", 60)
OCR_MEMORY_MIB = env.number("OCR_MEMORY_MIB", 1536)
"""What one picture may take; more, and it is refused."""
OCR_THREADS = env.number("OCR_THREADS", 2)
MODEL_THREADS = env.number("MODEL_THREADS", 1)
STORY_MINUTES = env.number("STORY_MINUTES", 30)
"""How long after its first post a story takes others in; a strategy acts on a story once. 0: each post is its own."""
MANIPULATION_LIMIT = env.text("MANIPULATION_LIMIT", "0.6")
"""From which score (0 to 1) a post that looks like manipulation is only a shadow."""
ANALYZER_WEIGHTS = env.text("ANALYZER_WEIGHTS", "")
"""What each analyzer's vote weighs, as rules=0.6,minilm=0.3; one that is not named keeps its own weight."""
ACCURACY_HORIZONS = env.text("ACCURACY_HORIZONS", "1h,4h,24h")
ACCURACY_DECISIVE = env.text("ACCURACY_DECISIVE", "4h")
"""The horizon that the weights of analyzers and the demotion of sources go by."""
ACCURACY_BAND = env.text("ACCURACY_BAND", "0.2")
"""Percent: a price that moved no further says neither right nor wrong."""
ACCURACY_WINDOW_DAYS = env.number("ACCURACY_WINDOW_DAYS", 30)
ACCURACY_LEAST_CALLS = env.number("ACCURACY_LEAST_CALLS", 50)
"""Calls in the window before a source can be demoted."""
ACCURACY_VENUES = env.items("ACCURACY_VENUES")
"""Where the prices for marks come from, the first liked best; empty: every enabled venue, the paper exchange last."""
LLM_URL = env.text("LLM_URL", "")
"""An OpenAI-compatible server to ask about posts, like http://127.0.0.1:11434/v1; empty: none is asked."""
LLM_MODEL = env.text("LLM_MODEL", "")
LLM_API_KEY = env.lookup("LLM_API_KEY")
LLM_TIMEOUT = env.text("LLM_TIMEOUT", "4")
LLM_DAILY_REQUESTS = env.text("LLM_DAILY_REQUESTS", "1000")
LLM_DAILY_REQUESTS_PER_SOURCE = env.text("LLM_DAILY_REQUESTS_PER_SOURCE", "100")
LLM_DAILY_TOKENS = env.text("LLM_DAILY_TOKENS", "2000000")
LLM_DAILY_TOKENS_PER_SOURCE = env.text("LLM_DAILY_TOKENS_PER_SOURCE", "200000")
LLM_PARALLEL = env.text("LLM_PARALLEL", "4")
TRAINED_MODEL = env.text("TRAINED_MODEL", "")
"""Folder that `manage.py train` wrote; its model joins the analyzers (docs/models.md)."""
TRANSFORMER_MODELS = env.text("TRANSFORMER_MODELS", "")
"""Sequence classifiers as ONNX folders: finbert=/models/finbert,cryptobert=/models/cryptobert."""
TRANSFORMER_LABELS = env.text("TRANSFORMER_LABELS", "")
"""What the outputs of a model mean whose names don't say it: finbert=bullish|bearish|neutral."""
PAPER_EXCHANGE_URL = env.lookup("PAPER_EXCHANGE_URL")
PAPER_EXCHANGE_TOKEN = env.lookup("PAPER_EXCHANGE_TOKEN")
OUTGOING_ADDRESS = env.text("OUTGOING_ADDRESS", socket.gethostname())
"""Name of the IP address that requests to exchanges leave from: all processes behind one address share its budget."""

CRAWLER_CONFIG = env.text("CRAWLER_CONFIG", "file:crawler.toml")
"""Where the crawlers' configuration is kept: file:PATH, or etcd://host:port/key (etcds:// for TLS)."""
ETCD_CA, ETCD_CERT, ETCD_KEY = (env.text(name, "") for name in ("ETCD_CA", "ETCD_CERT", "ETCD_KEY"))
NODE_REGISTRY = env.text("NODE_REGISTRY", "database")
"""Where crawl workers announce themselves: database, or consul://host:port (consuls:// for TLS)."""
CONSUL_TOKEN = env.lookup("CONSUL_TOKEN")

FLOWER_URL = env.lookup("FLOWER_URL")
METRICS_TOKEN = env.lookup("METRICS_TOKEN")

# --- API -------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tradebot.rest_defaults.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "tradebot.rest_defaults.Page",
    "EXCEPTION_HANDLER": "tradebot.rest.on_error",
    "DEFAULT_THROTTLE_CLASSES": ["tradebot.rest_defaults.AnonThrottle", "tradebot.rest_defaults.UserThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "60/min", "user": env.text("API_RATE", "6000/min")},
    "NUM_PROXIES": 1 if env.flag("BEHIND_PROXY") else 0,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "tradebot",
    "DESCRIPTION": "From post to order: strategies, signals, orders and why they were made.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tradebot.rest.describe_errors",
    ],
    "ENUM_NAME_OVERRIDES": {"SideEnum": [("buy", "buy"), ("sell", "sell")]},
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- admin -----------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "tradebot",
    "SITE_HEADER": "tradebot",
    "SITE_SUBHEADER": "From post to order",
    "SITE_SYMBOL": "candlestick_chart",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "tradebot.admin_site.dashboard",
    "LOGIN": {"form": "apps.accounts.login.LoginForm"},
    "SIDEBAR": {"show_search": True, "navigation": "tradebot.admin_site.navigation"},
}

# --- the rest --------------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = env.lookup("STATIC_ROOT")
WHITENOISE_USE_FINDERS = True
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = configure(
    json=env.text("LOG_FORMAT", "json") == "json",
    secrets=[
        SECRET_KEY,
        ADMIN_PASSWORD,
        PAPER_EXCHANGE_TOKEN,
        METRICS_TOKEN,
        CONSUL_TOKEN,
        LLM_API_KEY,
        *CREDENTIAL_KEYS,
        *(env.text("DATABASE_URL"), BROKER_URL, REDIS_URL, FLOWER_URL),
    ],
)
DJANGO_CELERY_BEAT_TZ_AWARE = True
