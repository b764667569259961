# The CUDA backend, a plug-in: built where nvcc is (12.4 or newer); `make CUDA=0` leaves it out.
# The program itself links nothing of CUDA.

CUDA ?= 1
NVCC ?= $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc))
# 1 where it is there and new enough.  Under a sanitizer there is no plug-in.
nvcc_serves = $(shell $(1) --version 2>/dev/null | sed -n 's/.*release \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | \
	awk '{ if ($$1 > 12 || ($$1 == 12 && $$2 >= 4)) print 1 }')
HAS_NVCC := $(if $(filter-out 0,$(CUDA)),$(if $(filter release debug,$(VARIANT)),$(if $(NVCC),$(call nvcc_serves,$(NVCC)))))
# Through ccache where the compiler is: kernels take long to compile.
NVCC_RUN := $(if $(filter %/ccache,$(realpath $(shell command -v $(CC) 2>/dev/null))),ccache) $(NVCC)
CUDA_HOME = $(patsubst %/bin/,%,$(dir $(realpath $(NVCC))))
CUDART = $(firstword $(wildcard $(addsuffix /libcudart_static.a,$(CUDA_HOME)/lib64 $(CUDA_HOME)/lib \
	$(CUDA_HOME)/targets/x86_64-linux/lib /usr/lib/$(shell $(CC) -print-multiarch 2>/dev/null))))

CUDA_LINK = $(CUDART) -Wl,-Bstatic -lstdc++ -Wl,-Bdynamic -pthread -lrt -ldl -lm

# Each kernel file is compiled for each target: code for 9.0a alone; general code for 8.0 and, as
# PTX, for whatever comes later.
CUDA_TARGETS := sm90a general
CUDA_CODE_sm90a := -gencode arch=compute_90a,code=sm_90a
CUDA_CODE_general := -gencode arch=compute_80,code=[sm_80,compute_80]
CUDA_KERNELS := $(wildcard kernels/cuda/*.cu)
CUDA_HOST := $(filter-out kernels/cuda/target.c,$(wildcard kernels/cuda/*.c))
# The plug-in brings its own copies of what it uses of the ground floor, and of how threads meet.
CUDA_BASE := engine/base/err.c engine/base/buf.c engine/base/clock.c engine/base/thread.c kernels/comm/loopback.c
CUDA_OBJS := $(foreach t,$(CUDA_TARGETS),$(CUDA_KERNELS:%.cu=$(B)/%.$(t).o) $(B)/kernels/cuda/target.$(t).o) \
	$(CUDA_HOST:%.c=$(B)/plugin/%.o) $(CUDA_BASE:%.c=$(B)/plugin/%.o)
CUDA_PLUGIN := $(if $(HAS_NVCC),$(B)/dsv4chat-cuda.so)
all: $(CUDA_PLUGIN)

PIC := -fPIC -fvisibility=hidden
NVCC_FLAGS = -std=c++17 -O3 -fmad=false -lineinfo -Xfatbin=-compress-all -I. -I$(B)/gen -MMD -MP -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-Wall \
	$(if $(filter 1,$(STRICT)),-Werror all-warnings)

define cuda_target_rule
$(B)/kernels/cuda/%.$(1).o: kernels/cuda/%.cu mk/cuda.mk $(B)/flags | $(B)/packages.ok
	@mkdir -p $$(@D)
	$$(call say,NVCC,$$@)
	$$(Q)$$(NVCC_RUN) $$(NVCC_FLAGS) $$(CUDA_CODE_$(1)) -DCUDA_TARGET=$(1) -MF $$(@:.o=.d) -c -o $$@ $$<
$(B)/kernels/cuda/target.$(1).o: kernels/cuda/target.c $(B)/flags | $(B)/packages.ok
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(CPPFLAGS) -isystem $$(CUDA_HOME)/include -DCUDA_TARGET=$(1) $$(CFLAGS) $$(PIC) -c -o $$@ $$<
endef
$(foreach t,$(CUDA_TARGETS),$(eval $(call cuda_target_rule,$(t))))

$(B)/plugin/%.o: %.c $(B)/flags | $(B)/packages.ok
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -isystem $(CUDA_HOME)/include $(CFLAGS) $(PIC) -c -o $@ $<

$(B)/dsv4chat-cuda.so: $(CUDA_OBJS) kernels/cuda
	$(call say,LD,$@)
	$(Q)$(CC) -shared -o $@ $(filter %.o,$^) -Wl,--no-undefined,--exclude-libs,ALL $(CUDA_LINK)

# What decides without a GPU is tested without one.
$(B)/lib/kernels-cuda.a: $(B)/kernels/cuda/hosted.o $(B)/kernels/cuda/tile_policy.o $(B)/kernels/cuda/tiles.o
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# The kit: one folder with all that the tests on a GPU need, for a machine that has a driver,
# glibc and Python and nothing else.  Programs with their libraries, the models of ../shared and
# those of the tree come along packed; `make gpu-kit KIT_TREE=0` leaves the tree's out, for a kit
# that goes along with its tree.
KIT := build/gpu-kit
KIT_STAGE := build/gpu-kit.stage
KIT_RPATH := -Wl,-rpath,'$$ORIGIN/../lib',--disable-new-dtags
KIT_BYTES := 52428800
SHARED ?= $(or $(DSV4CHAT_SHARED),../shared)
KIT_GOLDEN := $(notdir $(wildcard $(addprefix $(SHARED)/golden/,flash-tiny.* spark-micro.*)))
KIT_TREE ?= 1
KIT_PACKED := programs.tar.xz models.tar.xz $(if $(filter-out 0,$(KIT_TREE)),tree.tar.xz)
# What asks the small model its questions, where that expects it.
KIT_EVAL := $(wildcard tests/eval/*.py tests/eval/*.jsonl share/tools/* share/nano/recipe/text/*.* \
	share/nano/recipe/text/*/*)
KIT_PROGRAMS := $(KIT_STAGE)/bin/dsv4chat $(patsubst tests/gpu/%.c,$(KIT_STAGE)/bin/%,$(wildcard tests/gpu/*_test.c)) \
	$(KIT_STAGE)/lib/dsv4chat/dsv4chat-cuda.so

.PHONY: gpu-kit check-gpu
gpu-kit: $(if $(HAS_NVCC),$(addprefix $(KIT)/,$(KIT_PACKED) check.py compare_golden.py $(KIT_EVAL)),no-nvcc)
	@$(if $(filter tree.tar.xz,$(KIT_PACKED)),,rm -f $(KIT)/tree.tar.xz)
	@bytes=$$(du -sb $(KIT) | cut -f 1); echo "$(KIT): $$bytes bytes"; [ $$bytes -le $(KIT_BYTES) ] || \
		{ echo "$(KIT): expected at most $(KIT_BYTES) bytes" >&2; exit 1; }

# Where no GPU is, that is what the script says.
check-gpu: gpu-kit
	python3 $(KIT)/check.py

.PHONY: no-nvcc
no-nvcc:
	@echo 'gpu-kit: no nvcc of 12.4 or newer; NVCC=FILE names one' >&2
	@exit 1

$(KIT_STAGE)/bin/dsv4chat: $(APP_MAIN) $(ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(call link,-s $(APP_MAIN) $(KIT_RPATH),$(ARCHIVES))

$(KIT_STAGE)/bin/%: $(B)/tests/gpu/%
	@mkdir -p $(@D)
	@strip -o $@ $<

$(KIT_STAGE)/lib/dsv4chat/dsv4chat-cuda.so: $(B)/dsv4chat-cuda.so
	@mkdir -p $(@D)
	@strip -o $@ $<

$(KIT)/programs.tar.xz: $(KIT_PROGRAMS) tests/gpu/bundle.sh
	$(call say,XZ,$@)
	@mkdir -p $(@D)
	@sh tests/gpu/bundle.sh $(KIT_STAGE)
	@tar -c -C $(KIT_STAGE) $(patsubst $(KIT_STAGE)/%,%,$(filter %_test %/dsv4chat,$(KIT_PROGRAMS))) lib | xz -6 > $@

$(KIT)/models.tar.xz: $(wildcard $(addsuffix /*,$(addprefix $(SHARED)/golden/,$(KIT_GOLDEN))))
	$(call say,XZ,$@)
	@mkdir -p $(@D)
	@tar -c --mode=u+w -C $(SHARED)/golden $(KIT_GOLDEN) | xz -9 > $@

$(KIT)/tree.tar.xz: $(wildcard share/nano/*.json share/nano/*.safetensors tests/golden/pro-micro/*)
	$(call say,XZ,$@)
	@mkdir -p $(@D)
	@tar -c --mode=u+w --exclude recipe -C share nano -C ../tests/golden pro-micro | xz -9 > $@

$(addprefix $(KIT)/,$(KIT_EVAL)): $(KIT)/%: %
	@$(INSTALL) -D -m 644 $< $@

$(KIT)/check.py: tests/gpu/check.py
$(KIT)/compare_golden.py: $(SHARED)/tools/compare_golden.py
$(KIT)/check.py $(KIT)/compare_golden.py:
	@$(INSTALL) -D -m 644 $< $@
