/* Files taken back to what they were: any bytes, modes and sequences of edits; what is not as
 * it has to be; and a process that is killed on the way. */
#include "tests/support/shared_files.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/tools/file_tool.h"
#include "app/tools/swap.h"
#include "app/tools/undo.h"
#include "tests/support/tmpdir.h"

struct stage {
	struct tmpdir d;
	struct workspace w;
	struct file_job j; /* the last */
	uint32_t seed;
};

static void must(int rc)
{
	assert_int_equal(rc, 0);
}

static const char *at(const struct stage *s, const char *name)
{
	static char path[4][400];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/ws/%s", s->d.path, name);
	return path[i];
}

static int begin(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct workspace_config c = {0};
	struct err err;

	assert_non_null(s);
	tmpdir_init(&s->d);
	must(mkdir(tmpdir_file(&s->d, "ws"), 0700));
	c.dir = str_of(tmpdir_file(&s->d, "ws"));
	must(workspace_init(&s->w, &c, &err));
	umask(022);
	s->seed = 7;
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct stage *s = *state;

	file_job_release(&s->j);
	workspace_close(&s->w);
	tmpdir_release(&s->d);
	free(s);
	return 0;
}

static uint32_t next_number(struct stage *s, uint32_t below)
{
	s->seed = s->seed * 1664525u + 1013904223u;
	return (s->seed >> 8) % below;
}

/* ---- what a file is ---- */

struct copy {
	struct file_side side;
	struct buf bytes;
};

static void copy_release(struct copy *c)
{
	buf_release(&c->bytes);
	*c = (struct copy){0};
}

static void copy_take(struct copy *c, const char *path)
{
	struct stat st;

	copy_release(c);
	if (lstat(path, &st) != 0)
		return;
	assert_true(whole_file(path, &c->bytes));
	c->side = (struct file_side){.exists = true, .mode = st.st_mode & 07777};
	swap_put_hash(c->side.hash, XXH3_128bits(buf_z(&c->bytes), c->bytes.len));
}

static void expect_copy(const struct copy *c, const char *path)
{
	struct copy now = {0};

	copy_take(&now, path);
	assert_true(file_side_eq(&now.side, &c->side));
	assert_true(!c->side.exists || now.side.mode == c->side.mode);
	assert_true(str_eq(buf_str(&now.bytes), buf_str(&c->bytes)));
	copy_release(&now);
}

/* ---- jobs ---- */

static void run(struct stage *s, enum job_phase phase, const char *tool, const char *args,
		struct str plan, struct str shown)
{
	file_job_release(&s->j);
	s->j = (struct file_job){.w = &s->w,
				 .limit = OUTPUT_BYTES,
				 .spills = -1,
				 .spill = -1,
				 .phase = phase,
				 .shown = shown,
				 .plan = plan};
	if (file_tool_run(&s->j, str_of(tool), str_of(args)) != TOOL_OK)
		fail_msg("%s: %s", args, buf_z(&s->j.text));
}

static void edit(struct stage *s, const char *tool, const char *args, struct buf *shown)
{
	struct buf plan = {0};

	run(s, JOB_PREPARE, tool, args, (struct str){"", 0}, buf_str(shown));
	buf_adds(&plan, buf_str(&s->j.new_plan));
	run(s, JOB_APPLY, tool, args, buf_str(&plan), buf_str(shown));
	buf_reset(shown);
	buf_addf(shown, "[%s]", buf_z(&s->j.info));
	buf_release(&plan);
}

static void add(const struct stage *s, struct buf *plan, const char *name,
		const struct copy *now, const struct copy *then, uint64_t made_dirs)
{
	undo_add_file(plan,
		      &(struct undo_file){.root = str_of(s->w.roots[0].path),
					  .path = str_of(name),
					  .now = now->side,
					  .then = then->side,
					  .made_dirs = made_dirs,
					  .content = {buf_z(&then->bytes), then->bytes.len}});
}

static enum undo_outcome only(const struct stage *s)
{
	struct str files = buf_str(&s->j.files);
	struct undo_found f;

	assert_true(undo_take_found(&files, &f));
	assert_int_equal(files.n, 0);
	return f.outcome;
}

static enum undo_outcome take(struct stage *s, enum job_phase phase, const char *name,
			      const struct copy *now, const struct copy *then,
			      uint64_t made_dirs)
{
	struct buf plan = {0};

	add(s, &plan, name, now, then, made_dirs);
	run(s, phase, UNDO_TOOL, "{}", buf_str(&plan), (struct str){"", 0});
	buf_release(&plan);
	return only(s);
}

/* ---- there and back ---- */

static void make_file(struct stage *s, const char *name)
{
	static const char *const kinds[] = {"a",        "b\n", "b\r\n", "\xEF\xBB\xBF",
					    "\xff\x01", "\n"};
	struct buf file = {0};

	for (uint32_t n = next_number(s, 20); n; n--)
		buf_addz(&file, kinds[next_number(s, 6)]);
	buf_addz(&file, "HERE0.");
	for (uint32_t n = next_number(s, 20); n; n--)
		buf_addz(&file, kinds[next_number(s, 6)]);
	tmpdir_write(&s->d, name, file.data, file.len);
	must(chmod(tmpdir_file(&s->d, name), 0600 | next_number(s, 0200)));
	buf_release(&file);
}

/* From one to four edits; of a new file the first makes it, with its folders. */
static void edit_some(struct stage *s, const char *name, bool is_new, struct buf *shown)
{
	char args[200];

	buf_reset(shown);
	if (is_new) {
		snprintf(args, sizeof(args), "{\"path\": \"%s\", \"content\": \"HERE0.\\n\"}",
			 name);
		edit(s, "write_file", args, shown);
	}
	for (uint32_t i = 0, n = 1 + next_number(s, 4); i < n; i++) {
		snprintf(args, sizeof(args),
			 "{\"path\": \"%s\", \"old\": \"HERE%u.\", \"new\": \"%sHERE%u.\"}",
			 name, i, i % 2 ? "more\\n" : "", i + 1);
		edit(s, "edit_file", args, shown);
	}
}

static void back_is_what_was_and_forth_is_what_was_made(void **state)
{
	struct stage *s = *state;
	struct copy before = {0}, after = {0};
	struct buf shown = {0};

	for (int i = 0; i < 1000; i++) {
		bool is_new = next_number(s, 4) == 0;
		const char *name = is_new ? "d/e/f" : "f";

		if (!is_new)
			make_file(s, "ws/f");
		copy_take(&before, at(s, name));
		edit_some(s, name, is_new, &shown);
		copy_take(&after, at(s, name));
		assert_false(file_side_eq(&before.side, &after.side));
		assert_int_equal(take(s, JOB_PREPARE, name, &after, &before, 2), UNDO_FITS);
		expect_copy(&after, at(s, name));
		assert_int_equal(take(s, JOB_APPLY, name, &after, &before, 2), UNDO_FITS);
		expect_copy(&before, at(s, name));
		assert_true(!is_new || access(at(s, "d"), F_OK) != 0);
		assert_int_equal(take(s, JOB_APPLY, name, &before, &after, 0), UNDO_FITS);
		expect_copy(&after, at(s, name));
		assert_int_equal(take(s, JOB_APPLY, name, &after, &before, 2), UNDO_FITS);
		expect_copy(&before, at(s, name));
		unlink(at(s, name));
	}
	copy_release(&before);
	copy_release(&after);
	buf_release(&shown);
}

/* ---- what is not as it has to be ---- */

static void what_was_changed_stays_with_its_mode(void **state)
{
	struct stage *s = *state;
	struct copy was = {0}, now = {0}, theirs = {0}, none = {0};

	make_file(s, "ws/f");
	copy_take(&was, at(s, "f"));
	make_file(s, "ws/f");
	copy_take(&now, at(s, "f"));
	tmpdir_write_text(&s->d, "ws/f", "theirs");
	copy_take(&theirs, at(s, "f"));
	assert_int_equal(take(s, JOB_PREPARE, "f", &now, &was, 0), UNDO_CHANGED);
	assert_int_equal(take(s, JOB_APPLY, "f", &now, &was, 0), UNDO_CHANGED);
	assert_int_equal(take(s, JOB_APPLY, "f", &now, &none, 0), UNDO_CHANGED);
	assert_int_equal(take(s, JOB_APPLY, "f", &none, &was, 0), UNDO_CHANGED);
	expect_copy(&theirs, at(s, "f"));
	/* Permissions alone are no change, and stay. */
	must(chmod(at(s, "f"), 0751));
	assert_int_equal(take(s, JOB_APPLY, "f", &theirs, &was, 0), UNDO_FITS);
	was.side.mode = 0751;
	expect_copy(&was, at(s, "f"));
	must(unlink(at(s, "f")));
	assert_int_equal(take(s, JOB_APPLY, "f", &now, &was, 0), UNDO_CHANGED);
	copy_release(&was);
	copy_release(&now);
	copy_release(&theirs);
}

static void what_was_kept_wrongly_is_not_written(void **state)
{
	struct stage *s = *state;
	struct copy was = {0}, now = {0};

	make_file(s, "ws/f");
	copy_take(&was, at(s, "f"));
	make_file(s, "ws/f");
	copy_take(&now, at(s, "f"));
	buf_addz(&was.bytes, "!");
	assert_int_equal(take(s, JOB_APPLY, "f", &now, &was, 0), UNDO_REFUSED);
	expect_copy(&now, at(s, "f"));
	copy_release(&was);
	copy_release(&now);
}

static void what_no_edit_may_write_is_not_taken_back(void **state)
{
	static const char *const names[] = {".git/config", "../outside", "link", "d", ".env"};
	struct stage *s = *state;
	struct copy now = {0}, none = {0};

	must(mkdir(at(s, ".git"), 0700));
	must(mkdir(at(s, "d"), 0700));
	tmpdir_write_text(&s->d, "outside", "x");
	tmpdir_write_text(&s->d, "ws/.git/config", "x");
	tmpdir_write_text(&s->d, "ws/.env", "x");
	must(symlink("../outside", at(s, "link")));
	copy_take(&now, tmpdir_file(&s->d, "outside"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum undo_outcome o = take(s, JOB_APPLY, names[i], &now, &none, 3);

		if (o != UNDO_REFUSED)
			fail_msg("%s: %d", names[i], (int)o);
	}
	expect_copy(&now, tmpdir_file(&s->d, "outside"));
	expect_copy(&now, at(s, ".git/config"));
	copy_release(&now);
}

static void what_is_no_list_is_refused(void **state)
{
	static const char *const lists[] = {"x", "\1\0\0\0\0\0\0\0",
					    "0123456789abcdef0123456789"};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		file_job_release(&s->j);
		s->j = (struct file_job){.w = &s->w,
					 .spills = -1,
					 .spill = -1,
					 .phase = JOB_APPLY,
					 .plan = str_of(lists[i])};
		assert_int_equal(file_tool_run(&s->j, STR_LIT(UNDO_TOOL), STR_LIT("{}")),
				 TOOL_ERROR);
	}
}

/* ---- killed ---- */

#define MANY   40
#define ROUNDS 200

static void make_many(struct stage *s, struct copy *was, struct copy *now, struct buf *plan)
{
	char name[32], in[40];

	buf_reset(plan);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		snprintf(in, sizeof(in), "ws/f%d", i);
		/* Every fourth was made, and goes. */
		make_file(s, in);
		copy_take(&was[i], at(s, name));
		if (i % 4 == 0)
			copy_release(&was[i]);
		make_file(s, in);
		copy_take(&now[i], at(s, name));
		add(s, plan, name, &now[i], &was[i], 0);
	}
}

static bool is(const struct copy *c, const char *path)
{
	struct copy now = {0};
	bool same;

	copy_take(&now, path);
	same = file_side_eq(&now.side, &c->side) &&
	       (!c->side.exists || now.side.mode == c->side.mode);
	copy_release(&now);
	return same;
}

/* How many are back already; each is one or the other, all of it. */
static int count_back(const struct stage *s, const struct copy *was, const struct copy *now)
{
	char name[32];
	int n = 0;

	for (int i = 0; i < MANY; i++) {
		bool back;

		snprintf(name, sizeof(name), "f%d", i);
		back = is(&was[i], at(s, name));
		if (!back && !is(&now[i], at(s, name)))
			fail_msg("%s is neither", name);
		n += back;
	}
	return n;
}

/* Without taking its end. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       info.si_pid == pid;
}

static void a_process_that_is_killed_leaves_no_half_file(void **state)
{
	struct stage *s = *state;
	struct copy was[MANY] = {0}, now[MANY] = {0};
	struct buf plan = {0};
	int n_between = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int back, status;
		pid_t pid;

		make_many(s, was, now, &plan);
		pid = fork();
		if (pid == 0) {
			run(s, JOB_APPLY, UNDO_TOOL, "{}", buf_str(&plan), (struct str){"", 0});
			_exit(0);
		}
		/* At any moment, and every other time when files change. */
		if (round % 2 == 0)
			usleep(next_number(s, 4000));
		else
			while (access(at(s, "f0"), F_OK) == 0 && !has_ended(pid))
				;
		usleep(round % 2 ? next_number(s, 300) : 0);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		back = count_back(s, was, now);
		n_between += back > 0 && back < MANY;
		assert_true(WIFSIGNALED(status) || back == MANY);
		/* What is left goes back with the next. */
		run(s, JOB_APPLY, UNDO_TOOL, "{}", buf_str(&plan), (struct str){"", 0});
		assert_int_equal(count_back(s, was, now), MANY);
	}
	print_message("killed between files: %d of %d\n", n_between, ROUNDS);
	for (int i = 0; i < MANY; i++) {
		copy_release(&was[i]);
		copy_release(&now[i]);
	}
	buf_release(&plan);
}

#define WITH_STAGE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STAGE(back_is_what_was_and_forth_is_what_was_made),
		WITH_STAGE(what_was_changed_stays_with_its_mode),
		WITH_STAGE(what_was_kept_wrongly_is_not_written),
		WITH_STAGE(what_no_edit_may_write_is_not_taken_back),
		WITH_STAGE(what_is_no_list_is_refused),
		WITH_STAGE(a_process_that_is_killed_leaves_no_half_file),
	};

	/* A disk's syncs would be nearly all of the time, where there is another place. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
