/* From a command to what is executed: descriptors, words, and the child's last steps. */
#include "app/tools/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/tools/confine.h"
#include "app/tools/environ.h"
#include "app/tools/landlock.h"
#include "app/tools/sandbox_seccomp.h"
#include "engine/base/file.h"

/* Where the shell above the command, and bubblewrap, have theirs. */
#define AT_SAID    3
#define AT_GATE    4
#define AT_OPTIONS 6
#define AT_FILTER  7
#define AT_END     8

/* It prints nothing itself, as a shell would of a signal that ended its child: that is why the
 * command's own output is given to a subshell. */
#define ABOVE                                                                                  \
	"exec 5>&1 >/dev/null 2>&1; echo >&3; read -r x <&4; "                                 \
	"(\"$@\") >&5 2>&5 3>&- 4<&- 5>&-; echo $? >&3; read -r x <&4"

#define OPTION_WORDS 8000 /* bubblewrap takes 9000 in all */

enum sandbox_layer sandbox_layer_for(const struct sandbox *s, unsigned grade)
{
	return grade & GRADE_OUTSIDE ? SANDBOX_OFF : s->layer;
}

bool launch_has_above(const struct launch *l)
{
	return l->layer == SANDBOX_BWRAP || l->layer == SANDBOX_BWRAP_PROC;
}

/* ---- words ---- */

static size_t add_shell(const char **argv, size_t n, const char *command)
{
	if (access("/bin/bash", X_OK) == 0) {
		argv[n++] = "/bin/bash";
		argv[n++] = "--noprofile";
		argv[n++] = "--norc";
	} else {
		argv[n++] = "/bin/sh";
	}
	argv[n++] = "-c";
	argv[n++] = command;
	return n;
}

static int make_words(struct launch *l, struct str command, struct err *err)
{
	size_t n = 0;

	buf_adds(&l->words, command);
	if (buf_failed(&l->words))
		return err_nomem(err, "command", command.n);
	if (strlen(buf_z(&l->words)) != command.n)
		return err_set(err, ERR_USAGE, "the command has a NUL in it");
	if (launch_has_above(l)) {
		l->argv[n++] = BWRAP_PATH;
		l->argv[n++] = "--args";
		l->argv[n++] = "6";
		l->argv[n++] = "--";
		l->argv[n++] = "/bin/sh";
		l->argv[n++] = "-c";
		l->argv[n++] = ABOVE;
		l->argv[n++] = "sh";
	}
	n = add_shell(l->argv, n, buf_z(&l->words));
	l->argv[n] = NULL;
	return 0;
}

/* ---- descriptors ---- */

static int make_options(struct launch *l, const struct sandbox *s, const struct workspace *w,
			const struct cover *c, unsigned grade, struct err *err)
{
	struct buf options = {0};
	size_t n = 0;
	int rc = 0;

	bwrap_add_options(&options, s, w, c, grade);
	buf_add(&options, "--seccomp\0007", sizeof("--seccomp\0007"));
	for (size_t i = 0; i < options.len; i++)
		n += options.data[i] == '\0';
	if (buf_failed(&options))
		rc = err_nomem(err, "sandbox", options.len);
	else if (n > OPTION_WORDS)
		rc = err_set(err, ERR_USAGE,
			     "there is more to be kept from it than the sandbox can keep");
	else if ((l->options = memfd_create("options", MFD_CLOEXEC)) < 0 ||
		 file_write_all(l->options, buf_str(&options)) != 0 ||
		 lseek(l->options, 0, SEEK_SET) < 0)
		rc = err_errno(err, "sandbox", "its options cannot be kept");
	buf_release(&options);
	return rc;
}

static int make_pipe(int *from, int *to, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(err, "sandbox", "no pipe");
	*from = ends[0];
	*to = ends[1];
	return 0;
}

static int make_bwrap(struct launch *l, const struct sandbox *s, const struct workspace *w,
		      const struct cover *c, unsigned grade, struct err *err)
{
	int rc = make_options(l, s, w, c, grade, err);

	if (!rc)
		rc = make_pipe(&l->hear, &l->said, err);
	if (!rc)
		rc = make_pipe(&l->gate, &l->tell, err);
	if (rc)
		return rc;
	fcntl(l->hear, F_SETFL, O_NONBLOCK);
	l->filter = seccomp_program(grade & GRADE_NET ? SECCOMP_ABSTRACT : 0, err);
	return l->filter < 0 ? l->filter : 0;
}

static int make_landlock(struct launch *l, const struct sandbox *s, const struct workspace *w,
			 const struct cover *c, unsigned grade, struct err *err)
{
	unsigned more = SECCOMP_BARE | SECCOMP_ABSTRACT;

	if (grade & GRADE_NET)
		more |= SECCOMP_NET;
	if (!(landlock_files(s->landlock) & LANDLOCK_TRUNCATE))
		more |= SECCOMP_TRUNCATE;
	l->filter = seccomp_program(more, err);
	if (l->filter < 0)
		return l->filter;
	l->rules = landlock_for_command(s, w, c, grade);
	return l->rules < 0 ? err_errno(err, "sandbox", "its rules cannot be made") : 0;
}

static int make_layer(struct launch *l, const struct sandbox *s, const struct workspace *w,
		      const struct cover *c, unsigned grade, struct err *err)
{
	switch (l->layer) {
	case SANDBOX_BWRAP:
	case SANDBOX_BWRAP_PROC:
		return make_bwrap(l, s, w, c, grade, err);
	case SANDBOX_LANDLOCK:
		return make_landlock(l, s, w, c, grade, err);
	case SANDBOX_OFF:
		return 0;
	case SANDBOX_NONE:
		break;
	}
	return err_set(err, ERR_USAGE, "no sandbox works here");
}

const struct launch launch_none = {.layer = SANDBOX_NONE,
				   .options = -1,
				   .filter = -1,
				   .rules = -1,
				   .said = -1,
				   .gate = -1,
				   .hear = -1,
				   .tell = -1};

int launch_make(struct launch *l, const struct sandbox *s, const struct workspace *w,
		const struct cover *c, struct str command, unsigned grade, struct err *err)
{
	struct buf tmp = {0};
	int rc;

	*l = launch_none;
	l->layer = sandbox_layer_for(s, grade);
	l->dir = w->roots[0].fd;
	if (c->full && l->layer != SANDBOX_OFF)
		return err_set(err, ERR_USAGE,
			       "there is more to be kept from it than the sandbox can keep");
	buf_addf(&tmp, "%s/tmp", launch_has_above(l) ? "" : s->scratch);
	if (!buf_failed(&tmp))
		l->env = environ_make(w, buf_z(&tmp),
				      (grade & (GRADE_WRITE | GRADE_OUTSIDE)) != 0);
	buf_release(&tmp);
	rc = l->env ? make_words(l, command, err) : err_nomem(err, "environment", 0);
	return rc ? rc : make_layer(l, s, w, c, grade, err);
}

void launch_give(struct launch *l)
{
	file_close(&l->options);
	file_close(&l->filter);
	file_close(&l->rules);
	file_close(&l->said);
	file_close(&l->gate);
}

void launch_release(struct launch *l)
{
	launch_give(l);
	file_close(&l->hear);
	file_close(&l->tell);
	free(l->env);
	buf_release(&l->words);
}

/* ---- in the child ---- */

static void default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The place of each may be another's now: all go up first. */
static bool place_descriptors(const struct launch *l)
{
	const int from[] = {l->said, l->gate, l->options, l->filter};
	const int to[] = {AT_SAID, AT_GATE, AT_OPTIONS, AT_FILTER};
	int up[4];
	bool ok = true;

	for (int i = 0; i < 4; i++)
		up[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD, AT_END);
	for (int i = 0; i < 4; i++)
		ok = ok && (from[i] < 0 || (up[i] >= 0 && dup2(up[i], to[i]) >= 0));
	/* What is open would be a way out of any sandbox. */
	return ok && close_range(launch_has_above(l) ? AT_END : AT_SAID, ~0u, 0) == 0;
}

/* A user that is root has no more rights than another. */
static bool drop_privileges(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	for (int cap = 0; cap <= 63; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static bool enforce(const struct launch *l)
{
	struct landlock rules = {.fd = l->rules};

	if (l->layer != SANDBOX_LANDLOCK)
		return true;
	return drop_privileges() && landlock_enforce(&rules) && seccomp_enforce(l->filter);
}

_Noreturn void launch_become(const struct launch *l, int out, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* A group of its own: `kill 0` does not reach the parent.  No session, since who leads
	 * one can make any terminal it opens its own; the runner's has none. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (null < 0 || getppid() != parent || fchdir(l->dir) != 0)
		_exit(126);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	confine_command();
	default_signals();
	if (!enforce(l) || !place_descriptors(l))
		_exit(126);
	execve(l->argv[0], (char *const *)(uintptr_t)l->argv, l->env);
	_exit(127);
}
