# For other scripts to read in: `. token.sh`, then `token=$(get_token "$scope")`.
#
# The secret goes from a file or the environment into curl by its standard input. It stands in no argument list, which
# every user of the machine can read, and neither secret nor token is ever printed. Nothing is kept on disk. No .curlrc is
# read (-q), which could have curl write both to a file, and an address is one address (--globoff).
#
#   TOKEN_URL               https://DOMAIN.auth.REGION.amazoncognito.com/oauth2/token
#   M2M_CLIENT_ID           the app client
#   M2M_CLIENT_SECRET_FILE  a file with its secret, readable by its owner alone; or M2M_CLIENT_SECRET with the secret itself
{ set +x; } 2>/dev/null # a trace would show both

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

for program in curl jq; do
  command -v "$program" >/dev/null || die "$program is needed"
done

# Neither secret nor token leaves the machine unencrypted.
require_safe() {
  authority=${1#*://}
  authority=${authority%%[/?#]*}
  case $1 in
    *@*) die "$1 names a user" ;;
    https://*) return ;;
    http://*) ;;
    *) die "$1 is no URL" ;;
  esac
  case $authority in
    127.0.0.1:* | localhost:* | *.localhost:*) ;; # trials on this machine
    *) die "$1 is not https" ;;
  esac
}

# get_token SCOPE: prints an access token with these scopes, separated by spaces; with all of the client's for ''.
get_token() {
  [ -n "${TOKEN_URL:-}" ] || die 'set TOKEN_URL'
  [ -n "${M2M_CLIENT_ID:-}" ] || die 'set M2M_CLIENT_ID'
  require_safe "$TOKEN_URL"
  if [ -n "${M2M_CLIENT_SECRET_FILE:-}" ]; then
    secret=$(cat "$M2M_CLIENT_SECRET_FILE") || die "M2M_CLIENT_SECRET_FILE cannot be read"
  else
    secret=${M2M_CLIENT_SECRET:-}
  fi
  [ -n "$secret" ] || die 'set M2M_CLIENT_SECRET_FILE'
  # Cognito makes both of letters and digits; anything else would be read as something else by curl.
  case $M2M_CLIENT_ID$secret in
    *[!A-Za-z0-9._~+/=-]*) die 'M2M_CLIENT_ID or its secret has characters that Cognito does not use' ;;
  esac
  set -- "${1:-}" --data-urlencode grant_type=client_credentials
  [ -z "$1" ] || set -- "$@" --data-urlencode "scope=$1"
  shift
  answer=$(printf 'user = "%s:%s"\n' "$M2M_CLIENT_ID" "$secret" |
    curl -q --globoff --config - --silent --show-error --max-time 20 --write-out '\n%{http_code}' "$@" "$TOKEN_URL") ||
    die "$TOKEN_URL cannot be reached"
  status=${answer##*
}
  body=${answer%
*}
  if [ "$status" != 200 ]; then
    die "the token endpoint answered $status: $(printf '%s' "$body" | jq -r '.error // empty' 2>/dev/null)"
  fi
  token=$(printf '%s' "$body" | jq -er 'select(.token_type == "Bearer") | .access_token' 2>/dev/null) ||
    die 'the token endpoint answered without a bearer token'
  case $token in
    *[!A-Za-z0-9._~+/=-]*) die 'the token endpoint answered with what is no token' ;;
  esac
  printf '%s' "$token"
}
