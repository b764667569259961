/* Boxes over the screen: palette, earlier inputs, completions, options, the line asked for. */
#include "tui/tui_private.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"
#include "tui/edit_actions.h"
#include "tui/glyph.h"

#define PROMPT_MAX 1000 /* bytes of a line asked for */

void tui_open_palette(struct tui *t)
{
	struct buf keys = {0};

	t->use = PICK_ACTION;
	picker_open(&t->picker, "Actions");
	for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
		const struct action_row *row = action_row((enum action)a);

		if (!row->in_palette)
			continue;
		buf_reset(&keys);
		keymap_add_keys(&t->keys, (enum action)a, &keys);
		picker_add(&t->picker, str_of(row->help), str_of(row->name), buf_str(&keys), a);
	}
	picker_refresh(&t->picker);
	buf_release(&keys);
}

void tui_open_inputs(struct tui *t)
{
	struct buf line = {0};

	t->use = PICK_INPUT;
	picker_open(&t->picker, "Earlier inputs");
	for (size_t i = t->composer.n_inputs; i-- > 0;) {
		struct str s = buf_str(&t->composer.inputs[i]);

		buf_reset(&line);
		termsafe_add(&line, (struct str){s.p, s.n < 2000 ? s.n : 2000});
		for (size_t k = 0; k < line.len; k++) {
			if (line.data[k] == '\n')
				line.data[k] = ' ';
		}
		picker_add(&t->picker, buf_str(&line), (struct str){0}, (struct str){0},
			   (int64_t)i);
	}
	picker_refresh(&t->picker);
	buf_release(&line);
}

/* By its first line that says something; the last one is chosen. */
void tui_open_code(struct tui *t)
{
	struct buf right = {0};

	t->use = PICK_CODE;
	picker_open(&t->picker, "Copy which code block?");
	for (size_t i = 0; i < t->code.n; i++) {
		struct str text = buf_str(&t->code.v[i].text), line = text;
		size_t lines = 1;

		for (size_t k = 0; k < text.n; k++)
			lines += text.p[k] == '\n';
		while (line.n > 0 && strchr(" \t\n", line.p[0]))
			line = (struct str){line.p + 1, line.n - 1};
		if (line.n > 0 && memchr(line.p, '\n', line.n))
			line.n = (size_t)((const char *)memchr(line.p, '\n', line.n) - line.p);
		buf_reset(&right);
		buf_addf(&right, "%zu line%s", lines, lines > 1 ? "s" : "");
		picker_add(&t->picker, line, buf_str(&t->code.v[i].lang), buf_str(&right),
			   (int64_t)i);
	}
	t->picker.chosen = t->code.n - 1;
	picker_refresh(&t->picker);
	buf_release(&right);
}

/* ---- questions ---- */

void tui_ask(struct tui *t, enum tui_question question, const char *title)
{
	t->use = PICK_CHOICE;
	t->question = question;
	picker_open(&t->picker, title);
}

void tui_add_choice(struct tui *t, struct str label, struct str right, int64_t value)
{
	struct buf safe = {0};

	termsafe_add(&safe, label);
	picker_add(&t->picker, buf_str(&safe), (struct str){0}, right, value);
	buf_release(&safe);
}

void tui_asked(struct tui *t)
{
	picker_refresh(&t->picker);
	if (t->picker.n == 0)
		picker_close(&t->picker);
}

/* ---- completion ---- */

void tui_add_completion(struct tui *t, struct str word, struct str help)
{
	picker_add(&t->picker, word, help, (struct str){0}, 0);
}

static void use_word(struct tui *t, struct str word)
{
	struct editbuf *e = &t->composer.edit;

	editbuf_replace(e, t->word_from, e->at, word);
	composer_changed(&t->composer);
}

/* How many bytes all labels begin with. */
static size_t common(const struct picker *p)
{
	size_t n = p->rows[0].label.len;

	for (size_t i = 1; i < p->n; i++) {
		const struct buf *b = &p->rows[i].label;
		size_t k = 0;

		while (k < n && k < b->len && b->data[k] == p->rows[0].label.data[k])
			k++;
		n = k;
	}
	while (n > 0 && n < p->rows[0].label.len &&
	       ((unsigned char)p->rows[0].label.data[n] & 0xC0) == 0x80)
		n--;
	return n;
}

/*
 * Where the word before `at` begins: behind a blank that has no backslash before it, or with an
 * @" whose quote is open still.
 */
static size_t word_start(const char *text, size_t at)
{
	size_t from = at, quote;

	while (from > 0 && (!strchr(" \n\t", text[from - 1]) ||
			    (text[from - 1] == ' ' && from > 1 && text[from - 2] == '\\')))
		from--;
	for (quote = at; quote > 0 && text[quote - 1] != '"' && text[quote - 1] != '\n';)
		quote--;
	if (quote > 1 && text[quote - 1] == '"' && text[quote - 2] == '@' &&
	    (quote == 2 || strchr(" \n\t", text[quote - 3])))
		from = quote - 2;
	return from;
}

void tui_complete(struct tui *t)
{
	const struct editbuf *e = &t->composer.edit;
	struct str word;

	t->word_from = word_start(buf_z(&e->text), e->at);
	word = (struct str){buf_z(&e->text) + t->word_from, e->at - t->word_from};
	if (!t->config.complete || word.n == 0)
		return;
	t->use = PICK_COMPLETION;
	picker_open(&t->picker, "Completions");
	t->config.complete(t->config.ctx, t, word);
	picker_refresh(&t->picker);
	if (t->picker.n == 0) {
		picker_close(&t->picker);
		tui_say(t, STYLE_FAINT, "no completion");
	} else if (t->picker.n == 1 || common(&t->picker) > word.n) {
		struct buf one = {0};

		buf_add(&one, t->picker.rows[0].label.data, common(&t->picker));
		if (t->picker.n == 1 && one.len > 0 && one.data[one.len - 1] != '/')
			buf_addc(&one, ' ');
		use_word(t, buf_str(&one));
		buf_release(&one);
		picker_close(&t->picker);
	}
}

/* ---- options ---- */

void tui_drop_options(struct tui *t)
{
	for (size_t i = 0; i < t->n_options; i++)
		buf_release(&t->option_text[i]);
	free(t->option_text);
	t->option_text = NULL;
	t->n_options = 0;
}

/* The k-th string of an option: name, value, help, then its choices; NULL past the last. */
static const char *option_string(const struct tui *t, size_t i, int k)
{
	const struct buf *b = &t->option_text[i];
	const char *p = buf_z(b), *end = p + b->len;

	while (p < end && k-- > 0)
		p += strlen(p) + 1;
	return p < end ? p : NULL;
}

void tui_show_options(struct tui *t, const struct tui_option *options, size_t n)
{
	tui_drop_options(t);
	t->option_text = calloc(n > 0 ? n : 1, sizeof(*t->option_text));
	if (!t->option_text)
		return;
	t->n_options = n;
	t->use = PICK_OPTION;
	picker_open(&t->picker, "Options");
	for (size_t i = 0; i < n; i++) {
		struct buf *b = &t->option_text[i];

		buf_add(b, options[i].name, strlen(options[i].name) + 1);
		buf_add(b, options[i].value, strlen(options[i].value) + 1);
		buf_add(b, options[i].help, strlen(options[i].help) + 1);
		for (int k = 0; options[i].choices && options[i].choices[k]; k++)
			buf_add(b, options[i].choices[k], strlen(options[i].choices[k]) + 1);
		picker_add(&t->picker, str_of(options[i].name), str_of(options[i].help),
			   str_of(options[i].value), (int64_t)i);
	}
	picker_refresh(&t->picker);
}

static void want_set(struct tui *t, struct str value)
{
	struct tui_intent *in = tui_want(t, TUI_SET);

	buf_adds(&in->name, buf_str(&t->option));
	buf_adds(&in->text, value);
}

static void choose_option(struct tui *t, size_t i)
{
	const char *value = option_string(t, i, 1), *choice;

	if (!value)
		return;
	buf_reset(&t->option);
	buf_addz(&t->option, option_string(t, i, 0));
	if (!option_string(t, i, 3)) {
		picker_close(&t->picker);
		tui_open_prompt(t, PROMPT_VALUE, 0, str_of(value));
		return;
	}
	t->use = PICK_VALUE;
	picker_open(&t->picker, buf_z(&t->option));
	for (int k = 3; (choice = option_string(t, i, k)); k++) {
		if (strcmp(choice, value) == 0)
			t->picker.chosen = (size_t)(k - 3);
		picker_add(&t->picker, str_of(choice), (struct str){0},
			   strcmp(choice, value) == 0 ? STR_LIT("now") : (struct str){0}, k);
	}
	picker_refresh(&t->picker);
}

/* ---- keys of the open picker ---- */

void tui_picker_key(struct tui *t, const struct key_event *ev)
{
	enum picker_result res = picker_key(&t->picker, ev);
	const struct picker_row *row;
	struct tui_intent *in;
	int64_t value;
	struct buf label = {0};

	if (ev->kind == KEY_EVENT_PASTE && ev->text.n >= PICKER_FILTER_MAX)
		tui_say_left_out(t);
	if (res == PICKER_STAYS)
		return;
	row = picker_chosen(&t->picker);
	if (res == PICKER_CLOSED || !row) {
		picker_close(&t->picker);
		return;
	}
	value = row->value;
	buf_adds(&label, buf_str(&row->label));
	if (t->use != PICK_OPTION)
		picker_close(&t->picker);
	switch (t->use) {
	case PICK_ACTION:
		tui_action(t, (enum action)value);
		break;
	case PICK_INPUT:
		editbuf_replace(&t->composer.edit, 0, t->composer.edit.text.len,
				buf_str(&t->composer.inputs[value]));
		composer_changed(&t->composer);
		t->focus = KEYS_COMPOSER;
		break;
	case PICK_COMPLETION:
		if (label.len > 0 && label.data[label.len - 1] != '/')
			buf_addc(&label, ' ');
		use_word(t, buf_str(&label));
		break;
	case PICK_OPTION:
		choose_option(t, (size_t)value);
		break;
	case PICK_VALUE:
		want_set(t, buf_str(&label));
		break;
	case PICK_CHOICE:
		in = tui_want(t, TUI_CHOSEN);
		in->step = (int)t->question;
		in->id = value;
		break;
	case PICK_CODE:
		buf_adds(&tui_want(t, TUI_COPY)->text, buf_str(&t->code.v[value].text));
		break;
	}
	buf_release(&label);
}

/* ---- one line asked for in the last row ---- */

void tui_open_prompt(struct tui *t, enum prompt_use use, int64_t id, struct str text)
{
	t->prompt = use;
	t->prompt_id = id;
	editbuf_set(&t->prompt_edit, text);
}

static void prompt_done(struct tui *t)
{
	enum prompt_use use = t->prompt;
	struct str text = buf_str(&t->prompt_edit.text);
	struct tui_intent *in;

	t->prompt = PROMPT_NONE;
	switch (use) {
	case PROMPT_NONE:
		break;
	case PROMPT_SEARCH:
		if (!transcript_search(t->said, text, -1) && text.n > 0)
			tui_say(t, STYLE_NOTICE, "not found: %s", buf_z(&t->prompt_edit.text));
		else if (text.n > 0)
			t->focus = KEYS_TRANSCRIPT;
		break;
	case PROMPT_RENAME:
		if (text.n > 0) {
			in = tui_want(t, TUI_RENAME);
			in->id = t->prompt_id;
			buf_adds(&in->text, text);
		}
		break;
	case PROMPT_VALUE:
		want_set(t, text);
		break;
	}
}

void tui_prompt_key(struct tui *t, const struct key_event *ev)
{
	struct editbuf *e = &t->prompt_edit;
	struct key k = ev->key;
	char bytes[4];

	if (ev->kind == KEY_EVENT_PASTE) {
		const char *nl = ev->text.n > 0 ? memchr(ev->text.p, '\n', ev->text.n) : NULL;
		size_t n = nl ? (size_t)(nl - ev->text.p) : ev->text.n;

		if (n > PROMPT_MAX)
			n = PROMPT_MAX -
			    utf8_partial_tail((struct str){ev->text.p, PROMPT_MAX});
		editbuf_insert(e, (struct str){ev->text.p, n});
		return;
	}
	if (ev->kind != KEY_EVENT_KEY)
		return;
	if (k.code == KEY_ESC || (k.mods == KEY_CTRL && (k.code == 'c' || k.code == 'g'))) {
		t->prompt = PROMPT_NONE;
		return;
	}
	if (k.code == KEY_ENTER) {
		prompt_done(t);
		return;
	}
	if (key_is_char(k)) {
		if (e->text.len < PROMPT_MAX)
			editbuf_insert(e, (struct str){bytes, utf8_encode(k.code, bytes)});
		return;
	}
	edit_action(e, keymap_find(&t->keys, KEYS_COMPOSER, k));
}

void tui_draw_prompt(struct tui *t, struct view row)
{
	static const char *const labels[] = {
		[PROMPT_NONE] = "",
		[PROMPT_SEARCH] = "find: ",
		[PROMPT_RENAME] = "title: ",
		[PROMPT_VALUE] = ": ",
	};
	const struct editbuf *e = &t->prompt_edit;
	int x, cursor, room;

	view_fill(row, 0, 0, row.w, 1, ' ', STYLE_TEXT);
	x = 1;
	if (t->prompt == PROMPT_VALUE)
		x = view_put(row, x, 0, buf_str(&t->option), STYLE_KEY);
	x = view_putz(row, x, 0, labels[t->prompt], STYLE_KEY);
	cursor = glyph_columns(buf_z(&e->text), e->at);
	room = row.w - x - 1;
	row = view_sub(row, x, 0, row.w - x, 1);
	/* What is left of the window scrolls out. */
	x = cursor > room ? room - cursor : 0;
	view_put(row, x, 0, buf_str(&e->text), STYLE_TEXT);
	view_cursor(row, x + cursor, 0);
}
