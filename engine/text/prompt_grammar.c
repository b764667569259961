/* The fixed words, and writing ids of text and of control tokens. */
#include "engine/text/prompt_grammar.h"

#include <string.h>

#include "engine/base/utf8.h"

/* The texts below are the checkpoints' training data: each byte counts. */

const char prompt_tools_head[] =
	"## Tools\n"
	"\n"
	"You have access to a set of tools to help answer the user's question. You can invoke "
	"tools by writing a \"<｜DSML｜tool_calls>\" block like the following:\n"
	"\n"
	"<｜DSML｜tool_calls>\n"
	"<｜DSML｜invoke name=\"$TOOL_NAME\">\n"
	"<｜DSML｜parameter name=\"$PARAMETER_NAME\" string=\"true|false\">$PARAMETER_VALUE"
	"</｜DSML｜parameter>\n"
	"...\n"
	"</｜DSML｜invoke>\n"
	"<｜DSML｜invoke name=\"$TOOL_NAME2\">\n"
	"...\n"
	"</｜DSML｜invoke>\n"
	"</｜DSML｜tool_calls>\n"
	"\n"
	"String parameters should be specified as is and set `string=\"true\"`. For all other "
	"types (numbers, booleans, arrays, objects), pass the value in JSON format and set "
	"`string=\"false\"`.\n"
	"\n"
	"If thinking_mode is enabled (triggered by <think>), you MUST output your complete "
	"reasoning inside <think>...</think> BEFORE any tool calls or final response.\n"
	"\n"
	"Otherwise, output directly after </think> with tool calls or final response.\n"
	"\n"
	"### Available Tool Schemas\n"
	"\n";

const char prompt_tools_tail[] =
	"\n"
	"\n"
	"You MUST strictly follow the above defined tool name and parameter schemas to invoke "
	"tool calls.\n";

const char prompt_response_format[] =
	"## Response Format:\n"
	"\n"
	"You MUST strictly adhere to the following schema to reply:\n";

const char prompt_effort_absolute[] =
	"Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
	"You MUST be very thorough in your thinking and comprehensively decompose the problem "
	"to resolve the root cause, rigorously stress-testing your logic against all potential "
	"paths, edge cases, and adversarial scenarios.\n"
	"Explicitly write out your entire deliberation process, documenting every intermediate "
	"step, considered alternative, and rejected hypothesis to ensure absolutely no "
	"assumption is left unchecked.\n"
	"\n";

const char prompt_effort_beyond[] =
	"Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.\n"
	"You MUST reason with the utmost depth and rigor, leaving absolutely nothing to "
	"chance: "
	"exhaustively decompose the problem into its most fundamental components, trace every "
	"causal chain to its root, and resolve the underlying cause rather than any surface "
	"symptom.\n"
	"Do not stop reasoning until you have independently verified the solution from "
	"multiple "
	"angles and are certain that no assumption remains unchecked and no error remains "
	"undiscovered.\n"
	"\n";

static const char *const task_tokens[] = {
	[CHAT_TASK_NONE] = NULL,
	[CHAT_TASK_ACTION] = "<｜action｜>",
	[CHAT_TASK_QUERY] = "<｜query｜>",
	[CHAT_TASK_AUTHORITY] = "<｜authority｜>",
	[CHAT_TASK_DOMAIN] = "<｜domain｜>",
	[CHAT_TASK_TITLE] = "<｜title｜>",
	[CHAT_TASK_READ_URL] = "<｜read_url｜>",
};

/* Those that the words of the grammar hold. */
static const char *const word_tokens[] = {TOKEN_DSML, TOKEN_THINK, TOKEN_THINK_END};

const char *prompt_task_token(enum chat_task task)
{
	return task_tokens[task];
}

static void settle_ends(struct prompt_writer *w)
{
	while (w->ends && w->n_settled < w->n_ends)
		w->ends[w->n_settled++] = w->ids->n;
}

void prompt_end_messages(struct prompt_writer *w, size_t n)
{
	w->n_ends = n;
	if (!w->pending.len)
		settle_ends(w);
}

static void flush(struct prompt_writer *w)
{
	if (w->rc)
		return;
	/* Asked first: what failed may be empty. */
	if (buf_failed(&w->pending))
		w->rc = err_nomem(w->err, "a prompt", w->pending.len);
	else if (w->pending.len)
		w->rc = tokenizer_encode(w->tok, buf_str(&w->pending), w->ids, w->n_replaced,
					 w->err);
	buf_reset(&w->pending);
	settle_ends(w);
}

void prompt_add_text(struct prompt_writer *w, struct str text)
{
	if (w->tok)
		buf_adds(&w->pending, text);
	else
		utf8_add_clean(w->text, text);
}

void prompt_add_control(struct prompt_writer *w, const char *token)
{
	token_id id;

	if (!w->tok) {
		buf_addz(w->text, token);
		return;
	}
	flush(w);
	if (w->rc)
		return;
	id = tokenizer_control(w->tok, token);
	if (id < 0)
		w->rc = err_set(w->err, ERR_MODEL, "the tokenizer has no control token %s",
				token);
	else
		tokens_add(w->ids, id);
}

void prompt_add_grammar(struct prompt_writer *w, const char *words)
{
	const char *from = words;

	for (const char *p = words; *p; p++) {
		for (size_t i = 0; i < sizeof(word_tokens) / sizeof(*word_tokens); i++) {
			size_t n = strlen(word_tokens[i]);

			if (strncmp(p, word_tokens[i], n) != 0)
				continue;
			prompt_add_text(w, (struct str){from, (size_t)(p - from)});
			prompt_add_control(w, word_tokens[i]);
			from = p + n;
			p = from - 1;
			break;
		}
	}
	prompt_add_text(w, str_of(from));
}

void prompt_add_ids(struct prompt_writer *w, const token_id *ids, size_t n)
{
	flush(w);
	if (!w->rc)
		tokens_add_all(w->ids, ids, n);
}

int prompt_writer_finish(struct prompt_writer *w)
{
	if (w->tok)
		flush(w);
	if (!w->rc && w->tok && tokens_failed(w->ids))
		w->rc = err_nomem(w->err, "a prompt's ids", w->ids->n * sizeof(token_id));
	if (!w->rc && !w->tok && buf_failed(w->text))
		w->rc = err_nomem(w->err, "a prompt", w->text->len);
	buf_release(&w->pending);
	return w->rc;
}
