/* Messages between the program and its runner: whole, sealed, and never believed. */
#include "tests/support/shared_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/tools/output.h"
#include "app/tools/parcel.h"
#include "app/tools/wire.h"

struct pair {
	int ends[2];
};

static int begin(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct err err = {0};

	assert_non_null(p);
	assert_int_equal(wire_pair(p->ends, &err), 0);
	*state = p;
	return 0;
}

static int end(void **state)
{
	struct pair *p = *state;

	close(p->ends[0]);
	close(p->ends[1]);
	free(p);
	return 0;
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void a_message_of_any_size_arrives_whole(void **state)
{
	static const size_t sizes[] = {0, 1, WIRE_PACKET_BYTES, WIRE_PACKET_BYTES + 1,
				       1u << 20};
	struct pair *p = *state;
	size_t before = open_descriptors();
	struct err err = {0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct wire_message m;
		char *bytes = malloc(sizes[i] + 1);

		assert_non_null(bytes);
		for (size_t k = 0; k < sizes[i]; k++)
			bytes[k] = (char)(k * 7);
		assert_int_equal(wire_send(p->ends[0], WIRE_RUN, 40 + i,
					   (struct str){bytes, sizes[i]}, &err),
				 0);
		assert_int_equal(wire_receive(p->ends[1], &m, &err), 1);
		assert_int_equal(m.kind, WIRE_RUN);
		assert_int_equal(m.id, 40 + i);
		assert_int_equal(m.body.len, sizes[i]);
		if (sizes[i])
			assert_memory_equal(m.body.data, bytes, sizes[i]);
		buf_release(&m.body);
		free(bytes);
	}
	assert_int_equal(open_descriptors(), before);
}

static void nothing_and_nobody_are_told_apart(void **state)
{
	struct pair *p = *state;
	struct wire_message m;
	struct err err = {0};

	assert_int_equal(wire_receive(p->ends[1], &m, &err), 0);
	shutdown(p->ends[0], SHUT_RDWR);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
	assert_int_equal(wire_send(p->ends[1], WIRE_STOP, 1, STR_LIT(""), &err), ERR_FAILED);
}

static void where_there_is_no_room_it_is_said(void **state)
{
	static char block[WIRE_PACKET_BYTES];
	struct pair *p = *state;
	struct err err = {0};
	int rc = 0;

	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = wire_send(p->ends[0], WIRE_OUTPUT, 1, (struct str){block, sizeof(block)},
			       &err);
	assert_int_equal(rc, 1);
	assert_int_equal(
		wire_send(p->ends[0], WIRE_OUTPUT, 1, (struct str){block, sizeof(block)}, &err),
		1);
}

static void what_is_no_message_is_refused(void **state)
{
	struct pair *p = *state;
	struct {
		uint32_t kind, length;
		uint64_t id;
		char body[8];
	} packets[] = {
		{0, 0, 1, ""},
		{99, 0, 1, ""},
		{WIRE_RUN, 4, 1, ""},
		{WIRE_RUN, UINT32_MAX, 1, ""},
	};
	struct wire_message m;
	struct err err = {0};

	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		assert_true(send(p->ends[0], &packets[i], 24, 0) == 24);
		assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
		assert_non_null(strstr(err.text, "no message"));
	}
	assert_true(send(p->ends[0], packets, 7, 0) == 7);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
}

/* A packet of a header, with as many descriptors as there are. */
static void send_with(int sock, uint32_t length, const int *fds, size_t n)
{
	struct {
		uint32_t kind, length;
		uint64_t id;
	} h = {WIRE_RUN, length, 1};
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(8 * sizeof(int))] = {0};
	struct iovec v = {&h, sizeof(h)};
	struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = space};
	struct cmsghdr *c = (struct cmsghdr *)space;

	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	assert_true(sendmsg(sock, &msg, 0) > 0);
}

static void only_one_sealed_memfd_of_the_right_size_is_a_body(void **state)
{
	struct pair *p = *state;
	struct wire_message m;
	struct err err = {0};
	int open_one = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING), part, many[6], null;
	size_t before = open_descriptors();

	assert_int_equal(write(open_one, "body", 4), 4);
	send_with(p->ends[0], 4, &open_one, 1);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
	assert_non_null(strstr(err.text, "not sealed"));
	part = open_one;
	assert_int_equal(fcntl(part, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
			 0);
	send_with(p->ends[0], 4, &part, 1);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
	assert_int_equal(fcntl(part, F_ADD_SEALS, F_SEAL_SEAL), 0);
	send_with(p->ends[0], 5, &part, 1);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
	for (int i = 0; i < 6; i++)
		many[i] = part;
	send_with(p->ends[0], 4, many, 2);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
	send_with(p->ends[0], 4, many, 6);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	send_with(p->ends[0], 4, &null, 1);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), ERR_FAILED);
	close(null);
	send_with(p->ends[0], 4, &part, 1);
	assert_int_equal(wire_receive(p->ends[1], &m, &err), 1);
	assert_string_equal(buf_z(&m.body), "body");
	buf_release(&m.body);
	assert_int_equal(open_descriptors(), before);
	close(open_one);
}

/* ---- what they carry ---- */

static struct wire_message message(enum wire_kind kind, struct buf *body)
{
	return (struct wire_message){.kind = kind, .id = 3, .body = *body};
}

static void a_configuration_arrives_as_it_was(void **state)
{
	static struct parcel_config got;
	struct workspace_more more[] = {{STR_LIT("/a"), true}, {STR_LIT("/b\xff"), false}};
	struct str own[] = {STR_LIT("/own")}, hide[] = {STR_LIT("*.x"), STR_LIT("")};
	struct runner_config c = {.workspace = {.dir = STR_LIT("/w"),
						.named = true,
						.home = STR_LIT("/h"),
						.more = more,
						.n_more = 2,
						.own = own,
						.n_own = 1,
						.hide = hide,
						.n_hide = 2},
				  .spill_root = STR_LIT("/s"),
				  .sandbox = SANDBOX_LANDLOCK};
	struct buf body = {0};
	struct wire_message m;
	struct err err = {0};

	(void)state;
	assert_int_equal(parcel_add_config(&body, &c, STR_LIT("/tmp/x"), &err), 0);
	m = message(WIRE_CONFIG, &body);
	assert_true(parcel_take_config(&m, &got));
	assert_true(str_is(got.c.workspace.dir, "/w") && got.c.workspace.named);
	assert_true(str_is(got.c.workspace.home, "/h"));
	assert_int_equal(got.c.workspace.n_more, 2);
	assert_true(str_is(got.more[1].dir, "/b\xff") && !got.more[1].read_only &&
		    got.more[0].read_only);
	assert_int_equal(
		got.c.workspace.n_own + got.c.workspace.n_hide + got.c.workspace.n_show, 3);
	assert_true(str_is(got.hide[0], "*.x") && str_is(got.c.spill_root, "/s"));
	assert_true(str_is(got.scratch, "/tmp/x") && got.c.sandbox == SANDBOX_LANDLOCK);
	/* Cut anywhere it is none. */
	for (size_t n = 0; n < body.len; n++) {
		m.body.len = n;
		assert_false(parcel_take_config(&m, &got));
	}
	c.workspace.n_hide = PARCEL_LIST + 1;
	assert_int_equal(parcel_add_config(&body, &c, STR_LIT(""), &err), ERR_USAGE);
	buf_release(&body);
}

static void a_job_that_asks_for_too_much_is_none(void **state)
{
	struct job j = {.tool = STR_LIT("read_file"),
			.arguments = STR_LIT("{}"),
			.grade = GRADE_NET,
			.timeout_ms = 5000,
			.limit = 4096,
			.outside = true,
			.spill_folder = STR_LIT("talk")},
		   got;
	static const struct {
		unsigned grade;
		int64_t ms;
		size_t limit;
		bool taken;
	} rows[] = {
		{GRADE_NET, 5000, 4096, true},      {32, 5000, 4096, false},
		{0, (int64_t)1 << 40, 4096, false}, {0, -1, 4096, false},
		{0, 0, OUTPUT_BYTES + 1, false},    {0, 0, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf body = {0};
		struct wire_message m;

		j.grade = rows[i].grade;
		j.timeout_ms = rows[i].ms;
		j.limit = rows[i].limit;
		parcel_add_job(&body, &j);
		m = message(WIRE_RUN, &body);
		assert_int_equal(parcel_take_job(&m, &got), rows[i].taken);
		if (rows[i].taken) {
			assert_true(str_is(got.tool, "read_file") && got.outside);
			assert_true(str_is(got.spill_folder, "talk"));
			assert_int_equal(got.limit,
					 rows[i].limit ? rows[i].limit : OUTPUT_BYTES);
		}
		buf_release(&body);
	}
}

static void a_folder_of_outputs_is_a_plain_name(void **state)
{
	static const struct {
		const char *name;
		bool taken;
	} rows[] = {{"", true},     {"k3vq9x0z1a", true}, {"A-b_1", true}, {"..", false},
		    {".", false},   {"a/b", false},       {"/", false},    {"a.b", false},
		    {"\xff", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct job j = {.tool = STR_LIT("read_file"),
				.arguments = STR_LIT("{}"),
				.spill_folder = str_of(rows[i].name)},
			   got;
		struct buf body = {0};
		struct wire_message m;

		parcel_add_job(&body, &j);
		m = message(WIRE_RUN, &body);
		if (parcel_take_job(&m, &got) != rows[i].taken)
			fail_msg("'%s'", rows[i].name);
		buf_release(&body);
	}
}

static void news_that_are_not_clean_are_none(void **state)
{
	static const struct {
		const char *text, *spill;
		enum tool_state state;
		bool taken;
	} rows[] = {
		{"fine\n\t\xc3\xa9", "OUT:3", TOOL_ERROR, true},
		{"", "", TOOL_OK, true},
		{"\x1b[31m", "", TOOL_OK, false},
		{"\xff", "", TOOL_OK, false},
		{"\x7f", "", TOOL_OK, false},
		{"x", "../x", TOOL_OK, false},
		{"x", "", TOOL_DENIED, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct job_news n = {.state = rows[i].state,
				     .exit = -1,
				     .signal = 11,
				     .ms = 7,
				     .cut = rows[i].spill[0] != '\0'},
				got;
		struct buf body = {0};
		struct wire_message m;

		buf_addz(&n.text, rows[i].text);
		buf_addz(&n.spill, rows[i].spill);
		parcel_add_news(&body, &n);
		m = message(WIRE_DONE, &body);
		assert_int_equal(parcel_take_news(&m, &got), rows[i].taken);
		if (rows[i].taken) {
			assert_string_equal(buf_z(&got.text), rows[i].text);
			assert_int_equal(got.kind, JOB_DONE);
			assert_int_equal(got.exit, -1);
			assert_int_equal(got.signal, 11);
			assert_int_equal(got.cut, n.cut);
		}
		job_news_release(&n);
		job_news_release(&got);
		buf_release(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_of_any_size_arrives_whole, begin,
						end),
		cmocka_unit_test_setup_teardown(nothing_and_nobody_are_told_apart, begin, end),
		cmocka_unit_test_setup_teardown(where_there_is_no_room_it_is_said, begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_message_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(
			only_one_sealed_memfd_of_the_right_size_is_a_body, begin, end),
		cmocka_unit_test(a_configuration_arrives_as_it_was),
		cmocka_unit_test(a_job_that_asks_for_too_much_is_none),
		cmocka_unit_test(a_folder_of_outputs_is_a_plain_name),
		cmocka_unit_test(news_that_are_not_clean_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
