/* write_file and edit_file: their exact words, what stays of a file, what is never written, and
 * files that are not what they were. */
#include "tests/support/shared_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "app/tools/file_tool.h"
#include "app/tools/swap.h"
#include "engine/base/utf8.h"
#include "tests/support/swapper.h"
#include "tests/support/tmpdir.h"

struct stage {
	struct tmpdir d;
	struct workspace w;
	struct file_job j; /* the last */
	struct buf plan, shown;
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

static void put(const struct stage *s, const char *name, const char *text)
{
	char in[300];

	snprintf(in, sizeof(in), "ws/%s", name);
	tmpdir_write_text(&s->d, in, text);
}

static void open_workspace(struct stage *s, const char *read_only)
{
	struct workspace_more more = {str_of(read_only), true};
	struct workspace_config c = {.dir = str_of(tmpdir_file(&s->d, "ws")),
				     .more = &more,
				     .n_more = read_only != NULL};
	struct err err = {0};

	if (workspace_init(&s->w, &c, &err) != 0)
		fail_msg("%s", err.text);
}

static int begin(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	tmpdir_init(&s->d);
	must(mkdir(tmpdir_file(&s->d, "ws"), 0700));
	open_workspace(s, NULL);
	umask(022);
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct stage *s = *state;

	file_job_release(&s->j);
	buf_release(&s->plan);
	buf_release(&s->shown);
	workspace_close(&s->w);
	tmpdir_release(&s->d);
	free(s);
	return 0;
}

/* What it says; until the next one. */
static const char *run(struct stage *s, enum job_phase phase, const char *tool,
		       const char *args)
{
	enum tool_state state;

	file_job_release(&s->j);
	s->j = (struct file_job){.w = &s->w,
				 .limit = OUTPUT_BYTES,
				 .spills = -1,
				 .spill = -1,
				 .phase = phase,
				 .shown = buf_str(&s->shown),
				 .plan = buf_str(&s->plan)};
	state = file_tool_run(&s->j, str_of(tool), str_of(args));
	assert_int_equal(state == TOOL_ERROR, strncmp(buf_z(&s->j.text), "error: ", 7) == 0);
	assert_int_equal(s->j.new_plan.len > 0, phase == JOB_PREPARE && state == TOOL_OK);
	return buf_z(&s->j.text);
}

static const char *prepare(struct stage *s, const char *tool, const char *args)
{
	const char *said = run(s, JOB_PREPARE, tool, args);

	buf_reset(&s->plan);
	buf_adds(&s->plan, buf_str(&s->j.new_plan));
	return said;
}

static const char *apply(struct stage *s, const char *tool, const char *args)
{
	return run(s, JOB_APPLY, tool, args);
}

static const char *change(struct stage *s, const char *tool, const char *args)
{
	struct buf first = {0};
	const char *said = prepare(s, tool, args);

	if (s->j.new_plan.len) {
		buf_addz(&first, said);
		said = apply(s, tool, args);
		assert_string_equal(said, buf_z(&first));
	}
	buf_release(&first);
	return said;
}

/* The model reads it, or what it changed it knows: an entry more. */
static void note_shown(struct stage *s)
{
	struct buf all = {0};

	buf_addc(&all, '[');
	if (s->shown.len > 2)
		buf_addf(&all, "%.*s,", (int)s->shown.len - 2, s->shown.data + 1);
	buf_adds(&all, buf_str(&s->j.info));
	buf_addc(&all, ']');
	buf_release(&s->shown);
	s->shown = all;
}

static void show(struct stage *s, const char *args)
{
	struct buf shown = s->shown;

	s->shown = (struct buf){0};
	run(s, JOB_WHOLE, "read_file", args);
	s->shown = shown;
	note_shown(s);
}

static const char *content(const struct stage *s, const char *name)
{
	static struct buf kept;

	buf_reset(&kept);
	if (!whole_file(at(s, name), &kept))
		return "(none)";
	return buf_z(&kept);
}

static mode_t mode(const struct stage *s, const char *name)
{
	struct stat st;

	must(lstat(at(s, name), &st));
	return st.st_mode & 07777;
}

/* Names in the folder: nothing is left beside them. */
static size_t count(const struct stage *s, const char *name)
{
	DIR *dir = opendir(at(s, name));
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

#define EDIT(path, old, new)                                                                   \
	"edit_file", "{\"path\": \"" path "\", \"old\": \"" old "\", \"new\": \"" new "\"}"
#define WRITE(path, content)                                                                   \
	"write_file", "{\"path\": \"" path "\", \"content\": \"" content "\"}"

/* ---- what they do ---- */

static void a_text_is_replaced_and_the_mode_stays(void **state)
{
	struct stage *s = *state;

	put(s, "run.sh", "#!/bin/sh\necho a\n");
	must(chmod(at(s, "run.sh"), 0750));
	assert_string_equal(change(s, EDIT("run.sh", "echo a", "echo b")),
			    "replaced 1 occurrence in run.sh");
	assert_string_equal(content(s, "run.sh"), "#!/bin/sh\necho b\n");
	assert_int_equal(mode(s, "run.sh"), 0750);
	assert_int_equal(count(s, ""), 1);
}

static void nothing_changes_before_it_is_applied(void **state)
{
	struct stage *s = *state;
	struct file_plan p;

	put(s, "f", "one\ntwo\n");
	must(chmod(at(s, "f"), 0640));
	assert_string_equal(prepare(s, EDIT("f", "two", "2")), "replaced 1 occurrence in f");
	assert_string_equal(buf_z(&s->j.diff), "@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
	assert_string_equal(buf_z(&s->j.before), "one\ntwo\n");
	assert_string_equal(content(s, "f"), "one\ntwo\n");
	assert_true(file_plan_take(buf_str(&s->plan), &p));
	assert_true(str_is(p.root, s->w.roots[0].path));
	assert_true(str_is(p.path, "f"));
	assert_true(p.existed);
	assert_int_equal(p.mode, 0640);
	assert_int_equal(p.mode_after, 0640);
	assert_string_equal(prepare(s, WRITE("a/b/new", "x\\n")), "wrote 2 bytes to a/b/new");
	assert_string_equal(buf_z(&s->j.diff), "@@ -0,0 +1 @@\n+x\n");
	assert_true(file_plan_take(buf_str(&s->plan), &p));
	assert_true(str_is(p.path, "a/b/new"));
	assert_false(p.existed);
	assert_int_equal(p.made_dirs, 2);
	assert_int_equal(p.mode_after, 0644);
	assert_int_equal(count(s, ""), 1);
}

static void a_new_file_is_made_with_its_folders(void **state)
{
	struct stage *s = *state;

	must(mkdir(at(s, "a"), 0700));
	assert_string_equal(change(s, WRITE("a/b/c/new.txt", "one\\ntwo")),
			    "wrote 7 bytes to a/b/c/new.txt");
	assert_string_equal(content(s, "a/b/c/new.txt"), "one\ntwo");
	assert_int_equal(mode(s, "a/b/c/new.txt"), 0644);
	assert_int_equal(mode(s, "a/b"), 0755);
	assert_int_equal(count(s, "a/b/c"), 1);
	assert_string_equal(change(s, WRITE("empty", "")), "wrote 0 bytes to empty");
	assert_string_equal(content(s, "empty"), "");
	assert_string_equal(change(s, WRITE(" blank ", "x")), "wrote 1 bytes to  blank ");
	assert_string_equal(content(s, "blank"), "x");
}

static void what_is_there_is_read_before_it_is_written(void **state)
{
	struct stage *s = *state;

	put(s, "f", "1\n2\n3\n4\n");
	assert_string_equal(change(s, WRITE("f", "x\\n")),
			    "error: f exists and was not read; read it first");
	show(s, "{\"path\": \"f\", \"limit\": 2}");
	assert_string_equal(change(s, WRITE("f", "x\\n")),
			    "error: f exists and was not read; read it first");
	show(s, "{\"path\": \"f\", \"offset\": 4}");
	assert_string_equal(change(s, WRITE("f", "x\\n")),
			    "error: f exists and was not read; read it first");
	show(s, "{\"path\": \"f\", \"offset\": 3, \"limit\": 1}");
	assert_string_equal(change(s, WRITE("f", "x\\n")), "wrote 2 bytes to f");
	/* What was written, and what was changed in it, is known. */
	note_shown(s);
	assert_string_equal(change(s, EDIT("f", "x", "y")), "replaced 1 occurrence in f");
	note_shown(s);
	assert_string_equal(change(s, WRITE("f", "z\\n")), "wrote 2 bytes to f");
	assert_string_equal(content(s, "f"), "z\n");
	assert_string_equal(change(s, WRITE("f", "w\\n")),
			    "error: f changed since it was read; read it again");
	put(s, "g", "x");
	assert_string_equal(change(s, WRITE("g", "y")),
			    "error: g exists and was not read; read it first");
	show(s, "{\"path\": \"g\"}");
	assert_string_equal(change(s, WRITE("g", "x")), "error: g already has this content");
}

static void an_edit_says_that_the_file_had_changed(void **state)
{
	struct stage *s = *state;

	put(s, "f", "one\n");
	show(s, "{\"path\": \"f\"}");
	put(s, "f", "one\ntwo\n");
	assert_string_equal(change(s, EDIT("f", "one", "1")),
			    "replaced 1 occurrence in f\n[f had changed since it was read]");
	/* An edit of what is not known whole is no reading of it. */
	note_shown(s);
	assert_string_equal(change(s, WRITE("f", "x")),
			    "error: f exists and was not read; read it first");
}

static void marks_and_line_ends_stay(void **state)
{
	struct stage *s = *state;

	put(s, "f", UTF8_BOM "a\r\nb\r\n");
	show(s, "{\"path\": \"f\"}");
	assert_string_equal(change(s, WRITE("f", "x\\ny\\n")), "wrote 9 bytes to f");
	assert_string_equal(content(s, "f"), UTF8_BOM "x\r\ny\r\n");
	assert_string_equal(change(s, EDIT("f", "x\\ny", "z\\n")),
			    "replaced 1 occurrence in f\n[f had changed since it was read]");
	assert_string_equal(content(s, "f"), UTF8_BOM "z\r\n\r\n");
}

static void other_names_keep_what_they_had(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "out", "a");
	must(link(tmpdir_file(&s->d, "out"), at(s, "f")));
	assert_string_equal(change(s, EDIT("f", "a", "b")),
			    "replaced 1 occurrence in f\n"
			    "[other names of f (hard links) keep what it had]");
	assert_string_equal(content(s, "f"), "b");
	assert_string_equal(content(s, "../out"), "a");
}

static void no_file_is_setuid_after_it(void **state)
{
	struct stage *s = *state;

	put(s, "f", "a");
	must(chmod(at(s, "f"), 06755));
	change(s, EDIT("f", "a", "b"));
	assert_int_equal(mode(s, "f"), 0755);
}

static void attributes_of_users_stay(void **state)
{
	struct stage *s = *state;
	char value[8] = "";

	put(s, "f", "a");
	if (setxattr(at(s, "f"), "user.note", "kept", 4, 0) != 0)
		skip();
	change(s, EDIT("f", "a", "b"));
	assert_int_equal(getxattr(at(s, "f"), "user.note", value, sizeof(value)), 4);
	assert_string_equal(value, "kept");
}

/* ---- what is refused ---- */

static void what_is_not_in_the_workspace_is_not_written(void **state)
{
	struct stage *s = *state;
	struct buf args = {0};

	tmpdir_write_text(&s->d, "out", "a");
	must(mkdir(tmpdir_file(&s->d, "dir"), 0700));
	must(symlink("../out", at(s, "link")));
	must(symlink("../dir", at(s, "dlink")));
	must(symlink("nowhere", at(s, "dangling")));
	assert_string_equal(change(s, WRITE("../new", "x")),
			    "error: ../new leads outside the workspace");
	assert_string_equal(change(s, WRITE("a/../../new", "x")),
			    "error: a/../../new: no such file or directory");
	assert_string_equal(change(s, WRITE("/etc/new", "x")),
			    "error: /etc/new leads outside the workspace");
	assert_string_equal(change(s, WRITE("dlink/new", "x")),
			    "error: dlink/new leads outside the workspace");
	assert_string_equal(change(s, EDIT("../out", "a", "b")),
			    "error: ../out leads outside the workspace");
	assert_string_equal(change(s, EDIT("link", "a", "b")),
			    "error: link is a link to ../out; write ../out itself");
	assert_string_equal(change(s, WRITE("dangling", "x")),
			    "error: dangling is a link to nowhere; write nowhere itself");
	buf_addf(&args, "{\"path\": \"%s\", \"content\": \"x\"}", tmpdir_file(&s->d, "new"));
	assert_non_null(
		strstr(change(s, "write_file", buf_z(&args)), "leads outside the workspace"));
	buf_reset(&args);
	buf_addf(&args, "{\"path\": \"%s\", \"content\": \"x\"}", at(s, "in"));
	assert_non_null(strstr(change(s, "write_file", buf_z(&args)), "wrote 1 bytes to /"));
	assert_string_equal(content(s, "in"), "x");
	assert_string_equal(content(s, "../out"), "a");
	assert_int_equal(count(s, "../dir"), 0);
	buf_release(&args);
}

static void a_folder_is_reached_by_a_link_that_stays_inside(void **state)
{
	struct stage *s = *state;

	must(mkdir(at(s, "real"), 0700));
	must(symlink("real", at(s, "d")));
	assert_string_equal(change(s, WRITE("d/f", "x")), "wrote 1 bytes to d/f");
	assert_string_equal(content(s, "real/f"), "x");
}

static void what_is_no_text_file_is_not_changed(void **state)
{
	struct stage *s = *state;

	must(mkdir(at(s, "d"), 0700));
	must(mkfifo(at(s, "pipe"), 0600));
	tmpdir_write(&s->d, "ws/blob", "a\0b", 3);
	tmpdir_write(&s->d, "ws/wide",
		     "\xFF\xFE"
		     "a\0",
		     4);
	assert_string_equal(change(s, EDIT("d", "a", "b")), "error: d is a directory");
	assert_string_equal(change(s, WRITE("new/", "b")), "error: new/ is a directory");
	assert_string_equal(change(s, WRITE("d/..", "b")), "error: d/.. is a directory");
	assert_string_equal(change(s, EDIT("pipe", "a", "b")), "error: pipe is no file");
	assert_string_equal(change(s, EDIT("blob", "a", "b")), "error: blob is a binary file");
	assert_string_equal(change(s, EDIT("wide", "a", "b")),
			    "error: wide is UTF-16, which is only read");
	assert_string_equal(change(s, EDIT("none", "a", "b")),
			    "error: none: no such file or directory");
	assert_string_equal(change(s, WRITE("blob/new", "b")),
			    "error: blob/new: Not a directory");
	assert_string_equal(change(s, WRITE("", "b")), "error: the path is empty");
	assert_string_equal(change(s, EDIT("pipe", "", "b")), "error: pipe is no file");
}

static void what_is_too_large_is_not_changed(void **state)
{
	struct stage *s = *state;
	struct buf args = {0};

	buf_addz(&args, "{\"path\": \"new\", \"content\": \"");
	for (unsigned i = 0; i <= FILE_WRITE_BYTES; i++)
		buf_addc(&args, 'x');
	buf_addz(&args, "\"}");
	assert_string_equal(change(s, "write_file", buf_z(&args)),
			    "error: new: the content is too long (more than 1 MiB)");
	buf_release(&args);
	put(s, "f", "a");
	must(truncate(at(s, "f"), FILE_CHANGE_BYTES + 1));
	assert_string_equal(change(s, EDIT("f", "a", "b")),
			    "error: f is too large to change (more than 8 MiB)");
}

static void version_control_and_secrets_are_never_written(void **state)
{
	static const char *const protected[] = {
		".git/config",
		".GIT/config",
		".git./x",
		".git /x",
		"./.git/../.git/hooks/x",
		"a/.git/hooks/post-commit",
		".git",
		"sub/.git",
		".hg/hgrc",
		".svn/x",
		"a/.jj/x",
		"to_git/config",
		"bare/config",
		"bare/hooks/post-commit",
		"tree/x",
	};
	struct stage *s = *state;

	for (int i = 0; i < 2; i++) {
		must(mkdir(at(s, i ? "bare" : ".git"), 0700));
		must(mkdir(at(s, i ? "bare/objects" : ".git/objects"), 0700));
		must(mkdir(at(s, i ? "bare/refs" : ".git/refs"), 0700));
		put(s, i ? "bare/HEAD" : ".git/HEAD", "ref: x\n");
		put(s, i ? "bare/config" : ".git/config", "a\n");
	}
	must(symlink(".git", at(s, "to_git")));
	must(mkdir(at(s, "tree"), 0700));
	put(s, "tree/HEAD", "x");
	put(s, "tree/commondir", "x");
	for (size_t i = 0; i < sizeof(protected) / sizeof(*protected); i++)
		for (int k = 0; k < 2; k++) {
			char args[300], want[300];

			snprintf(args, sizeof(args),
				 k ? "{\"path\": \"%s\", \"content\": \"x\"}"
				   : "{\"path\": \"%s\", \"old\": \"a\", \"new\": \"b\"}",
				 protected[i]);
			snprintf(want, sizeof(want),
				 "error: %s is protected (it belongs to version control)",
				 protected[i]);
			assert_string_equal(change(s, k ? "write_file" : "edit_file", args),
					    want);
		}
	assert_string_equal(change(s, WRITE(".env", "x")),
			    "error: .env is hidden (it may hold secrets)");
	assert_string_equal(change(s, WRITE("conf/key.pem", "x")),
			    "error: conf/key.pem is hidden (it may hold secrets)");
	assert_string_equal(change(s, WRITE(".github/x.yml", "x")),
			    "wrote 1 bytes to .github/x.yml");
	assert_string_equal(change(s, WRITE(".gitignore", "x")), "wrote 1 bytes to .gitignore");
}

static void what_is_read_only_or_of_another_stays(void **state)
{
	struct stage *s = *state;

	put(s, "f", "a");
	must(chmod(at(s, "f"), 0444));
	assert_string_equal(change(s, EDIT("f", "a", "b")), "error: f: permission denied");
	must(mkdir(tmpdir_file(&s->d, "ro"), 0700));
	tmpdir_write_text(&s->d, "ro/f", "a");
	workspace_close(&s->w);
	open_workspace(s, tmpdir_file(&s->d, "ro"));
	{
		struct buf args = {0};

		buf_addf(&args, "{\"path\": \"%s/f\", \"old\": \"a\", \"new\": \"b\"}",
			 tmpdir_file(&s->d, "ro"));
		assert_non_null(strstr(change(s, "edit_file", buf_z(&args)),
				       "is in a folder that is only read"));
		buf_release(&args);
	}
	if (geteuid() == 0) {
		put(s, "g", "a");
		must(chown(at(s, "g"), 65534, (gid_t)-1));
		assert_string_equal(change(s, EDIT("g", "a", "b")),
				    "error: g: permission denied");
	}
}

/* ---- what changes meanwhile ---- */

static void what_is_not_as_it_was_prepared_is_not_changed(void **state)
{
	struct stage *s = *state;
	const char *changed = "error: f changed while it was written";

	put(s, "f", "a\n");
	prepare(s, EDIT("f", "a", "b"));
	put(s, "f", "a\nc\n");
	assert_string_equal(apply(s, EDIT("f", "a", "b")), changed);
	assert_string_equal(content(s, "f"), "a\nc\n");
	/* Another file of the same content. */
	prepare(s, EDIT("f", "a", "b"));
	put(s, "g", "a\nc\n");
	must(rename(at(s, "g"), at(s, "f")));
	assert_string_equal(apply(s, EDIT("f", "a", "b")), changed);
	/* Another mode. */
	prepare(s, EDIT("f", "a", "b"));
	must(chmod(at(s, "f"), 0700));
	assert_string_equal(apply(s, EDIT("f", "a", "b")), changed);
	/* Another change than the one that was seen. */
	prepare(s, EDIT("f", "a", "b"));
	assert_string_equal(apply(s, EDIT("f", "a", "c")), changed);
	assert_string_equal(content(s, "f"), "a\nc\n");
	/* Without a plan. */
	buf_reset(&s->plan);
	assert_string_equal(apply(s, EDIT("f", "a", "b")), changed);
	/* One that is new no more; a folder that is another, or there. */
	must(unlink(at(s, "f")));
	prepare(s, WRITE("f", "x"));
	put(s, "f", "theirs");
	show(s, "{\"path\": \"f\"}");
	assert_string_equal(apply(s, WRITE("f", "x")), changed);
	assert_string_equal(content(s, "f"), "theirs");
	must(mkdir(at(s, "d"), 0700));
	prepare(s, WRITE("d/e/f", "x"));
	must(mkdir(at(s, "d/e"), 0700));
	assert_string_equal(apply(s, WRITE("d/e/f", "x")),
			    "error: d/e/f changed while it was written");
	must(rmdir(at(s, "d/e")));
	must(rename(at(s, "d"), at(s, "d2")));
	must(mkdir(at(s, "d"), 0700));
	assert_string_equal(apply(s, WRITE("d/e/f", "x")),
			    "error: d/e/f changed while it was written");
	assert_int_equal(count(s, "d"), 0);
}

static struct swap swap_in(const struct stage *s, const char *name, const char *text)
{
	return (struct swap){.dir = s->w.roots[0].fd,
			     .name = name,
			     .content = str_of(text),
			     .mode = 0644,
			     .old = open(at(s, name), O_RDONLY | O_CLOEXEC)};
}

static void what_came_out_is_looked_at(void **state)
{
	struct stage *s = *state;
	struct swap w;

	put(s, "f", "theirs");
	w = swap_in(s, "f", "ours");
	w.hash = XXH3_128bits("other", 5);
	assert_int_equal(swap_file(&w), SWAP_CHANGED);
	assert_string_equal(content(s, "f"), "theirs");
	assert_int_equal(count(s, ""), 1);
	w.hash = XXH3_128bits("theirs", 6);
	assert_int_equal(swap_file(&w), SWAP_DONE);
	assert_string_equal(content(s, "f"), "ours");
	assert_int_equal(count(s, ""), 1);
	close(w.old);
	w.old = -1;
	assert_int_equal(swap_file(&w), SWAP_CHANGED);
	assert_string_equal(content(s, "f"), "ours");
	assert_int_equal(count(s, ""), 1);
}

/* An edit of one of two texts, whichever the file has. */
static bool edit_either(struct stage *s, const char *path)
{
	for (int i = 0; i < 2; i++) {
		char args[200];

		snprintf(args, sizeof(args),
			 "{\"path\": \"%s\", \"old\": \"%s\", \"new\": \"%s\"}", path,
			 i ? "b" : "a", i ? "a" : "b");
		if (prepare(s, "edit_file", args) && s->plan.len)
			return strncmp(apply(s, "edit_file", args), "error", 5) != 0;
	}
	return false;
}

static void what_is_swapped_for_a_link_meanwhile_never_leads_out(void **state)
{
	struct stage *s = *state;
	size_t done = 0, refused = 0;
	pid_t files, folders;

	must(mkdir(tmpdir_file(&s->d, "out"), 0700));
	tmpdir_write_text(&s->d, "out/f", "a");
	must(mkdir(at(s, "d"), 0700));
	put(s, "f", "a");
	put(s, "d/f", "a");
	must(symlink("../out/f", at(s, "link")));
	must(symlink("../out", at(s, "dlink")));
	files = swapper_begin(at(s, "f"), at(s, "link"));
	folders = swapper_begin(at(s, "d"), at(s, "dlink"));
	for (int i = 0; i < 3000 && (i < 100 || !done || !refused); i++) {
		bool ok = edit_either(s, i % 2 ? "f" : "d/f");

		done += ok;
		refused += !ok;
		assert_string_equal(content(s, "../out/f"), "a");
	}
	swapper_end(files);
	swapper_end(folders);
	assert_int_equal(count(s, "../out"), 1);
	assert_true(done > 0);
	assert_true(refused > 0);
}

/* Another that replaces the file all the time loses nothing: what it wrote last is there, or
 * what was made of it. */
static void who_writes_at_the_same_time_loses_nothing(void **state)
{
	struct stage *s = *state;
	size_t done = 0, refused = 0;

	for (int i = 0; i < 120; i++) {
		char their[32];
		pid_t pid;
		bool ok;

		put(s, "f", "a");
		snprintf(their, sizeof(their), "theirs %d", i);
		put(s, "g", their);
		prepare(s, EDIT("f", "a", "b"));
		pid = fork();
		if (pid == 0) {
			usleep((useconds_t)(i % 40) * 20);
			_exit(rename(at(s, "g"), at(s, "f")) != 0);
		}
		ok = strncmp(apply(s, EDIT("f", "a", "b")), "error", 5) != 0;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		done += ok;
		refused += !ok;
		if (!ok)
			assert_string_equal(content(s, "f"), their);
		unlink(at(s, "g"));
		assert_int_equal(count(s, ""), 1);
	}
	assert_true(done > 0);
	assert_true(refused + done == 120);
}

#define WITH_STAGE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STAGE(a_text_is_replaced_and_the_mode_stays),
		WITH_STAGE(nothing_changes_before_it_is_applied),
		WITH_STAGE(a_new_file_is_made_with_its_folders),
		WITH_STAGE(what_is_there_is_read_before_it_is_written),
		WITH_STAGE(an_edit_says_that_the_file_had_changed),
		WITH_STAGE(marks_and_line_ends_stay),
		WITH_STAGE(other_names_keep_what_they_had),
		WITH_STAGE(no_file_is_setuid_after_it),
		WITH_STAGE(attributes_of_users_stay),
		WITH_STAGE(what_is_not_in_the_workspace_is_not_written),
		WITH_STAGE(a_folder_is_reached_by_a_link_that_stays_inside),
		WITH_STAGE(what_is_no_text_file_is_not_changed),
		WITH_STAGE(what_is_too_large_is_not_changed),
		WITH_STAGE(version_control_and_secrets_are_never_written),
		WITH_STAGE(what_is_read_only_or_of_another_stays),
		WITH_STAGE(what_is_not_as_it_was_prepared_is_not_changed),
		WITH_STAGE(what_came_out_is_looked_at),
		WITH_STAGE(what_is_swapped_for_a_link_meanwhile_never_leads_out),
		WITH_STAGE(who_writes_at_the_same_time_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
