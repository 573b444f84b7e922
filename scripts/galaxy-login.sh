#!/usr/bin/env bash
# galaxy-login.sh URL PICTURES: a person opens Galaxy in a browser and logs in as admin, with the password of GALAXY_PASSWORD. Two
# pictures are left in PICTURES: login.png and home.png.
. "$(dirname "$0")/common.sh"
url=$1 pictures=$2
. "$(dirname "$0")/browser.sh"
go "$url"
until_true "at the form to log in" there 'input[type=password]'
picture login
type_into 'input[type=text]' admin
type_into 'input[type=password]' "${GALAXY_PASSWORD:?}"
click 'button[type=submit]'
until_true "logged in" says admin
picture home
