# tarn - one Makefile a person can read.
#
#   make          build/tarn            make test     unit, client and acceptance tests
#   make demo     the payments example  make unit     unit tests alone
#   make asan     unit tests under the address and undefined-behaviour sanitizers
#   make tsan     unit tests under the thread sanitizer     make tsan-clients  client tests too
#   make fuzz     minutes of fuzzing    make bench    figures with ratios
#   make bench-s3     the S3 face beside nginx, and MinIO where it was built
#   make s3-large     8 GiB in one upload, in 64 MB of memory
#   make test-faults  what goes wrong under jobs, as long as it does in life
#   make bench-upsert  tables written by key    make bench-nexmark  Nexmark's queries per core
#   make bench-state   operators alone, state larger than memory
#   make bench-jobs    a thousand small jobs    make bench-latency  from an event to its result
#   make bench-long    is an event as cheap after a billion of them?
#   make bench-peers  the same work through real Kafka and Flink, and the ratios
#   make test-engines  tables between tarn and real Spark, Flink, Trino, pyiceberg, DuckDB
#   make test-outside  rows to and from a real Kafka through 40 kills of either
#   make tidy     includes point downwards, formatting, clang-tidy
#   make torture  500 kill -9, 20,000 simulated losses of power
#   make s3-suite    a public S3 suite against the store; SERVER=minio: against MinIO
#   make acceptance  docs/compatibility.md from the commands of five reference stacks
#   make install  PREFIX=/usr/local
#
# BUILD picks the output folder, ROOMS limits a build to some rooms (base comes first).

BUILD  ?= build
ROOMS  ?= $(patsubst src/%/,%,$(wildcard src/*/))
PREFIX ?= /usr/local
CC     := $(if $(shell command -v ccache),ccache )gcc
CLANG  ?= clang-14
OPT    ?= -O2
SAN    ?=

DUCKDB   := .deps/duckdb
CPPFLAGS += -D_GNU_SOURCE -Isrc -I. -I$(BUILD)/gen -isystem $(DUCKDB)/include
WARN     := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla \
            -Wpointer-arith -Wwrite-strings -Wno-missing-field-initializers
CFLAGS   += -std=c17 $(OPT) -g -march=x86-64-v2 -fno-strict-aliasing -fno-omit-frame-pointer $(WARN) \
            $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
LDFLAGS  += $(if $(SAN),-fsanitize=$(SAN)) -L$(DUCKDB)/lib \
            -Wl,-rpath,'$$ORIGIN/../lib/tarn:$$ORIGIN/../$(DUCKDB)/lib:$(abspath $(DUCKDB))/lib'
LDLIBS   += -lduckdb -luv -lmicrohttpd -lcurl -ljansson -lyaml -lsqlite3 -lpq -lroaring -lrdkafka \
            -lzstd -llz4 -lsnappy -lz -lxxhash -lpcre2-8 -lssl -lcrypto -ledit -lm -lpthread -ldl

SOURCES := $(filter-out %_test.c,$(foreach room,$(ROOMS),$(wildcard src/$(room)/*.c)))
TESTS   := $(filter %_test.c,$(foreach room,$(ROOMS),$(wildcard src/$(room)/*.c)))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
ifneq ($(findstring thread,$(SAN)),)
OBJECTS += $(BUILD)/obj/tests/tools/c11_threads.o
LDFLAGS += -Wl,-u,thrd_create
endif
TEST_PROGRAMS := $(TESTS:src/%.c=$(BUILD)/tests/%)
SIM_PROGRAMS  := $(patsubst tests/sim/%.c,$(BUILD)/tests/sim/%,$(wildcard tests/sim/*_sim.c))
LIB := $(BUILD)/libtarn.a

# A simulator decides which of our allocations fail.
SIM_WRAP := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup

.PHONY: test-outside test-faults s3-suite s3-large all deps vectors unit test test-clients test-engines acceptance torture asan tsan tsan-clients fuzz bench bench-catalog bench-parquet bench-s3 bench-state bench-peers bench-nexmark bench-upsert bench-jobs bench-latency bench-long tidy demo install clean
.SECONDARY:

all: $(BUILD)/tarn

deps: .deps/.stamp
.deps/.stamp: scripts/deps
	scripts/deps

$(BUILD)/tarn: $(BUILD)/obj/src/main.o $(LIB)
	@echo '  link $@'
	@$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

# The projects in examples/ travel inside the program, for `tarn init`.
EXAMPLES := $(sort $(shell find examples -type f -not -path '*/.*'))
$(BUILD)/gen/examples.inc: $(EXAMPLES) scripts/embed
	@mkdir -p $(@D)
	scripts/embed $(EXAMPLES) > $@
$(BUILD)/obj/src/cli/examples.o $(BUILD)/fuzz/obj/src/cli/examples.o: $(BUILD)/gen/examples.inc

$(LIB): $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/obj/%.o: %.c | .deps/.stamp
	@mkdir -p $(@D)
	@echo '  cc   $<'
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The simulated disk is not part of the program: its own allocations never fail.
SIM_DISK := $(patsubst src/base/%.c,$(BUILD)/obj/sim/%.o,$(wildcard src/base/disk_sim*.c))
$(BUILD)/obj/sim/%.o: src/base/%.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(foreach f,malloc calloc realloc strdup,-D$(f)=__real_$(f)) \
		-include stdlib.h -include string.h -include tests/sim/real_alloc.h -MMD -MP -c -o $@ $<

$(BUILD)/tests/sim/%: $(BUILD)/obj/tests/sim/%.o $(SIM_DISK) $(LIB)
	@mkdir -p $(@D)
	@echo '  link $@'
	@$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(SIM_WRAP) -lcmocka $(LDLIBS)

# Stream = batch: random queries, see tests/flow/flow.c.
$(BUILD)/tests/flow/flow: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/flow/*.c)) $(LIB)
	@mkdir -p $(@D)
	@echo '  link $@'
	@$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	@echo '  link $@'
	@$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(BUILD)/tests/vectors/%: $(BUILD)/obj/tests/vectors/%.o $(LIB)
	@mkdir -p $(@D)
	@echo '  link $@'
	@$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(BUILD)/tests/tools/%: $(BUILD)/obj/tests/tools/%.o $(LIB)
	@mkdir -p $(@D)
	@echo '  link $@'
	@$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(BUILD)/tests/%_test: $(BUILD)/obj/src/%_test.o $(LIB)
	@mkdir -p $(@D)
	@echo '  link $@'
	@$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lcmocka $(LDLIBS)

unit: $(TEST_PROGRAMS) $(if $(and $(filter sql,$(ROOMS)),$(filter vec,$(ROOMS))),vectors)
	scripts/run-tests $(TEST_PROGRAMS)

# What a real Flink answered, against what we answer: tests/vectors/record says how it was recorded.
vectors: $(BUILD)/tests/vectors/run
	$< tests/vectors/flink-1.20 tests/vectors/differences.tsv

# Everything that a change must pass, on two processors in under 20 minutes with all downloads.
TEST_BUILDS := $(BUILD)/tarn $(TEST_PROGRAMS) $(SIM_PROGRAMS) $(BUILD)/tests/flow/flow \
               $(BUILD)/tests/vectors/run
test:
	@scripts/deps --test --fuzz
	@$(MAKE) -j$(shell nproc) --no-print-directory $(TEST_BUILDS)
	@scripts/test $(BUILD)

# One kind of test; CLIENTS="tests/clients/pipeline.py" runs some of its files.
test-clients: all
	@scripts/deps --test
	@TARN=$(BUILD)/tarn .deps/python/bin/python tests/clients/run.py $(CLIENTS)

# Real engines write and read the same tables: 2 GB of downloads, then some 20 minutes. ENGINES="spark"
# and CASES="delete* upsert" take some.
test-engines: all
	@scripts/deps --engines
	@TARN=$(BUILD)/tarn .deps/engines/python/bin/python tests/engines/run.py \
	    $(if $(ENGINES),--engines "$(ENGINES)") $(if $(CASES),--cases "$(CASES)")

# A real Kafka as the other broker, longer than in `make test`: ROUNDS kills, some of tarn, some of Kafka.
test-outside: all
	@scripts/deps --test
	@OUTSIDE_ROUNDS=$(or $(ROUNDS),40) CLIENT_TIMEOUT=1800 TARN=$(BUILD)/tarn .deps/python/bin/python \
	    tests/clients/run.py tests/clients/outside_topics.py tests/clients/outside_kafka.py

# The reference stacks' commands by their real clients, a real Spark among them, which is left out in
# `make test`; DOCUMENTS="S2" runs some, and writes nothing.
acceptance: all
	@scripts/deps --test --engines
	@ACCEPTANCE_ENGINES=1 TARN=$(BUILD)/tarn .deps/python/bin/python tests/acceptance/acceptance.py \
	    $(if $(DOCUMENTS),$(DOCUMENTS),--report docs/compatibility.md)

# Minutes, and more the first time. SUITE=PutObject runs some of the tests, and prints what fails.
s3-suite:
	@BUILD=$(BUILD) tests/s3-suite/run $(or $(SERVER),tarn) $(SUITE)

# An hour: a day of commits every second, kill -9 under load, and the simulators over 20,000 seeds
# and half as many with faults.
torture: all $(SIM_PROGRAMS) $(BUILD)/tests/flow/flow $(BUILD)/tests/lake/day_test
	@scripts/deps --test
	@TARN_TEST_FULL_DAY=1 $(BUILD)/tests/lake/day_test
	@SIM_SEEDS=20000 FLOW_CASES=100000 CRASH_ROUNDS=500 CATALOG_ROUNDS=200 \
		scripts/test $(BUILD) sims flow crash catalog

asan:
	$(MAKE) BUILD=build/asan SAN=address,undefined OPT=-O1 unit

TSAN_SEES := suppressions=$(CURDIR)/tests/tsan.supp ignore_noninstrumented_modules=1
tsan:
	TSAN_OPTIONS="$(TSAN_SEES)" $(MAKE) BUILD=build/tsan SAN=thread OPT=-O1 unit

# A tarn under the thread sanitizer, driven by clients; CLIENTS names other files of tests.
TSAN_CLIENTS := $(addprefix tests/clients/,flow.py threads.py windows.py stream_aggregates.py \
                  outside_topics.py s3_boto3.py s3_parts.py s3_versions.py s3_full.py)
tsan-clients:
	@scripts/deps --test
	@$(MAKE) --no-print-directory BUILD=build/tsan SAN=thread OPT=-O1 build/tsan/tarn
	@rm -f build/tsan/race.*
	@TSAN_OPTIONS="$(TSAN_SEES) log_path=$(CURDIR)/build/tsan/race exitcode=0" TARN=build/tsan/tarn \
	    CLIENT_TIMEOUT=3600 .deps/python/bin/python tests/clients/run.py $(or $(CLIENTS),$(TSAN_CLIENTS))
	@.deps/python/bin/python tests/tools/races.py $(CURDIR)/build/tsan/race

# Fuzz targets: every fuzz/NAME_fuzz.c against all rooms, built with clang; its corpus is
# fuzz/corpus/NAME. Inputs that a run finds go to build/fuzz/found/NAME, crashes beside them.
FUZZ_BUILD   := $(BUILD)/fuzz
FUZZ_SECONDS ?= 120
FUZZ_FLAGS   := -std=c17 -O1 -g -march=x86-64-v2 -fno-strict-aliasing -fno-omit-frame-pointer \
                -fno-sanitize-recover=all
FUZZ_TARGETS := $(patsubst fuzz/%_fuzz.c,%,$(wildcard fuzz/*_fuzz.c))
FUZZ_OBJECTS := $(SOURCES:%.c=$(FUZZ_BUILD)/obj/%.o)

$(FUZZ_BUILD)/obj/%.o: %.c | .deps/.stamp
	@mkdir -p $(@D)
	@echo '  clang $<'
	@$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

$(FUZZ_BUILD)/libtarn.a: $(FUZZ_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(FUZZ_BUILD)/%_fuzz: fuzz/%_fuzz.c $(FUZZ_BUILD)/libtarn.a
	@echo '  link $@'
	@$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LDFLAGS) $(LDLIBS)

fuzz-%: $(FUZZ_BUILD)/%_fuzz
	@mkdir -p $(FUZZ_BUILD)/found/$* fuzz/corpus/$*
	$< -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
	    -verbosity=0 -artifact_prefix=$(FUZZ_BUILD)/found/$*- \
	    $(FUZZ_BUILD)/found/$* fuzz/corpus/$*

fuzz: $(FUZZ_TARGETS:%=fuzz-%)

# The payments example: installs what is missing, builds, runs, shows its queries after 30 s.
demo: all
	@$(BUILD)/tarn up examples/payments --demo

# Sizes: BENCH="1e6 1e7 5e7 aged" (the default), or fewer.
bench: all
	@scripts/deps --test
	@TARN=$(BUILD)/tarn .deps/python/bin/python tests/bench/bench.py

# Needs nginx; tests/bench/peers/fetch-minio builds MinIO. BENCH_S3="64MiB:1 4KiB:8" is the default.
bench-s3: all $(BUILD)/tests/bench/s3_bench
	@scripts/deps --test
	@command -v nginx >/dev/null || { echo "nginx is not installed: apt-get install nginx-light" >&2; exit 1; }
	@TARN=$(BUILD)/tarn S3_BENCH=$(BUILD)/tests/bench/s3_bench .deps/python/bin/python tests/bench/s3.py

# Faults under running jobs, each as long as in life, where `make test` has seconds: 20 minutes.
FAULTS_SECONDS ?= 60
test-faults: all
	@scripts/deps --test
	@TARN=$(BUILD)/tarn CLIENT_TIMEOUT=3600 FAULTS_SECONDS=$(FAULTS_SECONDS) .deps/python/bin/python tests/clients/run.py \
	    tests/clients/faults.py tests/clients/faulty_store.py

# Streamed in and out, then removed: needs the disk, and minutes. S3_LARGE=50GiB for more.
S3_LARGE ?= 8GiB
s3-large: all
	@scripts/deps --test
	@TARN=$(BUILD)/tarn S3_LARGE=$(S3_LARGE) .deps/python/bin/python tests/clients/run.py --one \
	    tests/clients/s3_memory.py

# Commits and loads per second of the REST catalog, and small commits of our own.
bench-catalog: $(BUILD)/tests/bench/catalog_bench $(BUILD)/tests/bench/commit_bench $(BUILD)/tests/tools/catalogd
	@tests/bench/catalog $(BUILD)

# Planning over 100,000 files, and scans beside DuckDB's extension and pyiceberg.
bench-plan: all $(BUILD)/tests/bench/plan_bench
	@scripts/deps --test
	@TARN=$(BUILD)/tarn PLAN_BENCH=$(BUILD)/tests/bench/plan_bench \
		.deps/python/bin/python tests/bench/plan.py

# Our Parquet writer beside DuckDB's COPY: rows per CPU second, bytes, and the CPU to scan them.
bench-parquet: $(BUILD)/tests/bench/parquet_bench
	@rm -rf $(BUILD)/parquet-bench && mkdir -p $(BUILD)/parquet-bench
	@$< $(BUILD)/parquet-bench $(ROWS)

# Tables written by key; UPSERT_ROWS="1e6 1e8" also asks for the large one (5 GB of disk).
UPSERT_ROWS ?= 1e6
bench-upsert: $(BUILD)/tests/bench/upsert_bench
	@for rows in $(UPSERT_ROWS); do for keys in uniform zipf; do \
	    $< $$rows 1e5 20 $$keys || exit 1; done; done

# Operators alone, and state larger than its memory (BENCH_STATE="MB of state, MB of memory, bytes of
# a value, changes, cuts").
BENCH_STATE ?= 1000 0 100 2e6 3
bench-state: $(BUILD)/tests/bench/operator_bench $(BUILD)/tests/bench/state_bench
	@$(BUILD)/tests/bench/operator_bench
	@rm -rf $(BUILD)/state-bench && mkdir -p $(BUILD)/state-bench
	@$(BUILD)/tests/bench/state_bench $(BUILD)/state-bench $(BENCH_STATE)

# Nexmark's queries per core; QUERIES="q0 q5", EVENTS=2e6 and THREADS=1,2 choose.
bench-nexmark: all
	@scripts/deps --test
	@TARN=$(BUILD)/tarn .deps/python/bin/python tests/bench/nexmark.py $(QUERIES) --events $(or $(EVENTS),2e6) \
	    --threads $(or $(THREADS),1)

# A thousand small jobs at once: memory, threads, CPU time while nothing comes. JOBS=100 for fewer.
bench-jobs: all
	@scripts/deps --test
	@TARN=$(BUILD)/tarn .deps/python/bin/python tests/bench/jobs.py --jobs $(or $(JOBS),1000)

# From an event to its result at half of the highest rate. BENCH_LATENCY="--fsync never --rate 0".
bench-latency: all
	@scripts/deps --test
	@TARN=$(BUILD)/tarn .deps/python/bin/python tests/bench/latency.py $(BENCH_LATENCY)

# Cost of an event in growing runs; EVENTS=1e6,1e9 and QUERIES="q11" choose. 1e9 takes ten minutes and more.
bench-long: all
	@scripts/deps --test
	@TARN=$(BUILD)/tarn .deps/python/bin/python tests/bench/long.py $(QUERIES) --events $(or $(EVENTS),1e6,1e7,1e8)

bench-peers: all
	@scripts/deps --test
	@tests/bench/peers/fetch
	@TARN=$(BUILD)/tarn .deps/python/bin/python tests/bench/peers/peers.py
	@TARN=$(BUILD)/tarn .deps/python/bin/python tests/bench/nexmark.py $(QUERIES) \
		--events $(or $(EVENTS),5e6) --from topic --beside flink

tidy:
	@scripts/deps --tidy
	@scripts/tidy

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/tarn
	install -m 755 $(BUILD)/tarn $(DESTDIR)$(PREFIX)/bin/tarn
	install -m 755 $(DUCKDB)/lib/libduckdb.so $(DESTDIR)$(PREFIX)/lib/tarn/

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj $(FUZZ_BUILD)/obj -name '*.d' 2>/dev/null)
