#!/bin/sh
# Is everything set up? Asks the API as a machine with the scope, as nobody, and with tokens that must not be enough.
#
#   API_URL=https://api.lab.example/db/locations SCOPE_READ=... SCOPE_OTHER=... smoke.sh
#
#   API_URL           something that GET gives, with the scope SCOPE_READ and not with SCOPE_OTHER
#   USER_TOKEN_FILE   a file with the access token of a person, which must be refused as well; not asked without it
# and the settings of token.sh. It only ever sends GET, so it changes nothing even where the gateway lets too much through.
set -eu
. "$(dirname "$0")/token.sh"

[ -n "${API_URL:-}" ] || die 'set API_URL'
[ -n "${SCOPE_READ:-}" ] || die 'set SCOPE_READ'
[ -n "${SCOPE_OTHER:-}" ] || die 'set SCOPE_OTHER'
require_safe "$API_URL"

# ask TOKEN: prints status and code of the refusal, such as "403 insufficient_scope".
ask() {
  answer=$({ [ -z "$1" ] || printf 'header = "Authorization: Bearer %s"\n' "$1"; } |
    curl -q --globoff --config - --silent --show-error --max-time 20 --header 'Accept: application/json' --write-out '\n%{http_code}' "$API_URL") ||
    die "$API_URL cannot be reached"
  status=${answer##*
}
  case $status in
    2*) printf '%s' "$status" ;;
    *) printf '%s %s' "$status" "$(printf '%s' "${answer%
*}" | jq -r '.code // empty' 2>/dev/null)" ;;
  esac
}

failed=0
expect() {
  if [ "$2" = "$3" ]; then
    printf 'ok    %s: %s\n' "$1" "$3"
  else
    printf 'FAULT %s: %s instead of %s\n' "$1" "$3" "$2"
    failed=1
  fi
}

with_scope=$(get_token "$SCOPE_READ")
with_other=$(get_token "$SCOPE_OTHER")
expect 'with the scope' 200 "$(ask "$with_scope")"
expect 'without a token' '401 not_signed_in' "$(ask '')"
expect 'without the scope' '403 insufficient_scope' "$(ask "$with_other")"
if [ -n "${USER_TOKEN_FILE:-}" ]; then
  [ -s "$USER_TOKEN_FILE" ] || die 'USER_TOKEN_FILE cannot be read'
  expect "with a person's token" '403 denied' "$(ask "$(cat "$USER_TOKEN_FILE")")"
else
  printf "left  with a person's token: USER_TOKEN_FILE is not set\n"
fi
exit "$failed"
