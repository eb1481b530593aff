#!/bin/sh
# Calls the API once, as a machine, with a token of its own for this one call. For more than a few calls, use agent.py.
#
#   agent.sh https://api.lab.example/db/locations
#   agent.sh https://api.lab.example/db/locations POST body.json
#
# The answer is on standard output. It ends with 0 for an answer of 2xx, else with what went wrong on standard error.
# Settings: those of token.sh, and SCOPE, the scopes to ask for; default: all that the client has.
set -eu
. "$(dirname "$0")/token.sh"

[ $# -ge 1 ] || die "usage: $0 URL [METHOD [FILE]]"
url=$1
method=${2:-GET}
require_safe "$url"
[ $# -lt 3 ] || [ -r "$3" ] || die "$3 cannot be read"
[ $# -lt 3 ] || set -- "$1" "$2" --header 'Content-Type: application/json' --data-binary "@$3"
[ $# -lt 2 ] && shift 1 || shift 2

token=$(get_token "${SCOPE:-}")
# Redirects are not followed: the token is for this host.
printf 'header = "Authorization: Bearer %s"\n' "$token" |
  curl -q --globoff --config - --silent --show-error --fail-with-body --max-time 60 --request "$method" --header 'Accept: application/json' "$@" "$url"
