/* The value of an option: set from text, and written as text. */
#include "app/options_inside.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int bad_value(const struct option_row *row, const char *value, const char *expected,
		     struct err *err)
{
	return err_set(err, ERR_USAGE, "%s: '%.60s', expected %s", row->name, value, expected);
}

static int set_number(const struct option_row *row, const char *value, double *out,
		      struct err *err)
{
	bool whole = row->type != OPTION_REAL;
	char *end, expected[80];
	double v;

	*out = 0;
	if (row->zero && strcmp(value, row->zero) == 0)
		return 0;
	errno = 0;
	v = strtod(value, &end);
	if (end == value || *end || errno || !isfinite(v) || v < row->least || v > row->most ||
	    (whole && v != floor(v))) {
		snprintf(expected, sizeof(expected), "a %snumber from %.0f to %.0f%s%s",
			 whole ? "whole " : "", row->least, row->most, row->zero ? ", or " : "",
			 row->zero ? row->zero : "");
		return bad_value(row, value, expected, err);
	}
	*out = v;
	return 0;
}

static int set_seed(struct options *o, const struct option_row *row, const char *value,
		    struct err *err)
{
	char *end;

	if (strcmp(value, "random") == 0) {
		o->seed_given = false;
		return 0;
	}
	errno = 0;
	o->sampling.seed = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)value[0]) || *end || errno)
		return bad_value(row, value, "a whole number below 2^64, or random", err);
	o->seed_given = true;
	return 0;
}

/* 0, 1, or -1: it is neither. */
static int switch_of(const char *value)
{
	static const char *const words[][2] = {
		{"off", "on"}, {"no", "yes"}, {"false", "true"}, {"0", "1"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int on = 0; on < 2; on++)
			if (strcasecmp(words[i][on], value) == 0)
				return on;
	return -1;
}

static int set_choice(const struct option_row *row, const char *value, int *out, struct err *err)
{
	struct buf expected = {0};
	int rc;

	if (row->choices == option_switches && switch_of(value) >= 0)
		value = option_switches[switch_of(value)];
	for (int i = 0; row->choices[i]; i++) {
		if (strcmp(row->choices[i], value) == 0) {
			*out = i;
			buf_release(&expected);
			return 0;
		}
		buf_addf(&expected, "%s%s", i ? ", " : "", row->choices[i]);
	}
	rc = bad_value(row, value, buf_z(&expected), err);
	buf_release(&expected);
	return rc;
}

static int set_text(char **out, const char *value, struct err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return err_nomem(err, "option", strlen(value));
	free(*out);
	*out = copy;
	return 0;
}

static int add_to_list(char ***list, size_t *n, const char *value, struct err *err)
{
	char **grown = realloc(*list, (*n + 1) * sizeof(*grown));

	if (!grown)
		return err_nomem(err, "option", (*n + 1) * sizeof(*grown));
	*list = grown;
	grown[*n] = NULL;
	++*n;
	return set_text(&grown[*n - 1], value, err);
}

static int set_switch(const struct option_row *row, const char *value, bool *out, struct err *err)
{
	int on = *value ? switch_of(value) : 1;

	if (on < 0)
		return bad_value(row, value, "on or off", err);
	*out = on;
	return 0;
}

int option_set(struct options *o, const struct option_row *row, const char *value,
	       struct err *err)
{
	void *at = option_field(o, row);
	double v = 0;
	int rc = 0;

	switch (row->type) {
	case OPTION_SWITCH:
		return set_switch(row, value, at, err);
	case OPTION_ALIAS:
		*(int *)at = row->fixed;
		return 0;
	case OPTION_TEXT:
		return set_text(at, value, err);
	case OPTION_LIST:
		if (row->check && row->check(value, err))
			return err_prefix(err, "%s", row->name);
		return add_to_list(at, option_list_length(o, row), value, err);
	case OPTION_SEED:
		return set_seed(o, row, value, err);
	case OPTION_CHOICE:
		return set_choice(row, value, at, err);
	case OPTION_COUNT:
		rc = set_number(row, value, &v, err);
		if (!rc)
			*(int64_t *)at = (int64_t)v;
		return rc;
	case OPTION_SMALL:
		rc = set_number(row, value, &v, err);
		if (!rc)
			*(int *)at = (int)v;
		return rc;
	case OPTION_REAL:
		rc = set_number(row, value, &v, err);
		if (!rc)
			*(double *)at = v;
		return rc;
	}
	BUG("an option of no type");
}

void option_get(const struct options *o, const struct option_row *row, struct buf *out)
{
	const void *at = option_field(o, row);

	switch (row->type) {
	case OPTION_SWITCH:
		buf_addz(out, *(const bool *)at ? "on" : "off");
		break;
	case OPTION_ALIAS:
		buf_addz(out, *(const int *)at == row->fixed ? "on" : "off");
		break;
	case OPTION_TEXT:
		buf_addz(out, *(char *const *)at ? *(char *const *)at : "");
		break;
	case OPTION_LIST:
		for (size_t i = 0; i < *option_list_length(o, row); i++)
			buf_addf(out, "%s%s", i ? " " : "", (*(char **const *)at)[i]);
		break;
	case OPTION_SEED:
		if (o->seed_given)
			buf_addf(out, "%llu", (unsigned long long)o->sampling.seed);
		else
			buf_addz(out, "random");
		break;
	case OPTION_CHOICE:
		buf_addz(out, row->choices[*(const int *)at]);
		break;
	case OPTION_COUNT:
		buf_addf(out, "%lld", (long long)*(const int64_t *)at);
		break;
	case OPTION_SMALL:
		if (row->zero && !*(const int *)at)
			buf_addz(out, row->zero);
		else
			buf_addf(out, "%d", *(const int *)at);
		break;
	case OPTION_REAL:
		buf_addf(out, "%g", *(const double *)at);
		break;
	}
}
