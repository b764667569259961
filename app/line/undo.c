/* File edits taken back and made again, in line mode. */
#include <unistd.h>

#include "app/agent/undo.h"
#include "app/line/askuser.h"
#include "app/line/line.h"
#include "app/output.h"

/* A word that the user is asked for on the terminal, else nobody can be. */
static bool agrees(const struct line_mode *l, enum undo_way way)
{
	struct buf reason = {0};
	unsigned grade;
	enum decision d = DECIDE_NO;

	if (l->rounds.tty >= 0) {
		if (way == UNDO_BACK)
			output_own(STDERR_FILENO, "Take these edits back? ");
		else
			output_own(STDERR_FILENO, "Make these edits again? ");
		d = askuser(&(struct askuser){.fd = l->rounds.tty}, &reason, &grade);
	}
	buf_release(&reason);
	return d == DECIDE_YES;
}

static void say_list(const struct undo *u)
{
	struct buf text = {0};

	undo_add_text(u, &text);
	line_say("%.*s", (int)(text.len ? text.len - 1 : 0), buf_z(&text));
	buf_release(&text);
}

int line_undo(struct line_mode *l, bool again, size_t turns, struct err *err)
{
	enum undo_way way = again ? UNDO_AGAIN : UNDO_BACK;
	struct undo *u;
	int rc = undo_look(&u, l->rounds.agent, &l->talks, l->talk, way, turns, err);

	if (rc)
		return rc;
	say_list(u);
	if (!undo_count(u)) {
		line_say("No file is changed.");
	} else if (!agrees(l, way)) {
		line_say("Nothing was changed.");
	} else {
		rc = undo_do(u, err);
		say_list(u);
	}
	undo_free(u);
	return rc;
}
