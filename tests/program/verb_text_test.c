/* The verbs that turn text into ids, prompts and messages. */
#include "tests/support/program.h"
#include "tests/support/shared_files.h"

#include <string.h>
#include <sys/wait.h>

#include "engine/engine.h"
#include "engine/text/prompt.h"

/* What a shell line prints on both streams; `$d` stands for the program. */
static int run(const char *line, struct buf *out)
{
	struct buf command = {0};
	int status;

	buf_addf(&command, "unset DSV4CHAT_MODEL; d=%s; { %s; } 2>&1",
		 program_path(), line);
	status = program_shell(buf_z(&command), out);
	buf_release(&command);
	return status;
}

struct line_case {
	const char *line;
	int status;
	const char *output; /* whole, or a part of it if it begins with "…" */
};

static void check_cases(const struct line_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct line_case *c = &cases[i];
		bool part = strncmp(c->output, "…", strlen("…")) == 0;
		const char *want = c->output + (part ? strlen("…") : 0);
		struct buf out = {0};
		int status = run(c->line, &out);

		if (status != c->status ||
		    (part ? !strstr(buf_z(&out), want) : strcmp(buf_z(&out), want) != 0))
			fail_msg("%s\nstatus %d, expected %d:\n%s", c->line, status, c->status,
				 buf_z(&out));
		buf_release(&out);
	}
}

#define M " -m share/nano "

static void tokens_go_there_and_back(void **state)
{
	static const struct line_case cases[] = {
		{"printf 'a<think>b' | $d tokens" M " | $d tokens --decode" M, 0, "a<think>b"},
		{"printf 'a<think>b' | $d tokens --special" M " | $d tokens --decode" M, 0,
		 "a<think>b"},
		{"printf '{\"text\": \"a\\\\u0000é\\\\n\"}\\n' | $d tokens --json" M
		 " | $d tokens --json --decode" M,
		 0, "{\"text\": \"a\\u0000é\\n\"}\n"},
		{"printf '' | $d tokens" M, 0, "\n"},
		{"printf '' | $d tokens --json" M, 0, ""},
		{"printf '{\"text\": \"\"}' | $d tokens --json" M, 0, "{\"ids\": []}\n"},
		{"printf '<|x|>' | DSV4CHAT_MODEL=share/nano $d tokens | $d tokens --decode" M,
		 0, "<|x|>"},
		{"printf '[ ]' | $d tokens --decode" M, 0, ""},
	};

	(void)state;
	check_cases(cases, sizeof(cases) / sizeof(*cases));
}

/* One bound, the backend's, whichever verb asks; and before any weight is read. */
static void a_prefill_chunk_has_one_bound(void **state)
{
	static const struct line_case cases[] = {
		{"echo '[5, 6]' | $d logits" M "--prefill 1 --chunk 513 -o /dev/null", 2,
		 "dsv4chat: logits: prefill chunk: 513 tokens, expected 1 to 512\n"},
		{"echo '[5, 6]' | $d logits" M "--prefill 1 --chunk 5000 -o /dev/null", 2,
		 "dsv4chat: logits: prefill chunk: 5000 tokens, expected 1 to 512\n"},
		{"$d score" M "--chunk 4097 README.md", 2,
		 "dsv4chat: score: prefill chunk: 4097 tokens, expected 1 to 512\n"},
		{"$d score" M "--chunk 4x README.md", 2, "…--chunk: '4x', expected 0 to "},
		{"$d score" M "--threads 99999 README.md", 2,
		 "…threads: '99999', expected a whole number from 0 to 1024"},
	};

	(void)state;
	check_cases(cases, sizeof(cases) / sizeof(*cases));
}

static void what_is_wrong_with_the_input_is_said_with_its_line(void **state)
{
	static const struct line_case cases[] = {
		{"printf 'a\\377b' | $d tokens" M " >/dev/null", 0,
		 "dsv4chat: tokens: invalid UTF-8 was replaced by U+FFFD, 1 times\n"},
		{"printf '{\"text\": \"a\"}\\n{\"text\": 7}\\n' | $d tokens --json" M, 2,
		 "…line 2: text: a number, expected a string"},
		{"printf '{\"text\": \"a\"\\n' | $d tokens --json" M, 2,
		 "…line 1: '}' expected near end of file"},
		{"echo 5 x | $d tokens --decode" M, 2, "…'x', expected an id"},
		{"echo 99999999 | $d tokens --decode" M, 2, "…id 99999999, expected 0 to "},
		{"echo 99999999999999999999999999 | $d tokens --decode" M, 2,
		 "…expected 0 to "},
		{"echo '{\"ids\": [1, 1.5]}' | $d tokens --decode --json" M, 2,
		 "…ids[1]: 1.5, expected a whole number"},
		{"echo '{\"ids\": [-1]}' | $d tokens --decode --json" M, 2,
		 "…id -1, expected 0"},
		{"echo '{\"ids\": [\"1\"]}' | $d tokens --decode --json" M, 2,
		 "…ids[0]: a string"},
		/* What the environment names, what the file does, else the small model. */
		{"echo x | DSV4CHAT_MODEL=/nowhere $d tokens", 3, "…/nowhere"},
		{"t=$(mktemp -d); mkdir $t/dsv4chat; echo model = /filed >$t/dsv4chat/config;"
		 " echo x | XDG_CONFIG_HOME=$t $d tokens; s=$?; rm -r $t; exit $s",
		 3, "…/filed"},
		{"echo x | XDG_CONFIG_HOME=/nowhere $d tokens | $d tokens --decode" M, 0, "x\n"},
		{"echo x | $d tokens -m /nowhere", 3, "…/nowhere/tokenizer.json"},
		{"echo x | $d tokens --loud" M, 2, "…usage: dsv4chat tokens"},
		{"echo x | $d tokens y" M, 2, "…usage: dsv4chat tokens"},
		{"echo x | $d tokens" M " >/dev/full", 1, "…stdout: write"},
		{"head -c 70000000 /dev/zero | $d tokens" M, 4, "…stdin: a text of more than"},
		{"head -c 70000000 /dev/zero | $d tokens --json" M, 4,
		 "…stdin: a line of more than"},
		{"$d tokens" M " <&-", 1, "…stdin: read"},
	};

	(void)state;
	check_cases(cases, sizeof(cases) / sizeof(*cases));
}

static void prompts_come_from_lines_or_one_document(void **state)
{
	static const struct line_case cases[] = {
		{"echo '[{\"role\": \"user\", \"content\": \"hi\"}]' | $d prompt" M, 0,
		 "…{\"prompt\": \"<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜><think>\", "
		 "\"ids\": ["},
		{"printf '{\"messages\": [\\n{\"role\": \"user\", \"content\": \"hi\"}],\\n"
		 "\"thinking_mode\": \"chat\"}' | $d prompt" M,
		 0, "…hi<｜Assistant｜></think>\""},
		{"for i in 1 2; do echo '[{\"role\": \"user\", \"content\": \"hi\"}]'; done | "
		 "$d prompt" M " | wc -l",
		 0, "2\n"},
		{"printf '[{\"role\": \"user\"}]\\n[{\"role\": \"elf\"}]\\n' | $d prompt" M, 2,
		 "…line 2: messages[0]: role: another"},
		{"echo '[' | $d prompt" M, 2, "…line "},
		{"echo '[]' | $d prompt" M, 2, "…no messages"},
		{"printf '[{\"role\": \"user\", \"content\": \"a\\377\\376\"}]' | $d prompt" M,
		 0, "…replaced by U+FFFD, 2 times"},
		{"echo '[]' | $d prompt -m tests", 3, "…tests/tokenizer.json"},
		{"echo '[{\"role\": \"user\", \"content\": \"hi\"}]' | $d prompt" M
		 " >/dev/full",
		 1, "…stdout: write"},
	};

	(void)state;
	check_cases(cases, sizeof(cases) / sizeof(*cases));
}

static void completions_become_messages_or_errors(void **state)
{
	static const struct line_case cases[] = {
		{"echo 'hi" TOKEN_EOS "' | $d parse --chat", 0,
		 "{\"role\": \"assistant\", \"content\": \"hi\", \"reasoning_content\": \"\", "
		 "\"tool_calls\": []}\n"},
		{"printf 'a</think>b" TOKEN_EOS "' | $d parse --thinking", 0,
		 "…\"content\": \"b\", \"reasoning_content\": \"a\""},
		{"printf 'hi' | $d parse --chat", 1,
		 "{\"error\": \"at byte 2: the answer does not end\"}\n"},
		{"printf '{\"completion\": \"hi\"}\\n{\"completion\": \"ho" TOKEN_EOS
		 "\"}\\n' | "
		 "$d parse --chat --jsonl",
		 0, "…does not end\"}\n{\"role\": \"assistant\", \"content\": \"ho\""},
		{"echo '{\"completion\": 7}' | $d parse --chat --jsonl", 2,
		 "…line 1: completion: a number"},
		{"echo '{\"completion\": \"x\"}' | $d parse --jsonl", 2,
		 "…--thinking or --chat"},
		{"echo x | $d parse", 2, "…usage: dsv4chat parse"},
		{"printf 'a\\377" TOKEN_EOS "' | $d parse --chat", 0,
		 "…\"content\": \"a\xef\xbf\xbd\""},
	};

	(void)state;
	check_cases(cases, sizeof(cases) / sizeof(*cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_go_there_and_back),
		cmocka_unit_test(a_prefill_chunk_has_one_bound),
		cmocka_unit_test(what_is_wrong_with_the_input_is_said_with_its_line),
		cmocka_unit_test(prompts_come_from_lines_or_one_document),
		cmocka_unit_test(completions_become_messages_or_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
