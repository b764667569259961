/* What calls changed in files, for their cards. */
#include "app/tools/changed.h"

#include "app/agent/calls.h"

#define FILE_BYTES (1u << 20) /* that a file held: of longer ones nothing is found out */
#define ALL_BYTES  (8u << 20) /* that the files of a branch held: of older calls neither */

static void find(struct history *h, const struct talk_message *answer,
		 const struct talk_part *call, struct talk_part *result, size_t *left)
{
	struct history_edit_sides s;
	struct err err;
	int rc = history_edit_sides(h, answer->stored, buf_str(&call->ref),
				    *left < FILE_BYTES ? *left : FILE_BYTES, &s, &err);
	const struct changed c = {
		.tool = buf_str(&call->name),
		.arguments = buf_str(&call->text),
		.existed = s.existed,
		.before = {buf_z(&s.before), s.before.len},
		.hash_after = {(const char *)s.after_hash, sizeof(s.after_hash)},
	};

	if (!rc && changed_add_diff(&result->diff, &c))
		buf_release(&result->diff);
	*left -= s.before.len;
	history_edit_sides_release(&s);
}

static void find_all(struct history *h, struct talk_message *m, size_t *left)
{
	const struct talk_message *answer = talk_message_answer(m);

	for (size_t i = 0; answer && answer->stored && i < m->n_parts; i++) {
		struct talk_part *p = &m->parts[i];
		const struct talk_part *call;

		if (p->kind != HISTORY_RESULT || p->error || p->sought || p->diff.len)
			continue;
		p->sought = true;
		call = talk_message_call(answer, buf_str(&p->ref));
		if (call && call_class(buf_str(&call->name)) == TOOL_EDIT)
			find(h, answer, call, p, left);
	}
}

void agent_find_diffs(const struct talks *talks, struct talk *t)
{
	size_t left = ALL_BYTES;

	for (struct talk_message *m = t->leaf; talks->store && m; m = m->parent)
		if (m->role == CHAT_TOOL)
			find_all(talks->store, m, &left);
}
