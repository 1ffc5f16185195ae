#!/bin/sh
# rotate-acme.sh makes API keys of Acme for layer. It needs curl and jq.
set -eu
request=$(cat)
of() { printf '%s' "$request" | jq -r "$1"; }
fail() { jq -n --arg text "$1" '{error: $text}'; exit 0; }

# acme TOKEN METHOD PATH prints the answer of Acme's API. The token and the body
# are on stdin: an argument would be in the list of processes.
acme() {
	{
		printf 'header = "Authorization: Bearer %s"\n' "$1"
		[ "$2" != POST ] || printf 'data = %s\n' "$(of '{name} | tojson | tojson')"
	} | curl --silent --fail --max-time 20 --config - --request "$2" "$(of .params.api)$3"
}

case $(of .step) in
make)
	key=$(acme "$ACME_ADMIN_TOKEN" POST /keys) || fail 'Acme made no key'
	printf '%s' "$key" | jq '{id, value: .secret}' ;;
test)
	acme "$(of .value)" GET /me >/dev/null || fail 'Acme does not accept the key'
	echo '{}' ;;
retire)
	acme "$ACME_ADMIN_TOKEN" DELETE "/keys/$(of .id)" >/dev/null || fail 'Acme did not delete the key'
	echo '{}' ;;
sweep)
	keys=$(acme "$ACME_ADMIN_TOKEN" GET /keys) || fail 'Acme did not list its keys'
	for id in $(printf '%s %s' "$request" "$keys" | jq -rs '.[0] as $r | .[1][]
		| select(IN(.name; $r.names[]) and (IN(.id; $r.known[]) | not)) | .id'); do
		acme "$ACME_ADMIN_TOKEN" DELETE "/keys/$id" >/dev/null || fail 'Acme did not delete a key'
	done
	echo '{}' ;;
steps)
	echo '{"steps":["make","test","retire","sweep"]}' ;;
*)
	echo '{"unsupported":true}' ;;
esac
