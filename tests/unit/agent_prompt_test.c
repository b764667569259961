/* What the model of an agent session is told first: how much, and from which files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/agent/instructions.h"
#include "app/agent/prompt.h"
#include "engine/text/prompt.h"
#include "tests/support/tmpdir.h"

static struct err err;

/* A repository with folders in it, a home around it, a configuration beside. */
static char home[300], repo[320], work[340], config[320];

static int set_up(void **state)
{
	char git[340];

	tmpdir_set_up(state);
	assert_non_null(realpath(test_dir.path, home));
	snprintf(repo, sizeof(repo), "%s/repo", home);
	snprintf(work, sizeof(work), "%s/src/part", repo);
	snprintf(config, sizeof(config), "%s/config", home);
	snprintf(git, sizeof(git), "%s/.git", repo);
	mkdir(repo, 0700);
	mkdir(git, 0700);
	mkdir(tmpdir_file(&test_dir, "repo/src"), 0700);
	mkdir(work, 0700);
	mkdir(config, 0700);
	return 0;
}

static const struct agent_place place = {
	.workspace = work, .home = home, .config = config, .agents_md = true};

/* What the files say, and what is told of them. */
static void read_them(const struct agent_place *p, int64_t ctx, struct buf *out,
		      struct buf *notices)
{
	buf_reset(out);
	buf_reset(notices);
	if (instructions_add(out, p, ctx, notices, &err))
		fail_msg("%s", err.text);
}

static void check(const char *found, const char *expected)
{
	if (!strstr(found, expected))
		fail_msg("'%s' lacks '%s'", found, expected);
}

static void instructions_stand_in_order_the_nearest_last(void **state)
{
	struct buf out = {0}, notices = {0}, want = {0};

	(void)state;
	tmpdir_write_text(&test_dir, "config/AGENTS.md", "be kind\n");
	tmpdir_write_text(&test_dir, "repo/AGENTS.md", "use make");
	tmpdir_write_text(&test_dir, "repo/src/part/AGENTS.md", "no globals\n");
	/* Above the repository nothing is read. */
	tmpdir_write_text(&test_dir, "AGENTS.md", "leave\n");
	read_them(&place, 0, &out, &notices);
	buf_addf(&want,
		 "\n# Instructions from %s/AGENTS.md\n\nbe kind\n"
		 "\n# Instructions from %s/AGENTS.md\n\nuse make\n"
		 "\n# Instructions from %s/AGENTS.md\n\nno globals\n",
		 config, repo, work);
	assert_string_equal(buf_z(&out), buf_z(&want));
	assert_string_equal(buf_z(&notices), "");
	buf_release(&out);
	buf_release(&notices);
	buf_release(&want);
}

static void without_a_repository_only_the_workspace_is_read(void **state)
{
	struct agent_place p = place;
	struct buf out = {0}, notices = {0};

	(void)state;
	tmpdir_write_text(&test_dir, "AGENTS.md", "home\n");
	tmpdir_write_text(&test_dir, "repo/AGENTS.md", "root\n");
	tmpdir_write_text(&test_dir, "repo/src/AGENTS.md", "here\n");
	rmdir(tmpdir_file(&test_dir, "repo/.git"));
	p.workspace = tmpdir_file(&test_dir, "repo/src");
	assert_false(instructions_in_git(&p));
	read_them(&p, 0, &out, &notices);
	check(buf_z(&out), "here\n");
	assert_null(strstr(buf_z(&out), "root"));
	/* A .git above HOME is nobody's repository here. */
	p.home = p.workspace;
	mkdir(tmpdir_file(&test_dir, "repo/.git"), 0700);
	assert_false(instructions_in_git(&p));
	read_them(&p, 0, &out, &notices);
	assert_null(strstr(buf_z(&out), "root"));
	buf_release(&out);
	buf_release(&notices);
}

static void the_nearest_comes_first_to_the_budget(void **state)
{
	struct buf big = {0}, out = {0}, notices = {0};
	const char *at;

	(void)state;
	while (big.len < 20000)
		buf_addf(&big, "line %zu\n", big.len);
	tmpdir_write_text(&test_dir, "repo/AGENTS.md", buf_z(&big));
	tmpdir_write_text(&test_dir, "repo/src/AGENTS.md", buf_z(&big));
	tmpdir_write_text(&test_dir, "repo/src/part/AGENTS.md", "near\n");
	read_them(&place, 0, &out, &notices);
	assert_true(out.len < INSTRUCTIONS_ALL_BYTES + 1000);
	assert_true(out.len > INSTRUCTIONS_ALL_BYTES - 1000);
	/* 16 KiB of the nearer one, what was left of the other, each to the end of a line. */
	at = strstr(buf_z(&out), "\n[cut here: ");
	assert_non_null(at);
	check(at, "[cut here: 163");
	check(at + 20, "\n[cut here: 163");
	check(buf_z(&out), "near\n");
	check(buf_z(&notices), "repo/src/AGENTS.md is cut: the model reads 163");
	/* A tenth of a small context. */
	read_them(&place, 1000, &out, &notices);
	assert_true(out.len < 1200);
	check(buf_z(&out), "near\n");
	check(buf_z(&out), "[cut here: ");
	buf_release(&big);
	buf_release(&out);
	buf_release(&notices);
}

static void what_is_no_text_of_the_repository_is_not_read(void **state)
{
	const char *path = tmpdir_file(&test_dir, "repo/AGENTS.md");
	struct buf out = {0}, notices = {0};

	(void)state;
	tmpdir_write_text(&test_dir, "secret", "root:x:0:0\n");
	assert_int_equal(symlink("../secret", path), 0);
	read_them(&place, 0, &out, &notices);
	assert_string_equal(buf_z(&out), "");
	check(buf_z(&notices), "repo/AGENTS.md leads out of its folder: it is not read\n");
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	read_them(&place, 0, &out, &notices);
	assert_string_equal(buf_z(&out), "");
	check(buf_z(&notices), "leads out of its folder");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	read_them(&place, 0, &out, &notices);
	check(buf_z(&notices), "repo/AGENTS.md is no regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	read_them(&place, 0, &out, &notices);
	check(buf_z(&notices), "is no regular file");
	rmdir(path);
	tmpdir_write(&test_dir, "repo/AGENTS.md", "a\0b", 3);
	read_them(&place, 0, &out, &notices);
	check(buf_z(&notices), "is no UTF-8 text");
	tmpdir_write(&test_dir, "repo/AGENTS.md", "a\xFF", 2);
	read_them(&place, 0, &out, &notices);
	check(buf_z(&notices), "is no UTF-8 text");
	assert_string_equal(buf_z(&out), "");
	unlink(path);
	/* A link that stays is followed. */
	tmpdir_write_text(&test_dir, "repo/src/guide", "follow\n");
	assert_int_equal(symlink("src/guide", path), 0);
	read_them(&place, 0, &out, &notices);
	check(buf_z(&out), "follow\n");
	assert_string_equal(buf_z(&notices), "");
	buf_release(&out);
	buf_release(&notices);
}

/* A gigabyte without the end of a line. */
static void a_file_without_end_costs_no_more_than_its_share(void **state)
{
	const char *path = tmpdir_file(&test_dir, "repo/AGENTS.md");
	struct buf out = {0}, notices = {0};
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pwrite(fd, "aaaaaaaaaaaaaaaa", 16, 16 * i), 16);
	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
	close(fd);
	/* The hole is no text. */
	read_them(&place, 0, &out, &notices);
	check(buf_z(&notices), "is no UTF-8 text");
	assert_string_equal(buf_z(&out), "");
	buf_reset(&out);
	for (int i = 0; i < 20000; i++)
		buf_addc(&out, 'a');
	tmpdir_write(&test_dir, "repo/AGENTS.md", out.data, out.len);
	read_them(&place, 0, &out, &notices);
	check(buf_z(&out), "\n\n[cut here: 0 of 20000 bytes of ");
	assert_true(out.len < 1500);
	buf_release(&out);
	buf_release(&notices);
}

static void other_names_are_not_read_and_that_is_told(void **state)
{
	struct buf out = {0}, notices = {0};

	(void)state;
	tmpdir_write_text(&test_dir, "repo/src/part/CLAUDE.md", "x\n");
	read_them(&place, 0, &out, &notices);
	assert_string_equal(buf_z(&out), "");
	assert_string_equal(buf_z(&notices), "CLAUDE.md is not read; AGENTS.md is\n");
	buf_release(&out);
	buf_release(&notices);
}

/* ---- all of it ---- */

static void add_system(struct buf *out, const struct agent_place *p, const char *instead)
{
	struct buf notices = {0};

	buf_reset(out);
	if (prompt_add_system(out, p, str_of(instead), 0, &notices, &err))
		fail_msg("%s", err.text);
	buf_release(&notices);
}

static void the_first_message_is_the_same_all_day(void **state)
{
	struct buf morning = {0}, evening = {0}, tomorrow = {0};
	struct agent_place p = place;

	(void)state;
	setenv("TZ", "UTC", 1);
	tmpdir_write_text(&test_dir, "repo/AGENTS.md", "use make\n");
	p.now = 1796000000 / 86400 * 86400 + 60;
	add_system(&morning, &p, NULL);
	p.now += 86000;
	add_system(&evening, &p, NULL);
	p.now += 1000;
	add_system(&tomorrow, &p, NULL);
	assert_string_equal(buf_z(&morning), buf_z(&evening));
	assert_string_not_equal(buf_z(&morning), buf_z(&tomorrow));
	check(buf_z(&morning), "\nWorkspace: ");
	check(buf_z(&morning), "\nGit repository: yes\n\n# Instructions from ");
	/* A prompt of the user's own stands in the preamble's place. */
	add_system(&evening, &p, "Be brief.");
	assert_memory_equal(buf_z(&evening), "Be brief.\n\nWorkspace: ", 22);
	check(buf_z(&evening), "use make");
	buf_release(&morning);
	buf_release(&evening);
	buf_release(&tomorrow);
}

static void a_name_of_a_folder_adds_no_line(void **state)
{
	struct buf out = {0};
	struct agent_place p = {.workspace = "/a\nDate: never\x1B[2J"};

	(void)state;
	add_system(&out, &p, NULL);
	check(buf_z(&out), "\nWorkspace: /a?Date: never?[2J\nDate: 2");
	buf_release(&out);
}

/* Who has no GPU waits for each of them. */
static void preamble_workspace_and_six_tools_are_few_tokens(void **state)
{
	const struct agent_place p = {.workspace = "/home/someone/projects/a-folder"};
	struct tokenizer *tok = NULL;
	struct tool_set *tools = NULL;
	struct tokens ids = {0};
	struct buf text = {0};
	struct chat_message m = {.role = CHAT_SYSTEM};
	struct chat chat = {.messages = &m, .n_messages = 1, .effort = EFFORT_LOW};

	(void)state;
	if (tokenizer_open(&tok, "share/nano", &err) ||
	    tool_set_new(&tools, &(struct tool_set_config){0}, &err))
		fail_msg("%s", err.text);
	add_system(&text, &p, NULL);
	m.content = buf_str(&text);
	m.tools_json = tool_set_json(tools);
	if (prompt_encode(&chat, PROMPT_APRIL, tok, &ids, NULL, &err))
		fail_msg("%s", err.text);
	print_message("%zu tokens\n", ids.n);
	assert_true(ids.n > 800);
	assert_true(ids.n <= 1100);
	tokens_release(&ids);
	buf_release(&text);
	tool_set_free(tools);
	tokenizer_close(tok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tmpdir_tear_down)
		T(instructions_stand_in_order_the_nearest_last),
		T(without_a_repository_only_the_workspace_is_read),
		T(the_nearest_comes_first_to_the_budget),
		T(what_is_no_text_of_the_repository_is_not_read),
		T(a_file_without_end_costs_no_more_than_its_share),
		T(other_names_are_not_read_and_that_is_told),
		T(the_first_message_is_the_same_all_day),
		T(a_name_of_a_folder_adds_no_line),
		T(preamble_workspace_and_six_tools_are_few_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
