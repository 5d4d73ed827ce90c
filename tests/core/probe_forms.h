/* SPDX-License-Identifier: MIT
 *
 * The instructions that probe_test.c probes, and what each needs to run. Bytes only; nothing is run here.
 */
#ifndef TL_TESTS_CORE_PROBE_FORMS_H
#define TL_TESTS_CORE_PROBE_FORMS_H

#include <tests/core/native_case.h>

/* What its registers have to hold. */
enum forms_want {
    FORMS_OPERANDS, /* bx, si, di, bp: addresses of data; cx: less than 8; anything else */
    FORMS_TARGETS,  /* all but sp: the landing */
    FORMS_MEMORY,   /* all but sp: addresses of data, which holds the landing's address */
};

struct forms_entry {
    struct native_form form;
    enum forms_want want;
    uint8_t data;   /* offset of a displacement, 4 bytes, that is to lead to the data from behind the instruction; 0:
                       there is none */
    uint8_t starts; /* of a sequence: bit i: an instruction begins at byte i */
};

const struct forms_entry *forms_all(size_t *count);
/* Bytes of the first of its instructions, the one that is probed. */
unsigned forms_first(const struct native_form *form);

/* The form as it has to be at address. */
struct native_form forms_fix(const struct forms_entry *entry, uintptr_t address);

/* Those that fault when bx and di lead nowhere, cx is 0 and the processor is in ring 3. */
const struct forms_entry *forms_faulting(size_t *count);

/* Several instructions each, with room for a jump over more than one. */
const struct forms_entry *forms_sequences(size_t *count);

/* Those that no probe can take. */
const struct native_form *forms_refused(size_t *count);

#endif
