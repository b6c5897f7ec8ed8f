# The Debian packages that mailweir is built and tested with, and how to get those that are missing. Sourced by ./demo,
# ./test and .ci/run; works on Debian 12 and newer, as root, or by sudo where something is missing.
# shellcheck shell=bash

mailweir_build_packages=(build-essential cmake ninja-build pkg-config git libuv1-dev libpcre2-dev libssl-dev libc-ares-dev
    libarchive-dev libmagic-dev libutf8proc-dev libidn2-dev libhiredis-dev libspf2-dev)
# Real clients and servers for the system tests, with what they only recommend (nothing recommended is installed): swaks knows TLS
# by libnet-ssleay-perl; ca-certificates is the store that "tls verified" trusts where no "ca" is set.
# shellcheck disable=SC2034 # used by ./test
mailweir_test_packages=("${mailweir_build_packages[@]}" postfix swaks libnet-ssleay-perl curl msmtp haproxy nginx-light
    libnginx-mod-mail nsd nodejs node-nodemailer python3 openssl ca-certificates iproute2 nftables
    liblmdb-dev redis-server libgmime-3.0-dev zip p7zip-full
    opendkim opendkim-tools opendmarc python3-spf python3-dkim python3-nacl python3-dnspython python3-yaml)

# The packages of the arguments that are not installed, one a line.
mailweir_missing_packages() {
    local package status
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) || status=
        [[ $status == ii* ]] || echo "$package"
    done
}

# apt-get by root, so that nothing asks a question, and no daemon takes port 25 just because a test wants the program: Postfix is
# set to "No configuration" where it is new, and policy-rc.d keeps services from starting meanwhile (removed again whatever happens).
mailweir_apt_get_install() (
    policy=/usr/sbin/policy-rc.d
    if [[ $EUID != 0 ]]; then
        as_root() { sudo "$@"; }
    else
        as_root() { "$@"; }
    fi
    trap 'exit 130' INT TERM HUP
    as_root apt-get update -q || exit 1
    if [[ " $* " == *" postfix "* ]]; then
        echo "postfix postfix/main_mailer_type select No configuration" | as_root debconf-set-selections || exit 1
    fi
    if [[ ! -e $policy ]]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod 755 "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
)

# Install those of the arguments that are missing; says what it does.
mailweir_install_packages() {
    local missing
    mapfile -t missing < <(mailweir_missing_packages "$@")
    if [[ ${#missing[@]} == 0 ]]; then
        return 0
    fi
    if ! command -v apt-get >/dev/null; then
        echo "This needs apt-get (Debian) to install: ${missing[*]}" >&2
        return 1
    fi
    if [[ $EUID != 0 ]] && ! command -v sudo >/dev/null; then
        echo "Not root, and no sudo. Please install first:  apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "==> installing missing packages: ${missing[*]}"
    mailweir_apt_get_install "${missing[@]}"
}
