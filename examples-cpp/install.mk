# Part of the Makefile: installs the adapter.
#
# make install PREFIX=DIR MUDUO_ROOT=DIR   headers, libmuduo_ws.a, and what pkg-config (muduo_ws) and CMake (find_package(muduo_ws),
#                                          target wsengine::muduo_ws) read; and the sources
# make install-sources PREFIX=DIR          the sources alone, into PREFIX/share/wsengine/muduo_ws, for add_subdirectory in a
#                                          server's own CMake
#
# The library is made for the one Muduo in MUDUO_ROOT, with the flags of CXXFLAGS. The engine is installed by the Makefile one
# folder up.

PREFIX  ?= /usr/local
DESTDIR ?=

PUBLIC_HEADERS := WebSocketServer.h WebSocketConnection.h WebSocketHandshake.h PreparedMessage.h ParsedRequest.h \
                  ConnectionFilter.h HttpServer.h AttachHttpServer.h Hub.h TlsFilter.h TlsContext.h StopSignals.h TokenStream.h

VERSION     := $(shell sed -n 's/^version = "\(.*\)"/\1/p' ../Cargo.toml | head -1)
ADAPTER_LIB := $(OBJ)/libmuduo_ws.a
# OpenSSL is needed by these alone, and only where they are.
ADAPTER_TLS := $(filter $(OBJ)/muduo_ws/Tls%,$(ADAPTER))
HEADERS := $(wildcard $(addprefix muduo_ws/,$(if $(ADAPTER_TLS),$(PUBLIC_HEADERS),$(filter-out Tls%,$(PUBLIC_HEADERS)))))

INTO    = $(DESTDIR)$(PREFIX)
CONFIGS = $(INTO)/lib/cmake/muduo_ws
SHARED  = $(INTO)/share/wsengine
# What the installed files say of where and how they were built.
MUDUO_DIR := $(abspath $(MUDUO_ROOT))
SAYS = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@OPENSSL@|$(if $(ADAPTER_TLS),openssl)|' \
  -e 's|@MUDUO_ROOT@|$(MUDUO_DIR)|' -e 's|@MUDUO_INC@|$(if $(filter-out /usr /usr/local,$(MUDUO_DIR)),-isystem $(MUDUO_DIR)/include)|' \
  -e 's|@MUDUO_LIB@|$(if $(filter-out /usr,$(MUDUO_DIR)),-L$(MUDUO_DIR)/lib)|'

.PHONY: install install-sources

ifeq ($(FLAVOUR),standin)
install:
	@echo 'error: libmuduo_ws.a is made for one Muduo, and there is none here but the stand-in, which is not for servers. Give the folder that Muduo was installed in: make install MUDUO_ROOT=DIR. Or compile the sources with your server: make install-sources PREFIX=DIR, and read muduo_ws/README.md' >&2
	@exit 1
else
install: $(ADAPTER_LIB) install-sources
	install -d '$(INTO)/include/muduo_ws' '$(INTO)/lib/pkgconfig' '$(CONFIGS)'
	install -m 644 $(HEADERS) '$(INTO)/include/muduo_ws/'
	install -m 644 $(ADAPTER_LIB) '$(INTO)/lib/'
	install -m 644 cmake/FindMuduo.cmake '$(CONFIGS)/'
	$(SAYS) cmake/muduo_ws.pc.in > '$(INTO)/lib/pkgconfig/muduo_ws.pc'
	$(SAYS) cmake/muduo_ws-config.cmake.in > '$(CONFIGS)/muduo_ws-config.cmake'
	$(SAYS) cmake/wsengine-config-version.cmake.in > '$(CONFIGS)/muduo_ws-config-version.cmake'
endif

install-sources:
	install -d '$(SHARED)/muduo_ws' '$(SHARED)/cmake'
	install -m 644 muduo_ws/*.h muduo_ws/*.cc muduo_ws/CMakeLists.txt muduo_ws/README.md '$(SHARED)/muduo_ws/'
	install -m 644 cmake/FindMuduo.cmake '$(SHARED)/cmake/'

$(ADAPTER_LIB): $(ADAPTER)
	rm -f $@
	$(AR) rcs $@ $^
