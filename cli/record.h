/* SPDX-License-Identifier: MIT
 *
 * The commands that trace. Each takes its own arguments, argv[0] being the verb, and returns the exit status. Called by
 * main().
 */
#ifndef TL_CLI_RECORD_H
#define TL_CLI_RECORD_H

int tl_command_record(int argc, char **argv);
int tl_command_live(int argc, char **argv);
int tl_command_count(int argc, char **argv);
int tl_command_cover(int argc, char **argv);
int tl_command_list(int argc, char **argv);

#endif
