/* Where options come from: the configuration file, the environment, the command line. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/options.h"
#include "engine/base/file.h"
#include "engine/base/utf8.h"

#define N_ROWS_MAX     96
#define FILE_MAX_BYTES ((size_t)1 << 20)

/* ------------------------------------------------------------------- the file */

static char *trimmed(char *s)
{
	struct str bare = str_trimmed(str_of(s));

	s += bare.p - s;
	s[bare.n] = '\0';
	return s;
}

static int read_line(struct options *o, char *line, struct err *err)
{
	char *key = trimmed(line), *value = strchr(key, '=');
	const struct option_row *row;

	if (!*key || *key == '#')
		return 0;
	if (!value)
		return err_set(err, ERR_USAGE, "'%.60s': NAME = VALUE expected", key);
	*value++ = '\0';
	key = trimmed(key);
	row = option_find(key);
	if (row && !(row->where & OPTION_FILE))
		return err_set(err, ERR_USAGE, "%s: only a flag, --%s", row->name, row->name);
	if (!row) {
		const char *near = option_near(key);

		return err_set(err, ERR_USAGE, "%.60s: no such option%s%s%s", key,
			       near ? "; did you mean " : "", near ? near : "",
			       near ? "?" : "");
	}
	return option_set(o, row, trimmed(value), err);
}

/* What would end the reading without a word, or seem to belong to the first name. */
static int check_text(struct buf *text, const char *path, struct err *err)
{
	const char *nul = text->len ? memchr(text->data, '\0', text->len) : NULL;
	int line = 1;

	if (text->len >= 3 && memcmp(text->data, UTF8_BOM, 3) == 0)
		buf_remove(text, 0, 3);
	if (!nul)
		return 0;
	nul = memchr(text->data, '\0', text->len);
	for (const char *p = text->data; p < nul; p++)
		line += *p == '\n';
	return err_set(err, ERR_USAGE, "%s: line %d: a NUL byte found, expected text", path,
		       line);
}

int options_read_file(struct options *o, const char *path, struct err *err)
{
	struct buf text = {0};
	char *line, *next;
	int n = 0, rc;

	if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	rc = file_read(&text, path, FILE_MAX_BYTES, err);
	if (!rc)
		rc = check_text(&text, path, err);
	for (line = text.data; !rc && line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		n++;
		rc = read_line(o, line, err);
		if (rc)
			err_prefix(err, "%s: line %d", path, n);
	}
	buf_release(&text);
	return rc;
}

/* ------------------------------------------------------------- the environment */

int options_read_env(struct options *o, struct err *err)
{
	for (const struct option_row *row = option_rows; row->name; row++) {
		char name[64] = "DSV4CHAT_";
		size_t n = strlen(name);
		const char *value;

		if (!(row->where & OPTION_FILE) || row->where & OPTION_NO_ENV)
			continue;
		for (const char *p = row->name; *p && n < sizeof(name) - 1; p++)
			name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
		name[n] = '\0';
		value = getenv(name);
		/* An empty one is as good as none. */
		if (value && *value && option_set(o, row, value, err))
			return err_prefix(err, "%s", name);
	}
	return 0;
}

/* ------------------------------------------------------------ the command line */

static int unknown(const char *word, struct err *err)
{
	char name[64];
	const char *near;

	snprintf(name, sizeof(name), "%.60s", word + strspn(word, "-"));
	name[strcspn(name, "=")] = '\0';
	near = option_near(name);
	return err_set(err, ERR_USAGE, "%.60s: no such option%s%s%s", word,
		       near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static int join_words(struct options *o, int argc, char **argv, struct err *err)
{
	struct buf words = {0};

	if (optind >= argc)
		return 0;
	if (o->prompt)
		buf_addz(&words, o->prompt);
	for (int i = optind; i < argc; i++)
		buf_addf(&words, "%s%s", words.len ? " " : "", argv[i]);
	free(o->prompt);
	o->prompt = buf_detach(&words);
	return o->prompt ? 0 : err_nomem(err, "question", 0);
}

/* The table as getopt_long() takes it. */
struct flags {
	struct option longs[N_ROWS_MAX];
	char letters[2 * N_ROWS_MAX + 3];
};

/* `how`: what the letters begin with.  getopt_long() begins anew. */
static void flags_init(struct flags *f, const char *how)
{
	int n = 0;

	*f = (struct flags){0};
	snprintf(f->letters, sizeof(f->letters), "%s", how);
	for (const struct option_row *row = option_rows; row->name; row++, n++) {
		size_t len = strlen(f->letters);

		if (n >= N_ROWS_MAX - 1)
			BUG("more options than the parser has room for");
		f->longs[n] = (struct option){row->name,
					      row->arg                     ? required_argument
					      : row->type == OPTION_SWITCH ? optional_argument
									   : no_argument,
					      NULL, 256 + n};
		if (row->letter)
			snprintf(f->letters + len, sizeof(f->letters) - len, "%c%s",
				 row->letter, row->arg ? ":" : "");
	}
	optind = 0;
	opterr = 0;
}

/* The row that getopt_long() returned `c` for. */
static const struct option_row *row_of(int c)
{
	const struct option_row *row = option_rows;

	while (row->name && c != 256 + (int)(row - option_rows) &&
	       (!row->letter || c != row->letter))
		row++;
	return row;
}

/* The value of a row that may be asked for, if it was given: an option's name is none. */
static bool value_left_out(const struct option_row *row, const char *value, char **argv)
{
	return (row->where & OPTION_ASKED) && value && value[0] == '-' && value[1] &&
	       value == argv[optind - 1];
}

int options_first_word(int argc, char **argv)
{
	struct flags f;
	int c;

	flags_init(&f, "+:");
	while ((c = getopt_long(argc, argv, f.letters, f.longs, NULL)) != -1) {
		if (c == ':' || c == '?' || strcmp(row_of(c)->name, "prompt") == 0)
			return 0;
		if (value_left_out(row_of(c), optarg, argv))
			optind--;
	}
	if (optind >= argc || (optind > 1 && strcmp(argv[optind - 1], "--") == 0))
		return 0;
	return optind;
}

int options_read_flags(struct options *o, int argc, char **argv, struct err *err)
{
	const struct option_row *row;
	struct flags f;
	int c, rc = 0;

	flags_init(&f, ":");
	while (!rc && (c = getopt_long(argc, argv, f.letters, f.longs, NULL)) != -1) {
		if (c == ':' && (row_of(optopt)->where & OPTION_ASKED)) {
			o->pick = true;
			continue;
		}
		if (c == ':' || (c == '?' && optopt >= 256))
			return err_set(err, ERR_USAGE, "%s: %s", argv[optind - 1],
				       c == ':' ? "a value is missing" : "takes no value");
		if (c == '?' && optopt && optopt < 256)
			return err_set(err, ERR_USAGE, "-%c: no such option", optopt);
		if (c == '?')
			return unknown(argv[optind - 1], err);
		row = row_of(c);
		if (value_left_out(row, optarg, argv)) {
			optind--;
			o->pick = true;
		} else {
			rc = option_set(o, row, optarg ? optarg : "", err);
		}
		/* which begins with the option's name */
		if (rc)
			err_set(err, rc, "--%s", err->text);
	}
	return rc ? rc : join_words(o, argc, argv, err);
}
