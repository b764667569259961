/* Reading the script, and playing it step by step. */
#include "app/screen/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"

#define POLL_MS    100 /* what is waited for is looked at again after so long */
#define LONGEST_MS 60000

enum op { OP_KEYS, OP_TYPE, OP_PASTE, OP_WAIT, OP_IDLE, OP_FOR, OP_SIZE, OP_SAVE };

struct step {
	enum op op;
	int line;
	struct buf text; /* keys, text, file */
	long a, b;
};

struct script_player {
	struct step *steps;
	size_t n, at;
	size_t offset;    /* in the step's text: what was typed already */
	int64_t since_ms; /* a wait began; -1 = none */
	char bytes[4];
};

static const struct {
	const char *name;
	enum op op;
	int numbers; /* arguments that are numbers; the rest of the line is text where 0 */
	bool bare;   /* takes nothing */
} commands[] = {
	{":type", OP_TYPE, 0, false},         {":paste", OP_PASTE, 0, false},
	{":wait", OP_WAIT, 1, false},         {":wait-idle", OP_IDLE, 0, true},
	{":wait-for", OP_FOR, 0, false},      {":size", OP_SIZE, 2, false},
	{":save-display", OP_SAVE, 0, false},
};

void script_player_free(struct script_player *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		buf_release(&p->steps[i].text);
	free(p->steps);
	free(p);
}

static struct str first_word(struct str s)
{
	const char *blank = s.n > 0 ? memchr(s.p, ' ', s.n) : NULL;

	return (struct str){s.p, blank ? (size_t)(blank - s.p) : s.n};
}

static struct str behind(struct str s, size_t n)
{
	while (n < s.n && s.p[n] == ' ')
		n++;
	return (struct str){s.p + n, s.n - n};
}

/* Takes the escapes \n and \\ apart. */
static void unescape(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n && (s.p[i + 1] == 'n' || s.p[i + 1] == '\\'))
			buf_addc(out, s.p[++i] == 'n' ? '\n' : '\\');
		else
			buf_addc(out, s.p[i]);
	}
}

static int parse_command(struct step *st, struct str line, struct err *err)
{
	struct str name = first_word(line), rest = behind(line, name.n);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		char *end;

		if (!str_is(name, commands[i].name))
			continue;
		st->op = commands[i].op;
		if (commands[i].bare ? rest.n > 0 : rest.n == 0)
			return err_set(err, ERR_USAGE, "line %d: %s takes %s", st->line,
				       commands[i].name,
				       commands[i].bare ? "nothing" : "an argument");
		if (st->op == OP_PASTE)
			unescape(&st->text, rest);
		else
			buf_adds(&st->text, rest);
		if (commands[i].numbers == 0)
			return 0;
		st->a = strtol(buf_z(&st->text), &end, 10);
		if (commands[i].numbers == 2)
			st->b = strtol(end, &end, 10);
		if (*end != '\0' || st->a < 0 || st->a > 1000000 || st->b < 0 || st->b > 100000)
			return err_set(err, ERR_USAGE, "line %d: %s: no such number: %s",
				       st->line, commands[i].name, buf_z(&st->text));
		return 0;
	}
	return err_set(err, ERR_USAGE, "line %d: no such command: %.*s", st->line,
		       (int)(name.n < 60 ? name.n : 60), name.p);
}

static int parse_keys(struct step *st, struct str line, struct err *err)
{
	struct str rest = line;

	st->op = OP_KEYS;
	buf_adds(&st->text, line);
	while (rest.n > 0) {
		struct str word = first_word(rest);
		struct key k;

		if (word.n > 0 && !key_parse(word, &k))
			return err_set(err, ERR_USAGE, "line %d: no such key: %.*s", st->line,
				       (int)(word.n < 60 ? word.n : 60), word.p);
		rest = behind(rest, word.n);
	}
	return 0;
}

int script_player_new(struct script_player **out, const char *text, struct err *err)
{
	struct script_player *p = calloc(1, sizeof(*p));
	int line = 0, rc = 0;

	if (!p)
		return err_nomem(err, "script", sizeof(*p));
	p->since_ms = -1;
	while (*text != '\0' && rc == 0) {
		size_t n = strcspn(text, "\n");
		struct str s = behind((struct str){text, n}, 0);
		struct step *steps;

		line++;
		text += n + (text[n] == '\n');
		if (s.n == 0 || s.p[0] == '#')
			continue;
		steps = realloc(p->steps, (p->n + 1) * sizeof(*steps));
		if (!steps) {
			rc = err_nomem(err, "script", (p->n + 1) * sizeof(*steps));
			break;
		}
		p->steps = steps;
		steps[p->n] = (struct step){.line = line};
		rc = s.p[0] == ':' && s.n > 1 ? parse_command(&steps[p->n], s, err)
					      : parse_keys(&steps[p->n], s, err);
		if (buf_failed(&steps[p->n].text) && rc == 0)
			rc = err_nomem(err, "script", n);
		p->n++;
	}
	if (rc < 0) {
		script_player_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

static void next_step(struct script_player *p)
{
	p->at++;
	p->offset = 0;
	p->since_ms = -1;
}

static bool shows(const struct surface *s, const struct buf *text)
{
	struct buf all = {0};
	const char *end;
	bool found;

	surface_dump(s, &all);
	end = strstr(buf_z(&all), "\n--- styles");
	if (end)
		buf_truncate(&all, (size_t)(end - all.data));
	found = strstr(buf_z(&all), buf_z(text)) != NULL;
	buf_release(&all);
	return found;
}

static int save(const struct surface *s, const char *path, struct err *err)
{
	struct buf all = {0};
	FILE *f = fopen(path, "we");
	int rc = 0;

	surface_dump(s, &all);
	if (!f)
		rc = err_errno(err, path, "create");
	else if (fwrite(buf_z(&all), 1, all.len, f) != all.len)
		rc = err_errno(err, path, "write");
	if (f && fclose(f) != 0 && rc == 0)
		rc = err_errno(err, path, "write");
	buf_release(&all);
	return rc;
}

/* The next key of a line of keys, or the next character of a text; false at its end. */
static bool next_key(struct script_player *p, struct step *st, struct key_event *ev)
{
	struct str rest = {buf_z(&st->text) + p->offset, st->text.len - p->offset};

	*ev = (struct key_event){.kind = KEY_EVENT_KEY};
	if (rest.n == 0)
		return false;
	if (st->op == OP_KEYS) {
		struct str word = first_word(rest);

		key_parse(word, &ev->key);
		p->offset = st->text.len - behind(rest, word.n).n;
	} else {
		uint32_t cp = 0xFFFD;
		int n = utf8_decode(rest.p, rest.n, &cp);

		p->offset += n > 0 ? (size_t)n : 1;
		ev->key.code = cp;
	}
	return true;
}

enum played { PLAYED_GIVES, PLAYED_OVER, PLAYED_WAITS };

/* Plays what can be of a step: *out is given to the caller, it is over, or it waits. */
static enum played play(struct script_player *p, struct step *st, const struct surface *s,
			bool idle, int64_t waited_ms, struct script_out *out, struct err *err)
{
	switch (st->op) {
	case OP_KEYS:
	case OP_TYPE:
		if (!next_key(p, st, &out->ev))
			return PLAYED_OVER;
		out->step = SCRIPT_KEY;
		return PLAYED_GIVES;
	case OP_PASTE:
		out->ev = (struct key_event){.kind = KEY_EVENT_PASTE, .text = buf_str(&st->text)};
		out->step = SCRIPT_KEY;
		next_step(p);
		return PLAYED_GIVES;
	case OP_WAIT:
		out->wait_ms = (int)(st->a - waited_ms);
		return waited_ms >= st->a ? PLAYED_OVER : PLAYED_WAITS;
	case OP_IDLE:
		return idle ? PLAYED_OVER : PLAYED_WAITS;
	case OP_FOR:
		return shows(s, &st->text) ? PLAYED_OVER : PLAYED_WAITS;
	case OP_SIZE:
		out->step = SCRIPT_SIZE;
		out->w = (int)st->a;
		out->h = (int)st->b;
		next_step(p);
		return PLAYED_GIVES;
	case OP_SAVE:
		if (save(s, buf_z(&st->text), err) == 0)
			return PLAYED_OVER;
		out->step = SCRIPT_FAILED;
		return PLAYED_GIVES;
	}
	return PLAYED_OVER;
}

struct script_out script_player_next(struct script_player *p, const struct surface *s,
				     bool idle, int64_t now_ms, struct err *err)
{
	struct script_out out = {.step = SCRIPT_WAIT, .wait_ms = POLL_MS};

	while (p->at < p->n) {
		struct step *st = &p->steps[p->at];
		enum played played;

		if (p->since_ms < 0)
			p->since_ms = now_ms;
		played = play(p, st, s, idle, now_ms - p->since_ms, &out, err);
		if (played == PLAYED_OVER) {
			out.wait_ms = POLL_MS;
			next_step(p);
			continue;
		}
		if (played == PLAYED_WAITS && st->op != OP_WAIT &&
		    now_ms - p->since_ms > LONGEST_MS) {
			err_set(err, ERR_TIMEOUT, "script line %d: %s did not come within %d s",
				st->line,
				st->op == OP_FOR ? buf_z(&st->text) : "the end of the answer",
				LONGEST_MS / 1000);
			out.step = SCRIPT_FAILED;
		}
		return out;
	}
	out.step = SCRIPT_END;
	return out;
}
