# dsv4chat: build, test, install.  `make help` lists the targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
VARIANT ?= release
B := build/$(VARIANT)

ifeq ($(origin CC),default)
CC := gcc
endif
PKGS := ncursesw libedit sqlite3 jansson libpcre2-8 libutf8proc md4c libxxhash libseccomp
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wundef -Wformat=2 -Wswitch-enum
# For those who work on the program.  Without it a compiler that warns of more than ours do still
# builds it.
WARN += $(if $(filter 1,$(STRICT)),-Werror)
VARIANT_release := -O2 -DNDEBUG
VARIANT_debug := -O0
VARIANT_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-fno-var-tracking
VARIANT_tsan := -O1 -fsanitize=thread
# clang's; its warnings differ from gcc's from version to version, and are not looked at.
VARIANT_fuzz := -O1 -fsanitize=address,undefined -fsanitize=fuzzer-no-link -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -w
# V=1 shows whole commands.
Q := $(if $(V),,@)
say = @echo "  $(1)	$(2)"

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE -DDSV4CHAT_VERSION='"$(VERSION)"' -MMD -MP $(PKG_CFLAGS)
CFLAGS += -std=c17 -g $(WARN) $(VARIANT_$(VARIANT)) -pthread
LDFLAGS += $(filter -fsanitize=%,$(VARIANT_$(VARIANT))) -pthread
LDLIBS += $(PKG_LIBS) -lm -ldl

# kernels/cpu/vec_*.c is one source for every instruction set: each target compiles it again
# with CPU_TARGET=NAME for its symbols, and the backend chooses among them at run time.
CPU_TARGETS := $(if $(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),v2 v3 v4,generic)
VEC_SRCS := $(wildcard kernels/cpu/vec_*.c)
VEC_OBJS := $(foreach t,$(CPU_TARGETS),$(VEC_SRCS:%.c=$(B)/%.$(t).o))

# One archive per room, from the top floor down: that is also the order in which they are linked.
FOLDERS := app/line app/screen app/verb app/cmd app/agent app/talk app app/tools tui history \
	engine/scripted engine/session engine/measure engine/cache engine/store engine/text engine/pass \
	engine/checkpoint engine kernels kernels/cpu kernels/comm engine/base
srcs = $(wildcard $(1)/*.c)
objs = $(patsubst %.c,$(B)/%.o,$(filter-out $(VEC_SRCS),$(call srcs,$(1)))) \
	$(if $(filter kernels/cpu,$(1)),$(VEC_OBJS))
archive = $(B)/lib/$(subst /,-,$(1)).a
ARCHIVES := $(foreach f,$(FOLDERS),$(if $(call srcs,$(f)),$(call archive,$(f))))
APP_MAIN := $(B)/app/main.o

TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*_test.c tests/program/*_test.c))

.PHONY: all
all: $(B)/dsv4chat

include mk/cuda.mk

define folder_rule
# The folder itself: a file that left it leaves the archive.
$(call archive,$(1)): $(filter-out $(APP_MAIN),$(call objs,$(1))) $(1)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rule,$(f))))

# Each archive once, in that order: one that refers upwards does not link.
link = $(Q)$(CC) $(LDFLAGS) -o $@ $(1) $(2) $(3) $(LDLIBS)

$(B)/dsv4chat: $(APP_MAIN) $(ARCHIVES)
	$(call say,LD,$@)
	$(call link,$(APP_MAIN),$(ARCHIVES))

# Files that are strings of the program: NAME.h has one called NAME.
define text_rule
$(B)/gen/%.h: $(1)
	@mkdir -p $$(@D)
	@{ echo 'static const char $$*[] ='; \
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$$$/\\n"/' $$<; echo ';'; } > $$@
endef
# Each step of the history's schema, and the built-in tools as the model is told of them.
SCHEMAS := $(patsubst history/%.sql,$(B)/gen/%.h,$(wildcard history/*.sql))
$(eval $(call text_rule,history/%.sql))
$(eval $(call text_rule,share/tools/%.json))
$(eval $(call text_rule,share/tools/%))
$(B)/history/migrate.o: $(SCHEMAS)
$(B)/app/tools/registry.o: $(B)/gen/builtin.h
$(B)/app/agent/prompt.o: $(B)/gen/preamble.h

# A build begins by asking for every library at its least version, once per list of packages.
$(B)/packages.ok: scripts/packages scripts/setup.sh
	@mkdir -p $(@D)
	@CC=$(CC) scripts/setup.sh --check build
	@touch $@

# A plug-in of other headers than the program's is not taken for one that fits.
$(B)/gen/backend_abi.h: kernels/backend.h kernels/ops.h kernels/comm/comm.h
	@mkdir -p $(@D)
	@echo "#define BACKEND_ABI $$(cat $^ | cksum | awk '{ print $$1 % 2147483647 }')" > $@
$(B)/flags: | $(B)/gen/backend_abi.h

# Other flags, other objects.
$(B)/flags: export FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo "$$FLAGS" | cmp -s - $@ || echo "$$FLAGS" >$@
.PHONY: FORCE

$(B)/%.o: %.c $(B)/flags | $(B)/packages.ok
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Kernels: strict arithmetic, so that a row's bits depend on the source alone.  -Wno-psabi: wide
# vectors pass between static functions of one file only, so no object sees another's ABI.
# Only a release build unrolls them in full: under a sanitizer that takes minutes to compile, while
# what -O2 takes there is back after one long test.
$(B)/kernels/cpu/%.o: CFLAGS += $(if $(filter release,$(VARIANT)),-O3,$(if $(filter asan tsan,$(VARIANT)),-O2)) \
	-ffp-contract=off -fno-math-errno -Wno-psabi

define vec_rule
$(B)/kernels/cpu/vec_%.$(1).o: CFLAGS += $(if $(filter v%,$(1)),-march=x86-64-$(1))
$(B)/kernels/cpu/vec_%.$(1).o: CPPFLAGS += -DCPU_TARGET=$(1)
$(B)/kernels/cpu/vec_%.$(1).o: kernels/cpu/vec_%.c $(B)/flags | $(B)/packages.ok
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) -c -o $$@ $$<
endef
$(foreach t,$(CPU_TARGETS),$(eval $(call vec_rule,$(t))))

include mk/test.mk
include mk/install.mk

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# As many jobs as processors, unless the caller chose.
PARALLEL = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: setup run clean help
setup:
	@scripts/setup.sh build

run: setup
	@$(PARALLEL) all
	@exec $(B)/dsv4chat $(ARGS)

clean:
	rm -rf build

help:
	@awk -F '\t' '/^#\t/ { printf "  make %-14s %s\n", $$2, $$3 }' $(firstword $(MAKEFILE_LIST))

# The list of `make help`:
#	run	install what is missing, build, open the chat (ARGS='…' passes options)
#	all	build the program: build/release/dsv4chat (the default)
#	check	install what is missing, run the tests (minutes)
#	check-all	also, and strictly: sanitizers, valgrind, static analysis, slow tests (tens of minutes)
#	eval-nano	ask the small model its held-out questions, and set it tasks with tools
#	fuzz	NAME=config SECONDS=600: look for new inputs that break a parser
#	lint	check who includes whom, and that files open with what they are for
#	format	lay the sources out by .clang-format
#	check-gpu	run the tests that need an NVIDIA GPU, where one is; nothing else may use it
#	gpu-kit	what those tests need in build/gpu-kit, to carry to a machine that has a GPU
#	install	PREFIX=/usr/local: program, man pages, completions, small model
#	uninstall	take all of that away again
#	setup	install the packages that building needs
#	clean	remove build/
#	CUDA=0 NAME	without the CUDA backend, which is built where nvcc 12.4 or newer is
#	STRICT=1 NAME	compiler warnings are errors: for work on the program

# What is only on the way to a test is kept.  Not so all there is: an archive that was deleted would
# then not be made anew for a test that is there.
.SECONDARY: $(patsubst %.c,$(B)/%.o,$(wildcard tests/*/*.c))
