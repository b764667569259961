/* /copy */
#include <stdlib.h>
#include <string.h>

#include "app/clipboard.h"
#include "app/cmd/cmd.h"
#include "engine/base/termsafe.h"
#include "tui/tui.h"

int cmd_copy_text(struct cmd_host *h, struct str text, struct err *err)
{
	struct buf said = {0};
	const char *by;
	size_t lines = 1;
	int rc = 0;

	if (!text.n)
		return err_set(err, ERR_USAGE, "there is no text to copy");
	for (size_t i = 0; i + 1 < text.n; i++)
		lines += text.p[i] == '\n';
	by = clipboard_give(text);
	if (!by)
		rc = h->ops->copy(h, text, err);
	if (by)
		buf_addf(&said, "copied %zu line%s by %s", lines, lines > 1 ? "s" : "", by);
	else
		buf_addf(&said, "%zu line%s sent to the terminal to copy (OSC 52), if it does",
			 lines, lines > 1 ? "s" : "");
	if (!rc)
		h->ops->say(h, buf_z(&said));
	buf_release(&said);
	return rc;
}

/* The answer before the n-1 last ones of the branch; NULL: there are not so many. */
static const struct talk_message *answer(const struct talk *t, unsigned long n)
{
	const struct talk_message *m = t->leaf;

	for (; m; m = m->parent)
		if (m->role == CHAT_ASSISTANT && talk_message_bytes(m, HISTORY_TEXT) &&
		    --n == 0)
			return m;
	return NULL;
}

static void add_text(const struct talk_message *m, struct buf *out)
{
	struct buf raw = {0};

	talk_message_add_text(m, HISTORY_TEXT, &raw);
	termsafe_add(out, buf_str(&raw));
	out->failed |= buf_failed(&raw);
	buf_release(&raw);
}

/* The n-th block (0: the last) of the last answer that has any. */
static int copy_code(struct cmd_host *h, unsigned long n, struct err *err)
{
	struct codeblocks code = {0};
	const struct talk_message *m;
	struct buf text = {0};
	int rc;

	for (unsigned long i = 1; !code.n && (m = answer(h->ops->talk(h), i)); i++) {
		buf_reset(&text);
		add_text(m, &text);
		codeblocks_read(&code, buf_str(&text));
	}
	if (code.failed || buf_failed(&text))
		rc = err_nomem(err, "code", text.len);
	else if (!code.n)
		rc = err_set(err, ERR_USAGE, "no answer here has a code block");
	else if (n > code.n)
		rc = err_set(err, ERR_USAGE, "/copy code %lu: the answer has %zu code block%s",
			     n, code.n, code.n > 1 ? "s" : "");
	else
		rc = cmd_copy_text(h, buf_str(&code.v[(n ? n : code.n) - 1].text), err);
	codeblocks_release(&code);
	buf_release(&text);
	return rc;
}

static int copy_answer(struct cmd_host *h, unsigned long n, struct err *err)
{
	const struct talk_message *m = answer(h->ops->talk(h), n);
	struct buf text = {0};
	int rc;

	if (!m)
		return err_set(err, ERR_USAGE,
			       "there are not so many answers here to copy one of");
	add_text(m, &text);
	rc = buf_failed(&text) ? err_nomem(err, "answer", text.len)
			       : cmd_copy_text(h, buf_str(&text), err);
	buf_release(&text);
	return rc;
}

int cmd_copy(struct cmd_host *h, const char *arg, struct err *err)
{
	bool code = strncmp(arg, "code", 4) == 0 && (!arg[4] || arg[4] == ' ');
	const char *number = code ? arg + 4 + strspn(arg + 4, " ") : arg;
	char *end = NULL;
	unsigned long n = 0;

	if (*number) {
		n = *number >= '0' && *number <= '9' ? strtoul(number, &end, 10) : 0;
		if (n == 0 || *end)
			return err_set(
				err, ERR_USAGE,
				"/copy %.40s: expected nothing, N for the Nth last answer, "
				"or code [N]",
				arg);
	}
	return code ? copy_code(h, n, err) : copy_answer(h, n ? n : 1, err);
}
