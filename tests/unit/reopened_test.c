/*
 * What is reopened is what was seen: every scripted turn that stands in the tests, and generated
 * ones, are played on the screen and opened again, and both pictures compared; so are what is in
 * memory and what is read, and what an export tells.
 */
#include <dirent.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/screen/screen.h"
#include "app/talk/store.h"
#include "app/talk/turn.h"
#include "engine/base/file.h"
#include "engine/base/jsonr.h"
#include "engine/scripted/script.h"
#include "tests/support/tmpdir.h"

#define ROWS        200
#define MAX_REPEAT  3
#define MAX_TOKENS  2000
#define N_GENERATED 40

static char where[256]; /* the case, for messages */

/* -- playing ------------------------------------------------------------------------ */

static void read_text(const char *name, struct buf *out)
{
	struct err err;

	if (file_read(out, tmpdir_file(&test_dir, name), (size_t)64 << 20, &err))
		fail_msg("%s: %s", where, err.text);
}

/* Runs a screen without a terminal over `keys`, on the conversation kept last (`again`). */
static void run_screen(struct talks *talks, const char *engine_script, const char *keys,
		       bool again)
{
	struct screen_config c = {.tty = -1, .talks = talks, .script = keys};
	struct options opt;
	struct err err = {0};
	int signo;

	options_default(&opt);
	opt.titles = 0;
	opt.effort = EFFORT_HIGH;
	opt.go_on = again;
	c.opt = &opt;
	if (engine_open_scripted(&c.engine, str_of(engine_script), &err) ||
	    talks_open(talks, tmpdir_file(&test_dir, "history.db"), &err) ||
	    talks_choose(talks, &opt, &c.talk, &err) || screen_run(&c, &signo, &err))
		fail_msg("%s: %s\n%s", where, err.text, engine_script);
	c.engine->ops->close(c.engine);
	options_release(&opt);
}

/* The rows of what was said, of the text and of its styles: what the frame shows is of the
 * moment. */
static void cut_out(const struct buf *dump, struct buf *out)
{
	const char *rule = NULL, *styles = strstr(buf_z(dump), "--- styles\n");
	size_t n_rows = 0;

	assert_non_null(styles);
	for (const char *at = buf_z(dump); (at = strstr(at, "\n────────────────────")) != NULL;
	     at++)
		rule = at + 1;
	assert_non_null(rule);
	buf_add(out, buf_z(dump), (size_t)(rule - buf_z(dump)));
	for (const char *at = strchr(buf_z(dump), '\n') + 1; at < rule; at = strchr(at, '\n') + 1)
		n_rows++;
	styles = strchr(styles, '\n') + 1;
	for (size_t i = 0; i < n_rows; i++) {
		size_t n = strcspn(styles, "\n");

		buf_add(out, styles, n + 1);
		styles += n + 1;
	}
}

static void compare_pictures(const char *live, const char *again, const char *script)
{
	struct buf a = {0}, b = {0}, x = {0}, y = {0};

	read_text(live, &a);
	read_text(again, &b);
	cut_out(&a, &x);
	cut_out(&b, &y);
	if (!str_eq(buf_str(&x), buf_str(&y)))
		fail_msg("%s: reopened it is another one:\n%s\nthan live:\n%s\nof:\n%s", where,
			 buf_z(&b), buf_z(&a), script);
	buf_release(&a);
	buf_release(&b);
	buf_release(&x);
	buf_release(&y);
}

/* -- what is in memory, and what is read ---------------------------------------------- */

static void compare_parts(const struct talk_message *a, const struct talk_message *b)
{
	assert_int_equal(a->role, b->role);
	assert_int_equal(a->unfinished, b->unfinished);
	assert_int_equal(a->n_ids, b->n_ids);
	assert_true(!a->n_ids || memcmp(a->ids, b->ids, a->n_ids * sizeof(*a->ids)) == 0);
	assert_int_equal(a->thinking_tokens, b->thinking_tokens);
	if (a->n_parts != b->n_parts)
		fail_msg("%s: %zu parts became %zu", where, a->n_parts, b->n_parts);
	for (size_t i = 0; i < a->n_parts; i++) {
		const struct talk_part *p = &a->parts[i], *q = &b->parts[i];

		if (p->kind != q->kind || !str_eq(buf_str(&p->name), buf_str(&q->name)) ||
		    !str_eq(buf_str(&p->ref), buf_str(&q->ref)) ||
		    !str_eq(buf_str(&p->text), buf_str(&q->text)) ||
		    !str_eq(buf_str(&p->info), buf_str(&q->info)) ||
		    !str_eq(buf_str(&p->why), buf_str(&q->why)) || p->error != q->error ||
		    p->took_ms != q->took_ms ||
		    (p->kind == HISTORY_CALL && (p->call == CALL_WHOLE) != (q->call == CALL_WHOLE)))
			fail_msg("%s: part %zu, \"%s\" %s, became \"%s\" %s", where, i,
				 buf_z(&p->text), buf_z(&p->info), buf_z(&q->text),
				 buf_z(&q->info));
	}
}

static void compare_branches(const struct talks *live, const struct talks *again)
{
	const struct talk *t = NULL;
	const struct talk_message *a, *b = NULL;

	for (size_t i = 0; i < live->n; i++)
		if (live->v[i]->leaf)
			t = live->v[i];
	assert_non_null(t);
	a = t->leaf;
	for (size_t i = 0; i < again->n; i++)
		if (again->v[i]->stored == t->stored)
			b = again->v[i]->leaf;
	for (; a && b; a = a->parent, b = b->parent)
		compare_parts(a, b);
	assert_ptr_equal(a, b);
}

/* An export tells everything that was shown, in the same order. */
static void compare_export(const struct talks *live)
{
	const struct talk *t = NULL;
	const struct talk_message *path[64];
	struct buf md = {0};
	const char *at;
	struct err err;
	size_t n;

	for (size_t i = 0; i < live->n; i++)
		if (live->v[i]->leaf)
			t = live->v[i];
	assert_int_equal(history_export(live->store, t->stored, HISTORY_MARKDOWN, &md, &err), 0);
	n = talk_path(t, path, 64);
	at = buf_z(&md);
	for (size_t i = 0; i < n && i < 64; i++) {
		for (size_t k = 0; k < path[i]->n_parts; k++) {
			const struct talk_part *p = &path[i]->parts[k];
			size_t line = strcspn(buf_z(&p->text), "\n");
			const char *found = memmem(at, strlen(at), buf_z(&p->text), line);

			if (!found)
				fail_msg("%s: \"%s\" is not in its place in:\n%s", where,
					 buf_z(&p->text), buf_z(&md));
			at = found;
			line = strcspn(buf_z(&p->why), "\n");
			found = memmem(at, strlen(at), buf_z(&p->why), line);
			if (!found)
				fail_msg("%s: the reason \"%s\" is not in:\n%s", where,
					 buf_z(&p->why), buf_z(&md));
			at = found;
		}
	}
	buf_release(&md);
}

/* -- one case --------------------------------------------------------------------------- */

struct turns {
	struct buf script; /* for the engine */
	struct buf keys;   /* for the screen */
	size_t n;
};

static void turns_begin(struct turns *t)
{
	*t = (struct turns){0};
	buf_addf(&t->keys, ":size 80 %d\n:wait-idle\n", ROWS);
}

/* `ends`: the engine ends it by itself. */
static void turns_ask(struct turns *t, const char *steps, bool ends)
{
	buf_addz(&t->script, steps);
	buf_addf(&t->keys, ":type question %zu\nEnter\n%s:wait-idle\n", ++t->n,
		 ends ? "" : ":wait 60\nEsc\n");
}

static void add_pictures(struct buf *keys, const char *name)
{
	static const char *const folds[] = {"", "C-t\n", "C-o\n"};
	char file[40];

	for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++) {
		snprintf(file, sizeof(file), "%s%zu", name, i);
		buf_addf(keys, "%s:save-display %s\n", folds[i], tmpdir_file(&test_dir, file));
	}
}

static void turns_compare(struct turns *t)
{
	struct talks live = {0}, again = {0};
	struct buf keys = {0};
	char a[40], b[40];

	add_pictures(&t->keys, "live");
	run_screen(&live, buf_z(&t->script), buf_z(&t->keys), false);
	buf_addf(&keys, ":size 80 %d\n:wait-idle\n", ROWS);
	add_pictures(&keys, "again");
	run_screen(&again, "{\"text\": \"x\"}\n{\"done\": {}}\n", buf_z(&keys), true);
	for (int i = 0; i < 3; i++) {
		snprintf(a, sizeof(a), "live%d", i);
		snprintf(b, sizeof(b), "again%d", i);
		compare_pictures(a, b, buf_z(&t->script));
	}
	compare_branches(&live, &again);
	compare_export(&live);
	talks_release(&live);
	talks_release(&again);
	buf_release(&keys);
	buf_release(&t->script);
	buf_release(&t->keys);
}

/* -- the scripts of the tests ------------------------------------------------------------- */

/* Without waits and floods; conditions are others' business.  False: the line is left out. */
static bool tame(json_t *step, bool *ends)
{
	json_t *pause = json_object_get(step, "pause");
	json_t *prefill = json_object_get(step, "prefill");
	json_t *repeat = json_object_get(step, "repeat");

	json_object_del(step, "delay_ms");
	if (json_integer_value(repeat) > MAX_REPEAT)
		json_integer_set(repeat, MAX_REPEAT);
	if (json_integer_value(json_object_get(prefill, "tokens")) > MAX_TOKENS)
		json_object_set_new(prefill, "tokens", json_integer(MAX_TOKENS));
	if (!pause)
		return true;
	if (json_integer_value(pause) >= 0)
		return false;
	*ends = false;
	return true;
}

/* The steps of one turn, out of the lines of its script. */
static void add_steps(const struct script *s, const struct script_turn *turn,
		      const char *const *lines, struct buf *out, bool *ends)
{
	*ends = true;
	for (size_t i = turn->first; i < turn->first + turn->n_steps; i++) {
		const char *line = lines[s->steps[i].line - 1];
		json_t *step = json_loadb(line, strcspn(line, "\n"), 0, NULL);
		char *text;

		assert_non_null(step);
		if (tame(step, ends)) {
			text = json_dumps(step, JSON_COMPACT | JSON_ENSURE_ASCII);
			buf_addf(out, "%s\n", text);
			free(text);
		}
		json_decref(step);
	}
}

/* Every turn of a script that is one.  Returns how many. */
static size_t play_script(const char *text)
{
	const char *lines[4096];
	struct script s = {0};
	struct err err;
	size_t n_lines = 0, n = 0;

	if (script_open(&s, str_of(text), &err))
		return 0;
	for (const char *at = text; n_lines < 4096; at++) {
		lines[n_lines++] = at;
		at = strchr(at, '\n');
		if (!at)
			break;
	}
	for (size_t i = 0; i < s.n_turns && s.n_steps && n_lines < 4096; i++) {
		struct buf steps = {0};
		struct turns t;
		bool ends;

		add_steps(&s, &s.turns[i], lines, &steps, &ends);
		turns_begin(&t);
		turns_ask(&t, buf_z(&steps), ends);
		turns_compare(&t);
		buf_release(&steps);
		n++;
	}
	script_close(&s);
	return n;
}

/* One string of C behind its opening quote, unescaped; returns what follows its closing one. */
static const char *add_literal(const char *at, struct buf *out)
{
	static const char escapes[] = "n\nt\tr\r\"\"\\\\a\ab\b";

	for (; *at && *at != '"'; at++) {
		const char *known = NULL;

		for (size_t i = 0; *at == '\\' && escapes[i]; i += 2)
			if (escapes[i] == at[1])
				known = &escapes[i + 1];
		if (known)
			buf_addc(out, *known);
		/* A place where the test puts something. */
		else if (*at == '%' && at[1] == 's')
			buf_addz(out, "text");
		else if (*at == '%' && at[1] == 'd')
			buf_addz(out, "1");
		else if (*at != '\\')
			buf_addc(out, *at);
		if (*at == '\\' || (*at == '%' && (at[1] == 's' || at[1] == 'd')))
			at++;
	}
	return *at ? at + 1 : at;
}

/* The strings of a C file, neighbours joined, that are scripts. */
static size_t play_source(const char *source)
{
	struct buf text = {0};
	size_t n = 0;

	for (const char *at = source; *at;) {
		if (strncmp(at, "/*", 2) == 0) {
			at = strstr(at, "*/") ? strstr(at, "*/") + 2 : at + strlen(at);
		} else if (*at == '\'') {
			at += at[1] == '\\' ? 4 : 3;
		} else if (*at == '"') {
			buf_reset(&text);
			while (*at == '"') {
				at = add_literal(at + 1, &text);
				at += strspn(at, " \t\n");
			}
			/* What is refused leaves nothing to be opened again. */
			if (text.len && text.data[0] == '{' &&
			    !strstr(text.data, "\"code\": \"limit\""))
				n += play_script(buf_z(&text));
		} else {
			at++;
		}
	}
	buf_release(&text);
	return n;
}

static size_t play_file(const char *path)
{
	struct buf text = {0};
	struct err err;
	size_t n;

	if (file_read(&text, path, 16 << 20, &err))
		fail_msg("%s", err.text);
	n = strcmp(path + strlen(path) - 2, ".c") == 0 ? play_source(buf_z(&text))
						       : play_script(buf_z(&text));
	buf_release(&text);
	return n;
}

static void every_scripted_turn_of_the_tests_is_reopened_as_it_was_seen(void **state)
{
	static const char *const folders[] = {"tests/program", "tests/unit", "tests/support",
					      "tests/bench", "tests/scripts"};
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		DIR *d = opendir(folders[i]);
		struct dirent *de;

		assert_non_null(d);
		while ((de = readdir(d)) != NULL) {
			const char *dot = strrchr(de->d_name, '.');

			if (!dot || (strcmp(dot, ".c") != 0 && strcmp(dot, ".jsonl") != 0))
				continue;
			snprintf(where, sizeof(where), "%s/%.200s", folders[i], de->d_name);
			n += play_file(where);
		}
		closedir(d);
	}
	print_message("%zu turns\n", n);
	/* The reader of the sources finds them at all. */
	assert_true(n > 40);
}

/* -- generated ones --------------------------------------------------------------------------- */

static unsigned next_number(unsigned *seed, unsigned n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 16) % n;
}

static const char *const pieces[] = {
	"{\"thinking\": \"I weigh it.\\nOnce more.\", \"chunk\": 3}\n",
	"{\"text\": \"Some **text**, \\n\\n- one\\n- two\\n\"}\n",
	"{\"text\": \"and more of it\"}\n",
	"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"ls\", \"timeout\": 3}}}\n",
	"{\"call\": {\"name\": \"list_files\", \"arguments\": {}}}\n",
	"{\"bad_call\": {\"name\": \"edit_file\", \"why\": \"argument \\\"new\\\": no JSON\"}}\n",
	"{\"bad_call\": \"the tag is not closed\"}\n",
	"{\"notice\": \"a byte was replaced\"}\n",
};
#define N_PIECES (sizeof(pieces) / sizeof(pieces[0]))

static const struct {
	const char *steps;
	bool ends;
} ends[] = {
	{"{\"done\": {}}\n", true},
	{"{\"done\": {\"stop\": \"stop\", \"usage\": {\"prompt_tokens\": 50, "
	 "\"thinking_tokens\": 7, \"output_tokens\": 20}}}\n",
	 true},
	{"{\"done\": \"length\"}\n", true},
	{"{\"done\": \"context\"}\n", true},
	{"{\"error\": \"the GPU fell off the bus\"}\n", true},
	{"{\"pause\": -1}\n{\"done\": {}}\n", false},
};
#define N_ENDS (sizeof(ends) / sizeof(ends[0]))

/* A turn of up to six pieces, or none. */
static void generate(unsigned *seed, struct turns *t)
{
	struct buf steps = {0};
	unsigned n = next_number(seed, 7), end = next_number(seed, N_ENDS);

	while (n-- > 0)
		buf_addz(&steps, pieces[next_number(seed, N_PIECES)]);
	buf_addz(&steps, ends[end].steps);
	turns_ask(t, buf_z(&steps), ends[end].ends);
	buf_release(&steps);
}

static void generated_conversations_are_reopened_as_they_were_seen(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= N_GENERATED; i++) {
		unsigned seed = i;
		unsigned n = 1 + next_number(&seed, 4);
		struct turns t;

		snprintf(where, sizeof(where), "generated %u", i);
		turns_begin(&t);
		while (n-- > 0)
			generate(&seed, &t);
		turns_compare(&t);
	}
}

static void each_kind_of_end_follows_each_piece(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_PIECES; i++) {
		for (size_t k = 0; k < N_ENDS; k++) {
			struct buf steps = {0};
			struct turns t;

			snprintf(where, sizeof(where), "piece %zu, end %zu", i, k);
			turns_begin(&t);
			buf_addf(&steps, "%s%s", pieces[i], ends[k].steps);
			turns_ask(&t, buf_z(&steps), ends[k].ends);
			turns_compare(&t);
			buf_release(&steps);
		}
	}
}

static void what_is_gone_on_with_or_answered_anew_is_a_branch_of_its_own(void **state)
{
	static const char *const cut[] = {
		"{\"thinking\": \"I weigh it.\"}\n{\"pause\": -1}\n{\"text\": \"Done.\"}\n"
		"{\"done\": {}}\n",
		"{\"thinking\": \"Hm.\"}\n{\"text\": \"Half of \"}\n{\"pause\": -1}\n"
		"{\"text\": \"it.\"}\n"
		"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"ls\"}}}\n"
		"{\"done\": {}}\n",
		"{\"text\": \"Half\"}\n{\"pause\": -1}\n{\"error\": \"it broke\"}\n",
	};
	static const char *const commands[] = {"/continue", "/regen", "/edit another question"};

	(void)state;
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		for (size_t k = 0; k < sizeof(commands) / sizeof(commands[0]); k++) {
			struct turns t;

			snprintf(where, sizeof(where), "%s after %zu", commands[k], i);
			turns_begin(&t);
			turns_ask(&t, cut[i], false);
			buf_addz(&t.script, "{\"text\": \"Another answer.\"}\n{\"done\": {}}\n");
			buf_addf(&t.keys, ":type %s\nEnter\n:wait-idle\n", commands[k]);
			turns_compare(&t);
		}
	}
}

/* The fault that began this: the call stood before the text then, and the reason was gone. */
static void text_a_malformed_call_and_its_reason_stand_in_their_order(void **state)
{
	struct buf shown = {0};
	const char *text, *call, *why;
	struct turns t;

	(void)state;
	snprintf(where, sizeof(where), "text and a malformed call");
	turns_begin(&t);
	turns_ask(&t,
		  "{\"text\": \"I edit it.\"}\n"
		  "{\"bad_call\": {\"name\": \"edit_file\", \"why\": \"no JSON\"}}\n"
		  "{\"done\": {}}\n",
		  true);
	turns_compare(&t);
	read_text("again2", &shown);
	text = strstr(buf_z(&shown), "I edit it.");
	call = strstr(buf_z(&shown), "edit_file");
	why = strstr(buf_z(&shown), "no JSON");
	if (!text || !call || !why || text > call || call > why)
		fail_msg("%s", buf_z(&shown));
	buf_release(&shown);
}

static int set_up(void **state)
{
	(void)state;
	setlocale(LC_ALL, "C.UTF-8");
	tmpdir_init(&test_dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_a_malformed_call_and_its_reason_stand_in_their_order),
		cmocka_unit_test(each_kind_of_end_follows_each_piece),
		cmocka_unit_test(generated_conversations_are_reopened_as_they_were_seen),
		cmocka_unit_test(what_is_gone_on_with_or_answered_anew_is_a_branch_of_its_own),
		cmocka_unit_test(every_scripted_turn_of_the_tests_is_reopened_as_it_was_seen),
	};

	return cmocka_run_group_tests(tests, set_up, tmpdir_tear_down);
}
