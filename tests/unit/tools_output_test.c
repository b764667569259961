/* What a tool puts out: cleaned, clipped, cut, and spilled whole. */
#include "tests/support/shared_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/clean.h"
#include "app/tools/output.h"
#include "app/tools/spill.h"
#include "engine/base/file.h"
#include "engine/base/utf8.h"
#include "tests/support/tmpdir.h"

#define R    "\xEF\xBF\xBD"
#define DOTS "\xE2\x80\xA6"

static struct str text(const char *z)
{
	return str_of(z);
}

static const struct {
	const char *raw, *clean;
} cleaned[] = {
	{"", ""},
	{"plain\ttext\n", "plain\ttext\n"},
	{"\x1b[1;31mred\x1b[0m", "red"},
	{"\x1b]0;a title\x07shown", "shown"},
	{"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"},
	{"\x1bPq#0;2;0;0;0\x1b\\picture", "picture"},
	{"\x1b(Bcharset \x1b=keys\x1b>", "charset keys"},
	{"\x1b]never closed\nnext", "\nnext"},
	{"\x1b[12\nnext", "\nnext"},
	{"\x1b\x1b[31mtwice", "twice"},
	{"\x1b]52;c;AAAA\x18out", "out"},
	{"10%\r50%\r100%\n", "100%\n"},
	{"10%\r50%\r100%", "100%"},
	{"done\r", "done"},
	{"a\r\nb\r\r\nc\r\n", "a\nb\nc\n"},
	{"long line\rsh", "sh"},
	{"Building 3/4\r\x1b[KFinished\n", "Finished\n"},
	{"Building 3/4\r\x1b[K\n", "\n"},
	{"kept\x1b[K\n", "kept\n"},
	{"a\b\a\x0b\x0c\x7fz", "az"},
	{"\xc2\x80\xc2\x9b"
	 "31m",
	 "31m"},
	{"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x94\xa5", "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x94\xa5"},
	{"\xff\xc3", R R},
	{"\xe4\xb8z", R "z"},
	{"\xf0\x9f\x94\xc3\xa9", R "\xc3\xa9"},
	{"\xc3\x1b[0mx", R "x"},
	{"\xc3\nx", R "\nx"},
};

static void text_for_a_terminal_becomes_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cleaned) / sizeof(*cleaned); i++) {
		struct buf out = {0};

		clean_add(&out, text(cleaned[i].raw));
		assert_string_equal(buf_z(&out), cleaned[i].clean);
		buf_release(&out);
	}
}

static void a_nul_is_left_out(void **state)
{
	struct buf out = {0};

	(void)state;
	clean_add(&out, (struct str){"a\0b", 3});
	assert_string_equal(buf_z(&out), "ab");
	buf_release(&out);
}

static void put(void *ctx, struct str s)
{
	assert_true(s.n > 0);
	buf_adds(ctx, s);
}

static void in_pieces(struct buf *out, struct str raw, size_t piece)
{
	struct clean c;

	clean_init(&c, put, out);
	for (size_t i = 0; i < raw.n; i += piece)
		clean_feed(&c, (struct str){raw.p + i, raw.n - i < piece ? raw.n - i : piece});
	clean_end(&c);
}

static void how_it_is_cut_into_pieces_changes_nothing(void **state)
{
	struct buf raw = {0}, whole = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cleaned) / sizeof(*cleaned); i++)
		buf_addz(&raw, cleaned[i].raw);
	/* And lines longer than a line may be, written over near where that begins to matter.
	 */
	for (size_t n = CLEAN_LINE_BYTES - 3; n < CLEAN_LINE_BYTES + 3; n++) {
		for (size_t i = 0; i < n; i++)
			buf_addc(&raw, (char)('a' + i % 26));
		buf_addz(&raw, "\xc3\xa9\rover\n");
	}
	clean_add(&whole, buf_str(&raw));
	for (size_t piece = 1; piece < 40; piece++) {
		struct buf out = {0};

		in_pieces(&out, buf_str(&raw), piece);
		assert_true(str_eq(buf_str(&out), buf_str(&whole)));
		buf_release(&out);
	}
	buf_release(&raw);
	buf_release(&whole);
}

static void cleaning_twice_changes_nothing(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 20000; round++) {
		static const char bytes[] =
			"ab\x1b\x1b[]0;Km\r\r\n\t\x07\\P\xc3\xa9\xff\x9b\xe4\xb8";
		char raw[24];
		size_t n = (size_t)rand() % sizeof(raw);
		struct buf once = {0}, twice = {0};

		for (size_t i = 0; i < n; i++)
			raw[i] = bytes[(size_t)rand() % sizeof(bytes)];
		clean_add(&once, (struct str){raw, n});
		clean_add(&twice, buf_str(&once));
		assert_true(utf8_valid(buf_str(&once)));
		assert_true(str_eq(buf_str(&once), buf_str(&twice)));
		buf_release(&once);
		buf_release(&twice);
	}
}

static void a_line_that_goes_on_is_put_once_it_ends(void **state)
{
	struct buf out = {0};
	struct clean c;

	(void)state;
	clean_init(&c, put, &out);
	clean_feed(&c, text("one\ntw"));
	assert_string_equal(buf_z(&out), "one\n");
	clean_feed(&c, text("o\r3"));
	assert_string_equal(buf_z(&out), "one\n");
	clean_end(&c);
	assert_string_equal(buf_z(&out), "one\n3");
	buf_release(&out);
}

/* ---- cutting ---- */

static void gather(struct buf *out, struct str raw, size_t limit, unsigned n)
{
	struct output o;
	struct err err = {0};

	assert_int_equal(output_init(&o, limit, -1, &err), 0);
	for (size_t i = 0; i < raw.n; i += 777)
		output_feed(&o, (struct str){raw.p + i, raw.n - i < 777 ? raw.n - i : 777});
	output_end(&o);
	output_add_text(&o, n, out);
	assert_false(buf_failed(out));
	assert_int_equal(o.raw_bytes, raw.n);
	assert_true(utf8_valid(buf_str(out)));
	output_release(&o);
}

static void what_fits_is_whole(void **state)
{
	struct buf raw = {0}, out = {0};

	(void)state;
	gather(&out, text(""), OUTPUT_BYTES, 3);
	assert_string_equal(buf_z(&out), "");
	while (raw.len < OUTPUT_BYTES)
		buf_addz(&raw, "0123456789abcde\n");
	assert_int_equal(raw.len, OUTPUT_BYTES);
	gather(&out, buf_str(&raw), OUTPUT_BYTES, 3);
	assert_true(str_eq(buf_str(&out), buf_str(&raw)));
	buf_reset(&out);
	buf_addc(&raw, 'x');
	gather(&out, buf_str(&raw), OUTPUT_BYTES, 3);
	assert_non_null(strstr(buf_z(&out), "left out; whole output: read_file OUT:3]\n"));
	buf_release(&raw);
	buf_release(&out);
}

/* Numbered lines, so that what is there and what is not can be told from each other. */
static void add_lines(struct buf *raw, unsigned n, const char *end)
{
	for (unsigned i = 1; i <= n; i++)
		buf_addf(raw, "line %u%s\n", i, end);
}

static void the_beginning_and_the_end_are_kept_on_line_borders(void **state)
{
	struct buf raw = {0};

	(void)state;
	add_lines(&raw, 9000, "");
	for (size_t limit = OUTPUT_LEAST_BYTES; limit < OUTPUT_LEAST_BYTES + 40; limit++) {
		struct buf out = {0};
		unsigned last, first, lines, kib;
		char *gap;

		gather(&out, buf_str(&raw), limit, 0);
		gap = strstr(buf_z(&out), "[" DOTS);
		assert_non_null(gap);
		assert_int_equal(sscanf(gap, "[" DOTS " %u lines, %u KiB left out]\nline %u\n",
					&lines, &kib, &first),
				 3);
		assert_true((size_t)(gap - out.data) <= limit / 4);
		assert_int_equal(gap[-1], '\n');
		gap[-1] = '\0';
		assert_int_equal(sscanf(strrchr(out.data, '\n'), "\nline %u", &last), 1);
		assert_int_equal(first - last - 1, lines);
		gap = strchr(gap, '\n') + 1;
		assert_true((size_t)(out.data + out.len - gap) <= limit - limit / 4);
		assert_true((size_t)(out.data + out.len - gap) > limit - limit / 4 - 12);
		assert_string_equal(out.data + out.len - 10, "line 9000\n");
		buf_release(&out);
	}
	buf_release(&raw);
}

static void a_long_line_is_clipped_at_a_character(void **state)
{
	struct buf raw = {0}, out = {0};

	(void)state;
	buf_addc(&raw, 'x');
	for (int i = 0; i < 1500; i++)
		buf_addz(&raw, "\xc3\xa9");
	buf_addz(&raw, "\nshort\n");
	gather(&out, buf_str(&raw), OUTPUT_BYTES, 0);
	assert_string_equal(buf_z(&out) + 1999, " [" DOTS " 1002 bytes]\nshort\n");
	buf_reset(&out);
	gather(&out, buf_str(&raw), OUTPUT_BYTES, 2);
	assert_non_null(strstr(buf_z(&out),
			       "short\n[long lines are cut; whole output: read_file OUT:2]"));
	buf_release(&raw);
	buf_release(&out);
}

static void one_line_without_end_is_bounded(void **state)
{
	struct buf raw = {0}, out = {0};

	(void)state;
	for (int i = 0; i < 300000; i++)
		buf_addc(&raw, 'y');
	gather(&out, buf_str(&raw), OUTPUT_BYTES, 0);
	assert_string_equal(buf_z(&out) + 2000, " [" DOTS " 298000 bytes]");
	buf_release(&raw);
	buf_release(&out);
}

/* Lines that are as long as a clipped one may be, where a quarter has no room for one. */
static void without_a_line_border_the_cut_is_at_a_character(void **state)
{
	struct buf raw = {0}, out = {0};

	(void)state;
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 600; k++)
			buf_addz(&raw, "\xe4\xb8\xad");
		buf_addc(&raw, '\n');
	}
	gather(&out, buf_str(&raw), OUTPUT_LEAST_BYTES, 0);
	assert_non_null(strstr(buf_z(&out), "\xad\n[" DOTS));
	assert_null(strstr(buf_z(&out), R));
	buf_release(&raw);
	buf_release(&out);
}

/* ---- spilling ---- */

static int folder_of(const struct tmpdir *d, const char *name)
{
	int fd;

	mkdir(tmpdir_file(d, name), 0700);
	fd = open(tmpdir_file(d, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void the_spill_file_has_all_of_it_clean(void **state)
{
	struct tmpdir d;
	struct buf raw = {0}, kept = {0}, whole = {0};
	struct err err = {0};
	struct output o;
	unsigned n = 0;
	int folder, fd;

	(void)state;
	tmpdir_init(&d);
	folder = folder_of(&d, "talk");
	fd = spill_create(folder, &n, &err);
	assert_true(fd >= 0);
	assert_int_equal(n, 1);
	add_lines(&raw, 20000, "\x1b[0m");
	assert_int_equal(output_init(&o, OUTPUT_BYTES, fd, &err), 0);
	output_feed(&o, buf_str(&raw));
	output_end(&o);
	assert_true(output_is_cut(&o));
	clean_add(&whole, buf_str(&raw));
	assert_int_equal(file_read(&kept, tmpdir_file(&d, "talk/1"), 1u << 20, &err), 0);
	assert_true(str_eq(buf_str(&kept), buf_str(&whole)));
	output_release(&o);
	close(fd);
	close(folder);
	buf_release(&raw);
	buf_release(&kept);
	buf_release(&whole);
	tmpdir_release(&d);
}

static void a_spill_that_cannot_take_all_is_said_to_be_short(void **state)
{
	struct buf out = {0}, raw = {0};
	struct err err = {0};
	struct output o;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	add_lines(&raw, 9000, "");
	assert_int_equal(output_init(&o, OUTPUT_LEAST_BYTES, full, &err), 0);
	output_feed(&o, buf_str(&raw));
	output_end(&o);
	output_add_text(&o, 4, &out);
	assert_non_null(strstr(buf_z(&out), "read_file OUT:4 has the first 0 MiB]"));
	output_release(&o);
	close(full);
	buf_release(&out);
	buf_release(&raw);
}

static void a_spill_file_ends_at_its_limit(void **state)
{
	static char block[1u << 20];
	struct buf out = {0};
	struct tmpdir d;
	struct err err = {0};
	struct output o;
	struct stat st;
	unsigned n = 0;
	int folder, fd;

	(void)state;
	tmpdir_init(&d);
	folder = folder_of(&d, "talk");
	fd = spill_create(folder, &n, &err);
	memset(block, 'a', sizeof(block));
	for (size_t i = 99; i < sizeof(block); i += 100)
		block[i] = '\n';
	assert_int_equal(output_init(&o, OUTPUT_BYTES, fd, &err), 0);
	for (int i = 0; i < 65; i++)
		output_feed(&o, (struct str){block, sizeof(block)});
	output_end(&o);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, OUTPUT_SPILL_BYTES);
	output_add_text(&o, n, &out);
	assert_non_null(strstr(buf_z(&out), "read_file OUT:1 has the first 64 MiB]"));
	output_release(&o);
	buf_release(&out);
	close(fd);
	close(folder);
	tmpdir_release(&d);
}

static void spill_files_are_numbered_and_never_replaced(void **state)
{
	struct tmpdir d;
	struct err err = {0};
	int folder;

	(void)state;
	tmpdir_init(&d);
	folder = folder_of(&d, "talk");
	tmpdir_write_text(&d, "talk/7", "old");
	tmpdir_write_text(&d, "talk/notes", "no number");
	for (unsigned want = 8; want < 12; want++) {
		unsigned n = 0;
		int fd = spill_create(folder, &n, &err);

		assert_true(fd >= 0);
		assert_int_equal(n, want);
		close(fd);
	}
	/* Nor is a link followed. */
	assert_int_equal(symlink("7", tmpdir_file(&d, "talk/12")), 0);
	assert_int_equal(spill_open(folder, 12), -1);
	close(folder);
	tmpdir_release(&d);
}

static void the_name_of_a_spill_file_is_exact(void **state)
{
	static const struct {
		const char *name;
		unsigned n;
	} cases[] = {
		{"OUT:1", 1},       {"OUT:99999", 99999}, {"OUT:0", 0}, {"OUT:", 0},
		{"OUT:01", 0},      {"OUT:1x", 0},        {"out:1", 0}, {"OUT:-1", 0},
		{"OUT:../1", 0},    {"OUT", 0},           {"", 0},      {"OUT:100001", 0},
		{"OUT:1000000", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(spill_number(str_of(cases[i].name)), cases[i].n);
}

static void the_oldest_go_first(void **state)
{
	static const char *const names[] = {"one/1", "two/1", "one/2"};
	struct tmpdir d;
	int root;

	(void)state;
	tmpdir_init(&d);
	close(folder_of(&d, "one"));
	close(folder_of(&d, "two"));
	for (int i = 0; i < 3; i++) {
		struct timespec t[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};

		tmpdir_write_text(&d, names[i], "0123456789");
		assert_int_equal(utimensat(AT_FDCWD, tmpdir_file(&d, names[i]), t, 0), 0);
	}
	root = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* What two have takes its room once, and goes from both. */
	assert_int_equal(linkat(root, "one/1", root, "two/9", 0), 0);
	spill_trim(root, 30);
	assert_int_equal(access(tmpdir_file(&d, "one/1"), F_OK), 0);
	spill_trim(root, 20);
	assert_int_equal(access(tmpdir_file(&d, "one/1"), F_OK), -1);
	assert_int_equal(access(tmpdir_file(&d, "two/9"), F_OK), -1);
	assert_int_equal(access(tmpdir_file(&d, "two/1"), F_OK), 0);
	spill_trim(root, 0);
	assert_int_equal(access(tmpdir_file(&d, "two/1"), F_OK), -1);
	assert_int_equal(access(tmpdir_file(&d, "one/2"), F_OK), -1);
	close(root);
	tmpdir_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_for_a_terminal_becomes_plain),
		cmocka_unit_test(a_nul_is_left_out),
		cmocka_unit_test(how_it_is_cut_into_pieces_changes_nothing),
		cmocka_unit_test(cleaning_twice_changes_nothing),
		cmocka_unit_test(a_line_that_goes_on_is_put_once_it_ends),
		cmocka_unit_test(what_fits_is_whole),
		cmocka_unit_test(the_beginning_and_the_end_are_kept_on_line_borders),
		cmocka_unit_test(a_long_line_is_clipped_at_a_character),
		cmocka_unit_test(one_line_without_end_is_bounded),
		cmocka_unit_test(without_a_line_border_the_cut_is_at_a_character),
		cmocka_unit_test(the_spill_file_has_all_of_it_clean),
		cmocka_unit_test(a_spill_that_cannot_take_all_is_said_to_be_short),
		cmocka_unit_test(a_spill_file_ends_at_its_limit),
		cmocka_unit_test(spill_files_are_numbered_and_never_replaced),
		cmocka_unit_test(the_name_of_a_spill_file_is_exact),
		cmocka_unit_test(the_oldest_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
