# SPDX-License-Identifier: MIT
#
# One Makefile, no recursion into folders: a new file is found by its folder and needs no edit here.
#   O=build         where everything made goes
#   CC=gcc|clang    the compiler (gcc)
#   SAN=address,undefined    hosted parts with sanitizers, in a folder of their own
#   V=1             show the commands
# 'make help' lists the verbs.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

O ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 20
TEST_TIMEOUT ?= 300
SECONDS ?= 60
ifeq ($(origin CC),default)
CC := gcc
endif
CXX := $(if $(findstring clang,$(CC)),$(subst clang,clang++,$(CC)),$(subst gcc,g++,$(CC)))
LD ?= ld
OBJCOPY ?= objcopy

# Objects with and without sanitizers never mix.
comma := ,
B := $(O)$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

# ---- what there is -------------------------------------------------------------------------------------------------

# $(call sources,folders...): the C and assembly files below the folders that exist, those of the other width left out.
sources = $(sort $(foreach d,$(wildcard $(1)),$(shell find $(d) \( -name '*.c' -o -name '*.S' \) -not -path '*/32/*')))
objects = $(addprefix $(B)/$(1)/,$(addsuffix .o,$(basename $(2))))

CORE_SOURCES := $(call sources,core arch/x86/64)
LINUX_SOURCES := $(call sources,port/linux)
SIM_SOURCES := $(call sources,port/sim)
PLAN_SOURCES := $(call sources,plan)
OUTER_SOURCES := $(PLAN_SOURCES) $(call sources,writer reader tracer cli)
MAIN_SOURCE := $(wildcard cli/main.c)

# Tests. X_test.c is a cmocka program; another file with a main() is a program that tests run; the rest of a folder's
# files are linked into each of its tests. An executable X.sh is a test, too.
TEST_SOURCES := $(sort $(shell find tests -name '*_test.c' 2>/dev/null))
TEST_OTHERS := $(sort $(shell find tests \( -name '*.c' -o -name '*.S' \) -not -name '*_test.c' 2>/dev/null))
TORTURE_SOURCES := $(call sources,tests/torture)
TEST_OTHERS := $(filter-out $(TORTURE_SOURCES),$(TEST_OTHERS))
TEST_TARGETS := $(if $(TEST_OTHERS),$(shell grep -lE '\<int main\>|^_start:' $(TEST_OTHERS)))
TEST_SUPPORT := $(filter-out $(TEST_TARGETS),$(TEST_OTHERS))
TEST_CXX := $(sort $(shell find tests -name '*.cc' 2>/dev/null))
TEST_SCRIPTS := $(sort $(shell find tests -name '*.sh' -perm -u+x 2>/dev/null))
TEST_PROGRAMS := $(TEST_SOURCES:%.c=$(B)/%)
TARGET_PROGRAMS := $(addprefix $(B)/,$(basename $(TEST_TARGETS) $(TEST_CXX))) $(B)/tests/torture/torture
# peer.c is built by bench/peers, in the ways of the tools that it compares.
BENCH_SOURCES := $(filter-out bench/peer.c,$(call sources,bench))
BENCH_PROGRAMS := $(addprefix $(B)/,$(basename $(BENCH_SOURCES)))
EXAMPLE_PROGRAMS := $(addprefix $(B)/,$(basename $(call sources,examples)))
FUZZ_PROGRAMS := $(addprefix $(B)/,$(basename $(call sources,fuzz)))

AGENT_SCRIPT := $(wildcard agent/agent.lds)
AGENT_IMAGE := $(if $(AGENT_SCRIPT),$(B)/agent.bin)
PROGRAM := $(if $(MAIN_SOURCE),$(B)/trapline)

# ---- flags ---------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Werror
C_WARNINGS := -Wstrict-prototypes -Wmissing-prototypes
OPTIMIZE ?= -O2 -g
option = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo '$(1)')
BASE_FLAGS := -D_GNU_SOURCE -Iinclude -I. $(OPTIMIZE) $(WARNINGS)
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)

# The outer rooms never see the engine's inner headers, so they do not get its include path.
inner = $(if $(filter plan/% writer/% reader/% tracer/% cli/%,$(1)),,-Iarch/x86/64)
# Programs that exist to be traced show their functions to nobody.
traced = $(if $(filter bench/% examples/%,$(1)),-Wno-missing-prototypes)
HOST_FLAGS = -std=c11 $(BASE_FLAGS) $(C_WARNINGS) $(SAN_FLAGS) $(call inner,$*) $(call traced,$*)

# What runs inside another process, or in ring 0: no libc, no vector registers, nothing a compiler adds on its own.
FREESTANDING := -std=c11 $(BASE_FLAGS) $(C_WARNINGS) -ffreestanding -fno-builtin -nostdlib -fvisibility=hidden \
	-mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -fno-common \
	-fno-jump-tables $(call option,-fno-tree-loop-distribute-patterns) \
	$(call option,-fdirect-access-external-data) -DTL_FREESTANDING
AGENT_FLAGS := $(FREESTANDING) -fPIE -Iarch/x86/64
AGENT_LINK := -nostdlib -pie -Wl,--no-dynamic-linker -Wl,--build-id=none -Wl,-z,norelro -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments

LIBRARIES := -Wl,--as-needed -lelf -ldw -lZydis -lZycore -liberty -lzstd -llzma -lm -lpthread -ldl

# ---- rules ---------------------------------------------------------------------------------------------------------

.PHONY: all help demo test check bench bench-peers budget torture tidy model fuzz fuzz-programs asm install uninstall \
	clean coverage widths programs format packages kernel kernel-variants kernel-test FORCE

all: $(PROGRAM) $(B)/libtrapline.a $(AGENT_IMAGE)

# The flags are part of what an object is made from: another compiler in the same folder makes everything anew.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(BASE_FLAGS) $(SAN_FLAGS) $(FREESTANDING)' | cmp -s - $@ || \
		echo '$(CC) $(BASE_FLAGS) $(SAN_FLAGS) $(FREESTANDING)' > $@

define compile # variant, flags, source suffix
$(B)/$(1)/%.o: %$(3) $(B)/flags
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(2) -MMD -MP -c $$< -o $$@
endef
$(foreach s,.c .S,$(eval $(call compile,host,$$(HOST_FLAGS),$(s))))
$(foreach s,.c .S,$(eval $(call compile,agent,$$(AGENT_FLAGS),$(s))))
$(foreach s,.c .S,$(eval $(call compile,free32,$$(FREESTANDING) -m32 -Iarch/x86/32,$(s))))
$(foreach s,.c .S,$(eval $(call compile,host32,-std=c11 $$(BASE_FLAGS) $$(C_WARNINGS) -m32 -Iarch/x86/32,$(s))))

define archive # file, objects
$(1): $(2)
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$(filter %.o,$$^)
endef
$(eval $(call archive,$(B)/libtrapline.a,$(call objects,host,$(CORE_SOURCES) $(LINUX_SOURCES))))
$(eval $(call archive,$(B)/libsim.a,$(call objects,host,$(CORE_SOURCES) $(SIM_SOURCES))))
$(eval $(call archive,$(B)/libplan.a,$(call objects,host,$(PLAN_SOURCES))))
$(eval $(call archive,$(B)/libouter.a,$(call objects,host,$(filter-out $(MAIN_SOURCE),$(OUTER_SOURCES)))))

$(eval $(call archive,$(B)/libagent.a,$(call objects,agent,$(CORE_SOURCES) $(LINUX_SOURCES))))

# The agent: an ELF file that holds no relocation and names nothing outside, then its bare bytes. Of the engine it takes
# what it needs.
$(B)/agent.elf: $(call objects,agent,$(call sources,agent)) $(B)/libagent.a $(AGENT_SCRIPT)
	$(call say,LD,$@)
	$(Q)$(CC) $(AGENT_LINK) -Wl,-T,$(AGENT_SCRIPT) -Wl,-Map=$(B)/agent.map -o $@ $(filter %.o %.a,$^)
	$(Q)tests/build/image $@
$(B)/agent.bin: $(B)/agent.elf
	$(call say,COPY,$@)
	$(Q)$(OBJCOPY) -O binary $< $@

# tracer/image.S says .incbin TL_AGENT_IMAGE.
$(B)/host/tracer/image.o: $(AGENT_IMAGE)
$(B)/host/tracer/image.o: HOST_FLAGS += -DTL_AGENT_IMAGE='"$(B)/agent.bin"'

link = $(Q)$(CC) $(OPTIMIZE) $(SAN_FLAGS) $(1) -o $@ $(filter %.o %.a,$^)

$(B)/trapline: $(call objects,host,$(MAIN_SOURCE)) $(B)/libouter.a $(B)/libtrapline.a
	$(call say,LINK,$@)
	$(call link) $(LIBRARIES)

# What a test is linked with goes by its folder: the engine's own tests with the simulated port, the plan's with the
# plan and the engine's decoder, the others with everything but main().
engine_tests := tests/core/% tests/sim/% tests/arch/%
test_libraries = $(if $(filter $(engine_tests),$(1)),$(B)/libsim.a,$(if $(filter tests/plan/%,$(1)),$(B)/libplan.a \
	$(B)/libtrapline.a,$(B)/libouter.a $(B)/libtrapline.a))
# And with what else lies in its folder; the probes of tests/core run real code, as the port of tests/arch has it.
test_support = $(filter $(dir $(1))%,$(TEST_SUPPORT)) $(if $(filter tests/core/probe_test.c,$(1)),tests/arch/port.c)
define test_program # source
$(B)/$(basename $(1)): $(call objects,host,$(1) $(call test_support,$(1))) $(call test_libraries,$(1))
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(call link) $(if $(filter $(engine_tests),$(1)),-lZydis -lZycore -lpthread,$(LIBRARIES)) -lcmocka
endef
$(foreach t,$(TEST_SOURCES),$(eval $(call test_program,$(t))))

# Programs to be traced are built as a stranger would build them; a line "/* build: FLAGS */" in the file adds flags.
own_flags = $$(sed -n 's,^.*build: \(.*\) \*/.*$$,\1,p' $<)
$(addprefix $(B)/,$(basename $(TEST_TARGETS))): $(B)/%: %.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(BASE_FLAGS) -MMD -MP -MF $@.d -o $@ $< -lpthread $(own_flags)
$(addprefix $(B)/,$(basename $(TEST_CXX))): $(B)/%: %.cc $(B)/flags
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 $(BASE_FLAGS) -MMD -MP -MF $@.d -o $@ $< -lpthread $(own_flags)

# The torture plays the agent within itself.
AGENT_IN_TORTURE := agent/arm.c agent/batch.c agent/links.c agent/text.c agent/threads.c
$(B)/tests/torture/torture: $(call objects,host,$(TORTURE_SOURCES) $(AGENT_IN_TORTURE)) $(B)/libtrapline.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(call link) -lpthread

$(BENCH_PROGRAMS) $(EXAMPLE_PROGRAMS): $(B)/%: $(B)/host/%.o $(B)/libouter.a $(B)/libtrapline.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(call link) $(LIBRARIES)
$(FUZZ_PROGRAMS): $(B)/%: $(B)/host/%.o $(B)/libouter.a $(B)/libtrapline.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(call link,-fsanitize=fuzzer) $(LIBRARIES)

programs: $(TEST_PROGRAMS) $(TARGET_PROGRAMS) $(BENCH_PROGRAMS) $(EXAMPLE_PROGRAMS)

# The core knows no width and no OS: it is compiled for both widths, hosted and freestanding.
NARROW_SOURCES := $(sort $(shell find $(wildcard core arch/x86/32) -name '*.c' -o -name '*.S' 2>/dev/null))
NARROW_C := $(filter %.c,$(NARROW_SOURCES))
widths: $(call objects,host,$(CORE_SOURCES)) $(call objects,agent,$(CORE_SOURCES)) \
	$(call objects,host32,$(NARROW_SOURCES)) $(call objects,free32,$(NARROW_SOURCES))

# ---- the kernel ----------------------------------------------------------------------------------------------------

# Images are $(B)/kernel/NAME/: boot.elf, what QEMU boots, and kernel.elf, the same with names and lines. Of the names
# below, 'make kernel' makes the first three; the rest are made by tests/kernel/variants.sh. WIDTH-FRAME-WITHOUT...:
# FRAME is move or gap on i386 (docs/frames.md); without a room that the switches in kernel/traps.c leave out. Images
# *-skip, *-lost and *-astray are broken, to see tests fail (poke.sh, frame.sh in tests/kernel).
KERNEL_ROOMS := ftrace kprobes kgdb
KERNEL_IMAGES := 64 32 32-gap
KERNEL_SWITCHED := $(foreach w,64 32,$(w)-no-ftrace $(w)-no-kprobes $(w)-no-kgdb $(w)-no-ftrace-no-kprobes \
	$(w)-no-ftrace-no-kgdb $(w)-no-kprobes-no-kgdb $(w)-no-ftrace-no-kprobes-no-kgdb)
KERNEL_BROKEN := $(foreach b,skip lost astray,$(KERNEL_IMAGES:%=%-$(b)))
KERNEL_VARIANTS := $(KERNEL_SWITCHED) $(KERNEL_BROKEN)
kernel_width = $(firstword $(subst -, ,$(1)))
kernel_frame = $(if $(filter 64,$(call kernel_width,$(1))),,$(if $(findstring -gap,$(1)),gap,move))
kernel_other = $(if $(filter 64,$(1)),32,64)
kernel_sources = $(sort $(shell find kernel port/ring0 -name '*.[cS]' -not -path '*/$(call kernel_other,$(1))/*'))
# A room is in if its core is there and the name does not say otherwise.
kernel_there = ftrace $(if $(wildcard core/probe.c),kprobes) kgdb
kernel_rooms = $(foreach r,$(kernel_there),$(if $(findstring -no-$(r),$(1)),,$(r)))
kernel_switch = -DKERNEL_$(shell echo $(2) | tr a-z A-Z)=$(if $(filter $(2),$(call kernel_rooms,$(1))),1,0)
kernel_switches = $(foreach r,$(KERNEL_ROOMS),$(call kernel_switch,$(1),$(r))) \
	-DKERNEL_SKIP=$(if $(findstring -skip,$(1)),1,0) -DKERNEL_LOST=$(if $(findstring -lost,$(1)),1,0) \
	-DKERNEL_ASTRAY=$(if $(findstring -astray,$(1)),1,0)
# What a switch decides is compiled once an image, all else once a width.
KERNEL_SWITCHED_SOURCES := kernel/backtrace.c kernel/traps.c kernel/start.c kernel/panic.c kernel/32/int3.c \
	kernel/64/int3.c port/ring0/32/entry.S
kernel_files_ftrace := kernel/ftrace% kernel/trace% kernel/mixed_test.c
kernel_files_kprobes := kernel/probe% kernel/mixed_test.c
kernel_files_kgdb := kernel/kgdb%
# Of an image: the files that are not in it, for want of their room, or as the other frame's.
kernel_out = $(foreach r,$(filter-out $(call kernel_rooms,$(1)),$(KERNEL_ROOMS)),$(kernel_files_$(r))) \
	port/ring0/32/$(if $(filter gap,$(call kernel_frame,$(1))),move,gap)/%
# And those that are, made for the image and for the width.
kernel_all = $(call kernel_sources,$(call kernel_width,$(1)))
kernel_own = $(filter $(KERNEL_SWITCHED_SOURCES),$(call kernel_all,$(1)))
kernel_shared = $(filter-out $(KERNEL_SWITCHED_SOURCES) $(call kernel_out,$(1)),$(call kernel_all,$(1)))
kernel_objects = $(call objects,kernel/$(1),$(call kernel_own,$(1))) \
	$(call objects,ring0-$(call kernel_width,$(1)),$(call kernel_shared,$(1)))
# How the compiler leaves a place for ftrace: or -pg -mfentry -mrecord-mcount (in a folder O of its own).
KERNEL_SITES ?= -fpatchable-function-entry=5
KERNEL_FLAGS = $(FREESTANDING) -fno-pic -fno-pie -mno-red-zone -fno-omit-frame-pointer $(KERNEL_SITES) \
	-m$(1) -Iarch/x86/$(1) -Iport/ring0/$(1) -Ikernel/$(1)

$(foreach w,32 64,$(foreach s,.c .S,$(eval $(call compile,ring0-$(w),$$(call KERNEL_FLAGS,$(w)),$(s)))))
kernel_core = $(call objects,ring0-$(1),$(sort $(shell find core arch/x86/$(1) -name '*.[cS]')))
$(foreach w,32 64,$(eval $(call archive,$(B)/ring0-$(w)/libcore.a,$(call kernel_core,$(w)))))

define kernel_image_rules # name, width
$(B)/kernel/$(1)/kernel.elf: $(call kernel_objects,$(1)) $(B)/ring0-$(2)/libcore.a kernel/kernel.lds kernel/symbols.sh
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)kernel/symbols.sh > $$(@D)/names.S && $$(CC) -m$(2) -c -o $$(@D)/names.o $$(@D)/names.S
	$$(Q)$$(KERNEL_LINK) -m$(2) -o $$(@D)/first.elf $$(filter %.o,$$^) $$(@D)/names.o $(B)/ring0-$(2)/libcore.a
	$$(Q)kernel/symbols.sh $$(@D)/first.elf > $$(@D)/names.S && $$(CC) -m$(2) -c -o $$(@D)/names.o $$(@D)/names.S
	$$(Q)$$(KERNEL_LINK) -m$(2) -o $$@ $$(filter %.o,$$^) $$(@D)/names.o $(B)/ring0-$(2)/libcore.a
	$$(Q)kernel/symbols.sh --check $$(@D)/first.elf $$@
# QEMU's loader wants 32 bits.
$(B)/kernel/$(1)/boot.elf: $(B)/kernel/$(1)/kernel.elf
	$$(Q)$(OBJCOPY) --strip-debug $(if $(filter 64,$(2)),-O elf32-i386) $$< $$@
endef
KERNEL_LINK = $(CC) -nostdlib -static $(call option,-no-pie) -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,-T,kernel/kernel.lds
kernel_own_flags = $(addprefix -Iport/ring0/32/,$(call kernel_frame,$(1))) $(call kernel_switches,$(1))
$(foreach i,$(KERNEL_IMAGES) $(KERNEL_VARIANTS),$(foreach s,.c .S,$(eval $(call compile,kernel/$(i),$$(call \
	KERNEL_FLAGS,$(call kernel_width,$(i))) $(call kernel_own_flags,$(i)),$(s)))))
$(foreach i,$(KERNEL_IMAGES) $(KERNEL_VARIANTS),$(eval $(call kernel_image_rules,$(i),$(call kernel_width,$(i)))))

kernel: $(KERNEL_IMAGES:%=$(B)/kernel/%/boot.elf)
kernel-variants: $(KERNEL_VARIANTS:%=$(B)/kernel/%/boot.elf)

# ---- verbs ---------------------------------------------------------------------------------------------------------

help:
	@echo 'make                the program, build/trapline, and build/libtrapline.a'
	@echo 'make demo           watch it attach to a busy python3, trace it and leave (installs what is missing)'
	@echo 'make test           everything: both compilers, all tests (installs what is missing)'
	@echo 'make check          the fast part, under a minute; SAN=address,undefined with sanitizers'
	@echo 'make tidy           the house rules: include arrows, lengths, names, the trap path, the tour, format'
	@echo 'make kernel         the kernel for QEMU, $(O)/kernel/{64,32,32-gap}/boot.elf'
	@echo 'make kernel-test    boots it and tries it, on both widths'
	@echo 'make model          the protocol model, and the edits that must break it'
	@echo 'make fuzz           the parsers and the decoder, FUZZ_SECONDS=$(FUZZ_SECONDS) each'
	@echo 'make bench          what a traced call and a patched site cost'
	@echo 'make bench-peers    the same call and whole programs under other tracers (installs them)'
	@echo 'make budget         instructions on the hot path, against the limits written down'
	@echo 'make torture        sites in and out under load, SECONDS=$(SECONDS); or TORTURE="toggles=100000000 threads=8"'
	@echo 'make asm            listings and symbols of the agent and the program'
	@echo 'make format         lay out all C files by .clang-format'
	@echo 'make coverage       lines run by the unit tests'
	@echo 'make install        into DESTDIR=$(DESTDIR) PREFIX=$(PREFIX); make uninstall takes it out'
	@echo 'make clean          remove $(O)'
	@echo 'Knobs: O=$(O) CC=$(CC) SAN= V=1 TEST_TIMEOUT=$(TEST_TIMEOUT) (seconds a test)'

packages:
	@packages/install $(PACKAGES)
demo: PACKAGES := build demo

# A verb's script, with or without .sh.
script = $(or $(firstword $(wildcard $(1) $(1).sh)),$(error there is no $(1)))

run_tests = O='$(abspath $(B))' CC='$(CC)' TRAPLINE='$(abspath $(B))/trapline' FUZZ_SECONDS='$(FUZZ_SECONDS)' \
	TEST_TIMEOUT='$(TEST_TIMEOUT)' tests/run

demo: packages
	$(Q)$(MAKE) --no-print-directory all
	$(Q)O='$(abspath $(B))' TRAPLINE='$(abspath $(B))/trapline' $(call script,demo/run)

test: packages
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all programs widths
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) CC=clang O=$(O)/clang all programs widths
	$(Q)$(run_tests) $(TEST_PROGRAMS) $(patsubst $(B)/%,$(O)/clang/%,$(TEST_PROGRAMS)) $(TEST_SCRIPTS)

check: all programs
	$(Q)$(run_tests) $(filter-out $(B)/tests/live/%,$(TEST_PROGRAMS)) \
		$(if $(SAN),,$(filter-out %/analyzers.sh,$(filter tests/tidy/%,$(TEST_SCRIPTS))))

tidy:
	$(Q)$(run_tests) $(filter tests/tidy/%,$(TEST_SCRIPTS))

kernel-test: kernel
	$(Q)$(run_tests) $(filter tests/kernel/%,$(TEST_SCRIPTS))

model:
	$(Q)O='$(abspath $(B))' $(call script,model/run)

bench-peers: PACKAGES := build peers
bench-peers: packages
	$(Q)$(MAKE) --no-print-directory all
	$(Q)bench/peers '$(abspath $(B))' '$(abspath $(B))/trapline'
	@echo
	$(Q)bench/programs '$(abspath $(B))/trapline' --peers

bench: all programs
	$(Q)O='$(abspath $(B))' TRAPLINE='$(abspath $(B))/trapline' $(call script,bench/run)

budget: $(B)/agent.elf
	$(Q)O='$(abspath $(B))' $(call script,bench/budget)

torture: $(B)/tests/torture/torture
	$(Q)$< $(or $(TORTURE),seconds=$(SECONDS))

# The fuzzers' own objects: clang, with its coverage counters and sanitizers.
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang O=$(O)/fuzzing SAN=fuzzer-no-link,address,undefined fuzz-programs
	$(Q)O='$(abspath $(O))/fuzzing' FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/build/fuzz \
		$(addprefix $(O)/fuzzing/san-fuzzer-no-link-address-undefined/,$(basename $(call sources,fuzz)))
fuzz-programs: $(FUZZ_PROGRAMS)

asm: all
	$(Q)for f in $(wildcard $(B)/agent.elf) $(PROGRAM); do \
		objdump -d -r --no-show-raw-insn $$f > $$f.asm; nm -n $$f > $$f.sym; echo "$$f.asm $$f.sym"; done

format:
	$(Q)clang-format-14 -i $(shell find . -path ./.git -prune -o -path './$(O)' -prune -o -name '*.[ch]' -print)

coverage:
	$(Q)$(MAKE) --no-print-directory O=$(O)/coverage OPTIMIZE='-O0 -g --coverage' check
	$(Q)tests/build/coverage $(O)/coverage

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include/trapline \
		$(DESTDIR)$(PREFIX)/share/man/man1
	$(if $(PROGRAM),install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/)
	install -m 644 $(B)/libtrapline.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 $(wildcard include/trapline/*.h) $(DESTDIR)$(PREFIX)/include/trapline/
	install -m 644 $(wildcard man/*.1) $(DESTDIR)$(PREFIX)/share/man/man1/

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/trapline $(DESTDIR)$(PREFIX)/lib/libtrapline.a \
		$(addprefix $(DESTDIR)$(PREFIX)/share/man/man1/,$(notdir $(wildcard man/*.1)))
	rm -rf $(DESTDIR)$(PREFIX)/include/trapline

clean:
	rm -rf $(O)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
