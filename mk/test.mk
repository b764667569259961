# Tests.  Each list below is what tests/run reads: SECONDS NAME COMMAND.

# A test is one program over all archives but app's main, and what tests share.
$(eval $(call folder_rule,tests/support))
TEST_ARCHIVES := $(call archive,tests/support) $(B)/lib/kernels-cuda.a $(ARCHIVES)

define test_rule
$(B)/tests/$(1)/%: $(B)/tests/$(1)/%.o $(TEST_ARCHIVES)
	$$(call say,LD,$$@)
	$$(call link,$$<,$(TEST_ARCHIVES),-lcmocka -lvterm -lutil)
endef
$(foreach f,unit program bench,$(eval $(call test_rule,$(f))))

# What the scripts of tests/hostile run tools with, and attack with.
$(B)/tests/hostile/run: $(B)/tests/hostile/run.o $(ARCHIVES)
	$(call say,LD,$@)
	$(call link,$<,$(ARCHIVES))
# It runs in sandboxes, so it is no sanitizer's.
$(B)/tests/hostile/attack: tests/hostile/attack.c | $(B)/tests-packages.ok
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -D_GNU_SOURCE -std=c17 -g -O1 $(WARN) -o $@ $<
HOSTILE_TOOLS := $(B)/tests/hostile/run $(B)/tests/hostile/attack

# Tests of a GPU are compiled everywhere, and run from the kit (mk/cuda.mk), which brings its
# libraries.
# The one with kernels of its own needs nvcc.
GPU_TESTS := $(patsubst %.c,$(B)/%,$(filter-out $(if $(HAS_NVCC),,%/peer_rounds_test.c),$(wildcard tests/gpu/*_test.c)))
GPU_SHARED := $(patsubst %.c,$(B)/%.o,$(filter-out %_test.c,$(wildcard tests/gpu/*.c)))
$(B)/tests/gpu/%: $(B)/tests/gpu/%.o $(GPU_SHARED) $(TEST_ARCHIVES)
	$(call say,LD,$@)
	$(call link,$< $(GPU_SHARED) $(filter %.cu.o,$^),$(TEST_ARCHIVES),$(KIT_RPATH) -lcmocka \
		$(if $(filter %.cu.o,$^),$(CUDA_LINK)))
$(B)/tests/gpu/peer_rounds_test: $(B)/tests/gpu/peer_rounds.cu.o
$(B)/tests/gpu/%.cu.o: tests/gpu/%.cu mk/cuda.mk $(B)/flags | $(B)/packages.ok
	@mkdir -p $(@D)
	$(call say,NVCC,$@)
	$(Q)$(NVCC_RUN) $(NVCC_FLAGS) $(CUDA_CODE_sm90a) $(CUDA_CODE_general) -DCUDA_TARGET=test -MF $(@:.o=.d) -c -o $@ $<

# What lets a program's calls fail, see there.
FAULTS := $(B)/tests/faults/faults.so
NOLOCALE := $(B)/tests/faults/nolocale.so
$(FAULTS) $(NOLOCALE): $(B)/tests/faults/%.so: tests/faults/%.c tests/faults/faults.h | $(B)/tests-packages.ok
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) -std=c17 -g -O1 $(WARN) -shared -fPIC -o $@ $< -ldl

$(B)/tests/program/program_fault_test: | $(FAULTS)
$(B)/tests/program/locale_test $(B)/tests/program/tui_terminal_test: | $(NOLOCALE)

# Plug-ins that are wrong in one way each, and one that is right, see there.
PLUGIN_KINDS := RIGHT NO_DEVICE OTHER_ABI OTHER_BACKEND OTHER_OPS OTHER_NAME OTHER_LIBRARY
PLUGINS := $(PLUGIN_KINDS:%=$(B)/tests/plugin/%.so)
$(PLUGINS): $(B)/tests/plugin/%.so: tests/plugin/plugin.c engine/base/buf.c engine/base/err.c kernels/backend.h \
		kernels/ops.h | $(B)/packages.ok
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(filter-out -MMD -MP,$(CPPFLAGS)) -DKIND=$* $(if $(filter OTHER_LIBRARY,$*),-DSYMBOL=other) \
		-std=c17 -g -O1 $(WARN) -shared -fPIC -fvisibility=hidden -o $@ $(filter %.c,$^)

$(B)/tests/unit/backend_test: | $(PLUGINS)

# A fuzz target is linked with a main of ours that replays files, or (VARIANT=fuzz, clang) with
# libFuzzer, which looks for new ones.
FUZZERS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
$(B)/tests/fuzz/%_replay: $(B)/tests/fuzz/%_fuzz.o $(B)/tests/fuzz/replay.o $(ARCHIVES)
	$(call say,LD,$@)
	$(call link,$< $(B)/tests/fuzz/replay.o,$(ARCHIVES))
$(B)/tests/fuzz/%_fuzz: $(B)/tests/fuzz/%_fuzz.o $(ARCHIVES)
	$(call say,LD,$@)
	$(call link,$<,$(ARCHIVES),-fsanitize=fuzzer)
REPLAYS := $(FUZZERS:%=$(B)/tests/fuzz/%_replay)

# What tests link with beside the libraries of the program is asked for first.
$(B)/tests-packages.ok: scripts/packages scripts/setup.sh
	@mkdir -p $(@D)
	@CC=$(CC) scripts/setup.sh --check build test
	@touch $@
$(B)/tests/%.o: | $(B)/tests-packages.ok

.PHONY: tests
tests: $(B)/dsv4chat $(CUDA_PLUGIN) $(TESTS) $(GPU_TESTS) $(REPLAYS) $(FAULTS) $(NOLOCALE) $(HOSTILE_TOOLS)

LINTS := $(wildcard tests/lint/*.sh)
MAN_PAGES := $(wildcard man/*.[1-8])

# Lines of the lists, one for each word: $(call each,WORDS,SECONDS PREFIX,COMMAND)
UNIT_LINES = $(foreach t,$(TESTS),'$(1) $(VARIANT)-$(notdir $(t)) DSV4CHAT_PROGRAM=$(B)/dsv4chat $(t)')
REPLAY_LINES = $(foreach f,$(FUZZERS),'$(1) $(VARIANT)-$(f)-corpus $(B)/tests/fuzz/$(f)_replay tests/fuzz/corpus/$(f)')
# Each script in each layer, as root and as nobody; what there is not on this machine is skipped.
HOSTILE := $(filter-out lib files session,$(basename $(notdir $(wildcard tests/hostile/*.sh))))
HOSTILE_LINES = $(foreach l,bubblewrap bubblewrap-proc landlock,$(foreach u,root nobody,$(foreach s,$(HOSTILE), \
	'$(1) hostile-$(s)-$(l)-$(u) HOSTILE=$(B)/tests/hostile sh tests/hostile/$(s).sh $(l) $(u)'))) \
	$(foreach u,root nobody,'$(1) hostile-files-$(u) HOSTILE=$(B)/tests/hostile sh tests/hostile/files.sh off $(u)' \
	'$(1) hostile-session-$(u) HOSTILE=$(B)/tests/hostile DSV4CHAT_PROGRAM=$(B)/dsv4chat sh tests/hostile/session.sh off $(u)')
LINT_LINES = $(foreach l,$(LINTS),'60 lint-$(basename $(notdir $(l))) sh $(l)') \
	$(foreach m,$(MAN_PAGES),'20 man-$(notdir $(m)) mandoc -T lint -W warning $(m)')

.PHONY: check check-all check-list check-all-list lint
check:
	@scripts/setup.sh build test
	@$(PARALLEL) tests
	@$(MAKE) -s --no-print-directory check-list | tests/run build/logs/check

check-list:
	@printf '%s\n' $(call UNIT_LINES,120) $(call REPLAY_LINES,60) $(call HOSTILE_LINES,120) $(LINT_LINES)

# The slow ones, for those who work on the program: the same tests, built with STRICT=1, under
# the sanitizers, those that have a long form at length, every call of whole turns failing once,
# a turn under valgrind, and static analysis of every file.
check-all:
	@scripts/setup.sh build test analysis
	@$(PARALLEL) STRICT=1 tests
	@$(PARALLEL) STRICT=1 VARIANT=asan tests
	@$(MAKE) -s --no-print-directory check-all-list | tests/run build/logs/check-all

ANALYSED := $(foreach f,$(FOLDERS),$(call srcs,$(f)))
TIDY_FLAGS = $(filter-out -MMD -MP -DDSV4CHAT_VERSION=%,$(CPPFLAGS)) -DDSV4CHAT_VERSION=\"$(VERSION)\" -std=c17 -DCPU_TARGET=v3
VALGRIND := valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite

check-all-list:
	@printf '%s\n' $(foreach t,model first goes_on lines tools ranks,"1200 every-fault-$(t) DSV4CHAT_SLOW=1 \
		DSV4CHAT_PROGRAM=$(B)/dsv4chat $(B)/tests/program/program_fault_test '*_$(t)_*'")
	@printf '%s\n' $(LONG_LINES)
	@printf '%s\n' '1200 long-hostile-repository DSV4CHAT_SLOW=1 HOSTILE=$(B)/tests/hostile sh tests/hostile/repository.sh bubblewrap nobody'
	@$(MAKE) -s --no-print-directory VARIANT=asan sanitized-list
	@printf '%s\n' '1200 cppcheck tests/analysis/cppcheck.sh $(sort $(foreach f,$(FOLDERS),$(firstword $(subst /, ,$(f)))))'
	@printf '%s\n' "1200 valgrind-turn $(VALGRIND) $(B)/dsv4chat --model share/nano --ephemeral --threads 1 --seed 1 -p hello"
	@printf '%s\n' $(foreach f,$(ANALYSED),'300 tidy-$(subst /,-,$(f)) clang-tidy --quiet $(f) -- $(TIDY_FLAGS)')

# A test that asks for DSV4CHAT_SLOW has a long form, which the plain build does: a sanitizer finds
# in the short ones what is to be found, and takes hours for the long ones.
LONG := $(filter-out %/program_fault_test,$(patsubst %.c,$(B)/%, \
	$(shell grep -l DSV4CHAT_SLOW tests/unit/*_test.c tests/program/*_test.c)))
LONG_LINES = $(foreach t,$(LONG),'1800 long-$(notdir $(t)) DSV4CHAT_SLOW=1 DSV4CHAT_PROGRAM=$(B)/dsv4chat $(t)')

.PHONY: sanitized-list
sanitized-list:
	@printf '%s\n' $(call UNIT_LINES,1500) $(call REPLAY_LINES,300)

lint:
	@for l in $(LINTS); do sh $$l || exit 1; done

.PHONY: fuzz
NAME ?= config
SECONDS ?= 600
fuzz:
	@scripts/setup.sh build analysis
	@$(PARALLEL) VARIANT=fuzz CC=clang build/fuzz/tests/fuzz/$(NAME)_fuzz
	@mkdir -p build/fuzz/found/$(NAME)
	build/fuzz/tests/fuzz/$(NAME)_fuzz -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=4096 \
		-artifact_prefix=build/fuzz/ build/fuzz/found/$(NAME) tests/fuzz/corpus/$(NAME)

.PHONY: format
format:
	clang-format -i $(foreach f,$(FOLDERS) kernels/cuda tests/gpu tests/unit tests/program tests/support tests/fuzz tests/faults,$(wildcard $(f)/*.[ch]))

.PHONY: eval-nano
eval-nano: $(B)/dsv4chat
	python3 tests/eval/eval_nano.py --program $(B)/dsv4chat --model share/nano

# What the screen and the history cost; prints figures beside their goals.
.PHONY: bench-tui bench-history bench-tools bench-load
bench-tools: $(B)/tests/bench/tools_bench $(B)/tests/bench/agent_bench $(B)/dsv4chat
	$(B)/tests/bench/tools_bench
	DSV4CHAT_PROGRAM=$(B)/dsv4chat $(B)/tests/bench/agent_bench

# Loading LOAD_LAYERS of Flash's layers, 3.6 GB each, and its draft layer, from the page cache, twice
# in two starts; the folder stays.
LOAD_DIR ?= $(B)/load
LOAD_LAYERS ?= 4
bench-load: $(B)/tests/bench/checkpoint_bench $(B)/dsv4chat
	test -e $(LOAD_DIR)/model.safetensors || \
		$(B)/tests/bench/checkpoint_bench $(LOAD_DIR) flash $(LOAD_LAYERS)
	cat $(LOAD_DIR)/model.safetensors > /dev/null
	$(B)/dsv4chat bench --load --model $(LOAD_DIR) --ctx 1024
	$(B)/dsv4chat bench --load --model $(LOAD_DIR) --ctx 1024

bench-history: $(B)/tests/bench/history_bench
	$(B)/tests/bench/history_bench

bench-tui: $(B)/tests/bench/tui_bench $(B)/tests/bench/screen_bench $(B)/dsv4chat
	$(B)/tests/bench/tui_bench
	DSV4CHAT_PROGRAM=$(B)/dsv4chat $(B)/tests/bench/screen_bench
