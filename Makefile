# From a bare machine to a running tradebot. Every target makes what it needs first.
SHELL := /bin/sh
.DEFAULT_GOAL := help
# Where bytecode is not written, every process compiles the whole house again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON_BIN := .venv/bin/python
UV := .venv/uv/bin/uv
EMBEDDED := $(PYTHON_BIN) -m tradebot.embedded
# cpu, or gpu where there is an NVIDIA card.
LOCK ?= cpu
# Enough for Django to load; nothing below `check` connects anywhere.
CHECK_ENV := SECRET_KEY=check DATABASE_URL=postgres://check@127.0.0.1:1/check BROKER_URL=memory:// \
	REDIS_URL=redis://127.0.0.1:1/0 LOG_FORMAT=text

.PHONY: help demo up down status test check trained evaluate bench chaos lock clean venv venv-dev

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv  ## play sample posts through the whole pipeline (EXIT=1: then stop; BROKER_URL=amqp://…)
	@$(EMBEDDED) demo

up: venv  ## start everything for real use, with RabbitMQ (PORT=8000, BROKER=embedded, DATABASE_URL=…)
	@$(EMBEDDED) up

down:  ## stop everything
	@if [ -x $(PYTHON_BIN) ]; then $(EMBEDDED) down; fi

status: venv  ## what runs, and where to look
	@$(EMBEDDED) status

test: venv-dev  ## run every test against real servers (ARGS="-k name" for pytest)
	@$(EMBEDDED) test $(ARGS)

check: venv-dev  ## format, types, imports, migrations, API snapshot, docker files
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(CHECK_ENV) $(MAKE) --no-print-directory --keep-going \
		check-format check-lint check-types check-imports check-migrations check-api check-docker

trained: venv-dev  ## train on the outside sets' own rows, for evaluate (PyTorch into var/train; TRADEBOT_SHARED_DATA)
	@[ -x var/train/bin/python ] || { $(UV) venv -q --python .venv/bin/python var/train && $(UV) pip install -q -p var/train -r requirements/train.txt; }
	@for set in twitter_fin/sent_train:0,2,1 crypto_posts/posts:-1,0,1 finfe_zh/posts:-1,0,1; do \
		file=$${set%%:*}; name=$${file%%/*}; \
		$(CHECK_ENV) var/train/bin/python manage.py train $${TRADEBOT_SHARED_DATA:-../shared/data}/labelled/$$file.csv \
			--labels=$${set##*:} --out var/models/$$name || exit 1; \
	done

evaluate: venv-dev  ## measure the analyzers and write docs/accuracy.md (TRADEBOT_SHARED_DATA for outside data)
	@$(CHECK_ENV) $(PYTHON_BIN) manage.py evaluate --report docs/accuracy.md
	@$(CHECK_ENV) $(PYTHON_BIN) -m tests.screenshots.score --report docs/accuracy.md

bench: venv-dev  ## measure against bare Celery (ONLY=pipeline for one part)
	@$(EMBEDDED) bench $(ONLY)

chaos: venv-dev  ## break everything at random, then count orders (SEEDS=20 FIRST_SEED=1 MUTANT=name)
	@$(PYTHON_BIN) -m tests.chaos --seeds $(or $(SEEDS),20) --first-seed $(or $(FIRST_SEED),1) \
		$(if $(MUTANT),--mutant $(MUTANT)) $(ARGS)

lock: venv-dev  ## resolve requirements/*.in again
	@sh requirements/lock.sh

clean: down  ## stop everything, remove var/ and the environment
	rm -rf var .venv

venv:
	@sh requirements/venv.sh $(LOCK)

venv-dev:
	@sh requirements/venv.sh dev

# --- the parts of check, each in the environment that `check` sets ----------------------------------------------------

.PHONY: check-format check-lint check-types check-imports check-migrations check-api check-docker

check-format:
	ruff format --check .

check-lint:
	ruff check .

check-types:
	mypy

check-imports:
	lint-imports

check-migrations:
	python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

check-api:
	@mkdir -p var/check
	python manage.py spectacular --validate --fail-on-warn --file var/check/openapi.yaml
	diff -u docs/openapi.yaml var/check/openapi.yaml || \
		{ echo 'The API changed: review it, then copy var/check/openapi.yaml to docs/openapi.yaml.' >&2; exit 1; }

check-docker:
	hadolint $$(find docker -name 'Dockerfile*')
	check-jsonschema --builtin-schema vendor.compose-spec $$(find docker -name 'compose*.y*ml')
