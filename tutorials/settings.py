"""Every setting of the site. The environment (QUAYSIDE_…) is read here, once, and nowhere else, and checked."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from tutorials.secret import secret_from

BASE_DIR = Path(__file__).resolve().parent.parent


def _text(name: str, default: str) -> str:
    return os.environ.get(f"QUAYSIDE_{name}", default).strip()


def _choice(name: str, default: str, *, among: tuple[str, ...]) -> str:
    value = _text(name, default)
    if value not in among:
        raise ImproperlyConfigured(f"QUAYSIDE_{name} is {value!r}; it must be one of: {', '.join(among)}.")
    return value


def _flag(name: str) -> bool:
    return _choice(name, "0", among=("0", "1")) == "1"


def _number(name: str, default: int, *, least: int = 1) -> int:
    value = _text(name, str(default))
    if not value.isdigit() or int(value) < least:
        raise ImproperlyConfigured(f"QUAYSIDE_{name} is {value!r}; it must be a whole number of at least {least}.")
    return int(value)


def _origin(value: str) -> str:
    """`value` as a browser would write it in an Origin header: scheme, host and port, nothing else."""
    parts = urlsplit(value)
    bare = parts._replace(path="" if parts.path == "/" else parts.path)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or bare.geturl() != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ImproperlyConfigured(f"QUAYSIDE_ORIGINS: {value!r} is no origin like https://class.example.org:8000.")
    if "*" in parts.netloc or "@" in parts.netloc:
        raise ImproperlyConfigured(f"QUAYSIDE_ORIGINS: {value!r}: wildcards and user names are refused.")
    default = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(default)}"


def _database(url: str) -> dict[str, object]:
    """Django's settings for postgres://user:password@host:port/name, or for SQLite in the data directory."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "quayside.sqlite3",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # Without IMMEDIATE a read that becomes a write fails at once under WAL, whatever the timeout
                # (246 of 1,200 in the measurement, 0 with it). FULL: no acknowledged pass is lost in a power cut.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.hostname:
        raise ImproperlyConfigured("QUAYSIDE_DATABASE must look like postgres://user:password@host:5432/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": str(parts.port or 5432),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5},
    }


# What the host decides ------------------------------------------------------------------------------------------------

DATA_DIR = Path(_text("DATA", str(BASE_DIR / "var"))).absolute()
MODE = _choice("MODE", "embedded", among=("embedded", "compose"))
DEBUG = _flag("DEBUG")
ORIGINS = [
    _origin(value) for value in _text("ORIGINS", "http://localhost:8000,http://127.0.0.1:8000").split(",") if value
]
SECRET_KEY = _text("SECRET", "") or secret_from(DATA_DIR / "secret")
BACKEND = _choice("BACKEND", "local", among=("local",))
BACKEND_SOCKET = Path(_text("BACKEND_SOCKET", str(DATA_DIR / "run" / "backend.sock"))).absolute()
LESSON_DIRECTORIES = [
    *(Path(path).absolute() for path in _text("LESSONS", "").split(os.pathsep) if path),
    DATA_DIR / "lessons",
    BASE_DIR / "lessons",
]
IDLE_MINUTES = _number("IDLE_MINUTES", 60)
WARNING_MINUTES = _number("WARNING_MINUTES", 5)
LIFETIME_MINUTES = _number("LIFETIME_MINUTES", 240)
LONGEST_MINUTES = _number("LONGEST_MINUTES", 720)
SWEEP_SECONDS = _number("SWEEP_SECONDS", 10)
WORKER_THREADS = _number("WORKER_THREADS", 16)
BROKER = _text("BROKER", "memory://")
PAGE_THREADS = 4 if MODE == "embedded" else 16
"""With SQLite more threads only wait for each other: see threads.py."""
NOTICE = _text("NOTICE", "")
"""A sentence for every page, such as what this host cannot enforce."""

if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("QUAYSIDE_SECRET is shorter than 50 characters.")
if not ORIGINS:
    raise ImproperlyConfigured("QUAYSIDE_ORIGINS names no origin.")
if WARNING_MINUTES >= IDLE_MINUTES:
    raise ImproperlyConfigured("QUAYSIDE_WARNING_MINUTES must be less than QUAYSIDE_IDLE_MINUTES.")
if MODE == "compose" and not BROKER.startswith(("redis://", "rediss://")):
    raise ImproperlyConfigured("QUAYSIDE_MODE=compose needs QUAYSIDE_BROKER=redis://…")

_HOSTS = {urlsplit(origin).hostname or "" for origin in ORIGINS}
_LOOPBACK_ONLY = all(host in ("localhost", "127.0.0.1", "::1") for host in _HOSTS)
_HTTPS_ONLY = all(origin.startswith("https://") for origin in ORIGINS)
if DEBUG and not _LOOPBACK_ONLY:
    raise ImproperlyConfigured("QUAYSIDE_DEBUG=1 is refused for a site that others can reach.")

# Django ---------------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "tutorials",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "tutorials.csp.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tutorials.threads.InOnePiece",
]

ROOT_URLCONF = "tutorials.urls"
ASGI_APPLICATION = "tutorials.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": _database(_text("DATABASE", ""))}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tutorials.context.site",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "sesame.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "/admin/login/"
SESAME_ONE_TIME = True
SESAME_MAX_AGE = 15 * 60

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "quayside_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if MODE == "compose" else None
STATICFILES_DIRS = [BASE_DIR / "static"]
# `up` serves from the folders themselves, so that a fresh clone needs no collectstatic; compose collects and hashes.
WHITENOISE_USE_FINDERS = MODE == "embedded"
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0 if MODE == "embedded" else 60
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if MODE == "embedded"
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Security -------------------------------------------------------------------------------------------------------------

ALLOWED_HOSTS = sorted(f"[{host}]" if ":" in host else host for host in _HOSTS)
CSRF_TRUSTED_ORIGINS = ORIGINS
SESSION_COOKIE_NAME = "quayside_session"
SESSION_COOKIE_AGE = 90 * 24 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _HTTPS_ONLY
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
CSRF_COOKIE_NAME = "quayside_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = _HTTPS_ONLY
# Start makes a guest and that renews the token: scripts therefore read it from the cookie each time (docs/site.md).
CSRF_COOKIE_HTTPONLY = False
CSRF_FAILURE_VIEW = "tutorials.views.errors.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 3600 * 24 * 30 if _HTTPS_ONLY else 0
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20

SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for sub-domains: they may be somebody else's
    "security.W021",  # HSTS preload: the host's own decision
    *(
        [] if _HTTPS_ONLY else ["security.W004", "security.W008", "security.W012", "security.W016"]
    ),  # plain HTTP by choice
    "security.W008",  # the redirect to https belongs to whatever ends TLS
]

# Work and messages ----------------------------------------------------------------------------------------------------

if MODE == "compose":
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": BROKER}}
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [BROKER]}}
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

CELERY_BROKER_URL = "memory://localhost/" if BROKER == "memory://" else BROKER
CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.05} if BROKER == "memory://" else {"visibility_timeout": 3600}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "tutorials.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": SWEEP_SECONDS}},
    "tidy": {"task": "tutorials.tidy", "schedule": 3600, "options": {"expires": 3600}},
    "check-without-page": {"task": "tutorials.check_without_page", "schedule": 60, "options": {"expires": 60}},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "tutorials.log.OneLine", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO" if DEBUG else "WARNING"},
    "loggers": {
        "tutorials": {"level": "DEBUG" if DEBUG else "INFO"},
        "django.request": {"level": "ERROR"},  # anybody can cause a 404
    },
}
