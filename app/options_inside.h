/* Where the value of a row of the table of options lies. */
#ifndef APP_OPTIONS_INSIDE_H
#define APP_OPTIONS_INSIDE_H

#include "app/options.h"

/* In *o, as the row's type has it. */
void *option_field(const struct options *o, const struct option_row *row);
/* Of an OPTION_LIST: how long it is, which stands behind it. */
size_t *option_list_length(const struct options *o, const struct option_row *row);

/* The choices of what is off or on, which are taken in other words, too. */
extern const char *const option_switches[];

#endif
