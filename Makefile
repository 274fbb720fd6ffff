# libkproducer: an Apache Kafka producer with a C interface. `make help` lists the targets.
#
# PREFIX=/usr/local  DESTDIR=   where `make install` puts things
# BROKERS=  TOPIC=              a real cluster for `make demo` and `make demo-transactions` (default: a mock cluster inside the process)
# PROFILE=release               cargo's profile; `dev` builds in seconds and runs slowly
# BUILT=                        a folder with libkproducer.so and .a: use these and build nothing
# DEBUG_SYMBOLS=1               `make install` also writes libkproducer.so's debug symbols, beside it
# BUILD=build                   where this Makefile puts what it makes

CARGO   ?= cargo
RUSTC   ?= rustc
CC      ?= cc
CFLAGS  ?= -O2
STRIP   ?= strip
OBJCOPY ?= objcopy
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
PROFILE ?= release
DESTDIR ?=
BROKERS ?=
TOPIC   ?=
BUILT   ?=
TESTFLAGS ?=
BUILD   ?= build

# One source of truth for the version: the package's.
VERSION     := $(shell sed -n 's/^version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)
DESCRIPTION := $(shell sed -n 's/^description *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)
ABI         := $(firstword $(subst ., ,$(VERSION)))

CARGO_TARGET_DIR ?= target
PROFILE_DIR = $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
LIBS_FROM   = $(if $(BUILT),$(BUILT),$(CARGO_TARGET_DIR)/$(PROFILE_DIR))

ifeq ($(shell uname -s),Darwin)
SHARED      = libkproducer.dylib
SHARED_ABI  = libkproducer.$(ABI).dylib
SHARED_FULL = libkproducer.$(VERSION).dylib
else
SHARED      = libkproducer.so
SHARED_ABI  = libkproducer.so.$(ABI)
SHARED_FULL = libkproducer.so.$(VERSION)
endif

# What a program linked to libkproducer.a needs besides: Rust's own list, asked of an empty library.
LIBS_PRIVATE = $(shell mkdir -p $(BUILD) && : | $(RUSTC) --crate-type staticlib --crate-name empty --print native-static-libs \
	--out-dir $(BUILD)/empty - 2>&1 | sed -n 's/^note: native-static-libs: *//p')

PC_VALUES = -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@DESCRIPTION@|$(DESCRIPTION)|' \
	-e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
	-e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
	-e "s|@LIBS_PRIVATE@|$$(cat $(BUILD)/libs_private)|"

.PHONY: all lib pc mock demo demo-transactions test sanitize fuzz mutants test-kafka instructions bench bench-peers bench-transactions \
	soak bless install uninstall clean help
.DEFAULT_GOAL := all

all: lib pc
	@echo "built $(LIBS_FROM)/$(SHARED), $(LIBS_FROM)/libkproducer.a, $(BUILD)/kproducer.pc"

# Cargo's own report says which folder this build's header went to: a stale include/kproducer.h stops the build here.
lib:
	@mkdir -p $(BUILD)/lib
ifeq ($(BUILT),)
	$(CARGO) build --lib --profile $(PROFILE) --message-format=json-render-diagnostics > $(BUILD)/cargo.json
	@out=$$(sed -n '/"reason":"build-script-executed","package_id":"path+/s/.*"out_dir":"\([^"]*\)".*/\1/p' $(BUILD)/cargo.json); \
	if ! cmp -s "$$out/kproducer.h" include/kproducer.h; then \
		echo "include/kproducer.h is not what src/capi gives: run 'make bless' and commit it" >&2; exit 1; \
	fi
endif
	@ln -sf "$(abspath $(LIBS_FROM))/$(SHARED)" $(BUILD)/lib/$(SHARED)
	@ln -sf $(SHARED) $(BUILD)/lib/$(SHARED_ABI)
	@ln -sf "$(abspath $(LIBS_FROM))/libkproducer.a" $(BUILD)/lib/libkproducer.a

# Rust's list is kept, so that installing needs no Rust.
pc:
	@mkdir -p $(BUILD)
	@echo '$(LIBS_PRIVATE)' > $(BUILD)/libs_private
	@grep -q -e '-l' $(BUILD)/libs_private || { echo "$(RUSTC) did not name the system libraries" >&2; exit 1; }
	@sed $(PC_VALUES) kproducer.pc.in > $(BUILD)/kproducer.pc

ifneq ($(TOPIC),)
ifeq ($(BROKERS),)
NO_BROKERS = $(error TOPIC needs BROKERS: make $@ BROKERS=host:9092 TOPIC=$(TOPIC))
endif
endif

# The mock cluster as a program of its own, for any client.
mock:
	@mkdir -p $(BUILD)
	$(CARGO) build --bin kproducer-mock --profile $(PROFILE)
	@ln -sf "$(abspath $(CARGO_TARGET_DIR)/$(PROFILE_DIR))/kproducer-mock" $(BUILD)/kproducer-mock

demo: lib
	$(NO_BROKERS)$(call compile_example,quickstart)
	@"$(abspath $(BUILD)/quickstart)" $(BROKERS) $(TOPIC)

demo-transactions: lib
	$(NO_BROKERS)$(call compile_example,transactions)
	@"$(abspath $(BUILD)/transactions)" $(BROKERS) $(TOPIC)

compile_example = $(CC) -std=c11 -Wall -Wextra $(CFLAGS) -Iinclude examples-c/$(1).c -o $(BUILD)/$(1) \
	-L$(BUILD)/lib -lkproducer -Wl,-rpath,$(abspath $(BUILD)/lib)

# Needs Rust and a C compiler, nothing else.
test:
	$(CARGO) test $(TESTFLAGS)

# Sixteen threads on every function at once, under ThreadSanitizer and under AddressSanitizer.
STORM_SECONDS ?= 60
sanitize:
	CARGO=$(CARGO) tests/stress/run --seconds $(STORM_SECONDS)

# Every reader of bytes that others send, each for FUZZ_SECONDS.
FUZZ_SECONDS ?= 25
fuzz:
	fuzz/run --seconds $(FUZZ_SECONDS)

# Takes each rule of exactly-once away in turn and demands that its test fails.
mutants:
	tests/mutants/run

test-kafka:
	tests/kafka/run

# Instructions per record, against benches/instructions.txt. When a change of them is meant: benches/instructions --bless.
instructions:
	benches/instructions --check

# This checkout's release library beside another build, in pairs.
# BEFORE=  a git revision or a libkproducer.so (default: what was committed last, or the commit before where nothing has changed)
# CASES=   which of benches/run's cases
BEFORE ?= $(shell git diff --quiet HEAD && echo HEAD~1 || echo HEAD)
CASES  ?= target keys-100 value-1000 ping
bench:
	benches/run --before $(BEFORE) $(CASES)

# Beside librdkafka.
bench-peers:
	benches/run

bench-transactions:
	tests/kafka/run latency

# Hours of what CI does for minutes: storms and simulated seeds that no run has had before.
SOAK_MINUTES ?= 60
soak:
	@end=$$(($$(date +%s) + $(SOAK_MINUTES) * 60)); seed=$$(date +%s); \
	while [ "$$(date +%s)" -lt "$$end" ]; do \
		seed=$$((seed + 1)); \
		KP_SIM_FIRST=$${seed}00000 KP_SIM_SEEDS=100000 $(CARGO) test --lib sim::tests:: || exit 1; \
		tests/stress/run --storm --seconds 300 --seed $$seed || exit 1; \
	done

# Writes include/kproducer.h and tests/abi/*.txt anew; look at the difference before committing it.
bless:
	BLESS=1 $(CARGO) test $(TESTFLAGS) --test header --test abi

# Copies what `make` has built, without symbols for debuggers, and builds nothing: it may run as root, where there is no Rust.
install:
	@for file in $(BUILD)/lib/$(SHARED) $(BUILD)/lib/libkproducer.a $(BUILD)/libs_private; do \
		test -e $$file || { echo "make install: nothing is built here ($$file is missing): run 'make' first, as the user" \
			"who builds; 'make install' only copies" >&2; exit 1; }; \
	done
	install -d "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(INCLUDEDIR)"
	install -m 755 $(BUILD)/lib/$(SHARED) "$(DESTDIR)$(LIBDIR)/$(SHARED_FULL)"
	$(if $(DEBUG_SYMBOLS),$(OBJCOPY) --only-keep-debug $(BUILD)/lib/$(SHARED) "$(DESTDIR)$(LIBDIR)/$(SHARED_FULL).debug")
	$(STRIP) $(STRIP_SHARED) "$(DESTDIR)$(LIBDIR)/$(SHARED_FULL)"
	$(if $(DEBUG_SYMBOLS),cd "$(DESTDIR)$(LIBDIR)" && $(OBJCOPY) --add-gnu-debuglink=$(SHARED_FULL).debug $(SHARED_FULL))
	ln -sf $(SHARED_FULL) "$(DESTDIR)$(LIBDIR)/$(SHARED_ABI)"
	ln -sf $(SHARED_ABI) "$(DESTDIR)$(LIBDIR)/$(SHARED)"
	install -m 644 $(BUILD)/lib/libkproducer.a "$(DESTDIR)$(LIBDIR)/libkproducer.a"
	$(STRIP) -S "$(DESTDIR)$(LIBDIR)/libkproducer.a"
	install -m 644 include/kproducer.h "$(DESTDIR)$(INCLUDEDIR)/kproducer.h"
	@sed $(PC_VALUES) kproducer.pc.in > "$(DESTDIR)$(LIBDIR)/pkgconfig/kproducer.pc"
	@chmod 644 "$(DESTDIR)$(LIBDIR)/pkgconfig/kproducer.pc"
ifeq ($(DESTDIR),)
	@$(AFTER_INSTALL)
endif

# The loader has to know the folder: it does after ldconfig where the system's configuration names it.
ifeq ($(shell uname -s),Linux)
AFTER_INSTALL = PATH="$$PATH:/sbin:/usr/sbin"; test "$$(id -u)" != 0 || ldconfig; \
	ldconfig -p | grep -q " => $(LIBDIR)/$(SHARED_ABI)$$" || { echo "$(LIBDIR) is not among the loader's folders:"; \
	echo "  programs run with LD_LIBRARY_PATH=$(LIBDIR), or linked with -Wl,-rpath,$(LIBDIR)"; \
	echo "  pkg-config finds kproducer with PKG_CONFIG_PATH=$(LIBDIR)/pkgconfig"; }
STRIP_SHARED = --strip-unneeded
else
AFTER_INSTALL = true
STRIP_SHARED = -x
endif

uninstall:
	rm -f "$(DESTDIR)$(LIBDIR)/$(SHARED_FULL)" "$(DESTDIR)$(LIBDIR)/$(SHARED_FULL).debug" "$(DESTDIR)$(LIBDIR)/$(SHARED_ABI)" "$(DESTDIR)$(LIBDIR)/$(SHARED)" \
		"$(DESTDIR)$(LIBDIR)/libkproducer.a" "$(DESTDIR)$(LIBDIR)/pkgconfig/kproducer.pc" \
		"$(DESTDIR)$(INCLUDEDIR)/kproducer.h"

clean:
	$(CARGO) clean
	rm -rf $(BUILD)

help:
	@echo "make             build the libraries (release: takes minutes) and $(BUILD)/kproducer.pc"
	@echo "make demo        compile examples-c/quickstart.c and run it; BROKERS=host:port TOPIC=t for a real cluster"
	@echo "make demo-transactions  the same for examples-c/transactions.c: commits, aborts, and is killed again and again"
	@echo "make mock        build $(BUILD)/kproducer-mock, the mock cluster as a program for any client"
	@echo "make test        all tests that need only Rust and a C compiler"
	@echo "make sanitize    stress every function under ThreadSanitizer and AddressSanitizer (clang, rust-src)"
	@echo "make fuzz        fuzz what reads bytes of others, FUZZ_SECONDS=$(FUZZ_SECONDS) each"
	@echo "make test-kafka  the tests against Apache Kafka"
	@echo "make instructions  count instructions per record and compare them with benches/instructions.txt (valgrind)"
	@echo "make bench       compare this checkout's speed and memory with BEFORE=revision or libkproducer.so, in pairs"
	@echo "make bench-peers measure speed and memory beside librdkafka"
	@echo "make soak        storms and simulated seeds for SOAK_MINUTES=$(SOAK_MINUTES)"
	@echo "make mutants     take each rule of exactly-once away and see its test fail"
	@echo "make bench-transactions  time transactions on Apache Kafka beside its own client"
	@echo "make install     copy what make has built; PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)   (make uninstall takes it away)"
	@echo "make bless       accept the header and the list of exported functions as they are now"
	@echo "make clean       remove everything built"
	@echo "PROFILE=dev      build quickly, run slowly"
