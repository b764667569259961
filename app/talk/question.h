/*
 * What a person asks: words, and the files that go with them, each a part of the message.  The
 * words alone are its title and come back to be edited; the model reads all of it as one text.
 */
#ifndef APP_TALK_QUESTION_H
#define APP_TALK_QUESTION_H

#include "app/talk/talk.h"

/* Appends `text` to m's words, clean; *n_replaced grows by what was no UTF-8. */
int question_add_words(struct talk_message *m, struct str text, size_t *n_replaced,
		       struct err *err);

/*
 * A file with what it holds, name NULL: standard input.  One that is there already is not added
 * again.  ERR_IO: it is no text (app/attach.h); ERR_NOMEM.
 */
int question_add_file(struct talk_message *m, const char *name, struct str bytes,
		      size_t *n_replaced, struct err *err);

/*
 * What the program tells the model with the question, in a paragraph behind its words; it stays
 * with the question where that is edited.  ERR_NOMEM.
 */
int question_add_note(struct talk_message *m, struct str text, struct err *err);
bool question_has_note(const struct talk_message *m);
bool question_notes(const struct talk_message *m, struct str text); /* is one of them this? */

/*
 * Whoever mistyped a file's name is told, once: ERR_USAGE, and `again` is what sends the text
 * as it is.  `doubted`, the caller's, is the text that was last told of.
 */
int question_check(struct buf *doubted, struct str typed, const char *again, struct err *err);

/* What was typed, and what is to be told of it. */
struct question_typed {
	size_t n_files, n_replaced;
};

/*
 * A message of what was typed, with the files that it names (app/attach.h).  `instead`: the
 * question that it is an edition of, whose files that its words do not name stay with it; NULL.
 * ERR_IO: a file is there and can't be read, is too long, or is no text; ERR_NOMEM.
 */
int question_type(struct talk_message **out, struct str text, const struct talk_message *instead,
		  struct question_typed *told, struct err *err);

/* Appends what the model reads of it: words and notes as they are, files in labelled blocks. */
void question_add_text(const struct talk_message *m, struct buf *out);

#endif
