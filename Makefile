# wsengine. `make help` lists what there is.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
PORT    ?= 8080
FUZZ_SECONDS ?= 60
FUZZ_TARGET  ?=
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
LIB     := target/release/libwsengine.so

.PHONY: all help run test conformance exhaustive fuzz bench bench-e2e bench-chat bench-counts install lint clean

all: lib ## builds the library (target/release/libwsengine.so, .a) and the header (include/ws_engine.h)

.PHONY: lib
lib:
	$(CARGO) build --release
	ln -sf libwsengine.so $(LIB).0

run: ## installs what is missing, builds and starts the AI chat with a local model. PORT=8080; UPSTREAM=URL MODEL=NAME API_KEY_FILE=FILE for another model
	tests/setup.sh run
	@PORT='$(PORT)' examples-cpp/run.sh

test: ## installs what is missing, builds everything and runs every test: Rust, C, C++, header, conformance, browser
	tests/setup.sh test
	tests/run.sh

conformance: ## runs the 517 Autobahn cases against both roles, and again byte by byte; reports in target/conformance/. CASES='6.*,7.*' for some
	tests/setup.sh conformance
	$(MAKE) -C examples-c
	target/setup/test/bin/python tests/conformance/run.py $(if $(CASES),--cases '$(CASES)')

exhaustive: ## proves what can be gone through in whole, in minutes: every header, 2^32 strings of UTF-8, every mask, every close code
	WSENGINE_EXHAUSTIVE=1 $(CARGO) test --release --test exhaustive

fuzz: ## installs what is missing and fuzzes every target for FUZZ_SECONDS=60, or FUZZ_TARGET=NAME alone; crashes go to target/fuzz/
	tests/setup.sh fuzz
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_TARGET='$(FUZZ_TARGET)' fuzz/run.sh

bench: ## installs what is missing and measures the library beside its peers, in minutes; writes docs/BENCHMARKS.md. BENCH_FILTER='receive,echo' ROUNDS=3 for a quick look
	tests/setup.sh bench
	@CARGO='$(CARGO)' benches/peers/run.sh

bench-e2e: lib ## installs what is missing and measures whole echo servers over loopback, about 12 minutes; writes docs/BENCHMARKS-E2E.md. E2E_FILTER='16 KiB,memory' E2E_SERVERS='wsengine' ROUNDS=1 for a part
	tests/setup.sh bench-e2e
	@CARGO='$(CARGO)' benches/e2e/run.sh

bench-chat: lib ## installs what is missing and measures 1,000 chats at once on one ai_chat, about 4 minutes; writes its section of docs/BENCHMARKS.md. CHAT_FILTER='Redis,fast' ROUNDS=1 for a part
	tests/setup.sh bench-chat
	@CARGO='$(CARGO)' benches/chat/run.sh

bench-counts: lib ## counts instructions per message and prints them beside the committed table. UPDATE=1 writes that; PROFILE=WORKLOAD shows where they are
	tests/setup.sh bench-counts
	@python3 benches/counts/$(if $(PROFILE),profile_workload.py $(PROFILE),counts.py $(if $(UPDATE),--update))

install: lib ## installs header, C++ wrapper, libraries, and files for pkg-config and CMake below PREFIX=/usr/local (DESTDIR= is put before it)
	install -d '$(DESTDIR)$(PREFIX)/include' '$(DESTDIR)$(PREFIX)/lib/pkgconfig' '$(DESTDIR)$(PREFIX)/lib/cmake/wsengine'
	install -m 644 include/ws_engine.h include/ws_engine.hpp include/ws_engine_config.hpp include/ws_engine_stream.hpp '$(DESTDIR)$(PREFIX)/include/'
	install -m 755 $(LIB) '$(DESTDIR)$(PREFIX)/lib/libwsengine.so.$(VERSION)'
	ln -sf libwsengine.so.$(VERSION) '$(DESTDIR)$(PREFIX)/lib/libwsengine.so.0'
	ln -sf libwsengine.so.0 '$(DESTDIR)$(PREFIX)/lib/libwsengine.so'
	install -m 644 target/release/libwsengine.a '$(DESTDIR)$(PREFIX)/lib/'
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: wsengine' 'Description: The WebSocket protocol as an embeddable library' \
	  'Version: $(VERSION)' 'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -lwsengine' \
	  'Libs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl' > '$(DESTDIR)$(PREFIX)/lib/pkgconfig/wsengine.pc'
	install -m 644 examples-cpp/cmake/wsengine-config.cmake '$(DESTDIR)$(PREFIX)/lib/cmake/wsengine/'
	sed 's/@VERSION@/$(VERSION)/' examples-cpp/cmake/wsengine-config-version.cmake.in \
	  > '$(DESTDIR)$(PREFIX)/lib/cmake/wsengine/wsengine-config-version.cmake'

lint: ## checks format and common mistakes of the Rust sources (rustfmt, clippy)
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

clean: ## removes everything that was built or installed into this folder
	rm -rf target
	$(MAKE) -C examples-c clean
	$(MAKE) -C examples-cpp clean

help: ## lists the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/make \1\n    \2/p' $(MAKEFILE_LIST)
