#!/usr/bin/env bash
# Apache Superset in an environment of its own, over the lake that LOGSTER_LAKE names.
#   superset.sh env        make the environment where it is not there, or the lock file has changed
#   superset.sh bootstrap [FOLDER]
#                          make or renew metadata, roles, administrator and dashboards (of another folder); may be repeated
#   superset.sh serve      the same, then serve on 127.0.0.1 at LOGSTER_SUPERSET_PORT until stopped
#   superset.sh run CMD…   a program of the environment with all settings, e.g. `superset.sh run superset --help`
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv-superset
lock=$root/superset/requirements.lock
made_of=$venv/requirements.lock  # a copy of the lock file that the environment was made of

find_uv() {
    local uv=$root/.tools/uv/bin/uv
    [[ -x $uv ]] || uv=$(command -v uv) || { make --silent -C "$root" .tools/uv/bin/uv >&2; uv=$root/.tools/uv/bin/uv; }
    echo "$uv"
}

is_current() { cmp -s "$lock" "$made_of"; }

make_env() {
    is_current && return
    local uv python=python3
    exec 9>"$root/.venv-superset.lock"
    if command -v flock >/dev/null; then flock 9 || return; fi  # one at a time
    is_current && return
    uv=$(find_uv) || return
    [[ -x $root/.venv/bin/python ]] && python=$root/.venv/bin/python
    [[ -x $venv/bin/python ]] || "$uv" venv --quiet --python "$python" "$venv" || return
    VIRTUAL_ENV=$venv "$uv" pip sync --quiet --require-hashes "$lock" || return
    cp "$lock" "$made_of"
}

enter() {
    # in a process of its own, which ends with its lock
    (make_env) || { echo "Superset's environment cannot be made (is there a network?): no dashboards" >&2; exit 1; }
    export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv PYTHONPATH=$root TZ=UTC
    export SUPERSET_CONFIG_PATH=$root/superset/superset_config.py FLASK_APP="superset.app:create_app()"
    export SCARF_ANALYTICS=false DO_NOT_TRACK=true
}

case ${1:-} in
    env) make_env ;;
    bootstrap) enter; shift; exec python -P -m logster.dashboards "$@" ;;
    serve)
        enter
        port=$(python -P -c "from pipelines.settings import *; print(load_settings().superset_port)")
        # one worker: it holds the only DuckDB, whose threads share the machine; the first start may take minutes
        exec gunicorn --bind "127.0.0.1:$port" --workers 1 --worker-class gthread --threads 8 --timeout 300 \
            --graceful-timeout 2 --no-control-socket "logster.dashboards:served_app()" ;;
    run) enter; shift; exec "$@" ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
