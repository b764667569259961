# dsv4chat: build, test, install.  `make help` lists the targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
VARIANT ?= release
B := build/$(VARIANT)

ifeq ($(origin CC),default)
CC := gcc
endif
PKGS := ncursesw libedit sqlite3 jansson libpcre2-8 libutf8proc md4c libxxhash
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wundef -Wformat=2 -Wswitch-enum -Werror
VARIANT_release := -O2 -DNDEBUG
VARIANT_debug := -O0
VARIANT_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
VARIANT_tsan := -O1 -fsanitize=thread

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE -DDSV4CHAT_VERSION='"$(VERSION)"' -MMD -MP $(PKG_CFLAGS)
CFLAGS += -std=c17 -g $(WARN) $(VARIANT_$(VARIANT)) -pthread
LDFLAGS += $(filter -fsanitize=%,$(VARIANT_$(VARIANT))) -pthread
LDLIBS += $(PKG_LIBS) -lm -ldl

# kernels/cpu/vec_*.c is one source for every instruction set: each target compiles it again
# with CPU_TARGET=NAME for its symbols, and the backend chooses among them at run time.
CPU_TARGETS := $(if $(filter x86_64-%,$(shell $(CC) -dumpmachine)),v2 v3 v4,generic)
VEC_SRCS := $(wildcard kernels/cpu/vec_*.c)
VEC_OBJS := $(foreach t,$(CPU_TARGETS),$(VEC_SRCS:%.c=$(B)/%.$(t).o))

# One archive per folder.
FOLDERS := app tui history engine engine/base kernels kernels/cpu
srcs = $(wildcard $(1)/*.c)
objs = $(patsubst %.c,$(B)/%.o,$(filter-out $(VEC_SRCS),$(call srcs,$(1)))) \
	$(if $(filter kernels/cpu,$(1)),$(VEC_OBJS))
archive = $(B)/lib/$(subst /,-,$(1)).a
ARCHIVES := $(foreach f,$(FOLDERS),$(if $(call srcs,$(f)),$(call archive,$(f))))
APP_MAIN := $(B)/app/main.o

TESTS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*_test.c))

.PHONY: all
all: $(B)/dsv4chat

define folder_rule
$(call archive,$(1)): $(filter-out $(APP_MAIN),$(call objs,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rule,$(f))))

$(B)/dsv4chat: $(APP_MAIN) $(ARCHIVES)
	$(CC) $(LDFLAGS) -o $@ $(APP_MAIN) -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LDLIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# A test is one program over all archives but app's main, and what tests share.
TEST_ARCHIVES := $(call archive,tests/support) $(ARCHIVES)
$(eval $(call folder_rule,tests/support))

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(TEST_ARCHIVES)
	$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(TEST_ARCHIVES) -Wl,--end-group -lcmocka $(LDLIBS)

# Kernels: strict arithmetic, so that a row's bits depend on the source alone.  -Wno-psabi: wide
# vectors pass between static functions of one file only, so no object sees another's ABI.
$(B)/kernels/cpu/%.o: CFLAGS += -O3 -ffp-contract=off -fno-math-errno -Wno-psabi

define vec_rule
$(B)/kernels/cpu/vec_%.$(1).o: CFLAGS += $(if $(filter v%,$(1)),-march=x86-64-$(1))
$(B)/kernels/cpu/vec_%.$(1).o: CPPFLAGS += -DCPU_TARGET=$(1)
$(B)/kernels/cpu/vec_%.$(1).o: kernels/cpu/vec_%.c
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) -c -o $$@ $$<
endef
$(foreach t,$(CPU_TARGETS),$(eval $(call vec_rule,$(t))))

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: tests clean
tests: $(TESTS)

clean:
	rm -rf build
.SECONDARY:
