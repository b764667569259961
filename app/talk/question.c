/* Questions as parts of a message, and as the text that the model reads. */
#include "app/talk/question.h"

#include "app/attach.h"
#include "engine/base/file.h"
#include "engine/base/utf8.h"

/* An attachment's ref where it is no file; what it is called then. */
#define STDIN_REF "stdin"
#define NOTE_REF  "note"

int question_add_words(struct talk_message *m, struct str text, size_t *n_replaced,
		       struct err *err)
{
	struct talk_part *p = talk_message_add_part(m, HISTORY_TEXT, err);

	if (!p)
		return ERR_NOMEM;
	*n_replaced += utf8_add_clean(&p->text, text);
	return buf_failed(&p->text) ? err_nomem(err, "question", text.n) : 0;
}

static bool is_note(const struct talk_part *p)
{
	return p->kind == HISTORY_ATTACHMENT && str_is(buf_str(&p->ref), NOTE_REF);
}

static bool has_file(const struct talk_message *m, struct str name)
{
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind == HISTORY_ATTACHMENT && !is_note(p) &&
		    str_eq(buf_str(&p->name), name))
			return true;
		/* Older programs kept files as text. */
		if (p->kind == HISTORY_TEXT && attach_has_block(buf_str(&p->text), name))
			return true;
	}
	return false;
}

static int add_attachment(struct talk_message *m, struct str name, struct str ref,
			  struct buf *text, struct err *err)
{
	struct talk_part *p = talk_message_add_part(m, HISTORY_ATTACHMENT, err);

	if (!p)
		return ERR_NOMEM;
	buf_adds(&p->name, name);
	buf_adds(&p->ref, ref);
	p->text = *text;
	*text = (struct buf){0};
	return buf_failed(&p->name) || buf_failed(&p->ref) || buf_failed(&p->text)
		       ? err_nomem(err, "question", p->text.len)
		       : 0;
}

int question_add_file(struct talk_message *m, const char *name, struct str bytes,
		      size_t *n_replaced, struct err *err)
{
	struct buf shown = {0}, text = {0};
	int rc;

	attach_add_name(&shown, str_of(name ? name : STDIN_REF));
	rc = attach_decode(&text, bytes, buf_z(&shown), n_replaced, err);
	if (!rc && !(name && has_file(m, buf_str(&shown))))
		rc = add_attachment(m, buf_str(&shown), str_of(name ? "" : STDIN_REF), &text, err);
	buf_release(&shown);
	buf_release(&text);
	return rc;
}

/* Files that stand before the words were not named by them. */
static int keep_files(struct talk_message *m, const struct talk_message *of, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; of && !rc && i < of->n_parts; i++) {
		const struct talk_part *p = &of->parts[i];
		struct buf text = {0};

		if (p->kind != HISTORY_ATTACHMENT || is_note(p))
			break;
		buf_adds(&text, buf_str(&p->text));
		rc = add_attachment(m, buf_str(&p->name), buf_str(&p->ref), &text, err);
		buf_release(&text);
	}
	return rc;
}

int question_add_note(struct talk_message *m, struct str text, struct err *err)
{
	struct buf note = {0};
	int rc;

	buf_adds(&note, text);
	rc = add_attachment(m, STR_LIT(NOTE_REF), STR_LIT(NOTE_REF), &note, err);
	buf_release(&note);
	return rc;
}

bool question_notes(const struct talk_message *m, struct str text)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (is_note(&m->parts[i]) && str_eq(buf_str(&m->parts[i].text), text))
			return true;
	return false;
}

bool question_has_note(const struct talk_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (is_note(&m->parts[i]))
			return true;
	return false;
}

static int keep_notes(struct talk_message *m, const struct talk_message *of, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; of && !rc && i < of->n_parts; i++)
		if (is_note(&of->parts[i]))
			rc = question_add_note(m, buf_str(&of->parts[i].text), err);
	return rc;
}

static int add_named(struct talk_message *m, struct str text, struct question_typed *told,
		     struct err *err)
{
	struct buf path = {0}, content = {0};
	size_t at = 0;
	int rc = 0;

	while (!rc && attach_next(text, &at, &path)) {
		size_t before = m->n_parts;

		buf_reset(&content);
		rc = buf_failed(&path)
			     ? err_nomem(err, "question", text.n)
			     : file_read(&content, buf_z(&path), ATTACH_MAX_BYTES, err);
		if (!rc)
			rc = question_add_file(m, buf_z(&path), buf_str(&content),
					       &told->n_replaced, err);
		told->n_files += m->n_parts - before;
	}
	buf_release(&path);
	buf_release(&content);
	return rc;
}

int question_check(struct buf *doubted, struct str typed, const char *again, struct err *err)
{
	struct buf word = {0};
	int rc = 0;

	if (!str_eq(typed, buf_str(doubted)) && attach_mistyped(typed, &word))
		rc = err_set(err, ERR_USAGE, "no file %.200s; %s sends it as text",
			     buf_z(&word), again);
	buf_reset(doubted);
	if (rc)
		buf_adds(doubted, typed);
	buf_release(&word);
	return rc;
}

int question_type(struct talk_message **out, struct str text, const struct talk_message *instead,
		  struct question_typed *told, struct err *err)
{
	struct talk_message *m = talk_message_new(CHAT_USER, err);
	int rc = m ? keep_files(m, instead, err) : ERR_NOMEM;

	*told = (struct question_typed){0};
	if (!rc)
		rc = question_add_words(m, text, &told->n_replaced, err);
	if (!rc)
		rc = add_named(m, text, told, err);
	if (!rc)
		rc = keep_notes(m, instead, err);
	if (rc) {
		talk_message_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

void question_add_text(const struct talk_message *m, struct buf *out)
{
	enum history_kind before = HISTORY_NOTICE;

	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind != HISTORY_TEXT && p->kind != HISTORY_ATTACHMENT)
			continue;
		if (before == HISTORY_ATTACHMENT ||
		    (before == HISTORY_TEXT && p->kind == HISTORY_ATTACHMENT))
			buf_addz(out, "\n\n");
		before = p->kind;
		if (p->kind == HISTORY_TEXT || is_note(p))
			buf_adds(out, buf_str(&p->text));
		else if (str_is(buf_str(&p->ref), STDIN_REF))
			attach_block(out, "stdin", (struct str){0}, buf_str(&p->text));
		else
			attach_block(out, "file", buf_str(&p->name), buf_str(&p->text));
	}
}
