# shellcheck shell=bash
# Sourced by scripts that drive a browser: a headless Chromium by chromedriver. `$pictures` is where its pictures go.
need chromium=chromium chromedriver=chromium-driver curl=curl jq=jq
mkdir -p "${pictures:?}"
profile=$(mktemp -d)
chromedriver --port=0 >"$profile/log" 2>&1 &
driver=$! session=''
end_browser() {
    [ -z "$session" ] || curl --silent --request DELETE "$at/session/$session" >/dev/null || true
    kill $driver 2>/dev/null || true
    wait $driver 2>/dev/null || true
    rm -rf "$profile"
}
trap end_browser EXIT

# until_true WHAT COMMAND...: asks until it is so.
until_true() {
    local tries=0 what=$1
    shift
    until "$@"; do
        [ $((tries += 1)) -lt 300 ] || die "the browser: still not $what; its page says: $(text)"
        sleep 0.2
    done
}

# What is sent is on standard input: a password is in no command line.
send() { jq -c . | curl --silent --show-error --header 'Content-Type: application/json' --data @- "$at/$1"; }
# find_one CSS: the element's name, as long as there is one.
find_one() {
    jq -n --arg css "$1" '{using: "css selector", value: $css}' | send "session/$session/element" \
        | jq -er '.value | if .error then null else to_entries[0].value end'
}
there() { find_one "$1" >/dev/null; }
type_into() { TEXT=$2 jq -n '{text: env.TEXT}' | send "session/$session/element/$(find_one "$1")/value" >/dev/null; }
click() { echo '{}' | send "session/$session/element/$(find_one "$1")/click" >/dev/null; }
text() { jq -n '{script: "return document.body.innerText", args: []}' | send "session/$session/execute/sync" | jq -r .value; }
says() { text | grep -F "$1" >/dev/null; }
show() { jq -n --arg css "$1" '{script: "document.querySelector(arguments[0]).scrollIntoView()", args: [$css]}' \
    | send "session/$session/execute/sync" >/dev/null; }
picture() { curl --silent "$at/session/$session/screenshot" | jq -r .value | base64 --decode >"$pictures/$1.png"; }
# go URL: in a window of 1280 by 900.
go() { jq -n --arg url "$1" '{url: $url}' | send "session/$session/url" >/dev/null; }

until_true "started" grep -q 'started successfully on port' "$profile/log"
at=http://127.0.0.1:$(sed -n 's/.*started successfully on port \([0-9]*\).*/\1/p' "$profile/log")
session=$(jq -n --arg profile "$profile/chromium" '{capabilities: {alwaysMatch: {acceptInsecureCerts: true, "goog:chromeOptions": {args:
    ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900", "--user-data-dir=\($profile)"]}}}}' \
    | send session | jq -r .value.sessionId)
[ "$session" != null ] || die "chromedriver does not start a browser"
