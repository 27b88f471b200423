#!/usr/bin/env bash
# The compose files.
#   config   they can be read, and keep what they promise: pinned images, limits, health checks, ports on loopback, every
#            variable in .env.example with its default. Needs no daemon, and takes the Compose that `make setup` unpacks
#            where Docker has none.
#   image    it can be built, and is small.
#   run      base and extended really start, under a project name, ports and secrets of the test's own: all containers
#            well, `make smoke`, an alert on its way to Alertmanager, and no start that pages. Then the base in production,
#            and its door; what is refused; and nothing left afterwards. A service whose image is neither here nor to be
#            had is left out, by name.
# Without an argument `config`. Where Docker does not answer, it says that the other two are not tested, and passes.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.cache/python/bin/python
files=(docker-compose.yml docker-compose-extended.yml docker-compose-jaeger.yml)

compose=(docker compose)
docker compose version >/dev/null 2>&1 || compose=(.cache/deb-sid/usr/libexec/docker/cli-plugins/docker-compose)
export COMPOSE_PROJECT_NAME=battlearena-test
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# No .env of the machine: the defaults are tested.
touch "$scratch/env"
export COMPOSE_ENV_FILES=$scratch/env

config() {
  local file
  for file in "${files[@]}"; do
    if ! "${compose[@]}" --file "$file" --profile '*' config --format json >"$scratch/$file.json" 2>"$scratch/said" ||
      [[ -s $scratch/said ]]; then
      cat "$scratch/said" >&2
      exit 1
    fi
  done
  "$python" tests/tools/compose_promises.py "$scratch" "${files[@]}"
}

# Whether an image is here or can be had. One that is here under a less exact tag, without the last number, will do until
# the end of the test.
have() { # have IMAGE
  docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null 2>&1 && return
  docker tag "${1%.*}" "$1" 2>/dev/null || return
  echo "$1" >>"$scratch/tagged"
  echo "In the place of $1: ${1%.*}." >&2
}

# The images that can be had; the services of the others are left out.
left_out() { # left_out FILE
  local service image
  while read -r service image; do
    have "$image" || echo "$service"
  done < <(docker compose --file "$1" config --format json |
    "$python" -c 'import json, sys; [print(n, s["image"]) for n, s in json.load(sys.stdin)["services"].items()]')
}

remove() {
  docker compose --file docker-compose-extended.yml --profile '*' down --remove-orphans --volumes 2>/dev/null
  [[ ! -e $scratch/tagged ]] || xargs docker image rm <"$scratch/tagged" >/dev/null
}

is_gone() {
  local left filter=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
  left=$(docker ps --all --quiet --filter "$filter" && docker network ls --quiet --filter "$filter" &&
    docker volume ls --quiet --filter "$filter")
  if [[ -n $left ]]; then
    echo "make down left something behind: $left" >&2
    exit 1
  fi
}

refused() { # refused WORDS COMMAND...: fails, and says these words
  local words=$1
  shift
  if "$@" >"$scratch/said" 2>&1 || ! grep -q "$words" "$scratch/said"; then
    echo "'$*' should have been refused with '$words', and said:" >&2
    cat "$scratch/said" >&2
    exit 1
  fi
}

image() {
  local most=60000000 size
  has_daemon || return 0
  make --no-print-directory image
  size=$(docker image inspect --format '{{.Size}}' battlearena/arena:0.1.0)
  echo "The image has $size bytes."
  if ((size > most)); then
    echo "It should have $most at most." >&2
    exit 1
  fi
}

has_daemon() {
  if ! docker info >/dev/null 2>&1 || ! docker compose version >/dev/null 2>&1; then
    echo "Docker with Compose does not answer: neither image nor stacks are tested."
    return 1
  fi
}

# .env.example with ports of the test's own, and its own secrets.
settings() {
  local port=21000 line
  while read -r line; do
    case $line in
      *_PORT=*) echo "${line%%=*}=$((port++))" ;;
      SECRETS_FOLDER=*) echo "SECRETS_FOLDER=$scratch/secrets" ;;
      *) echo "$line" ;;
    esac
  done <.env.example
}

start() { # start FILE: without what cannot be had, which `without` then names
  local arguments=() service
  without=$(left_out "$1" | tr '\n' ' ')
  [[ -z $without ]] || echo "Left out, since their images cannot be had here: $without"
  scripts/check-host "$1"
  WITHOUT=$without "${as_somebody[@]}" scripts/up "$1" | tee "$scratch/started"
  for service in $without; do arguments+=(--without "$service"); done
  scripts/smoke "${arguments[@]}"
}

# Watches for a minute: a start is no incident.
pages_nobody() {
  local fired='count by (alertname, severity) (count_over_time(ALERTS{alertstate="firing"}[10m]))' answer
  sleep 60
  answer=$(curl --fail --silent --get --data-urlencode "query=$fired" "http://$(docker compose port prometheus 9090)/api/v1/query")
  # The Watchdog always fires: rules are evaluated.
  if [[ $answer != *'"Watchdog"'* || $answer == *'"critical"'* ]]; then
    echo "These alerts fired after the start, and should have been the Watchdog and nothing critical: $answer" >&2
    exit 1
  fi
}

# Prometheus and Alertmanager behind TLS and the password that was printed when it was made.
door_asks() {
  local password port url
  password=$(sed -n 's/.*user battlearena, password \([^ ]*\).*/\1/p' "$scratch/started")
  for port in 9490 9493; do
    url=https://$(docker compose port door "$port" | sed 's/^0\.0\.0\.0/127.0.0.1/')/-/ready
    ask() { curl --silent --output /dev/null --write-out '%{http_code}' --cacert "$scratch/secrets/door/certificate.pem" "$@"; }
    if [[ $(ask "$url") != 401 || $(ask --user "battlearena:$password" "$url") != 200 ]]; then
      echo "The door at $url should ask for its password, and open with it." >&2
      exit 1
    fi
  done
}

run() {
  has_daemon || return 0
  local file without as_somebody=()
  settings >"$scratch/env"
  # Nobody's group is 0 but root's, and the services have to read what belongs to the group of whoever starts them.
  [[ $(id -g) -ne 0 ]] || as_somebody=(setpriv --regid=23456 --keep-groups)
  trap 'remove; rm -rf "$scratch"' EXIT
  for file in docker-compose.yml docker-compose-extended.yml; do
    echo "== $file"
    start "$file"
    pages_nobody
  done

  echo "== Production, and the door"
  # As it was made before services refused it.
  chmod 0444 "$scratch/secrets/database-password"
  export ARENA_ENV=production ARENA_ALLOW_PLAINTEXT=true COMPOSE_PROFILES=exposed
  start docker-compose.yml
  [[ " $without" == *" door "* ]] || door_asks
  unset ARENA_ENV ARENA_ALLOW_PLAINTEXT COMPOSE_PROFILES

  echo "== Refusals"
  refused "is taken" env COMPOSE_PROJECT_NAME=battlearena-other scripts/check-host docker-compose.yml
  refused "anybody could act" env ARENA_AUTH=open BIND_ADDRESS=0.0.0.0 scripts/check-host docker-compose.yml
  # The door asks for a password.
  ARENA_AUTH=open COMPOSE_PROFILES=exposed scripts/check-host docker-compose.yml
  refused "has no service nobody" env WITHOUT=nobody "${as_somebody[@]}" scripts/up docker-compose.yml

  echo "== make down"
  make --no-print-directory down
  docker volume inspect "${COMPOSE_PROJECT_NAME}_postgres-data" >/dev/null
  make --no-print-directory down VOLUMES=delete
  is_gone
}

for part in "${@:-config}"; do
  case $part in
    config | image | run) "$part" ;;
    *)
      echo "usage: tests/compose.sh [config] [image] [run]" >&2
      exit 2
      ;;
  esac
done
