/* SPDX-License-Identifier: MIT
 *
 * Programs that the tests of plan/ make for themselves, in a folder that is gone afterwards, and questions about their
 * plans.
 */
#ifndef TL_TESTS_PLAN_PROGRAM_H
#define TL_TESTS_PLAN_PROGRAM_H

#include <plan/plan.h>
#include <stdbool.h>

/* For cmocka's group: makes and removes the folder. */
int program_folder_make(void **state);
int program_folder_remove(void **state);

/* Path of a file in the folder; valid until the next eight calls. */
const char *program_path(const char *name);
/* Runs a shell command in the folder; fails the test if it fails. */
void program_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Writes source as name.c, or name.S if flags say "-x assembler", and links it as name. */
void program_build(const char *name, const char *flags, const char *source);
/* An assembly file with an entry point that only ends; source goes into .text. */
void program_assemble(const char *name, const char *source);

/* Opens and plans all of it; checks what must hold of every plan. */
struct tl_module *program_plan(const char *name);
const struct tl_plan_function *program_function(const struct tl_module *module, const char *name);
/* The site that holds the byte at address, or NULL. */
const struct tl_wire_site *program_site(const struct tl_module *module, uint64_t address);

#endif
