#!/bin/sh
# Makes every secret that compose.yaml needs, once: files already there stay as they are.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/secrets}
mkdir -p "$folder"
# The folder lets nobody else in; the files themselves must be readable by the containers' unprivileged users.
chmod 0700 "$folder"

random() { openssl rand -hex 24; }
fernet() { openssl rand -base64 32 | tr '+/' '-_'; }
put() { # NAME VALUE
    [ -e "$folder/$1" ] || { printf '%s\n' "$2" >"$folder/$1" && chmod 0444 "$folder/$1"; }
}

put secret_key "$(openssl rand -hex 40)"
put credential_keys "$(fernet)"
put admin_password "$(random)"
put flower_password "$(random)"
put paper_exchange_token "$(random)"
put metrics_token "$(random)"
put grafana_password "$(random)"

put postgres_password "$(random)"
put database_url "postgresql://tradebot:$(cat "$folder/postgres_password")@postgres:5432/tradebot"

put valkey_password "$(random)"
put valkey.conf "requirepass $(cat "$folder/valkey_password")"
put redis_url "redis://:$(cat "$folder/valkey_password")@valkey:6379/0"

put rabbitmq_password "$(random)"
put rabbitmq.conf "default_user = tradebot
default_pass = $(cat "$folder/rabbitmq_password")"
put broker_url "amqp://tradebot:$(cat "$folder/rabbitmq_password")@rabbitmq:5672/%2F"

# What is watched: edited there, it is read again while everything runs.
if [ -f "$here/../crawler.toml" ] && [ ! -e "$here/crawler/crawler.toml" ]; then
    mkdir -p "$here/crawler"
    cp "$here/../crawler.toml" "$here/crawler/crawler.toml"
    chmod 0755 "$here/crawler"
    chmod 0644 "$here/crawler/crawler.toml"
fi

[ -e "$here/.env" ] || printf 'TRADEBOT_SECRETS=%s\n' "$folder" >"$here/.env"
echo "Secrets are in $folder; now: docker compose --file $here/compose.yaml up --detach --build"
