/* read_file, list_files, search_files: their exact words, and files that are not what they
 * seem. */
#include "tests/support/shared_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/tools/file_tool.h"
#include "app/tools/ignore.h"
#include "app/tools/spill.h"
#include "engine/base/utf8.h"
#include "tests/support/swapper.h"
#include "tests/support/tmpdir.h"

#define R    "\xEF\xBF\xBD"
#define DOTS "\xE2\x80\xA6"

struct stage {
	struct tmpdir d;
	struct workspace w;
	int spills;
};

static void must(int rc)
{
	assert_int_equal(rc, 0);
}

static const char *at(const struct stage *s, const char *name)
{
	static char path[8][400];
	static int i;

	i = (i + 1) % 8;
	snprintf(path[i], sizeof(path[i]), "%s/ws/%s", s->d.path, name);
	return path[i];
}

static void make_dir(const struct stage *s, const char *name)
{
	must(mkdir(at(s, name), 0700));
}

static void put(const struct stage *s, const char *name, const void *data, size_t n)
{
	char in[300];

	snprintf(in, sizeof(in), "ws/%s", name);
	tmpdir_write(&s->d, in, data, n);
}

static void put_text(const struct stage *s, const char *name, const char *text)
{
	put(s, name, text, strlen(text));
}

static int begin(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct err err = {0};

	assert_non_null(s);
	tmpdir_init(&s->d);
	must(mkdir(tmpdir_file(&s->d, "ws"), 0700));
	must(mkdir(tmpdir_file(&s->d, "spills"), 0700));
	s->spills = open(tmpdir_file(&s->d, "spills"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(workspace_init(&s->w,
			    &(struct workspace_config){.dir = str_of(tmpdir_file(&s->d, "ws"))},
			    &err));
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct stage *s = *state;

	workspace_close(&s->w);
	close(s->spills);
	tmpdir_release(&s->d);
	free(s);
	return 0;
}

/* The result, until the next call. */
static const char *call(const struct stage *s, const char *tool, const char *args)
{
	static struct buf kept;
	struct file_job j = {
		.w = &s->w, .limit = OUTPUT_BYTES, .spills = s->spills, .spill = -1};
	enum tool_state state = file_tool_run(&j, str_of(tool), str_of(args));

	buf_reset(&kept);
	buf_adds(&kept, buf_str(&j.text));
	assert_true(utf8_valid(buf_str(&kept)));
	assert_int_equal(state == TOOL_ERROR, strncmp(buf_z(&kept), "error: ", 7) == 0);
	file_job_release(&j);
	return buf_z(&kept);
}

static const char *read_file_at(const struct stage *s, const char *path)
{
	char args[400];

	snprintf(args, sizeof(args), "{\"path\": \"%s\"}", path);
	return call(s, "read_file", args);
}

#define HAS(text, part)                                                                        \
	do {                                                                                   \
		const char *text_ = (text);                                                    \
		if (!strstr(text_, (part)))                                                    \
			fail_msg("\"%s\" has no \"%s\"", text_, (part));                       \
	} while (0)

/* ---- read_file ---- */

static void a_text_is_read_as_it_is(void **state)
{
	static const struct {
		const char *bytes, *text;
	} rows[] = {
		{"one\ntwo\n", "one\ntwo\n"},
		{"no end", "no end"},
		{"", "(empty file)"},
		{"\n", "\n"},
		{"\n\n", "\n\n"},
		{"a\r\nb\r\n", "a\nb\n"},
		{UTF8_BOM "bom\n", "bom\n"},
		{UTF8_BOM, "(empty file)"},
		{"old\rmac", "oldmac"},
		{"\tindented \n", "\tindented \n"},
		{"bad \xff byte\n",
		 "bad " R " byte\n[bytes that are no UTF-8 are shown as " R "]"},
		{"two \xff\xfe", "two " R R "\n[bytes that are no UTF-8 are shown as " R "]"},
		{"\x1b[31mred\x1b[0m\n", "red\n"},
	};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		put_text(s, "f", rows[i].bytes);
		assert_string_equal(read_file_at(s, "f"), rows[i].text);
	}
}

static void utf_16_is_converted_and_said_to_be(void **state)
{
	static const char le[] = "\xFF\xFE"
				 "h\0i\0\n\0"
				 "\x3D\xD8\x25\xDD"
				 "\n";
	static const char be[] = "\xFE\xFF"
				 "\0h\0i";
	static const char cut[] = "\xFF\xFE"
				  "h\0\x3D\xD8";
	struct stage *s = *state;

	put(s, "le", le, sizeof(le)); /* the last \n and its NUL */
	assert_string_equal(read_file_at(s, "le"),
			    "hi\n\xF0\x9F\x94\xA5\n[converted from UTF-16]");
	put(s, "be", be, sizeof(be) - 1);
	assert_string_equal(read_file_at(s, "be"), "hi\n[converted from UTF-16]");
	put(s, "cut", cut, sizeof(cut) - 1);
	assert_string_equal(read_file_at(s, "cut"), "h" R "\n[converted from UTF-16]");
}

static void a_part_says_which_lines_it_is(void **state)
{
	static const struct {
		const char *args, *text;
	} rows[] = {
		{"\"limit\": 2", "1\n2\n[lines 1-2 of 5; continue with offset 3]"},
		{"\"offset\": 4", "4\n5\n[lines 4-5 of 5]"},
		{"\"offset\": 2, \"limit\": 1", "2\n[lines 2-2 of 5; continue with offset 3]"},
		{"\"offset\": 0, \"limit\": 5", "1\n2\n3\n4\n5\n"},
		{"\"offset\": 1, \"limit\": 99999999999999999999", "1\n2\n3\n4\n5\n"},
		{"\"offset\": 6", "error: f has 5 lines"},
		{"\"offset\": 99999999999999999999", "error: f has 5 lines"},
		{"\"offset\": -1", "error: offset is counted from 1"},
		{"\"limit\": 0", "error: limit is at least 1"},
	};
	struct stage *s = *state;

	put_text(s, "f", "1\n2\n3\n4\n5\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char args[200];

		snprintf(args, sizeof(args), "{\"path\": \"f\", %s}", rows[i].args);
		assert_string_equal(call(s, "read_file", args), rows[i].text);
	}
	put_text(s, "one", "1");
	HAS(call(s, "read_file", "{\"path\": \"one\", \"offset\": 2}"),
	    "error: one has 1 line");
}

static void a_long_text_ends_at_a_line_and_says_where_to_go_on(void **state)
{
	struct stage *s = *state;
	struct buf text = {0};
	const char *got;

	for (int i = 1; i <= 5310; i++)
		buf_addf(&text, "%d\n", i);
	put(s, "f", text.data, text.len);
	got = read_file_at(s, "f");
	HAS(got, "\n1999\n2000\n[lines 1-2000 of 5310; continue with offset 2001]");
	buf_reset(&text);
	for (int i = 1; i <= 1000; i++)
		buf_addf(&text, "%099d\n", i);
	put(s, "f", text.data, text.len);
	got = read_file_at(s, "f");
	HAS(got, "327\n[lines 1-327 of 1000; continue with offset 328]");
	assert_true(strlen(got) < OUTPUT_BYTES + 100);
	buf_release(&text);
}

static void a_giant_line_is_clipped_or_shown_alone(void **state)
{
	struct stage *s = *state;
	struct buf text = {0};
	const char *got;

	for (int i = 0; i < 100000; i++)
		buf_addz(&text, "\xc3\xa9");
	buf_addz(&text, "\nnext\n");
	put(s, "f", text.data, text.len);
	got = read_file_at(s, "f");
	HAS(got, "\xc3\xa9 [" DOTS " 198000 bytes]\nnext\n");
	assert_int_equal(strlen(got), 2000 + strlen(" [" DOTS " 198000 bytes]\nnext\n"));
	got = call(s, "read_file", "{\"path\": \"f\", \"limit\": 1}");
	HAS(got, " [" DOTS " 167232 bytes]\n[lines 1-1 of 2; continue with offset 2]");
	buf_release(&text);
}

static void a_huge_sparse_file_is_no_trouble(void **state)
{
	struct stage *s = *state;

	put_text(s, "big", "first\n");
	must(truncate(at(s, "big"), 200 << 20));
	HAS(read_file_at(s, "big"), "error: big is a binary file (data, 204800 KiB)");
	must(truncate(at(s, "big"), (off_t)3 << 30));
	HAS(read_file_at(s, "big"), "error: big is too large to read (more than 1 GiB)");
	HAS(call(s, "search_files", "{\"pattern\": \"first\"}"),
	    "no matches\n[1 file not searched]");
}

static void lines_are_counted_only_so_far(void **state)
{
	struct stage *s = *state;
	static char block[1 << 20];
	FILE *f = fopen(at(s, "big"), "w");

	memset(block, 'x', sizeof(block));
	for (size_t i = 63; i < sizeof(block); i += 64)
		block[i] = '\n';
	for (int i = 0; i < 65; i++)
		assert_int_equal(fwrite(block, 1, sizeof(block), f), sizeof(block));
	fclose(f);
	HAS(call(s, "read_file", "{\"path\": \"big\", \"limit\": 2}"),
	    "[lines 1-2 of more; continue with offset 3]");
	HAS(call(s, "read_file", "{\"path\": \"big\", \"offset\": 1064960}"),
	    "[lines 1064960-1064960 of 1064960]");
	HAS(call(s, "read_file", "{\"path\": \"big\", \"offset\": 1064961}"),
	    "error: big has 1064960 lines");
}

static void what_is_no_text_file_is_refused_at_once(void **state)
{
	struct stage *s = *state;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	char here[1024];
	int fd;

	put(s, "elf",
	    "\x7f"
	    "ELF\0\0",
	    6);
	assert_string_equal(read_file_at(s, "elf"),
			    "error: elf is a binary file (ELF, 6 bytes)");
	put(s, "blob", "text\0text", 9);
	HAS(read_file_at(s, "blob"), "error: blob is a binary file (data, 9 bytes)");
	make_dir(s, "dir");
	assert_string_equal(read_file_at(s, "dir"),
			    "error: dir is a directory; use list_files");
	must(mkfifo(at(s, "fifo"), 0600));
	assert_string_equal(read_file_at(s, "fifo"), "error: fifo is no file but a pipe");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_non_null(getcwd(here, sizeof(here)));
	must(chdir(at(s, ""))); /* a socket's name is short */
	strcpy(name.sun_path, "sock");
	must(bind(fd, (struct sockaddr *)&name, sizeof(name)));
	must(chdir(here));
	close(fd);
	assert_string_equal(read_file_at(s, "sock"), "error: sock is no file but a socket");
	must(symlink("/dev/zero", at(s, "zero")));
	HAS(read_file_at(s, "zero"), "error: zero leads outside the workspace");
	HAS(read_file_at(s, "/dev/zero"), "error: /dev/zero leads outside the workspace");
	HAS(read_file_at(s, "missing"), "error: missing: no such file or directory");
	HAS(call(s, "read_file", "{}"), "error: the path is empty");
}

static void outside_a_device_is_no_file_either(void **state)
{
	struct stage *s = *state;
	struct file_job j = {
		.w = &s->w, .limit = OUTPUT_BYTES, .outside = true, .spills = -1, .spill = -1};

	assert_int_equal(
		file_tool_run(&j, STR_LIT("read_file"), STR_LIT("{\"path\": \"/dev/zero\"}")),
		TOOL_ERROR);
	assert_string_equal(buf_z(&j.text), "error: /dev/zero is no file but a device");
	file_job_release(&j);
}

static void what_was_read_is_noted(void **state)
{
	struct stage *s = *state;
	struct file_job j = {.w = &s->w, .limit = OUTPUT_BYTES, .spills = -1, .spill = -1};
	json_t *info;

	put_text(s, "f", "1\n2\n3\n");
	assert_int_equal(file_tool_run(&j, STR_LIT("read_file"),
				       STR_LIT("{\"path\": \"f\", \"offset\": 2}")),
			 TOOL_OK);
	info = json_loads(buf_z(&j.info), 0, NULL);
	assert_non_null(info);
	assert_int_equal(json_integer_value(json_object_get(info, "size")), 6);
	assert_int_equal(json_integer_value(json_object_get(info, "first")), 2);
	assert_int_equal(json_integer_value(json_object_get(info, "last")), 3);
	assert_true(json_is_false(json_object_get(info, "all")));
	assert_int_equal(json_string_length(json_object_get(info, "hash")), 32);
	json_decref(info);
	file_job_release(&j);
}

static void a_spilled_output_is_read_and_searched_by_its_name(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "spills/3", "one\ntwo\n");
	put_text(s, "OUT:4", "a file of the workspace");
	assert_string_equal(read_file_at(s, "OUT:3"), "one\ntwo\n");
	assert_string_equal(
		call(s, "search_files", "{\"pattern\": \"tw\", \"path\": \"OUT:3\"}"),
		"OUT:3:2:two");
	HAS(read_file_at(s, "OUT:4"), "error: OUT:4: there is no such output, or no more");
	HAS(call(s, "list_files", "{\"path\": \"OUT:3\"}"), "error: OUT:3 is a file");
}

/* ---- list_files ---- */

static void a_folder_is_listed_sorted_and_not_further(void **state)
{
	struct stage *s = *state;

	make_dir(s, "src");
	make_dir(s, "src/deep");
	make_dir(s, "empty");
	put_text(s, "src/b.c", "");
	put_text(s, "B", "");
	put_text(s, "a", "");
	put_text(s, ".env", "");
	must(symlink("/etc/passwd", at(s, "link")));
	put_text(s, "odd\nname\x1b[0m", "");
	put(s, "\xff", "", 0);
	assert_string_equal(
		call(s, "list_files", "{}"),
		".env\nB\n\\xff\na\nempty/\nlink -> /etc/passwd\nodd\\x0aname\\x1b[0m\n"
		"src/");
	assert_string_equal(call(s, "list_files", "{\"path\": \"src\"}"), "b.c\ndeep/");
	assert_string_equal(call(s, "list_files", "{\"path\": \"empty\"}"), "(empty)");
	assert_string_equal(call(s, "list_files", "{\"pattern\": \"[ab]\"}"), "a");
	assert_string_equal(call(s, "list_files", "{\"pattern\": \"*.zig\"}"), "no matches");
	assert_string_equal(call(s, "list_files", "{\"path\": \"a\"}"),
			    "error: a is a file; use read_file");
	HAS(call(s, "list_files", "{\"path\": \"..\"}"),
	    "error: .. leads outside the workspace");
	HAS(call(s, "list_files", "{\"path\": \"nowhere\"}"),
	    "error: nowhere: no such file or directory");
}

static void a_pattern_with_folders_looks_below(void **state)
{
	struct stage *s = *state;

	make_dir(s, "src");
	make_dir(s, "src/deep");
	make_dir(s, "build");
	make_dir(s, ".git");
	make_dir(s, "out");
	put_text(s, "main.c", "");
	put_text(s, "src/a.c", "");
	put_text(s, "src/a.h", "");
	put_text(s, "src/deep/b.c", "");
	put_text(s, "build/gen.c", "");
	put_text(s, "out/x.c", "");
	put_text(s, ".gitignore", "/out/\nskip*.c\n!skip_not.c\n");
	put_text(s, "src/skip1.c", "");
	put_text(s, "src/skip_not.c", "");
	must(symlink("src", at(s, "again")));
	assert_string_equal(call(s, "list_files", "{\"pattern\": \"**/*.c\"}"),
			    "main.c\nsrc/a.c\nsrc/deep/b.c\nsrc/skip_not.c\n"
			    "[left out: .git, build, what .gitignore leaves out]");
	assert_string_equal(call(s, "list_files", "{\"pattern\": \"src/*.h\"}"),
			    "src/a.h\n[left out: .git, build, what .gitignore leaves out]");
	/* The rules of the folders above hold below, too. */
	assert_string_equal(call(s, "list_files", "{\"path\": \"src\", \"pattern\": \"**\"}"),
			    "a.c\na.h\ndeep/\ndeep/b.c\nskip_not.c\n"
			    "[left out: what .gitignore leaves out]");
}

static void a_thousand_names_are_enough(void **state)
{
	struct stage *s = *state;
	const char *got;

	for (int i = 0; i < 1200; i++) {
		char name[20];

		snprintf(name, sizeof(name), "f%04d", i);
		put_text(s, name, "");
	}
	got = call(s, "list_files", "{}");
	HAS(got, "f0999\n[200 more]");
	assert_null(strstr(got, "f1000"));
}

static void depth_is_bounded(void **state)
{
	struct stage *s = *state;
	struct buf path = {0};

	for (int i = 0; i < 20; i++) {
		buf_addz(&path, i ? "/d" : "d");
		make_dir(s, buf_z(&path));
	}
	HAS(call(s, "list_files", "{\"pattern\": \"**\"}"),
	    "[left out: 1 folder more than 16 deep]");
	buf_release(&path);
}

/* ---- search_files ---- */

static void matches_are_shown_with_path_and_line(void **state)
{
	struct stage *s = *state;

	make_dir(s, "src");
	put_text(s, "src/b.c", "int main(void)\r\n{\r\n\treturn 0; // TODO\r\n}\r\n");
	put_text(s, "a.c", "TODO first\nnothing\n\tTODO\x1b[0m last");
	put(s, "blob", "TODO\0", 5);
	put_text(s, ".env", "TODO=secret\n");
	must(symlink("a.c", at(s, "link")));
	must(mkfifo(at(s, "pipe"), 0600));
	assert_string_equal(
		call(s, "search_files", "{\"pattern\": \"TODO\"}"),
		"a.c:1:TODO first\na.c:3:\tTODO last\nsrc/b.c:3:\treturn 0; // TODO\n"
		"[1 file not searched]");
	assert_string_equal(
		call(s, "search_files", "{\"pattern\": \"0;.*O$\", \"path\": \"src\"}"),
		"src/b.c:3:\treturn 0; // TODO");
	assert_string_equal(
		call(s, "search_files", "{\"pattern\": \"^TODO\", \"path\": \"a.c\"}"),
		"a.c:1:TODO first");
	assert_string_equal(call(s, "search_files",
				 "{\"pattern\": \"(?<=int )(m)a(?!x)\", \"path\": \"src\"}"),
			    "src/b.c:1:int main(void)");
	HAS(call(s, "search_files", "{\"pattern\": \"zebra\"}"), "no matches\n");
	HAS(call(s, "search_files", "{\"pattern\": \"a(b\"}"),
	    "error: bad pattern: missing closing parenthesis (at 3)");
	HAS(call(s, "search_files", "{\"pattern\": \"x\", \"path\": \".env\"}"),
	    "error: .env is hidden (it may hold secrets)");
	HAS(call(s, "search_files", "{\"pattern\": \"x\", \"path\": \"link\"}"), "no matches");
}

static void where_nothing_matches_it_is_said_what_was_left_out(void **state)
{
	struct stage *s = *state;

	make_dir(s, "node_modules");
	make_dir(s, ".git");
	put_text(s, "node_modules/a.js", "needle\n");
	put_text(s, ".git/config", "needle\n");
	put_text(s, "a", "hay\n");
	assert_string_equal(call(s, "search_files", "{\"pattern\": \"needle\"}"),
			    "no matches\n[not searched: node_modules]");
	assert_string_equal(call(s, "search_files", "{\"pattern\": \"hay\"}"), "a:1:hay");
}

static void matches_are_counted_and_bounded(void **state)
{
	struct stage *s = *state;
	struct buf text = {0};
	const char *got;
	size_t lines = 0;

	for (int i = 0; i < 60; i++)
		buf_addz(&text, "hit\n");
	for (int i = 0; i < 3; i++) {
		char name[8] = {(char)('a' + i)};

		put(s, name, text.data, text.len);
	}
	got = call(s, "search_files", "{\"pattern\": \"hit\"}");
	HAS(got, "c:50:hit\n[of 3 files only the first 50 matches are shown]");
	put(s, "d", text.data, text.len);
	put(s, "e", text.data, text.len);
	got = call(s, "search_files", "{\"pattern\": \"hit\"}");
	HAS(got, "d:50:hit\n[more than 200 matches; narrow the pattern]");
	for (const char *p = got; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 201);
	buf_release(&text);
}

static void a_long_line_is_shown_around_its_match(void **state)
{
	struct stage *s = *state;
	struct buf text = {0};
	const char *got;

	for (int i = 0; i < 5000; i++)
		buf_addz(&text, "\xe4\xb8\xad");
	buf_addz(&text, "needle");
	for (int i = 0; i < 5000; i++)
		buf_addz(&text, "\xe4\xb8\xad");
	put(s, "f", text.data, text.len);
	got = call(s, "search_files", "{\"pattern\": \"needle\"}");
	HAS(got, "f:1:" DOTS "\xe4\xb8\xad");
	HAS(got, "\xadneedle\xe4");
	assert_true(strlen(got) <= 300 + 6 + 4);
	buf_release(&text);
}

static void bytes_that_are_no_text_do_not_end_a_search(void **state)
{
	struct stage *s = *state;

	put_text(s, "f", "\xff\xfe needle \xff\nneedle\n");
	assert_string_equal(call(s, "search_files", "{\"pattern\": \"needle\"}"),
			    "f:1:" R R " needle " R "\nf:2:needle");
}

/* A pattern that would take for ever on a line gives up on it, and says so. */
static void a_pattern_that_takes_too_long_is_left(void **state)
{
	struct stage *s = *state;

	put_text(s, "f",
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac\naa\n");
	HAS(call(s, "search_files", "{\"pattern\": \"^(a|a?)+$\"}"),
	    "f:2:aa\n[the pattern took too many steps on 1 line]");
}

static void a_large_result_is_cut_and_spilled(void **state)
{
	struct stage *s = *state;
	struct file_job j = {.w = &s->w, .limit = OUTPUT_LEAST_BYTES, .spills = s->spills};
	struct err err = {0};
	struct buf text = {0};

	for (int i = 0; i < 50; i++)
		buf_addf(&text, "hit %0100d\n", i);
	put(s, "f", text.data, text.len);
	j.spill = spill_create(s->spills, &j.n_spill, &err);
	assert_true(j.spill >= 0);
	assert_int_equal(
		file_tool_run(&j, STR_LIT("search_files"), STR_LIT("{\"pattern\": \"hit\"}")),
		TOOL_OK);
	assert_true(j.cut);
	HAS(buf_z(&j.text), "left out; whole output: read_file OUT:1]");
	close(j.spill);
	file_job_release(&j);
	HAS(call(s, "search_files", "{\"pattern\": \"025$\", \"path\": \"OUT:1\"}"),
	    "OUT:1:26:f:26:hit 0");
	buf_release(&text);
}

/* ---- what changes meanwhile ---- */

static void what_is_swapped_for_a_link_meanwhile_never_leads_out(void **state)
{
	struct stage *s = *state;
	size_t inside = 0, refused = 0;
	pid_t files, folders;

	mkdir(tmpdir_file(&s->d, "out"), 0700);
	tmpdir_write_text(&s->d, "out/f", "SECRET\n");
	make_dir(s, "d");
	put_text(s, "f", "inside\n");
	put_text(s, "d/f", "inside\n");
	must(symlink("../out/f", at(s, "link")));
	must(symlink("../out", at(s, "dlink")));
	files = swapper_begin(at(s, "f"), at(s, "link"));
	folders = swapper_begin(at(s, "d"), at(s, "dlink"));
	for (int i = 0; i < 3000 && (i < 200 || !inside || !refused); i++) {
		const char *got = read_file_at(s, i % 2 ? "f" : "d/f");

		inside += strcmp(got, "inside\n") == 0;
		refused += strstr(got, "leads outside") != NULL;
		assert_null(strstr(got, "SECRET"));
		if (i % 10 == 0)
			assert_null(strstr(call(s, "search_files", "{\"pattern\": \"S.CRET\"}"),
					   "f:1:SECRET"));
		if (i % 10 == 5)
			assert_null(strstr(call(s, "search_files",
						"{\"pattern\": \"S.CRET\", \"path\": \"d\"}"),
					   "f:1:SECRET"));
	}
	swapper_end(files);
	swapper_end(folders);
	assert_true(inside > 0);
	assert_true(refused > 0);
}

/* ---- .gitignore ---- */

static void rules_leave_out_what_git_would(void **state)
{
	static const struct {
		const char *rules, *path;
		bool folder, out;
	} rows[] = {
		{"*.o", "a.o", false, true},
		{"*.o", "src/a.o", false, true},
		{"/a.o", "src/a.o", false, false},
		{"/a.o", "a.o", false, true},
		{"src/*.o", "src/a.o", false, true},
		{"src/*.o", "x/src/a.o", false, false},
		{"**/gen/*.c", "x/gen/a.c", false, true},
		{"out/", "out", true, true},
		{"out/", "out", false, false},
		{"*.log\n!keep.log", "keep.log", false, false},
		{"!keep.log\n*.log", "keep.log", false, true},
		{"# *.c\n\n  \n", "a.c", false, false},
		{"trail.c   \r\n", "trail.c", false, true},
		{"\\#odd", "#odd", false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ignore g = {0};

		ignore_enter(&g, (struct str){"", 0}, str_of(rows[i].rules));
		if (ignore_has(&g, str_of(rows[i].path), rows[i].folder) != rows[i].out)
			fail_msg("\"%s\" on %s", rows[i].rules, rows[i].path);
		ignore_release(&g);
	}
}

static void rules_of_a_folder_hold_below_it_and_end_with_it(void **state)
{
	struct ignore g = {0};
	size_t mark;

	(void)state;
	ignore_enter(&g, (struct str){"", 0}, STR_LIT("*.tmp"));
	mark = ignore_mark(&g);
	ignore_enter(&g, STR_LIT("src"), STR_LIT("/gen\n!x.tmp"));
	assert_true(ignore_has(&g, STR_LIT("src/gen"), true));
	assert_false(ignore_has(&g, STR_LIT("src/a/gen"), true));
	assert_false(ignore_has(&g, STR_LIT("src/x.tmp"), false));
	ignore_leave(&g, mark);
	assert_false(ignore_has(&g, STR_LIT("src/gen"), true));
	assert_true(ignore_has(&g, STR_LIT("src/x.tmp"), false));
	ignore_release(&g);
}

#define WITH_STAGE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STAGE(a_text_is_read_as_it_is),
		WITH_STAGE(utf_16_is_converted_and_said_to_be),
		WITH_STAGE(a_part_says_which_lines_it_is),
		WITH_STAGE(a_long_text_ends_at_a_line_and_says_where_to_go_on),
		WITH_STAGE(a_giant_line_is_clipped_or_shown_alone),
		WITH_STAGE(a_huge_sparse_file_is_no_trouble),
		WITH_STAGE(lines_are_counted_only_so_far),
		WITH_STAGE(what_is_no_text_file_is_refused_at_once),
		WITH_STAGE(outside_a_device_is_no_file_either),
		WITH_STAGE(what_was_read_is_noted),
		WITH_STAGE(a_spilled_output_is_read_and_searched_by_its_name),
		WITH_STAGE(a_folder_is_listed_sorted_and_not_further),
		WITH_STAGE(a_pattern_with_folders_looks_below),
		WITH_STAGE(a_thousand_names_are_enough),
		WITH_STAGE(depth_is_bounded),
		WITH_STAGE(matches_are_shown_with_path_and_line),
		WITH_STAGE(where_nothing_matches_it_is_said_what_was_left_out),
		WITH_STAGE(matches_are_counted_and_bounded),
		WITH_STAGE(a_long_line_is_shown_around_its_match),
		WITH_STAGE(bytes_that_are_no_text_do_not_end_a_search),
		WITH_STAGE(a_pattern_that_takes_too_long_is_left),
		WITH_STAGE(a_large_result_is_cut_and_spilled),
		WITH_STAGE(what_is_swapped_for_a_link_meanwhile_never_leads_out),
		cmocka_unit_test(rules_leave_out_what_git_would),
		cmocka_unit_test(rules_of_a_folder_hold_below_it_and_end_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
