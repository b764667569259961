/* File edits taken back and made again, in line mode. */
#include "app/agent/undo.h"
#include "app/line/askuser.h"
#include "app/line/line.h"

/* A word that the user is asked for on the terminal, else nobody can be. */
static bool agrees(const struct line_mode *l, bool again)
{
	return askuser_plainly(l->rounds.tty, again ? STR_LIT("Make these edits again? ")
						    : STR_LIT("Take these edits back? ")) ==
	       DECIDE_YES;
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
	} else if (!agrees(l, again)) {
		line_say("Nothing was changed.");
	} else {
		rc = undo_do(u, err);
		say_list(u);
	}
	undo_free(u);
	return rc;
}
