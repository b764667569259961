/* What an exported message and run look like: names shared by export and import. */
#ifndef HISTORY_EXPORT_H
#define HISTORY_EXPORT_H

#include "history/tree.h"

#define EXPORT_FORMAT 1

/* The run's numbers, in the order of the file. */
struct run_number {
	const char *name;
	size_t at; /* of an int64_t in struct history_run */
	bool late; /* what was exported by an early program lacks it: 0 */
};
extern const struct run_number export_run_numbers[]; /* ends with a row without a name */

struct run_word {
	const char *name;
	size_t at; /* of a const char * */
};
extern const struct run_word export_run_words[];

struct run_real {
	const char *name;
	size_t at; /* of a double */
};
extern const struct run_real export_run_reals[];

#endif
