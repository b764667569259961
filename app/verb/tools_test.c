/* Each tool is given a job, by the runner that a session would have, and its result looked at. */
#include "app/verb/tools_test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/newfile.h"
#include "app/tools/tools.h"

#define PATIENCE_MS 30000

struct trial {
	const char *tool, *arguments;
	unsigned grade;
	const char *result;  /* what it must contain */
	const char *refuses; /* what it must refuse; NULL: it must succeed */
};

/* In this order: each finds what those before it made. */
static const struct trial trials[] = {
	{"write_file", "{\"path\": \"notes.txt\", \"content\": \"one\\ntwo\\n\"}", GRADE_WRITE,
	 "wrote 8 bytes", NULL},
	{"read_file", "{\"path\": \"notes.txt\"}", GRADE_READ, "one\ntwo\n", NULL},
	{"list_files", "{}", GRADE_READ, "notes.txt", NULL},
	{"search_files", "{\"pattern\": \"tw.\"}", GRADE_READ, "notes.txt:2:two", NULL},
	{"edit_file", "{\"path\": \"notes.txt\", \"old\": \"two\", \"new\": \"three\"}",
	 GRADE_WRITE, "replaced 1 occurrence", NULL},
	{"shell", "{\"command\": \"cat notes.txt >made && cat made\"}", GRADE_WRITE,
	 "one\nthree\n", NULL},
	{"read_file", "{\"path\": \"/etc/shadow\"}", GRADE_READ, "error: ", "/etc/shadow"},
	{"read_file", "{\"path\": \".env\"}", GRADE_READ, "hidden", ".env"},
	{"write_file", "{\"path\": \".git/config\", \"content\": \"x\"}", GRADE_WRITE,
	 "protected", ".git/config"},
	{"write_file", "{\"path\": \"../made\", \"content\": \"x\"}", GRADE_WRITE, "error: ",
	 "../made"},
	{"shell", "{\"command\": \"cat .env\"}", GRADE_READ, "[exit code", "to read .env"},
	{"shell", "{\"command\": \"echo >new\"}", GRADE_READ, "[exit code",
	 "to write where it may only read"},
};

static bool changes_file(const struct trial *t)
{
	return strcmp(t->tool, "write_file") == 0 || strcmp(t->tool, "edit_file") == 0;
}

/* Changes need a kernel that confines them, and commands a sandbox. */
static bool is_offered(const struct trial *t, enum sandbox_layer layer)
{
	if (strcmp(t->tool, "shell") == 0)
		return layer != SANDBOX_NONE;
	return !changes_file(t) || tools_landlock();
}

static int run(struct runner *r, const struct job *j, struct job_news *n, struct err *err)
{
	uint64_t id;
	int rc = runner_run(r, j, &id, err);

	return rc ? rc : runner_await(r, id, PATIENCE_MS, n, err);
}

/* A change of a file is looked into before it is made. */
static int run_trial(struct runner *r, const struct trial *t, struct job_news *n,
		     struct err *err)
{
	bool changes = changes_file(t);
	struct job j = {.tool = str_of(t->tool),
			.arguments = str_of(t->arguments),
			.grade = changes ? GRADE_READ : t->grade,
			.phase = changes ? JOB_PREPARE : JOB_WHOLE};
	struct job_news looked = {0};
	int rc = run(r, &j, n, err);

	if (rc || !changes || n->state != TOOL_OK)
		return rc;
	looked = *n;
	*n = (struct job_news){0};
	j.phase = JOB_APPLY;
	j.grade = t->grade;
	j.plan = buf_str(&looked.plan);
	rc = run(r, &j, n, err);
	job_news_release(&looked);
	return rc;
}

static void add_head(struct buf *out, bool good, const char *what)
{
	buf_addf(out, "%-5s %-13s ", good ? "ok" : "FAIL", what);
}

/* True: it did as it must. */
static bool judge(struct runner *r, const struct trial *t, struct buf *out)
{
	struct job_news n = {0};
	struct err err = {0};
	int rc = run_trial(r, t, &n, &err);
	bool good = !rc && (n.state == TOOL_OK) == !t->refuses &&
		    strstr(buf_z(&n.text), t->result);

	add_head(out, good, t->tool);
	if (rc)
		buf_adds(out, str_of(err.text));
	else if (!good)
		buf_addf(out, "%s: %.200s", tool_state_name(n.state), buf_z(&n.text));
	else if (t->refuses)
		buf_addf(out, "refuses %s", t->refuses);
	else
		buf_addf(out, "%lld ms", (long long)n.ms);
	if (!out->len || out->data[out->len - 1] != '\n')
		buf_addc(out, '\n');
	job_news_release(&n);
	return good;
}

static void add_sandbox(const struct runner *r, struct buf *out)
{
	struct str why;
	enum sandbox_layer layer = runner_sandbox(r, &why);

	add_head(out, layer != SANDBOX_NONE, "sandbox");
	buf_addf(out, "%s%s\n", sandbox_layer_name(layer),
		 layer == SANDBOX_NONE ? ": no command runs" : "; all ways out refused");
	if (why.n) {
		buf_adds(out, why);
		buf_addz(out, why.p[why.n - 1] == '\n' ? "" : "\n");
	}
}

static bool try_all(struct runner *r, struct buf *out)
{
	struct str why;
	enum sandbox_layer layer = runner_sandbox(r, &why);
	bool good = layer != SANDBOX_NONE;

	add_sandbox(r, out);
	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		if (is_offered(&trials[i], layer))
			good = judge(r, &trials[i], out) && good;
	}
	return good;
}

static void clear(const char *folder)
{
	static const char *const made[] = {"notes.txt", "made", "new", ".env"};
	struct buf path = {0};

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		buf_reset(&path);
		buf_addf(&path, "%s/%s", folder, made[i]);
		if (!buf_failed(&path))
			unlink(path.data);
	}
	rmdir(folder);
	buf_release(&path);
}

/* One that tools hide. */
static int make_secret(const struct buf *folder, struct err *err)
{
	struct newfile f;
	struct buf path = {0};
	int rc = 0;

	buf_addf(&path, "%s/.env", folder->data);
	if (buf_failed(&path))
		rc = err_nomem(err, "path", path.len);
	if (!rc)
		rc = newfile_open(&f, path.data, err);
	if (!rc) {
		if (fputs("KEY=x\n", f.to) < 0)
			rc = err_errno(err, path.data, "write");
		rc = newfile_close(&f, rc, err);
	}
	buf_release(&path);
	return rc;
}

static int make_folder(struct buf *folder, struct err *err)
{
	const char *temporary = getenv("TMPDIR");

	buf_addf(folder, "%s/dsv4chat-tools-XXXXXX",
		 temporary && temporary[0] == '/' ? temporary : "/tmp");
	if (buf_failed(folder))
		return err_nomem(err, "path", 0);
	if (!mkdtemp(folder->data))
		return err_errno(err, folder->data, "a folder for the tools");
	return make_secret(folder, err);
}

int tools_test(struct buf *out, struct err *err)
{
	struct buf folder = {0};
	struct runner *r = NULL;
	struct runner_config c = {.workspace = {.home = str_of(getenv("HOME"))},
				  .sandbox = SANDBOX_BWRAP};
	int rc = make_folder(&folder, err);

	c.workspace.dir = buf_str(&folder);
	if (!rc)
		rc = runner_start(&r, &c, err);
	if (!rc && !try_all(r, out))
		rc = err_set(err, ERR_FAILED, "a tool did otherwise than it must");
	runner_close(r);
	if (!buf_failed(&folder))
		clear(folder.data);
	buf_release(&folder);
	return rc;
}
