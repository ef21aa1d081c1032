#!/usr/bin/env bash
# Installs what is missing for `make run`, `make test`, `make conformance`, `make fuzz`, `make bench`, `make bench-e2e`,
# `make bench-chat` or `make bench-counts`, and says so: Debian packages through apt, Python packages and cargo-fuzz into
# target/setup/, npm packages into the folders of the tests. What is there already is left alone.
#
#     tests/setup.sh run|test|conformance|fuzz|bench|bench-e2e|bench-chat|bench-counts
set -euo pipefail
cd "$(dirname "$0")/.."

SETUP=target/setup
NODE_MIN=20.18.1 # undici's

main() {
    need_rust
    case "${1:-}" in
        run) chat_packages; install_packages; local_model ;;
        conformance) need_program cc gcc; install_packages; test_python ;;
        test) chat_packages; test_packages; install_packages; proxies; redis; local_model; test_python; test_node ;;
        fuzz) need_program g++ g++; install_packages; cargo_fuzz ;;  # libFuzzer is C++
        bench) bench_packages; install_packages ;;
        bench-e2e) need_program g++ g++; need_program make make; need_program python3 python3; install_packages ;;
        bench-chat) chat_packages; need_program redis-check-rdb redis-tools; install_packages; redis ;;
        bench-counts) need_program cc gcc; need_program python3 python3; need_program valgrind valgrind; install_packages ;;
        *) echo "usage: tests/setup.sh run|test|conformance|fuzz|bench|bench-e2e|bench-chat|bench-counts" >&2; exit 2 ;;
    esac
}

# ---- what each needs ----

chat_packages() {
    need_program g++ g++
    need_program make make
    need_header boost/any.hpp libboost-dev        # muduo::net::TcpConnection has a boost::any
    need_header event2/event.h libevent-dev       # below the stand-in for Muduo
    need_header curl/curl.h libcurl4-openssl-dev  # the chat's connection to the model
    need_header nlohmann/json.hpp nlohmann-json3-dev
    need_header openssl/ssl.h libssl-dev          # TLS in the adapter for Muduo
    need_header hiredis/hiredis.h libhiredis-dev  # the chat's store that several nodes share
    need_venv
}

test_packages() {
    need_header gtest/gtest.h libgtest-dev
    need_program doxygen doxygen
    need_program openssl openssl  # makes certificates for the tests of TLS
    need_program curl curl
    need_program valgrind valgrind
    need_program systemd-analyze systemd  # reads the chat's units; nothing is started
    need_program cmake cmake            # the installed library and the adapter in a user's build
    need_program pkg-config pkg-config  # the same
    need_program chromium chromium
    need_program firefox-esr firefox-esr
    need_package fonts-noto-cjk  # Chinese in screenshots
    need_program redis-check-rdb redis-tools
}

# What stands before a Muduo server in examples-cpp/tests/test_proxies.py. Unpacked, not installed: installed, they would be
# started as services, at once and at every boot.
proxies() {
    unpacked nginx
    unpacked haproxy
    command -v promtool "$SETUP/debian/usr/bin/promtool" > /dev/null || unpacked prometheus  # reads metrics and alerts
}

# Debian's redis-server is a link to redis-check-rdb, which is in redis-tools: the same program, by another name. The package
# redis-server would start it as a service.
redis() {
    command -v redis-server > /dev/null && return 0
    mkdir -p "$SETUP/debian/usr/bin"
    ln -sf "$(command -v redis-check-rdb)" "$SETUP/debian/usr/bin/redis-server"
}

# The peers in C and C++; the others are crates.
bench_packages() {
    need_program g++ g++
    need_header zlib.h zlib1g-dev
    need_header wslay/wslay.h libwslay-dev
    need_header websocketpp/version.hpp libwebsocketpp-dev
    need_header boost/beast.hpp libboost-dev
}

local_model() {
    python3 examples-cpp/local_model/install.py examples-cpp/build/local_model
}

# The conformance cases, and the libraries of the interoperability tests: websockets, aiohttp, libcurl.
test_python() {
    python_packages "$SETUP/test" tests/python/requirements.txt
}

test_node() {
    if ! node_is_new_enough node; then
        # The distribution's may be too old; PyPI has a current one.
        python_packages "$SETUP/test" tests/python/requirements-node.txt
    fi
    npm_packages tests/interop # npm ws and undici
    npm_packages tests/browser # what drives Chromium, for the interoperability tests too
}

# ---- how it is installed ----

say() { echo "setup: $*"; }

die() { echo "setup: $*" >&2; exit 1; }

need_rust() {
    command -v cargo > /dev/null || die "cargo is missing. Install Rust 1.88 or newer with rustup, and start again."
}

missing=()

need_package() { dpkg -s "$1" > /dev/null 2>&1 || missing+=("$1"); }

need_program() { command -v "$1" > /dev/null || missing+=("$2"); }

need_header() {
    echo "#include <$1>" | g++ -E -x c++ - > /dev/null 2>&1 || missing+=("$2")
}

need_venv() {
    python3 -c 'import venv, ensurepip' 2> /dev/null || missing+=(python3 python3-venv)
}

install_packages() {
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get > /dev/null || die "missing: ${missing[*]} (these are Debian's names; install them and start again)"
    say "apt-get install ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        command -v sudo > /dev/null || die "there is no sudo. As root: $*"
        sudo "$@"
    fi
}

# unpacked NAME: the program and Debian package of that name, into target/setup/debian; its libraries are installed.
unpacked() {
    local into=$SETUP/debian library
    command -v "$1" "/usr/sbin/$1" "$into/usr/sbin/$1" > /dev/null && return 0
    command -v apt-get > /dev/null || die "missing: $1 (Debian's name; install it and start again)"
    say "apt-get download $1 (into $into)"
    mkdir -p "$into"
    if ! download "$1" "$into" 2> /dev/null; then
        as_root apt-get update -qq
        download "$1" "$into" || die "apt-get cannot download $1"
    fi
    dpkg -x "$into/$1"_*.deb "$into"
    rm "$into/$1"_*.deb
    missing=()
    for library in $(apt-cache depends "$1" | awk '$1 == "Depends:" && $2 ~ /^lib/ { print $2 }'); do
        need_package "$library"
    done
    install_packages
}

download() { (cd "$2" && apt-get download -qq -o APT::Sandbox::User=root "$1"); }

# python_packages VENV REQUIREMENTS [OPTION...]: once for each state of the requirements.
python_packages() {
    local venv=$1 requirements=$2 done="$1/.done-$(basename "$2")"
    shift 2
    cmp -s "$requirements" "$done" && return 0
    say "pip install -r $requirements (into $venv)"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@" -r "$requirements"
    cp "$requirements" "$done"
}

cargo_fuzz() {
    [ -x "$SETUP/cargo-fuzz/bin/cargo-fuzz" ] && return 0
    say "cargo install cargo-fuzz (into $SETUP/cargo-fuzz)"
    cargo install cargo-fuzz --locked --quiet --root "$SETUP/cargo-fuzz"
}

npm_packages() {
    local done="$1/node_modules/.done"
    cmp -s "$1/package-lock.json" "$done" && return 0
    say "npm ci (in $1)"
    (cd "$1" && PATH="$OLDPWD/$SETUP/test/bin:$PATH" npm ci --silent --no-audit --no-fund)
    cp "$1/package-lock.json" "$done"
}

node_is_new_enough() {
    local version
    version=$("$1" --version 2> /dev/null) || return 1
    command -v npm > /dev/null || return 1
    [ "$(printf '%s\n' "$NODE_MIN" "${version#v}" | sort -V | head -1)" = "$NODE_MIN" ]
}

main "$@"
